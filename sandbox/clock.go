package sandbox

import "time"

// clock is the sandbox's own time, which may go faster than the real one and be
// set forward. Tokens are judged by the real time.
type clock struct {
	real  time.Time // a moment…
	shown time.Time // …and what the clock showed then
	scale float64
}

// now is what the clock shows at a real time.
func (c clock) now(real time.Time) time.Time {
	return c.shown.Add(time.Duration(float64(real.Sub(c.real)) * c.scale))
}

// set makes the clock go at another speed from now on, and jump ahead.
func (c *clock) set(real time.Time, scale float64, ahead time.Duration) {
	c.shown = c.now(real).Add(ahead)
	c.real, c.scale = real, scale
}
