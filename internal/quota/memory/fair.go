package memory

import "github.com/asc-gateway/asc-gateway/internal/quota"

// classes say whose turn it is: the class first, then start-time fair queueing
// among its callers. A caller's start tag grows by 1/weight with each call; it
// goes when its tag is within one call of the lowest tag that waits. Source:
// Goyal, Vin, Cheng, "Start-time Fair Queueing", 1996.
type classes [3]class

type class struct {
	virtual float64            // the start tag of the call that went last, or the lowest that waited then
	finish  map[string]float64 // of callers that have gone
	backlog map[string]tag     // of callers that wait
	since   int64              // when a call of the class went last, or the first began to wait
}

// tag of a caller that waits.
type tag struct {
	start float64
	until int64 // it has stopped asking
}

// maxFinished is how many finish tags are kept before old ones are looked for.
const maxFinished = 1000

func (c *class) start(caller string) float64 { return max(c.finish[caller], c.virtual) }

// forget drops callers that have stopped asking.
func (c *class) forget(now int64) {
	for name, t := range c.backlog {
		if t.until <= now {
			delete(c.backlog, name)
		}
	}
}

// aged says whether a class has waited so long that one of its calls goes first.
func (cs *classes) aged(now int64, of quota.Class, after int64) bool {
	c := &cs[of]
	return of > quota.Interactive && len(c.backlog) > 0 && now-c.since >= after
}

// turn says whether it is a caller's turn.
func (cs *classes) turn(now int64, of quota.Class, caller string, aged bool) bool {
	for i := range of {
		if cs[i].forget(now); len(cs[i].backlog) > 0 && !aged {
			return false
		}
	}
	c := &cs[of]
	c.forget(now)
	mine := c.start(caller)
	for name, t := range c.backlog {
		if name != caller && mine > t.start+1 {
			return false
		}
	}
	return true
}

// enter lets a caller wait, and says how many are before it.
func (cs *classes) enter(now int64, of quota.Class, caller string) (before int) {
	c := &cs[of]
	if c.backlog == nil {
		c.backlog = map[string]tag{}
	}
	c.forget(now)
	if len(c.backlog) == 0 {
		c.since = now
	}
	mine := c.start(caller)
	c.backlog[caller] = tag{mine, now + int64(quota.TagLife)}
	for i := range of {
		before += len(cs[i].backlog)
	}
	for name, t := range c.backlog {
		if t.start < mine || t.start == mine && name < caller {
			before++
		}
	}
	return before
}

// leave ends a caller's wait.
func (cs *classes) leave(of quota.Class, caller string) { delete(cs[of].backlog, caller) }

// serve notes that a caller's call goes.
func (cs *classes) serve(now int64, of quota.Class, caller string, weight int) {
	c := &cs[of]
	c.since = now
	if c.finish == nil {
		c.finish = map[string]float64{}
	}
	start := c.start(caller)
	virtual := start
	for _, t := range c.backlog {
		virtual = min(virtual, t.start)
	}
	c.virtual = max(c.virtual, virtual)
	c.finish[caller] = start + 1/float64(max(weight, 1))
	if len(c.finish) > maxFinished {
		for name, f := range c.finish {
			if f <= c.virtual {
				delete(c.finish, name)
			}
		}
	}
}

// waiting is how many callers wait in a class and those above it.
func (cs *classes) waiting(of quota.Class) (n int) {
	for i := range of + 1 {
		n += len(cs[i].backlog)
	}
	return n
}
