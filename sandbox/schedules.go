package sandbox

// scheduled is how a kind of product has its prices in a schedule.
type scheduled struct {
	schedule string // relationship to the schedule
}

// schedules are the kinds of products that have one, by type.
var schedules = map[string]scheduled{
	"apps":           {schedule: "appPriceSchedule"},
	"inAppPurchases": {schedule: "iapPriceSchedule"},
}
