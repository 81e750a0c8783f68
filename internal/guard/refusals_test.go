package guard

import (
	"fmt"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// TestRefusals holds that reasons are counted, that Apple's own words are not
// kept, and that there are not too many.
func TestRefusals(t *testing.T) {
	g := &Guard{}
	g.Refused(nil)
	g.Refused(fault.New(fault.PermissionDenied, "POLICY_DENIED", "no"))
	g.Refused(fault.New(fault.PermissionDenied, "POLICY_DENIED", "no"))
	g.Refused(&fault.Error{Kind: fault.FailedPrecondition, Reason: "STATE_ERROR.1500000000", Upstream: &fault.Upstream{HTTPStatus: 409}})
	got := map[string]int64{}
	for _, r := range g.Refusals() {
		got[r.Reason+" "+r.Code] = r.Count
	}
	if len(got) != 2 || got["POLICY_DENIED PERMISSION_DENIED"] != 2 || got["Apple: 409 FAILED_PRECONDITION"] != 1 {
		t.Errorf("got %v", got)
	}
	for i := range 1000 {
		g.refusals.note(fault.New(fault.Internal, fmt.Sprint("R", i), "x"), time.Unix(int64(i), 0))
	}
	if n := len(g.Refusals()); n != mostReasons {
		t.Errorf("%d reasons are kept", n)
	}
}
