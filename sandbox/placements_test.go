package sandbox

import (
	"slices"
	"strings"
	"testing"
)

func TestPlacements(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	image := to("image", "appAssetLibraryImages", c.IDs("appAssetLibraryImages")[0])
	video := to("video", "appAssetLibraryVideos", c.IDs("appAssetLibraryVideos")[0])
	event := to("appEventLocalization", "appEventLocalizations", c.IDs("appEventLocalizations")[0])
	page := to("appCustomProductPageLocalization", "appCustomProductPageLocalizations",
		c.IDs("appCustomProductPageLocalizations")[0])
	for _, x := range []struct {
		name   string
		rels   []string
		status int
	}{
		{"one asset in one place", []string{image, event}, 201},
		{"two assets", []string{image, video, event}, 409},
		{"no asset", []string{event}, 409},
		{"no place", []string{image}, 409},
		{"two places", []string{image, event, page}, 409},
	} {
		status, _, doc := c.send("POST", "/v1/appAssetLibraryPlacements", resource("appAssetLibraryPlacements", "",
			`"placementType":"APP_SCREENSHOT","placementGroup":"IPHONE_DUO_PROFILE"`, strings.Join(x.rels, ",")))
		if status != x.status {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
}

// TestPlacementsGoWithTheirLocalization: a new version shows what the one before did,
// and what is shown in a localization ends with it. The assets stay.
func TestPlacementsGoWithTheirLocalization(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	placed := func(localization string) (assets []string) {
		_, _, doc := c.send("GET", "/v1/appStoreVersionLocalizations/"+localization+"/placements?include=image", "")
		for _, p := range doc["data"].([]any) {
			if id, ok := at(p, "relationships", "image", "data", "id").(string); ok {
				assets = append(assets, id)
			}
		}
		return assets
	}
	version, before := c.prepare(t, "3.0", "")
	want := placed(before) // carried over from the version of the seed: one of a set, one other
	for range 2 {
		want = append(want, c.libraryImage(t, shotCategory))
		c.data(t, "POST", placementsPath,
			placementIn(shotPlacement, duoGroup, "image", libraryImages, want[len(want)-1], before))
	}
	c.store.get("appStoreVersions", version).attrs["appVersionState"] = "READY_FOR_DISTRIBUTION"
	_, after := c.prepare(t, "4.0", "")
	if got := placed(after); len(got) != 4 || !slices.Equal(got, want) {
		t.Errorf("the new version shows %v, the one before %v", got, want)
	}
	sets := c.store.ids(c.store.get("appStoreVersionLocalizations", after), "appScreenshotSets")
	c.data(t, "DELETE", "/v1/appStoreVersionLocalizations/"+after, "")
	for _, id := range sets {
		if status, _, _ := c.send("GET", "/v1/appScreenshotSets/"+id, ""); status != 404 {
			t.Errorf("the set %s outlives its localization: %d", id, status)
		}
	}
	for _, id := range want {
		if status, _, _ := c.send("GET", "/v1/appAssetLibraryImages/"+id, ""); status != 200 {
			t.Errorf("the asset %s ended with a placement: %d", id, status)
		}
	}
	if got := placed(before); !slices.Equal(got, want) {
		t.Errorf("the version before shows %v now, %v before", got, want)
	}
	c.mustFit(t)
}

// TestSpecsOfTheSeed: assets of a new world were taken under specs that there are.
func TestSpecsOfTheSeed(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for _, typ := range []string{libraryImages, libraryVideos} {
		id := c.store.all(typ)[0].text("specId")
		if !slices.ContainsFunc(librarySpecs(), func(s librarySpec) bool { return s.id() == id }) {
			t.Errorf("%s: there is no spec %q", typ, id)
		}
	}
}
