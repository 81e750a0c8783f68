package sandbox

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// offerCodes: the codes by which customers take an offer.
func offerCodes() map[string]behavior {
	oneTime := behavior{
		seed: each(
			cycle("active", true), cycle("environment", "PRODUCTION"), cycle("numberOfCodes", 500),
		),
		allowed: oneTimeAllowed,
		created: setting(map[string]any{"active": true, "environment": "PRODUCTION"}),
	}
	custom := behavior{
		seed: each(
			cycle("active", true),
			cycle("customCode", "SPRING", "SUMMER", "AUTUMN"),
			cycle("numberOfCodes", 1000),
		),
		allowed: customAllowed,
		created: setting(map[string]any{"active": true}),
	}
	all := map[string]behavior{}
	for _, product := range []string{"subscription", "inAppPurchase"} {
		all[product+"OfferCodeOneTimeUseCodes"] = oneTime
		all[product+"OfferCodeCustomCodes"] = custom
	}
	return all
}

// Bounds of codes. Apple: set up offer codes.
const (
	mostOneTimeCodes = 25_000
	mostCodeMonths   = 6
)

// customForm is that of custom codes. Apple: set up offer codes.
var customForm = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)

// codesRefused judges what is the same for all codes: the offer must be active, and the
// codes expire within half a year.
func (c *call) codesRefused(o *object) []apiError {
	if of := c.s.store.one(o, "offerCode"); of != nil && of.attrs["active"] == false {
		return stateError("/data/relationships/offerCode", "The offer code is not active.")
	}
	expires, today := o.text("expirationDate"), pacific(c.now)
	if expires != "" && (expires <= today.Format(time.DateOnly) ||
		expires > today.AddDate(0, mostCodeMonths, 0).Format(time.DateOnly)) {
		return wrongValue("/data", "expirationDate", "Codes expire within six months from today.")
	}
	return nil
}

func oneTimeAllowed(c *call, o, old *object) []apiError {
	if old != nil {
		return nil
	}
	if n, _ := number(o.attrs["numberOfCodes"]); n < 1 || n > mostOneTimeCodes {
		return wrongValue("/data", "numberOfCodes", fmt.Sprintf("There are 1 to %d codes.", mostOneTimeCodes))
	}
	return c.codesRefused(o)
}

// customAllowed: an app has a custom code once.
func customAllowed(c *call, o, old *object) []apiError {
	if old != nil {
		return nil
	}
	code := o.text("customCode")
	if !customForm.MatchString(code) {
		return wrongValue("/data", "customCode", "A custom code has letters and digits, 64 at most.")
	}
	if n, _ := number(o.attrs["numberOfCodes"]); n < 1 {
		return wrongValue("/data", "numberOfCodes", "There is one code at least.")
	}
	app := c.s.store.appOf(o)
	for _, typ := range []string{"subscriptionOfferCodeCustomCodes", "inAppPurchaseOfferCodeCustomCodes"} {
		for _, x := range c.s.store.all(typ) {
			if strings.EqualFold(x.text("customCode"), code) && c.s.store.appOf(x) == app {
				return wrongValue("/data", "customCode", "The custom code is used already, by "+x.id+".")
			}
		}
	}
	return c.codesRefused(o)
}

// codesShown counts the codes of an offer.
func codesShown(c *call, o *object) map[string]any {
	counts := map[string]int64{}
	for _, rel := range []string{"oneTimeUseCodes", "customCodes"} {
		for _, x := range c.s.store.related(o, rel) {
			n, _ := number(x.attrs["numberOfCodes"])
			if x.text("environment") == "SANDBOX" {
				counts["sandbox"] += n
			} else {
				counts["production"] += n
			}
		}
	}
	return map[string]any{
		"totalNumberOfCodes":  counts["sandbox"] + counts["production"],
		"productionCodeCount": counts["production"],
		"sandboxCodeCount":    counts["sandbox"],
	}
}

// codes are the values of one-time codes, a line each: always the same for a batch.
func codes(batch *object) []byte {
	const length = 18
	n, _ := number(batch.attrs["numberOfCodes"])
	var b strings.Builder
	for i := range min(n, mostOneTimeCodes) {
		b.WriteString(strings.ToUpper(strings.ReplaceAll(seedID(batch.id, int(i)), "-", ""))[:length])
		b.WriteByte('\n')
	}
	return []byte(b.String())
}
