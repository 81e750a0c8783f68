package sandbox

import (
	"fmt"
	"slices"
)

// reviewActs are what App Review does with a submission.
func reviewActs() map[string]act {
	return map[string]act{
		"start":   {does: "App Review begins", on: "start", do: reviewStarted},
		"approve": {does: "App Review approves all items", on: "approve", do: reviewApproved},
		"reject": {
			does: "App Review rejects an item, or all: reason is metadata, binary, or nothing",
			with: []string{"item", "reason"}, on: "reject",
			do: reviewRejected,
		},
		"ask":      {does: "App Review asks for information", on: "reject", do: reviewAsks},
		"canceled": {own: true, do: reviewCanceled},
		"begin":    {own: true, with: []string{ofSubmit}, do: unlessSubmittedAgain(reviewStarted)},
		"decide":   {own: true, with: []string{ofSubmit}, do: unlessSubmittedAgain(reviewDecided)},
	}
}

// unlessSubmittedAgain keeps what App Review does by itself from a submission that
// was submitted again since: then it has another time.
func unlessSubmittedAgain(do func(*call, *object, map[string]any) error) func(*call, *object, map[string]any) error {
	return func(c *call, o *object, with map[string]any) error {
		if with[ofSubmit] != o.attrs[timesSubmitted] {
			return fmt.Errorf("submission %s has been submitted again", o.id)
		}
		return do(c, o, nil)
	}
}

func reviewStarted(c *call, o *object, _ map[string]any) error {
	if err := c.move(o, "start"); err != nil {
		return err
	}
	c.each(o, func(_, subject *object) { _ = c.move(subject, "start") }) // but for what is accepted already
	return nil
}

func reviewApproved(c *call, o *object, _ map[string]any) error { return c.completed(o, "approve") }

// completed ends a submission, and approves what is in it.
func (c *call) completed(o *object, on string) error {
	open := c.open(o)
	if err := c.move(o, on); err != nil {
		return err
	}
	for _, item := range open {
		_, subject := c.subject(item)
		_ = c.move(item, "approve") // one that was rejected stays so
		if subject == nil {
			continue
		}
		if err := c.approved(c.reviewed(subject)); err != nil {
			return err
		}
	}
	return nil
}

// reviewRejected rejects one item or all. If one, the others are accepted, and wait
// until it is mended or removed.
func reviewRejected(c *call, o *object, with map[string]any) error {
	reasons := map[any]string{nil: "reject", "": "reject", "metadata": "reject metadata", "binary": "refuse binary"}
	on, known := reasons[with["reason"]]
	if !known {
		return fmt.Errorf("reason is metadata, binary or nothing, not %v", with["reason"])
	}
	id, _ := with["item"].(string)
	if id != "" && !slices.Contains(c.s.store.ids(o, "items"), id) {
		return fmt.Errorf("the submission has no item %q", id)
	}
	if err := c.move(o, "reject"); err != nil {
		return err
	}
	c.each(o, func(item, subject *object) {
		switch {
		case id != "" && item.id != id:
			_ = c.move(item, "accept") // it may be accepted already
			_ = c.move(subject, "accept")
		case subject.typ == "appStoreVersions":
			_ = c.move(item, "reject")
			_ = c.move(subject, on)
		default: // reasons are for versions
			_ = c.move(item, "reject")
			_ = c.move(subject, "reject")
		}
	})
	return nil
}

// reviewAsks leaves all items as they are: nothing of them need be changed.
func reviewAsks(c *call, o *object, _ map[string]any) error { return c.move(o, "reject") }

// reviewCanceled ends a cancel: what was in the submission can be edited again.
func reviewCanceled(c *call, o *object, _ map[string]any) error {
	if err := c.move(o, "canceled"); err != nil {
		return err
	}
	c.each(o, func(_, subject *object) { _ = c.move(subject, "cancel") })
	return nil
}

func reviewDecided(c *call, o *object, _ map[string]any) error {
	if c.approves() {
		return reviewApproved(c, o, nil)
	}
	return reviewRejected(c, o, nil)
}
