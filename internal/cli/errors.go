package cli

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Exit codes, by kind of error.
const (
	ExitOK          = 0
	ExitFailed      = 1 // anything else
	ExitUsage       = 2 // the command line is wrong; nothing was sent
	ExitDenied      = 3 // the caller is not known, or may not
	ExitNotFound    = 4
	ExitInvalid     = 5  // a field of the request is wrong
	ExitConflict    = 6  // the state does not allow it, or it is there already
	ExitQuota       = 7  // the quota, or the gateway has no room
	ExitUnavailable = 8  // the gateway, or Apple, does not answer in time
	ExitUnknown     = 9  // a write was sent and may have been executed
	ExitOperation   = 10 // the operation has failed
	ExitCancelled   = 11 // somebody has cancelled the operation
	ExitStale       = 12 // what is there has changed since the plan was made
	ExitApproval    = 13 // the operation waits for somebody to approve it
	ExitInterrupted = 130
)

// exitHelp is the table of exit codes in --help.
const exitHelp = `Exit codes:
  0  done                          5  invalid: a field is wrong
  1  any other error               6  conflict, or a precondition is not met
  2  usage: nothing was sent       7  quota, or the gateway has no room
  3  not authenticated, or denied  8  unavailable, or the deadline is over
  4  not found                     9  outcome unknown: a write may have been executed
                                 130  interrupted`

// operationExitHelp are the exit codes of commands that wait for an operation.
const operationExitHelp = exitHelp + `

Of an operation:
 10  it has failed                12  the plan is stale: plan again
 11  it was cancelled             13  it waits for somebody to approve it`

// usageError is an error of the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// ExitCode implements the interface that [ExitCode] looks for.
func (*usageError) ExitCode() int { return ExitUsage }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// Usage is an error of the command line: its exit code is 2.
func Usage(text string) error { return &usageError{text} }

// ExitCode is that of an error: 0 for nil, 1 where the error does not say.
func ExitCode(err error) int {
	var coded interface{ ExitCode() int }
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &coded):
		return coded.ExitCode()
	}
	return ExitFailed
}

// callError is what a call came back with.
type callError struct {
	Method string      `json:"method"`
	Code   string      `json:"code"`
	Text   string      `json:"message"`
	Reason string      `json:"reason,omitempty"`
	Domain string      `json:"domain,omitempty"`
	Fields []fieldSays `json:"fields,omitempty"`
	Hints  []string    `json:"hints,omitempty"`
	exit   int
}

type fieldSays struct {
	Field string `json:"field"`
	Says  string `json:"description"`
}

// ExitCode implements the interface that [ExitCode] looks for.
func (e *callError) ExitCode() int { return e.exit }

// Error tells all of it, a thing a line.
func (e *callError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s", e.Method, e.Code, printable(e.Text))
	if e.Reason != "" {
		fmt.Fprintf(&b, "\n  reason  %s", printable(e.Reason))
	}
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "\n  field   %s: %s", printable(f.Field), printable(f.Says))
	}
	for _, h := range e.Hints {
		fmt.Fprintf(&b, "\n  hint    %s", printable(h))
	}
	return b.String()
}

// calledBack makes an error of what a call came back with.
func calledBack(m *method, err error) error {
	var usage *usageError
	if errors.As(err, &usage) {
		return usage
	}
	s := status.Convert(err)
	e := newCallError(m.rpc(), s)
	e.advise(m, s)
	return e
}

// answered is [calledBack] for a method by its full name.
func answered(fullName string, err error) error {
	m, notThere := newCatalog(protoregistry.GlobalFiles).find(fullName)
	if notThere != nil {
		return err
	}
	return calledBack(m, err)
}

func newCallError(method string, s *status.Status) *callError {
	e := &callError{Method: method, Code: codeName(s.Code()), Text: s.Message()}
	for _, d := range s.Details() {
		e.detail(d)
	}
	e.exit = exitOf(s.Code(), e.Reason)
	return e
}

func (e *callError) detail(d any) {
	switch d := d.(type) {
	case *errdetails.ErrorInfo:
		if e.Reason == "" {
			e.Reason, e.Domain = d.GetReason(), d.GetDomain()
			if name := d.GetMetadata()["operation"]; name != "" {
				e.Hints = append(e.Hints, "`gateway operations watch "+operationID(name)+"` follows it")
			}
		}
	case *errdetails.BadRequest:
		for _, v := range d.GetFieldViolations() {
			e.Fields = append(e.Fields, fieldSays{v.GetField(), v.GetDescription()})
		}
	case *errdetails.PreconditionFailure:
		for _, v := range d.GetViolations() {
			e.Fields = append(e.Fields, fieldSays{cmpOr(v.GetSubject(), v.GetType()), v.GetDescription()})
		}
	case *errdetails.RetryInfo:
		wait := d.GetRetryDelay().AsDuration().Round(time.Second)
		e.Hints = append(e.Hints, fmt.Sprintf("nothing was carried out: send it again after %s", max(wait, time.Second)))
	case *errdetails.Help:
		for _, l := range d.GetLinks() {
			if u, err := url.Parse(l.GetUrl()); err == nil && u.Scheme == "https" {
				e.Hints = append(e.Hints, "see "+u.String())
			}
		}
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func codeName(c codes.Code) string {
	names := map[codes.Code]string{
		codes.Canceled: "CANCELLED", codes.Unknown: "UNKNOWN", codes.InvalidArgument: "INVALID_ARGUMENT",
		codes.DeadlineExceeded: "DEADLINE_EXCEEDED", codes.NotFound: "NOT_FOUND", codes.AlreadyExists: "ALREADY_EXISTS",
		codes.PermissionDenied: "PERMISSION_DENIED", codes.ResourceExhausted: "RESOURCE_EXHAUSTED",
		codes.FailedPrecondition: "FAILED_PRECONDITION", codes.Aborted: "ABORTED", codes.OutOfRange: "OUT_OF_RANGE",
		codes.Unimplemented: "UNIMPLEMENTED", codes.Internal: "INTERNAL", codes.Unavailable: "UNAVAILABLE",
		codes.DataLoss: "DATA_LOSS", codes.Unauthenticated: "UNAUTHENTICATED",
	}
	return cmpOr(names[c], "UNKNOWN")
}

// reasonOutcomeUnknown is the reason of a write that may have been executed.
const reasonOutcomeUnknown = "OUTCOME_UNKNOWN"

// reasonPlanStale is the reason of a plan that no longer holds.
const reasonPlanStale = "PLAN_STALE"

func exitOf(c codes.Code, reason string) int {
	switch reason {
	case reasonOutcomeUnknown:
		return ExitUnknown
	case reasonPlanStale:
		return ExitStale
	}
	switch c {
	case codes.Unauthenticated, codes.PermissionDenied:
		return ExitDenied
	case codes.NotFound:
		return ExitNotFound
	case codes.InvalidArgument, codes.OutOfRange:
		return ExitInvalid
	case codes.FailedPrecondition, codes.AlreadyExists, codes.Aborted:
		return ExitConflict
	case codes.ResourceExhausted:
		return ExitQuota
	case codes.Unavailable, codes.DeadlineExceeded:
		return ExitUnavailable
	case codes.Canceled:
		return ExitInterrupted
	}
	return ExitFailed
}

// advise adds what a person can do.
func (e *callError) advise(m *method, s *status.Status) {
	add := func(text string) { e.Hints = append(e.Hints, text) }
	switch {
	case s.Code() == codes.Canceled && e.Reason == "":
		e.Text = "the call was interrupted"
	case e.Reason == reasonOutcomeUnknown:
		add("look whether it was carried out before you send it again; a create with a request_id may be sent again as it is")
	case e.Reason == "POLICY_DENIED":
		add("`gateway policy explain --method " + m.fullName() + " --principal …` says which rule is missing")
	case s.Code() == codes.Unauthenticated:
		add("`gateway login ADDRESS` keeps a credential; ASC_GATEWAY_TOKEN or ASC_GATEWAY_TOKEN_FILE bring one")
	case s.Code() == codes.Unimplemented && e.Reason == "":
		add("the gateway does not know the method: is it older than this program? `gateway version` tells this one's")
	case s.Code() == codes.DeadlineExceeded && e.Reason == "":
		add("--timeout allows more time")
	}
	for _, known := range transportHints {
		if e.Reason == "" && s.Code() == codes.Unavailable && strings.Contains(s.Message(), known.part) {
			e.Text = known.says
			add(known.hint)
			return
		}
	}
}

// transportHints say what gRPC's words for a connection that fails mean.
var transportHints = []struct{ part, says, hint string }{
	{"first record does not look like a TLS handshake", "the gateway's port speaks no TLS",
		"--plaintext calls it without TLS"},
	{"certificate signed by unknown authority", "the gateway's certificate is signed by an unknown authority",
		"--ca-file FILE names the authority (PEM)"},
	{"certificate is valid for", "the gateway's certificate is for another name",
		"call it by the name in its certificate"},
	{"certificate required", "the gateway wants a client certificate", "--cert-file FILE and --key-file FILE bring one"},
	{"connection refused", "nothing listens at the address",
		"is the gateway running there, and is this its gRPC port (9090 by default)?"},
	{"no such host", "the address has no such host", "check the spelling of the address"},
	{"error reading server preface", "what listens at the address does not speak gRPC without TLS",
		"is this the gRPC port? With TLS, drop --plaintext, or on loopback use --tls"},
}
