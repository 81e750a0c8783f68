package jobs

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/store"
)

// TestWhoSeesWhat: others' operations are not there, in lists and one by one,
// whoever asks for what; nobody approves what it asked for itself.
func TestWhoSeesWhat(t *testing.T) {
	b := open(t, store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "store.db")}, secrets.New(), nil)
	of := func(app string, approval ...string) func(*New) {
		return func(n *New) { n.App, n.Approval = app, approval }
	}
	plain := id(b.begin("plain", of("1")))
	held := id(b.begin("held", of("2", "token:boss", "token:ci")))
	boss := func(patterns []string) bool { return slices.Contains(patterns, "token:boss") }
	self := func(patterns []string) bool { return slices.Contains(patterns, "token:ci") }
	for name, c := range map[string]struct {
		viewer   Viewer
		sees     []string
		approves string // the reason, "": it may
	}{
		"who asked":              {Viewer{ID: "token:ci", Team: "team", Approves: self}, []string{held, plain}, ReasonNotAsked},
		"who asked, of one app":  {Viewer{ID: "token:ci", Team: "team", Apps: []string{"1"}}, []string{plain}, ReasonNoSuch},
		"another":                {Viewer{ID: "token:x", Team: "team", Approves: self}, []string{held}, ""},
		"a stranger":             {Viewer{ID: "token:y", Team: "team"}, nil, ReasonNoSuch},
		"who may approve":        {Viewer{ID: "token:boss", Team: "team", Approves: boss}, []string{held}, ""},
		"all":                    {Viewer{ID: "token:ops", Team: "team", All: true}, []string{held, plain}, ReasonNotAsked},
		"all of no app":          {Viewer{ID: "token:ops", Team: "team", All: true, Apps: []string{}}, nil, ReasonNoSuch},
		"all of one app":         {Viewer{ID: "token:ops", Team: "team", All: true, Apps: []string{"2"}}, []string{held}, ReasonNotAsked},
		"all, of another team":   {Viewer{ID: "token:ops", Team: "other", All: true}, nil, ReasonNoSuch},
		"approver of other apps": {Viewer{ID: "token:boss", Team: "team", Approves: boss, Apps: []string{"1"}}, nil, ReasonNoSuch},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewService(b.Jobs, func(context.Context) Viewer { return c.viewer })
			list, err := s.ListOperations(t.Context(), &operationsv1.ListOperationsRequest{})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, op := range list.GetOperations() {
				names = append(names, id(op))
			}
			if !slices.Equal(names, c.sees) {
				t.Errorf("it sees %v, want %v", names, c.sees)
			}
			for _, x := range []string{plain, held} {
				_, err := s.GetOperation(t.Context(), &operationsv1.GetOperationRequest{Id: x})
				var cancelErr error
				if !slices.Contains(c.sees, x) {
					_, cancelErr = s.CancelOperation(t.Context(), &operationsv1.CancelOperationRequest{Id: x})
				}
				if (err == nil) != slices.Contains(c.sees, x) || err != nil && cancelErr == nil {
					t.Errorf("%s: %v, cancelled: %v", x, err, cancelErr)
				}
			}
			if c.approves == "" {
				return // that would let it go: TestApproval
			}
			_, err = s.ApproveOperation(t.Context(), &operationsv1.ApproveOperationRequest{Id: held})
			if err == nil || fault.As(err).Reason != c.approves {
				t.Errorf("approved: %v, want %s", err, c.approves)
			}
		})
	}
}
