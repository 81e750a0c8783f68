package replay

import (
	"context"
	"sync"
	"time"
)

// Bounds of what is written later.
const (
	payTimeout   = time.Second // of each try
	payFirst     = 250 * time.Millisecond
	payMost      = 10 * time.Second
	closing      = 2 * time.Second // about how long Close waits
	debtsMost    = 10000
	debtBytes    = 8 << 20
	debtOverhead = 256
)

// debt is what a store could not be told: what became of a create, or, without
// a value, that its owner gave up before sending.
type debt struct {
	owner owner
	value []byte
	since time.Time
}

func (d debt) bytes(id string) int { return len(id) + len(d.value) + debtOverhead }

// debts are told to the store as soon as it answers. Meanwhile this process goes
// by them. What finds no room, or is older than [Window], is forgotten: then an
// id that was marked as sent says that its outcome is not known.
type debts struct {
	pay  func(ctx context.Context, id string, d debt) error
	ctx  context.Context // of the process
	stop context.CancelFunc

	mu      sync.Mutex
	byID    map[string]debt
	bytes   int
	running bool
	paying  sync.WaitGroup
}

func (b *debts) open(pay func(context.Context, string, debt) error) {
	b.pay, b.byID = pay, map[string]debt{}
	b.ctx, b.stop = context.WithCancel(context.Background())
}

func (b *debts) close() {
	b.mu.Lock()
	b.stop()
	b.mu.Unlock()
	b.paying.Wait()
}

// owe takes a debt. Of two attempts at an id that gave up the older one stays:
// the younger has at most claimed the id, and a mere claim can be taken over.
func (b *debts) owe(id string, d debt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.byID[id]; known && d.value == nil || b.ctx.Err() != nil {
		return
	}
	b.drop(id)
	if len(b.byID) >= debtsMost || b.bytes+d.bytes(id) > debtBytes {
		return
	}
	d.since = time.Now()
	b.byID[id] = d
	b.bytes += d.bytes(id)
	if !b.running {
		b.running = true
		b.paying.Go(b.run)
	}
}

// drop forgets a debt. The lock is held.
func (b *debts) drop(id string) {
	if d, ok := b.byID[id]; ok {
		delete(b.byID, id)
		b.bytes -= d.bytes(id)
	}
}

// told is what became of a create, where the store does not know it yet.
func (b *debts) told(id string) (e entry, ok bool) {
	b.mu.Lock()
	d := b.byID[id]
	b.mu.Unlock()
	if d.value == nil {
		return e, false
	}
	return parse(d.value, time.Now())
}

// orphan says whether the owner of an entry gave up before sending.
func (b *debts) orphan(id string, o owner) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	d, ok := b.byID[id]
	return ok && d.owner == o && d.value == nil
}

// forgive drops the debt of attempts that gave up: the id is another's now.
func (b *debts) forgive(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byID[id].value == nil {
		b.drop(id)
	}
}

// paid drops a debt, unless there is another by now.
func (b *debts) paid(id string, o owner) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byID[id].owner == o {
		b.drop(id)
	}
}

// run pays until nothing is owed.
func (b *debts) run() {
	for pause := payFirst; ; pause = min(2*pause, payMost) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-b.ctx.Done():
			timer.Stop()
		}
		last := b.ctx.Err() != nil // closing: one more try
		if b.round() {
			pause = payFirst
		}
		b.mu.Lock()
		if last || len(b.byID) == 0 {
			b.running = false
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
	}
}

// round pays what can be paid, and stops where the store does not answer. It says
// whether it did.
func (b *debts) round() bool {
	begun := time.Now()
	b.mu.Lock()
	all := make(map[string]debt, len(b.byID))
	for id, d := range b.byID {
		all[id] = d
	}
	b.mu.Unlock()
	for id, d := range all {
		if time.Since(d.since) < Window {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), payTimeout)
			err := b.pay(ctx, id, d)
			cancel()
			if err != nil {
				return false
			}
		}
		b.paid(id, d.owner)
		if b.ctx.Err() != nil && time.Since(begun) > closing {
			return false
		}
	}
	return true
}
