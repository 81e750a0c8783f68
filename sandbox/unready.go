package sandbox

import "slices"

// shots are the display types of which each platform wants one, in the order of
// preference. Apple: screenshot specifications.
var shots = map[string][]string{
	"IOS": {"APP_IPHONE_67", "APP_IPHONE_65"}, "MAC_OS": {"APP_DESKTOP"},
	"TV_OS": {"APP_APPLE_TV"}, "VISION_OS": {"APP_APPLE_VISION_PRO"},
}

// unready are all the reasons for which a version cannot be reviewed, by the path
// of what they are about. Apple checks them when a version is added to a
// submission (seen live).
func (c *call) unready(v *object) reasons {
	r := reasons{}
	c.unreadyBuild(v, r)
	r.want(v, "copyright")
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
	c.unreadyApp(c.s.store.appOf(v), r)
	return r
}

func (c *call) unreadyBuild(v *object, r reasons) {
	build := c.s.store.one(v, "build")
	if build == nil {
		r.missing(v, "build")
		return
	}
	train := c.s.store.one(build, "preReleaseVersion")
	switch {
	case build.text("processingState") != "VALID":
		r.state(build, "The build is "+build.text("processingState")+".")
	case build.attrs["expired"] == true:
		r.state(build, "The build has expired.")
	case train != nil && (train.text("platform") != v.text("platform") || compareVersions(train.text("version"), v.text("versionString")) != 0):
		r.state(
			build,
			"The build is of version "+train.text("version")+" for "+train.text("platform")+", and does not match.",
		)
	}
	r.want(build, "usesNonExemptEncryption")
	if build.attrs["usesNonExemptEncryption"] == true && len(c.s.store.ids(build, "appEncryptionDeclaration")) == 0 {
		r.missing(build, "appEncryptionDeclaration")
	}
}

// unreadyPictures tells pictures that are not there yet.
func (c *call) unreadyPictures(localization *object, r reasons) {
	for _, set := range c.s.store.related(localization, "appScreenshotSets") {
		for _, picture := range c.s.store.related(set, "appScreenshots") {
			if delivery, _ := picture.attrs["assetDeliveryState"].(map[string]any); delivery["state"] != "COMPLETE" {
				r.state(picture, "The screenshot is still being uploaded or processed, or has failed.")
			}
		}
	}
}

// unreadyPrimary wants screenshots in the app's own language: others show these.
func (c *call) unreadyPrimary(v *object, localizations []*object, r reasons) {
	wanted := shots[v.text("platform")]
	for _, l := range localizations {
		for _, set := range c.s.store.related(l, "appScreenshotSets") {
			if slices.Contains(wanted, set.text("screenshotDisplayType")) &&
				len(c.s.store.ids(set, "appScreenshots")) > 0 {
				return
			}
		}
	}
	if len(wanted) > 0 && len(localizations) > 0 {
		r.add(
			localizations[0],
			apiError{
				Status: 409,
				Code:   "STATE_ERROR.SCREENSHOT_REQUIRED." + wanted[0],
				Title:  "A screenshot is missing",
				Detail: "A screenshot of display type " + wanted[0] + " is required.",
			},
		)
	}
}

// unreadyApp looks at what is the same for all versions of an app.
func (c *call) unreadyApp(app *object, r reasons) {
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
				Detail: "Answer the questions about App Privacy, and publish them, on the website of App Store Connect."},
		}
	}
	info := c.editInfo(app)
	if info == nil {
		return
	}
	if c.s.store.one(info, "primaryCategory") == nil {
		r.missing(info, "primaryCategory")
	}
	for _, l := range c.s.store.related(info, "appInfoLocalizations") {
		r.want(l, "name", "privacyPolicyUrl")
	}
	if rating := c.s.store.one(info, "ageRatingDeclaration"); rating != nil {
		r.want(rating, ageQuestions...)
	}
}

// privacyUnpublished marks an app whose privacy answers are not published: no
// part of Apple's API says so.
const privacyUnpublished = "privacyUnpublished"

// ageQuestions must be answered since 2026. Apple: age ratings; seen live.
var ageQuestions = []string{
	"advertising",
	"ageAssurance",
	"gunsOrOtherWeapons",
	"healthOrWellnessTopics",
	"lootBox",
	"messagingAndChat",
	"parentalControls",
	"userGeneratedContent",
}

// reasons are errors by the path of what they are about.
type reasons map[string][]apiError

func (r reasons) add(o *object, e apiError) {
	at := "/v1/" + o.typ + "/" + o.id
	r[at] = append(r[at], e)
}

// want tells attributes that are not set.
func (r reasons) want(o *object, names ...string) {
	for _, name := range names {
		if v := o.attrs[name]; v == nil || v == "" {
			r.add(
				o,
				apiError{
					Status:  409,
					Code:    "ENTITY_ERROR.ATTRIBUTE.REQUIRED",
					Title:   "The provided entity is missing a required attribute",
					Detail:  "You must provide a value for the attribute '" + name + "' with this request",
					Pointer: "/data/attributes/" + name,
				},
			)
		}
	}
}

func (r reasons) missing(o *object, rel string) {
	r.add(
		o,
		apiError{
			Status:  409,
			Code:    "ENTITY_ERROR.RELATIONSHIP.REQUIRED",
			Title:   "The provided entity is missing a required relationship",
			Detail:  "You must provide a value for the relationship '" + rel + "' with this request",
			Pointer: "/data/relationships/" + rel,
		},
	)
}

func (r reasons) state(o *object, detail string) { r.add(o, stateError("", detail)[0]) }

// contact checks whom App Review may ask.
func (r reasons) contact(detail *object) {
	r.want(detail, "contactFirstName", "contactLastName", "contactEmail", "contactPhone")
	if phone := detail.text("contactPhone"); phone != "" && phone[0] != '+' {
		r.add(
			detail,
			apiError{
				Status:  409,
				Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
				Title:   "The provided entity includes an attribute with an invalid value",
				Detail:  "The phone number must begin with a plus sign and the country code.",
				Pointer: "/data/attributes/contactPhone",
			},
		)
	}
	if detail.attrs["demoAccountRequired"] == true {
		r.want(detail, "demoAccountName", "demoAccountPassword")
	}
}
