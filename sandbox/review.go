package sandbox

import (
	"fmt"
	"slices"
)

// review: submissions to App Review and their items.
func review() map[string]behavior {
	const submissions, items = "Apple: ReviewSubmission, state", "Apple: ReviewSubmissionItem, state"
	waiting := []string{"WAITING_FOR_REVIEW", "IN_REVIEW"}
	return map[string]behavior{
		"reviewSubmissions": {
			seed:    each(cycle("state", "COMPLETE"), cycle("platform", "IOS")),
			allowed: submissionAllowed, created: setting(map[string]any{"state": "READY_FOR_REVIEW"}), updated: submissionUpdated,
			machines: []machine{{attr: "state", moves: []move{
				{"submit", []string{"READY_FOR_REVIEW", "UNRESOLVED_ISSUES"}, "WAITING_FOR_REVIEW", submissions},
				{"start", []string{"WAITING_FOR_REVIEW"}, "IN_REVIEW", submissions},
				{"approve", waiting, "COMPLETE", submissions},
				{"reject", waiting, "UNRESOLVED_ISSUES", submissions},
				{"cancel", append([]string{"UNRESOLVED_ISSUES"}, waiting...), "CANCELING", submissions},
				{"canceled", []string{"CANCELING"}, "COMPLETE", submissions},
			}}},
			acts: map[string]act{
				"start":   {does: "App Review begins", do: reviewStarted},
				"approve": {does: "App Review approves all items", do: reviewApproved},
				"reject": {
					does: "App Review rejects an item, or all: reason is metadata, binary, or nothing",
					with: []string{"item", "reason"},
					do:   reviewRejected,
				},
				"ask": {
					does: "App Review asks for information",
					do:   func(c *call, o *object, _ map[string]any) error { return c.move(o, "reject") },
				},
				"canceled": {
					own: true,
					do:  func(c *call, o *object, _ map[string]any) error { return c.move(o, "canceled") },
				},
				"decide": {own: true, do: reviewDecided},
			},
		},
		"reviewSubmissionItems": {
			seed:    cycle("state", "APPROVED"),
			allowed: itemAllowed, created: itemCreated, updated: itemUpdated, removable: itemRemovable, removed: itemRemoved,
			machines: []machine{{attr: "state", moves: []move{
				{"approve", []string{"READY_FOR_REVIEW", "ACCEPTED"}, "APPROVED", items},
				{"reject", []string{"READY_FOR_REVIEW", "ACCEPTED"}, "REJECTED", items},
				{"resolve", []string{"REJECTED"}, "READY_FOR_REVIEW", items},
				{"remove", []string{"READY_FOR_REVIEW", "REJECTED"}, "REMOVED", items},
			}}},
		},
		"appStoreVersionSubmissions": {removed: func(c *call, o *object) {
			for _, id := range o.rels["appStoreVersion"] {
				if v := c.s.store.get("appStoreVersions", id); v != nil {
					_ = c.move(v, "cancel") // one that cannot be withdrawn stays
				}
			}
		}},
	}
}

// submissionAllowed: an app has one draft a platform; nothing can be submitted
// that is empty, nor canceled that is over.
func submissionAllowed(c *call, o, old *object) []apiError {
	if old != nil {
		return submissionChange(c, o, old)
	}
	for _, x := range c.s.store.all(o.typ) {
		if x.text("state") == "READY_FOR_REVIEW" && x.text("platform") == o.text("platform") &&
			slices.Equal(c.s.store.ids(x, "app"), c.s.store.ids(o, "app")) {
			return stateError(
				"/data/relationships/app",
				"There is another reviewSubmission with id "+x.id+" still in progress, in state "+x.text("state"),
			)
		}
	}
	return nil
}

func submissionChange(c *call, o, old *object) []apiError {
	state := old.text("state")
	switch {
	case o.attrs["canceled"] == true:
		if !slices.Contains([]string{"WAITING_FOR_REVIEW", "IN_REVIEW", "UNRESOLVED_ISSUES"}, state) {
			return stateError("/data/attributes/canceled", "Resource is not in cancellable state: "+state)
		}
	case o.attrs["submitted"] != true:
	case state != "READY_FOR_REVIEW" && state != "UNRESOLVED_ISSUES":
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

func submissionUpdated(c *call, o *object) {
	canceled := o.attrs["canceled"] == true
	delete(o.attrs, "canceled") // it says what is to be done
	switch {
	case canceled:
		if c.move(o, "cancel") == nil {
			c.each(o, func(_, v *object) { _ = c.move(v, "cancel") })
			c.after(c.s.cfg.Times.Cancel, o, "canceled", nil)
		}
	case o.attrs["submitted"] == true:
		c.submit(o)
	}
}

// submit brings a submission, and what is in it, before App Review.
func (c *call) submit(o *object) {
	if c.move(o, "submit") != nil {
		return
	}
	delete(o.attrs, "submitted") // it says what is to be done, and may be said again after a rejection
	o.attrs["submittedDate"] = c.stamp()
	c.each(o, func(item, v *object) {
		_ = c.move(item, "resolve") // only what was rejected
		_ = c.move(v, "add")        // only after a rejection
		_ = c.move(v, "submit")
		if c.s.store.one(v, "appStoreVersionSubmission") == nil {
			c.s.store.link(c.spawn("appStoreVersionSubmissions"), "appStoreVersion", v.id)
		}
	})
	if took := c.s.cfg.Auto.Review; took > 0 {
		c.decideAfter(took, o)
	}
}

// each visits the versions among the open items of a submission.
func (c *call) each(submission *object, visit func(item, version *object)) {
	for _, item := range c.open(submission) {
		if v := c.s.store.one(item, "appStoreVersion"); v != nil {
			visit(item, v)
		}
	}
}

func reviewStarted(c *call, o *object, _ map[string]any) error {
	if err := c.move(o, "start"); err != nil {
		return err
	}
	c.each(o, func(_, v *object) { _ = c.move(v, "start") })
	return nil
}

func reviewApproved(c *call, o *object, _ map[string]any) error {
	open := c.open(o)
	if err := c.move(o, "approve"); err != nil {
		return err
	}
	for _, item := range open {
		_ = c.move(item, "approve") // one that was rejected stays so
		if v := c.s.store.one(item, "appStoreVersion"); v != nil {
			if err := c.approved(v); err != nil {
				return err
			}
		}
	}
	return nil
}

func reviewRejected(c *call, o *object, with map[string]any) error {
	on, known := map[any]string{nil: "reject", "": "reject", "metadata": "reject metadata", "binary": "refuse binary"}[with["reason"]]
	if !known {
		return fmt.Errorf("reason is metadata, binary or nothing, not %v", with["reason"])
	}
	id, _ := with["item"].(string)
	if id != "" && !slices.Contains(c.s.store.ids(o, "items"), id) {
		return fmt.Errorf("the submission has no item %q", id)
	}
	open := c.open(o)
	if err := c.move(o, "reject"); err != nil {
		return err
	}
	for _, item := range open {
		if id != "" && item.id != id {
			continue
		}
		_ = c.move(item, "reject")
		if v := c.s.store.one(item, "appStoreVersion"); v != nil {
			_ = c.move(v, on)
		}
	}
	return nil
}

func reviewDecided(c *call, o *object, _ map[string]any) error {
	if c.approves() {
		return reviewApproved(c, o, nil)
	}
	return reviewRejected(c, o, nil)
}
