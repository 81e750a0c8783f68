package sandbox

import "slices"

func itemMoves() []move {
	const source, statuses = "Apple: ReviewSubmissionItem, state", "Apple: app and submission statuses"
	return []move{
		{"approve", []string{"READY_FOR_REVIEW", "ACCEPTED"}, "APPROVED", source},
		{"accept", []string{"READY_FOR_REVIEW"}, "ACCEPTED", statuses},
		{"reject", []string{"READY_FOR_REVIEW"}, "REJECTED", source},
		{"resolve", []string{"REJECTED"}, "READY_FOR_REVIEW", source},
		{"remove", []string{"READY_FOR_REVIEW", "ACCEPTED", "REJECTED"}, "REMOVED", source},
	}
}

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
		return itemChange(c, o, old)
	}
	submission := c.s.store.one(o, "reviewSubmission")
	if state := submission.text("state"); state != "READY_FOR_REVIEW" {
		return stateError(
			"/data/relationships/reviewSubmission",
			"Nothing can be added to a submission that is "+state+".",
		)
	}
	if errs := oneSubject(o); errs != nil {
		return errs
	}
	rel, subject := c.subject(o)
	at := "/data/relationships/" + rel
	if of, in := subject.text("platform"), submission.text("platform"); rel == "appStoreVersion" && in != "" &&
		of != in {
		return []apiError{{
			Status:  409,
			Code:    "ENTITY_ERROR.RELATIONSHIP.INVALID",
			Title:   "The provided entity includes a relationship with an invalid value",
			Detail:  "The version is for " + of + ", the submission for " + in + ".",
			Pointer: at,
		}}
	}
	if missing := c.unaddable(subject); len(missing) > 0 {
		return notReady(subject, at, missing)
	}
	return nil
}

// oneSubject wants an item to name one thing to be reviewed.
func oneSubject(item *object) []apiError {
	subjects := 0
	for rel, ids := range item.rels {
		if rel != "reviewSubmission" {
			subjects += len(ids)
		}
	}
	e := apiError{Status: 409, Pointer: "/data/relationships"}
	switch {
	case subjects == 1:
		return nil
	case subjects == 0:
		e.Code, e.Title = "ENTITY_ERROR.RELATIONSHIP.REQUIRED", "The provided entity is missing a required relationship"
		e.Detail = "Name what is to be reviewed."
	default:
		e.Code = "ENTITY_ERROR.RELATIONSHIP.INVALID"
		e.Title = "The provided entity includes a relationship with an invalid value"
		e.Detail = "An item is one thing to be reviewed."
	}
	return []apiError{e}
}

// unaddable are all the reasons for which something cannot be part of a submission.
func (c *call) unaddable(subject *object) reasons {
	missing := reasons{}
	switch holder := c.holder(subject); {
	case holder != nil:
		missing.add(subject, apiError{
			Status: 409,
			Code:   "STATE_ERROR.ITEM_PART_OF_ANOTHER_SUBMISSION",
			Title:  "The item is part of another submission",
			Detail: subject.typ + " with id " + subject.id +
				" was added to the reviewSubmission with id " + holder.id + " already.",
		})
	case !c.addable(subject):
		missing.state(subject, "The resource is not in a state in which it can be submitted.")
	case subject.typ == "appStoreVersions":
		missing = c.unready(subject)
	case subject.typ == "inAppPurchaseVersions":
		missing = c.unreadyVersion(subject, "inAppPurchase")
	case subject.typ == "subscriptionVersions":
		missing = c.unreadyVersion(subject, "subscription")
	}
	return missing
}

// addable says whether the state of something lets it be submitted.
func (c *call) addable(subject *object) bool {
	if subject.typ != "backgroundAssetVersions" {
		return c.may(subject, "add")
	}
	release := c.s.store.one(subject, "appStoreRelease")
	return subject.text("state") == "COMPLETE" && (release == nil || c.may(release, "add"))
}

// notReady refuses what lacks something, and names all of it.
func notReady(subject *object, pointer string, missing reasons) []apiError {
	return []apiError{{
		Status:     409,
		Code:       "STATE_ERROR.ENTITY_STATE_INVALID",
		Title:      subject.typ + " with id '" + subject.id + "' is not in valid state.",
		Detail:     "This resource cannot be reviewed, please check associated errors to see why.",
		Pointer:    pointer,
		Associated: missing,
	}}
}

// itemChange: an item can be removed until its review begins, and resolved if App
// Review had something against it.
func itemChange(c *call, o, old *object) []apiError {
	submission := c.s.store.one(old, "reviewSubmission")
	if submission == nil {
		return nil
	}
	state := submission.text("state")
	removable := c.may(old, "remove") &&
		slices.Contains([]string{"READY_FOR_REVIEW", "WAITING_FOR_REVIEW", "UNRESOLVED_ISSUES"}, state)
	switch {
	case o.attrs["removed"] == true && !removable:
		return stateError("/data/attributes/removed", "An item that is "+old.text("state")+
			" cannot be removed from a submission that is "+state+".")
	case o.attrs["resolved"] == true && state != "UNRESOLVED_ISSUES":
		return stateError("/data/attributes/resolved", "A submission that is "+state+" has no issues to resolve.")
	}
	return nil
}

// holder is the open submission that something is part of; nil if it is of none.
func (c *call) holder(subject *object) *object {
	for _, item := range c.s.store.all("reviewSubmissionItems") {
		if state := item.text("state"); state == "REMOVED" || state == "APPROVED" {
			continue
		}
		if _, x := c.subject(item); x != subject {
			continue
		}
		if s := c.s.store.one(item, "reviewSubmission"); s != nil && s.text("state") != "COMPLETE" {
			return s
		}
	}
	return nil
}

// itemCreated: what is in a draft is ready for review.
func itemCreated(c *call, o *object) {
	o.attrs["state"] = "READY_FOR_REVIEW"
	_, subject := c.subject(o)
	if subject == nil { // only in a world without rules
		return
	}
	_ = c.move(c.reviewed(subject), "add") // itemAllowed has seen that it may
	if subject.typ == "appStoreVersions" {
		c.s.store.link(c.s.store.one(o, "reviewSubmission"), "appStoreVersionForReview", subject.id)
	}
}

// itemUpdated does what {removed: true} and {resolved: true} ask for. They are no
// attributes that stay: both may be said again.
func itemUpdated(c *call, o *object) {
	removed, resolved := o.attrs["removed"] == true, o.attrs["resolved"] == true
	delete(o.attrs, "removed")
	delete(o.attrs, "resolved")
	switch {
	case removed:
		if c.move(o, "remove") == nil {
			c.withdraw(o)
			c.emptied(c.s.store.one(o, "reviewSubmission"))
			c.settled(c.s.store.one(o, "reviewSubmission"))
		}
	case resolved:
		_ = c.move(o, "resolve") // only what was rejected
	}
}

// withdraw takes what an item asks for out of a draft, or back from review.
func (c *call) withdraw(item *object) {
	_, subject := c.subject(item)
	if subject == nil {
		return
	}
	if subject = c.reviewed(subject); c.move(subject, "take out") != nil {
		_ = c.move(subject, "cancel") // of what is approved already nothing is taken back
	}
}

// emptied cancels a submission that waits for review and holds nothing any more. That
// items may be removed while it waits is known, and that nothing empty is reviewed;
// what becomes of the submission is a guess: what its own cancel does.
func (c *call) emptied(submission *object) {
	if submission != nil && submission.text("state") == "WAITING_FOR_REVIEW" && len(c.open(submission)) == 0 {
		c.cancel(submission)
	}
}

// settled completes a submission with issues once nothing but accepted items is left in
// it: they are approved. Apple: manage a submission with unresolved issues.
func (c *call) settled(submission *object) {
	if submission == nil || slices.ContainsFunc(c.open(submission), func(item *object) bool {
		return item.text("state") != "ACCEPTED"
	}) || !c.may(submission, "settle") {
		return
	}
	_ = c.completed(submission, "settle") // which it may, and what is accepted can be approved
}

// itemRemovable: what was submitted cannot be deleted.
func itemRemovable(c *call, o *object) []apiError {
	if s := c.s.store.one(o, "reviewSubmission"); s != nil && s.text("state") != "READY_FOR_REVIEW" {
		return stateError("", "Item was already submitted.")
	}
	return nil
}

func itemRemoved(c *call, o *object) { c.withdraw(o) }
