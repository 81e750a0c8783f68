package sandbox

import (
	"slices"
	"strings"
)

// placements: where a picture or a video of the asset library is shown. Apple:
// App Asset Library.
func placements() map[string]behavior {
	return map[string]behavior{"appAssetLibraryPlacements": {
		allowed: placementAllowed,
		oneOf:   append(slices.Clone(shownIn), "appEventLocalization"),
	}}
}

// placementAllowed: a placement shows one asset, in one place.
func placementAllowed(_ *call, o, old *object) (errs []apiError) {
	if old != nil {
		return nil
	}
	for _, either := range [][]string{
		{"image", "video"},
		{
			"appStoreVersionLocalization", "appCustomProductPageLocalization",
			"appEventLocalization", "appStoreVersionExperimentTreatmentLocalization",
		},
	} {
		n := 0
		for _, rel := range either {
			n += len(o.rels[rel])
		}
		if n != 1 {
			errs = append(errs, apiError{
				Status: 409, Code: "ENTITY_ERROR.RELATIONSHIP.INVALID",
				Title:   "The provided entity includes a relationship with an invalid value",
				Detail:  "Name exactly one of " + strings.Join(either, ", ") + ".",
				Pointer: "/data/relationships/" + either[0],
			})
		}
	}
	return errs
}
