package asc

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// exchange is one request and its answer. Its context ends when either takes too
// long; the cause then is a [fault.Error].
type exchange struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	idle   time.Duration
	timer  *time.Timer // ends it: while the answer is awaited, then while its body is read
}

// begin starts an exchange whose answer must be there, and be read if it is no
// file, within a time.
func (c *Client) begin(ctx context.Context, within time.Duration) *exchange {
	x := &exchange{idle: c.cfg.IdleTimeout}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.timer = time.AfterFunc(within, func() { x.cancel(late(within)) })
	return x
}

// keep gives the body another time to be read in: its reader takes it along.
func (x *exchange) keep(most time.Duration) {
	x.timer.Stop()
	x.timer = time.AfterFunc(most, func() { x.cancel(unread(most)) })
}

// end frees what the exchange holds; its connection too, if the answer has not
// been read to its end.
func (x *exchange) end() {
	x.timer.Stop()
	x.cancel(nil)
}

// why is the fault with which the exchange was ended, else the error given.
func (x *exchange) why(err error) error {
	cause := context.Cause(x.ctx)
	var f *fault.Error
	switch {
	case errors.As(cause, &f):
		return f
	case cause != nil:
		return Ended(x.ctx).WithCause(err)
	}
	return err
}

// late is the fault of an answer that did not come, or not whole.
func late(within time.Duration) *fault.Error {
	return fault.New(
		fault.Unavailable,
		fault.ReasonUpstreamUnavailable,
		"App Store Connect did not answer within %v",
		within,
	)
}

// stalled is the fault of a body that stopped.
func stalled(idle time.Duration) *fault.Error {
	return fault.New(
		fault.Unavailable,
		fault.ReasonUpstreamStalled,
		"App Store Connect began an answer and then sent nothing for %v",
		idle,
	)
}

// unread is the fault of a file that was not read to its end.
func unread(most time.Duration) *fault.Error {
	return fault.New(fault.DeadlineExceeded, "DEADLINE_EXCEEDED", "the file was not read to its end within %v", most)
}

// watched is the body of an answer. A read ends with a [fault.Error] when no byte
// comes for a while, the exchange is over, or the body is longer than allowed;
// closing it ends the exchange.
type watched struct {
	body io.ReadCloser
	x    *exchange
	idle *time.Timer
	left int64
}

// body watches a body of at most so many bytes as they come, before unpacking.
func (x *exchange) body(b io.ReadCloser, most int64) *watched {
	idle := time.AfterFunc(x.idle, func() { x.cancel(stalled(x.idle)) })
	idle.Stop()
	return &watched{body: b, x: x, idle: idle, left: most}
}

// Read implements [io.Reader]. A reader that takes its time is not held against
// Apple: only the wait for bytes counts.
func (w *watched) Read(p []byte) (int, error) {
	w.idle.Reset(w.x.idle)
	n, err := w.body.Read(p)
	w.idle.Stop()
	if w.left -= int64(n); w.left < 0 {
		return 0, errTooLong
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = w.x.why(err)
	}
	return n, err
}

// Close implements [io.Closer].
func (w *watched) Close() error {
	w.idle.Stop()
	err := w.body.Close()
	w.x.end()
	return err
}

// errTooLong tells that a body is longer than allowed as it comes.
var errTooLong = errors.New("asc: the body is longer than allowed")

// Spent is how long the attempts of one or several calls have taken, with the
// pauses between them. Calls that share one are made one after the other, and
// share [Config.CallTimeout]. The zero value is ready.
type Spent struct{ time, most time.Duration }

// left is what is left of a call's time.
func (s *Spent) left(most time.Duration) time.Duration {
	s.most = most
	return most - s.time
}

// Late says whether more than half of the time is gone: who can stop with what
// has been read should.
func (s *Spent) Late() bool { return s.time > s.most/2 }
