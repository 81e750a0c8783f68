package sandbox

import (
	"maps"
	"slices"
	"strings"
)

// versionCreated carries over what the version before says, and opens the app's
// information for changes.
func versionCreated(c *call, o *object) {
	setting(
		map[string]any{
			"appStoreState":   "PREPARE_FOR_SUBMISSION",
			"appVersionState": "PREPARE_FOR_SUBMISSION",
			"releaseType":     "AFTER_APPROVAL",
			"downloadable":    true,
			"createdDate":     c.stamp(),
		},
	)(
		c,
		o,
	)
	var before *object
	for _, x := range c.siblings(o, o) {
		if before == nil || compareVersions(x.text("versionString"), before.text("versionString")) > 0 {
			before = x
		}
	}
	c.openInfo(c.s.store.appOf(o))
	if before == nil {
		c.firstLocalization(o)
		return
	}
	setting(map[string]any{"copyright": before.attrs["copyright"]})(c, o)
	for _, l := range c.s.store.related(before, "appStoreVersionLocalizations") {
		loc := c.carry(l, map[string]string{"appStoreVersion": o.id}, "whatsNew")
		copies := map[string]*object{}
		c.carrySets(l, loc, "appScreenshotSet", copies)
		c.carrySets(l, loc, "appPreviewSet", copies)
		c.carryPlacements(l, loc, copies)
	}
	if detail := c.s.store.one(before, "appStoreReviewDetail"); detail != nil {
		c.carry(detail, map[string]string{"appStoreVersion": o.id})
	}
}

// carrySets copies the sets of a localization for another, with their files in the
// same order, and notes the copies by the id of their file. Sets are named after their
// files.
func (c *call) carrySets(from, to *object, set string, copies map[string]*object) {
	files := strings.TrimSuffix(set, "Set") + "s"
	for _, s := range c.s.store.related(from, set+"s") {
		copied := c.carry(s, map[string]string{"appStoreVersionLocalization": to.id})
		for _, file := range c.s.store.related(s, files) {
			copies[file.id] = c.carry(file, map[string]string{set: copied.id})
		}
	}
}

// carryPlacements shows the assets of a localization in another too, in the same order:
// those of its sets' files as of their copies.
func (c *call) carryPlacements(from, to *object, copies map[string]*object) {
	for _, p := range c.s.store.related(from, "placements") {
		rel, asset := c.assetOf(p)
		if asset == nil {
			continue
		}
		if file := copies[p.id]; file != nil {
			c.mirror(file, asset)
			continue
		}
		copied := c.carry(p, map[string]string{"appStoreVersionLocalization": to.id, rel: asset.id})
		copied.attrs["lastModifiedDate"] = c.stamp()
	}
}

// firstLocalization is in the app's own language: it has no version before.
func (c *call) firstLocalization(o *object) {
	app := c.s.store.appOf(o)
	if app == nil {
		return
	}
	l := &object{typ: "appStoreVersionLocalizations", id: c.s.store.newID(""), at: c.now, rels: map[string][]string{},
		attrs: map[string]any{"locale": app.attrs["primaryLocale"]}}
	c.s.store.add(l)
	c.s.store.link(l, "appStoreVersion", o.id)
}

// carry copies an object for a new owner, without some of its attributes.
func (c *call) carry(from *object, owner map[string]string, without ...string) *object {
	o := &object{
		typ:   from.typ,
		id:    c.s.store.newID(from.typ),
		at:    c.now,
		attrs: maps.Clone(from.attrs),
		rels:  map[string][]string{},
	}
	for _, name := range without {
		delete(o.attrs, name)
	}
	c.s.store.add(o)
	for rel, id := range owner {
		c.s.store.link(o, rel, id)
	}
	return o
}

func versionRemoved(c *call, o *object) {
	app := c.s.store.get("apps", strings.Join(o.rels["app"], ""))
	if app == nil {
		return
	}
	for _, v := range c.s.store.related(app, "appStoreVersions") {
		if slices.Contains(editable, v.text("appVersionState")) {
			return
		}
	}
	if info := c.editInfo(app); info != nil && len(c.s.store.ids(app, "appInfos")) > 1 {
		c.drop(info)
	}
}
