package jobs

import (
	"context"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/store"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
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

// TestNobodyApprovesWhatCannotBeRead: where the secret is missing, the plan is
// neither let go nor lost.
func TestNobodyApprovesWhatCannotBeRead(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		never := func(context.Context, *Run) (Step, error) { return Step{}, nil }
		first := secrets.New()
		b := open(t, cfg, first, never)
		x := id(b.begin("x", func(n *New) {
			n.Approval, n.Plan = []string{"token:boss"}, &operationsv1.Plan{Etag: "e"}
		}))
		b.stop()
		b = open(t, cfg, secrets.New(), never)
		if _, err := b.Approve(t.Context(), x, "token:boss"); fault.As(err).Reason != ReasonSecret {
			t.Errorf("%v", err)
		}
		b.stop()
		b = open(t, cfg, first, never)
		if op := b.get(x); op.Plan.GetEtag() != "e" ||
			op.State != operationsv1.OperationStateEnum_WAITING_FOR_APPROVAL {
			t.Errorf("%v", op.Proto())
		}
	})
}

// TestWaitForNoTime tells an operation as it is.
func TestWaitForNoTime(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		b := open(t, cfg, secrets.New(), func(context.Context, *Run) (Step, error) { return Step{}, nil })
		op := b.begin("x")
		l := LongRunning{Service: NewService(b.Jobs, func(context.Context) Viewer {
			return Viewer{ID: "token:ci", Team: "team"}
		})}
		got, err := l.WaitOperation(t.Context(),
			&longrunningpb.WaitOperationRequest{Name: op.GetName(), Timeout: durationpb.New(0)})
		if err != nil || got.GetName() != op.GetName() || got.GetDone() {
			t.Errorf("%v %v", got, err)
		}
	})
}

// TestARunThatPanics ends its operation: it would do so again and again.
func TestARunThatPanics(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		b := open(t, cfg, secrets.New(), func(context.Context, *Run) (Step, error) { panic("of a test") })
		b.serve()
		op := b.until(id(b.begin("x")), func(op *Operation) bool { return op.Done() || b.runs.Load() > 3 })
		if codes.Code(op.Error.GetCode()) != codes.Internal {
			t.Errorf("%d runs: %v", b.runs.Load(), op.Proto())
		}
	})
}

// TestNobodyApproves: such operations end too, and keep nobody from asking again.
func TestNobodyApproves(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		b := open(t, cfg, secrets.New(), func(context.Context, *Run) (Step, error) { return Step{}, nil })
		held := func(n *New) { n.Approval = []string{"token:boss"} }
		x := id(b.begin("x", held))
		if _, err := b.Prune(t.Context(), time.Now().Add(oldest-time.Hour)); err != nil || b.get(x).Done() {
			t.Errorf("too early: %v", err)
		}
		if _, err := b.Prune(t.Context(), time.Now().Add(oldest+time.Hour)); err != nil {
			t.Fatal(err)
		}
		if op := b.get(x); !op.Done() || codes.Code(op.Error.GetCode()) != codes.DeadlineExceeded {
			t.Fatalf("%v", op.Proto())
		}
		b.begin("x", held)
	})
}
