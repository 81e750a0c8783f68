package audit

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bounds of denials. They have a budget of bytes: a sixteenth of a file at once
// (at most 256 KiB), and a hundredth of a file an hour (at most 4 MiB). So no flood of them
// fills the disk, or rotates other records away.
const (
	denialKeys    = 256 // callers, teams and reasons that are counted apart
	denialEvery   = 10 * time.Second
	denialMethods = 8 // named in one record, beside that of the first
	denialsMost   = 64
	denialBurst   = 256 << 10
	denialHour    = 4 << 20
	denialLine    = 400 // bytes of a line beside its texts
)

// Others is the principal of the record that counts the denials of callers for
// which there was no room of their own.
const Others = "(others)"

type denialKey struct{ principal, team, reason string }

// denied counts the denials of one caller, team and reason.
type denied struct {
	key     denialKey
	first   Record // of those that are not on record yet
	count   int
	methods []string  // of those after the first
	more    bool      // there were other methods
	due     time.Time // when the next record may be written
}

// denials are those that are not on record yet.
type denials struct {
	mu     sync.Mutex
	held   map[denialKey]*denied
	budget *rate.Limiter // of bytes
}

func newDenials(fileBytes int64) *denials {
	hour := min(fileBytes/100, denialHour)
	burst := min(fileBytes/16, denialBurst)
	return &denials{held: map[denialKey]*denied{}, budget: rate.NewLimiter(rate.Limit(float64(hour)/3600), int(burst))}
}

// add counts a denial, and says whether it can be written at once.
func (d *denials) add(r Record, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := denialKey{r.Principal, r.Team, r.Reason}
	x := d.held[key]
	if x == nil && len(d.held) >= denialKeys {
		r.Principal, r.Call, r.Trace, r.Via, r.Resources = Others, "", "", "", nil
		key = denialKey{principal: Others}
		x = d.held[key]
	}
	if x == nil {
		r = r.bounded(maxDenied)
		x = &denied{key: key, due: now}
		d.held[key] = x
	}
	x.count++
	if x.count == 1 {
		x.first = r.bounded(maxDenied)
	} else {
		x.also(r.Method)
	}
	return x.count == 1 && !x.due.After(now)
}

// also remembers the method of a denial after the first.
func (x *denied) also(method string) {
	if method == x.first.Method || slices.Contains(x.methods, method) {
		return
	}
	if len(x.methods) == denialMethods {
		x.more = true
		return
	}
	x.methods = append(x.methods, clean(method, maxWord))
}

// record stands for all that were counted.
func (x *denied) record() Record {
	r := x.first
	if x.count == 1 {
		return r
	}
	r.Count = x.count
	if len(x.methods) > 0 {
		more := ""
		if x.more {
			more = " and others"
		}
		r.Detail += "; also " + strings.Join(x.methods, ", ") + more
	}
	return r.bounded(maxDenied + maxDetail)
}

// due takes the records that may be written now, those that wait longest first.
func (d *denials) due(now time.Time, most int) (list []*entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range d.waiting(now) {
		r := x.record()
		if len(list) == most || !d.budget.AllowN(now, min(denialLine+r.content(), d.budget.Burst())) {
			break
		}
		list = append(list, x.take(r, now))
	}
	return list
}

// take makes an entry of what was counted, and counts anew.
func (x *denied) take(r Record, now time.Time) *entry {
	taken := *x
	*x = denied{key: x.key, due: now.Add(denialEvery)}
	return &entry{record: r, denied: &taken}
}

// waiting are those whose record is due. Those that have been quiet are let go.
func (d *denials) waiting(now time.Time) (list []*denied) {
	for key, x := range d.held {
		switch {
		case x.due.After(now):
		case x.count == 0:
			delete(d.held, key)
		default:
			list = append(list, x)
		}
	}
	slices.SortFunc(list, func(a, b *denied) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.first.Principal, b.first.Principal))
	})
	return list
}

// back counts again what could not be written.
func (d *denials) back(list []*entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range list {
		was := e.denied
		now := d.held[was.key]
		if now == nil {
			d.held[was.key] = was
			continue
		}
		if now.count > 0 {
			was.also(now.first.Method)
		}
		for _, m := range now.methods {
			was.also(m)
		}
		was.count, was.more = was.count+now.count, was.more || now.more
		*now = *was
	}
}

// rest takes all that is left when the log is closed: what the budget allows,
// and one record for what is over.
func (d *denials) rest(now time.Time) []*entry {
	list := d.due(now.Add(denialEvery), denialKeys+1)
	d.mu.Lock()
	defer d.mu.Unlock()
	over := 0
	for _, x := range d.held {
		over += x.count
	}
	if over > 0 {
		list = append(list, &entry{record: Record{Event: Denial, Principal: Others, Count: over}, denied: &denied{}})
	}
	return list
}
