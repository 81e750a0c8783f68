package overload

import (
	"sync/atomic"
	"time"
)

// Seldom lets one log line a second through, and counts the others: callers that
// nobody knows must not fill a disk. The zero value is ready.
type Seldom struct {
	last atomic.Int64 // Unix nanoseconds
	left atomic.Int64 // lines left out since
}

// seldomEvery is how often a line is let through.
const seldomEvery = time.Second

// Pass says whether a line is to be written, and how many were left out before.
func (s *Seldom) Pass(now time.Time) (ok bool, leftOut int64) {
	last := s.last.Load()
	if now.UnixNano()-last < int64(seldomEvery) || !s.last.CompareAndSwap(last, now.UnixNano()) {
		s.left.Add(1)
		return false, 0
	}
	return true, s.left.Swap(0)
}
