package sandbox

import "slices"

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
	return map[string]behavior{
		"appStoreVersions": {
			seed: each(cycle("versionString", "1.0", "1.1", "2.0"), cycle("platform", "IOS"),
				cycle("appStoreState", "READY_FOR_SALE"), cycle("appVersionState", "READY_FOR_DISTRIBUTION"),
				cycle("releaseType", "AFTER_APPROVAL")),
			allowed: versionAllowed, removable: lockedRemovable, relating: lockedRelating,
			created: versionCreated, updated: versionUpdated, removed: versionRemoved,
			machines: []machine{{attr: "appVersionState", moves: versionMoves()}},
			moved:    versionMoved,
			acts: map[string]act{
				"distribute": {
					own: true,
					do:  func(c *call, o *object, _ map[string]any) error { return c.move(o, "distribute") },
				},
				"release": {own: true, do: dateCome},
			},
		},
		"appStoreVersionLocalizations": {
			unique:  [][]string{{"appStoreVersion", "locale"}},
			allowed: (*call).firstNews,
			owns:    shows,
		},
		"appScreenshotSets": {
			oneOf:  shownIn,
			seed:   cycle("screenshotDisplayType", "APP_IPHONE_67"),
			unique: [][]string{{"appStoreVersionLocalization", "screenshotDisplayType"}},
		},
		"appPreviewSets": {
			oneOf:  shownIn,
			seed:   cycle("previewType", "IPHONE_67"),
			unique: [][]string{{"appStoreVersionLocalization", "previewType"}},
		},
		"appScreenshots": {seed: cycle("assetDeliveryState", complete()), allowed: (*call).full},
		"appPreviews": {
			seed:    each(cycle("assetDeliveryState", complete()), cycle("videoDeliveryState", complete())),
			allowed: (*call).full,
		},
		"appStoreReviewDetails": {
			unique: [][]string{{"appStoreVersion"}},
			seed: each(cycle("contactPhone", "+1 555 010 0199"),
				cycle("contactEmail", "review@example.com"), cycle("demoAccountRequired", false)),
		},
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
	taken := slices.Concat(decided, pendingRelease, []string{"REJECTED", "METADATA_REJECTED", "INVALID_BINARY"})
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
		{"schedule", pendingRelease[:1], "PENDING_APPLE_RELEASE", "seen live: a date set after the approval counts"},
		{"release", pendingRelease, "PROCESSING_FOR_DISTRIBUTION", versionStates},
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
