package reports

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/kept"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// ahead is how many files are fetched while one is read.
	ahead = 4
	// buffered is how much of a file is kept until it is read, in parts of 64 KiB.
	buffered = 16
	// again is when to ask for what should be there, and is not yet.
	again = 15 * time.Minute
)

// part is a message of a file's stream.
type part interface {
	GetInfo() *typesv1.FileInfo
	GetData() []byte
}

// opener begins to read a file, and returns how its parts are received.
type opener func(ctx context.Context) (receive func() (part, error), err error)

// download is a file that is being fetched. It implements [io.Reader].
type download struct {
	ready  chan struct{} // closed when info or err are set
	info   *typesv1.FileInfo
	failed error // there is no file
	parts  chan []byte
	err    error // after parts is closed: why the file broke off
	rest   []byte
	mark   *kept.Mark // nil: it is not kept
}

// fetch begins to read a file. It ends with its context.
func fetch(ctx context.Context, open opener) *download {
	d := &download{ready: make(chan struct{}), parts: make(chan []byte, buffered)}
	go func() {
		defer close(d.parts)
		receive, first, err := start(ctx, open)
		if err == nil && first.GetInfo() == nil {
			err = fault.New(fault.Internal, "INTERNAL", "a file without a description")
		}
		if err != nil {
			d.failed = err
			close(d.ready)
			return
		}
		d.info = first.GetInfo()
		close(d.ready)
		for {
			p, err := receive()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				d.err = err
				return
			}
			select {
			case d.parts <- p.GetData():
			case <-ctx.Done():
				d.err = ctx.Err()
				return
			}
		}
	}()
	return d
}

func start(ctx context.Context, open opener) (receive func() (part, error), first part, err error) {
	if receive, err = open(ctx); err != nil {
		return nil, nil, err
	}
	first, err = receive()
	return receive, first, err
}

// wait waits until it is known whether there is a file.
func (d *download) wait(ctx context.Context) error {
	select {
	case <-d.ready:
		return d.failed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Read implements [io.Reader].
func (d *download) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		var ok bool
		if d.rest, ok = <-d.parts; !ok {
			if d.err != nil {
				return 0, d.err
			}
			return 0, io.EOF
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// absent says what it means that Apple gave no report: it has none, which is no
// error; or it has none yet, or no more; or the request is wrong.
func absent(err error, s span, now time.Time) error {
	told := strings.ToLower(text(err))
	code := status.Code(err)
	switch {
	case code == codes.NotFound && strings.Contains(told, "no longer available"):
		return fault.New(fault.FailedPrecondition, ReasonExpired, "Apple no longer keeps the report of %s", s.name)
	case code == codes.NotFound && (now.Before(s.due) || strings.Contains(told, "not available yet")):
		return notReady(s, now)
	case code == codes.NotFound:
		return nil
	}
	return err
}

// notReady tells when to ask again.
func notReady(s span, now time.Time) error {
	f := fault.New(fault.Unavailable, ReasonNotReady, "the report of %s is not published yet: Apple does so about %s",
		s.name, s.due.UTC().Format(time.RFC3339))
	f.RetryAfter = max(s.due.Sub(now), again)
	f.Metadata = map[string]string{"report_date": s.name}
	return f
}

// text is all that an error says.
func text(err error) string {
	s, ok := status.FromError(err)
	if !ok {
		return ""
	}
	all := s.Message()
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			for _, v := range d.GetMetadata() {
				all += "\n" + v
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				all += "\n" + v.GetDescription()
			}
		}
	}
	return all
}

var versions = regexp.MustCompile(`\b\d{1,2}_\d{1,2}\b`)

// corrected is the version that Apple names instead of one that it no longer gives,
// "" if the error is about something else.
func corrected(err error, sent string) string {
	if c := status.Code(err); c != codes.InvalidArgument && c != codes.FailedPrecondition && c != codes.NotFound {
		return ""
	}
	told := text(err)
	if !strings.Contains(strings.ToLower(told), "version") {
		return ""
	}
	named := ""
	for _, v := range versions.FindAllString(told, -1) {
		if v != sent {
			named = v
		}
	}
	return named
}
