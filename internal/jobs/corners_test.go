package jobs

import (
	"context"
	"testing"

	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/store"
)

// TestAnotherTeamsOperations are neither seen nor steered, whatever a rule for one
// team allows.
func TestAnotherTeamsOperations(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		b := open(t, cfg, secrets.New(), func(context.Context, *Run) (Step, error) { return Step{}, nil })
		x := id(b.begin("x", func(n *New) { n.Approval = []string{"token:boss"} }))
		v := Viewer{ID: "token:boss", Team: "other", All: true, Approves: func([]string) bool { return true }}
		s := NewService(b.Jobs, func(context.Context) Viewer { return v })
		_, got := s.GetOperation(t.Context(), &operationsv1.GetOperationRequest{Id: x})
		_, cancelled := s.CancelOperation(t.Context(), &operationsv1.CancelOperationRequest{Id: x})
		_, approved := s.ApproveOperation(t.Context(), &operationsv1.ApproveOperationRequest{Id: x})
		for what, err := range map[string]error{"get": got, "cancel": cancelled, "approve": approved} {
			if fault.As(err).Reason != ReasonNoSuch {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
