package sandbox

import (
	"slices"
	"strings"
)

// productMoves is the life of the state of in-app purchases and subscriptions. Before a
// review the state is not kept: it follows from what is there, see productState.
func productMoves() []move {
	const source = "Apple: in-app purchase statuses"
	return []move{
		{"submit", []string{"READY_TO_SUBMIT", "REJECTED", "DEVELOPER_ACTION_NEEDED"}, "WAITING_FOR_REVIEW", source},
		{"start", []string{"WAITING_FOR_REVIEW"}, "IN_REVIEW", source},
		{"approve", underReview, "APPROVED", source},
		{"reject", underReview, "REJECTED", source},
		{"cancel", underReview, "READY_TO_SUBMIT", source},
	}
}

// productBehavior is what in-app purchases and subscriptions have in common.
func productBehavior(b behavior) behavior {
	b.machines = []machine{{attr: "state", moves: productMoves()}}
	b.moved = productMoved
	b.removable = productRemovable
	b.show = func(c *call, o *object) map[string]any { return map[string]any{"state": c.s.store.productState(o)} }
	b.acts = map[string]act{
		"start":   moving("start", "App Review begins, of a product that was submitted alone"),
		"approve": moving("approve", "App Review approves the product"),
		"reject":  moving("reject", "App Review rejects the product"),
		"decide":  {own: true, does: "App Review has decided", do: productDecided},
	}
	return b
}

// productState is the state of an in-app purchase or a subscription. Until it is
// submitted it follows from what is there.
func (s *store) productState(o *object) string {
	state := o.text("state")
	if state != "MISSING_METADATA" && state != "READY_TO_SUBMIT" {
		return state
	}
	if len(s.unreadyProduct(o)) > 0 {
		return "MISSING_METADATA"
	}
	return "READY_TO_SUBMIT"
}

// unreadyProduct are the reasons for which a product cannot be reviewed.
func (s *store) unreadyProduct(o *object) reasons {
	r := reasons{}
	localizations := "inAppPurchaseLocalizations"
	if o.typ == "subscriptions" {
		localizations = "subscriptionLocalizations"
	}
	if !s.localized(o, localizations) {
		r.missing(o, localizations)
	}
	if shot := s.one(o, "appStoreReviewScreenshot"); shot == nil {
		r.missing(o, "appStoreReviewScreenshot")
	} else if delivery, _ := shot.attrs["assetDeliveryState"].(map[string]any); delivery["state"] != "COMPLETE" {
		r.state(shot, "The file is still being uploaded or processed, or has failed.")
	}
	if o.typ == "subscriptions" {
		s.unreadySubscription(o, r)
		return r
	}
	for _, rel := range []string{"iapPriceSchedule", "inAppPurchaseAvailability"} {
		if s.one(o, rel) == nil {
			r.missing(o, rel)
		}
	}
	return r
}

// unreadyVersion are the reasons for which a version of a product cannot be reviewed.
func (c *call) unreadyVersion(v *object, product string) reasons {
	if of := c.s.store.one(v, product); of != nil {
		return c.s.store.unreadyProduct(of)
	}
	return reasons{}
}

// localized says whether a product or group has a text in some language, its own or one
// of a version.
func (s *store) localized(o *object, rel string) bool {
	return len(s.ids(o, rel)) > 0 || slices.ContainsFunc(s.related(o, "versions"), func(v *object) bool {
		return len(s.ids(v, "localizations")) > 0
	})
}

// unreadySubscription wants a period, a price in each territory in which it can be had
// (seen live: fewer is not ready), and a group with a name for customers.
func (s *store) unreadySubscription(o *object, r reasons) {
	r.want(o, "subscriptionPeriod")
	if group := s.one(o, "group"); group != nil && !s.localized(group, "subscriptionGroupLocalizations") {
		r.missing(group, "subscriptionGroupLocalizations")
	}
	priced := map[string]bool{}
	for _, price := range s.related(o, "prices") {
		if planOf(price) == upfront {
			priced[strings.Join(price.rels["territory"], "")] = true
		}
	}
	where := append(s.related(o, "subscriptionAvailability"), s.related(o, "planAvailabilities")...)
	if len(where) == 0 {
		r.missing(o, "subscriptionAvailability")
	}
	if len(priced) == 0 {
		r.missing(o, "prices")
		return
	}
	for _, a := range where {
		for _, t := range s.ids(a, "availableTerritories") {
			if !priced[t] {
				r.state(o, "The subscription has no price in territory "+t+", in which it is available.")
				return
			}
		}
	}
}

// productMoved: the texts of a product go with it. Those of its group are approved with
// it, if they wait.
func productMoved(c *call, o *object, _, _, is string) {
	state := is
	switch is {
	case "IN_REVIEW":
		return
	case "READY_TO_SUBMIT":
		state = "PREPARE_FOR_SUBMISSION"
	}
	for _, rel := range []string{"inAppPurchaseLocalizations", "subscriptionLocalizations"} {
		for _, l := range c.s.store.related(o, rel) {
			l.attrs["state"] = state
		}
	}
	group := c.s.store.one(o, "group")
	if group == nil || is != "APPROVED" {
		return
	}
	for _, l := range c.s.store.related(group, "subscriptionGroupLocalizations") {
		if l.text("state") == "WAITING_FOR_REVIEW" {
			l.attrs["state"] = "APPROVED"
		}
	}
}

// productVersionMoved: a product goes through App Review as its version does, until it was
// approved for the first time.
func productVersionMoved(product string) func(c *call, o *object, attr, was, is string) {
	return func(c *call, o *object, _, _, is string) {
		of := c.s.store.one(o, product)
		on := map[string]string{
			"WAITING_FOR_REVIEW": "submit", "IN_REVIEW": "start", "APPROVED": "approve", "REJECTED": "reject",
			"DEVELOPER_REJECTED": "cancel", "PREPARE_FOR_SUBMISSION": "cancel",
		}[is]
		if of == nil || on == "" {
			return
		}
		c.settleState(of)
		_ = c.move(of, on) // one that is approved stays so
	}
}

// settleState keeps the state that a product has, for its machine to go on from.
func (c *call) settleState(product *object) { product.attrs["state"] = c.s.store.productState(product) }

// productRemovable: nothing can be deleted that is before App Review.
func productRemovable(_ *call, o *object) []apiError {
	if slices.Contains(underReview, o.text("state")) {
		return stateError("", "The resource cannot be deleted while it is "+o.text("state")+".")
	}
	return nil
}

// submissions: the older way to submit a product, alone.
func submissions() map[string]behavior {
	return map[string]behavior{
		"inAppPurchaseSubmissions": {
			allowed: submissionOf("inAppPurchaseV2", "FIRST_IAP_MUST_BE_SUBMITTED_ON_VERSION"),
			created: submitsProduct("inAppPurchaseV2"),
		},
		"subscriptionSubmissions": {
			allowed: submissionOf("subscription", "FIRST_SUBSCRIPTION_MUST_BE_SUBMITTED_ON_VERSION"),
			created: submitsProduct("subscription"),
		},
		"subscriptionGroupSubmissions": {allowed: groupSubmissionAllowed, created: groupSubmitted},
	}
}

// submissionOf judges the submission of a product alone: everything must be there, and
// an app's first goes with a version of the app (seen live, with this code).
func submissionOf(rel, first string) func(c *call, o, old *object) []apiError {
	return func(c *call, o, _ *object) []apiError {
		product, at := c.s.store.one(o, rel), "/data/relationships/"+rel
		if product == nil {
			return nil
		}
		state := c.s.store.productState(product)
		switch {
		case state == "MISSING_METADATA":
			return notReady(product, at, c.s.store.unreadyProduct(product))
		case !slices.Contains([]string{"READY_TO_SUBMIT", "REJECTED", "DEVELOPER_ACTION_NEEDED"}, state):
			return stateError(at, "The resource is "+state+", and cannot be submitted.")
		case !c.sold(product):
			return []apiError{{
				Status: 409,
				Code:   "STATE_ERROR." + first,
				Title:  "The request cannot be fulfilled because of the state of another resource.",
				Detail: "The first in-app purchase for an app must be submitted for review at the same time " +
					"that you submit an app version.",
				Pointer: at,
			}}
		}
		return nil
	}
}

// sold says whether an app has sold a product of a kind already: one that App Review
// has seen.
func (c *call) sold(product *object) bool {
	app := c.s.store.appOf(product)
	return slices.ContainsFunc(c.s.store.all(product.typ), func(x *object) bool {
		state := x.text("state")
		return c.s.store.appOf(x) == app &&
			!slices.Contains([]string{"", "MISSING_METADATA", "READY_TO_SUBMIT", "WAITING_FOR_REVIEW"}, state)
	})
}

// submitsProduct brings a product before App Review.
func submitsProduct(rel string) func(c *call, o *object) {
	return func(c *call, o *object) {
		product := c.s.store.one(o, rel)
		if product == nil {
			return
		}
		c.settleState(product)
		if c.move(product, "submit") != nil {
			return
		}
		if took := c.s.cfg.Auto.Review; took > 0 {
			c.decideAfter(took, product, "start", nil)
		}
	}
}

// productDecided is what a review that happens by itself comes to.
func productDecided(c *call, o *object, _ map[string]any) error {
	if c.approves() {
		return c.move(o, "approve")
	}
	return c.move(o, "reject")
}

// groupSubmissionAllowed wants a group to have a name for customers.
func groupSubmissionAllowed(c *call, o, _ *object) []apiError {
	group := c.s.store.one(o, "subscriptionGroup")
	if group == nil || c.s.store.localized(group, "subscriptionGroupLocalizations") {
		return nil
	}
	missing := reasons{}
	missing.missing(group, "subscriptionGroupLocalizations")
	return notReady(group, "/data/relationships/subscriptionGroup", missing)
}

// groupSubmitted: what is new of a group's names waits for review.
func groupSubmitted(c *call, o *object) {
	group := c.s.store.one(o, "subscriptionGroup")
	if group == nil {
		return
	}
	for _, l := range c.s.store.related(group, "subscriptionGroupLocalizations") {
		if l.text("state") == "PREPARE_FOR_SUBMISSION" {
			l.attrs["state"] = "WAITING_FOR_REVIEW"
		}
	}
}
