package sandbox

import (
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
