package gateway

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	workflowsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/workflows/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/access/restrict"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/jobs"
	"github.com/asc-gateway/asc-gateway/internal/replay"
	"github.com/asc-gateway/asc-gateway/internal/server"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/asc-gateway/asc-gateway/internal/store"
	"github.com/asc-gateway/asc-gateway/internal/usecase/inprocess"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
	"github.com/asc-gateway/asc-gateway/internal/usecase/workflows"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Jobs are the settings of what takes long.
type Jobs struct {
	Store     *store.Store // nil: nothing can take long
	Retention time.Duration
	Workers   int
	Workflows workflows.Config
}

// upper are the use cases.
type upper struct {
	workflows *workflows.Service
	uploads   *uploads.Service
}

// openUpper makes the use cases, which call the gateway as its callers do, and the
// operations that they start. They call g.Server, which is made after them.
func (g *Gateway) openUpper(d Deps) (u upper, err error) {
	tracer := tracerOf(d)
	ops := &operations{}
	conn := inprocess.New(inner{g}, tracer)
	u.workflows = workflows.New(d.Jobs.Workflows, conn, ops)
	g.secrets = d.Secrets
	if u.uploads, err = g.openUploads(d, conn, d.Secrets); err != nil || d.Jobs.Store == nil {
		return u, err
	}
	deps := jobs.Deps{Store: d.Jobs.Store, Secrets: d.Secrets, Rights: rights{g}, Status: service.FullStatus, Tracer: tracer,
		Retention: d.Jobs.Retention, Workers: d.Jobs.Workers, Log: d.Log}
	g.Jobs, err = jobs.Open(deps, distributeBuild(u.workflows))
	ops.jobs = g.Jobs
	return u, err
}

// tracerOf makes the spans of inner calls.
func tracerOf(d Deps) trace.TracerProvider {
	if d.Telemetry != nil && d.Telemetry.Traced() {
		return d.Telemetry.Tracer
	}
	return noop.NewTracerProvider()
}

// inner is the server that use cases call.
type inner struct{ g *Gateway }

// Invoke implements [inprocess.Server].
func (i inner) Invoke(ctx context.Context, fullMethod string, req proto.Message) (proto.Message, error) {
	return i.g.Server.Invoke(ctx, fullMethod, req)
}

// Stream implements [inprocess.Server].
func (i inner) Stream(ctx context.Context, fullMethod string, req proto.Message, send func(proto.Message) error) error {
	return i.g.Server.Stream(ctx, fullMethod, req, send)
}

// distributeBuild is the kind of operation of this name.
func distributeBuild(w *workflows.Service) jobs.Kind {
	return jobs.Kind{
		Name:   "DistributeBuild",
		Method: workflowsv1.WorkflowService_DistributeBuild_FullMethodName,
		New:    func() proto.Message { return &workflowsv1.DistributeBuildRequest{} },
		Run: func(ctx context.Context, r *jobs.Run) (jobs.Step, error) {
			run := workflows.Run(*r)
			step, err := w.RunDistributeBuild(ctx, &run)
			return jobs.Step(step), err
		},
	}
}

// rights asks for operations whether they may go on.
type rights struct{ g *Gateway }

// May implements [jobs.Rights].
func (r rights) May(ctx context.Context, op *jobs.Operation, method string) (context.Context, *atomic.Int64, error) {
	who := &access.Principal{ID: op.Caller, Claims: op.Claims}
	if err := r.g.Guard.Continue(who, method, op.Team); err != nil {
		return ctx, nil, err
	}
	requests := new(atomic.Int64)
	ctx = replay.WithLongest(ctx, jobs.LongestRun)
	ctx = inprocess.NewContext(access.NewContext(ctx, who), inprocess.Call{Team: op.Team, Priority: op.Priority,
		Via: "operations/" + op.ID, Requests: requests})
	return ctx, requests, nil
}

// operations starts operations for use cases.
type operations struct{ jobs *jobs.Jobs }

// Start implements [workflows.Operations].
func (o *operations) Start(ctx context.Context, n workflows.Operation) (*longrunningpb.Operation, error) {
	if o.jobs == nil {
		return nil, store.NotConfigured()
	}
	who, d := access.FromContext(ctx), guard.Decision(ctx)
	if d.Restricted && !d.Audit && n.App != "" && !slices.Contains(d.Apps, n.App) {
		return nil, fault.New(fault.PermissionDenied, restrict.ReasonRestricted, "%s is kept to other apps", who.ID)
	}
	return o.jobs.Start(ctx, o.named(ctx, n))
}

// Begun implements [workflows.Operations].
func (o *operations) Begun(ctx context.Context, n workflows.Operation) (*longrunningpb.Operation, error) {
	if o.jobs == nil {
		return nil, store.NotConfigured()
	}
	return o.jobs.Begun(ctx, o.named(ctx, n))
}

// named is an operation with what is known of the call that asks for it.
func (o *operations) named(ctx context.Context, n workflows.Operation) jobs.New {
	who := access.FromContext(ctx)
	return jobs.New{Kind: n.Kind, Team: guard.Team(ctx), App: n.App, Subject: n.Subject, About: n.About,
		Caller: who.ID, Claims: who.Claims, Priority: priorityOf(ctx), Via: guard.Method(ctx), RequestID: n.RequestID,
		Request: n.Request, Approval: o.Approval(ctx), Plan: n.Plan}
}

// priorityOf is the class of an operation: batch, unless its caller asked for more.
func priorityOf(ctx context.Context) string {
	if asked := metadata.ValueFromIncomingContext(ctx, server.PriorityHeader); len(asked) == 0 || asked[0] == "" {
		return policy.Batch
	}
	return asc.CallerOf(ctx).Priority
}

// Approval implements [workflows.Operations].
func (o *operations) Approval(ctx context.Context) []string { return guard.Decision(ctx).Approval }

// viewer is who asks about operations.
func viewer(ctx context.Context) jobs.Viewer {
	d := guard.Decision(ctx)
	v := jobs.Viewer{ID: access.FromContext(ctx).ID, Team: guard.Team(ctx), All: d.Operations}
	if d.Restricted {
		v.Apps = append([]string{}, d.Apps...) // never nil: that is every app
	}
	v.Approves = func(patterns []string) bool { return policy.Approver(patterns, v.ID) }
	return v
}

// jobSets are the rights that each job needs, by its RPC.
var jobSets = sync.OnceValue(func() map[string][]string {
	all := maps.Clone(workflows.Jobs)
	maps.Copy(all, uploads.Jobs())
	return all
})

// jobsNeeding are the jobs that need the right to call a method.
func jobsNeeding(fullMethod string) (names []string) {
	for job, methods := range jobSets() {
		if slices.Contains(methods, strings.TrimPrefix(fullMethod, "/")) {
			names = append(names, job)
		}
	}
	slices.Sort(names)
	return names
}
