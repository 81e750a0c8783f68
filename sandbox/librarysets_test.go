package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// smallGroup is that of the smallest screenshots.
const smallGroup = "IPHONE_HOME_BUTTON_35_PROFILE"

// mirrored is a client of a world with a set of the smallest screenshots.
func mirrored(t *testing.T) (c *client, set, localization string) {
	t.Helper()
	c = newClient(t, World{NoAuth: true})
	set = c.editableSet(t, "APP_IPHONE_35")
	return c, set, c.store.ids(c.store.get("appScreenshotSets", set), "appStoreVersionLocalization")[0]
}

// shot uploads a screenshot to a set.
func (c *client) shot(t *testing.T, set string) string {
	t.Helper()
	path := c.sendFile(t, "/v1/appScreenshots", "appScreenshots", "",
		to("appScreenshotSet", "appScreenshotSets", set), pictureOf(t, 640, 920, false))
	return strings.TrimPrefix(path, "/v1/appScreenshots/")
}

// placed lists the placements of a group in a localization, and their types.
func (c *client) placed(t *testing.T, localization, group string) (ids, types []string) {
	t.Helper()
	_, _, doc := c.send("GET", "/v1/appStoreVersionLocalizations/"+localization+
		"/placements?filter[placementGroup]="+group, "")
	list, _ := doc["data"].([]any)
	for _, p := range list {
		ids = append(ids, at(p, "id").(string))
		types = append(types, at(p, "attributes", "placementType").(string))
	}
	return ids, types
}

func (c *client) gone(t *testing.T, typ, id string) {
	t.Helper()
	if status, _, _ := c.send("GET", "/v1/"+typ+"/"+id, ""); status != 404 {
		t.Errorf("%s %s is still there: %d", typ, id, status)
	}
}

// TestSetsHaveGroups: every kind of set that Apple's document names has a group.
func TestSetsHaveGroups(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for typ, k := range setKinds() {
		list := c.facts.enum(c.facts.resolve(c.facts.attr(k.set, k.display)).Enum)
		if len(list) == 0 {
			t.Errorf("no values of %s", k.display)
		}
		for _, display := range list {
			name, group := k.placement(&object{typ: k.set, attrs: map[string]any{k.display: display}})
			kind, ok := kindOfPlacement(name)
			if display == "IPHONE_35" && name == "" { // which has no size of previews
				continue
			}
			if !ok || !slices.Contains(kind.groups(), group) {
				t.Errorf("%s %s: %q in group %q", typ, display, name, group)
			}
		}
	}
	for display, want := range map[string]string{ // seen in public tools
		"APP_IPHONE_67":          shotPlacement + " IPHONE_DYNAMIC_ISLAND_LARGE_PROFILE",
		"APP_IPHONE_65":          shotPlacement + " IPHONE_FACE_ID_LARGE_PROFILE",
		"IMESSAGE_APP_IPHONE_65": messagePlacement + " IPHONE_FACE_ID_LARGE_PROFILE",
		"APP_IPAD_PRO_3GEN_129":  shotPlacement + " IPAD_13_PROFILE",
		"APP_DESKTOP":            shotPlacement + " MAC_PROFILE",
		"APP_APPLE_TV":           shotPlacement + " TV_PROFILE",
		"APP_APPLE_VISION_PRO":   shotPlacement + " VISION_PRO_PROFILE",
		"APP_WATCH_ULTRA":        shotPlacement + " WATCH_ULTRA_PROFILE",
	} {
		name, group := setKinds()["appScreenshots"].placement(&object{attrs: map[string]any{
			"screenshotDisplayType": display}})
		if got := name + " " + group; got != want {
			t.Errorf("%s is %s, want %s", display, got, want)
		}
	}
}

// TestFilesOfSetsArePlaced once they have been delivered, a failed one never, and both
// ends are one: of the file, of the placement, of the set.
func TestFilesOfSetsArePlaced(t *testing.T) {
	c, set, l := mirrored(t)
	failed := c.sendFile(t, "/v1/appScreenshots", "appScreenshots", "",
		to("appScreenshotSet", "appScreenshotSets", set), "no picture")
	a, b, d := c.shot(t, set), c.shot(t, set), c.shot(t, set)
	ids, types := c.placed(t, l, smallGroup)
	if len(ids) != 3 || types[0] != shotPlacement {
		t.Fatalf("placed %v %v beside the failed %s", ids, types, failed)
	}
	c.wantAttr(t, placementType, ids[0], "state", "PARENT_PREPARE_FOR_SUBMISSION")
	_, _, doc := c.send("GET", placementsPath+"/"+ids[0]+"?include=image", "")
	image := at(doc, "included", 0, "id").(string)
	c.wantAttr(t, libraryImages, image, "specId", "IMAGE_640x920")
	c.wantAttr(t, libraryImages, image, "state", prepared)
	c.refused(t, "DELETE", "/v1/appAssetLibraryImages/"+image, "", "placements")

	c.data(t, "DELETE", "/v1/appScreenshots/"+a, "")
	c.gone(t, placementType, ids[0])
	c.gone(t, libraryImages, image)
	c.data(t, "DELETE", placementsPath+"/"+ids[1], "")
	c.gone(t, "appScreenshots", b)
	c.gone(t, libraryImages, b)
	c.mustFit(t)
	c.data(t, "DELETE", "/v1/appScreenshotSets/"+set, "")
	c.gone(t, "appScreenshots", d)
	c.gone(t, placementType, ids[2])
	c.mustFit(t)
}

// TestPreviewsOfSetsArePlaced as videos, and end with their localization.
func TestPreviewsOfSetsArePlaced(t *testing.T) {
	c, _, l := mirrored(t)
	set := c.data(t, "POST", "/v1/appPreviewSets", resource("appPreviewSets", "", `"previewType":"IPHONE_65"`,
		to("appStoreVersionLocalization", "appStoreVersionLocalizations", l)))["id"].(string)
	c.sendFile(t, "/v1/appPreviews", "appPreviews", "", to("appPreviewSet", "appPreviewSets", set),
		"\x00\x00\x00\x18ftypmp42 and more")
	ids, types := c.placed(t, l, "IPHONE_FACE_ID_LARGE_PROFILE")
	if len(ids) != 1 || types[0] != previewPlacement {
		t.Fatalf("placed %v %v", ids, types)
	}
	c.wantAttr(t, placementType, ids[0], "mediaType", "VIDEO")
	_, _, doc := c.send("GET", placementsPath+"/"+ids[0]+"?include=video", "")
	video := at(doc, "included", 0, "id").(string)
	c.wantAttr(t, libraryVideos, video, "previewFrameTimeCode", "00:00:05:00")
	c.data(t, "DELETE", "/v1/appStoreVersionLocalizations/"+l, "")
	c.gone(t, placementType, ids[0])
	c.gone(t, libraryVideos, video)
	c.mustFit(t)
}

// TestAnAssetOfASetStaysWhereItIsShown by a placement of its own too.
func TestAnAssetOfASetStaysWhereItIsShown(t *testing.T) {
	c, set, l := mirrored(t)
	file := c.shot(t, set)
	ids, _ := c.placed(t, l, smallGroup)
	_, _, doc := c.send("GET", placementsPath+"/"+ids[0]+"?include=image", "")
	image := at(doc, "included", 0, "id").(string)
	own := c.data(t, "POST", placementsPath,
		placementIn(shotPlacement, duoGroup, "image", libraryImages, image, l))["id"].(string)
	c.data(t, "DELETE", "/v1/appScreenshots/"+file, "")
	c.gone(t, placementType, ids[0])
	c.wantAttr(t, libraryImages, image, "state", prepared)
	c.data(t, "DELETE", placementsPath+"/"+own, "")
	c.wantAttr(t, libraryImages, image, "state", prepared) // it is the library's now
	c.mustFit(t)
}

// TestAnAssetOfASetStaysInItsSubmission when its file ends.
func TestAnAssetOfASetStaysInItsSubmission(t *testing.T) {
	c, set, _ := mirrored(t)
	file := c.shot(t, set)
	_, image := c.inner(c.now).assetOf(c.store.get(placementType, file))
	c.data(t, "POST", "/v1/reviewSubmissionItems",
		about(c.draftFor(t, "IOS"), "appAssetLibraryImage", libraryImages, image.id))
	c.data(t, "DELETE", "/v1/appScreenshots/"+file, "")
	c.gone(t, placementType, file)
	c.wantAttr(t, libraryImages, image.id, "state", "READY_FOR_REVIEW")
}

// TestAFileThatMovesIsPlacedAnew: a set that takes a file of another shows it in its own
// group.
func TestAFileThatMovesIsPlacedAnew(t *testing.T) {
	c, set, l := mirrored(t)
	file := c.shot(t, set)
	other := c.data(t, "POST", "/v1/appScreenshotSets", resource("appScreenshotSets", "",
		`"screenshotDisplayType":"APP_IPHONE_40"`,
		to("appStoreVersionLocalization", "appStoreVersionLocalizations", l)))["id"].(string)
	status, _, doc := c.send("PATCH", "/v1/appScreenshotSets/"+other+"/relationships/appScreenshots",
		fmt.Sprintf(`{"data":[{"type":"appScreenshots","id":%q}]}`, file))
	if status != 204 {
		t.Fatal(status, doc)
	}
	was, _ := c.placed(t, l, smallGroup)
	is, _ := c.placed(t, l, "IPHONE_HOME_BUTTON_40_PROFILE")
	if len(was) != 0 || len(is) != 1 {
		t.Errorf("placed %v in the group before, %v in the new one", was, is)
	}
	c.mustFit(t)
}

// TestOneOrderOfSetsAndPlacements, whichever of them it was said to.
func TestOneOrderOfSetsAndPlacements(t *testing.T) {
	c, set, l := mirrored(t)
	files := []string{c.shot(t, set), c.shot(t, set)}
	own := c.data(t, "POST", placementsPath, placementIn(shotPlacement, smallGroup, "image", libraryImages,
		c.libraryImage(t, shotCategory), l))["id"].(string)
	files = append(files, c.shot(t, set))
	was, _ := c.placed(t, l, smallGroup)
	if len(was) != 4 || was[2] != own {
		t.Fatalf("placed %v", was)
	}
	order := fmt.Sprintf(`{"data":[{"type":"appScreenshots","id":%q},{"type":"appScreenshots","id":%q},`+
		`{"type":"appScreenshots","id":%q}]}`, files[2], files[0], files[1])
	if status, _, doc := c.send("PATCH", "/v1/appScreenshotSets/"+set+"/relationships/appScreenshots", order); status != 204 {
		t.Fatal(status, doc)
	}
	if got, _ := c.placed(t, l, smallGroup); !slices.Equal(got, []string{was[3], was[0], own, was[1]}) {
		t.Errorf("after an order of the set %v, before %v", got, was)
	}
	c.data(t, "POST", "/v1/appAssetLibraryPlacementOrderingRequests",
		resource("appAssetLibraryPlacementOrderingRequests", "", fmt.Sprintf(`"placementGroup":%q`, smallGroup),
			fmt.Sprintf(`"orderedPlacements":{"data":[{"type":%q,"id":%q},{"type":%q,"id":%q}]},`,
				placementType, was[1], placementType, own)+
				to("appStoreVersionLocalization", "appStoreVersionLocalizations", l)))
	if got, _ := c.placed(t, l, smallGroup); !slices.Equal(got, []string{was[1], own, was[3], was[0]}) {
		t.Errorf("after an ordering request %v, before %v", got, was)
	}
	got := c.store.ids(c.store.get("appScreenshotSets", set), "appScreenshots")
	if !slices.Equal(got, []string{files[1], files[2], files[0]}) {
		t.Errorf("then the set has the order %v of %v", got, files)
	}
	c.mustFit(t)
}

// TestAGroupIsFullOnce: what a set has and what the library has are counted together,
// and each once.
func TestAGroupIsFullOnce(t *testing.T) {
	c, set, l := mirrored(t)
	body := placementIn(shotPlacement, smallGroup, "image", libraryImages, c.libraryImage(t, shotCategory), l)
	reserve := resource("appScreenshots", "", `"fileName":"a.png","fileSize":5`,
		to("appScreenshotSet", "appScreenshotSets", set))
	for range 4 {
		c.shot(t, set)
	}
	for range 3 {
		c.data(t, "POST", "/v1/appScreenshots", reserve) // which wait for their bytes
	}
	var own string
	for range mostScreenshots - 7 {
		own = c.data(t, "POST", placementsPath, body)["id"].(string)
	}
	c.refused(t, "POST", placementsPath, body, "10 placements")
	c.refused(t, "POST", "/v1/appScreenshots", reserve, "10 placements")
	c.data(t, "DELETE", placementsPath+"/"+own, "")
	c.data(t, "POST", "/v1/appScreenshots", reserve)
	c.refused(t, "POST", placementsPath, body, "10 placements")
}

// TestANewVersionPlacesItsCopies: they show the assets of the version before, and end
// by themselves.
func TestANewVersionPlacesItsCopies(t *testing.T) {
	c, set, l := mirrored(t)
	c.shot(t, set)
	before, _ := c.placed(t, l, smallGroup)
	version := c.store.one(c.store.get("appStoreVersionLocalizations", l), "appStoreVersion")
	version.attrs["appVersionState"] = "READY_FOR_DISTRIBUTION"
	next, _ := c.prepare(t, "9.1", "")
	var copied string
	for _, x := range c.store.related(c.store.get("appStoreVersions", next), "appStoreVersionLocalizations") {
		if x.text("locale") == "fi" {
			copied = x.id
		}
	}
	after, _ := c.placed(t, copied, smallGroup)
	if len(after) != 1 || after[0] == before[0] {
		t.Fatalf("the new version places %v, the one before %v", after, before)
	}
	image := func(p string) any {
		_, _, doc := c.send("GET", placementsPath+"/"+p+"?include=image", "")
		return at(doc, "included", 0, "id")
	}
	if image(after[0]) != image(before[0]) {
		t.Errorf("the copy shows %v, not %v", image(after[0]), image(before[0]))
	}
	c.data(t, "DELETE", placementsPath+"/"+after[0], "")
	if got, _ := c.placed(t, l, smallGroup); !slices.Equal(got, before) || image(before[0]) == nil {
		t.Errorf("the version before places %v then", got)
	}
	c.mustFit(t)
}

// TestPlacedSetsSurviveASnapshot with what ties them.
func TestPlacedSetsSurviveASnapshot(t *testing.T) {
	c, set, l := mirrored(t)
	file := c.shot(t, set)
	saved, err := c.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Restore(saved); err != nil {
		t.Fatal(err)
	}
	ids, _ := c.placed(t, l, smallGroup)
	if len(ids) != 1 {
		t.Fatalf("placed %v", ids)
	}
	c.data(t, "DELETE", placementsPath+"/"+ids[0], "")
	c.gone(t, "appScreenshots", file)
	c.mustFit(t)
}

// TestSeededSetsArePlaced: each file of a set in a new world has its placement.
func TestSeededSetsArePlaced(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for typ := range setKinds() {
		for _, file := range c.store.all(typ) {
			p := c.store.get(placementType, file.id)
			if p == nil || c.inner(c.now).placeOf(p) == nil {
				t.Errorf("%s %s is not placed", typ, file.id)
			}
		}
	}
	c.mustFit(t)
}
