package memory

import (
	"math"
	"net/http"

	"github.com/asc-gateway/asc-gateway/internal/quota"
)

// key is the books of one key. Times are nanoseconds; it takes no lock.
type key struct {
	rules   quota.Rules
	books   string  // their name
	limit   int     // of the hour
	hour    *window // own requests
	foreign *window // what others use with the same key, as the header told
	since   *window // own requests that no other ledger keeps; nil: this is the only one
	sensed  bool    // Apple has answered
	careful bool    // after a 429: one at a time, until an answer

	lower, surplus int // answers in a row that told less use than is counted, and by how much at least
	higher, told   int // answers in a row that told a greater limit, and which
	refusals       int // answers in a row that were a 429
	blocked        int64
	inflight       int
	minutes        map[quota.Endpoint]*minute

	due     int64 // when the next paced request is due, if none is early
	heard   int64 // when Apple last told of the hour, or was asked to
	backoff int64 // between probes where nothing was left
	classes classes
}

// minute is the window of a class of endpoints.
type minute struct {
	limit   int // 0: not known
	window  *window
	blocked int64
}

func newKey(rules quota.Rules, books string) *key {
	k := &key{
		rules:   rules,
		books:   books,
		limit:   rules.HourLimit,
		hour:    newHour(rules),
		foreign: newHour(rules),
		minutes: map[quota.Endpoint]*minute{},
	}
	for at, limit := range rules.Minutes {
		k.minute(at).limit = limit
	}
	return k
}

// newHour makes an empty hour, in stretches of 200 ms of it.
func newHour(rules quota.Rules) *window {
	return newWindow(int64(rules.Hour), int64(rules.Hour)/18_000, int64(rules.MaxAhead()))
}

// minute finds the window of a class of endpoints, or begins one.
func (k *key) minute(at quota.Endpoint) *minute {
	m := k.minutes[at]
	if m == nil {
		span := int64(k.rules.Minute())
		m = &minute{window: newWindow(span, span/600, int64(k.rules.MaxAhead()))}
		k.minutes[at] = m
	}
	return m
}

// used is how much of the hour is gone.
func (k *key) used(now int64) int { return k.hour.used(now) + k.foreign.used(now) }

// why a request may not go.
type why int

const (
	none     why = iota
	first        // the answer is awaited that tells how much is left
	blocked      // after a 429
	hour         // the hour is used
	endpoint     // the minute of the endpoints is used
	pace         // it is early
	halted       // batch calls wait while the shared ledger is away
)

// verdict on a request.
type verdict struct {
	ok    bool
	at    int64 // when to ask again
	why   why
	probe bool // the request is a probe of what others have left
	doubt bool // nothing was left, as far as is known
	aged  bool // the request goes first: its class has waited long
}

func reserve(limit int) int { return (limit + quota.ReserveShare - 1) / quota.ReserveShare }

// may says whether a request may go now. hidden requests are taken as used.
func (k *key) may(now int64, a *quota.Ask, hidden int) verdict {
	aged := k.classes.aged(now, a.Class, int64(k.rules.AgingAfter()))
	paced := a.Class != quota.Interactive && !aged
	switch {
	case hidden > 0 && a.Class == quota.Batch:
		return verdict{at: now + int64(quota.TagLife), why: halted}
	case now < k.blocked:
		return verdict{at: k.blocked, why: blocked}
	case (!k.sensed || k.careful) && k.inflight > 0:
		return verdict{at: now + int64(quota.FirstPoll), why: first}
	}
	if m := k.minutes[a.Endpoint]; m != nil {
		if now < m.blocked {
			return verdict{at: m.blocked, why: endpoint}
		}
		if m.limit > 0 && m.window.used(now) >= m.limit {
			return verdict{at: m.window.free(now, m.limit-1), why: endpoint}
		}
	}
	most := k.limit
	if paced {
		most -= reserve(k.limit)
	}
	if used := k.used(now) + hidden; used >= max(most, 1) {
		probe, doubt := k.mayProbe(now, used)
		if probe <= now {
			return verdict{ok: true, probe: true, doubt: doubt, aged: aged}
		}
		return verdict{at: min(k.room(now, used-most+1), probe), why: hour}
	}
	if early := k.due - k.burst(); paced && now < early {
		return verdict{at: early, why: pace}
	}
	return verdict{ok: true, aged: aged}
}

// mayProbe says from when on one request may go although the books are full, and
// whether there is doubt: what others have used was all stamped when it was told,
// and expires earlier.
func (k *key) mayProbe(now int64, used int) (at int64, doubt bool) {
	switch {
	case k.foreign.total == 0:
		return math.MaxInt64, false
	case used < k.limit-reserve(k.limit)/2:
		return k.heard + int64(k.rules.ProbeEvery()), false
	case k.hour.total > k.foreign.total || k.hour.total > 0 && k.hour.free(now, k.hour.total-1) < now+int64(k.rules.Minute()):
		return math.MaxInt64, false // an own request expires soon: the next will tell
	}
	return k.heard + max(k.backoff, int64(k.rules.ProbeFirst())), true
}

// burst is how far ahead of the pace requests may come.
func (k *key) burst() int64 {
	return int64(k.rules.Hour) / int64(k.limit) * int64(max(k.limit/quota.BurstShare, quota.BurstLeast))
}

// room is when n less will be used.
func (k *key) room(now int64, n int) int64 {
	at := int64(math.MaxInt64)
	for _, w := range []*window{k.hour, k.foreign} {
		if used := w.used(now); used >= n {
			at = min(at, w.free(now, used-n))
		}
	}
	if at == math.MaxInt64 {
		at = now + int64(k.rules.Hour)/3600 // only both together have as many
	}
	return at
}

// charge admits an attempt. If nobody settles it, it expires late, never early.
func (k *key) charge(now int64, a *quota.Ask, v verdict, interval int64) quota.Ticket {
	t := quota.Ticket{
		Team:     a.Team,
		Endpoint: a.Endpoint,
		ID:       k.books,
		Sent:     now,
		Stamp:    now + int64(min(a.Attempt, k.rules.MaxAhead())),
	}
	k.classes.serve(now, a.Class, a.Caller, a.Weight)
	k.hour.add(now, t.Stamp, 1)
	if k.since != nil {
		k.since.add(now, t.Stamp, 1)
	}
	if m := k.minutes[a.Endpoint]; m != nil {
		m.window.add(now, t.Stamp, 1)
	}
	k.inflight++
	k.due = max(k.due, now) + interval
	if v.probe {
		k.heard = now
		if v.doubt {
			k.backoff = min(2*max(k.backoff, int64(k.rules.ProbeFirst())), int64(k.rules.ProbeMost()))
		}
	}
	t.Limit, t.Used = k.limit, k.used(now)
	return t
}

// landed says whether a charge leaves its stamp, and where how many are put
// instead, when the outcome of the attempt is known.
func landed(now int64, s *quota.Settlement) (leaves bool, at int64, n int) {
	switch {
	case s.Status > 0: // it has arrived by now
		return true, now, max(s.Writes, 1)
	case s.Writes == 0: // it was never sent
		return true, now, 0
	}
	return false, s.Stamp, s.Writes - 1 // it may have arrived as late as its stamp
}

// settle corrects a charge.
func (k *key) settle(now int64, s *quota.Settlement) {
	k.inflight = max(k.inflight-1, 0)
	windows := [3]*window{k.hour, nil, k.since}
	if m := k.minutes[s.Endpoint]; m != nil {
		windows[1] = m.window
	}
	leaves, at, n := landed(now, s)
	for _, w := range windows {
		if w == nil {
			continue
		}
		if leaves {
			w.add(now, s.Stamp, -1)
		}
		w.add(now, at, n)
	}
	if s.Status <= 0 {
		return
	}
	k.sense(now, s)
	if s.Status == http.StatusTooManyRequests {
		k.refused(now, s)
	} else {
		k.refusals, k.careful = 0, false
	}
}

// sense compares what the header tells with what the books can explain.
func (k *key) sense(now int64, s *quota.Settlement) {
	if p := s.Limits.Hour; p.Known && p.Limit >= quota.MinLimit {
		k.adopt(p.Limit)
		k.heard = now
		if p.Remaining > 0 {
			k.backoff = 0
		}
		k.compare(now, s.Sent, p.Limit-p.Remaining)
	}
	if p := s.Limits.Minute; p.Known {
		begun := k.minutes[s.Endpoint] != nil
		m := k.minute(s.Endpoint)
		if !begun {
			m.window.add(now, now, 1) // this one
		}
		m.limit = max(p.Limit, 1)
		if more := p.Limit - p.Remaining - m.window.used(now); more > 0 {
			m.window.add(now, now, more)
		}
	}
	k.sensed = true // an endpoint that tells nothing of the hour counts too: waiting would be for ever
}

// compare finds out what others use. apple is what Apple has counted when a
// request arrived that was sent at the given time.
func (k *key) compare(now, sent int64, apple int) {
	if used := k.used(now); apple > used {
		k.foreign.add(now, now, apple-used)
		k.lower = 0
		return
	}
	if k.foreign.total == 0 {
		return
	}
	from := now - int64(k.rules.Hour) + int64(k.rules.Slack())
	certain := k.hour.between(now, from, sent) + k.foreign.between(now, from, sent)
	if apple >= certain-1 {
		k.lower = 0
		return
	}
	if k.lower++; k.lower == 1 || certain-apple < k.surplus {
		k.surplus = certain - apple
	}
	if k.lower >= quota.Agreeing {
		k.foreign.drop(now, k.surplus)
		k.lower = 0
	}
}

// adopt takes a lower limit at once, a higher one after several answers.
func (k *key) adopt(limit int) {
	switch {
	case limit < k.limit || !k.sensed:
		k.limit, k.higher = limit, 0
	case limit == k.limit:
		k.higher = 0
	case limit != k.told:
		k.told, k.higher = limit, 1
	default:
		if k.higher++; k.higher >= quota.Agreeing {
			k.limit, k.higher = limit, 0
		}
	}
}

// refused follows a 429: where the hour is not what is used up, the endpoints
// are left alone, else the key.
func (k *key) refused(now int64, s *quota.Settlement) {
	wait := s.RetryAfter
	if wait < 0 {
		wait = k.rules.ProbeEvery() << min(k.refusals, 10)
	}
	k.refusals++
	until := now + int64(min(max(wait, k.rules.BlockLeast()), k.rules.BlockMost()))
	if hour := s.Limits.Hour; s.Limits.Minute.Known && s.Limits.Minute.Remaining == 0 &&
		!(hour.Known && hour.Remaining == 0) ||
		hour.Known && hour.Remaining > 0 {
		m := k.minute(s.Endpoint)
		m.blocked = max(m.blocked, until)
		if m.limit > 0 && !s.Limits.Minute.Known { // what was learned is too much
			m.limit = max(m.limit-m.limit/20-1, 1)
		}
		return
	}
	k.blocked, k.careful = max(k.blocked, until), true
}
