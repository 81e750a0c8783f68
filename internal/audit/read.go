package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"iter"
)

// tooLong stands for a line that is longer than one of a log can be.
var tooLong = []byte("a line that is too long")

// Texts are the lines of a file without their ends. One that is too long is
// replaced by words that say so, which are no record. The bytes are good until
// the next line.
func Texts(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		in := bufio.NewReaderSize(r, maxLineBytes+1)
		for {
			text, more, err := in.ReadLine()
			for more && err == nil {
				text = tooLong
				_, more, err = in.ReadLine()
			}
			switch {
			case errors.Is(err, io.EOF) && len(text) == 0:
				return
			case err != nil && !errors.Is(err, io.EOF):
				yield(nil, err)
				return
			case !yield(text, nil) || err != nil:
				return
			}
		}
	}
}

// Parse reads a line without judging its hash, and says whether it is one.
func Parse(text []byte) (*Line, bool) {
	var l Line
	if json.Unmarshal(text, &l) != nil || l.Seq == 0 || l.Event == "" {
		return nil, false
	}
	return &l, true
}
