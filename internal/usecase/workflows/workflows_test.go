package workflows

import (
	"slices"
	"testing"

	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	workflowsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/workflows/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// TestVersionsAreOneInAnySpelling, and no other version is.
func TestVersionsAreOneInAnySpelling(t *testing.T) {
	for _, same := range [][]string{
		{"1.2", "1.2.0", "1.2.0.0", "01.2", "1.02.00"}, {"1", "1.0", "1.0.0", "001"}, {"0", "0.0", "00"},
		{"1.2.3"}, {"1.20"}, {"10.2"}, {"1.0.1"}, {"2026.11.25"}, {"42", "0042"}, {"1.2b3"},
	} {
		for _, a := range same {
			if canonical(a) != canonical(same[0]) {
				t.Errorf("%s is not %s", a, same[0])
			}
			if !slices.Contains(spellings(a), a) {
				t.Errorf("%s is not asked for as it is written: %v", a, spellings(a))
			}
		}
	}
	distinct := []string{"1.2", "1", "0", "1.2.3", "1.20", "10.2", "1.0.1", "42", "1.2b3", "", "1.2b4"}
	for i, a := range distinct {
		for _, b := range distinct[i+1:] {
			if canonical(a) == canonical(b) {
				t.Errorf("%q and %q are both %q", a, b, canonical(a))
			}
		}
	}
	if got := spellings("1.2"); !slices.Contains(got, "1.2.0") || len(got) > 5 {
		t.Errorf("%v", got)
	}
}

// TestAGroupIsNamedByIdOrName: an id counts more, and a name that two have is
// refused.
func TestAGroupIsNamedByIdOrName(t *testing.T) {
	group := func(id, name string) *resourcesv1.BetaGroup { return &resourcesv1.BetaGroup{Id: id, Name: &name} }
	list := []*resourcesv1.BetaGroup{group("1", "QA"), group("2", "1"), group("3", "Twice"), group("4", "Twice"),
		group("5", "6"), group("7", "6"), group("6", "an id counts more")}
	for want, id := range map[string]string{"QA": "1", "1": "1", "2": "2", "6": "6", "None": "", "qa": ""} {
		if g, err := groupNamed(list, want); g.GetId() != id || err != nil {
			t.Errorf("%s: %v %v", want, g, err)
		}
	}
	if _, err := groupNamed(list, "Twice"); fault.As(err).Reason != ReasonNoGroup {
		t.Errorf("a name that stands twice: %v", err)
	}
}

// TestAPlanIsAskedLikeItsJob: every field of the plan's request stands in the job's
// with the same number.
func TestAPlanIsAskedLikeItsJob(t *testing.T) {
	plan := (&workflowsv1.PlanDistributeBuildRequest{}).ProtoReflect().Descriptor().Fields()
	job := (&workflowsv1.DistributeBuildRequest{}).ProtoReflect().Descriptor().Fields()
	for i := range plan.Len() {
		f := plan.Get(i)
		if g := job.ByNumber(f.Number()); g == nil || g.Name() != f.Name() || g.Kind() != f.Kind() ||
			g.Cardinality() != f.Cardinality() {
			t.Errorf("%s", f.FullName())
		}
	}
	for i := range job.Len() {
		f := job.Get(i)
		startsOnly := f.Name() == "request_id" || f.Name() == "plan_etag"
		if plan.ByNumber(f.Number()) == nil != startsOnly {
			t.Errorf("%s", f.FullName())
		}
	}
	req, err := asDistribute(&workflowsv1.PlanDistributeBuildRequest{App: "a", Notes: map[string]string{"en-US": "x"},
		UsesNonExemptEncryption: proto.Bool(false)})
	if err != nil || req.GetApp() != "a" || req.GetNotes()["en-US"] != "x" || req.UsesNonExemptEncryption == nil {
		t.Errorf("%v %v", req, err)
	}
}

// TestSays finds what Apple tells in words, wherever it stands in an error.
func TestSays(t *testing.T) {
	inDetails, err := status.New(codes.FailedPrecondition, "The request cannot be fulfilled.").WithDetails(
		&errdetails.ErrorInfo{Reason: "STATE_ERROR.ENTITY_STATE_INVALID",
			Metadata: map[string]string{"associated": "ANOTHER_BUILD_IN_REVIEW"}})
	if err != nil {
		t.Fatal(err)
	}
	if !says(inDetails.Err(), "another_build_in_review") || says(inDetails.Err(), "auto-notify") || says(nil, "") {
		t.Error("what stands in the details is not found, or what does not is")
	}
	for text, want := range map[string]bool{
		"Auto-notify already enabled": true, "Testers were already notified": true, "The build was submitted already": false,
	} {
		if got := already(status.Error(codes.FailedPrecondition, text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if already(status.Error(codes.Unavailable, "auto-notify")) || already(nil) {
		t.Error("an error of another kind is taken for success")
	}
}
