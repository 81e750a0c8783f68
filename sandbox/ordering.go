package sandbox

import "slices"

// orderingAllowed: an order names placements of one group in one place, each once.
func orderingAllowed(c *call, o, old *object) []apiError {
	if old != nil {
		return nil
	}
	list := c.s.store.related(o, "orderedPlacements")
	switch {
	case countRels(o, shownIn) != 1:
		return []apiError{wrongRelationship(shownIn[0], "Name exactly one place.")}
	case o.text("placementGroup") == "":
		return missingAttribute("placementGroup")
	case len(list) == 0:
		return []apiError{{
			Status: 409, Code: "ENTITY_ERROR.RELATIONSHIP.REQUIRED",
			Title:   "The provided entity is missing a required relationship",
			Detail:  "You must provide a value for the relationship 'orderedPlacements' with this request",
			Pointer: "/data/relationships/orderedPlacements",
		}}
	}
	owner := c.placeOf(o)
	for i, p := range list {
		switch {
		case slices.Contains(list[:i], p):
			return []apiError{wrongRelationship("orderedPlacements", "The placement "+p.id+" is named twice.")}
		case c.placeOf(p) != owner || p.text("placementGroup") != o.text("placementGroup"):
			return []apiError{wrongRelationship("orderedPlacements",
				"The placement "+p.id+" is not of this group in this place.")}
		}
	}
	return nil
}

// orderPlacements puts the named placements of a group first, in their order. The others
// of the group follow as they were; other groups keep their places.
func orderPlacements(c *call, o *object) {
	owner, group := c.placeOf(o), o.text("placementGroup")
	if owner == nil { // only in a world without rules
		return
	}
	all, next := owner.rels["placements"], []string{}
	ids := slices.DeleteFunc(slices.Clone(c.s.store.ids(o, "orderedPlacements")), func(id string) bool {
		return !slices.Contains(all, id) // only in a world without rules
	})
	for _, p := range c.s.store.related(owner, "placements") {
		if p.text("placementGroup") == group && !slices.Contains(ids, p.id) {
			ids = append(ids, p.id)
		}
	}
	for _, id := range all {
		if p := c.s.store.get(placementType, id); p != nil && p.text("placementGroup") == group && len(ids) > 0 {
			id, ids = ids[0], ids[1:]
		}
		next = append(next, id)
	}
	owner.rels["placements"] = next
	c.orderSets(owner)
}
