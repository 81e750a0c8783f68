package rest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/edge/tus"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// bodyStall is how long a piece of a file may take.
const bodyStall = time.Minute

// flow reads a body that is a file, piece by piece. It implements [tus.Body].
type flow struct {
	control *http.ResponseController
	body    io.Reader

	mu      sync.Mutex
	stopped bool
}

func newFlow(w http.ResponseWriter, r *http.Request) *flow {
	return &flow{control: http.NewResponseController(w), body: r.Body}
}

// ReadFull implements [tus.Body]. net/http tells a body that was cut off by
// [io.ErrUnexpectedEOF], as [io.ReadFull] tells one that ends.
func (f *flow) ReadFull(p []byte) (n int, err error) {
	if err := f.wait(time.Now().Add(bodyStall)); err != nil {
		return 0, err
	}
	for n < len(p) && err == nil {
		var m int
		m, err = f.body.Read(p[n:])
		n += m
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		_ = f.wait(time.Time{}) // all is there, whoever comes now
		return n, io.EOF
	}
	if err := f.wait(time.Time{}); err != nil {
		return n, err
	}
	return n, goneAway(err)
}

// wait bounds the time of the next read.
func (f *flow) wait(until time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return fault.New(fault.Unavailable, tus.ReasonLocked, "another request has taken over this upload")
	}
	_ = f.control.SetReadDeadline(until) // not every writer can
	return nil
}

// Interrupt implements [tus.Body].
func (f *flow) Interrupt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
	_ = f.control.SetReadDeadline(time.Now().Add(-time.Second))
}

// goneAway is the fault of a body that does not go on.
func goneAway(err error) error {
	if strings.Contains(err.Error(), "i/o timeout") {
		return fault.New(fault.DeadlineExceeded, fault.ReasonPeerTooSlow, "no byte came within %v", bodyStall).
			WithCause(err)
	}
	return fault.New(fault.Canceled, "CANCELED", "the caller went away").WithCause(err)
}
