package cli

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

// scripted is a gateway that answers each watch from a script, and has many
// operations.
type scripted struct {
	operationsv1.UnimplementedOperationServiceServer
	watches []func(send func(*operationsv1.OperationMetadata)) error
	asked   int
	sizes   []int32 // of the pages that were asked for
}

func (s *scripted) WatchOperation(
	_ *operationsv1.WatchOperationRequest, stream operationsv1.OperationService_WatchOperationServer,
) error {
	s.asked++
	answer := s.watches[min(s.asked, len(s.watches))-1]
	return answer(func(md *operationsv1.OperationMetadata) { _ = stream.Send(made("x", md)) })
}

func made(id string, md *operationsv1.OperationMetadata) *longrunningpb.Operation {
	op := &longrunningpb.Operation{Name: "operations/" + id,
		Done: md.GetState() == operationsv1.OperationStateEnum_SUCCEEDED}
	op.Metadata, _ = anypb.New(md)
	return op
}

// ListOperations has three pages of 200.
func (s *scripted) ListOperations(
	_ context.Context, req *operationsv1.ListOperationsRequest,
) (*operationsv1.ListOperationsResponse, error) {
	s.sizes = append(s.sizes, req.GetPageSize())
	res := &operationsv1.ListOperationsResponse{}
	for i := range req.GetPageSize() {
		md := &operationsv1.OperationMetadata{Kind: "K"}
		res.Operations = append(res.Operations, made(fmt.Sprint(len(s.sizes), "-", i), md))
	}
	if len(s.sizes) < 3 {
		res.NextPageToken = "more"
	}
	return res, nil
}

func (s *scripted) serve(t *testing.T) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	operationsv1.RegisterOperationServiceServer(server, s)
	go server.Serve(l)
	t.Cleanup(server.Stop)
	plain := grpc.WithTransportCredentials(insecure.NewCredentials())
	conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(), plain)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func doing(state operationsv1.OperationStateEnum_OperationState, awaiting string, actions ...string) *operationsv1.OperationMetadata {
	md := &operationsv1.OperationMetadata{Kind: "K", Subject: "a job", State: state, Awaiting: awaiting}
	for _, a := range actions {
		action := &operationsv1.Action{Name: a, Target: "it", Outcome: operationsv1.OutcomeEnum_DONE}
		md.Actions = append(md.Actions, action)
	}
	return md
}

const (
	running   = operationsv1.OperationStateEnum_RUNNING
	waiting   = operationsv1.OperationStateEnum_WAITING
	succeeded = operationsv1.OperationStateEnum_SUCCEEDED
)

type send = func(*operationsv1.OperationMetadata)

// TestFollow loses the answer in every way that comes back.
func TestFollow(t *testing.T) {
	lost := status.Error(codes.Unavailable, "gone")
	s := &scripted{watches: []func(send) error{
		func(send) error { return lost },
		func(tell send) error { tell(doing(running, "", "first")); return lost },
		func(tell send) error { tell(doing(waiting, "review", "first", "second")); return nil }, // it ends, and is not done
		func(tell send) error {
			tell(doing(waiting, "review", "first", "second"))
			return status.Error(codes.Canceled, "")
		},
		func(tell send) error { tell(doing(succeeded, "", "first", "second", "third")); return nil },
	}}
	var out bytes.Buffer
	said := 0
	f := &follower{conn: s.serve(t), id: "x", tries: 2, wait: time.Millisecond, last: started()}
	f.show, f.say = (&screen{w: &out}).show, func(string) { said++ }
	if err := f.follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = "done       first: it\ndone       second: it\nwaiting    review\ndone       third: it\n" +
		"succeeded  a job, 0 requests in 0s\n"
	if out.String() != want || said != 4 {
		t.Errorf("said %d times that it is lost; got\n%swant\n%s", said, &out, want)
	}
}

// started is an operation that was just started.
func started() *operation {
	md := doing(running, "")
	return &operation{made("x", md), md}
}

// TestFollowGivesUp: tries are bounded, what does not come back is not tried again,
// and what was never there is not said to go on.
func TestFollowGivesUp(t *testing.T) {
	for _, c := range []struct {
		last        *operation
		code        codes.Code
		asked, exit int
		goesOn      bool
	}{
		{started(), codes.Unavailable, 4, ExitUnavailable, true},
		{started(), codes.PermissionDenied, 1, ExitDenied, true},
		{started(), codes.NotFound, 1, ExitNotFound, false},
		{nil, codes.NotFound, 1, ExitNotFound, false},
		{nil, codes.Unavailable, 1, ExitUnavailable, false},
	} {
		s := &scripted{watches: []func(send) error{func(send) error { return status.Error(c.code, "no") }}}
		f := &follower{conn: s.serve(t), id: "x", say: func(string) {}, tries: 3, wait: time.Millisecond, last: c.last}
		err := f.follow(t.Context())
		if s.asked != c.asked || ExitCode(err) != c.exit || strings.Contains(err.Error(), "operations watch x") != c.goesOn {
			t.Errorf("%v: asked %d times, exit code %d: %v", c.code, s.asked, ExitCode(err), err)
		}
	}
}

// TestFollowInterrupted: the exit code says whether somebody's approval is waited
// for.
func TestFollowInterrupted(t *testing.T) {
	for state, exit := range map[operationsv1.OperationStateEnum_OperationState]int{waiting: ExitInterrupted,
		operationsv1.OperationStateEnum_WAITING_FOR_APPROVAL: ExitApproval} {
		ctx, cancel := context.WithCancel(t.Context())
		end := make(chan bool)
		s := &scripted{watches: []func(send) error{func(tell send) error { tell(doing(state, "x")); <-end; return nil }}}
		f := &follower{conn: s.serve(t), id: "x", say: func(string) {}, tries: 3, wait: time.Millisecond}
		f.show = func(*operation) error { cancel(); return nil }
		err := f.follow(ctx)
		close(end)
		if ExitCode(err) != exit || !strings.Contains(err.Error(), "gateway operations cancel x") {
			t.Errorf("%v: exit code %d: %v", state, ExitCode(err), err)
		}
	}
}

// TestScreen holds what a terminal is sent: what is waited for is one line.
func TestScreen(t *testing.T) {
	var out bytes.Buffer
	s := &screen{w: &out, live: true}
	for _, md := range []*operationsv1.OperationMetadata{
		doing(waiting, "one\x1b[2J"), doing(waiting, "two "+strings.Repeat("x", 100)),
		doing(running, "", "first"), doing(waiting, "three", "first"),
	} {
		if err := s.show(&operation{made("x", md), md}); err != nil {
			t.Fatal(err)
		}
	}
	s.end()
	const line = "\r\x1b[K"
	want := line + "waiting    one\uFFFD[2J" + line + "waiting    two " + strings.Repeat("x", 63) + "…" +
		line + "done       first: it\n" + line + "waiting    three\n"
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}

// TestOperationsListFollowsPages up to the limit.
func TestOperationsListFollowsPages(t *testing.T) {
	for limit, want := range map[int]struct{ pages, rows int }{5: {1, 5}, 200: {1, 200}, 201: {2, 201}, 1000: {3, 600}} {
		s := &scripted{}
		var out bytes.Buffer
		a := &asker{stdout: &out}
		err := a.list(t.Context(), s.serve(t), &operationsv1.ListOperationsRequest{}, limit)
		if rows := strings.Count(out.String(), "\n") - 1; err != nil || len(s.sizes) != want.pages || rows != want.rows {
			t.Errorf("limit %d: pages %v, %d rows: %v", limit, s.sizes, rows, err)
		}
	}
}
