package sandbox

import (
	"testing"
	"time"
)

// TestMetricsFollowTheWorld: what testers send is counted, by build, tester and
// period.
func TestMetricsFollowTheWorld(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	build, tester := c.IDs("builds")[0], c.IDs("betaTesters")[0]
	count := func(path, value string) any {
		t.Helper()
		_, _, doc := c.send("GET", path, "")
		return at(doc, "data", 0, "dataPoints", 0, "values", value)
	}
	ofBuild := "/v1/builds/" + build + "/metrics/betaBuildUsages"
	ofTesters := "/v1/apps/" + trailMix + "/metrics/betaTesterUsages?groupBy=betaTesters&filter[betaTesters]=" + tester
	crashes, grouped := count(ofBuild, "crashCount").(float64), count(ofTesters, "crashCount").(float64)
	for range 2 {
		if err := c.Act(Act{Type: "betaFeedbackCrashSubmissions", Do: "arrive",
			With: map[string]any{"build": build, "tester": tester}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := count(ofBuild, "crashCount"); got != crashes+2 {
		t.Errorf("%v crashes of the build, want %v", got, crashes+2)
	}
	if got := count(ofTesters, "crashCount"); got != grouped+2 {
		t.Errorf("%v crashes of the tester, want %v", got, grouped+2)
	}
	ofTester := "/v1/betaTesters/" + tester + "/metrics/betaTesterUsages?filter[apps]=" + trailMix
	if got := count(ofTester, "crashCount"); got != grouped+2 {
		t.Errorf("%v crashes by app", got)
	}
	invited := count(ofBuild, "inviteCount")
	if installed := count(ofBuild, "installCount"); installed == 0.0 || invited.(float64) < installed.(float64) {
		t.Errorf("%v installed, %v invited", installed, invited)
	}
	c.SetClock(8*24*time.Hour, 0)
	if got := count(ofTesters+"&period=P7D", "crashCount"); got != 0.0 {
		t.Errorf("%v crashes in the last week, want none", got)
	}
}
