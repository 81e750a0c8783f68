package workflows

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	workflowsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/workflows/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// change is one change that a job makes, and what makes it.
type change struct {
	*operationsv1.Change
	// do makes the change. requestID names it, so that it is made once.
	do func(ctx context.Context, requestID string) (detail string, err error)
}

// etag names a list of changes, of one build and for one request: what it asks for
// beside changes, such as that testers are told, is of the plan too.
func (d *distribution) etag(list []*operationsv1.Change) string {
	asked := proto.CloneOf(d.req)
	asked.Team, asked.RequestId, asked.PlanEtag = "", "", ""
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(asked) // it came over the wire
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", b, d.seen.id())
	for _, c := range list {
		fmt.Fprintf(h, "%q\n", []string{c.GetName(), c.GetTarget(), c.GetFrom(), c.GetTo()})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// id of the build, "" while there is none.
func (s *seen) id() string {
	if s == nil {
		return ""
	}
	return s.build.GetId()
}

// asks tells in words what a request asks for.
func asks(req *workflowsv1.DistributeBuildRequest) string {
	list := []string{}
	add := func(what string, names []string) {
		if len(names) > 0 {
			list = append(list, what+" "+strings.Join(names, ", "))
		}
	}
	add("groups", req.GetGroups())
	if req.GetCreateGroups() {
		list = append(list, "groups that are not there are made")
	}
	add("notes", slices.Sorted(maps.Keys(req.GetNotes())))
	if req.UsesNonExemptEncryption != nil {
		list = append(list, fmt.Sprintf("usesNonExemptEncryption %v", req.GetUsesNonExemptEncryption()))
	}
	if req.GetNotify() {
		list = append(list, "testers are told")
	}
	return strings.Join(list, "; ")
}

// requestID names a change within its operation, the same in every run: a slow run
// and the one after it make it once. Where it is not known what became of one, and
// reading shows that it was not made, it is another.
func (d *distribution) requestID(c change) string {
	sum, lost := sha256.Sum256([]byte(c.GetTarget())), 0
	for _, a := range d.run.Actions {
		if a.GetName() == c.GetName() && a.GetTarget() == c.GetTarget() &&
			a.GetOutcome() == operationsv1.OutcomeEnum_FAILED {
			lost++
		}
	}
	return fmt.Sprintf("%s/%s/%s/%d", d.run.ID, c.GetName(), hex.EncodeToString(sum[:8]), lost)
}

// outcomeUnknown says whether a write may have been made or not.
func outcomeUnknown(err error) bool {
	if status.Code(err) != codes.Unknown {
		return false
	}
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetReason() == fault.ReasonOutcomeUnknown {
			return true
		}
	}
	return false
}

// says says whether an error has a text, in its message or its details: Apple tells
// some things in words only. Capital letters do not count.
func says(err error, text string) bool {
	return err != nil && strings.Contains(strings.ToLower(fmt.Sprint(status.Convert(err).Proto())), strings.ToLower(text))
}

// changes are what is missing, in the order in which it is done, and the problem
// that keeps it from being done.
func (d *distribution) changes() (list []change, problem error) {
	if c, ok := d.compliance(); ok {
		list = append(list, c)
	} else if d.missingCompliance() {
		problem = failed(ReasonCompliance,
			"export compliance is not answered: say uses_non_exempt_encryption, or ITSAppUsesNonExemptEncryption in the app")
	}
	list = append(list, d.notes()...)
	for _, name := range d.seen.missing {
		list = append(list, d.createGroup(name))
	}
	if len(d.seen.missing) > 0 && !d.req.GetCreateGroups() {
		problem = failed(ReasonNoGroup, "there is no group %s: correct the name, or say create_groups",
			strings.Join(d.seen.missing, ", "))
	}
	if c, ok := d.addToGroups(); ok {
		list = append(list, c)
	}
	if d.needsReview() {
		list = append(list, d.submit())
		if len(d.seen.lacks) > 0 {
			problem = failed(ReasonTexts, "beta review needs more of the app: %s", strings.Join(d.seen.lacks, ", "))
		}
	}
	return list, problem
}

// waits says what is waited for after the changes, "" nothing.
func (d *distribution) waits(list []change) string {
	state := d.externalState()
	review := slices.ContainsFunc(list, func(c change) bool { return c.GetName() == "submitForReview" })
	if review || d.external() && (state == "WAITING_FOR_BETA_REVIEW" || state == "IN_BETA_REVIEW") {
		return "Apple's beta review decides when testers outside the organisation get the build: often a day"
	}
	return ""
}

func (d *distribution) missingCompliance() bool {
	return d.internalState() == "MISSING_EXPORT_COMPLIANCE" || d.externalState() == "MISSING_EXPORT_COMPLIANCE"
}

// compliance answers whether the build uses encryption that is not exempt.
func (d *distribution) compliance() (change, bool) {
	if d.req.UsesNonExemptEncryption == nil || d.seen.build.UsesNonExemptEncryption != nil {
		return change{}, false
	}
	id, answer := d.seen.build.GetId(), d.req.GetUsesNonExemptEncryption()
	return change{
		&operationsv1.Change{Name: "answerCompliance", Target: "build " + id, To: fmt.Sprint(answer), Requests: 1,
			Why: "Apple gives a build to nobody before usesNonExemptEncryption is answered"},
		func(ctx context.Context, _ string) (string, error) {
			_, err := testflightv1.NewBuildsServiceClient(d.conn).UpdateBuild(ctx,
				&testflightv1.UpdateBuildRequest{Id: id, UsesNonExemptEncryption: &answer})
			return "usesNonExemptEncryption: " + fmt.Sprint(answer), err
		},
	}, true
}

// notes writes what to test, where it differs.
func (d *distribution) notes() (list []change) {
	for _, locale := range slices.Sorted(maps.Keys(d.req.GetNotes())) {
		want := d.req.GetNotes()[locale]
		i := slices.IndexFunc(d.seen.notes, func(x *resourcesv1.BetaBuildLocalization) bool {
			return strings.EqualFold(x.GetLocale(), locale)
		})
		switch {
		case i < 0:
			list = append(list, d.createNote(locale, want))
		case d.seen.notes[i].GetWhatsNew() != want:
			list = append(list, d.updateNote(d.seen.notes[i], want))
		}
	}
	return list
}

func (d *distribution) createNote(locale, want string) change {
	build := d.seen.build.GetId()
	return change{&operationsv1.Change{Name: "createNotes", Target: "locale " + locale + " of build " + build, To: want,
		Requests: 1,
		Why:      "what testers read"},
		func(ctx context.Context, requestID string) (string, error) {
			_, err := testflightv1.NewBetaBuildLocalizationsServiceClient(d.conn).CreateBetaBuildLocalization(ctx,
				&testflightv1.CreateBetaBuildLocalizationRequest{Locale: &locale, WhatsNew: &want,
					Build: &typesv1.ToOne{Id: &build}, RequestId: requestID})
			return "", err
		}}
}

func (d *distribution) updateNote(was *resourcesv1.BetaBuildLocalization, want string) change {
	build := d.seen.build.GetId()
	return change{
		&operationsv1.Change{Name: "updateNotes", Target: "locale " + was.GetLocale() + " of build " + build,
			From: was.GetWhatsNew(),
			To:   want, Requests: 1, Why: "what testers read"},
		func(ctx context.Context, _ string) (string, error) {
			_, err := testflightv1.NewBetaBuildLocalizationsServiceClient(d.conn).UpdateBetaBuildLocalization(ctx,
				&testflightv1.UpdateBetaBuildLocalizationRequest{Id: was.GetId(), WhatsNew: &want})
			return "", err
		},
	}
}

func (d *distribution) createGroup(name string) change {
	app := d.appID
	return change{
		&operationsv1.Change{Name: "createGroup", Target: "group " + name, To: "an external group", Requests: 1,
			Why: "the app has no such group"},
		func(ctx context.Context, requestID string) (string, error) {
			res, err := testflightv1.NewBetaGroupsServiceClient(d.conn).CreateBetaGroup(ctx,
				&testflightv1.CreateBetaGroupRequest{Name: &name, App: &typesv1.ToOne{Id: &app}, RequestId: requestID})
			if err != nil {
				return "", err
			}
			d.seen.groups = append(d.seen.groups, res.GetBetaGroup())
			return "id " + res.GetBetaGroup().GetId(), nil
		},
	}
}

// addToGroups gives the build to the groups that do not have it, with one request.
// Internal groups with all builds have it already.
func (d *distribution) addToGroups() (change, bool) {
	var names []string
	for _, g := range d.seen.groups {
		if d.lacksBuild(g) {
			names = append(names, g.GetName())
		}
	}
	names = append(names, d.seen.missing...)
	slices.Sort(names) // one that is made meanwhile changes no plan
	if len(names) == 0 {
		return change{}, false
	}
	build := d.seen.build.GetId()
	return change{&operationsv1.Change{Name: "addToGroups",
		Target: "groups " + strings.Join(names, ", ") + " for build " + build,
		To:     "build " + build, Requests: 1, Why: "their testers are to have the build"},
		func(ctx context.Context, _ string) (string, error) {
			var ids []string
			for _, g := range d.seen.groups {
				if d.lacksBuild(g) {
					ids = append(ids, g.GetId())
				}
			}
			_, err := testflightv1.NewBuildsServiceClient(d.conn).AddBuildBetaGroups(ctx,
				&testflightv1.AddBuildBetaGroupsRequest{Id: build, BetaGroups: &typesv1.ToMany{Ids: ids}})
			return "ids " + strings.Join(ids, ", "), err
		}}, true
}

func (d *distribution) lacksBuild(g *resourcesv1.BetaGroup) bool {
	return !slices.Contains(d.seen.holders, g.GetId()) && !(g.GetIsInternalGroup() && g.GetHasAccessToAllBuilds())
}

// submit asks for beta review. That it was asked for already is success.
func (d *distribution) submit() change {
	build := d.seen.build.GetId()
	return change{&operationsv1.Change{Name: "submitForReview", Target: "build " + build, From: d.externalState(),
		To: "WAITING_FOR_BETA_REVIEW", Requests: 1, Why: "testers outside the organisation get no build that Apple has not seen"},
		func(ctx context.Context, requestID string) (string, error) {
			_, err := testflightv1.NewBetaAppReviewSubmissionsServiceClient(d.conn).CreateBetaAppReviewSubmission(ctx,
				&testflightv1.CreateBetaAppReviewSubmissionRequest{
					Build:     &typesv1.ToOne{Id: &build},
					RequestId: requestID,
				})
			if says(err, "submitted already") {
				return "it was asked for already", nil
			}
			return "", err
		}}
}

// notify tells the testers, if that was asked for, Apple does not do it by itself,
// and there is something new for them.
func (d *distribution) notify(ctx context.Context, reviewed bool) error {
	news := reviewed || d.did("addToGroups") || d.did("submitForReview")
	if !d.req.GetNotify() || !news || d.did("notify") || d.seen.detail.GetAutoNotifyEnabled() {
		return nil
	}
	build := d.seen.build.GetId()
	_, err := testflightv1.NewBuildBetaNotificationsServiceClient(d.conn).CreateBuildBetaNotification(ctx,
		&testflightv1.CreateBuildBetaNotificationRequest{
			Build:     &typesv1.ToOne{Id: &build},
			RequestId: d.run.ID + "/notify",
		})
	action := &operationsv1.Action{Name: "notify", Target: "testers of build " + build,
		Outcome: operationsv1.OutcomeEnum_DONE}
	switch {
	case already(err):
		action.Outcome, action.Detail, err = operationsv1.OutcomeEnum_UNCHANGED, "Apple tells them by itself", nil
	case outcomeUnknown(err): // nothing shows whether they were told, and nobody wants to be told twice
		action.Outcome, action.Detail, err = operationsv1.OutcomeEnum_FAILED, "whether they were told is not known", nil
	}
	if err != nil {
		return err
	}
	return d.record(ctx, action)
}

// already says whether Apple refused to notify because it does so by itself, or
// has just done so.
func already(err error) bool {
	switch status.Code(err) {
	case codes.AlreadyExists, codes.FailedPrecondition, codes.InvalidArgument, codes.Aborted:
		return says(err, "auto-notify") || says(err, "auto notify") || says(err, "already") && says(err, "notif")
	}
	return false
}
