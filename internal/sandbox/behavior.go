package sandbox

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// Behavior is what a single resource type does beyond the common.
type Behavior struct {
	// Unique lists attributes of which no two objects have the same value.
	Unique []string
	// Seed makes the i-th object of a new sandbox believable.
	Seed func(o *object, i int)
	// Created completes an object that a request has made.
	Created func(c *call, o *object)
	// Updated follows a request's change, or refuses it.
	Updated func(c *call, o *object) []apiError
	// Rendered adapts attributes to the request, such as URLs of the sandbox.
	Rendered func(c *call, o *object, attrs map[string]any)
	// Check refuses an object before it is stored.
	Check func(c *call, o *object) []apiError
}

// behaviors by type. Types with uploadOperations get theirs by themselves.
var behaviors = map[string]Behavior{
	"apps": {Seed: func(o *object, i int) {
		o.attrs["name"] = []string{"Trail Mix", "Night Sky", "Field Notes"}[i]
		o.attrs["bundleId"] = []string{"com.example.trailmix", "com.example.nightsky", "com.example.fieldnotes"}[i]
		o.attrs["sku"] = fmt.Sprintf("SKU-%d", 100+i)
	}},
	"bundleIds": {Unique: []string{"identifier"}, Seed: func(o *object, i int) {
		o.attrs["identifier"] = []string{"com.example.trailmix", "com.example.nightsky", "com.example.fieldnotes"}[i]
		o.attrs["name"] = []string{"Trail Mix", "Night Sky", "Field Notes"}[i]
	}, Created: func(_ *call, o *object) { o.attrs["seedId"] = "A1B2C3D4E5" }},
	"builds": {Seed: func(o *object, i int) {
		o.attrs["version"] = fmt.Sprint(41 + i)
		o.attrs["processingState"] = "VALID"
		o.attrs["expired"] = false
	}},
	"devices": {Unique: []string{"udid"}, Created: func(c *call, o *object) {
		o.attrs["status"], o.attrs["deviceClass"], o.attrs["addedDate"] = "ENABLED", "IPHONE", c.now()
	}},
	"profiles": {Created: func(c *call, o *object) {
		o.attrs["profileState"], o.attrs["uuid"], o.attrs["profileContent"] = "ACTIVE", newID(), "bW9iaWxlcHJvdmlzaW9u"
		o.attrs["createdDate"], o.attrs["platform"] = c.now(), "IOS"
		o.attrs["expirationDate"] = c.s.cfg.Now().AddDate(1, 0, 0).UTC().Format("2006-01-02T15:04:05.000-07:00")
	}},
	"betaGroups":  {Created: func(c *call, o *object) { o.attrs["createdDate"] = c.now() }},
	"betaTesters": {Created: func(_ *call, o *object) { o.attrs["state"], o.attrs["inviteType"] = "NOT_INVITED", "EMAIL" }},
	"users":       {Unique: []string{"username"}},
	"analyticsReportSegments": {Rendered: func(c *call, o *object, attrs map[string]any) {
		if _, asked := attrs["url"]; asked {
			attrs["url"] = c.base + "/_sandbox/segments/" + o.id
		}
	}},
	"territories": {Seed: func(o *object, i int) { o.attrs["currency"] = []string{"USD", "EUR", "JPY"}[i] }},
	"appStoreVersions": {Created: func(c *call, o *object) {
		o.attrs["appStoreState"], o.attrs["appVersionState"], o.attrs["createdDate"] = "PREPARE_FOR_SUBMISSION", "PREPARE_FOR_SUBMISSION", c.now()
	}},
	"reviewSubmissions": {
		Seed:    func(o *object, _ int) { o.attrs["state"], o.attrs["platform"] = "COMPLETE", "IOS" },
		Check:   oneOpenSubmission,
		Created: func(_ *call, o *object) { o.attrs["state"] = "READY_FOR_REVIEW" },
		Updated: func(c *call, o *object) []apiError {
			switch {
			case o.attrs["canceled"] == true:
				o.attrs["state"] = "CANCELING"
			case o.attrs["submitted"] == true:
				o.attrs["state"], o.attrs["submittedDate"] = "WAITING_FOR_REVIEW", c.now()
			}
			return nil
		}},
}

// oneOpenSubmission: an app has one open review submission a platform.
func oneOpenSubmission(c *call, o *object) []apiError {
	for _, x := range c.s.store.all(o.typ) {
		open := !slices.Contains([]any{"COMPLETE", "CANCELING"}, x.attrs["state"])
		if open && slices.Equal(x.rels["app"], o.rels["app"]) && x.attrs["platform"] == o.attrs["platform"] {
			return []apiError{{Status: 409, Code: "STATE_ERROR.ENTITY_STATE_INVALID", Title: "There is an open review submission already.",
				Detail: "Review submission " + x.id + " is in state " + fmt.Sprint(x.attrs["state"]), Pointer: "/data/relationships/app"}}
		}
	}
	return nil
}

func (c *call) now() string { return c.s.cfg.Now().UTC().Format("2006-01-02T15:04:05.000-07:00") }

// reserve gives an object with an upload its upload operations, on the sandbox
// itself.
func (c *call) reserve(o *object) {
	schema := c.s.facts.Types[c.op.Schema]
	if schema == nil || schema.attr("uploadOperations") == nil {
		return
	}
	size, _ := number(o.attrs["fileSize"])
	o.attrs["uploadOperations"] = []any{map[string]any{"method": "PUT", "url": c.base + "/_sandbox/upload/" + o.typ + "/" + o.id,
		"length": int64(size), "offset": 0, "requestHeaders": []any{map[string]any{"name": "Content-Type", "value": "application/octet-stream"}}}}
	c.deliver(o, "AWAITING_UPLOAD", nil)
}

// commit follows {uploaded: true}: the delivery completes if what was uploaded
// has the checksum said.
func (c *call) commit(o *object, uploaded []byte) {
	if o.attrs["uploaded"] != true {
		return
	}
	sum := md5.Sum(uploaded)
	want, _ := o.attrs["sourceFileChecksum"].(string)
	if want != "" && want != hex.EncodeToString(sum[:]) {
		c.deliver(o, "FAILED", []any{map[string]any{"code": "FILE_CHECKSUM_MISMATCH", "description": "The checksum is another."}})
		return
	}
	c.deliver(o, "COMPLETE", nil)
}

func (c *call) deliver(o *object, state string, errs []any) {
	for _, name := range []string{"assetDeliveryState", "videoDeliveryState"} {
		if schema := c.s.facts.Types[c.op.Schema]; schema != nil && schema.attr(name) != nil {
			o.attrs[name] = map[string]any{"state": state, "errors": errs}
			if errs == nil {
				o.attrs[name] = map[string]any{"state": state}
			}
		}
	}
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, true
	case int64:
		return float64(n), true
	case int:
		return float64(n), true
	}
	return 0, false
}

// complete fills what a request has left out and Apple would set.
func (c *call) complete(o *object) {
	for name := range o.attrs {
		if o.attrs[name] == nil {
			delete(o.attrs, name)
		}
	}
	o.at = c.s.cfg.Now()
	if schema := c.s.facts.Types[c.op.Schema]; schema != nil {
		for _, name := range []string{"createdDate", "uploadedDate"} {
			if a := schema.attr(name); a != nil && a.Format == "date-time" && o.attrs[name] == nil {
				o.attrs[name] = o.at.UTC().Format(time.RFC3339)
			}
		}
	}
	c.reserve(o)
	if b := behaviors[o.typ]; b.Created != nil {
		b.Created(c, o)
	}
}
