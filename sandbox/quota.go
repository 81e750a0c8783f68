package sandbox

import (
	"fmt"
	"time"
)

// window is an exact sliding log: the times of the requests that still count.
type window []time.Time

// slide forgets what is older than span.
func (w window) slide(now time.Time, span time.Duration) window {
	n := 0
	for n < len(w) && now.Sub(w[n]) >= span {
		n++
	}
	return w[n:]
}

// limit is what X-Rate-Limit says of one window.
type limit struct {
	span      string // "hour"
	max, left int
}

func (l limit) String() string {
	return fmt.Sprintf("user-%s-lim:%d;user-%s-rem:%d;", l.span, l.max, l.span, l.left)
}

// charge counts a request in the windows of its key, or refuses it: then it does
// not count.
func (s *Sandbox) charge(k *key, now time.Time) *apiError {
	k.hour, k.minute = k.hour.slide(now, time.Hour), k.minute.slide(now, time.Minute)
	if len(k.hour) >= s.cfg.HourLimit || s.cfg.MinuteLimit > 0 && len(k.minute) >= s.cfg.MinuteLimit {
		return &apiError{Status: 429, Code: "RATE_LIMIT_EXCEEDED", Title: "The request rate limit has been reached.",
			Detail: "We've received too many requests for this API. " +
				"Please wait and try again or slow down your request rate."}
	}
	k.hour = append(k.hour, now)
	if s.cfg.MinuteLimit > 0 {
		k.minute = append(k.minute, now)
	}
	return nil
}

// limits are what is left of the key's windows.
func (k *key) limits(cfg World, now time.Time) []limit {
	list := []limit{{"hour", cfg.HourLimit, max(0, cfg.HourLimit-len(k.hour))}}
	if cfg.MinuteLimit > 0 {
		list = append(list, limit{"minute", cfg.MinuteLimit, max(0, cfg.MinuteLimit-len(k.minute))})
	}
	return list
}

// foreign counts requests that someone else made with the key.
func (k *key) foreign(n int, now time.Time) {
	for range n {
		k.hour = append(k.hour, now)
	}
}
