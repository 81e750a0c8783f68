package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
)

// hookEvent is one of Apple's webhook events. Apple: understanding webhook events.
type hookEvent struct {
	kind string // eventType of a webhook; "" is a ping
	body []byte
}

// watched names the events that changes of state make, with the members that tell
// the new and the old state: Apple spells them in three ways.
var watched = map[string]struct{ kind, is, was string }{
	"appStoreVersions.appVersionState": {
		"APP_STORE_VERSION_APP_VERSION_STATE_UPDATED",
		"newValue",
		"oldValue",
	},
	"buildUploads.state": {"BUILD_UPLOAD_STATE_UPDATED", "newState", "oldState"},
	"buildBetaDetails.externalBuildState": {
		"BUILD_BETA_DETAIL_EXTERNAL_BUILD_STATE_UPDATED",
		"newExternalBuildState",
		"oldExternalBuildState",
	},
	"betaFeedbackScreenshotSubmissions.": {kind: "BETA_FEEDBACK_SCREENSHOT_SUBMISSION_CREATED"},
	"betaFeedbackCrashSubmissions.":      {kind: "BETA_FEEDBACK_CRASH_SUBMISSION_CREATED"},
	"backgroundAssetVersions.state": {
		"BACKGROUND_ASSET_VERSION_STATE_UPDATED",
		"newState",
		"oldState",
	},
	"backgroundAssetVersionInternalBetaReleases.": {
		kind: "BACKGROUND_ASSET_VERSION_INTERNAL_BETA_RELEASE_CREATED",
	},
	"backgroundAssetVersionExternalBetaReleases.state": {
		"BACKGROUND_ASSET_VERSION_EXTERNAL_BETA_RELEASE_STATE_UPDATED",
		"newState",
		"oldState",
	},
	"backgroundAssetVersionAppStoreReleases.state": {
		"BACKGROUND_ASSET_VERSION_APP_STORE_RELEASE_STATE_UPDATED",
		"newState",
		"oldState",
	},
}

// announce makes an event of a state that has changed, for the webhooks of its
// app. An attribute "" stands for something that came to be.
func (c *call) announce(o *object, attr, was, is string) {
	w, known := watched[o.typ+"."+attr]
	app := c.s.store.appOf(o)
	if !known || app == nil || w.kind == "BACKGROUND_ASSET_VERSION_STATE_UPDATED" && is != "FAILED" {
		return
	}
	attrs := map[string]any{"timestamp": c.timestamp()}
	if w.is != "" {
		attrs[w.is] = is
	}
	if w.was != "" && was != "" {
		attrs[w.was] = was
	}
	if w.kind == "BUILD_UPLOAD_STATE_UPDATED" { // which may come without its time
		delete(attrs, "timestamp")
	}
	c.publishEvent(app, w.kind, o, attrs, nil)
}

// publishEvent records an event, and sends it to those webhooks of an app that
// want it.
func (c *call) publishEvent(app *object, kind string, instance *object, attrs map[string]any, rels map[string]any) {
	var hooks []*object
	for _, hook := range c.s.store.related(app, "webhooks") {
		types, _ := hook.attrs["eventTypes"].([]any)
		if hook.attrs["enabled"] == true && slices.Contains(types, any(kind)) {
			hooks = append(hooks, hook)
		}
	}
	if len(hooks) == 0 {
		return
	}
	data := map[string]any{"type": lowerCamel(kind), "id": c.s.store.newID(""), "attributes": attrs}
	if rels == nil {
		rels = map[string]any{}
	}
	link := map[string]any{"self": "https://api-appstoreconnect.itunes.apple.com/v1/"}
	if instance != nil {
		link["self"] = "https://api-appstoreconnect.itunes.apple.com/v1/" + instance.typ + "/" + instance.id
	}
	switch of := instance; {
	case of == nil:
	case strings.HasPrefix(of.typ, "backgroundAsset"): // the identifier stands in instance itself
		rels["instance"] = map[string]any{"type": of.typ, "id": of.id, "links": link}
	default:
		rels["instance"] = map[string]any{"data": map[string]any{"type": of.typ, "id": of.id}, "links": link}
	}
	if instance == nil || !strings.HasPrefix(instance.typ, "backgroundAsset") {
		data["version"] = 1
	}
	if data["relationships"] = rels; len(rels) == 0 {
		delete(data, "relationships")
	}
	event := c.recordEvent(hookEvent{kind, eventBody(data)})
	for _, hook := range hooks {
		c.deliverEvent(hook, event)
	}
}

func eventBody(data map[string]any) []byte {
	body, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		panic("sandbox: an event of plain values has no JSON form: " + err.Error())
	}
	return body
}

// pingBody is what a ping says.
func (c *call) pingBody() []byte {
	return eventBody(
		map[string]any{
			"type":       "webhookPingCreated",
			"id":         c.s.store.newID(""),
			"version":    1,
			"attributes": map[string]any{"timestamp": c.timestamp()},
		},
	)
}

// recordEvent keeps an event as Apple lists it, with its exact body.
func (c *call) recordEvent(e hookEvent) *object {
	o := &object{typ: "webhookEvents", id: c.s.store.newID(""), at: c.now, rels: map[string][]string{},
		attrs: map[string]any{"payload": string(e.body), "ping": e.kind == "", "createdDate": c.stamp()}}
	if e.kind != "" {
		o.attrs["eventType"] = e.kind
	}
	c.s.store.add(o)
	return o
}

// timestamp writes the time with as many digits as Apple happens to.
func (c *call) timestamp() string {
	forms := [...]string{
		"2006-01-02T15:04:05.000Z",
		"2006-01-02T15:04:05.00Z",
		"2006-01-02T15:04:05.000000Z",
		"2006-01-02T15:04:05Z",
	}
	return c.now.UTC().Format(forms[c.s.store.rng.IntN(len(forms))])
}

// lowerCamel writes APP_STORE_VERSION as appStoreVersion.
func lowerCamel(name string) string {
	parts := strings.Split(strings.ToLower(name), "_")
	for i := range parts[1:] {
		parts[i+1] = strings.ToUpper(parts[i+1][:1]) + parts[i+1][1:]
	}
	return strings.Join(parts, "")
}
