package sandbox

import (
	"slices"
	"strings"
)

// shot is a display of which a platform wants a screenshot: its name as a display
// type of sets, and as a group of placements of the App Asset Library.
type shot struct{ display, group string }

// shots are the displays of which each platform wants one, in the order of
// preference. Apple: screenshot specifications.
var shots = map[string][]shot{
	"IOS": {
		{"APP_IPHONE_67", "IPHONE_DYNAMIC_ISLAND_LARGE_PROFILE"},
		{"APP_IPHONE_65", "IPHONE_FACE_ID_LARGE_PROFILE"},
	},
	"MAC_OS":    {{"APP_DESKTOP", "MAC_PROFILE"}},
	"TV_OS":     {{"APP_APPLE_TV", "TV_PROFILE"}},
	"VISION_OS": {{"APP_APPLE_VISION_PRO", "VISION_PRO_PROFILE"}},
}

// unready are all the reasons for which a version cannot be reviewed, by the path
// of what they are about. Apple checks them when a version is added to a
// submission (seen live).
func (c *call) unready(v *object) reasons {
	r := reasons{}
	c.unreadyBuild(v, r)
	r.want(v, "copyright")
	if v.text("releaseType") == "SCHEDULED" {
		r.want(v, "earliestReleaseDate")
	}
	first := len(c.siblings(v, v)) == 0
	localizations := c.s.store.related(v, "appStoreVersionLocalizations")
	if len(localizations) == 0 {
		r.missing(v, "appStoreVersionLocalizations")
	}
	for _, l := range localizations {
		r.want(l, "description", "keywords", "supportUrl")
		if !first {
			r.want(l, "whatsNew")
		}
		c.unreadyPictures(l, r)
	}
	c.unreadyPrimary(v, localizations, r)
	if detail := c.s.store.one(v, "appStoreReviewDetail"); detail == nil {
		r.missing(v, "appStoreReviewDetail")
	} else {
		r.contact(detail)
	}
	c.unreadyApp(v, r)
	return r
}

func (c *call) unreadyBuild(v *object, r reasons) {
	build := c.s.store.one(v, "build")
	if build == nil {
		r.missing(v, "build")
		return
	}
	train := c.s.store.one(build, "preReleaseVersion")
	fits := train == nil || train.text("platform") == v.text("platform") &&
		compareVersions(train.text("version"), v.text("versionString")) == 0
	switch {
	case build.text("processingState") != "VALID":
		r.state(build, "The build is "+build.text("processingState")+".")
	case build.attrs["expired"] == true:
		r.state(build, "The build has expired.")
	case !fits:
		r.state(
			build,
			"The build is of version "+train.text("version")+" for "+train.text("platform")+", and does not match.",
		)
	}
	r.want(build, "usesNonExemptEncryption")
	if build.attrs["usesNonExemptEncryption"] != true {
		return
	}
	declaration := c.s.store.one(build, "appEncryptionDeclaration")
	if declaration == nil {
		r.missing(build, "appEncryptionDeclaration")
	} else if state := declaration.text("appEncryptionDeclarationState"); state != "APPROVED" {
		r.state(declaration, "The declaration about encryption is "+state+", not APPROVED.")
	}
}

// unreadyPictures tells pictures and previews that are not there yet.
func (c *call) unreadyPictures(localization *object, r reasons) {
	for _, kind := range []struct{ sets, files, state string }{
		{"appScreenshotSets", "appScreenshots", "assetDeliveryState"},
		{"appPreviewSets", "appPreviews", "videoDeliveryState"},
	} {
		for _, set := range c.s.store.related(localization, kind.sets) {
			for _, file := range c.s.store.related(set, kind.files) {
				if delivery, _ := file.attrs[kind.state].(map[string]any); delivery["state"] != "COMPLETE" {
					r.state(file, "The file is still being uploaded or processed, or has failed.")
				}
			}
		}
	}
}

// unreadyPrimary wants screenshots in the app's own language: the others show these.
func (c *call) unreadyPrimary(v *object, localizations []*object, r reasons) {
	wanted := shots[v.text("platform")]
	if len(wanted) == 0 || len(localizations) == 0 {
		return
	}
	primary := localizations[0]
	for _, l := range localizations {
		if app := c.s.store.appOf(v); app != nil && localeOf(l.text("locale")) == localeOf(app.text("primaryLocale")) {
			primary = l
		}
	}
	if slices.ContainsFunc(wanted, func(s shot) bool { return c.shows(primary, s) }) {
		return
	}
	r.add(primary, apiError{
		Status: 409,
		Code:   "STATE_ERROR.SCREENSHOT_REQUIRED." + wanted[0].display,
		Title:  "A screenshot is missing",
		Detail: "A screenshot of display type " + wanted[0].display + " is required.",
	})
}

// shows says whether a localization has a screenshot of a display, in a set or from
// the App Asset Library.
func (c *call) shows(localization *object, s shot) bool {
	for _, set := range c.s.store.related(localization, "appScreenshotSets") {
		if set.text("screenshotDisplayType") == s.display && len(c.s.store.ids(set, "appScreenshots")) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(c.s.store.related(localization, "placements"), func(p *object) bool {
		return p.text("placementType") == "APP_SCREENSHOT" && p.text("placementGroup") == s.group && c.fileOf(p) == nil
	})
}

// unreadyApp looks at what is the same for all versions of an app.
func (c *call) unreadyApp(v *object, r reasons) {
	app := c.s.store.appOf(v)
	if app == nil {
		return
	}
	r.want(app, "contentRightsDeclaration")
	for _, rel := range []string{"appPriceSchedule", "appAvailabilityV2"} {
		if c.s.store.one(app, rel) == nil {
			r.missing(app, rel)
		}
	}
	if app.attrs[privacyUnpublished] == true {
		r["/v1/appDataUsages/"] = []apiError{
			{Status: 409, Code: "STATE_ERROR.APP_DATA_USAGES_REQUIRED", Title: "App privacy is missing",
				Detail: "Answer the questions about App Privacy, and publish them, " +
					"on the website of App Store Connect."},
		}
	}
	infos := c.s.store.related(app, "appInfos")
	if len(infos) == 0 {
		r.missing(app, "appInfos")
		return
	}
	info := c.editInfo(app)
	if info == nil { // that of another platform's version is under review
		info = infos[len(infos)-1]
	}
	if c.s.store.one(info, "primaryCategory") == nil {
		r.missing(info, "primaryCategory")
	}
	for _, l := range c.s.store.related(info, "appInfoLocalizations") {
		r.want(l, "name", "privacyPolicyUrl")
		if v.text("platform") == "TV_OS" { // which has no browser
			r.want(l, "privacyPolicyText")
		}
	}
	c.unreadyRating(info, r)
}

// unreadyRating wants an answer to each question about the age rating: null is none.
func (c *call) unreadyRating(info *object, r reasons) {
	rating := c.s.store.one(info, "ageRatingDeclaration")
	if rating == nil {
		r.missing(info, "ageRatingDeclaration")
		return
	}
	r.want(rating, ageQuestions...)
	if rating.attrs["socialMedia"] == true {
		r.want(rating, "socialMediaAgeRestricted")
	}
}

// privacyUnpublished marks an app whose privacy answers are not published: no
// part of Apple's API says so.
const privacyUnpublished = "privacyUnpublished"

// ageQuestions must all be answered, those of 2025 and 2026 too. Apple:
// AgeRatingDeclaration; age ratings, values and definitions.
var ageQuestions = strings.Fields("advertising ageAssurance alcoholTobaccoOrDrugUseOrReferences contests gambling " +
	"gamblingSimulated gunsOrOtherWeapons healthOrWellnessTopics horrorOrFearThemes lootBox matureOrSuggestiveThemes " +
	"medicalOrTreatmentInformation messagingAndChat parentalControls profanityOrCrudeHumor " +
	"sexualContentGraphicAndNudity sexualContentOrNudity socialMedia unrestrictedWebAccess userGeneratedContent " +
	"violenceCartoonOrFantasy violenceRealistic violenceRealisticProlongedGraphicOrSadistic")
