package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// libraryImage reserves a picture in the library of the first app.
func (c *client) libraryImage(t *testing.T, category string) string {
	t.Helper()
	return c.data(t, "POST", "/v1/appAssetLibraryImages", resource(libraryImages, "",
		fmt.Sprintf(`"category":%q,"fileName":"a.png","fileSize":5`, category),
		to("assetLibrary", "appAssetLibraries", trailMix)))["id"].(string)
}

// placement is the request that shows an asset in a localization of a version.
func placementIn(kind, group, rel, typ, asset, localization string) string {
	attributes := fmt.Sprintf(`"placementType":%q`, kind)
	if group != "" {
		attributes += fmt.Sprintf(`,"placementGroup":%q`, group)
	}
	return resource(placementType, "", attributes, to(rel, typ, asset)+","+
		to("appStoreVersionLocalization", "appStoreVersionLocalizations", localization))
}

const duoGroup, placementsPath = "IPHONE_DUO_PROFILE", "/v1/appAssetLibraryPlacements"

func TestPlacementsTakeWhatTheirTypeTakes(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	_, l := c.prepare(t, "3.0", "")
	shot, creative := c.libraryImage(t, shotCategory), c.libraryImage(t, creativeCategory)
	film := c.IDs(libraryVideos)[0]
	for _, x := range []struct{ name, body, pointer string }{
		{"a screenshot", placementIn(shotPlacement, duoGroup, "image", libraryImages, shot, l), ""},
		{"a preview", placementIn(previewPlacement, duoGroup, "video", libraryVideos, film, l), ""},
		{"a header", placementIn("PRODUCT_PAGE_HEADER_ASSET", "", "image", libraryImages, creative, l), ""},
		{"a picture as a preview", placementIn(previewPlacement, duoGroup, "image", libraryImages, shot, l),
			"/data/relationships/image"},
		{"a video as a screenshot", placementIn(shotPlacement, duoGroup, "video", libraryVideos, film, l),
			"/data/relationships/video"},
		{"another category", placementIn(shotPlacement, duoGroup, "image", libraryImages, creative, l),
			"/data/relationships/image"},
		{"no group", placementIn(shotPlacement, "", "image", libraryImages, shot, l), "/data/attributes/placementGroup"},
		{"an unknown group", placementIn(shotPlacement, "IPHONE_99", "image", libraryImages, shot, l),
			"/data/attributes/placementGroup"},
		{"a watch has no previews", placementIn(previewPlacement, "WATCH_ULTRA_PROFILE", "video", libraryVideos, film, l),
			"/data/attributes/placementGroup"},
	} {
		status, _, doc := c.send("POST", placementsPath, x.body)
		if x.pointer == "" && status == 201 {
			continue
		}
		if status != 409 || at(doc, "errors", 0, "source", "pointer") != x.pointer {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
}

// TestAGroupHasTenScreenshots, in the order that was asked for.
func TestAGroupHasTenScreenshots(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	_, l := c.prepare(t, "3.0", "")
	body := placementIn(shotPlacement, duoGroup, "image", libraryImages, c.libraryImage(t, shotCategory), l)
	var ids []string
	for range mostScreenshots {
		ids = append(ids, c.data(t, "POST", placementsPath, body)["id"].(string))
	}
	c.refused(t, "POST", placementsPath, body, "10 placements")
	order := func(group string, ids ...string) string {
		var list []string
		for _, id := range ids {
			list = append(list, fmt.Sprintf(`{"type":%q,"id":%q}`, placementType, id))
		}
		return resource("appAssetLibraryPlacementOrderingRequests", "", fmt.Sprintf(`"placementGroup":%q`, group),
			`"orderedPlacements":{"data":[`+strings.Join(list, ",")+`]},`+
				to("appStoreVersionLocalization", "appStoreVersionLocalizations", l))
	}
	requests := "/v1/appAssetLibraryPlacementOrderingRequests"
	read := func(query string) (got []string) {
		_, _, doc := c.send("GET", "/v1/appStoreVersionLocalizations/"+l+"/placements?filter[placementGroup]="+
			duoGroup+query, "")
		for _, p := range doc["data"].([]any) {
			got = append(got, at(p, "id").(string))
		}
		return got
	}
	if got := read(""); !slices.Equal(got, ids) {
		t.Errorf("made in the order %v, listed in %v", ids, got)
	}
	c.data(t, "POST", requests, order(duoGroup, ids[2], ids[9]))
	want := append([]string{ids[2], ids[9], ids[0], ids[1]}, ids[3:9]...)
	if got := read(""); !slices.Equal(got, want) {
		t.Errorf("listed in %v, want %v", got, want)
	}
	if got := read("&sort=placementGroupPosition"); !slices.Equal(got, want) {
		t.Errorf("sorted %v, want %v", got, want)
	}
	slices.Reverse(want)
	if got := read("&sort=-placementGroupPosition"); !slices.Equal(got, want) {
		t.Errorf("turned around %v, want %v", got, want)
	}
	c.refused(t, "POST", requests, order(duoGroup, ids[1], ids[1]), "twice")
	c.refused(t, "POST", requests, order("MAC_PROFILE", ids[1]), "not of this group")
	c.refused(t, "POST", requests, order(duoGroup), "orderedPlacements")
	c.refused(t, "POST", requests, order(duoGroup, c.IDs(placementType)[0]), "not of this group")
	c.mustFit(t)
}

// TestWhatIsShownOrSubmittedStays: an asset goes after its placements, and not while it
// is in a submission, not even a draft.
func TestWhatIsShownOrSubmittedStays(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	_, l := c.prepare(t, "3.0", "")
	path := c.sendFile(t, "/v1/appAssetLibraryImages", libraryImages, `"category":"APP_SCREENSHOTS_AND_PREVIEWS"`,
		to("assetLibrary", "appAssetLibraries", trailMix), pictureOf(t, 2007, 2853, false))
	image := strings.TrimPrefix(path, "/v1/appAssetLibraryImages/")
	c.wantAttr(t, libraryImages, image, "state", prepared)
	c.wantAttr(t, libraryImages, image, "specId", "IMAGE_2007x2853")
	shown := c.data(t, "POST", placementsPath,
		placementIn(shotPlacement, duoGroup, "image", libraryImages, image, l))["id"].(string)
	c.wantAttr(t, placementType, shown, "state", "PARENT_PREPARE_FOR_SUBMISSION")
	c.refused(t, "DELETE", path, "", "placements")
	c.refused(t, "PATCH", path, resource(libraryImages, image, `"archived":true`, ""), "placements")
	c.data(t, "DELETE", placementsPath+"/"+shown, "")

	c.patch(t, libraryImages, image, `"archived":true`)
	c.wantAttr(t, libraryImages, image, "state", archived)
	c.refused(
		t,
		"POST",
		placementsPath,
		placementIn(shotPlacement, duoGroup, "image", libraryImages, image, l),
		archived,
	)
	c.patch(t, libraryImages, image, `"archived":false`)
	c.wantAttr(t, libraryImages, image, "state", prepared)

	event := c.event(t, "A day out")
	draft := c.draftFor(t, "IOS")
	c.data(t, "POST", "/v1/reviewSubmissionItems", about(draft, "appAssetLibraryImage", libraryImages, image))
	c.data(t, "POST", "/v1/reviewSubmissionItems", about(draft, "appEvent", "appEvents", event))
	c.refused(t, "DELETE", path, "", "READY_FOR_REVIEW")
	c.refused(t, "DELETE", "/v1/appEvents/"+event, "", "READY_FOR_REVIEW")
	c.patch(t, "reviewSubmissions", draft, `"submitted":true`)
	c.refused(t, "DELETE", path, "", "WAITING_FOR_REVIEW")
	c.refused(t, "DELETE", "/v1/appEvents/"+event, "", "WAITING_FOR_REVIEW")
}

// TestRefDataIsFiltered: each filter thins out what the one resource says.
func TestRefDataIsFiltered(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	read := func(query string) map[string]any {
		_, _, doc := c.send("GET", "/v1/appAssetLibraryRefData?"+query, "")
		return at(doc, "data", 0, "attributes").(map[string]any)
	}
	all := read("")
	if most := at(all, "features", 0, "placementPolicies", 0, "groupLimits", 0, "maxCount"); most != 10.0 {
		t.Errorf("a group has %v screenshots", most)
	}
	for _, x := range []struct {
		query, member, id, want string
		count                   int
	}{
		{"filter[features]=IN_APP_EVENTS", "features", "featureId", "IN_APP_EVENTS", 1},
		{"filter[placementTypes]=APP_PREVIEW", "placementTypes", "placementTypeId", previewPlacement, 1},
		{"filter[placementProfileGroups]=" + duoGroup, "placementProfileGroups", "placementProfileGroupId", duoGroup, 1},
		{"filter[placementProfileGroups]=" + duoGroup, "displayClasses", "displayClassId", "IPHONE_DUO", 1},
		{"filter[placementProfileGroups]=" + duoGroup, "imageSpecs", "specId", "IMAGE_2853x2007", 4},
		{"filter[specs]=IMAGE_3840x1646", "imageSpecs", "specId", "IMAGE_3840x1646", 1},
		{"filter[specs]=IMAGE_3840x1646,VIDEO_3x2", "videoSpecs", "specId", "VIDEO_3x2", 1},
		{"filter[specs]=none", "imageSpecs", "specId", "", 0},
	} {
		list, whole := read(x.query)[x.member].([]any), all[x.member].([]any)
		if len(list) != x.count || len(whole) <= x.count || x.count > 0 && at(list[0], x.id) != x.want {
			t.Errorf("?%s: %s has %d of %d: %v", x.query, x.member, len(list), len(whole), list)
		}
	}
}

// TestSpecsAreSizesThatAreTaken compares the reference data with what the sandbox does.
func TestSpecsAreSizesThatAreTaken(t *testing.T) {
	c := &call{}
	seen := map[string]bool{}
	for _, s := range librarySpecs() {
		if seen[s.id()] {
			t.Errorf("%s is there twice", s.id())
		}
		seen[s.id()] = true
		o := &object{typ: libraryImages, attrs: map[string]any{"category": shotCategory}}
		if slices.Contains(s.groups, anyGroup) {
			o.attrs["category"] = creativeCategory
		}
		if !s.video && (!c.fits(o, libraryPicture, s.most) || specOf(o, s.most) == "") {
			t.Errorf("%s is not taken", s.id())
		}
	}
}
