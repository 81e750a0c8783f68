package sandbox

import "slices"

// underReview are the states of what was submitted, and is not decided.
var underReview = []string{"WAITING_FOR_REVIEW", "IN_REVIEW"}

// review: submissions to App Review and their items.
func review() map[string]behavior {
	return map[string]behavior{
		"reviewSubmissions": {
			seed:    each(cycle("state", "COMPLETE"), cycle("platform", "IOS")),
			allowed: submissionAllowed, updated: submissionUpdated,
			created:  setting(map[string]any{"state": "READY_FOR_REVIEW"}),
			machines: []machine{{attr: "state", moves: submissionMoves()}},
			acts:     reviewActs(),
		},
		"reviewSubmissionItems": {
			seed:    cycle("state", "APPROVED"),
			allowed: itemAllowed, created: itemCreated, updated: itemUpdated,
			removable: itemRemovable, removed: itemRemoved,
			machines: []machine{{attr: "state", moves: itemMoves()}},
		},
		"appStoreVersionSubmissions": {removable: withdrawable, removed: versionWithdrawn},
	}
}

func submissionMoves() []move {
	const source, overview = "Apple: ReviewSubmission, state", "Apple: overview of submitting for review"
	return []move{
		{"submit", []string{"READY_FOR_REVIEW", "UNRESOLVED_ISSUES"}, "WAITING_FOR_REVIEW", source},
		{"start", []string{"WAITING_FOR_REVIEW"}, "IN_REVIEW", source},
		{"approve", underReview, "COMPLETE", source},
		{"reject", underReview, "UNRESOLVED_ISSUES", source},
		{"settle", []string{"UNRESOLVED_ISSUES"}, "COMPLETE", "Apple: manage a submission with unresolved issues"},
		{"cancel", append([]string{"UNRESOLVED_ISSUES"}, underReview...), "CANCELING", overview},
		{"canceled", []string{"CANCELING"}, "COMPLETE", "seen live: a cancel takes seconds"},
	}
}

// submissionAllowed: an app has one draft a platform, beside one that holds no
// version; nothing can be submitted that is empty, nor canceled that is over.
func submissionAllowed(c *call, o, old *object) []apiError {
	if old != nil {
		return submissionChange(c, o, old)
	}
	for _, x := range c.others(o) {
		if x.text("state") == "READY_FOR_REVIEW" && (c.hasVersion(x) || len(c.open(x)) == 0) {
			return stateError(
				"/data/relationships/app",
				"There is another reviewSubmission with id "+x.id+" still in progress, in state "+x.text("state"),
			)
		}
	}
	return nil
}

// others are the other submissions of a submission's app and platform.
func (c *call) others(o *object) (list []*object) {
	for _, x := range c.s.store.all(o.typ) {
		if x.id != o.id && x.text("platform") == o.text("platform") &&
			slices.Equal(c.s.store.ids(x, "app"), c.s.store.ids(o, "app")) {
			list = append(list, x)
		}
	}
	return list
}

// hasVersion says whether a submission asks for the review of a version.
func (c *call) hasVersion(submission *object) bool {
	return slices.ContainsFunc(c.open(submission), func(item *object) bool {
		return c.s.store.one(item, "appStoreVersion") != nil
	})
}

func submissionChange(c *call, o, old *object) []apiError {
	state := old.text("state")
	switch {
	case o.attrs["canceled"] == true:
		if !c.may(old, "cancel") {
			return stateError("/data/attributes/canceled", "Resource is not in cancellable state: "+state)
		}
	case o.attrs["submitted"] != true:
	case !c.may(old, "submit"):
		return stateError("/data/attributes/submitted", "The submission is "+state+" already.")
	case len(c.open(old)) == 0:
		return []apiError{
			{
				Status:  409,
				Code:    "ENTITY_ERROR.RELATIONSHIP.REQUIRED",
				Title:   "The provided entity is missing a required relationship",
				Detail:  "There is nothing to review in the submission.",
				Pointer: "/data/relationships/items",
			},
		}
	default:
		return c.unsubmittable(old)
	}
	return nil
}

// unsubmittable are the reasons for which a submission that is not empty cannot go
// to App Review: another of its kind is there, or a version lacks something by now.
func (c *call) unsubmittable(submission *object) []apiError {
	for _, x := range c.others(submission) {
		if slices.Contains(underReview, x.text("state")) && c.hasVersion(x) == c.hasVersion(submission) {
			return stateError("/data/attributes/submitted", "The reviewSubmission with id "+x.id+" is under review.")
		}
	}
	for _, item := range c.open(submission) {
		v := c.s.store.one(item, "appStoreVersion")
		if v == nil || !c.may(v, "add") && !c.may(v, "submit") {
			continue
		}
		if missing := c.unready(v); len(missing) > 0 {
			return notReady(v, "/data/attributes/submitted", missing)
		}
	}
	return nil
}

// open are the items of a submission that are to be reviewed.
func (c *call) open(submission *object) (list []*object) {
	for _, item := range c.s.store.related(submission, "items") {
		if state := item.text("state"); state != "REMOVED" && state != "APPROVED" {
			list = append(list, item)
		}
	}
	return list
}

// submissionUpdated does what {canceled: true} and {submitted: true} ask for. They
// are no attributes that stay: both may be said again.
func submissionUpdated(c *call, o *object) {
	canceled, submitted := o.attrs["canceled"] == true, o.attrs["submitted"] == true
	delete(o.attrs, "canceled")
	delete(o.attrs, "submitted")
	switch {
	case canceled:
		c.cancel(o)
	case submitted:
		c.submit(o)
	}
}

// cancel begins to take a submission back. What is in it is free when that is done.
func (c *call) cancel(submission *object) {
	if c.move(submission, "cancel") == nil {
		c.after(c.s.cfg.Times.Cancel, submission, "canceled", nil)
	}
}

// submit brings a submission, and what is in it, before App Review.
func (c *call) submit(o *object) {
	if c.move(o, "submit") != nil {
		return
	}
	o.attrs["submittedDate"] = c.stamp()
	submits, _ := o.attrs[timesSubmitted].(int)
	o.attrs[timesSubmitted] = submits + 1
	c.each(o, func(item, subject *object) {
		_ = c.move(item, "resolve")     // only what was rejected
		_ = c.move(subject, "add")      // only after a rejection
		_ = c.move(subject, "submit")   // but for what is accepted already
		_ = c.move(subject, "resubmit") // only after a question
		if subject.typ == "appStoreVersions" && c.s.store.one(subject, "appStoreVersionSubmission") == nil {
			c.s.store.link(c.spawn("appStoreVersionSubmissions"), "appStoreVersion", subject.id)
		}
	})
	if took := c.s.cfg.Auto.Review; took > 0 {
		c.decideAfter(took, o, "begin", map[string]any{ofSubmit: submits + 1})
	}
}

// timesSubmitted counts the submits of a submission: no attribute of Apple's, so that
// nobody sees it. ofSubmit is the argument by which what App Review does by itself
// names the submit that it belongs to: it says nothing of a later one.
const timesSubmitted, ofSubmit = "timesSubmitted", "submit"

// each visits what the open items of a submission ask to be reviewed.
func (c *call) each(submission *object, visit func(item, subject *object)) {
	for _, item := range c.open(submission) {
		if _, subject := c.subject(item); subject != nil {
			visit(item, c.reviewed(subject))
		}
	}
}

// withdrawable: an older way to take back a version that waits, is in review, or is
// to be released.
func withdrawable(c *call, o *object) []apiError {
	v := c.s.store.one(o, "appStoreVersion")
	if v == nil || slices.Contains(withdrawableStates, v.text("appVersionState")) {
		return nil
	}
	return stateError("", "The version is "+v.text("appVersionState")+", and cannot be taken back.")
}

// withdrawableStates are those in which a version is before Apple, and not on sale.
var withdrawableStates = append(slices.Clone(pendingRelease), underReview...)

func versionWithdrawn(c *call, o *object) {
	for _, id := range o.rels["appStoreVersion"] {
		v := c.s.store.get("appStoreVersions", id)
		if v == nil || !slices.Contains(withdrawableStates, v.text("appVersionState")) {
			continue
		}
		if holder := c.holder(v); holder != nil {
			c.cancel(holder)
		} else {
			_ = c.move(v, "cancel") // withdrawable has seen that it may
		}
	}
}
