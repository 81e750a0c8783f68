package sandbox

import (
	"slices"
	"time"
)

// buildUploads: a build on its way to Apple, and its files.
func buildUploads() map[string]behavior {
	const source = "Apple: BuildUpload, state; App Store Connect Help: Build upload statuses"
	return map[string]behavior{
		"buildUploads": {
			count: twoPerApp,
			seed: cycle(
				"state",
				map[string]any{"state": "COMPLETE", "errors": []any{}, "warnings": []any{}, "infos": []any{}},
			),
			settled: uploadSettled,
			allowed: buildNumberFree,
			created: uploadCreated,
			machines: []machine{{attr: "state", inside: "state", moves: []move{
				{"deliver", []string{"AWAITING_UPLOAD"}, "PROCESSING", source},
				{"complete", []string{"PROCESSING"}, "COMPLETE", source},
				{"fail", []string{"AWAITING_UPLOAD", "PROCESSING"}, "FAILED", source},
			}}},
			acts: map[string]act{
				"fail": {does: "Apple refuses the upload", with: []string{"errors"}, do: uploadFailed},
			},
		},
		"buildUploadFiles": {
			count: twoPerApp,
			seed:  each(cycle("assetType", "ASSET"), cycle("uti", "com.apple.ipa"), cycle("fileName", "App.ipa")),
			settled: func(st *store, o *object) {
				for _, rel := range filedUnder {
					st.unlink(st.one(o, "buildUpload"), rel, o.id)
				}
				st.filed(o)
			},
			allowed: buildFileAllowed,
			created: func(c *call, o *object) { c.s.store.filed(o) },
			moved:   buildFileMoved, delivered: buildDelivered,
		},
		"backgroundAssetUploadFiles": {allowed: refuseSHA},
	}
}

// uploadCreated tells the first state, which has none before it.
func uploadCreated(c *call, o *object) {
	machine{attr: "state", inside: "state"}.set(o, "AWAITING_UPLOAD")
	c.moved(o, "state", "", "AWAITING_UPLOAD")
}

// uploadSettled: an upload of a new sandbox is that of its build.
func uploadSettled(st *store, o *object) {
	for _, build := range st.related(o, "build") {
		o.attrs["cfBundleVersion"], o.attrs["uploadedDate"] = build.attrs["version"], build.attrs["uploadedDate"]
		for _, train := range st.related(build, "preReleaseVersion") {
			o.attrs["cfBundleShortVersionString"], o.attrs["platform"] = train.attrs["version"], train.attrs["platform"]
		}
	}
}

// filedUnder is the relationship of an upload that its file of a kind stands in.
var filedUnder = map[string]string{
	"ASSET": "assetFile", "ASSET_DESCRIPTION": "assetDescriptionFile", "ASSET_SPI": "assetSpiFile",
}

// filed puts a file under its kind.
func (s *store) filed(file *object) {
	if up := s.one(file, "buildUpload"); up != nil {
		s.set(up, filedUnder[file.text("assetType")], []string{file.id})
	}
}

// buildFileAllowed: a file belongs to an upload that waits for one.
func buildFileAllowed(c *call, o, old *object) []apiError {
	if old != nil {
		return refuseSHA(c, o, old)
	}
	up := c.s.store.one(o, "buildUpload")
	if state := uploadState.state(up); state != "AWAITING_UPLOAD" {
		return stateError("/data/relationships/buildUpload", "The build upload is "+state+".")
	}
	return nil
}

// buildFileMoved: an upload fails with its file.
func buildFileMoved(c *call, file *object, _, _, is string) {
	if up := c.s.store.one(file, "buildUpload"); up != nil && is == "FAILED" {
		delivery, _ := file.attrs[assetState].(map[string]any)
		_ = uploadFailed(c, up, map[string]any{"errors": delivery["errors"]}) // one that has ended stays so
	}
}

// uploadState is where an upload tells its state.
var uploadState = machine{attr: "state", inside: "state"}

// buildNumberFree: a number is used once an app, platform and version, but that
// of an upload that failed is free again.
func buildNumberFree(c *call, o, old *object) []apiError {
	st := c.s.store
	app := st.one(o, "app")
	if old != nil || app == nil {
		return nil
	}
	short, number, platform := o.text("cfBundleShortVersionString"), o.text("cfBundleVersion"), o.text("platform")
	used := slices.ContainsFunc(st.related(app, "buildUploads"), func(x *object) bool {
		return uploadState.state(x) != "FAILED" && x.text("platform") == platform &&
			x.text("cfBundleVersion") == number && x.text("cfBundleShortVersionString") == short
	}) || slices.ContainsFunc(st.related(app, "preReleaseVersions"), func(train *object) bool {
		return train.text("version") == short && train.text("platform") == platform &&
			slices.ContainsFunc(st.related(train, "builds"), func(build *object) bool {
				return build.text("version") == number &&
					!slices.Contains([]string{"FAILED", "INVALID"}, build.text("processingState"))
			})
	})
	if !used {
		return nil
	}
	return []apiError{{
		Status: 409, Code: "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE",
		Title:   "The provided entity includes an attribute with a value that has already been used",
		Detail:  "The bundle version must be higher than the previously uploaded version: '" + number + "'.",
		Pointer: "/data/attributes/cfBundleVersion",
	}}
}

// uploadErrors tells errors of an upload: a list of {code, description}.
func uploadErrors(up *object, errs any) {
	list, _ := errs.([]any)
	if len(list) == 0 {
		list = []any{map[string]any{"code": "90000", "description": "The build could not be processed."}}
	}
	in, _ := up.attrs["state"].(map[string]any)
	next := map[string]any{"warnings": []any{}, "infos": []any{}}
	for k, v := range in {
		next[k] = v
	}
	next["errors"] = list
	up.attrs["state"] = next
}

// uploadFailed ends an upload, and the build that came of it.
func uploadFailed(c *call, up *object, with map[string]any) error {
	uploadErrors(up, with["errors"])
	if build := c.s.store.one(up, "build"); build != nil && build.text("processingState") == "PROCESSING" {
		return c.move(build, "fail")
	}
	return c.move(up, "fail")
}

// buildDelivered makes a build of an uploaded file: processing at first, valid
// after a while.
func buildDelivered(c *call, file *object) {
	up := c.s.store.one(file, "buildUpload")
	if file.text("assetType") != "ASSET" || up == nil || c.move(up, "deliver") != nil {
		return
	}
	up.attrs["uploadedDate"] = c.stamp()
	c.s.store.link(up, "build", c.newBuild(up).id)
}

// newBuild makes a build of what an upload says of it: processing at first, valid after
// a while.
func (c *call) newBuild(up *object) *object {
	build := c.spawn("builds")
	delete(build.attrs, "usesNonExemptEncryption")
	build.attrs["version"], build.attrs["processingState"] = up.text("cfBundleVersion"), "PROCESSING"
	build.attrs["uploadedDate"] = c.stamp()
	for _, app := range c.s.store.ids(up, "app") {
		c.s.store.link(build, "app", app)
		c.s.store.link(build, "preReleaseVersion", c.s.train(app, up, c.now))
	}
	c.betaDetail(build)
	for _, group := range c.s.store.all("betaGroups") {
		if group.attrs["hasAccessToAllBuilds"] == true &&
			slices.Equal(c.s.store.ids(group, "app"), c.s.store.ids(build, "app")) {
			c.s.store.link(build, "betaGroups", group.id)
		}
	}
	c.after(c.s.cfg.Times.Build, build, "process", nil)
	build.attrs["expirationDate"], build.attrs["expired"] = stamp(c.now.Add(buildLife)), false
	c.s.store.expireLater(build)
	return build
}

// train finds the pre-release version that an upload's build belongs to, or
// makes it, and tells its id.
func (s *Sandbox) train(app string, up *object, now time.Time) string {
	version, platform := up.text("cfBundleShortVersionString"), up.text("platform")
	for _, v := range s.store.all("preReleaseVersions") {
		if v.text("version") == version && v.text("platform") == platform &&
			slices.Contains(s.store.ids(v, "app"), app) {
			return v.id
		}
	}
	v := s.spawn("preReleaseVersions", now)
	v.attrs["version"], v.attrs["platform"] = version, platform
	s.store.link(v, "app", app)
	return v.id
}
