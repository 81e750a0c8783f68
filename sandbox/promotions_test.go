package sandbox

import (
	"fmt"
	"testing"
	"time"
)

// TestNominations are drafts until they are sent, and then only archived.
func TestNominations(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	const path, typ = "/v1/nominations", "nominations"
	body := func(submitted bool, end string) string {
		return resource(typ, "", fmt.Sprintf(`"name":"Maps","type":"APP_LAUNCH","description":"New","submitted":%t,`+
			`"publishStartDate":"2026-06-10T10:00:00Z","publishEndDate":%q`, submitted, end),
			`"relatedApps":{"data":[{"type":"apps","id":"`+trailMix+`"}]}`)
	}
	c.refused(t, "POST", path, body(false, "2026-06-09T10:00:00Z"), "before")
	draft := c.data(t, "POST", path, body(false, "2026-06-11T10:00:00Z"))["id"].(string)
	c.wantAttr(t, typ, draft, "state", "DRAFT")
	c.patch(t, typ, draft, `"name":"Better maps"`)
	c.patch(t, typ, draft, `"submitted":true`)
	c.wantAttr(t, typ, draft, "state", "SUBMITTED")
	c.refused(t, "PATCH", path+"/"+draft, resource(typ, draft, `"name":"Best maps"`, ""), "name")
	c.refused(t, "PATCH", path+"/"+draft, resource(typ, draft, `"submitted":false`, ""), "SUBMITTED")
	c.refused(t, "DELETE", path+"/"+draft, "", "archive")
	c.patch(t, typ, draft, `"archived":true`)
	c.wantAttr(t, typ, draft, "state", archived)
	c.patch(t, typ, draft, `"archived":false`)
	c.wantAttr(t, typ, draft, "state", "SUBMITTED")
	c.data(t, "DELETE", path+"/"+c.data(t, "POST", path, body(false, "2026-06-11T10:00:00Z"))["id"].(string), "")
	c.mustFit(t)
}

// TestExperiments run for 90 days at most, with up to three treatments.
func TestExperiments(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	const path, typ = "/v2/appStoreVersionExperiments", "appStoreVersionExperiments"
	make := func(percent int) string {
		return resource(typ, "", fmt.Sprintf(`"name":"Icon","platform":"IOS","trafficProportion":%d`, percent),
			to("app", "apps", trailMix))
	}
	c.refused(t, "POST", path, make(101), "1 to 100")
	started := func(id string, is bool) string { return resource(typ, id, fmt.Sprintf(`"started":%t`, is), "") }
	stopped := c.data(t, "POST", path, make(50))["id"].(string)
	treatment := resource("appStoreVersionExperimentTreatments", "", `"name":"Blue"`,
		to("appStoreVersionExperimentV2", typ, stopped))
	for range mostTreatments {
		c.data(t, "POST", "/v1/appStoreVersionExperimentTreatments", treatment)
	}
	c.refused(t, "POST", "/v1/appStoreVersionExperimentTreatments", treatment, "3 treatments")
	c.refused(t, "PATCH", path+"/"+stopped, started(stopped, true), "not APPROVED")
	complete := c.data(t, "POST", path, make(50))["id"].(string)
	for _, id := range []string{stopped, complete} {
		c.store.get(typ, id).attrs["state"] = "APPROVED"
		c.refused(t, "PATCH", path+"/"+id, started(id, false), "not started")
		c.data(t, "PATCH", path+"/"+id, started(id, true))
	}
	c.data(t, "PATCH", path+"/"+stopped, started(stopped, false))
	c.wantV2(t, typ, stopped, "STOPPED")
	c.wantV2(t, typ, complete, "APPROVED")
	c.later(t, longestTest)
	c.wantV2(t, typ, stopped, "STOPPED")
	c.wantV2(t, typ, complete, "COMPLETED")
	c.mustFit(t)
}

// TestEventsPass by the times of their schedules.
func TestEventsPass(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	const path, typ = "/v1/appEvents", "appEvents"
	now := c.Now()
	body := func(publish, start, end time.Duration) string {
		return resource(typ, "", fmt.Sprintf(`"referenceName":"Race","territorySchedules":[{"territories":["USA"],`+
			`"publishStart":%q,"eventStart":%q,"eventEnd":%q}]`,
			stamp(now.Add(publish)), stamp(now.Add(start)), stamp(now.Add(end))), to("app", "apps", trailMix))
	}
	const day = 24 * time.Hour
	c.refused(t, "POST", path, body(day, 3*day, 2*day), "order")
	c.refused(t, "POST", path, body(2*day, day, 3*day), "order")
	c.refused(t, "POST", path, body(day, 2*day, 34*day), "31 days")
	event := c.data(t, "POST", path, body(day, 2*day, 3*day))["id"].(string)
	c.wantAttr(t, typ, event, "eventState", "DRAFT")
	submission := c.draft(t)
	c.data(t, "POST", "/v1/reviewSubmissionItems", resource("reviewSubmissionItems", "", "",
		to("reviewSubmission", "reviewSubmissions", submission)+","+to("appEvent", typ, event)))
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	c.act(t, "reviewSubmissions", submission, "start")
	c.act(t, "reviewSubmissions", submission, "approve")
	c.wantAttr(t, typ, event, "eventState", "APPROVED")
	c.later(t, day)
	c.wantAttr(t, typ, event, "eventState", "PUBLISHED")
	c.later(t, 2*day)
	c.wantAttr(t, typ, event, "eventState", "PAST")
	c.mustFit(t)
}
