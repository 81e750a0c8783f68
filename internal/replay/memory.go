package replay

import (
	"bytes"
	"container/list"
	"context"
	"slices"
	"sync"
	"time"
)

// Bounds of a [Memory].
const (
	maxBytes     = 32 << 20
	itemOverhead = 320     // of an id, beside its own bytes: the map, the list, slices
	answerRoom   = 8 << 10 // kept free for each create that has no answer yet
)

// Memory remembers the ids of one process. When it is full, it takes no other id
// until the oldest have had their time. It is safe for use by many goroutines.
type Memory struct {
	now  func() time.Time
	most int

	mu    sync.Mutex
	byID  map[string]*list.Element
	order *list.List // of *item, by the time they expire
	bytes int
}

type item struct {
	id    string
	value []byte
	cost  int
	until time.Time
}

// NewMemory makes a store of at most 32 MiB. now is [time.Now].
func NewMemory(now func() time.Time) *Memory { return newMemory(now, maxBytes) }

func newMemory(now func() time.Time, most int) *Memory {
	return &Memory{now: now, most: most, byID: map[string]*list.Element{}, order: list.New()}
}

// cost is the room of a value. One that has no answer yet has room for it.
func cost(id string, value []byte) int {
	n := len(value)
	if n >= headBytes && (state(value[stateAt]) == claimed || state(value[stateAt]) == sent) {
		n = max(n, answerRoom)
	}
	return len(id) + n + itemOverhead
}

// expire forgets what has had its time. The lock is held.
func (m *Memory) expire(now time.Time) {
	for e := m.order.Front(); e != nil && !now.Before(e.Value.(*item).until); e = m.order.Front() {
		m.forget(e)
	}
}

func (m *Memory) forget(e *list.Element) {
	x := m.order.Remove(e).(*item)
	delete(m.byID, x.id)
	m.bytes -= x.cost
}

// Claim implements [Store]. Without room it is [ErrFull].
func (m *Memory) Claim(_ context.Context, id string, value []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.expire(now)
	if e, ok := m.byID[id]; ok {
		return e.Value.(*item).value, nil
	}
	x := &item{id, slices.Clip(value), cost(id, value), now.Add(Window)}
	if m.bytes+x.cost > m.most {
		return nil, ErrFull
	}
	m.byID[id] = m.order.PushBack(x)
	m.bytes += x.cost
	return nil, nil
}

// Swap implements [Store]. Without room for a longer value it is [ErrFull].
func (m *Memory) Swap(_ context.Context, id string, old, value []byte) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.expire(now)
	e, ok := m.byID[id]
	if !ok || !bytes.HasPrefix(e.Value.(*item).value, old) {
		return false, nil
	}
	if value == nil {
		m.forget(e)
		return true, nil
	}
	x, c := e.Value.(*item), cost(id, value)
	if c > x.cost && m.bytes-x.cost+c > m.most {
		return false, ErrFull
	}
	m.bytes += c - x.cost
	x.value, x.cost, x.until = slices.Clip(value), c, now.Add(Window)
	m.order.MoveToBack(e)
	return true, nil
}
