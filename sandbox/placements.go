package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

const placementType = "appAssetLibraryPlacements"

// placedIn are the relationships to what may show assets: a placement has one.
var placedIn = append(slices.Clone(shownIn), "appEventLocalization")

// shows are the relationships of a localization to its pictures, which end with it.
var shows = []string{"appScreenshotSets", "appPreviewSets", "placements"}

// placements: where a picture or a video of the asset library is shown. Apple:
// App Asset Library.
func placements() map[string]behavior {
	return map[string]behavior{
		placementType: {
			seed: each(
				cycle("placementGroup", "IPAD_13_PROFILE"),
				cycle("stateDetails", []any{}),
				func(o *object, i int) {
					o.attrs["placementType"], o.attrs["mediaType"] = shotPlacement, "IMAGE"
					if i%(2*perType) == perType { // of the first video: see relateBy
						o.attrs["placementType"], o.attrs["mediaType"] = previewPlacement, "VIDEO"
					}
				},
			),
			settled: func(st *store, o *object) {
				other := "video"
				if o.text("mediaType") == "VIDEO" {
					other = "image"
				}
				st.unlink(o, other, st.ids(o, other)...)
			},
			allowed: placementAllowed,
			created: placementCreated,
			removed: placementRemoved,
			show:    shownPlacement,
			oneOf:   placedIn,
		},
		"appCustomProductPageLocalizations": {
			unique: [][]string{{"appCustomProductPageVersion", "locale"}},
			owns:   shows,
		},
		"appStoreVersionExperimentTreatmentLocalizations": {
			unique: [][]string{{"appStoreVersionExperimentTreatment", "locale"}},
			owns:   shows,
		},
		"appEventLocalizations": {
			unique: [][]string{{"appEvent", "locale"}},
			owns:   []string{"placements"},
		},
		"appAssetLibraryPlacementOrderingRequests": {allowed: orderingAllowed, created: orderPlacements},
	}
}

// placementAllowed: a placement shows one asset that its type takes, in one place that
// has room in the group.
func placementAllowed(c *call, o, old *object) (errs []apiError) {
	if old != nil {
		return nil
	}
	for _, either := range [][]string{{"image", "video"}, placedIn} {
		if countRels(o, either) != 1 {
			errs = append(errs, wrongRelationship(either[0], "Name exactly one of "+strings.Join(either, ", ")+"."))
		}
	}
	if errs != nil {
		return errs
	}
	name, group := o.text("placementType"), o.text("placementGroup")
	kind, known := kindOfPlacement(name)
	rel, asset := c.assetOf(o)
	switch {
	case name == "":
		return missingAttribute("placementType")
	case !known:
		return wrongAttribute("placementType", "The sandbox has no placements of type "+name+".")
	case group == "" && kind.category == shotCategory:
		return missingAttribute("placementGroup")
	case group != "" && !slices.Contains(kind.groups(), group):
		return wrongAttribute("placementGroup", "'"+group+"' is no group of "+name+".")
	case rel == "image" && !kind.images, rel == "video" && !kind.videos:
		return []apiError{wrongRelationship(rel, "A placement of type "+name+" takes no "+rel+".")}
	case asset.text("category") != kind.category:
		return []apiError{wrongRelationship(rel, "A placement of type "+name+" takes assets of category "+
			kind.category+", not "+asset.text("category")+".")}
	case slices.Contains([]string{"FAILED", archived}, asset.text("state")):
		return stateError("/data/relationships/"+rel, "The asset is "+asset.text("state")+".")
	}
	owner := c.placeOf(o)
	if c.inGroup(owner, name, group) >= kind.most {
		return stateError("/data/attributes/placementGroup",
			fmt.Sprintf("The group has %d placements of type %s already.", kind.most, name))
	}
	return nil
}

func countRels(o *object, rels []string) (n int) {
	for _, rel := range rels {
		n += len(o.rels[rel])
	}
	return n
}

func wrongRelationship(rel, detail string) apiError {
	return apiError{
		Status: 409, Code: "ENTITY_ERROR.RELATIONSHIP.INVALID",
		Title:   "The provided entity includes a relationship with an invalid value",
		Detail:  detail,
		Pointer: "/data/relationships/" + rel,
	}
}

func wrongAttribute(name, detail string) []apiError {
	return []apiError{{
		Status: 409, Code: "ENTITY_ERROR.ATTRIBUTE.INVALID",
		Title:   "The provided entity includes an attribute with an invalid value",
		Detail:  detail,
		Pointer: "/data/attributes/" + name,
	}}
}

func missingAttribute(name string) []apiError {
	return []apiError{{
		Status: 409, Code: "ENTITY_ERROR.ATTRIBUTE.REQUIRED",
		Title:   "The provided entity is missing a required attribute",
		Detail:  "You must provide a value for the attribute '" + name + "' with this request",
		Pointer: "/data/attributes/" + name,
	}}
}

// assetOf is what a placement shows; nil if nothing.
func (c *call) assetOf(o *object) (rel string, asset *object) {
	for _, rel := range []string{"image", "video"} {
		if asset := c.s.store.one(o, rel); asset != nil {
			return rel, asset
		}
	}
	return "", nil
}

// placeOf is what shows a placement, or is named by an ordering request.
func (c *call) placeOf(o *object) *object {
	for _, rel := range placedIn {
		if owner := c.s.store.one(o, rel); owner != nil {
			return owner
		}
	}
	return nil
}

// inGroup counts the placements of a type and a group in a place, and the files of its
// sets that are to have one.
func (c *call) inGroup(owner *object, name, group string) int {
	n := c.unplacedIn(owner, name, group)
	for _, p := range c.s.store.related(owner, "placements") {
		if p.text("placementType") == name && p.text("placementGroup") == group {
			n++
		}
	}
	return n
}

func placementCreated(c *call, o *object) {
	o.attrs["mediaType"] = "IMAGE"
	if len(o.rels["video"]) > 0 {
		o.attrs["mediaType"] = "VIDEO"
	}
	o.attrs["stateDetails"], o.attrs["lastModifiedDate"] = []any{}, c.stamp()
}

// shownPlacement computes what a placement has of its asset and its place, and for a
// list that is sorted by it, its position in its group.
func shownPlacement(c *call, o *object) map[string]any {
	shown := map[string]any{"state": c.placementState(o)}
	if _, asset := c.assetOf(o); asset != nil && asset.text("state") == "FAILED" {
		shown["stateDetails"] = asset.attrs["stateDetails"]
	}
	sorts := c.query["sort"]
	if owner := c.placeOf(o); owner != nil && (slices.Contains(sorts, "placementGroupPosition") ||
		slices.Contains(sorts, "-placementGroupPosition")) {
		position := 0
		for _, p := range c.s.store.related(owner, "placements") {
			if p == o {
				break
			}
			if p.text("placementGroup") == o.text("placementGroup") {
				position++
			}
		}
		shown["placementGroupPosition"] = position
	}
	return shown
}

// placementState is told by the asset until it is whole, then by the place.
func (c *call) placementState(o *object) string {
	if _, asset := c.assetOf(o); asset != nil {
		switch asset.text("state") {
		case "FAILED":
			return "FAILED"
		case "AWAITING_UPLOAD", "UPLOAD_COMPLETE", "COMPLETE":
			return "ASSET_PROCESSING"
		}
	}
	switch state := c.stateAbove(o); {
	case state == "READY_FOR_REVIEW", slices.Contains(underReview, state):
		return "PARENT_" + state
	case slices.Contains([]string{"", "DRAFT", "REJECTED", "METADATA_REJECTED"}, state),
		slices.Contains(editable, state):
		return "PARENT_" + prepared
	}
	return "PARENT_APPROVED"
}

// stateAbove is the state of what a thing is part of: of the version, page or event.
func (c *call) stateAbove(o *object) string {
	for _, rel := range partOf[o.typ] {
		above := c.s.store.one(o, rel)
		switch {
		case above == nil:
		case above.typ == "appStoreVersions":
			return above.text("appVersionState")
		case kindsOfReview()[above.typ].attr != "":
			return above.text(kindsOfReview()[above.typ].attr)
		default:
			return c.stateAbove(above)
		}
	}
	return ""
}
