package sandbox

import (
	"slices"
	"strings"
	"time"
)

// availabilities: where apps and products can be had.
func availabilities() map[string]behavior {
	plan := seededAvailability("subscription", "subscriptions")
	plan.seed = each(plan.seed, cycle("planType", upfront))
	plan.unique = [][]string{{"subscription", "planType"}}
	plan.allowed = planAvailabilityAllowed
	all := map[string]behavior{
		"appAvailabilities":              appAvailability(),
		"territoryAvailabilities":        territoryAvailability(),
		"inAppPurchaseAvailabilities":    seededAvailability("inAppPurchase", "inAppPurchases"),
		"subscriptionAvailabilities":     seededAvailability("subscription", "subscriptions"),
		"subscriptionPlanAvailabilities": plan,
		"endAppAvailabilityPreOrders":    {allowed: preOrdersEndable, created: preOrdersEnded},
	}
	for typ, product := range map[string]string{
		"inAppPurchaseAvailabilities": "inAppPurchase", "subscriptionAvailabilities": "subscription",
	} {
		b := all[typ]
		b.named = sameIDAs(product) // a POST takes the place of the one before
		all[typ] = b
	}
	return all
}

// appAvailability is that of an app: created once, and whole.
func appAvailability() behavior {
	return behavior{
		placed: []string{"app", "territoryAvailabilities"},
		seed: firstOnly(perType, each(
			relating("app", ith("apps")),
			relating("territoryAvailabilities", func(i int) (ids []string) {
				for _, territory := range everyTerritory(i) {
					ids = append(ids, territoryAvailabilityID(seedID("apps", i), territory))
				}
				return ids
			}),
		)),
		unique:  [][]string{{"app"}},
		allowed: appAvailabilityAllowed,
		named:   sameIDAs("app"),
		owns:    []string{"territoryAvailabilities"},
	}
}

// territoryAvailability is that of an app in one territory, which can be changed.
func territoryAvailability() behavior {
	const count = perType * territoryCount
	return behavior{
		count:  count,
		placed: []string{"territory"},
		seed: firstOnly(count, each(
			cycle("available", true), cycle("preOrderEnabled", false), cycle("contentStatuses", []any{"AVAILABLE"}),
			nothing("releaseDate", "preOrderPublishDate"),
			func(o *object, i int) { o.rels["territory"] = []string{territoryAt(i % territoryCount)} },
		)),
		allowed: preOrderAllowed,
		named: func(c *call, o *object) string {
			app := c.writing.pending[0].rels["app"]
			if len(app) == 0 || len(o.rels["territory"]) == 0 {
				return ""
			}
			return territoryAvailabilityID(app[0], o.rels["territory"][0])
		},
		created: setting(map[string]any{"available": false, "preOrderEnabled": false}),
		show:    territoryShown,
	}
}

// territoryAvailabilityID is the id of an app's availability in a territory.
func territoryAvailabilityID(app, territory string) string {
	return opaque(struct {
		App       string `json:"s"`
		Territory string `json:"t"`
	}{app, territory})
}

// appAvailabilityAllowed wants every territory once, also those in which the app cannot
// be had. Seen live: a partial list is refused, with the name of one that it lacks.
func appAvailabilityAllowed(c *call, o, _ *object) []apiError {
	const rel = "territoryAvailabilities"
	named := map[string]bool{}
	for _, id := range o.rels[rel] {
		x, at := c.pending(rel, id)
		switch t := strings.Join(x.rels["territory"], ""); {
		case t == "":
			return []apiError{relationRequired("territory", at)}
		case named[t]:
			return wrongRelation("/data", rel, "Territory "+t+" is named twice.")
		default:
			named[t] = true
		}
	}
	for _, t := range c.s.facts.book.list {
		if !named[t.id] {
			return []apiError{{
				Status:  409,
				Code:    "ENTITY_ERROR.RELATIONSHIP.REQUIRED",
				Title:   "The provided entity is missing a required relationship",
				Detail:  "There must be a territory availability for territory '" + t.id + "'.",
				Pointer: "/data/relationships/" + rel,
			}}
		}
	}
	return nil
}

// Bounds of the days until an app is released that can be ordered before. Apple: publish
// your app for pre-order.
const (
	soonestRelease = 2
	latestRelease  = 365
)

// preOrderAllowed: an app that can be ordered ahead has a day on which it is released,
// and was not released before.
func preOrderAllowed(c *call, o, old *object) []apiError {
	at := "/data"
	if old == nil {
		at = c.place(o)
	}
	if o.attrs["preOrderEnabled"] != true || old != nil && old.attrs["preOrderEnabled"] == true &&
		same(old.attrs["releaseDate"], o.attrs["releaseDate"]) {
		return nil
	}
	release, today := o.text("releaseDate"), pacific(c.now)
	switch {
	case c.released(c.appOfTerritory(o)):
		return stateError(at+"/attributes/preOrderEnabled", "The app has been released already.")
	case o.attrs["available"] != true:
		return wrongValue(at, "preOrderEnabled", "The app must be available to be ordered.")
	case release < today.AddDate(0, 0, soonestRelease).Format(time.DateOnly),
		release > today.AddDate(0, 0, latestRelease).Format(time.DateOnly):
		return wrongValue(
			at,
			"releaseDate",
			"The release date of an app that can be ordered before must be 2 to 365 days ahead.",
		)
	}
	return nil
}

// appOfTerritory is the app whose availability in a territory an object is.
func (c *call) appOfTerritory(o *object) *object {
	if kept := c.s.store.get(o.typ, o.id); kept != nil {
		for _, whole := range c.s.store.pointing(kept, "appAvailabilities", "territoryAvailabilities") {
			return c.s.store.one(whole, "app")
		}
	}
	if c.writing == nil {
		return nil
	}
	return c.s.store.one(c.writing.pending[0], "app")
}

// released says whether a version of an app is, or was, on sale.
func (c *call) released(app *object) bool {
	if app == nil {
		return false
	}
	return slices.ContainsFunc(c.s.store.related(app, "appStoreVersions"), func(v *object) bool {
		return slices.Contains(
			[]string{"READY_FOR_DISTRIBUTION", "REPLACED_WITH_NEW_VERSION"},
			v.text("appVersionState"),
		)
	})
}

// territoryShown tells what the store shows: it follows from what was set, and from
// whether the app was released.
func territoryShown(c *call, o *object) map[string]any {
	released := c.released(c.appOfTerritory(o))
	status := "AVAILABLE_FOR_SALE_UNRELEASED_APP"
	switch {
	case o.attrs["available"] != true:
		status = "CANNOT_SELL"
	case o.attrs["preOrderEnabled"] == true:
		status = "PREORDER_ON_UNRELEASED_APP"
	case released:
		status = "AVAILABLE"
	}
	return map[string]any{"contentStatuses": []any{status}}
}

// preOrdersEndable: only what can be ordered ahead can end to be.
func preOrdersEndable(c *call, o, _ *object) []apiError {
	for _, t := range c.s.store.related(o, "territoryAvailabilities") {
		if t.attrs["preOrderEnabled"] != true {
			return stateError("/data/relationships/territoryAvailabilities", "There is no pre-order to end: "+t.id)
		}
	}
	return nil
}

// preOrdersEnded ends pre-orders: the app can be had from today.
func preOrdersEnded(c *call, o *object) {
	for _, t := range c.s.store.related(o, "territoryAvailabilities") {
		t.attrs["preOrderEnabled"], t.attrs["releaseDate"] = false, day(c.now)
		c.s.store.touch(t)
	}
}

// planAvailabilityAllowed: a plan by the month is for subscriptions of a year, and not
// for all territories.
func planAvailabilityAllowed(c *call, o, _ *object) []apiError {
	subscription := c.s.store.one(o, "subscription")
	if subscription == nil || planOf(o) != monthly {
		return nil
	}
	return monthlyPlanRefused(subscription, o.rels["availableTerritories"], "/data")
}
