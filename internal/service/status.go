package service

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Domains of ErrorInfo: whose words the reason is.
const (
	AppleDomain   = "appstoreconnect.apple.com"
	GatewayDomain = "asc-gateway"
)

// maxDetailsBytes bounds a status's details: they travel in trailers, which
// grpc-java and C-core limit to about 8 KiB, base64 included.
const maxDetailsBytes = 4 << 10

var kindCodes = map[fault.Kind]codes.Code{
	fault.Internal: codes.Internal, fault.InvalidArgument: codes.InvalidArgument, fault.NotFound: codes.NotFound,
	fault.AlreadyExists: codes.AlreadyExists, fault.FailedPrecondition: codes.FailedPrecondition,
	fault.PermissionDenied: codes.PermissionDenied, fault.ResourceExhausted: codes.ResourceExhausted,
	fault.Unavailable: codes.Unavailable, fault.DeadlineExceeded: codes.DeadlineExceeded, fault.Canceled: codes.Canceled,
	fault.Unimplemented: codes.Unimplemented, fault.Unknown: codes.Unknown, fault.Unauthenticated: codes.Unauthenticated,
}

// Status is the gRPC status of an error, small enough for a trailer. An error
// that is already a status is left alone.
func Status(err error) *status.Status { return statusWithin(err, maxDetailsBytes) }

// FullStatus is the status with all that Apple said, for bodies.
func FullStatus(err error) *status.Status { return statusWithin(err, 1<<20) }

func statusWithin(err error, limit int) *status.Status {
	if s, ok := status.FromError(err); ok {
		return cutTo(s, limit)
	}
	f := fault.As(err)
	message := f.Message
	if len(message) > limit/4 {
		message = strings.ToValidUTF8(message[:limit/4], "") + "…"
	}
	s := status.New(kindCodes[f.Kind], message)
	size, cut := 0, 0
	var kept []protoadapt.MessageV1
	for _, d := range details(f) {
		if n := proto.Size(d) + 64; size+n <= limit {
			size += n
			kept = append(kept, protoadapt.MessageV1Of(d))
		} else {
			cut++
		}
	}
	if cut > 0 && len(kept) > 0 {
		if info, ok := protoadapt.MessageV2Of(kept[0]).(*errdetails.ErrorInfo); ok {
			info.Metadata["details_cut"] = strconv.Itoa(cut)
		}
	}
	if with, err := s.WithDetails(kept...); err == nil {
		return with
	}
	return s
}

// AsFault is the fault in an error, and what a fault would be of a status that
// another call within the gateway ended with: its kind, reason and message.
func AsFault(err error) *fault.Error {
	var f *fault.Error
	s, ok := status.FromError(err)
	if errors.As(err, &f) || !ok || err == nil {
		return fault.As(err)
	}
	f = fault.New(fault.Internal, "INTERNAL", "%s", s.Message())
	for kind, code := range kindCodes {
		if code == s.Code() {
			f.Kind = fault.Kind(kind)
		}
	}
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.RetryInfo:
			f.RetryAfter = d.GetRetryDelay().AsDuration()
		case *errdetails.ErrorInfo:
			if f.Reason != "INTERNAL" {
				continue // others than the first are of what else Apple said
			}
			f.Reason = d.GetReason()
			if n, err := strconv.Atoi(d.GetMetadata()["http_status"]); err == nil {
				f.Upstream = &fault.Upstream{HTTPStatus: n}
			}
		}
	}
	return f
}

// cutTo leaves out details of a status that another call within the gateway ended
// with, until the rest fits.
func cutTo(s *status.Status, limit int) *status.Status {
	if s == nil || proto.Size(s.Proto()) <= limit {
		return s
	}
	p := proto.CloneOf(s.Proto())
	for len(p.Details) > 1 && proto.Size(p) > limit {
		p.Details = p.Details[:len(p.Details)-1]
	}
	if len(p.Message) > limit/4 {
		p.Message = strings.ToValidUTF8(p.Message[:limit/4], "") + "…"
	}
	return status.FromProto(p)
}

// limits says by the reason of a fault whose limit was reached.
var limits = map[string]string{
	fault.ReasonRateLimitExceeded: "team",
	fault.ReasonQuotaExhausted:    "team",
	fault.ReasonBudgetExhausted:   "caller",
}

// details are a fault's details, the most useful first.
func details(f *fault.Error) []proto.Message {
	info := &errdetails.ErrorInfo{Reason: f.Reason, Domain: GatewayDomain, Metadata: map[string]string{}}
	maps.Copy(info.Metadata, f.Metadata)
	out := []proto.Message{info}
	if f.RetryAfter > 0 {
		out = append(out, &errdetails.RetryInfo{RetryDelay: durationpb.New(f.RetryAfter)})
	}
	if subject := limits[f.Reason]; f.Kind == fault.ResourceExhausted && subject != "" {
		out = append(
			out,
			&errdetails.QuotaFailure{
				Violations: []*errdetails.QuotaFailure_Violation{{Subject: subject, Description: f.Message}},
			},
		)
	}
	for _, v := range f.Violations {
		out = append(out, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: v.Field, Description: v.Description, Reason: reasonOf(v)}}})
	}
	out = mergeViolations(out)
	if f.Upstream == nil {
		return out
	}
	if errs := f.Upstream.Errors; len(errs) > 0 && f.Reason == errs[f.Upstream.Primary].Code {
		info.Domain = AppleDomain
	}
	info.Metadata["http_status"] = strconv.Itoa(f.Upstream.HTTPStatus)
	if f.Upstream.RequestID != "" {
		info.Metadata["request_id"] = f.Upstream.RequestID
	}
	if f.Upstream.Cut > 0 {
		info.Metadata["errors_cut"] = strconv.Itoa(f.Upstream.Cut)
	}
	return append(out, appleDetails(f)...)
}

// reasonOf is Apple's code in the form that BadRequest allows.
func reasonOf(v fault.Violation) string { return strings.ReplaceAll(v.Reason, ".", "_") }

// mergeViolations makes one BadRequest of several, as long as it stays small.
func mergeViolations(in []proto.Message) (out []proto.Message) {
	var last *errdetails.BadRequest
	for _, d := range in {
		if b, ok := d.(*errdetails.BadRequest); ok {
			if last != nil && proto.Size(last) < maxDetailsBytes/4 {
				last.FieldViolations = append(last.FieldViolations, b.FieldViolations...)
				continue
			}
			last = b
		}
		out = append(out, d)
	}
	return out
}

// appleDetails are Apple's errors: what must hold first, where to read more,
// and every error with its associated ones.
func appleDetails(f *fault.Error) (out []proto.Message) {
	out = preconditions(f.Upstream.Errors, "", out)
	help := &errdetails.Help{}
	for _, a := range f.Upstream.Errors {
		for _, link := range []string{a.LinkSee, a.LinkAbout, a.LinkAssociated} {
			if link != "" {
				help.Links = append(help.Links, &errdetails.Help_Link{Description: a.Title, Url: link})
			}
		}
	}
	if len(help.Links) > 0 {
		out = append(out, help)
	}
	for i, a := range primaryFirst(f.Upstream) {
		out = append(out, appleError(a, i == 0))
		for _, path := range slices.Sorted(maps.Keys(a.Associated)) {
			for _, x := range a.Associated[path] {
				e := appleError(x, false)
				e.Metadata["resource"] = path
				out = append(out, e)
			}
		}
	}
	return out
}

// primaryFirst are Apple's errors, the one that decided the code before the
// others: where there is room for few, it must be among them.
func primaryFirst(up *fault.Upstream) []fault.APIError {
	if up.Primary == 0 {
		return up.Errors
	}
	first := up.Errors[up.Primary : up.Primary+1]
	return slices.Concat(first, up.Errors[:up.Primary], up.Errors[up.Primary+1:])
}

// preconditions appends what must hold first: every error about a state, with
// the resource whose state it is where that is another one. Each detail is small,
// so that some fit where all do not.
func preconditions(errs []fault.APIError, resource string, out []proto.Message) []proto.Message {
	for _, a := range errs {
		if a.Kind == fault.FailedPrecondition {
			out = addPrecondition(out, &errdetails.PreconditionFailure_Violation{Type: a.Code,
				Subject: resource + a.Pointer + a.Parameter, Description: strings.TrimSpace(a.Title + " " + a.Detail)})
		}
		for _, path := range slices.Sorted(maps.Keys(a.Associated)) {
			out = preconditions(a.Associated[path], path, out)
		}
	}
	return out
}

func addPrecondition(out []proto.Message, v *errdetails.PreconditionFailure_Violation) []proto.Message {
	if len(out) > 0 {
		last, ok := out[len(out)-1].(*errdetails.PreconditionFailure)
		same := func(w *errdetails.PreconditionFailure_Violation) bool { return proto.Equal(v, w) }
		switch {
		case ok && slices.ContainsFunc(last.Violations, same):
			return out
		case ok && proto.Size(last)+proto.Size(v) < maxDetailsBytes/4:
			last.Violations = append(last.Violations, v)
			return out
		}
	}
	return append(out, &errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{v}})
}

func appleError(a fault.APIError, first bool) *errdetails.ErrorInfo {
	m := map[string]string{}
	for k, v := range map[string]string{"id": a.ID, "status": a.Status, "title": a.Title, "detail": a.Detail,
		"pointer": a.Pointer, "parameter": a.Parameter, "meta": string(a.Meta)} {
		if v != "" {
			m[k] = v
		}
	}
	for path, list := range a.Associated {
		for _, x := range list {
			if len(x.Associated) > 0 {
				b, _ := json.Marshal(x.Associated) // strings only
				m["associated "+path] = string(b)
			}
		}
	}
	if first {
		m["primary"] = "true"
	}
	return &errdetails.ErrorInfo{Reason: a.Code, Domain: AppleDomain, Metadata: m}
}
