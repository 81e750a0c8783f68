package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// operation is one of the gateway's, with its metadata.
type operation struct {
	*longrunningpb.Operation
	md *operationsv1.OperationMetadata
}

func readOperation(op *longrunningpb.Operation) (*operation, error) {
	md := &operationsv1.OperationMetadata{}
	if err := op.GetMetadata().UnmarshalTo(md); err != nil {
		return nil, fmt.Errorf(
			"%s is of a kind that this program does not know: is the gateway newer?",
			clip(op.GetName()),
		)
	}
	return &operation{op, md}, nil
}

// operationID is the id of an operation, by which its name may stand too.
func operationID(name string) string { return strings.TrimPrefix(name, "operations/") }

func (o *operation) id() string { return operationID(o.GetName()) }

// state is the state in a word or two: waiting for approval.
func (o *operation) state() string {
	return strings.ToLower(strings.ReplaceAll(o.md.GetState().String(), "_", " "))
}

func (o *operation) waitsForApproval() bool {
	return o.md.GetState() == operationsv1.OperationStateEnum_WAITING_FOR_APPROVAL
}

// failure is the error that the operation ended with, nil if it ended well or goes
// on. Its exit code says how the operation ended.
func (o *operation) failure() error {
	if o.GetError() == nil {
		return nil
	}
	e := newCallError(o.md.GetKind(), status.FromProto(o.GetError()))
	switch {
	case o.md.GetState() == operationsv1.OperationStateEnum_CANCELLED:
		e.exit = ExitCancelled
	case e.exit != ExitStale:
		e.exit = ExitOperation
	}
	return e
}

// summary is one line: how it stands, what it is about, and what it took.
func (o *operation) summary() string {
	text := o.state() + "  " + printable(o.md.GetSubject())
	if o.GetDone() {
		took := o.md.GetEndTime().AsTime().Sub(o.md.GetCreateTime().AsTime()).Round(10 * time.Millisecond)
		text += fmt.Sprintf(", %s in %v", requests(int(o.md.GetRequests())), took)
	}
	return text
}

func requests(n int) string {
	if n == 1 {
		return "1 request"
	}
	return fmt.Sprintf("%d requests", n)
}

// result writes what an operation has brought, for people.
func (o *operation) result(w io.Writer) error {
	if o.GetResponse() == nil {
		return nil
	}
	m, err := o.GetResponse().UnmarshalNew()
	if err != nil {
		return nil // this program does not know it, and can only say that all is done
	}
	var rows [][]string
	r := m.ProtoReflect()
	for i := range r.Descriptor().Fields().Len() {
		if fd := r.Descriptor().Fields().Get(i); r.Has(fd) {
			rows = append(rows, []string{"  " + string(fd.Name()), plain(fd, r.Get(fd))})
		}
	}
	return grid(w, rows...)
}

// describe writes all of an operation, for people.
func (o *operation) describe(w io.Writer) error {
	rows := [][]string{{"operation", o.id()}, {"kind", o.md.GetKind()}, {"state", o.state()},
		{"subject", o.md.GetSubject()}}
	for _, row := range [][]string{
		{"team", o.md.GetTeam()}, {"app", o.md.GetApp()}, {"caller", o.md.GetCaller()}, {"approver", o.md.GetApprover()},
		{"cancelled by", o.md.GetCancelledBy()}, {"awaiting", o.md.GetAwaiting()}, {"begun", moment(o.md.GetCreateTime())},
		{"looks again", moment(o.md.GetNextTime())}, {"ended", moment(o.md.GetEndTime())},
	} {
		if row[1] != "" {
			rows = append(rows, row)
		}
	}
	rows = append(rows, []string{"requests", fmt.Sprint(o.md.GetRequests())})
	if err := o.failure(); err != nil {
		rows = append(rows, []string{"error", err.Error()})
	}
	if err := grid(w, rows...); err != nil {
		return err
	}
	for _, a := range o.md.GetActions() {
		fmt.Fprintln(w, actionLine(a))
	}
	if o.md.GetPlan() != nil {
		return writePlan(w, o.md.GetPlan())
	}
	return o.result(w)
}

// moment is a time for people, "" if there is none.
func moment(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Format(time.RFC3339)
}

// actionLine tells one action.
func actionLine(a *operationsv1.Action) string {
	outcome := strings.ToLower(a.GetOutcome().String())
	text := fmt.Sprintf("%-9s  %s: %s", outcome, a.GetName(), a.GetTarget())
	if a.GetDetail() != "" {
		text += " (" + a.GetDetail() + ")"
	}
	return printable(text)
}

// writePlan writes a plan, for people.
func writePlan(w io.Writer, p *operationsv1.Plan) error {
	fmt.Fprintln(w, "plan for "+printable(p.GetSubject()))
	rows := [][]string{{"WHAT", "TARGET", "FROM", "TO", "REQUESTS", "WHY"}}
	for _, c := range p.GetChanges() {
		rows = append(rows, []string{c.GetName(), c.GetTarget(), c.GetFrom(), c.GetTo(), fmt.Sprint(c.GetRequests()),
			c.GetWhy()})
	}
	if len(p.GetChanges()) == 0 {
		rows = [][]string{{"nothing is to be done"}}
	}
	if err := grid(w, rows...); err != nil {
		return err
	}
	rows = nil
	if p.GetRequests() > 0 {
		rows = append(rows, []string{"takes", "at least " + requests(int(p.GetRequests()))})
	}
	if p.GetWait() != nil {
		rows = append(rows, []string{"waits", "at least " + p.GetWait().AsDuration().String()})
	}
	for _, text := range p.GetWarnings() {
		rows = append(rows, []string{"warning", text})
	}
	if len(p.GetApproval()) > 0 {
		rows = append(rows, []string{"approval", "by " + strings.Join(p.GetApproval(), " or ")})
	}
	return grid(w, append(rows, []string{"etag", p.GetEtag()})...)
}
