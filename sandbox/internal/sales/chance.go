package sales

import (
	"math"
	"strconv"
)

// dice are numbers that follow from what they are about: the same every time.
type dice uint64

// throw begins dice about something.
func throw(seed uint64, about ...string) dice {
	h := dice(seed)
	for _, s := range about {
		for i := range len(s) {
			h = (h ^ dice(s[i])) * 0x100000001b3
		}
		h = h.mix()
	}
	return h
}

// with are the dice about one more number.
func (h dice) with(n int) dice { return (h ^ dice(n)*0x9e3779b97f4a7c15).mix() }

// mix spreads the bits (splitmix64).
func (h dice) mix() dice {
	h += 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// unit is a number from 0 up to, but without, 1.
func (h dice) unit() float64 { return float64(h>>11) / (1 << 53) }

// happens says yes with a chance.
func (h dice) happens(chance float64) bool { return h.unit() < chance }

// below is a number from 0 to n-1.
func (h dice) below(n int) int { return int(h.unit() * float64(n)) }

// count is how often something happened that happens mean times (Poisson; for large
// means the normal curve).
func (h dice) count(mean float64) int {
	const large = 30
	if mean > large {
		angle := math.Cos(2 * math.Pi * h.with(1).unit())
		return max(0, int(math.Round(mean+math.Sqrt(mean)*math.Sqrt(-2*math.Log(1-h.unit()))*angle)))
	}
	left, n, p := h.unit(), 0, math.Exp(-mean)
	for ; left >= p && n < 4*large; n++ {
		left -= p
		p *= mean / float64(n+1)
	}
	return n
}

// pick is a place in a list of weights, which add up to 1.
func (h dice) pick(weights []float64) int {
	left := h.unit()
	for i, w := range weights {
		if left -= w; left < 0 {
			return i
		}
	}
	return len(weights) - 1
}

func itoa(n int) string { return strconv.Itoa(n) }

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }
