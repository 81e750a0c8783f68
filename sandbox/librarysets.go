package sandbox

import (
	"slices"
	"strings"
	"time"
)

// The older sets are shown as placements of the App Asset Library. Apple: release notes
// of version 4.5.1. A file of a set that has been delivered has a placement of its own
// id, in the set's place and group, and an asset, whose id is that of the first file
// with that picture or video.

// setKind is what the sets of a type are called in the library.
type setKind struct {
	set, rel    string // type of the set, relationship from a file to it
	display     string // attribute of the set
	state       string // attribute of a file that tells when it has been delivered
	asset, show string // type of the asset, relationship from a placement to it
}

// setKinds are those of the files of sets, by the type of the file.
func setKinds() map[string]setKind {
	return map[string]setKind{
		"appScreenshots": {"appScreenshotSets", "appScreenshotSet", "screenshotDisplayType", assetState,
			libraryImages, "image"},
		"appPreviews": {"appPreviewSets", "appPreviewSet", "previewType", videoState, libraryVideos, "video"},
	}
}

// placement is the placement type and group of a set's files; "" if the library has
// none.
func (k setKind) placement(set *object) (name, group string) {
	display, message := strings.CutPrefix(set.text(k.display), "IMESSAGE_")
	switch {
	case k.asset == libraryVideos:
		name = previewPlacement
	case message:
		name = messagePlacement
	default:
		name = shotPlacement
	}
	display = strings.TrimPrefix(display, "APP_")
	kind, _ := kindOfPlacement(name)
	for _, g := range libraryGroups() {
		if display != "" && g.display == display && kind.takes(g) {
			return name, g.id
		}
	}
	return "", ""
}

// setFiles gives the files of sets their rules: they have placements.
func setFiles(all map[string]behavior) {
	for typ, k := range setKinds() {
		b := all[typ]
		b.moved = func(c *call, o *object, attr, _, is string) {
			if attr == k.state && is == "COMPLETE" {
				c.mirror(o, nil)
			}
		}
		b.removed = unplaced
		all[typ] = b
		set := all[k.set]
		set.related = func(c *call, o *object, _ relWrite) { c.setRelated(o, typ) }
		all[k.set] = set
	}
}

// mirrorAll shows in the library what a new world has in its sets.
func (s *Sandbox) mirrorAll(now time.Time) {
	c, kinds := s.inner(now), setKinds()
	for _, typ := range sortedKeys(kinds) {
		for _, set := range s.store.all(kinds[typ].set) {
			for _, file := range s.store.related(set, typ) {
				if (machine{attr: kinds[typ].state, inside: "state"}).state(file) == "COMPLETE" {
					c.mirror(file, nil)
				}
			}
		}
	}
}

// mirror shows a file of a set in the library, as an asset that is there or, if nil, one
// that is made.
func (c *call) mirror(file, asset *object) {
	st, k := c.s.store, setKinds()[file.typ]
	set := st.one(file, k.rel)
	if set == nil || st.get(placementType, file.id) != nil {
		return
	}
	owner, app := c.placeOf(set), st.appOf(set)
	name, group := k.placement(set)
	if owner == nil || app == nil || name == "" || st.one(app, "assetLibrary") == nil {
		return
	}
	if asset == nil {
		if asset = c.assetFor(file, st.one(app, "assetLibrary")); asset == nil {
			return
		}
	}
	p := &object{typ: placementType, id: file.id, at: c.now, rels: map[string][]string{},
		attrs: map[string]any{"placementType": name, "placementGroup": group, "createdDate": c.stamp()}}
	st.add(p)
	st.link(p, k.show, asset.id)
	for _, rel := range shownIn {
		if x := st.one(set, rel); x != nil {
			st.link(p, rel, x.id)
			break
		}
	}
	placementCreated(c, p)
	c.orderAsSet(set, file.typ)
}

// assetFor makes the asset of a file; nil if its id is taken.
func (c *call) assetFor(file, library *object) *object {
	st, typ := c.s.store, setKinds()[file.typ].asset
	if st.get(typ, file.id) != nil {
		return nil
	}
	asset := &object{typ: typ, id: file.id, at: c.now, rels: map[string][]string{}, attrs: map[string]any{
		"category": shotCategory, ownState: prepared, "stateDetails": []any{},
		"createdDate": c.stamp(), "lastModifiedDate": c.stamp(),
	}}
	names := []string{"fileName", "fileSize", "imageAsset", "previewFrameImage", "previewFrameTimeCode"}
	for _, name := range names {
		if v := file.attrs[name]; v != nil && c.s.facts.attr(typ, name) != nil {
			asset.attrs[name] = v
		}
	}
	if v := file.attrs["videoUrl"]; v != nil {
		asset.attrs["videoAsset"] = v
	}
	st.add(asset)
	st.link(asset, "assetLibrary", library.id)
	c.s.behaviors[typ].delivered(c, asset)
	return asset
}

// fileOf is the file of a set that a placement is of; nil if it is of none.
func (c *call) fileOf(p *object) *object {
	for typ := range setKinds() {
		if file := c.s.store.get(typ, p.id); file != nil {
			return file
		}
	}
	return nil
}

// unplaced ends the placement of a file of a set that has ended.
func unplaced(c *call, file *object) {
	if p := c.s.store.get(placementType, file.id); p != nil {
		c.drop(p)
		c.unused(p)
	}
}

// placementRemoved ends the file of a set whose placement has ended.
func placementRemoved(c *call, p *object) {
	if file := c.fileOf(p); file != nil {
		c.drop(file)
		c.unused(p)
	}
}

// unused ends the asset of a placement of a set, unless something else has it.
func (c *call) unused(p *object) {
	_, asset := c.assetOf(p)
	if asset != nil && len(c.s.behaviors[asset.typ].removable(c, asset)) == 0 {
		c.drop(asset)
	}
}

// setRelated follows a change of a set's files: those that came from another set are
// shown here now.
func (c *call) setRelated(set *object, files string) {
	name, group := setKinds()[files].placement(set)
	for _, file := range c.s.store.related(set, files) {
		p := c.s.store.get(placementType, file.id)
		if p != nil && (c.placeOf(p) != c.placeOf(set) || p.text("placementType") != name ||
			p.text("placementGroup") != group) {
			_, asset := c.assetOf(p)
			c.s.store.remove(p)
			c.mirror(file, asset)
		}
	}
	c.orderAsSet(set, files)
}

// orderAsSet puts the placements of a set in its order, in the room that they have.
func (c *call) orderAsSet(set *object, files string) {
	if owner := c.placeOf(set); owner != nil {
		owner.rels["placements"] = reordered(owner.rels["placements"], set.rels[files])
	}
}

// orderSets puts the files of a place's sets in the order of its placements.
func (c *call) orderSets(owner *object) {
	for typ, k := range setKinds() {
		for _, set := range c.s.store.related(owner, k.set) {
			set.rels[typ] = reordered(set.rels[typ], owner.rels["placements"])
		}
	}
}

// reordered is a list in which those that are in another too have its order; all others
// keep their places.
func reordered(list, order []string) []string {
	both := slices.DeleteFunc(slices.Clone(order), func(id string) bool { return !slices.Contains(list, id) })
	next := slices.Clone(list)
	for i, id := range list {
		if slices.Contains(order, id) {
			next[i], both = both[0], both[1:]
		}
	}
	return next
}

// unplacedIn counts the files of a place's sets that are of a type and a group, and have
// no placement yet.
func (c *call) unplacedIn(owner *object, name, group string) (n int) {
	for typ, k := range setKinds() {
		for _, set := range c.s.store.related(owner, k.set) {
			if kind, of := k.placement(set); kind != name || of != group {
				continue
			}
			for _, id := range c.s.store.ids(set, typ) {
				if c.s.store.get(placementType, id) == nil {
					n++
				}
			}
		}
	}
	return n
}
