package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// linesEvery is how often a line tells how far a file is, where there is no
// terminal.
const linesEvery = 3 * time.Second

// meters show how far files are: as bars on a terminal, else as lines.
type meters struct {
	bars *mpb.Progress // nil: no terminal
	mu   sync.Mutex
	w    io.Writer
	now  func() time.Time
}

func newMeters(w io.Writer) *meters {
	m := &meters{w: w, now: time.Now}
	if f, ok := w.(*os.File); ok && isTerminal(w) {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 { // 0: nobody has told it
			m.draw(mpb.WithOutput(w), mpb.WithWidth(32))
		}
	}
	return m
}

// draw makes bars of what is added from now on. Lines go above them.
func (m *meters) draw(options ...mpb.ContainerOption) {
	m.bars = mpb.New(options...)
	m.w = m.bars
}

// say writes a line.
func (m *meters) say(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintln(m.w, printable(fmt.Sprintf(format, args...)))
}

// end waits until the bars stand as they are at the end.
func (m *meters) end() {
	if m.bars != nil {
		m.bars.Wait()
	}
}

// meter is one file, or several together.
type meter struct {
	of   *meters
	name string
	size int64 // bytes

	mu   sync.Mutex
	word string // what is being done
	told time.Time
	bar  *mpb.Bar
}

// add begins to show a file.
func (m *meters) add(name string, size int64) *meter {
	one := &meter{of: m, name: clip(name), size: size}
	if m.bars != nil {
		state := func(decor.Statistics) string { one.mu.Lock(); defer one.mu.Unlock(); return one.word }
		one.bar = m.bars.AddBar(
			size,
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(one.name, decor.WCSyncSpaceR)),
			mpb.AppendDecorators(
				decor.CountersKibiByte("% .1f / % .1f", decor.WCSyncSpace),
				decor.Any(state, decor.WCSyncSpace),
			),
		)
	}
	return one
}

// set says how many bytes are with Apple, and what is being done.
func (m *meter) set(n int64, word string) {
	word = strings.ToLower(strings.ReplaceAll(printable(word), "_", " "))
	m.mu.Lock()
	again := word == m.word
	m.word = word
	if m.bar != nil {
		m.mu.Unlock()                      // the bar reads the word
		m.bar.SetCurrent(min(n, m.size-1)) // one that is full is removed
		return
	}
	defer m.mu.Unlock()
	if again && m.of.now().Sub(m.told) < linesEvery {
		return
	}
	m.told = m.of.now()
	text := word
	if n > 0 && n < m.size {
		text += fmt.Sprintf(", %s of %s", bytesText(n), bytesText(m.size))
	}
	m.of.say("%s: %s", m.name, text)
}

// end takes the bar away.
func (m *meter) end() {
	if m.bar != nil {
		m.bar.Abort(true)
	}
}
