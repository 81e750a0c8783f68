package sandbox

import (
	"maps"
	"slices"
)

// subject is what an item asks to be reviewed.
func (c *call) subject(item *object) (rel string, o *object) {
	for _, rel := range sortedKeys(item.rels) {
		if o := c.s.store.one(item, rel); o != nil && rel != "reviewSubmission" {
			return rel, o
		}
	}
	return "", nil
}

// itemAllowed is where Apple looks at everything: what is missing is told in
// associated errors, all at once.
func itemAllowed(c *call, o, old *object) []apiError {
	if old != nil {
		return nil
	}
	submission := c.s.store.one(o, "reviewSubmission")
	if state := submission.text("state"); state != "READY_FOR_REVIEW" && state != "UNRESOLVED_ISSUES" {
		return stateError(
			"/data/relationships/reviewSubmission",
			"Nothing can be added to a submission that is "+state+".",
		)
	}
	rel, subject := c.subject(o)
	if subject == nil {
		return []apiError{
			{
				Status:  409,
				Code:    "ENTITY_ERROR.RELATIONSHIP.REQUIRED",
				Title:   "The provided entity is missing a required relationship",
				Detail:  "Name what is to be reviewed.",
				Pointer: "/data/relationships",
			},
		}
	}
	missing := map[string][]apiError{}
	if holder := c.holder(rel, subject); holder != nil {
		missing["/v1/"+subject.typ+"/"+subject.id] = []apiError{
			{Status: 409, Code: "STATE_ERROR.ITEM_PART_OF_ANOTHER_SUBMISSION",
				Title:  "The item is part of another submission",
				Detail: subject.typ + " with id " + subject.id + " was added to the reviewSubmission with id " + holder.id + " already."},
		}
	} else if subject.typ == "appStoreVersions" {
		missing = c.unready(subject)
	}
	if len(missing) == 0 {
		return nil
	}
	errs := stateError(
		"/data/relationships/"+rel,
		subject.typ+" with id "+subject.id+" is not in a valid state: see the associated errors.",
	)
	errs[0].Associated = missing
	return errs
}

// holder is the open submission that something is part of; nil if it is of none.
func (c *call) holder(rel string, subject *object) *object {
	for _, item := range c.s.store.all("reviewSubmissionItems") {
		if state := item.text("state"); state == "REMOVED" || state == "APPROVED" ||
			!slices.Contains(item.rels[rel], subject.id) {
			continue
		}
		if s := c.s.store.one(item, "reviewSubmission"); s != nil && s.text("state") != "COMPLETE" &&
			s.text("state") != "CANCELING" {
			return s
		}
	}
	return nil
}

// itemCreated: a version that is in a draft is ready for review.
func itemCreated(c *call, o *object) {
	o.attrs["state"] = "READY_FOR_REVIEW"
	if v := c.s.store.one(o, "appStoreVersion"); v != nil {
		_ = c.move(v, "add") // itemAllowed has seen that it may
		c.s.store.link(c.s.store.one(o, "reviewSubmission"), "appStoreVersionForReview", v.id)
	}
}

// itemUpdated follows {removed: true} and {resolved: true}.
func itemUpdated(c *call, o *object) {
	switch {
	case o.attrs["removed"] == true:
		if c.move(o, "remove") == nil {
			c.withdraw(o.rels["appStoreVersion"])
		}
	case o.attrs["resolved"] == true:
		_ = c.move(o, "resolve") // only what was rejected
	}
}

// withdraw takes versions out of a draft, or back from review.
func (c *call) withdraw(ids []string) {
	for _, id := range ids {
		if v := c.s.store.get("appStoreVersions", id); v != nil && c.move(v, "take out") != nil {
			_ = c.move(v, "cancel") // of what is reviewed already nothing is taken back
		}
	}
}

// itemRemovable: what was submitted cannot be deleted.
func itemRemovable(c *call, o *object) []apiError {
	if s := c.s.store.one(o, "reviewSubmission"); s != nil && s.text("state") != "READY_FOR_REVIEW" {
		return stateError("", "Item was already submitted.")
	}
	return nil
}

func itemRemoved(c *call, o *object) { c.withdraw(o.rels["appStoreVersion"]) }

// shots are the display types of which each platform wants one, in the order of
// preference. Apple: screenshot specifications.
var shots = map[string][]string{
	"IOS": {"APP_IPHONE_67", "APP_IPHONE_65"}, "MAC_OS": {"APP_DESKTOP"},
	"TV_OS": {"APP_APPLE_TV"}, "VISION_OS": {"APP_APPLE_VISION_PRO"},
}

// unready are all the reasons for which a version cannot be reviewed, by the path
// of what they are about. Apple checks them when a version is added to a
// submission (seen live).
func (c *call) unready(v *object) map[string][]apiError {
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

func (r reasons) state(o *object, detail string) {
	maps.Copy(
		r,
		map[string][]apiError{"/v1/" + o.typ + "/" + o.id: append(r["/v1/"+o.typ+"/"+o.id], stateError("", detail)...)},
	)
}

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
