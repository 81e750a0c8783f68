package sandbox

import (
	"fmt"
	"time"
)

// Bounds of what an app has for its promotion. Apple: product page optimization, custom
// product pages, in-app events.
const (
	mostTreatments = 3                   // of an experiment
	mostPages      = 70                  // custom product pages of an app
	longestTest    = 90 * 24 * time.Hour // of an experiment
	longestEvent   = 31 * 24 * time.Hour
)

// promotions: nominations for a feature of the App Store, custom pages, experiments.
func promotions() map[string]behavior {
	return map[string]behavior{
		"nominations": {
			seed:    cycle("state", "DRAFT"),
			allowed: nominationAllowed, created: nominated, updated: nominated,
			removable: func(_ *call, o *object) []apiError {
				if state := o.text("state"); state != "DRAFT" {
					return stateError("", "A nomination that is "+state+" cannot be deleted: archive it.")
				}
				return nil
			},
		},
		"appStoreVersionExperimentTreatments": {allowed: treatmentAllowed},
		"appCustomProductPages": {allowed: func(c *call, o, old *object) []apiError {
			app := c.s.store.one(o, "app")
			if old == nil && app != nil && len(c.s.store.ids(app, "appCustomProductPages")) >= mostPages {
				return stateError("/data/relationships/app", fmt.Sprintf("The app has %d pages already.", mostPages))
			}
			return nil
		}},
	}
}

// treatmentAllowed: an experiment has a few treatments. Its relationship has two names.
func treatmentAllowed(c *call, o, old *object) []apiError {
	for _, rel := range []string{"appStoreVersionExperiment", "appStoreVersionExperimentV2"} {
		for _, id := range o.rels[rel] {
			test := c.s.store.get("appStoreVersionExperiments", id)
			if old == nil && test != nil && len(c.s.store.ids(test, o.typ)) >= mostTreatments {
				return stateError("/data/relationships/"+rel,
					fmt.Sprintf("The experiment has %d treatments already.", mostTreatments))
			}
		}
	}
	return nil
}

// nominationAllowed: what was sent to the editors is not changed any more, but archived.
func nominationAllowed(_ *call, o, old *object) []apiError {
	if start, ok := parseTime(o.text("publishStartDate")); ok {
		if end, ok := parseTime(o.text("publishEndDate")); ok && end.Before(start) {
			return wrongAttribute("publishEndDate", "It is before the publishStartDate.")
		}
	}
	switch {
	case old == nil || old.text("state") == "DRAFT":
		return nil
	case o.attrs["submitted"] == false:
		return stateError("/data/attributes/submitted", "The nomination is "+old.text("state")+".")
	}
	was := merged(
		old,
		&object{attrs: map[string]any{"archived": o.attrs["archived"], "submitted": o.attrs["submitted"]}},
	)
	return unchangeable(o, was, nil)
}

// nominated does what {submitted: true} and {archived: true} ask for. They are no
// attributes that stay.
func nominated(c *call, o *object) {
	submitted, isArchived := o.attrs["submitted"], o.attrs["archived"]
	delete(o.attrs, "submitted")
	delete(o.attrs, "archived")
	o.attrs["lastModifiedDate"] = c.stamp()
	state := o.text("state")
	switch {
	case isArchived == true:
		o.attrs["state"] = archived
	case isArchived == false && state == archived:
		o.attrs["state"] = "DRAFT"
		if o.text("submittedDate") != "" {
			o.attrs["state"] = "SUBMITTED"
		}
	case submitted == true && (state == "DRAFT" || state == ""):
		o.attrs["state"], o.attrs["submittedDate"] = "SUBMITTED", c.stamp()
	case state == "":
		o.attrs["state"] = "DRAFT"
	}
}

// experiment gives tests of product pages their rules, beside those of App Review: one
// that was approved is started and stopped, and ends by itself.
func experiment(b *behavior) {
	const source = "Apple: AppStoreVersionExperimentV2, state"
	allowed := b.allowed
	b.allowed = func(c *call, o, old *object) []apiError {
		if errs := allowed(c, o, old); errs != nil {
			return errs
		}
		percent, given := number(o.attrs["trafficProportion"])
		changed := old == nil || !same(o.attrs["trafficProportion"], old.attrs["trafficProportion"])
		const at = "/data/attributes/started"
		switch {
		case given && changed && (percent < 1 || percent > 100):
			return wrongAttribute("trafficProportion", "It is 1 to 100.")
		case old == nil || o.attrs["started"] == nil:
			return nil
		case o.text("state") != "APPROVED":
			return stateError(at, "The experiment is "+o.text("state")+", not APPROVED.")
		case o.attrs["started"] == false && o.text("startDate") == "":
			return stateError(at, "The experiment has not started.")
		}
		return nil
	}
	b.updated = func(c *call, o *object) {
		started := o.attrs["started"]
		delete(o.attrs, "started")
		switch {
		case started == true && o.text("startDate") == "":
			o.attrs["startDate"] = c.stamp()
			c.at(c.now.Add(longestTest), o, "complete", nil)
		case started == false:
			o.attrs["endDate"] = c.stamp()
			_ = c.move(o, "stop") // allowed has seen that it can
		}
	}
	b.created = func(_ *call, o *object) {
		o.attrs["state"], o.attrs["reviewRequired"] = prepared, true
	}
	b.seed = each(b.seed, cycle("startDate", nil), cycle("endDate", nil))
	b.machines[0].moves = append(b.machines[0].moves,
		move{"stop", []string{"APPROVED"}, "STOPPED", source},
		move{"complete", []string{"APPROVED"}, "COMPLETED", source})
	b.acts = map[string]act{"complete": {own: true, do: func(c *call, o *object, _ map[string]any) error {
		if err := c.move(o, "complete"); err != nil {
			return err
		}
		o.attrs["endDate"] = c.stamp()
		return nil
	}}}
}

// appEvent gives in-app events their times: one that was approved is published when its
// schedules say so, and past after them.
func appEvent(b *behavior) {
	const source = "Apple: in-app event statuses"
	allowed := b.allowed
	b.allowed = func(c *call, o, old *object) []apiError {
		if errs := allowed(c, o, old); errs != nil {
			return errs
		}
		if old != nil && same(o.attrs["territorySchedules"], old.attrs["territorySchedules"]) {
			return nil
		}
		for _, s := range timesOf(o) {
			switch {
			case s.end.Before(s.start) || s.start.Before(s.publish):
				return wrongAttribute("territorySchedules", "An event is published, starts and ends, in this order.")
			case s.end.Sub(s.start) > longestEvent:
				return wrongAttribute("territorySchedules", "An event has at most 31 days.")
			}
		}
		return nil
	}
	b.machines[0].moves = append(b.machines[0].moves,
		move{"publish", []string{"APPROVED"}, "PUBLISHED", source},
		move{"pass", []string{"APPROVED", "PUBLISHED"}, "PAST", source})
	b.acts = map[string]act{"publish": own("publish"), "pass": own("pass")}
	b.moved = func(c *call, o *object, _, _, is string) {
		list := timesOf(o)
		if is != "APPROVED" || len(list) == 0 {
			return
		}
		first, last := list[0].publish, list[0].end
		for _, s := range list {
			if s.publish.Before(first) {
				first = s.publish
			}
			if s.end.After(last) {
				last = s.end
			}
		}
		if last.After(c.now) { // one whose time is over is never published
			c.at(later(first, c.now), o, "publish", nil)
			c.at(last, o, "pass", nil)
		}
	}
}

// own is an act that only the sandbox does, and that only moves a state.
func own(on string) act {
	return act{own: true, do: func(c *call, o *object, _ map[string]any) error { return c.move(o, on) }}
}

// eventTimes say when an event is published, starts and ends somewhere.
type eventTimes struct{ publish, start, end time.Time }

// timesOf are the schedules of an event that have all of their times.
func timesOf(o *object) (out []eventTimes) {
	list, _ := o.attrs["territorySchedules"].([]any)
	for _, x := range list {
		m, _ := x.(map[string]any)
		when := func(name string) (t time.Time, ok bool) {
			text, _ := m[name].(string)
			return parseTime(text)
		}
		publish, hasPublish := when("publishStart")
		start, hasStart := when("eventStart")
		if end, hasEnd := when("eventEnd"); hasPublish && hasStart && hasEnd {
			out = append(out, eventTimes{publish, start, end})
		}
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
