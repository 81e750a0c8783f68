package quota

import "time"

// window is an exact sliding log: how many requests were stamped in each short
// stretch of time. A stamp counts until its stretch lies a whole span back, so
// that it is never forgotten early. Stamps may lie ahead, by at most maxAhead.
type window struct {
	span, width time.Duration
	counts      []int32 // ring, by stretch
	oldest      int64   // stretch that the ring begins with
	total       int
}

// maxAhead is how far ahead a stamp may lie: the longest that an attempt takes.
const maxAhead = 2 * time.Minute

func newWindow(span, width time.Duration) *window {
	return &window{span: span, width: width, counts: make([]int32, int((span+maxAhead)/width)+4)}
}

func (w *window) stretch(t time.Time) int64 { return t.UnixNano() / int64(w.width) }

// slide forgets what is a whole span back.
func (w *window) slide(now time.Time) {
	first := w.stretch(now.Add(-w.span)) // the first stretch of which a part still counts
	switch {
	case w.total == 0: // then every count is
		w.oldest = max(w.oldest, first)
		return
	case first-w.oldest >= int64(len(w.counts)):
		clear(w.counts)
		w.total, w.oldest = 0, first
		return
	}
	for ; w.oldest < first; w.oldest++ {
		i := w.oldest % int64(len(w.counts))
		w.total -= int(w.counts[i])
		w.counts[i] = 0
	}
}

// used is how many count now. Stamps that lie ahead count too.
func (w *window) used(now time.Time) int {
	w.slide(now)
	return w.total
}

// add stamps n requests; below zero takes them back.
func (w *window) add(now, stamp time.Time, n int) {
	w.slide(now)
	i := w.stretch(stamp)
	if i < w.oldest {
		if n < 0 {
			return // it is forgotten already
		}
		i = w.oldest
	}
	i = min(i, w.oldest+int64(len(w.counts))-1)
	w.counts[i%int64(len(w.counts))] += int32(n)
	w.total += n
}

// free is when at most n will count, if none is added.
func (w *window) free(now time.Time, n int) time.Time {
	w.slide(now)
	left := w.total
	for s := w.oldest; left > n && s < w.oldest+int64(len(w.counts)); s++ {
		if left -= int(w.counts[s%int64(len(w.counts))]); left <= n {
			return time.Unix(0, (s+1)*int64(w.width)).Add(w.span)
		}
	}
	return now
}

// drop takes back up to n, the oldest first.
func (w *window) drop(now time.Time, n int) {
	w.slide(now)
	for s := w.oldest; n > 0 && w.total > 0 && s < w.oldest+int64(len(w.counts)); s++ {
		i := s % int64(len(w.counts))
		k := min(int32(n), w.counts[i])
		w.counts[i] -= k
		w.total -= int(k)
		n -= int(k)
	}
}
