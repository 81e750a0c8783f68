package workflows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	workflowsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/workflows/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// PlanDistributeBuild implements the RPC.
func (s *Service) PlanDistributeBuild(
	ctx context.Context, req *workflowsv1.PlanDistributeBuildRequest,
) (*workflowsv1.PlanDistributeBuildResponse, error) {
	full, err := asDistribute(req)
	if err != nil {
		return nil, err
	}
	plan, err := s.planDistribute(ctx, full)
	if err != nil {
		return nil, err
	}
	return &workflowsv1.PlanDistributeBuildResponse{Plan: plan}, nil
}

// DistributeBuild implements the RPC.
func (s *Service) DistributeBuild(
	ctx context.Context, req *workflowsv1.DistributeBuildRequest,
) (*longrunningpb.Operation, error) {
	if err := checkDistribute(req); err != nil {
		return nil, err
	}
	o := Operation{Kind: "DistributeBuild", Subject: subjectOf(req), RequestID: req.GetRequestId(), Request: req}
	groups := slices.Clone(req.GetGroups())
	slices.Sort(groups)
	o.About = fmt.Sprintf("%q", append([]string{req.GetApp(), selector(req)}, groups...))
	if isID(req.GetApp()) {
		o.App = req.GetApp()
	}
	if req.GetPlanEtag() == "" && len(s.ops.Approval(ctx)) == 0 {
		return s.ops.Start(ctx, o)
	}
	// What it has changed itself makes no plan stale.
	if op, err := s.ops.Begun(ctx, o); op != nil || err != nil {
		return op, err
	}
	plan, err := s.planDistribute(ctx, req)
	switch {
	case err != nil:
		return nil, err
	case req.GetPlanEtag() != "" && req.GetPlanEtag() != plan.GetEtag():
		return nil, stale()
	}
	o.Plan = plan
	return s.ops.Start(ctx, o)
}

func stale() error {
	return failed(ReasonPlanStale, "what is there has changed since the plan was made: plan again")
}

// planDistribute reads what is there and says what would be done.
func (s *Service) planDistribute(
	ctx context.Context, req *workflowsv1.DistributeBuildRequest,
) (*operationsv1.Plan, error) {
	if err := checkDistribute(req); err != nil {
		return nil, err
	}
	d := &distribution{Service: s, req: req}
	plan := &operationsv1.Plan{Subject: subjectOf(req), Approval: s.ops.Approval(ctx)}
	awaiting, err := d.find(ctx)
	if err != nil {
		return nil, err
	}
	if awaiting != "" {
		plan.Changes = []*operationsv1.Change{{Name: "awaitBuild", Target: plan.Subject, From: awaiting, To: "VALID",
			Why: "what else is to be done shows when the build is there"}}
		plan.Warnings = append(plan.Warnings, "asked for: "+asks(req))
		plan.Etag = d.etag(plan.Changes)
		return plan, nil
	}
	if err := d.readGroups(ctx); err != nil {
		return nil, err
	}
	if err := d.readTexts(ctx); err != nil {
		return nil, err
	}
	changes, problem := d.changes()
	if problem != nil {
		plan.Warnings = append(plan.Warnings, fault.As(problem).Message)
	}
	for _, c := range changes {
		plan.Changes = append(plan.Changes, c.Change)
		plan.Requests += c.GetRequests()
	}
	if req.GetNotify() {
		plan.Warnings = append(plan.Warnings, "testers are told, if there is something new for them")
	}
	if waits := d.waits(changes); waits != "" {
		plan.Warnings = append(plan.Warnings, waits)
	}
	plan.Etag = d.etag(plan.Changes)
	return plan, nil
}

// RunDistributeBuild makes one run of a DistributeBuild.
func (s *Service) RunDistributeBuild(ctx context.Context, r *Run) (Step, error) {
	req, ok := r.Request.(*workflowsv1.DistributeBuildRequest)
	if !ok {
		return Step{}, fmt.Errorf("workflows: %T is no request of DistributeBuild", r.Request)
	}
	d := &distribution{Service: s, req: req, run: r, appID: r.App}
	step, err := d.step(ctx)
	step.App = d.appID
	if status.Code(err) == codes.NotFound && r.Failures < notFoundMost {
		// Apple at times does not know what it has just made, or has just told of.
		return step, fault.New(fault.Unavailable, "NOT_FOUND_YET", "Apple does not know of it yet: %s",
			status.Convert(err).Message())
	}
	if status.Code(err) == codes.AlreadyExists && r.Failures < notFoundMost {
		// Another job made it, or what was read was old: the next run finds it.
		return step, fault.New(fault.Unavailable, "MADE_MEANWHILE", "it was made meanwhile: %s",
			status.Convert(err).Message())
	}
	return step, err
}

// notFoundMost is how many runs may end because Apple does not know of something,
// or has it already.
const notFoundMost = 4

// appear is how long a build may take until it shows that an id or an upload
// names. Nobody uploads for longer than this.
const appear = 24 * time.Hour

// distribution is one run of a DistributeBuild, and what it has read.
type distribution struct {
	*Service
	req *workflowsv1.DistributeBuildRequest
	run *Run // nil: it is only planned

	appID     string
	seen      *seen
	submitted bool // to beta review, in this run
}

func (d *distribution) findKey() string { return "build/" + d.req.GetApp() + "/" + selector(d.req) }

func (d *distribution) reviewKey() string { return "betaReview/" + d.seen.build.GetId() }

// step looks, does what is to be done, and says what it waits for.
func (d *distribution) step(ctx context.Context) (Step, error) {
	key, every := d.findKey(), d.cfg.BuildEvery
	if strings.HasPrefix(d.run.AwaitingKey, "betaReview/") {
		key, every = d.run.AwaitingKey, d.cfg.ReviewEvery
	}
	now, again, err := d.run.Look(ctx, key, every)
	if err != nil || !now {
		return Step{Idle: true, Wait: again, Awaiting: d.subject(key), AwaitingKey: key}, err
	}
	awaiting, err := d.find(ctx)
	if err != nil {
		return Step{}, err
	}
	if awaiting != "" {
		return Step{Wait: every, Awaiting: d.subject(key) + ": " + awaiting, AwaitingKey: key}, nil
	}
	if key == d.findKey() {
		if err := d.arrived(ctx, key); err != nil {
			return Step{}, err
		}
		if err := d.write(ctx); err != nil {
			return d.turn(err)
		}
	}
	return d.decided(ctx, key)
}

// record puts an action on record.
func (d *distribution) record(ctx context.Context, a *operationsv1.Action) error {
	d.run.Actions = append(d.run.Actions, a)
	return d.run.Did(ctx, a)
}

// subject is what is waited for, in words.
func (d *distribution) subject(key string) string {
	if strings.HasPrefix(key, "betaReview/") {
		return "beta review of " + subjectOf(d.req)
	}
	return subjectOf(d.req)
}

// arrived wakes all that wait for the build, and puts on record that it was
// waited for.
func (d *distribution) arrived(ctx context.Context, key string) error {
	if err := d.run.Seen(ctx, key); err != nil {
		return err
	}
	if d.run.AwaitingKey != key {
		return nil
	}
	return d.record(ctx, &operationsv1.Action{Name: "awaitBuild", Target: subjectOf(d.req),
		Outcome: operationsv1.OutcomeEnum_AWAITED, Detail: "VALID, id " + d.seen.build.GetId()})
}

// write makes the changes that are missing, one after another.
func (d *distribution) write(ctx context.Context) error {
	if err := d.readGroups(ctx); err != nil {
		return err
	}
	if err := d.readTexts(ctx); err != nil {
		return err
	}
	changes, problem := d.changes()
	if problem != nil {
		return problem
	}
	if err := d.planned(changes); err != nil {
		return err
	}
	for _, c := range changes {
		detail, err := d.make(ctx, c)
		if outcomeUnknown(err) { // a run before was cut off: the next one reads what became of it
			return errors.Join(err, d.record(ctx, &operationsv1.Action{Name: c.GetName(), Target: c.GetTarget(),
				Outcome: operationsv1.OutcomeEnum_FAILED, Detail: "what became of it is not known: it is looked at again"}))
		}
		if err != nil {
			return err
		}
		d.submitted = d.submitted || c.GetName() == "submitForReview"
		err = d.record(ctx, &operationsv1.Action{Name: c.GetName(), Target: c.GetTarget(), Detail: detail,
			Outcome: operationsv1.OutcomeEnum_DONE})
		if err != nil {
			return err
		}
	}
	if len(changes) > 0 { // the states are others now
		_, err := d.find(ctx)
		return err
	}
	return nil
}

// make makes a change, with a span of its own.
func (d *distribution) make(ctx context.Context, c change) (detail string, err error) {
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer("github.com/asc-gateway/asc-gateway/internal/usecase/workflows")
	ctx, span := tracer.Start(ctx, c.GetName())
	defer span.End()
	if detail, err = c.do(ctx, d.requestID(c)); err != nil {
		span.SetStatus(otelcodes.Error, status.Code(err).String())
	}
	return detail, err
}

// planned refuses changes that the plan does not have, before the first is made.
// Those of them that are made already are no reason to stop: a run that was cut off
// may have made them.
func (d *distribution) planned(changes []change) error {
	want := d.run.Plan
	if want == nil || len(want.GetChanges()) == 1 && want.GetChanges()[0].GetName() == "awaitBuild" {
		return nil // nobody planned, or what the build needs could not be known
	}
	for _, c := range changes {
		if !slices.ContainsFunc(want.GetChanges(), func(p *operationsv1.Change) bool {
			// What review starts from changes with what is done before.
			from := p.GetFrom() == c.GetFrom() || c.GetName() == "submitForReview"
			return p.GetName() == c.GetName() && p.GetTarget() == c.GetTarget() && p.GetTo() == c.GetTo() && from
		}) {
			return stale()
		}
	}
	return nil
}

// did says whether a run before, or this one, has changed something: by the name
// of the action, "" any.
func (d *distribution) did(name string) bool {
	return slices.ContainsFunc(d.run.Actions, func(a *operationsv1.Action) bool {
		return a.GetOutcome() == operationsv1.OutcomeEnum_DONE && (name == "" || a.GetName() == name)
	})
}

// turn waits where another build of the version is in review.
func (d *distribution) turn(err error) (Step, error) {
	if !says(err, "ANOTHER_BUILD_IN_REVIEW") {
		return Step{}, err
	}
	return Step{Wait: d.cfg.ReviewEvery, Awaiting: "its turn: another build of the version is in beta review"}, nil
}

// unready says what Apple does before testers can have the build, or before it can
// be submitted. "": nothing.
func (d *distribution) unready() string {
	states := []string{}
	if d.external() {
		states = append(states, d.externalState())
	}
	if slices.ContainsFunc(d.seen.groups, (*resourcesv1.BetaGroup).GetIsInternalGroup) {
		states = append(states, d.internalState())
	}
	switch {
	case slices.Contains(states, "IN_EXPORT_COMPLIANCE_REVIEW"):
		return "Apple reviews its export compliance"
	case slices.Contains(states, "PROCESSING"):
		return "Apple prepares it for testers"
	}
	return ""
}

// decided ends the job when nothing is waited for any more.
func (d *distribution) decided(ctx context.Context, key string) (Step, error) {
	if unready := d.unready(); unready != "" {
		return Step{Wait: d.cfg.ReviewEvery, Awaiting: unready}, nil
	}
	if d.external() {
		state := d.externalState()
		if d.submitted && (state == "BETA_REJECTED" || d.readyToSubmit()) || key == d.reviewKey() && d.readyToSubmit() {
			state = "WAITING_FOR_BETA_REVIEW" // Apple still shows how it was before it was submitted
		}
		switch state {
		case "WAITING_FOR_BETA_REVIEW", "IN_BETA_REVIEW":
			if d.req.GetWaitFor() == workflowsv1.WaitForEnum_SUBMISSION {
				return d.done(), nil
			}
			return Step{Wait: d.cfg.ReviewEvery, Awaiting: "beta review: " + state, AwaitingKey: d.reviewKey()}, nil
		case "BETA_REJECTED":
			return Step{}, failed(ReasonRejected, "beta review has rejected build %s", d.seen.build.GetId())
		case "", "READY_FOR_BETA_SUBMISSION": // it needs review, which showed only now: look again, and submit it
			return Step{Wait: d.cfg.BuildEvery, Awaiting: "Apple's state of the build", AwaitingKey: d.findKey()}, nil
		}
	}
	if key == d.reviewKey() {
		if err := d.run.Seen(ctx, key); err != nil {
			return Step{}, err
		}
		err := d.record(ctx, &operationsv1.Action{Name: "awaitReview", Target: "build " + d.seen.build.GetId(),
			Outcome: operationsv1.OutcomeEnum_AWAITED, Detail: d.externalState()})
		if err != nil {
			return Step{}, err
		}
	}
	if err := d.notify(ctx, key == d.reviewKey()); err != nil {
		return Step{}, err
	}
	return d.done(), nil
}

func (d *distribution) done() Step {
	return Step{Response: &workflowsv1.DistributeBuildResponse{
		Build: d.seen.build.GetId(), App: d.appID, Version: d.seen.version, Number: d.seen.build.GetVersion(),
		Platform: d.seen.platform, Groups: d.seen.groupIDs(), InternalBuildState: d.internalState(),
		ExternalBuildState: d.externalState(),
	}}
}
