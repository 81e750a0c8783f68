package sandbox

import "slices"

// reviewKind is a kind of thing that App Review looks at, beside versions.
type reviewKind struct {
	attr      string   // attribute that holds the state
	drafts    []string // states in which it is not submitted yet; new ones have the first
	approved  string
	withdrawn string // state of what was taken back
}

// kindsOfReview are all kinds but versions and background assets, by type. Apple
// documents the values of each state; what leads from one to the next is the same.
func kindsOfReview() map[string]reviewKind {
	const draft, back = "PREPARE_FOR_SUBMISSION", "DEVELOPER_REJECTED"
	page := reviewKind{"state", []string{draft}, "APPROVED", draft}
	product := reviewKind{"state", []string{draft}, "APPROVED", back}
	game := reviewKind{"state", []string{draft}, "LIVE", back}
	return map[string]reviewKind{
		"appCustomProductPageVersions":     page,
		"appStoreVersionExperiments":       page,
		libraryImages:                      page,
		libraryVideos:                      page,
		"appEvents":                        {"eventState", []string{"DRAFT"}, "APPROVED", "DRAFT"},
		"inAppPurchaseVersions":            product,
		"subscriptionVersions":             product,
		"subscriptionGroupVersions":        product,
		"gameCenterAchievementVersions":    game,
		"gameCenterActivityVersions":       game,
		"gameCenterChallengeVersions":      game,
		"gameCenterLeaderboardVersions":    game,
		"gameCenterLeaderboardSetVersions": game,
	}
}

// reviewKinds: what can be submitted to App Review beside versions, or with them.
func reviewKinds() map[string]behavior {
	all := map[string]behavior{}
	for typ, k := range kindsOfReview() {
		b := behavior{
			placed:    []string{"image"},
			seed:      cycle(k.attr, k.approved),
			machines:  []machine{k.machine()},
			allowed:   lockedAllowed,
			removable: lockedRemovable,
			relating:  lockedRelating,
		}
		if typ == "appEvents" {
			appEvent(&b)
		}
		if typ == libraryImages || typ == libraryVideos {
			libraryAsset(&b)
		} else if of := gameVersions[typ]; of != "" {
			gameVersion(&b, of)
		} else if typ == "appStoreVersionExperiments" {
			experiment(&b)
		} else {
			b.created = setting(map[string]any{k.attr: k.drafts[0]})
		}
		switch typ {
		case "inAppPurchaseVersions":
			b.moved, b.created = productVersionMoved("inAppPurchase"), newVersion("inAppPurchase")
		case "subscriptionVersions":
			b.moved, b.created = productVersionMoved("subscription"), newVersion("subscription")
		case "subscriptionGroupVersions":
			b.created = newVersion("subscriptionGroup")
		}
		all[typ] = b
	}
	return all
}

// newVersion counts the versions of a product.
func newVersion(of string) func(c *call, o *object) {
	return func(c *call, o *object) {
		o.attrs["state"] = "PREPARE_FOR_SUBMISSION"
		last := int64(0)
		if product := c.s.store.one(o, of); product != nil {
			for _, v := range c.s.store.related(product, "versions") {
				n, _ := number(v.attrs["version"])
				last = max(last, n)
			}
		}
		o.attrs["version"] = last + 1
	}
}

// machine is the life of a kind's state, as far as App Review goes.
func (k reviewKind) machine() machine {
	const source = "Apple: app and submission statuses"
	editable := append(slices.Clone(k.drafts), "REJECTED")
	if !slices.Contains(editable, k.withdrawn) {
		editable = append(editable, k.withdrawn)
	}
	return machine{attr: k.attr, moves: []move{
		{"add", editable, "READY_FOR_REVIEW", source},
		{"take out", []string{"READY_FOR_REVIEW"}, k.drafts[0], source},
		{"submit", []string{"READY_FOR_REVIEW"}, "WAITING_FOR_REVIEW", source},
		{"resubmit", []string{"IN_REVIEW"}, "WAITING_FOR_REVIEW", source},
		{"start", []string{"WAITING_FOR_REVIEW"}, "IN_REVIEW", source},
		{"accept", underReview, "ACCEPTED", source},
		{"approve", append([]string{"ACCEPTED"}, underReview...), k.approved, source},
		{"reject", underReview, "REJECTED", source},
		{"cancel", append([]string{"ACCEPTED", "REJECTED"}, underReview...), k.withdrawn, source},
	}}
}

// assetReview is the life of a background asset's release in the App Store, which
// App Review decides on.
var assetReview = reviewKind{
	attr:      "state",
	drafts:    []string{"PREPARE_FOR_SUBMISSION"},
	approved:  "READY_FOR_DISTRIBUTION",
	withdrawn: "PREPARE_FOR_SUBMISSION",
}

// reviewed is what holds the state of the review of something: a background asset's
// release, or the thing itself.
func (c *call) reviewed(subject *object) *object {
	if subject.typ != "backgroundAssetVersions" {
		return subject
	}
	if release := c.s.store.one(subject, "appStoreRelease"); release != nil {
		return release
	}
	release := c.spawn("backgroundAssetVersionAppStoreReleases")
	release.attrs["state"] = assetReview.drafts[0]
	c.s.store.link(release, "backgroundAssetVersion", subject.id)
	return release
}
