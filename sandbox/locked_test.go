package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestAllPartsAreLocked: each type that belongs to something that App Review looks at
// has a way to it.
func TestAllPartsAreLocked(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	var follow func(typ string)
	follow = func(typ string) {
		for _, part := range c.facts.children[typ] {
			if strings.HasSuffix(part.typ, "VersionReleases") { // they say when, not what
				continue
			}
			if partOf[part.typ] == nil {
				t.Errorf("%s is part of %s, and is not locked with it", part.typ, typ)
				continue
			}
			follow(part.typ)
		}
	}
	for typ := range kindsOfReview() {
		follow(typ)
	}
	for typ, rels := range partOf {
		for _, rel := range rels {
			if r := c.facts.relation(typ, rel); r == nil || r.many {
				t.Errorf("%s has no relationship %s to one", typ, rel)
			}
		}
	}
}

// TestPartsAreLockedWithTheirWhole deletes one part of each type, over each way from
// it to something that waits.
func TestPartsAreLockedWithTheirWhole(t *testing.T) {
	for _, op := range newClient(t, World{NoAuth: true}).facts.Ops {
		if typ := op.root(); op.Method == "DELETE" && op.Rel == "" && partOf[typ] != nil {
			for _, rel := range partOf[typ] {
				t.Run(op.ID+" "+rel, func(t *testing.T) { lockedOver(t, op.Path, typ, rel) })
			}
		}
	}
}

func lockedOver(t *testing.T, path, typ, rel string) {
	c := newClient(t, World{NoAuth: true})
	for _, v := range c.store.all("appStoreVersions") {
		v.attrs["appVersionState"] = "PREPARE_FOR_SUBMISSION"
	}
	all := c.store.all(typ)
	i := slices.IndexFunc(all, func(o *object) bool { return c.store.one(o, rel) != nil })
	if i < 0 {
		t.Fatal("nothing in a new sandbox has it")
	}
	whole := c.store.one(all[i], rel)
	for partOf[whole.typ] != nil {
		whole = c.store.one(whole, partOf[whole.typ][0])
	}
	attr := kindsOfReview()[whole.typ].attr
	switch whole.typ {
	case "appStoreVersions":
		attr = "appVersionState"
	case "backgroundAssetVersionAppStoreReleases":
		attr = assetReview.attr
	}
	whole.attrs[attr] = "IN_REVIEW"
	url := strings.Replace(path, "{id}", all[i].id, 1)
	c.refused(t, "DELETE", url, "", "while the "+strings.TrimSuffix(whole.typ, "s")+" is IN_REVIEW")
	whole.attrs[attr] = "REJECTED"
	if status, _, doc := c.send("DELETE", url, ""); status != 204 {
		t.Errorf("after a rejection: %d %v", status, doc)
	}
}

// TestAnEventThatWaitsIsLockedWhole, until it is taken back.
func TestAnEventThatWaitsIsLockedWhole(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	event, submission := c.event(t, "Summer"), c.draft(t)
	localize := func(locale string) string {
		return resource(
			"appEventLocalizations",
			"",
			fmt.Sprintf(`"locale":%q`, locale),
			to("appEvent", "appEvents", event),
		)
	}
	english := c.data(t, "POST", "/v1/appEventLocalizations", localize("en-US"))["id"].(string)
	rename := resource("appEventLocalizations", english, `"name":"Summer"`, "")
	picture := resource("appEventScreenshots", "", `"fileName":"a.png","fileSize":9,"appEventAssetType":"EVENT_CARD"`,
		to("appEventLocalization", "appEventLocalizations", english))
	c.data(t, "POST", "/v1/reviewSubmissionItems", about(submission, "appEvent", "appEvents", event))
	c.data(t, "PATCH", "/v1/appEventLocalizations/"+english, rename) // a draft can be edited
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	rename = resource("appEventLocalizations", english, `"name":"Winter"`, "")
	c.refused(t, "PATCH", "/v1/appEventLocalizations/"+english, rename, "INVALID_STATE")
	c.refused(t, "POST", "/v1/appEventLocalizations", localize("de-DE"), "appEvent is WAITING_FOR_REVIEW")
	c.refused(t, "POST", "/v1/appEventScreenshots", picture, "appEvent is WAITING_FOR_REVIEW")
	c.refused(t, "DELETE", "/v1/appEventLocalizations/"+english, "", "appEvent is WAITING_FOR_REVIEW")
	c.patch(t, "reviewSubmissions", submission, `"canceled":true`)
	c.data(t, "PATCH", "/v1/appEventLocalizations/"+english, rename)
	c.data(t, "POST", "/v1/appEventLocalizations", localize("de-DE"))
	c.data(t, "POST", "/v1/appEventScreenshots", picture)
}
