package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestExitCodes(t *testing.T) {
	for c, want := range map[codes.Code]int{
		codes.Unauthenticated: 3, codes.PermissionDenied: 3, codes.NotFound: 4, codes.InvalidArgument: 5, codes.OutOfRange: 5,
		codes.FailedPrecondition: 6, codes.AlreadyExists: 6, codes.Aborted: 6, codes.ResourceExhausted: 7,
		codes.Unavailable: 8, codes.DeadlineExceeded: 8, codes.Internal: 1, codes.Unknown: 1, codes.Unimplemented: 1, codes.Canceled: 130,
	} {
		if got := exitOf(c, ""); got != want {
			t.Errorf("%v: exit code %d, want %d", c, got, want)
		}
	}
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"none": {nil, 0}, "any": {errors.New("x"), 1}, "usage": {usagef("x"), 2},
		"joined": {errors.Join(errors.New("x"), usagef("y")), 2},
	} {
		if got := ExitCode(c.err); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestErrorsTellAll(t *testing.T) {
	m, err := newCatalog(protoregistry.GlobalFiles).find("CreateBetaGroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		code    codes.Code
		message string
		details []protoadapt.MessageV1
		want    []string
		exit    int
	}{
		{"a field", codes.InvalidArgument, "no", []protoadapt.MessageV1{
			&errdetails.ErrorInfo{Reason: "ENTITY_ERROR.ATTRIBUTE.INVALID"},
			&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "name", Description: "too long"}}}},
			[]string{"CreateBetaGroup: INVALID_ARGUMENT: no", "reason  ENTITY_ERROR.ATTRIBUTE.INVALID", "field   name: too long"}, 5},
		{"unknown outcome", codes.Unknown, "?", []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: "OUTCOME_UNKNOWN"}},
			[]string{"reason  OUTCOME_UNKNOWN", "hint    look whether it was carried out"}, 9},
		{"quota", codes.ResourceExhausted, "wait", []protoadapt.MessageV1{&errdetails.RetryInfo{RetryDelay: durationpb.New(90 * time.Second)}},
			[]string{"send it again after 1m30s"}, 7},
		{"a state", codes.FailedPrecondition, "no", []protoadapt.MessageV1{&errdetails.PreconditionFailure{
			Violations: []*errdetails.PreconditionFailure_Violation{{Type: "STATE_ERROR", Description: "in review"}}}},
			[]string{"field   STATE_ERROR: in review"}, 6},
		{"a link", codes.NotFound, "no", []protoadapt.MessageV1{&errdetails.Help{Links: []*errdetails.Help_Link{
			{Url: "https://example.com/a"}, {Url: "javascript:x"}}}}, []string{"hint    see https://example.com/a"}, 4},
		{"denied", codes.PermissionDenied, "no", []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: "POLICY_DENIED"}},
			[]string{"gateway policy explain --method asc.testflight.v1.BetaGroupsService/CreateBetaGroup"}, 3},
		{"not known", codes.Unauthenticated, "no", nil, []string{"gateway login ADDRESS"}, 3},
		{"a terminal's sequence", codes.Internal, "a\x1b]0;x\x07b", nil, []string{"a\uFFFD]0;x\uFFFDb"}, 1},
		{"no TLS there", codes.Unavailable, `x "tls: first record does not look like a TLS handshake"`, nil, []string{"--plaintext"}, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := status.New(c.code, c.message).WithDetails(c.details...)
			if err != nil {
				t.Fatal(err)
			}
			got := calledBack(m, s.Err())
			for _, want := range c.want {
				if !strings.Contains(got.Error(), want) {
					t.Errorf("got %q, want %q in it", got, want)
				}
			}
			if strings.Contains(got.Error(), "javascript") || ExitCode(got) != c.exit {
				t.Errorf("exit code %d, want %d: %v", ExitCode(got), c.exit, got)
			}
		})
	}
}
