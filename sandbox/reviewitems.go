package sandbox

import "slices"

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
