package sandbox

import (
	"fmt"
	"slices"
)

// toVersion is the way from a type to the version that locks it.
var toVersion = map[string][]string{
	"appStoreVersions":             {},
	"appStoreVersionLocalizations": {"appStoreVersion"},
	"appStoreReviewDetails":        {"appStoreVersion"},
	"appScreenshotSets":            {"appStoreVersionLocalization", "appStoreVersion"},
	"appPreviewSets":               {"appStoreVersionLocalization", "appStoreVersion"},
	"appScreenshots":               {"appScreenshotSet", "appStoreVersionLocalization", "appStoreVersion"},
	"appPreviews":                  {"appPreviewSet", "appStoreVersionLocalization", "appStoreVersion"},
}

// lockedBy is the state of the version that keeps an object from being changed;
// "" if nothing does.
func (c *call) lockedBy(o *object) string {
	for _, rel := range toVersion[o.typ] {
		if o = c.s.store.one(o, rel); o == nil {
			return ""
		}
	}
	if state := o.text("appVersionState"); !slices.Contains(editable, state) && state != "READY_FOR_REVIEW" {
		return state
	}
	return ""
}

// always are attributes that can be changed in any state of the version.
var always = []string{"promotionalText", "downloadable"}

// pendingRelease are the states in which it can still be said when a version is to
// be released.
var pendingRelease = []string{"PENDING_DEVELOPER_RELEASE", "PENDING_APPLE_RELEASE"}

// lockedAllowed refuses what is added to, or changed of, a version that waits, is
// in review, or has been reviewed.
func lockedAllowed(c *call, o, old *object) []apiError {
	state := c.lockedBy(o)
	if state == "" {
		return append(c.firstNews(o, old), c.full(o, old)...)
	}
	if old == nil {
		return stateError("/data", "A resource cannot be added while the version is "+state+".")
	}
	if slices.Contains(pendingRelease, state) {
		return unchangeable(o, old, append([]string{"releaseType", "earliestReleaseDate"}, always...))
	}
	return unchangeable(o, old, always)
}

// unchangeable refuses each attribute that a change would give another value, but
// for some.
func unchangeable(o, old *object, but []string) (errs []apiError) {
	for _, name := range sortedKeys(o.attrs) {
		if !same(o.attrs[name], old.attrs[name]) && !slices.Contains(but, name) {
			errs = append(errs, invalidState(o.typ, name))
		}
	}
	return errs
}

// invalidState refuses a value for an attribute that cannot be changed now. Apple
// words it in two ways (seen live): of a version, and of what belongs to one.
func invalidState(typ, name string) apiError {
	e := apiError{
		Status:  409,
		Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID.INVALID_STATE",
		Title:   "The request cannot be fulfilled because of the state of another resource.",
		Detail:  "Attribute '" + name + "' cannot be edited at this time",
		Pointer: "/data/attributes/" + name,
	}
	if len(toVersion[typ]) == 0 {
		e.Title = "An attribute value is not acceptable for the current resource state."
		e.Detail = "The attribute '" + name + "' can not be modified."
	}
	return e
}

func same(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// firstNews refuses what is new in a version that no other was before (seen live).
func (c *call) firstNews(o, old *object) []apiError {
	v := c.s.store.one(o, "appStoreVersion")
	if o.typ != "appStoreVersionLocalizations" || v == nil || o.text("whatsNew") == "" ||
		old != nil && same(o.attrs["whatsNew"], old.attrs["whatsNew"]) || len(c.siblings(v, v)) > 0 {
		return nil
	}
	return []apiError{invalidState(o.typ, "whatsNew")}
}

func lockedRemovable(c *call, o *object) []apiError {
	if state := c.lockedBy(o); state != "" ||
		o.typ == "appStoreVersions" && o.text("appVersionState") == "READY_FOR_REVIEW" {
		return stateError("", "The resource cannot be deleted while the version is "+orState(state, o)+".")
	}
	return nil
}

func orState(state string, o *object) string {
	if state == "" {
		return o.text("appVersionState")
	}
	return state
}

func lockedRelating(c *call, o *object, w relWrite) []apiError {
	if state := c.lockedBy(o); state != "" {
		return stateError("/data", "The relationship '"+w.rel+"' cannot be changed while the version is "+state+".")
	}
	return nil
}

// Most pictures and previews that a set takes. Apple: screenshot specifications.
const (
	mostScreenshots = 10
	mostPreviews    = 3
)

// full refuses a file of a set that has all it takes.
func (c *call) full(o, old *object) []apiError {
	rel, most := "appScreenshotSet", mostScreenshots
	if o.typ == "appPreviews" {
		rel, most = "appPreviewSet", mostPreviews
	}
	set := c.s.store.one(o, rel)
	if old != nil || set == nil || len(c.s.store.ids(set, o.typ)) < most {
		return nil
	}
	return stateError("/data/relationships/"+rel, fmt.Sprintf("The set has %d files already.", most))
}
