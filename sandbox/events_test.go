package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// eventForm is what Apple's page shows of an event. A "?" says that a member may
// lack.
type eventForm struct {
	attributes string
	instance   string // type of what the event is about; "" if it names nothing
	asset      bool   // of a background asset: no version, and the identifier in instance itself
	market     bool   // names the app, for marketplaces
}

// eventForms are the twelve events of Apple's page on webhook events, by the type
// in their bodies, and the ping. Apple: understanding webhook events.
var eventForms = map[string]eventForm{
	"webhookPingCreated": {attributes: "timestamp?"},
	"appStoreVersionAppVersionStateUpdated": {
		attributes: "newValue oldValue timestamp", instance: "appStoreVersions",
	},
	"buildUploadStateUpdated": {attributes: "newState oldState? timestamp?", instance: "buildUploads"},
	"buildBetaDetailExternalBuildStateUpdated": {
		attributes: "newExternalBuildState oldExternalBuildState timestamp", instance: "buildBetaDetails",
	},
	"betaFeedbackScreenshotSubmissionCreated": {
		attributes: "timestamp", instance: "betaFeedbackScreenshotSubmissions",
	},
	"betaFeedbackCrashSubmissionCreated": {attributes: "timestamp", instance: "betaFeedbackCrashSubmissions"},
	"backgroundAssetVersionStateUpdated": {
		attributes: "newState oldState timestamp", instance: "backgroundAssetVersions", asset: true,
	},
	"backgroundAssetVersionInternalBetaReleaseCreated": {
		attributes: "timestamp", instance: "backgroundAssetVersionInternalBetaReleases", asset: true,
	},
	"backgroundAssetVersionExternalBetaReleaseStateUpdated": {
		attributes: "newState oldState timestamp", instance: "backgroundAssetVersionExternalBetaReleases", asset: true,
	},
	"backgroundAssetVersionAppStoreReleaseStateUpdated": {
		attributes: "newState oldState timestamp", instance: "backgroundAssetVersionAppStoreReleases", asset: true,
	},
	"alternativeDistributionPackageVersionCreated": {
		attributes: "appId timestamp", instance: "alternativeDistributionPackageVersions", market: true,
	},
	"alternativeDistributionPackageAvailableUpdated": {
		attributes: "appId available territories timestamp", instance: "alternativeDistributionPackages", market: true,
	},
	"alternativeDistributionTerritoryAvailabilityUpdated": {
		attributes: "appId available territories timestamp", market: true,
	},
}

// TestTheFormsOfEvents has every event happen, and holds its body to Apple's form.
func TestTheFormsOfEvents(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	url, got := receiver(t, 204)
	kinds := c.facts.enum(c.facts.resolve(c.facts.attr("webhooks", "eventTypes").Items).Enum)
	if len(kinds) != len(eventForms)-1 {
		t.Errorf("the document has %d events: %v", len(kinds), kinds)
	}
	hook := c.hook(t, url, kinds...)
	c.everyEvent(t)
	c.ping(t, hook)
	c.deliveries(t, hook, "")
	close(got)
	ids, seen := map[string]bool{}, map[string]bool{}
	for r := range got {
		verified(t, r)
		kind, id := c.checkEvent(t, r.body)
		if ids[id] {
			t.Errorf("two events have the id of %s", r.body)
		}
		ids[id], seen[kind] = true, true
	}
	for _, kind := range sortedKeys(eventForms) {
		if !seen[kind] {
			t.Errorf("no %s", kind)
		}
	}
	for _, kind := range kinds {
		if _, ok := eventForms[lowerCamel(kind)]; !ok {
			t.Errorf("%s has no form", kind)
		}
	}
	if wrong := c.Check(); len(wrong) > 0 {
		t.Error(wrong)
	}
}

// everyEvent has each event happen once, or more often.
func (c *client) everyEvent(t *testing.T) {
	t.Helper()
	version, _ := c.prepare(t, "3.0", "") // uploads a build, too
	if status, _, doc := c.send("POST", "/v1/reviewSubmissionItems", item(c.draft(t), version)); status != 201 {
		t.Fatal(status, doc)
	}
	app := map[string]any{"app": trailMix}
	where := map[string]any{"app": trailMix, "available": true, "territories": []any{"DEU", "FRA"}}
	nowhere := map[string]any{"available": false, "territories": []any{"FRA"}}
	build := map[string]any{"build": c.IDs("builds")[0]}
	asset := c.IDs("backgroundAssetVersions")[0]
	first := func(typ string) string { return c.IDs(typ)[0] }
	state := func(name string) map[string]any { return map[string]any{"state": name} }
	beta, sale := "backgroundAssetVersionExternalBetaReleases", "backgroundAssetVersionAppStoreReleases"
	made, packages := "alternativeDistributionPackageVersions", "alternativeDistributionPackages"
	for _, a := range []Act{
		{"betaFeedbackCrashSubmissions", "", "arrive", build},
		{"betaFeedbackScreenshotSubmissions", "", "arrive", build},
		{"backgroundAssetVersions", asset, "complete", nil},
		{"backgroundAssetVersions", c.oneMoreAsset(asset), "fail", nil},
		{beta, first(beta), "become", state("PROCESSING_FOR_TESTING")},
		{sale, first(sale), "become", state("WAITING_FOR_REVIEW")},
		{made, first(made), "announce", app},
		{packages, first(packages), "change availability", where},
		{"apps", trailMix, "change territories", nowhere},
	} {
		if err := c.Act(a); err != nil {
			t.Errorf("%s %s: %v", a.Type, a.Do, err)
		}
	}
}

// oneMoreAsset is another version of the asset pack that a version belongs to.
func (c *client) oneMoreAsset(version string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	pack := c.store.one(c.store.get("backgroundAssetVersions", version), "backgroundAsset")
	o := c.spawn("backgroundAssetVersions", c.now)
	c.store.link(o, "backgroundAsset", pack.id)
	return o.id
}

// checkEvent holds the body of an event to its form.
func (c *client) checkEvent(t *testing.T, body string) (kind, id string) {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	wantMembers(t, "the document", doc, "data")
	kind, _ = at(doc, "data", "type").(string)
	id, _ = at(doc, "data", "id").(string)
	form, known := eventForms[kind]
	if !known || id == "" {
		t.Errorf("Apple has no such event: %s", body)
		return kind, id
	}
	members := "type id attributes"
	if !form.asset {
		members += " version"
		if at(doc, "data", "version") != 1.0 {
			t.Errorf("version of %s", body)
		}
	}
	if form.instance != "" || form.market {
		members += " relationships"
	}
	data, _ := doc["data"].(map[string]any)
	wantMembers(t, kind, data, members)
	attributes, _ := data["attributes"].(map[string]any)
	wantMembers(t, kind+", attributes", attributes, form.attributes)
	c.checkAttributes(t, kind, attributes)
	relationships, _ := data["relationships"].(map[string]any)
	c.checkRelationships(t, kind, form, relationships)
	return kind, id
}

// wantMembers wants exactly these members. One with a "?" may lack.
func wantMembers(t *testing.T, of string, have map[string]any, names string) {
	t.Helper()
	want := strings.Fields(strings.ReplaceAll(names, "?", ""))
	for _, name := range sortedKeys(have) {
		if !slices.Contains(want, name) {
			t.Errorf("%s has %q, too", of, name)
		}
	}
	for _, name := range strings.Fields(names) {
		if _, there := have[name]; !there && !strings.HasSuffix(name, "?") {
			t.Errorf("%s has no %q", of, name)
		}
	}
}

func (c *client) checkAttributes(t *testing.T, kind string, attributes map[string]any) {
	t.Helper()
	for name, v := range attributes {
		text, ok := v.(string)
		switch name {
		case "timestamp":
			at, err := time.Parse(time.RFC3339, text)
			ok = err == nil && at.Equal(c.now)
		case "appId":
			ok = v == trailMix
		case "available":
			_, ok = v.(bool)
		case "territories":
			list, _ := v.([]any)
			ok = len(list) > 0 && c.store.get("territories", fmt.Sprint(list[0])) != nil
		default: // a state
			ok = ok && text != "" && text == strings.ToUpper(text)
		}
		if !ok {
			t.Errorf("%s: %s is %v", kind, name, v)
		}
	}
	for is, was := range map[string]string{"newValue": "oldValue", "newState": "oldState",
		"newExternalBuildState": "oldExternalBuildState"} {
		if attributes[is] != nil && attributes[is] == attributes[was] {
			t.Errorf("%s: nothing has changed: %v", kind, attributes)
		}
	}
}

func (c *client) checkRelationships(t *testing.T, kind string, form eventForm, relationships map[string]any) {
	t.Helper()
	var members []string
	if form.instance != "" {
		members = append(members, "instance")
		instance, _ := relationships["instance"].(map[string]any)
		about := instance
		if form.asset {
			wantMembers(t, kind+", instance", instance, "type id links")
		} else {
			wantMembers(t, kind+", instance", instance, "data links")
			about, _ = instance["data"].(map[string]any)
			wantMembers(t, kind+", instance, data", about, "type id")
		}
		id, _ := about["id"].(string)
		if about["type"] != form.instance || c.store.get(form.instance, id) == nil {
			t.Errorf("%s is about %v", kind, about)
		}
		if link, _ := at(instance, "links", "self").(string); !strings.HasSuffix(link, "/v1/"+form.instance+"/"+id) {
			t.Errorf("%s links to %q", kind, link)
		}
	}
	if form.market {
		members = append(members, "marketplaceApp")
		if app := at(relationships, "marketplaceApp", "data"); at(app, "type") != "apps" || at(app, "id") != trailMix {
			t.Errorf("%s: the app is %v", kind, app)
		}
	}
	wantMembers(t, kind+", relationships", relationships, strings.Join(members, " "))
}
