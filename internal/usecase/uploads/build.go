package uploads

import (
	"context"
	"slices"
	"strings"
	"time"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
)

// Full names of the calls that a build needs.
const (
	listApps          = metadatav1.AppsService_ListApps_FullMethodName
	listUploads       = metadatav1.AppsService_ListAppBuildUploads_FullMethodName
	createBuildUpload = testflightv1.BuildUploadsService_CreateBuildUpload_FullMethodName
	getBuildUpload    = testflightv1.BuildUploadsService_GetBuildUpload_FullMethodName
	deleteUpload      = testflightv1.BuildUploadsService_DeleteBuildUpload_FullMethodName
	listUploadFiles   = testflightv1.BuildUploadsService_ListBuildUploadBuildUploadFiles_FullMethodName
)

// buildOf is which build a file is.
type buildOf struct{ app, version, number, platform, uti string }

// beginBuild finds out which build the file is, and gets a reservation for it: the
// upload of the same build that is on its way, or a new one.
func (u *upload) beginBuild(ctx context.Context, t *uploadsv1.BuildTarget) error {
	at := func(name string) string { return "start.target.build." + name }
	if err := checkFile(at, t.GetFileName(), t.GetFileSize()); err != nil {
		return err
	}
	u.token = resume{Kind: u.kinds().build.schema, Name: t.GetFileName(), Size: t.GetFileSize()}
	if err := u.say(uploadsv1.PhaseEnum_CHECKING, ""); err != nil {
		return err
	}
	b, err := u.whichBuild(ctx, t)
	if err != nil {
		return err
	}
	platform, ok := enumsv1.PlatformEnum_Platform_value[b.platform]
	if !ok || platform < 2 {
		return fault.Invalid(at("platform"), "want IOS, MAC_OS, TV_OS or VISION_OS")
	}
	if b.app, err = u.findApp(ctx, b.app); err != nil {
		return err
	}
	u.build = &uploadsv1.BuildUploaded{App: b.app}
	if taken, err := u.joinAny(ctx, b, enumsv1.PlatformEnum_Platform(platform)); taken || err != nil {
		return err
	}
	err = u.reserveBuild(ctx, b, enumsv1.PlatformEnum_Platform(platform))
	if err == nil || !unclear(err) || u.res != nil {
		return err
	}
	for _, p := range []time.Duration{time.Second, 5 * time.Second} { // it may have been made all the same
		if perr := u.pause(ctx, p); perr != nil {
			return perr
		}
		if taken, jerr := u.joinAny(ctx, b, enumsv1.PlatformEnum_Platform(platform)); taken || jerr != nil {
			return jerr
		}
	}
	return err
}

// joinAny looks for an upload of the same build.
func (u *upload) joinAny(ctx context.Context, b buildOf, platform enumsv1.PlatformEnum_Platform) (taken bool, err error) {
	list := &metadatav1.ListAppBuildUploadsResponse{}
	err = u.invoke(fresh(ctx), listUploads, &metadatav1.ListAppBuildUploadsRequest{Id: b.app, PageSize: 20,
		Sort: []string{"-uploadedDate"}, Filter: &metadatav1.ListAppBuildUploadsRequest_Filter{
			CfBundleShortVersionString: []string{b.version}, CfBundleVersion: []string{b.number},
			Platform: []enumsv1.PlatformEnum_Platform{platform}}}, list)
	if err != nil {
		return false, err
	}
	for _, old := range list.GetBuildUploads() {
		if taken, err := u.join(ctx, old, b); taken || err != nil {
			return taken, err
		}
	}
	return false, nil
}

// join goes on with an upload of the same build that is there already. One that
// FAILED has freed its number.
func (u *upload) join(ctx context.Context, old *resourcesv1.BuildUpload, b buildOf) (taken bool, err error) {
	switch state := old.GetState().GetState().String(); state {
	case "FAILED":
		return false, nil
	case "PROCESSING", complete:
		u.existed, u.build.BuildUpload = true, old
		u.token.Parent = old.GetId()
		return true, u.awaitJoined(ctx, old.GetId())
	}
	files := &testflightv1.ListBuildUploadBuildUploadFilesResponse{}
	err = u.invoke(fresh(ctx), listUploadFiles, &testflightv1.ListBuildUploadBuildUploadFilesRequest{Id: old.GetId()}, files)
	if err != nil {
		return false, err
	}
	if len(files.GetBuildUploadFiles()) == 0 { // an upload that broke before its file was reserved
		return true, u.reserveFile(ctx, old.GetId(), b)
	}
	for _, f := range files.GetBuildUploadFiles() {
		r := &reservation{kind: u.kinds().build, resource: f.ProtoReflect(), id: f.GetId(), name: f.GetFileName(),
			size: f.GetFileSize(), parent: old.GetId(), app: b.app}
		if f.GetFileName() != u.token.Name || f.GetFileSize() != u.token.Size {
			continue
		}
		if !u.claims.take(f.GetId(), u.stop) { // another call sends the same file: it may end well, or break
			if err := u.pause(ctx, u.cfg.PollMost); err != nil {
				return false, err
			}
			now := &testflightv1.GetBuildUploadResponse{}
			err := u.invoke(fresh(ctx), getBuildUpload, &testflightv1.GetBuildUploadRequest{Id: old.GetId()}, now)
			if isNotFound(err) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			return u.join(ctx, now.GetBuildUpload(), b)
		}
		r.ours, u.res = true, r
		u.isSent = u.kinds().build.conditionOf(r.resource).word != awaiting
		u.reserved()
		return true, nil
	}
	f := failed(ReasonInFlight, "another file of build %s (%s) is on its way: wait for it, or delete the upload %s",
		b.version, b.number, old.GetId())
	f.Metadata = map[string]string{"build_upload": old.GetId()}
	return false, f
}

// reserveBuild makes the upload of a build and its file. Where the outcome is not
// known, what is there is read.
func (u *upload) reserveBuild(ctx context.Context, b buildOf, platform enumsv1.PlatformEnum_Platform) error {
	made := &testflightv1.CreateBuildUploadResponse{}
	err := u.invoke(ctx, createBuildUpload, &testflightv1.CreateBuildUploadRequest{App: &typesv1.ToOne{Id: proto.String(b.app)},
		CfBundleShortVersionString: proto.String(b.version), CfBundleVersion: proto.String(b.number), Platform: &platform}, made)
	if err != nil {
		return err
	}
	u.build.BuildUpload = made.GetBuildUpload()
	return u.reserveFile(ctx, made.GetBuildUpload().GetId(), b)
}

// reserveFile reserves the file of an upload.
func (u *upload) reserveFile(ctx context.Context, parent string, b buildOf) (err error) {
	uti := enumsv1.BuildUploadFileUtiEnum_COM_APPLE_IPA
	if b.uti == "com.apple.pkg" {
		uti = enumsv1.BuildUploadFileUtiEnum_COM_APPLE_PKG
	}
	u.res, err = u.reserve(ctx, u.kinds().build, &testflightv1.CreateBuildUploadFileRequest{
		AssetType: enumsv1.BuildUploadFileAssetTypeEnum_ASSET.Enum(), FileName: proto.String(u.token.Name),
		FileSize: proto.Int64(u.token.Size), Uti: uti.Enum(), BuildUpload: &typesv1.ToOne{Id: proto.String(parent)}})
	if err != nil {
		u.abandon(ctx, &reservation{kind: u.kinds().build, id: parent, parent: parent, ours: true})
		return err
	}
	u.res.parent, u.res.app = parent, b.app
	u.reserved()
	return nil
}

// deleteBuildUpload deletes an upload with its file.
func (c *caller) deleteBuildUpload(ctx context.Context, id string) error {
	return c.invoke(ctx, deleteUpload, &testflightv1.DeleteBuildUploadRequest{Id: id}, &testflightv1.DeleteBuildUploadResponse{})
}

// findApp is the id of an app that is named by its id or its bundle id.
func (u *upload) findApp(ctx context.Context, app string) (id string, err error) {
	if app != "" && strings.Trim(app, "0123456789") == "" {
		return app, nil
	}
	if strings.ContainsAny(app, ",/\\?#%\x00") || len(app) > 256 || app == "" {
		return "", fault.Invalid("start.target.build.app", "want an app's id or bundle id")
	}
	res := &metadatav1.ListAppsResponse{}
	err = u.invoke(ctx, listApps, &metadatav1.ListAppsRequest{
		Filter: &metadatav1.ListAppsRequest_Filter{BundleId: []string{app}}}, res)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(res.GetApps(), func(a *resourcesv1.App) bool { return strings.EqualFold(a.GetBundleId(), app) })
	if i < 0 { // Apple's filter also finds those that begin with it
		return "", fault.New(fault.NotFound, ReasonNoApp, "there is no app with the bundle id %s, or it is not yours", app)
	}
	return res.GetApps()[i].GetId(), nil
}

// awaitBuild waits until the upload of a build is COMPLETE, and for the build where
// the caller wants it.
func (u *upload) awaitBuild(ctx context.Context) error {
	if u.build == nil { // it goes on by a token
		u.build = &uploadsv1.BuildUploaded{App: u.token.App}
	}
	return u.awaitJoined(ctx, u.token.Parent)
}

// awaitJoined looks at an upload until Apple has taken or refused it.
func (u *upload) awaitJoined(ctx context.Context, id string) error {
	if u.start.GetWaitFor() == uploadsv1.WaitForEnum_COMMITTED {
		return nil
	}
	last := ""
	for look := 0; ; look++ {
		res := &testflightv1.GetBuildUploadResponse{}
		err := u.invoke(fresh(ctx), getBuildUpload,
			&testflightv1.GetBuildUploadRequest{Id: id, Include: []string{"build", "assetFile"}}, res)
		if err != nil && !unclear(err) {
			return err
		}
		if err == nil {
			word, done, err := u.buildStands(res)
			if err != nil || done {
				return err
			}
			if word != last {
				last = word
				if err := u.say(uploadsv1.PhaseEnum_PROCESSING, word); err != nil {
					return err
				}
			}
		}
		if err := u.pause(ctx, u.pauseAt(look+1)); err != nil {
			return err
		}
	}
}

// buildStands says how the upload of a build stands, and its build.
func (u *upload) buildStands(res *testflightv1.GetBuildUploadResponse) (word string, done bool, err error) {
	u.build.BuildUpload = res.GetBuildUpload()
	u.build.Build = nil
	for _, b := range res.GetIncluded().GetBuilds() {
		u.build.Build = b
	}
	for _, f := range res.GetIncluded().GetBuildUploadFiles() {
		cond := u.kinds().build.conditionOf(f.ProtoReflect())
		if u.res != nil && f.GetId() == u.res.id {
			u.res.resource = f.ProtoReflect()
		}
		if cond.failed {
			return cond.word, false, cond.failure()
		}
	}
	state := res.GetBuildUpload().GetState()
	word = state.GetState().String()
	for _, w := range state.GetWarnings() {
		known := func(o *uploadsv1.Warning) bool {
			return o.GetCode() == w.GetCode() && o.GetMessage() == w.GetDescription()
		}
		if !slices.ContainsFunc(u.warnings, known) {
			u.warnings = append(u.warnings, &uploadsv1.Warning{Code: w.GetCode(), Message: w.GetDescription()})
		}
	}
	switch word {
	case failedWord:
		c := condition{}
		for _, e := range state.GetErrors() {
			c.errors = append(c.errors, strings.TrimSpace(e.GetCode()+" "+e.GetDescription()))
		}
		return word, false, c.failure()
	case complete:
		if u.start.GetWaitFor() != uploadsv1.WaitForEnum_PROCESSED {
			return word, true, nil
		}
	default:
		return word, false, nil
	}
	if u.build.Build == nil {
		return word, false, nil
	}
	switch word = u.build.Build.GetProcessingState().String(); word {
	case "VALID":
		return word, true, nil
	case "INVALID", "FAILED":
		return word, false, failed(ReasonFailed, "Apple could not process the build: it is %s", word)
	}
	return "build " + word, false, nil
}
