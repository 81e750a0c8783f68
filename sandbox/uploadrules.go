package sandbox

import "slices"

// uploadRule is how one resource takes its file. Apple: uploading assets to App
// Store Connect; the schema of the resource.
type uploadRule struct {
	checksum checksumRule
	state    []string // attributes that tell the state, the last to end at the end
	done     string   // state at the end, if all is well
	kept     bool     // there is no DELETE
	needs    []string // attributes that a new one must have, beside fileName and fileSize
	of       string   // relationship that a new one must have
	oneOf    []string // relationships of which a new one must have exactly one
	alone    bool     // what it is of takes one at a time
	content  content
}

// checksumRule is what the commit may say about the bytes.
type checksumRule int

const (
	noChecksum     checksumRule = iota
	md5Checksum                 // sourceFileChecksum
	structuredSums              // sourceFileChecksums: an algorithm, and a sum of the file
)

// Attributes that tell a file's state, and the state of what can be submitted.
const (
	assetState = "assetDeliveryState"
	videoState = "videoDeliveryState"
	ownState   = "state"
	prepared   = "PREPARE_FOR_SUBMISSION"
)

// content is what a file must hold.
type content int

const (
	anything content = iota
	screenshot
	reviewShot
	eventPicture
	clipPicture
	productPicture
	gamePicture
	libraryPicture
	video
	coverage
)

// uploadRules are those of all resources that have a file, by schema.
func uploadRules() map[string]uploadRule {
	asset, assetVideo, state := []string{assetState}, []string{assetState, videoState}, []string{ownState}
	game := func(of string) uploadRule {
		return uploadRule{state: asset, done: "COMPLETE", of: of, content: gamePicture}
	}
	either := uploadRule{state: asset, done: "COMPLETE", oneOf: []string{"version", "localization"},
		content: gamePicture}
	file := func(of string, c content) uploadRule {
		return uploadRule{checksum: md5Checksum, state: asset, done: "COMPLETE", of: of, content: c}
	}
	library := func(c content) uploadRule {
		return uploadRule{state: state, done: prepared, needs: []string{"category"}, of: "assetLibrary", content: c}
	}
	product := func(of string) uploadRule {
		return uploadRule{checksum: md5Checksum, state: state, done: prepared, of: of, content: productPicture}
	}
	newer := uploadRule{state: asset, done: "COMPLETE", of: "version", content: productPicture}
	event := func(state []string, c content) uploadRule {
		return uploadRule{state: state, done: "COMPLETE", needs: []string{"appEventAssetType"},
			of: "appEventLocalization", content: c}
	}

	preview := file("appPreviewSet", video)
	preview.state = assetVideo
	clip := file("", clipPicture)
	clip.kept = true
	declaration := file("appEncryptionDeclaration", anything)
	declaration.kept = true
	purchase, subscription := file("inAppPurchaseV2", reviewShot), file("subscription", reviewShot)
	purchase.alone, subscription.alone = true, true

	return map[string]uploadRule{
		"AppScreenshot":                         file("appScreenshotSet", screenshot),
		"AppPreview":                            preview,
		"AppEventScreenshot":                    event(asset, eventPicture),
		"AppEventVideoClip":                     event(assetVideo, video),
		"AppStoreReviewAttachment":              file("appStoreReviewDetail", anything),
		"RoutingAppCoverage":                    file("appStoreVersion", coverage),
		"AppClipHeaderImage":                    file("appClipDefaultExperienceLocalization", clipPicture),
		"AppClipAdvancedExperienceImage":        clip,
		"AppEncryptionDeclarationDocument":      declaration,
		"InAppPurchaseAppStoreReviewScreenshot": purchase,
		"SubscriptionAppStoreReviewScreenshot":  subscription,
		"InAppPurchaseImage":                    product("inAppPurchase"),
		"SubscriptionImage":                     product("subscription"),
		"InAppPurchaseImageV2":                  newer,
		"SubscriptionImageV2":                   newer,
		"GameCenterAchievementImage":            game("gameCenterAchievementLocalization"),
		"GameCenterAchievementImageV2":          game("localization"),
		"GameCenterLeaderboardImage":            game("gameCenterLeaderboardLocalization"),
		"GameCenterLeaderboardImageV2":          game("localization"),
		"GameCenterLeaderboardSetImage":         game("gameCenterLeaderboardSetLocalization"),
		"GameCenterLeaderboardSetImageV2":       game("localization"),
		"GameCenterActivityImage":               either,
		"GameCenterChallengeImage":              either,
		"BuildUploadFile": {checksum: structuredSums, state: asset, done: "COMPLETE", kept: true,
			needs: []string{"assetType", "uti"}, of: "buildUpload"},
		"BackgroundAssetUploadFile": {checksum: structuredSums, state: asset, done: "COMPLETE", kept: true,
			needs: []string{"assetType"}, of: "backgroundAssetVersion"},
		"AppAssetLibraryImage": library(libraryPicture),
		"AppAssetLibraryVideo": library(video),
	}
}

// uploadRule is that of a type; of the schema, if the type has two and one of them
// is asked for. Nil if the type has no files.
func (s *Sandbox) uploadRule(typ, schema string) *uploadRule {
	schemas := s.facts.schemas[typ]
	if !slices.Contains(schemas, schema) {
		schema = ""
	}
	for _, name := range schemas {
		if rule, ok := s.uploads[name]; ok && (schema == "" || schema == name) {
			return &rule
		}
	}
	return nil
}
