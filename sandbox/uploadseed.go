package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
)

// seedFile makes a file of a new sandbox one that was uploaded long ago.
func (s *Sandbox) seedFile(o *object) {
	rule := s.uploadRule(o.typ, "")
	if rule == nil {
		return
	}
	delete(o.attrs, "uploadOperations")
	delete(o.attrs, "sourceFileChecksums")
	for _, name := range s.stateAttributes(o.typ) {
		if o.attrs[name] = stateObject("COMPLETE", nil); name == ownState {
			o.attrs[name] = prepared
		}
	}
	set := func(name string, value any) {
		if s.facts.attr(o.typ, name) != nil {
			o.attrs[name] = value
		}
	}
	sum := md5Of([]byte(o.typ + o.id))
	size := natural(rule.content)
	set("fileSize", json.Number(fmt.Sprint(100_000+len(o.id)*1000)))
	set("fileName", rule.fileName())
	set("sourceFileChecksum", sum)
	set("assetToken", sum)
	set("stateDetails", []any{})
	set("imageAsset", imageAsset(o, size.Width, size.Height))
	set("previewFrameTimeCode", "00:00:05:00")
	set("previewFrameImage", map[string]any{"image": imageAsset(o, 886, 1920), "state": stateObject("COMPLETE", nil)})
	if o.attrs["appEventAssetType"] != nil {
		o.attrs["appEventAssetType"] = "EVENT_CARD"
	}
	if o.attrs["category"] != nil {
		o.attrs["category"] = "APP_SCREENSHOTS_AND_PREVIEWS"
	}
}

// fileName is a believable name of a file.
func (r *uploadRule) fileName() string {
	switch r.content {
	case anything:
		return "notes.pdf"
	case video:
		return "preview.mp4"
	case coverage:
		return "coverage.geojson"
	}
	return "picture.png"
}

// settleFile leaves a file of a new sandbox with one owner, where it must not have
// two: the other goes to a file that has none yet.
func (s *Sandbox) settleFile(st *store, o *object) {
	rule := s.uploadRule(o.typ, "")
	if rule == nil || len(rule.oneOf) == 0 || len(o.rels[rule.oneOf[0]]) == 0 {
		return
	}
	for _, rel := range rule.oneOf[1:] {
		owners := st.ids(o, rel)
		st.unlink(o, rel, owners...)
		for _, x := range st.all(o.typ) {
			if !slices.ContainsFunc(rule.oneOf, func(rel string) bool { return len(x.rels[rel]) > 0 }) {
				st.link(x, rel, owners...)
				break
			}
		}
	}
}
