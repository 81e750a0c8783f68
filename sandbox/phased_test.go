package sandbox

import (
	"fmt"
	"testing"
	"time"
)

// phase puts a version with a phased release on sale, and tells their ids.
func (c *client) phase(t *testing.T) (version, phased string) {
	t.Helper()
	version, _ = c.prepare(t, "3.0", "")
	submission := c.draft(t)
	c.data(t, "POST", "/v1/reviewSubmissionItems", item(submission, version))
	phased = c.data(t, "POST", "/v1/appStoreVersionPhasedReleases", resource("appStoreVersionPhasedReleases", "",
		`"phasedReleaseState":"INACTIVE"`, to("appStoreVersion", "appStoreVersions", version)))["id"].(string)
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	c.act(t, "reviewSubmissions", submission, "approve")
	return version, phased
}

// TestAPhasedReleaseCountsItsDays follows a phased release by the clock: each
// step is a wait, then a change, then what is shown.
func TestAPhasedReleaseCountsItsDays(t *testing.T) {
	const day = 24 * time.Hour
	type step struct {
		wait                  time.Duration
		set                   string
		state, day, pausedFor string
		cannotBecome          string
	}
	for name, steps := range map[string][]step{
		"nobody pauses it": {
			{0, "", "ACTIVE", "1", "0", "INACTIVE"},
			{6 * day, "", "ACTIVE", "7", "0", ""},
			{day, "", "COMPLETE", "7", "0", "ACTIVE"},
		},
		"paused, and resumed": {
			{2 * day, "PAUSED", "PAUSED", "3", "0", ""},
			{10 * day, "", "PAUSED", "3", "10", ""},
			{0, "ACTIVE", "ACTIVE", "3", "10", ""},
			{4 * day, "", "ACTIVE", "7", "10", ""},
			{day, "", "COMPLETE", "7", "10", "PAUSED"},
		},
		"paused for longer than it may be": {
			{day, "PAUSED", "PAUSED", "2", "0", ""},
			{30 * day, "", "ACTIVE", "2", "30", "PAUSED"},
			{6 * day, "", "COMPLETE", "7", "30", ""},
		},
		"ended early":        {{day, "COMPLETE", "COMPLETE", "7", "0", "ACTIVE"}},
		"ended in its pause": {{0, "PAUSED", "PAUSED", "1", "0", ""}, {2 * day, "COMPLETE", "COMPLETE", "7", "2", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, World{NoAuth: true})
			version, phased := c.phase(t)
			path := "/v1/appStoreVersionPhasedReleases/" + phased
			for i, s := range steps {
				c.SetClock(s.wait, 0)
				if s.set != "" {
					c.patch(t, "appStoreVersionPhasedReleases", phased, fmt.Sprintf(`"phasedReleaseState":%q`, s.set))
				}
				is := at(
					c.data(t, "GET", "/v1/appStoreVersions/"+version+"/appStoreVersionPhasedRelease", ""),
					"attributes",
				)
				got := fmt.Sprint(
					at(is, "phasedReleaseState"),
					at(is, "currentDayNumber"),
					at(is, "totalPauseDuration"),
				)
				if want := s.state + s.day + " " + s.pausedFor; got != want {
					t.Errorf("step %d: %s, want %s", i, got, want)
				}
				if s.cannotBecome != "" {
					body := resource("appStoreVersionPhasedReleases", phased,
						fmt.Sprintf(`"phasedReleaseState":%q`, s.cannotBecome), "")
					if status, _, doc := c.send("PATCH", path, body); status != 409 {
						t.Errorf("step %d: it became %s: %d %v", i, s.cannotBecome, status, doc)
					}
				}
				if status, _, _ := c.send("DELETE", path, ""); status != 409 {
					t.Errorf("step %d: deleted once it had begun: %d", i, status)
				}
			}
		})
	}
}
