package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/asc-gateway/asc-gateway/client"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"golang.org/x/term"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
)

// How a lost connection is got back: about a minute of tries.
const (
	tries     = 10
	firstWait = 500 * time.Millisecond
	maxWait   = 10 * time.Second
)

// follower follows an operation until it is done. The operation is on the server:
// a connection that is lost is made again.
type follower struct {
	conn  *grpc.ClientConn
	id    string
	show  func(*operation) error
	say   func(text string) // of the connection
	tries int
	wait  time.Duration

	last *operation // as it was seen last, nil: not yet
	seen int        // how often it was seen
}

// follow returns when the operation is done: its error is the operation's.
func (f *follower) follow(ctx context.Context) error {
	for failed := 0; ; failed++ {
		before := f.seen
		lost, err := f.watch(ctx)
		if f.seen > before {
			failed = 0
		}
		switch {
		case f.last != nil && f.last.GetDone():
			return f.last.failure()
		case ctx.Err() != nil:
			return f.interrupted()
		case !lost || f.last == nil: // what was never seen may not be there
			return f.goesOn(err)
		case failed >= f.tries:
			f.say("the connection was lost, and did not come back")
			return f.goesOn(err)
		case failed == 0:
			f.say("the connection is lost: trying again")
		}
		reconnect(ctx, f.conn, failed, f.wait)
	}
}

// reconnect pauses, longer after each failure, and makes gRPC try again then, and
// not when its own patience says so.
func reconnect(ctx context.Context, conn *grpc.ClientConn, failed int, first time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(min(first<<failed, maxWait)):
	}
	conn.ResetConnectBackoff()
	ctx, cancel := context.WithTimeout(ctx, first)
	defer cancel()
	if state := conn.GetState(); state == connectivity.TransientFailure {
		conn.WaitForStateChange(ctx, state)
	}
}

// watch shows the operation until it is done or the connection is lost.
func (f *follower) watch(ctx context.Context) (lost bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := operationsv1.NewOperationServiceClient(f.conn).WatchOperation(ctx,
		&operationsv1.WatchOperationRequest{Id: f.id})
	for err == nil {
		op, failed := s.Recv()
		if failed != nil {
			err = failed
			break
		}
		if f.last, err = readOperation(op); err != nil {
			return false, err
		}
		f.seen++
		if err := f.show(f.last); err != nil || op.GetDone() {
			return false, err
		}
	}
	if errors.Is(err, io.EOF) {
		err = status.Error(codes.Unavailable, "the gateway ended the answer before the operation was done")
	}
	return comesBack(err), answered(operationsv1.OperationService_WatchOperation_FullMethodName, err)
}

// comesBack says whether an error is one of the connection, or of a gateway that
// is about to end or has no room at the moment.
func comesBack(err error) bool {
	if _, again := client.RetryAfter(err); again {
		return true
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.Canceled, codes.DeadlineExceeded:
		return true
	}
	return false
}

// interrupted is the end of a command that somebody interrupts.
func (f *follower) interrupted() error {
	exit := ExitInterrupted
	if f.last != nil && f.last.waitsForApproval() {
		exit = ExitApproval
	}
	return f.goesOn(&ended{"interrupted", exit})
}

// goesOn adds to an error that the operation goes on, if it was there, and what can
// be done.
func (f *follower) goesOn(err error) error {
	if f.last == nil || ExitCode(err) == ExitNotFound {
		return err
	}
	return &goesOn{err, f.id}
}

// goesOn is an error of a command; the operation is not touched by it.
type goesOn struct {
	error
	id string
}

// Error tells how to look again.
func (g *goesOn) Error() string {
	return fmt.Sprintf("%v\n  hint    the operation goes on: `gateway operations watch %s` follows it,\n"+
		"          `gateway operations cancel %s` ends it", g.error, g.id, g.id)
}

// Unwrap is for [ExitCode].
func (g *goesOn) Unwrap() error { return g.error }

// screen shows people how an operation goes on: a line an action, and one for what
// it waits for.
type screen struct {
	w        io.Writer
	live     bool // a terminal: what is waited for is written over what was waited for
	shown    int  // actions
	awaiting string
	open     bool
}

func newScreen(w io.Writer) *screen { return &screen{w: w, live: isTerminal(w)} }

// show is the operation as it is now.
func (s *screen) show(o *operation) error {
	actions := o.md.GetActions()
	for _, a := range actions[min(s.shown, len(actions)):] {
		s.line(actionLine(a))
	}
	s.shown = max(s.shown, len(actions))
	if o.GetDone() {
		s.line(o.summary())
		return o.result(s.w)
	}
	s.waiting(o)
	return nil
}

func (s *screen) line(text string) {
	if s.open {
		fmt.Fprint(s.w, "\r\x1b[K")
		s.open = false
	}
	fmt.Fprintln(s.w, text)
}

func (s *screen) waiting(o *operation) {
	text := printable(o.md.GetAwaiting())
	if text == "" {
		return
	}
	text = fmt.Sprintf("%-9s  %s", "waiting", text)
	if !s.live {
		if text != s.awaiting {
			s.line(text)
			s.awaiting = text
		}
		return
	}
	if next := o.md.GetNextTime(); next != nil {
		text += ", looks again at " + next.AsTime().Local().Format(time.TimeOnly)
	}
	fmt.Fprint(s.w, "\r\x1b[K"+s.fitting(text))
	s.open = true
}

// fitting cuts a text that would need more than a line of the terminal.
func (s *screen) fitting(text string) string {
	width := 80
	if f, ok := s.w.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 1 {
			width = w
		}
	}
	if r := []rune(text); len(r) >= width {
		return string(r[:width-2]) + "…"
	}
	return text
}

// end leaves the terminal at the beginning of a line.
func (s *screen) end() {
	if s.open {
		fmt.Fprintln(s.w)
		s.open = false
	}
}

// follow follows an operation for the command. last is how it was seen last, nil:
// not yet.
func (a *asker) follow(ctx context.Context, conn *grpc.ClientConn, id string, last *operation) error {
	people := newScreen(a.stdout)
	defer people.end()
	f := &follower{conn: conn, id: id, tries: tries, wait: firstWait, show: people.show, last: last}
	f.say = func(text string) {
		people.end()
		fmt.Fprintln(a.stderr, text)
	}
	if a.json {
		f.show = func(o *operation) error { return writeLine(a.stdout, o.ProtoReflect()) }
	}
	return f.follow(ctx)
}
