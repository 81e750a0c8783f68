package quota

import (
	"net/http"
	"time"
)

// Facts and choices about Apple's windows.
const (
	assumedLimit = 3600            // an hour, until a header tells
	minLimit     = 10              // what a header may tell at least
	agreeing     = 3               // answers that must agree before more is believed
	blockMost    = 2 * time.Minute // a Retry-After beyond it is not believed
	blockLeast   = time.Second
	reserveShare = 150 // one in so many is kept for interactive callers: with one in a hundred the others could never use 99 %
	burstShare   = 50  // one in so many may come at once before pacing begins
	minuteSpan   = time.Minute
	hourSpan     = time.Hour
	hourWidth    = 200 * time.Millisecond
)

// ledger counts the use of one key. Time is an argument; it takes no lock.
type ledger struct {
	limit   int     // of the hour
	hour    *window // own requests
	foreign *window // what others use with the same key, as the header told
	sensed  bool    // Apple has answered

	lower, higher int // answers in a row that told less use, or a greater limit
	told          int // that limit
	blocked       time.Time
	inflight      int
	minutes       map[endpoint]*minute // by endpoint class, those that a header has told of

	due time.Time // when the next paced request is due, if none is early
}

// minute is the window of an endpoint class.
type minute struct {
	limit   int
	window  *window
	blocked time.Time
}

func newLedger(limit int) *ledger {
	if limit <= 0 {
		limit = assumedLimit
	}
	return &ledger{limit: limit, hour: newWindow(hourSpan, hourWidth), foreign: newWindow(hourSpan, hourWidth), minutes: map[endpoint]*minute{}}
}

// ticket is an admitted attempt.
type ticket struct {
	at      endpoint
	stamp   time.Time // as it is charged: the attempt's deadline
	certain int       // use that had certainly arrived when it was sent
	settled bool
}

// used is how much of the hour is gone.
func (l *ledger) used(now time.Time) int { return l.hour.used(now) + l.foreign.used(now) }

// interval is the pace at which the whole hour is used.
func (l *ledger) interval() time.Duration { return hourSpan / time.Duration(l.limit) }

// may says whether a request may go now, and if not, when to ask again; the zero
// time means: when an attempt in flight has ended.
func (l *ledger) may(now time.Time, at endpoint, interactive bool) (bool, time.Time) {
	if now.Before(l.blocked) {
		return false, l.blocked
	}
	if !l.sensed && l.inflight > 0 {
		return false, time.Time{}
	}
	most := l.limit
	if !interactive {
		most -= (l.limit + reserveShare - 1) / reserveShare
	}
	if used := l.used(now); used >= max(most, 1) {
		return false, l.room(now, used-most+1)
	}
	if m := l.minutes[at]; m != nil {
		if now.Before(m.blocked) {
			return false, m.blocked
		}
		if m.window.used(now) >= m.limit {
			return false, m.window.free(now, m.limit-1)
		}
	}
	if early := l.due.Add(-l.burst()); !interactive && now.Before(early) {
		return false, early
	}
	return true, now
}

// burst is how far ahead of the pace requests may come.
func (l *ledger) burst() time.Duration {
	return l.interval() * time.Duration(max(l.limit/burstShare, 10))
}

// room is when n less will be used.
func (l *ledger) room(now time.Time, n int) time.Time {
	at := time.Time{}
	for _, w := range []*window{l.hour, l.foreign} {
		if w.used(now) >= n {
			if t := w.free(now, w.used(now)-n); at.IsZero() || t.Before(at) {
				at = t
			}
		}
	}
	if at.IsZero() {
		at = now.Add(time.Second) // only both together have as many
	}
	return at
}

// charge admits an attempt that ends at the deadline at the latest. It is
// stamped there: if nobody settles it, it expires late, never early.
func (l *ledger) charge(now, deadline time.Time, at endpoint) *ticket {
	stamp := deadline
	if stamp.After(now.Add(maxAhead)) {
		stamp = now.Add(maxAhead)
	}
	t := &ticket{at: at, stamp: stamp, certain: l.used(now) - l.inflight}
	l.hour.add(now, stamp, 1)
	if m := l.minutes[at]; m != nil {
		m.window.add(now, stamp, 1)
	}
	l.inflight++
	if l.due.Before(now) {
		l.due = now
	}
	l.due = l.due.Add(l.interval())
	return t
}

// settle corrects a charge by what came of the attempt: how often it was really
// written, and what was answered; status 0: nothing was.
func (l *ledger) settle(now time.Time, t *ticket, writes, status int, header http.Header) {
	if t.settled {
		return
	}
	t.settled = true
	l.inflight--
	m := l.minutes[t.at]
	windows := []*window{l.hour}
	if m != nil {
		windows = append(windows, m.window)
	}
	for _, w := range windows {
		switch {
		case status > 0: // it has arrived by now
			w.add(now, t.stamp, -1)
			w.add(now, now, max(writes, 1))
		case writes == 0: // it was never sent
			w.add(now, t.stamp, -1)
		default: // it may have arrived as late as its stamp
			w.add(now, t.stamp, writes-1)
		}
	}
	if status <= 0 {
		return
	}
	limits := ParseLimits(header.Values("X-Rate-Limit"))
	l.sense(now, t, limits)
	if status == http.StatusTooManyRequests {
		l.refused(now, t.at, limits, header)
	}
}

// sense compares what the header tells with what the ledger can explain.
func (l *ledger) sense(now time.Time, t *ticket, limits Limits) {
	if p := limits.Hour; p.Known && p.Limit >= minLimit {
		l.adopt(p.Limit)
		apple := p.Limit - p.Remaining
		switch most := l.used(now); {
		case apple > most: // someone else uses the key
			l.foreign.add(now, now, apple-most)
			l.lower = 0
		case apple < t.certain-1 && l.foreign.used(now) > 0:
			if l.lower++; l.lower >= agreeing {
				l.foreign.drop(now, t.certain-apple)
				l.lower = 0
			}
		default:
			l.lower = 0
		}
	}
	if p := limits.Minute; p.Known {
		m := l.minutes[t.at]
		if m == nil {
			m = &minute{window: newWindow(minuteSpan, 100*time.Millisecond)}
			l.minutes[t.at] = m
			m.window.add(now, now, 1) // this one
		}
		m.limit = max(p.Limit, 1)
		if apple := p.Limit - p.Remaining; apple > m.window.used(now) {
			m.window.add(now, now, apple-m.window.used(now))
		}
	}
	l.sensed = true // an endpoint that tells nothing of the hour counts too: waiting would be for ever
}

// adopt takes a lower limit at once, a higher one after several answers.
func (l *ledger) adopt(limit int) {
	switch {
	case limit < l.limit || !l.sensed:
		l.limit, l.higher = limit, 0
	case limit == l.limit:
		l.higher = 0
	case limit != l.told:
		l.told, l.higher = limit, 1
	default:
		if l.higher++; l.higher >= agreeing {
			l.limit, l.higher = limit, 0
		}
	}
}

// refused follows a 429: the key, or the endpoint class, is left alone.
func (l *ledger) refused(now time.Time, at endpoint, limits Limits, header http.Header) {
	wait := blockLeast
	if s, err := time.ParseDuration(header.Get("Retry-After") + "s"); err == nil {
		wait = s
	} else if date, err := http.ParseTime(header.Get("Retry-After")); err == nil {
		wait = date.Sub(now)
	}
	until := now.Add(min(max(wait, blockLeast), blockMost))
	if m := l.minutes[at]; m != nil && limits.Minute.Known && limits.Minute.Remaining == 0 && (!limits.Hour.Known || limits.Hour.Remaining > 0) {
		m.blocked = until
		return
	}
	l.blocked = until
}
