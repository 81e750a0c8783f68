package sandbox

import "fmt"

// appStore: apps.
func appStore() map[string]behavior {
	return map[string]behavior{
		"apps": {
			measures: map[string]func(*call, *object) []any{"betaTesterUsages": usagesOfTesters},
			filters: map[string]func(string, string) bool{
				"bundleId": contains,
				"name":     contains,
			},
			listed: longestFirst("bundleId"),
			seed: each(
				cycle("name", appNames()...),
				cycle("bundleId", "com.example.trailmix", "com.example.nightsky", "com.example.fieldnotes"),
				func(o *object, i int) { o.attrs["sku"] = fmt.Sprintf("SKU-%d", 100+i) },
			),
			acts: map[string]act{
				"change territories": {
					does: "where the app can be had from marketplaces changes",
					with: []string{"available", "territories"},
					do:   availabilityChanged("ALTERNATIVE_DISTRIBUTION_TERRITORY_AVAILABILITY_UPDATED"),
				},
				"publish privacy": {
					does: "the answers about App Privacy are published on the website",
					do:   privacy(false),
				},
				"unpublish privacy": {does: "the answers about App Privacy are missing", do: privacy(true)},
			}},
	}
}

// privacy says whether the privacy answers of an app are missing.
func privacy(missing bool) func(*call, *object, map[string]any) error {
	return func(_ *call, o *object, _ map[string]any) error {
		o.attrs[privacyUnpublished] = missing
		return nil
	}
}
