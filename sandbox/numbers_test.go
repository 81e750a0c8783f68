package sandbox

import (
	"fmt"
	"testing"
	"time"
)

// TestNumbersOfVersions: that a number is there already is told last.
func TestNumbersOfVersions(t *testing.T) {
	const high, form, used = "ENTITY_ERROR.ATTRIBUTE.INVALID", "ENTITY_ERROR.ATTRIBUTE.INVALID",
		"ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE"
	for _, x := range []struct {
		name, number string
		codes        []string
	}{
		{"higher than the one on sale", "1.0.1", nil},
		{"of one number", "2", nil},
		{"lower", "0.9", []string{high}},
		{"the one on sale", "1.0", []string{high, used}},
		{"the one on sale, written longer", "1.0.0", []string{high, used}},
		{"of four numbers", "1.2.3.4", []string{form}},
		{"with a letter", "2.0b", []string{form}},
	} {
		c := newClient(t, World{NoAuth: true})
		status, _, doc := c.send("POST", "/v1/appStoreVersions", resource("appStoreVersions", "",
			fmt.Sprintf(`"platform":"IOS","versionString":%q`, x.number), to("app", "apps", trailMix)))
		var got []string
		list, _ := doc["errors"].([]any)
		for _, e := range list {
			got = append(got, at(e, "code").(string))
		}
		if fmt.Sprint(got) != fmt.Sprint(x.codes) || (status == 201) != (x.codes == nil) {
			t.Errorf("%s: %d %v, want %v", x.name, status, got, x.codes)
		}
	}
}

// TestAVersionIsReleasedAtItsDate, which is a full hour and may be set late.
func TestAVersionIsReleasedAtItsDate(t *testing.T) {
	for _, x := range []struct {
		name, before, after string // attributes, when it is made and once it is approved
		approved            string
		at                  time.Duration
	}{
		{"planned", `,"releaseType":"SCHEDULED","earliestReleaseDate":"2026-05-02T09:00:00-07:00"`,
			"", "PENDING_APPLE_RELEASE", 28 * time.Hour},
		{"put off", `,"releaseType":"SCHEDULED","earliestReleaseDate":"2026-05-02T09:00:00-07:00"`,
			`"earliestReleaseDate":"2026-05-03T09:00:00-07:00"`, "PENDING_APPLE_RELEASE", 52 * time.Hour},
		{"by hand, then at a date", `,"releaseType":"MANUAL"`,
			`"releaseType":"SCHEDULED","earliestReleaseDate":"2026-05-01T13:00:00Z"`,
			"PENDING_DEVELOPER_RELEASE", time.Hour},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := newClient(t, World{NoAuth: true})
			version, _ := c.prepare(t, "3.0", x.before)
			submission := c.draft(t)
			c.data(t, "POST", "/v1/reviewSubmissionItems", item(submission, version))
			c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
			c.act(t, "reviewSubmissions", submission, "approve")
			c.wantStates(t, version, submission, x.approved, "COMPLETE")
			if x.after != "" {
				c.patch(t, "appStoreVersions", version, x.after)
			}
			c.SetClock(x.at-time.Minute, 0)
			c.wantStates(t, version, submission, "PENDING_APPLE_RELEASE", "COMPLETE")
			c.SetClock(time.Minute, 0)
			c.wantStates(t, version, submission, "READY_FOR_DISTRIBUTION", "COMPLETE")
		})
	}
}

// TestWhatAVersionDoesNotTake: dates between hours, addresses that are none, and
// what is new where nothing is old.
func TestWhatAVersionDoesNotTake(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	c.refused(t, "POST", "/v1/appStoreVersions", resource("appStoreVersions", "",
		`"platform":"IOS","versionString":"3.0","earliestReleaseDate":"2026-05-02T09:30:00Z"`,
		to("app", "apps", trailMix)), "full hour")
	version := c.data(t, "POST", "/v1/appStoreVersions", resource("appStoreVersions", "",
		`"platform":"MAC_OS","versionString":"1.0"`, to("app", "apps", trailMix)))["id"].(string)
	_, _, doc := c.send("GET", "/v1/appStoreVersions/"+version+"/appStoreVersionLocalizations", "")
	localization := at(doc, "data", 0, "id").(string)
	path := "/v1/appStoreVersionLocalizations/" + localization
	for name, x := range map[string]struct{ attributes, word string }{
		"news of a first version": {`"whatsNew":"everything"`, "INVALID_STATE"},
		"no scheme":               {`"supportUrl":"example.com/help"`, "not a valid URL"},
		"another scheme":          {`"marketingUrl":"ftp://example.com"`, "not a valid URL"},
		"words":                   {`"supportUrl":"see our page"`, "not a valid URL"},
		"too many keywords":       {fmt.Sprintf(`"keywords":"%0101d"`, 0), "TOO_LONG"},
	} {
		t.Run(name, func(t *testing.T) {
			c.refused(
				t,
				"PATCH",
				path,
				resource("appStoreVersionLocalizations", localization, x.attributes, ""),
				x.word,
			)
		})
	}
	c.patch(
		t,
		"appStoreVersionLocalizations",
		localization,
		`"supportUrl":"https://example.com/help","marketingUrl":null`,
	)
}
