package workflows

import (
	"context"
	"slices"
	"strings"
	"time"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// holdersMost is how many groups Apple shows with a build.
const holdersMost = 50

// seen is a build and what belongs to it, as one read shows it.
type seen struct {
	build             *resourcesv1.Build
	version, platform string
	detail            *resourcesv1.BuildBetaDetail
	notes             []*resourcesv1.BetaBuildLocalization
	holders           []string // ids of the groups that have it

	groups  []*resourcesv1.BetaGroup // that are asked for, in the order of the request
	missing []string                 // names of groups that are not there
	locale  string                   // the app's primary one, "": not read
	lacks   []string                 // of what beta review and testers must know
}

// find reads the build. It says what is waited for, "" if the build can be
// tested.
func (d *distribution) find(ctx context.Context) (awaiting string, err error) {
	if err := d.findApp(ctx); err != nil {
		return "", err
	}
	builds, err := d.builds(ctx)
	if err != nil {
		return "", err
	}
	if len(builds) == 0 {
		return d.absent(ctx)
	}
	if len(builds) > 1 {
		var platforms []string
		for _, b := range builds {
			platforms = append(platforms, b.platform)
		}
		return "", failed(ReasonAmbiguous, "%s is there for %s: say which in platform", subjectOf(d.req),
			strings.Join(platforms, " and "))
	}
	kept := d.seen
	if d.seen = builds[0]; kept != nil { // what was read of the app stays
		d.seen.groups, d.seen.missing, d.seen.locale, d.seen.lacks = kept.groups, kept.missing, kept.locale, kept.lacks
	}
	if id := d.seen.build.GetApp().GetId(); id != "" {
		d.appID = id
	}
	if awaiting, err = d.processed(); awaiting != "" || err != nil {
		return awaiting, err
	}
	return "", d.readHolders(ctx)
}

// processed says whether the build can be tested.
func (d *distribution) processed() (awaiting string, err error) {
	state := d.seen.build.GetProcessingState().String()
	switch {
	case d.seen.build.GetExpired():
		return "", failed(ReasonInvalidBuild, "%s has expired", subjectOf(d.req))
	case state == "FAILED" || state == "INVALID":
		return "", failed(ReasonInvalidBuild, "Apple could not process %s: it is %s", subjectOf(d.req), state)
	case state != "VALID":
		return "Apple processes it", nil
	}
	return "", nil
}

// findApp finds the id of an app that is named by its bundle id.
func (d *distribution) findApp(ctx context.Context) error {
	switch {
	case d.appID != "" || d.req.GetApp() == "":
		return nil
	case isID(d.req.GetApp()):
		d.appID = d.req.GetApp()
		return nil
	}
	res, err := metadatav1.NewAppsServiceClient(d.conn).ListApps(ctx, &metadatav1.ListAppsRequest{
		Filter: &metadatav1.ListAppsRequest_Filter{BundleId: []string{d.req.GetApp()}}})
	if err != nil {
		return err
	}
	for _, a := range res.GetApps() { // Apple's filter also finds those that begin with it
		if strings.EqualFold(a.GetBundleId(), d.req.GetApp()) {
			d.appID = a.GetId()
			return nil
		}
	}
	return fault.New(
		fault.NotFound,
		ReasonNoApp,
		"there is no app with the bundle id %s, or it is not yours",
		d.req.GetApp(),
	)
}

// isID says whether an app is named by Apple's id: those are numbers.
func isID(app string) bool {
	return app != "" && strings.IndexFunc(app, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// canonical is a version in one spelling: without leading zeros, and without parts
// that are 0 at its end. Apple takes 1.2 and 1.2.0 for one.
func canonical(version string) string {
	if version == "" {
		return ""
	}
	parts := strings.Split(version, ".")
	for i, p := range parts {
		if parts[i] = strings.TrimLeft(p, "0"); parts[i] == "" || parts[i][0] < '0' || parts[i][0] > '9' {
			parts[i] = "0" + parts[i]
		}
	}
	for len(parts) > 1 && parts[len(parts)-1] == "0" {
		parts = parts[:len(parts)-1]
	}
	return strings.Join(parts, ".")
}

// spellings are how Apple may spell a version, for a filter that compares texts.
func spellings(version string) []string {
	list := []string{version}
	for c := canonical(version); strings.Count(c, ".") < 3; c += ".0" {
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

// builds reads the builds that a request can mean: one a platform.
func (d *distribution) builds(ctx context.Context) (list []*seen, err error) {
	f := &testflightv1.ListBuildsRequest_Filter{}
	if d.appID != "" {
		f.App = []string{d.appID}
	}
	if p, ok := enumsv1.PlatformEnum_Platform_value[d.req.GetPlatform()]; ok && d.req.GetPlatform() != "" {
		f.PreReleaseVersionPlatform = []enumsv1.PlatformEnum_Platform{enumsv1.PlatformEnum_Platform(p)}
	}
	switch {
	case d.seen != nil:
		f.Id = []string{d.seen.build.GetId()}
	case d.run != nil && strings.HasPrefix(d.run.AwaitingKey, "betaReview/"):
		f.Id = []string{strings.TrimPrefix(d.run.AwaitingKey, "betaReview/")}
	case d.begunWith() != "": // "newest" was this one: there may be newer ones by now
		f.Id = []string{d.begunWith()}
	case d.req.GetBuild() != "" && d.req.GetBuild() != newest:
		f.Id = []string{d.req.GetBuild()}
	}
	if len(f.GetId()) == 0 && d.req.GetVersion() != "" {
		f.PreReleaseVersionVersion = spellings(d.req.GetVersion())
	}
	if len(f.GetId()) == 0 && d.req.GetNumber() != "" {
		f.Version = spellings(d.req.GetNumber())
	}
	req := &testflightv1.ListBuildsRequest{Filter: f, Sort: []string{"-uploadedDate"}, PageSize: 20,
		Include: []string{"preReleaseVersion", "buildBetaDetail", "betaBuildLocalizations", "betaGroups", "app"},
		Limit:   map[string]int32{"betaBuildLocalizations": 50, "betaGroups": holdersMost}}
	if d.req.GetBuild() == newest && len(f.GetId()) == 0 {
		req.PageSize = 1
	}
	res, err := testflightv1.NewBuildsServiceClient(d.conn).ListBuilds(ctx, req)
	if err != nil {
		return nil, err
	}
	for _, b := range res.GetBuilds() {
		s := seenOf(b, res.GetIncluded())
		same := len(f.GetId()) > 0 || d.req.GetVersion() == "" || canonical(s.version) == canonical(d.req.GetVersion())
		same = same &&
			(len(f.GetId()) > 0 || d.req.GetNumber() == "" || canonical(b.GetVersion()) == canonical(d.req.GetNumber()))
		twin := slices.ContainsFunc(list, func(x *seen) bool { return x.platform == s.platform })
		if same && !twin {
			list = append(list, s)
		}
	}
	return list, nil
}

// begunWith is the id of the build that runs before have changed, "" if none has.
func (d *distribution) begunWith() string {
	if d.run == nil {
		return ""
	}
	for _, a := range d.run.Actions {
		if a.GetOutcome() != operationsv1.OutcomeEnum_DONE && a.GetOutcome() != operationsv1.OutcomeEnum_FAILED {
			continue
		}
		target := " " + a.GetTarget() // ends with the build, but for a group that is made
		if i := strings.LastIndex(target, " build "); i >= 0 && a.GetName() != "createGroup" {
			return target[i+len(" build "):]
		}
	}
	return ""
}

// seenOf gathers what belongs to a build.
func seenOf(b *resourcesv1.Build, in *testflightv1.ListBuildsResponse_Included) *seen {
	s := &seen{build: b, holders: b.GetBetaGroups().GetIds()}
	for _, v := range in.GetPreReleaseVersions() {
		if v.GetId() == b.GetPreReleaseVersion().GetId() {
			s.version, s.platform = v.GetVersion(), v.GetPlatform().String()
		}
	}
	for _, x := range in.GetBuildBetaDetails() {
		if x.GetId() == b.GetBuildBetaDetail().GetId() {
			s.detail = x
		}
	}
	for _, x := range in.GetBetaBuildLocalizations() {
		if slices.Contains(b.GetBetaBuildLocalizations().GetIds(), x.GetId()) {
			s.notes = append(s.notes, x)
		}
	}
	for _, a := range in.GetApps() {
		if a.GetId() == b.GetApp().GetId() {
			s.locale = a.GetPrimaryLocale()
		}
	}
	return s
}

// absent says what is waited for while the build is not there. Every other look is
// at its upload, which tells when Apple has refused it.
func (d *distribution) absent(ctx context.Context) (awaiting string, err error) {
	switch {
	case d.req.GetBuild() == newest:
		return "", fault.New(fault.NotFound, ReasonNoBuild, "there is no build yet that can be %s", subjectOf(d.req))
	case d.run != nil && time.Since(d.run.Created) > appear:
		return "", fault.New(fault.NotFound, ReasonNoBuild, "%s has not appeared within %v", subjectOf(d.req), appear)
	case d.req.GetBuild() != "" && (d.run == nil || time.Since(d.run.Created) > 5*time.Minute):
		return "", fault.New(fault.NotFound, ReasonNoBuild, "there is no %s", subjectOf(d.req))
	case d.req.GetBuild() != "" || d.run == nil || d.appID == "":
		return "it is not there yet", nil
	}
	if time.Now().Unix()/max(int64(d.cfg.BuildEvery/time.Second), 1)%2 == 0 {
		return "it is not there yet", nil
	}
	f := &metadatav1.ListAppBuildUploadsRequest_Filter{CfBundleShortVersionString: spellings(d.req.GetVersion()),
		CfBundleVersion: spellings(d.req.GetNumber())}
	if p, ok := enumsv1.PlatformEnum_Platform_value[d.req.GetPlatform()]; ok && d.req.GetPlatform() != "" {
		f.Platform = []enumsv1.PlatformEnum_Platform{enumsv1.PlatformEnum_Platform(p)}
	}
	res, err := metadatav1.NewAppsServiceClient(d.conn).ListAppBuildUploads(ctx, &metadatav1.ListAppBuildUploadsRequest{
		Id: d.appID, Filter: f, Sort: []string{"-uploadedDate"}, PageSize: 10})
	if err != nil {
		return "", err
	}
	return uploadState(res.GetBuildUploads())
}

// uploadState says how the last upload of a build stands.
func uploadState(list []*resourcesv1.BuildUpload) (awaiting string, err error) {
	if len(list) == 0 {
		return "it is not there yet", nil
	}
	state := list[0].GetState()
	if state.GetState().String() != "FAILED" {
		return "its upload is " + state.GetState().String(), nil
	}
	var why []string
	for _, e := range state.GetErrors() {
		why = append(why, strings.TrimSpace(e.GetCode()+" "+e.GetDescription()))
	}
	return "", failed(ReasonUploadFailed, "Apple refused the upload: %s", strings.Join(why, "; "))
}

// listGroups reads all pages of groups.
func (d *distribution) listGroups(
	ctx context.Context, f *testflightv1.ListBetaGroupsRequest_Filter,
) (list []*resourcesv1.BetaGroup, err error) {
	req := &testflightv1.ListBetaGroupsRequest{Filter: f, PageSize: 200}
	for {
		res, err := testflightv1.NewBetaGroupsServiceClient(d.conn).ListBetaGroups(ctx, req)
		if err != nil {
			return nil, err
		}
		list = append(list, res.GetBetaGroups()...)
		if req.PageToken = res.GetNextPageToken(); req.PageToken == "" {
			return list, nil
		}
	}
}

// readHolders finds all groups that have the build, where a read of the build
// shows only some.
func (d *distribution) readHolders(ctx context.Context) error {
	if len(d.seen.holders) < holdersMost {
		return nil
	}
	list, err := d.listGroups(ctx, &testflightv1.ListBetaGroupsRequest_Filter{App: []string{d.appID},
		Builds: []string{d.seen.build.GetId()}})
	if err != nil {
		return err
	}
	for _, g := range list {
		if !slices.Contains(d.seen.holders, g.GetId()) {
			d.seen.holders = append(d.seen.holders, g.GetId())
		}
	}
	return nil
}

// external says whether testers outside the organisation are to have the build.
func (d *distribution) external() bool {
	if d.run != nil && strings.HasPrefix(d.run.AwaitingKey, "betaReview/") || len(d.seen.missing) > 0 {
		return true
	}
	return slices.ContainsFunc(d.seen.groups, func(g *resourcesv1.BetaGroup) bool { return !g.GetIsInternalGroup() })
}

func (d *distribution) externalState() string {
	if d.seen.detail == nil || d.seen.detail.ExternalBuildState == nil {
		return ""
	}
	return d.seen.detail.GetExternalBuildState().String()
}

func (d *distribution) internalState() string {
	if d.seen.detail == nil || d.seen.detail.InternalBuildState == nil {
		return ""
	}
	return d.seen.detail.GetInternalBuildState().String()
}

func (d *distribution) readyToSubmit() bool {
	return slices.Contains([]string{"READY_FOR_BETA_SUBMISSION", "MISSING_EXPORT_COMPLIANCE"}, d.externalState())
}

// needsReview says whether the build must be submitted to beta review.
func (d *distribution) needsReview() bool {
	state := d.externalState()
	ready := d.readyToSubmit() || state == "BETA_REJECTED" && (d.run == nil || !d.did("submitForReview"))
	return d.external() && ready
}
