package keys

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Away is the fault of a key whose custody does not answer: the key may be all
// right. What is said must quote nothing of it.
func Away(id, format string, args ...any) *fault.Error {
	f := Unusable(id, format, args...)
	f.Kind, f.RetryAfter = fault.Unavailable, retryFirst
	return f
}

// Outage says whether an error means that a custody is away (down, sealed,
// overloaded, or not to be reached in time), and not that a key or a setting is
// wrong: then it is worth trying again.
func Outage(err error) bool {
	var f *fault.Error
	var timeout net.Error
	var dial *net.OpError
	var name *net.DNSError
	var web interface{ HTTPStatusCode() int }
	var rpc interface{ GRPCStatus() *status.Status }
	switch {
	case errors.As(err, &f) && (f.Kind == fault.Unavailable || Outage(f.Unwrap())),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.As(err, &timeout) && timeout.Timeout(), errors.As(err, &dial), errors.As(err, &name):
		return true
	case errors.As(err, &web):
		return outageStatus(web.HTTPStatusCode())
	case errors.As(err, &rpc):
		switch rpc.GRPCStatus().Code() {
		case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Internal, codes.Aborted:
			return true
		}
	}
	return false
}

// outageStatus says whether an HTTP status is the server's trouble.
func outageStatus(code int) bool {
	return code >= http.StatusInternalServerError || code == http.StatusTooManyRequests ||
		code == http.StatusRequestTimeout
}

// unopened is the fault of calls for which a key is wanted that has not been opened.
func (m *member) unopened() error {
	return Away(m.id, "its custody does not answer").WithCause(m.away)
}

// Status is what may be shown of a key.
type Status struct {
	Team, ID string
	State    State
	Kind     string // team, individual or enterprise
	Roles    []Role
	Expires  time.Time // of the token at hand; zero: none
	Broken   bool      // Apple refuses it
	Failing  error     // it does not sign
	Away     bool      // its custody has not answered yet
}

// Unusable says why no call can be made with a key now, "" if one can.
func (s Status) Unusable(now time.Time) string {
	switch {
	case s.State == Pending || s.State == Retired:
		return "is " + string(s.State)
	case s.Broken:
		return "Apple refuses it"
	case s.Away && Outage(s.Failing):
		return "its custody does not answer"
	case s.Away:
		return "it cannot be opened"
	case s.Failing != nil && !now.Before(s.Expires):
		return "it does not sign"
	}
	return "" // also while a token is at hand that a failing key has signed
}
