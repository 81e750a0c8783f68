package uploads

// checksum is what the commit of a file may say about its bytes.
type checksum int

const (
	noSum      checksum = iota
	md5Sum              // sourceFileChecksum
	structured          // sourceFileChecksums: Apple refuses some algorithms, so none is sent
)

// fact is what is known of a resource that has a file. Most can be seen in Apple's
// document as well: a test compares the two, so that none is forgotten.
type fact struct {
	sum    checksum
	state  []string // attributes that tell the state; the last decides, the others only where they are told
	done   []string // words of the last one that mean: it can be used
	kept   bool     // there is no DELETE
	needs  []string // what a new one must have beside fileName and fileSize
	either []string // relationships of which a new one must have exactly one
	most   int      // files of one owner; 0: not known
}

// Attributes that tell a state, and words of it.
const (
	assetState = "asset_delivery_state"
	videoState = "video_delivery_state"
	ownState   = "state"
	complete   = "COMPLETE"
	failedWord = "FAILED"
	awaiting   = "AWAITING_UPLOAD"
)

// prepared are the states of what can be, or was, submitted: Apple has taken it.
var prepared = []string{"PREPARE_FOR_SUBMISSION", "READY_FOR_REVIEW", "WAITING_FOR_REVIEW", "IN_REVIEW", "ACCEPTED",
	"APPROVED", "REJECTED", "ARCHIVED"}

// facts are those of all resources with a file, by Apple's schema. Sources: Apple's
// document, and Apple's article about uploading assets. That a set has ten
// screenshots or three previews is told by Apple's help.
var facts = map[string]fact{
	"AppAssetLibraryImage":             library,
	"AppAssetLibraryVideo":             library,
	"AppClipAdvancedExperienceImage":   {sum: md5Sum, state: asset, done: ready, kept: true},
	"AppClipHeaderImage":               owned(md5Sum, "app_clip_default_experience_localization"),
	"AppEncryptionDeclarationDocument": {sum: md5Sum, state: asset, done: ready, kept: true, needs: []string{"app_encryption_declaration"}},
	"AppEventScreenshot":               owned(noSum, "app_event_asset_type", "app_event_localization"),
	"AppEventVideoClip": {state: video, done: ready,
		needs: []string{"app_event_asset_type", "app_event_localization"}},
	"AppPreview":               {sum: md5Sum, state: video, done: ready, needs: []string{"app_preview_set"}, most: 3},
	"AppScreenshot":            {sum: md5Sum, state: asset, done: ready, needs: []string{"app_screenshot_set"}, most: 10},
	"AppStoreReviewAttachment": owned(md5Sum, "app_store_review_detail"),
	"BackgroundAssetUploadFile": {sum: structured, state: asset, done: ready, kept: true,
		needs: []string{"asset_type", "background_asset_version"}},
	"BuildUploadFile": {sum: structured, state: asset, done: ready, kept: true,
		needs: []string{"asset_type", "uti", "build_upload"}},
	"GameCenterAchievementImage":            owned(noSum, "game_center_achievement_localization"),
	"GameCenterAchievementImageV2":          owned(noSum, "localization"),
	"GameCenterActivityImage":               {state: asset, done: ready, either: []string{"localization", "version"}},
	"GameCenterChallengeImage":              {state: asset, done: ready, either: []string{"localization", "version"}},
	"GameCenterLeaderboardImage":            owned(noSum, "game_center_leaderboard_localization"),
	"GameCenterLeaderboardImageV2":          owned(noSum, "localization"),
	"GameCenterLeaderboardSetImage":         owned(noSum, "game_center_leaderboard_set_localization"),
	"GameCenterLeaderboardSetImageV2":       owned(noSum, "localization"),
	"InAppPurchaseAppStoreReviewScreenshot": owned(md5Sum, "in_app_purchase_v2"),
	"InAppPurchaseImage":                    product("in_app_purchase"),
	"InAppPurchaseImageV2":                  owned(noSum, "version"),
	"RoutingAppCoverage":                    owned(md5Sum, "app_store_version"),
	"SubscriptionAppStoreReviewScreenshot":  owned(md5Sum, "subscription"),
	"SubscriptionImage":                     product("subscription"),
	"SubscriptionImageV2":                   owned(noSum, "version"),
}

var (
	asset = []string{assetState}
	video = []string{assetState, videoState}
	ready = []string{complete}
	// COMPLETE of the library is passed through.
	library = fact{state: []string{ownState}, done: prepared, needs: []string{"category", "asset_library"}}
)

// owned is a file that belongs to something, and is ready when it is COMPLETE.
func owned(sum checksum, needs ...string) fact {
	return fact{sum: sum, state: asset, done: ready, needs: needs}
}

// product is an image of a purchase, version 1 of Apple's API.
func product(of string) fact {
	return fact{sum: md5Sum, state: []string{ownState}, done: prepared, needs: []string{of}}
}
