package sandbox

import (
	"fmt"
	"slices"
	"time"
)

// testFlight: builds, their uploads, groups and testers.
func testFlight() map[string]behavior {
	return map[string]behavior{
		"builds": {
			count: 6,
			seed: each(func(o *object, i int) { o.attrs["version"] = fmt.Sprint(41 + i) },
				cycle("processingState", "VALID"), cycle("expired", false), cycle("minOsVersion", "17.0")),
			allowed: buildAllowed,
			acts:    map[string]act{"process": {own: true, with: []string{"upload"}, do: buildProcessed}},
		},
		"preReleaseVersions": {seed: each(cycle("version", "1.0", "1.1", "2.0"), cycle("platform", "IOS"))},
		"buildUploads": {
			seed:    cycle("state", map[string]any{"state": "COMPLETE", "errors": []any{}, "warnings": []any{}, "infos": []any{}}),
			created: func(_ *call, o *object) { uploadState(o, "AWAITING_UPLOAD") },
		},
		"buildUploadFiles":           {allowed: refuseSHA, delivered: buildDelivered},
		"backgroundAssetUploadFiles": {allowed: refuseSHA},
		"betaGroups": {
			unique:  [][]string{{"app", "name"}},
			seed:    each(cycle("name", "Friends", "Beta", "Company"), cycle("isInternalGroup", false, false, true)),
			created: publish, updated: publish,
		},
		"betaTesters": {
			count:   12,
			seed:    each(people("email"), cycle("state", "INSTALLED", "ACCEPTED", "INVITED"), cycle("inviteType", "EMAIL")),
			created: setting(map[string]any{"state": "NOT_INVITED", "inviteType": "EMAIL"}),
		},
		"betaTesterInvitations": {created: func(c *call, o *object) {
			for _, tester := range c.s.store.related(o, "betaTester") {
				tester.attrs["state"] = "INVITED"
			}
		}},
		"betaAppLocalizations":   {unique: [][]string{{"app", "locale"}}},
		"betaBuildLocalizations": {unique: [][]string{{"build", "locale"}}},
		"betaAppReviewSubmissions": {created: func(c *call, o *object) {
			o.attrs["betaReviewState"], o.attrs["submittedDate"] = "WAITING_FOR_REVIEW", c.stamp()
		}},
	}
}

// buildAllowed: an expired build stays so.
func buildAllowed(_ *call, o, old *object) []apiError {
	if old != nil && old.attrs["expired"] == true && o.attrs["expired"] == false {
		return stateError("/data/attributes/expired", "An expired build cannot be brought back.")
	}
	return nil
}

// publish gives a group its public link, or takes it.
func publish(c *call, o *object) {
	if o.attrs["publicLinkEnabled"] != true {
		delete(o.attrs, "publicLink")
		return
	}
	if o.text("publicLinkId") == "" {
		o.attrs["publicLinkId"] = c.s.store.newID("")[:8]
	}
	o.attrs["publicLink"] = "https://testflight.apple.com/join/" + o.text("publicLinkId")
}

// train finds the pre-release version that an upload's build belongs to, or
// makes it, and tells its id.
func (s *Sandbox) train(app string, up *object, now time.Time) string {
	version, platform := up.text("cfBundleShortVersionString"), up.text("platform")
	for _, v := range s.store.all("preReleaseVersions") {
		if v.text("version") == version && v.text("platform") == platform && slices.Contains(s.store.ids(v, "app"), app) {
			return v.id
		}
	}
	v := s.spawn("preReleaseVersions", now)
	v.attrs["version"], v.attrs["platform"] = version, platform
	s.store.link(v, "app", app)
	return v.id
}

func uploadState(o *object, state string) {
	o.attrs["state"] = map[string]any{"state": state, "errors": []any{}, "warnings": []any{}, "infos": []any{}}
}

// buildDelivered makes a build of an uploaded file: processing at first, valid
// after a while.
func buildDelivered(c *call, file *object) {
	uploads := c.s.store.related(file, "buildUpload")
	if file.text("assetType") != "ASSET" || len(uploads) == 0 {
		return
	}
	up := uploads[0]
	uploadState(up, "PROCESSING")
	up.attrs["uploadedDate"] = c.stamp()
	build := c.s.spawn("builds", c.now)
	build.attrs["version"], build.attrs["processingState"] = up.text("cfBundleVersion"), "PROCESSING"
	build.attrs["uploadedDate"], build.attrs["expirationDate"] = c.stamp(), stamp(c.now.AddDate(0, 0, 90))
	for _, app := range c.s.store.ids(up, "app") {
		c.s.store.link(build, "app", app)
		c.s.store.link(build, "preReleaseVersion", c.s.train(app, up, c.now))
	}
	c.s.store.link(up, "build", build.id)
	c.after(c.s.cfg.Times.Build, build, "process", map[string]any{"upload": up.id})
}

// buildProcessed ends the processing of a build and of its upload.
func buildProcessed(c *call, build *object, with map[string]any) error {
	build.attrs["processingState"] = "VALID"
	id, _ := with["upload"].(string)
	if up := c.s.store.get("buildUploads", id); up != nil {
		uploadState(up, "COMPLETE")
	}
	return nil
}

// people seeds names and an address under an attribute.
func people(address string) func(*object, int) {
	first := []string{"Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald"}
	last := []string{"Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth"}
	return func(o *object, i int) {
		o.attrs["firstName"], o.attrs["lastName"] = first[i%len(first)], last[(i+i/len(first))%len(last)]
		o.attrs[address] = fmt.Sprintf("person%d@example.com", i+1)
	}
}
