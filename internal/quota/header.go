package quota

import (
	"strconv"
	"strings"
)

// Limits are what an answer tells of a key's windows. A pair that is absent was
// not reported, which never means unlimited. Source: Apple, "Identifying rate
// limits", for the hour; the minute is not documented.
type Limits struct {
	Hour, Minute Pair
}

// Pair is a limit and what remains of it.
type Pair struct {
	Limit, Remaining int
	Known            bool
}

// Bounds of what is believed.
const (
	maxHeaderBytes = 1024
	maxLimit       = 2_000_000_000
)

// ParseLimits reads the values of X-Rate-Limit: several lines, joined by commas,
// with unknown names, below zero, or junk.
func ParseLimits(values []string) (l Limits) {
	read := 0
	for _, v := range values {
		if read += len(v); read > maxHeaderBytes {
			break
		}
		for part := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
			name, text, ok := strings.Cut(part, ":")
			n, err := strconv.Atoi(text)
			if !ok || err != nil || n > maxLimit || n < -maxLimit {
				continue
			}
			switch strings.ToLower(name) {
			case "user-hour-lim":
				l.Hour.Limit = n
			case "user-hour-rem":
				l.Hour.Remaining, l.Hour.Known = max(n, 0), true
			case "user-minute-lim":
				l.Minute.Limit = n
			case "user-minute-rem":
				l.Minute.Remaining, l.Minute.Known = max(n, 0), true
			}
		}
	}
	l.Hour.check()
	l.Minute.check()
	return l
}

// check forgets a pair that is not whole.
func (p *Pair) check() {
	if !p.Known || p.Limit <= 0 || p.Remaining > p.Limit {
		*p = Pair{}
	}
}
