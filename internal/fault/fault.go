// Package fault is the one vocabulary of errors: what went wrong, for whom, and
// what Apple said about it. Every package returns these; only internal/service
// turns them into gRPC statuses.
//
// What stands in an [Error] may be sent to a caller, except its cause, which is
// for the log alone. It must never hold a token, a key, or the body of a request.
package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Kind is the class of a fault. The values mean what gRPC's codes of the same
// name mean.
type Kind uint8

// The kinds of faults.
const (
	Internal Kind = iota
	InvalidArgument
	NotFound
	AlreadyExists
	FailedPrecondition
	PermissionDenied
	ResourceExhausted
	Unavailable
	DeadlineExceeded
	Canceled
	Unimplemented
	Unknown         // the outcome of a write is not known
	Unauthenticated // the caller did not say who it is, or could not prove it
)

// Reasons of the gateway's own; the others are Apple's codes.
const (
	ReasonOutcomeUnknown      = "OUTCOME_UNKNOWN"      // a write was sent, its answer is lost
	ReasonExecutedUnread      = "EXECUTED_UNREAD"      // a write was executed, its answer cannot be read
	ReasonURLTooLong          = "URL_TOO_LONG"         // Apple answers more than 4,096 bytes with 500
	ReasonUpstreamCredentials = "UPSTREAM_CREDENTIALS" // Apple refuses the gateway's key
	ReasonUpstreamMalformed   = "UPSTREAM_MALFORMED"   // Apple's answer is no answer
	ReasonUpstreamTooLarge    = "UPSTREAM_TOO_LARGE"   // Apple's answer exceeds the gateway's bound
	ReasonUpstreamStalled     = "UPSTREAM_STALLED"     // Apple began an answer and then sent nothing
	ReasonUpstreamUnavailable = "UPSTREAM_UNAVAILABLE" // no answer, or a 5xx
	ReasonInvalidRequest      = "INVALID_REQUEST"      // a field of the request is wrong
	ReasonInvalidPageToken    = "INVALID_PAGE_TOKEN"   // of another request, or damaged
	ReasonTooLarge            = "REQUEST_TOO_LARGE"    // in bytes
	ReasonTooManyElements     = "TOO_MANY_ELEMENTS"    // a request that would be much larger in memory
	ReasonPeerTooSlow         = "PEER_TOO_SLOW"        // the caller stopped sending its request, or reading its answer
	ReasonUnknownTeam         = "UNKNOWN_TEAM"
	ReasonKeyUnusable         = "KEY_UNUSABLE" // a signing key cannot be read or does not sign
	ReasonDeadlineTooShort    = "DEADLINE_TOO_SHORT"
	ReasonQuotaExhausted      = "QUOTA_EXHAUSTED"     // the wait would be too long
	ReasonBudgetExhausted     = "BUDGET_EXHAUSTED"    // the caller has spent what policy gives it
	ReasonRateLimitExceeded   = "RATE_LIMIT_EXCEEDED" // Apple's own word
)

// Error is a fault.
type Error struct {
	Kind       Kind
	Reason     string        // UPPER_SNAKE, or Apple's dotted code
	Message    string        // may be sent
	Violations []Violation   // what is wrong with the request
	RetryAfter time.Duration // 0: not said
	Upstream   *Upstream     // nil: Apple was not asked or did not answer
	// Metadata are more facts for programs, such as the name of another resource.
	Metadata map[string]string

	cause error
}

// Violation is one field that is wrong.
type Violation struct {
	Field       string // proto field path, such as "bundle_id.id"
	Description string
	Reason      string // Apple's code, where Apple found it
}

// Upstream is what Apple answered.
type Upstream struct {
	HTTPStatus int
	RequestID  string
	Errors     []APIError // in Apple's order
	Primary    int        // index of the error that decided the kind
	Cut        int        // errors left out because there were too many
}

// APIError is an error object of Apple's.
type APIError struct {
	ID             string                `json:"id,omitempty"`
	Status         string                `json:"status,omitempty"`
	Code           string                `json:"code,omitempty"`
	Title          string                `json:"title,omitempty"`
	Detail         string                `json:"detail,omitempty"`
	Pointer        string                `json:"pointer,omitempty"`   // JSON Pointer into the document sent
	Parameter      string                `json:"parameter,omitempty"` // query parameter
	LinkAbout      string                `json:"about,omitempty"`
	LinkSee        string                `json:"see,omitempty"`
	LinkAssociated string                `json:"associated,omitempty"`
	Associated     map[string][]APIError `json:"associatedErrors,omitempty"` // by resource path
	Meta           json.RawMessage       `json:"meta,omitempty"`             // all of meta but associatedErrors
	Kind           Kind                  `json:"-"`                          // what it would be by itself
}

// New makes a fault. The message may be sent to callers.
func New(kind Kind, reason, format string, args ...any) *Error {
	return &Error{Kind: kind, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Invalid is about one field of a request.
func Invalid(field, format string, args ...any) *Error {
	e := New(InvalidArgument, ReasonInvalidRequest, "%s: "+format, append([]any{field}, args...)...)
	e.Violations = []Violation{{Field: field, Description: fmt.Sprintf(format, args...)}}
	return e
}

// ExecutedUnread is about a write that Apple answered with success, in a way that
// does not say what came of it; the answer is then told, such as "it is empty".
func ExecutedUnread(method, answer string) *Error {
	return New(Unknown, ReasonExecutedUnread, "the %s was executed, but its answer does not tell the result (%s): "+
		"read the resource, and do not repeat the %s", method, answer, method)
}

// MaybeExecuted says whether a write that ended with the fault was, or may have
// been, executed.
func (e *Error) MaybeExecuted() bool {
	return e.Reason == ReasonOutcomeUnknown || e.Reason == ReasonExecutedUnread
}

// WithCause keeps what led here, for the log.
func (e *Error) WithCause(err error) *Error {
	c := *e
	c.cause = err
	return &c
}

// Error is safe for logs: it holds nothing that Apple or a caller sent.
func (e *Error) Error() string {
	s := e.Reason + ": " + e.Message
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// As finds the fault in an error. Any other error becomes an internal fault
// with a fixed message, so that its text is never sent.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return New(Internal, "INTERNAL", "internal error").WithCause(err)
}

var kindNames = [...]string{
	"INTERNAL",
	"INVALID_ARGUMENT",
	"NOT_FOUND",
	"ALREADY_EXISTS",
	"FAILED_PRECONDITION",
	"PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED",
	"UNAVAILABLE",
	"DEADLINE_EXCEEDED",
	"CANCELLED",
	"UNIMPLEMENTED",
	"UNKNOWN",
	"UNAUTHENTICATED",
}

// String is the name of gRPC's code.
func (k Kind) String() string { return kindNames[k] }
