package inspect

import "slices"

// xarWalker reads the header, the table of contents, and then those files of the
// heap that describe the build, in the heap's order.
type xarWalker struct {
	window int64
	header *xarHeader
	at     int64      // in the heap; bytes before it are not seen again
	files  []heapFile // still to be read
	read   bool       // the table was
	found  descriptions
}

func (w *xarWalker) next(b []byte) (int64, *Build, error) {
	switch {
	case w.header == nil:
		if len(b) < xarHeaderLength {
			return more, nil, nil
		}
		h, err := parseXarHeader(b)
		if err != nil {
			return 0, nil, err
		}
		w.header = &h
		return h.contents, nil, w.inWindow(h.heap)
	case !w.read:
		return w.contents(b)
	}
	return w.file(b)
}

// inWindow refuses at once what ends where the scanner will not look.
func (w *xarWalker) inWindow(end int64) error {
	if end > w.window {
		return tooLate(w.window)
	}
	return nil
}

func (w *xarWalker) contents(b []byte) (int64, *Build, error) {
	n := w.header.contentsLength
	if int64(len(b)) < n {
		return more, nil, nil
	}
	c, err := readContents(b[:n])
	if err != nil {
		return 0, nil, err
	}
	w.read, w.files = true, append(c.distribution, c.infos...)
	slices.SortStableFunc(w.files, byOffset)
	if len(w.files) == 0 {
		return w.finish()
	}
	return n, nil, nil
}

// file reads the next file that is wanted, or passes what is before it.
func (w *xarWalker) file(b []byte) (int64, *Build, error) {
	f := w.files[0]
	if f.offset < w.at {
		return 0, nil, unreadable("files in it overlap")
	}
	if err := w.inWindow(w.header.heap + f.offset + f.length); err != nil {
		return 0, nil, err
	}
	if before := f.offset - w.at; before > 0 {
		w.at = f.offset
		return before, nil, nil
	}
	if int64(len(b)) < f.length {
		return more, nil, nil
	}
	if err := w.found.add(f, b[:f.length]); err != nil {
		return 0, nil, err
	}
	w.at, w.files = w.at+f.length, w.files[1:]
	if w.found.enough() || len(w.files) == 0 {
		return w.finish()
	}
	return f.length, nil, nil
}

func (w *xarWalker) finish() (int64, *Build, error) {
	build, err := w.found.build()
	if err != nil {
		return 0, nil, err
	}
	return 0, &build, nil
}
