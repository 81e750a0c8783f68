package sandbox

import "fmt"

// customerReviews: what customers say, and the one answer that each gets.
func customerReviews() map[string]behavior {
	const source = "Apple: CustomerReviewResponse, state"
	return map[string]behavior{
		"customerReviews": {
			count: 12,
			seed: each(
				cycle("rating", 5, 4, 1),
				cycle("title", "Love it", "Good, but…", "Crashes on launch"),
				cycle(
					"body",
					"Does what it says.",
					"Please add a dark mode.",
					"Since the last update it will not open.",
				),
				cycle("territory", "USA", "DEU", "JPN"),
			),
			acts: map[string]act{"arrive": {
				does: "a customer writes a review",
				made: true,
				with: []string{"app", "rating", "title", "body", "territory"},
				do:   reviewArrives,
			}},
		},
		"customerReviewResponses": {
			created: responseCreated,
			machines: []machine{{attr: "state", moves: []move{
				{"publish", []string{"PENDING_PUBLISH"}, "PUBLISHED", source},
			}}},
			acts: map[string]act{"publish": moving("publish", "Apple publishes the response")},
		},
	}
}

// reviewArrives makes a review of an app.
func reviewArrives(c *call, _ *object, with map[string]any) error {
	app, err := c.named(with)
	if err != nil {
		return err
	}
	rating := 5
	if n, given := with["rating"].(float64); given {
		rating = int(n)
	}
	if rating < 1 || rating > 5 {
		return fmt.Errorf("rating: want 1 to 5, not %d", rating)
	}
	o := c.spawn("customerReviews")
	o.attrs["rating"], o.attrs["createdDate"] = rating, c.stamp()
	for _, name := range []string{"title", "body", "territory"} {
		if text, _ := with[name].(string); text != "" {
			o.attrs[name] = text
		}
	}
	c.s.store.link(app, "customerReviews", o.id)
	return nil
}

// responseCreated publishes a response after a while. It takes the place of an
// earlier one.
func responseCreated(c *call, o *object) {
	for _, x := range c.s.store.all(o.typ) {
		if x != o && c.s.store.one(x, "review") == nil {
			c.drop(x)
		}
	}
	o.attrs["state"], o.attrs["lastModifiedDate"] = "PENDING_PUBLISH", c.stamp()
	c.after(0, o, "publish", nil)
}
