package sandbox

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// versionStates says where the states of a version are written down.
const versionStates = "Apple: AppVersionState"

// editable are the states in which a version and all that belongs to it can be
// changed.
var editable = []string{
	"PREPARE_FOR_SUBMISSION",
	"DEVELOPER_REJECTED",
	"REJECTED",
	"METADATA_REJECTED",
	"INVALID_BINARY",
}

// onSale are the states of versions that do not stand in the way of a new one.
var onSale = []string{"READY_FOR_DISTRIBUTION", "REPLACED_WITH_NEW_VERSION", "PROCESSING_FOR_DISTRIBUTION"}

// versions: App Store versions, their localizations and pictures.
func versions() map[string]behavior {
	locked := behavior{allowed: lockedAllowed, removable: lockedRemovable, relating: lockedRelating}
	with := func(b behavior) behavior {
		b.allowed, b.removable, b.relating = locked.allowed, locked.removable, locked.relating
		return b
	}
	return map[string]behavior{
		"appStoreVersions": {
			seed: each(cycle("versionString", "1.0", "1.1", "2.0"), cycle("platform", "IOS"),
				cycle("appStoreState", "READY_FOR_SALE"), cycle("appVersionState", "READY_FOR_DISTRIBUTION"),
				cycle("releaseType", "AFTER_APPROVAL")),
			allowed: versionAllowed, removable: lockedRemovable, relating: lockedRelating,
			created: versionCreated, removed: versionRemoved,
			machines: []machine{{attr: "appVersionState", moves: versionMoves()}},
			moved:    versionMoved,
			acts: map[string]act{
				"distribute": {
					own: true,
					do:  func(c *call, o *object, _ map[string]any) error { return c.move(o, "distribute") },
				},
				"release": {own: true, do: released},
			},
		},
		"appStoreVersionLocalizations": with(behavior{unique: [][]string{{"appStoreVersion", "locale"}}}),
		"appScreenshotSets": with(
			behavior{
				seed:   cycle("screenshotDisplayType", "APP_IPHONE_67"),
				unique: [][]string{{"appStoreVersionLocalization", "screenshotDisplayType"}},
			},
		),
		"appPreviewSets": with(
			behavior{
				seed:   cycle("previewType", "IPHONE_67"),
				unique: [][]string{{"appStoreVersionLocalization", "previewType"}},
			},
		),
		"appScreenshots": with(behavior{seed: cycle("assetDeliveryState", complete())}),
		"appPreviews": with(
			behavior{seed: each(cycle("assetDeliveryState", complete()), cycle("videoDeliveryState", complete()))},
		),
		"appStoreReviewDetails": with(behavior{seed: each(cycle("contactPhone", "+1 555 010 0199"),
			cycle("contactEmail", "review@example.com"), cycle("demoAccountRequired", false))}),
		"appStoreVersionReleaseRequests": {allowed: releaseAllowed, created: func(c *call, o *object) {
			if v := c.s.store.one(o, "appStoreVersion"); v != nil {
				_ = released(c, v, nil) // releaseAllowed has seen that it may
			}
		}},
	}
}

func complete() map[string]any {
	return map[string]any{"state": "COMPLETE", "errors": []any{}, "warnings": []any{}}
}

func versionMoves() []move {
	decided := append([]string{"ACCEPTED"}, underReview...)
	pending := []string{"PENDING_DEVELOPER_RELEASE", "PENDING_APPLE_RELEASE"}
	taken := slices.Concat(decided, pending, []string{"REJECTED", "METADATA_REJECTED", "INVALID_BINARY"})
	return []move{
		{"add", editable, "READY_FOR_REVIEW", versionStates},
		{"take out", []string{"READY_FOR_REVIEW"}, "PREPARE_FOR_SUBMISSION", versionStates},
		{"submit", []string{"READY_FOR_REVIEW"}, "WAITING_FOR_REVIEW", versionStates},
		{"resubmit", []string{"IN_REVIEW"}, "WAITING_FOR_REVIEW", versionStates},
		{"start", []string{"WAITING_FOR_REVIEW"}, "IN_REVIEW", versionStates},
		{"accept", underReview, "ACCEPTED", "Apple: app and submission statuses"},
		{"approve", decided, "PENDING_DEVELOPER_RELEASE", versionStates},
		{"approve to schedule", decided, "PENDING_APPLE_RELEASE", versionStates},
		{"approve and release", decided, "PROCESSING_FOR_DISTRIBUTION", versionStates},
		{"reject", underReview, "REJECTED", versionStates},
		{"reject metadata", underReview, "METADATA_REJECTED", versionStates},
		{"refuse binary", underReview, "INVALID_BINARY", versionStates},
		{"cancel", taken, "DEVELOPER_REJECTED", "seen live: a canceled submission frees its version"},
		{"release", pending, "PROCESSING_FOR_DISTRIBUTION", versionStates},
		{"distribute", []string{"PROCESSING_FOR_DISTRIBUTION"}, "READY_FOR_DISTRIBUTION", versionStates},
		{"replace", []string{"READY_FOR_DISTRIBUTION"}, "REPLACED_WITH_NEW_VERSION", versionStates},
	}
}

// olderState is the name of a version's state in the older attribute.
func olderState(state string) string {
	switch state {
	case "READY_FOR_DISTRIBUTION":
		return "READY_FOR_SALE"
	case "PROCESSING_FOR_DISTRIBUTION":
		return "PROCESSING_FOR_APP_STORE"
	}
	return state
}

// versionForm is how Apple numbers versions.
var versionForm = regexp.MustCompile(`^\d{1,9}(\.\d{1,9}){0,2}$`)

// versionAllowed: an app has one version a platform that is not on sale yet; its
// number is new, and higher than the one on sale.
func versionAllowed(c *call, o, old *object) []apiError {
	var errs []apiError
	number := o.text("versionString")
	if old != nil {
		errs = lockedAllowed(c, o, old)
		if number == old.text("versionString") {
			return errs
		}
	}
	for _, x := range c.siblings(o, old) {
		if old == nil && !slices.Contains(onSale, x.text("appVersionState")) {
			errs = append(
				errs,
				apiError{
					Status:  409,
					Code:    "ENTITY_ERROR.RELATIONSHIP.INVALID",
					Title:   "The provided entity includes a relationship with an invalid value",
					Detail:  "You cannot create a new version of the App in the current state.",
					Pointer: "/data/relationships/app",
				},
			)
		}
	}
	if !versionForm.MatchString(number) {
		return append(
			errs,
			apiError{
				Status:  409,
				Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
				Title:   "The provided entity includes an attribute with an invalid value",
				Detail:  "The version '" + number + "' has not the form 1.2.3.",
				Pointer: "/data/attributes/versionString",
			},
		)
	}
	for _, x := range c.siblings(o, old) {
		if used := x.text("versionString"); compareVersions(used, number) == 0 {
			return append(
				errs,
				apiError{
					Status:  409,
					Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE",
					Title:   "The provided entity includes an attribute with a value that has already been used",
					Detail:  "The version number has been previously used.",
					Pointer: "/data/attributes/versionString",
				},
			)
		} else if slices.Contains(onSale, x.text("appVersionState")) && compareVersions(used, number) > 0 {
			return append(errs, apiError{Status: 409, Code: "ENTITY_ERROR.ATTRIBUTE.INVALID", Title: "The provided entity includes an attribute with an invalid value",
				Detail: "The version must be higher than '" + used + "', which is on sale.", Pointer: "/data/attributes/versionString"})
		}
	}
	return errs
}

// siblings are the other versions of a version's app and platform.
func (c *call) siblings(o, old *object) (list []*object) {
	for _, x := range c.s.store.all("appStoreVersions") {
		if x != old && x.id != o.id && x.text("platform") == o.text("platform") &&
			slices.Equal(c.s.store.ids(x, "app"), c.s.store.ids(o, "app")) {
			list = append(list, x)
		}
	}
	return list
}

// compareVersions compares numbers part by part: 1.2 is 1.2.0.
func compareVersions(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(x), len(y)) {
		var m, n int
		if i < len(x) {
			m, _ = strconv.Atoi(x[i])
		}
		if i < len(y) {
			n, _ = strconv.Atoi(y[i])
		}
		if m != n {
			return m - n
		}
	}
	return 0
}
