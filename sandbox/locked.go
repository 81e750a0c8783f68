package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

// partOf names the relationships over which the things of a type are part of others:
// what App Review looks at locks all of its parts, and theirs.
var partOf = map[string][]string{
	"appStoreVersionLocalizations":      {"appStoreVersion"},
	"appStoreReviewDetails":             {"appStoreVersion"},
	"appCustomProductPageLocalizations": {"appCustomProductPageVersion"},
	"appStoreVersionExperimentTreatments": {
		"appStoreVersionExperiment",
		"appStoreVersionExperimentV2",
	},
	"appStoreVersionExperimentTreatmentLocalizations": {"appStoreVersionExperimentTreatment"},
	"appScreenshotSets":                        shownIn,
	"appPreviewSets":                           shownIn,
	"appScreenshots":                           {"appScreenshotSet"},
	"appPreviews":                              {"appPreviewSet"},
	"appEventLocalizations":                    {"appEvent"},
	"appEventScreenshots":                      {"appEventLocalization"},
	"appEventVideoClips":                       {"appEventLocalization"},
	"appAssetLibraryPlacements":                append([]string{"appEventLocalization"}, shownIn...),
	"appAssetLibraryPlacementOrderingRequests": shownIn,
	"inAppPurchaseLocalizations":               {"version"},
	"inAppPurchaseImages":                      {"version"},
	"subscriptionLocalizations":                {"version"},
	"subscriptionImages":                       {"version"},
	"subscriptionGroupLocalizations":           {"version"},
	"gameCenterAchievementLocalizations":       {"version"},
	"gameCenterAchievementImages":              {"localization"},
	"gameCenterActivityLocalizations":          {"version"},
	"gameCenterActivityImages":                 {"localization", "version"},
	"gameCenterChallengeLocalizations":         {"version"},
	"gameCenterChallengeImages":                {"localization", "version"},
	"gameCenterLeaderboardLocalizations":       {"version"},
	"gameCenterLeaderboardImages":              {"localization"},
	"gameCenterLeaderboardSetLocalizations":    {"version"},
	"gameCenterLeaderboardSetImages":           {"localization"},
	"backgroundAssetUploadFiles":               {"backgroundAssetVersion"},
	"backgroundAssetVersions":                  {"appStoreRelease"},
}

// shownIn are the localizations that have sets of pictures.
var shownIn = []string{
	"appStoreVersionLocalization",
	"appCustomProductPageLocalization",
	"appStoreVersionExperimentTreatmentLocalization",
}

// lockedBy is what keeps an object from being changed, itself or what it is part of,
// and the state for which it does; nil if nothing does.
func (c *call) lockedBy(o *object) (whole *object, state string) {
	if state := lockingState(o); state != "" {
		return o, state
	}
	for _, rel := range partOf[o.typ] {
		if above := c.s.store.one(o, rel); above != nil {
			if whole, state := c.lockedBy(above); whole != nil {
				return whole, state
			}
		}
	}
	return nil, ""
}

// lockingState is the state of what App Review looks at, if nothing of it can be
// changed then: it waits or is in review; a version also after that. "" otherwise.
func lockingState(o *object) string {
	if o.typ == "appStoreVersions" {
		if state := o.text("appVersionState"); !slices.Contains(editable, state) && state != "READY_FOR_REVIEW" {
			return state
		}
		return ""
	}
	kind := kindsOfReview()[o.typ]
	if o.typ == "backgroundAssetVersionAppStoreReleases" {
		kind = assetReview
	}
	if state := o.text(kind.attr); slices.Contains(underReview, state) {
		return state
	}
	return ""
}

// locking adds the lock of the whole to the rules of all parts.
func locking(all map[string]behavior) {
	for typ := range partOf {
		b := all[typ]
		allowed, removable := b.allowed, b.removable
		b.allowed = func(c *call, o, old *object) []apiError {
			if errs := lockedAllowed(c, o, old); errs != nil || allowed == nil {
				return errs
			}
			return allowed(c, o, old)
		}
		b.removable = func(c *call, o *object) []apiError {
			if errs := lockedRemovable(c, o); errs != nil || removable == nil {
				return errs
			}
			return removable(c, o)
		}
		b.relating = lockedRelating
		all[typ] = b
	}
}

// always are attributes that can be changed in any state of the version.
var always = []string{"promotionalText", "downloadable"}

// pendingRelease are the states in which it can still be said when a version is to
// be released.
var pendingRelease = []string{"PENDING_DEVELOPER_RELEASE", "PENDING_APPLE_RELEASE"}

// lockedAllowed refuses what is added to, or changed of, what waits or is in review,
// or a version that has been reviewed.
func lockedAllowed(c *call, o, old *object) []apiError {
	whole, state := c.lockedBy(o)
	switch {
	case whole == nil:
		return nil
	case old == nil:
		return stateError("/data", "A resource cannot be added while "+isIn(whole, state)+".")
	case whole.typ != "appStoreVersions":
		return unchangeable(o, old, nil)
	case slices.Contains(pendingRelease, state):
		return unchangeable(o, old, append([]string{"releaseType", "earliestReleaseDate"}, always...))
	}
	return unchangeable(o, old, always)
}

// isIn says for people in which state something is.
func isIn(o *object, state string) string {
	return "the " + strings.TrimSuffix(o.typ, "s") + " is " + state
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
// words it in two ways (seen live): of a version, and of what is part of one.
func invalidState(typ, name string) apiError {
	e := apiError{
		Status:  409,
		Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID.INVALID_STATE",
		Title:   "The request cannot be fulfilled because of the state of another resource.",
		Detail:  "Attribute '" + name + "' cannot be edited at this time",
		Pointer: "/data/attributes/" + name,
	}
	if len(partOf[typ]) == 0 {
		e.Title = "An attribute value is not acceptable for the current resource state."
		e.Detail = "The attribute '" + name + "' can not be modified."
	}
	return e
}

func same(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// firstNews refuses what is new in a version that no other was before (seen live).
func (c *call) firstNews(o, old *object) []apiError {
	v := c.s.store.one(o, "appStoreVersion")
	if v == nil || o.text("whatsNew") == "" ||
		old != nil && same(o.attrs["whatsNew"], old.attrs["whatsNew"]) || len(c.siblings(v, v)) > 0 {
		return nil
	}
	return []apiError{invalidState(o.typ, "whatsNew")}
}

func lockedRemovable(c *call, o *object) []apiError {
	whole, state := c.lockedBy(o)
	if held := heldState(o); whole == nil && held != "" {
		whole, state = o, held
	}
	if whole == nil {
		return nil
	}
	return stateError("", "The resource cannot be deleted while "+isIn(whole, state)+".")
}

// heldState is the state of what is part of a submission that it can be taken out of:
// it can be changed, and not deleted. "" otherwise.
func heldState(o *object) string {
	attr := kindsOfReview()[o.typ].attr
	if o.typ == "appStoreVersions" {
		attr = "appVersionState"
	}
	if state := o.text(attr); state == "READY_FOR_REVIEW" || state == "ACCEPTED" {
		return state
	}
	return ""
}

func lockedRelating(c *call, o *object, w relWrite) []apiError {
	if whole, state := c.lockedBy(o); whole != nil {
		return stateError("/data", "The relationship '"+w.rel+"' cannot be changed while "+isIn(whole, state)+".")
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
	if old != nil || set == nil {
		return nil
	}
	at, owner := "/data/relationships/"+rel, c.placeOf(set)
	if len(c.s.store.ids(set, o.typ)) >= most {
		return stateError(at, fmt.Sprintf("The set has %d files already.", most))
	}
	name, group := setKinds()[o.typ].placement(set)
	if owner != nil && name != "" && c.inGroup(owner, name, group) >= most {
		return stateError(at, fmt.Sprintf("The group %s has %d placements already.", group, most))
	}
	return nil
}
