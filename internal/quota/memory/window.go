package memory

// window is an exact sliding log: how many requests were stamped in each short
// stretch of time. A stamp counts until its stretch lies a whole span back, so
// that it is never forgotten early. Stamps may lie ahead. Times are nanoseconds.
type window struct {
	span, width int64
	counts      []int32 // ring, by stretch
	oldest      int64   // stretch that the ring begins with
	total       int
}

// newWindow makes a window of a span, in stretches of a width, with room for
// stamps that lie ahead.
func newWindow(span, width, ahead int64) *window {
	width = max(width, 1)
	return &window{span: span, width: width, counts: make([]int32, (span+ahead)/width+4)}
}

// slide forgets what is a whole span back.
func (w *window) slide(now int64) {
	first := (now - w.span) / w.width // the first stretch of which a part still counts
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
func (w *window) used(now int64) int {
	w.slide(now)
	return w.total
}

// add stamps n requests; below zero takes them back.
func (w *window) add(now, stamp int64, n int) {
	w.slide(now)
	i := stamp / w.width
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

// between counts the stamps from one moment to another.
func (w *window) between(now, from, to int64) (n int) {
	w.slide(now)
	last := min(to/w.width, w.oldest+int64(len(w.counts))-1)
	for s := max(from/w.width+1, w.oldest); s <= last; s++ {
		n += int(w.counts[s%int64(len(w.counts))])
	}
	return n
}

// free is when at most n will count, if none is added.
func (w *window) free(now int64, n int) int64 {
	w.slide(now)
	left := w.total
	for s := w.oldest; left > n && s < w.oldest+int64(len(w.counts)); s++ {
		if left -= int(w.counts[s%int64(len(w.counts))]); left <= n {
			return (s+1)*w.width + w.span
		}
	}
	return now
}

// drop takes back up to n, the oldest first.
func (w *window) drop(now int64, n int) {
	w.slide(now)
	for s := w.oldest; n > 0 && w.total > 0 && s < w.oldest+int64(len(w.counts)); s++ {
		i := s % int64(len(w.counts))
		k := min(int32(n), w.counts[i])
		w.counts[i] -= k
		w.total -= int(k)
		n -= int(k)
	}
}

// each tells the stamps with how many there are.
func (w *window) each(now int64, tell func(stamp int64, n int)) {
	w.slide(now)
	for s := w.oldest; s < w.oldest+int64(len(w.counts)); s++ {
		if n := w.counts[s%int64(len(w.counts))]; n > 0 {
			tell((s+1)*w.width, int(n))
		}
	}
}
