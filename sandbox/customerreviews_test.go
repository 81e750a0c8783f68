package sandbox

import "testing"

func TestCustomerReviews(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	before := len(c.IDs("customerReviews"))
	said := map[string]any{"app": trailMix, "rating": 2.0, "title": "Hm", "body": "No maps.", "territory": "FRA"}
	if err := c.Act(Act{Type: "customerReviews", Do: "arrive", With: said}); err != nil {
		t.Fatal(err)
	}
	if err := c.Act(Act{Type: "customerReviews", Do: "arrive", With: map[string]any{"app": trailMix, "rating": 6.0}}); err == nil {
		t.Error("six stars were taken")
	}
	ids := c.IDs("customerReviews")
	if len(ids) != before+1 {
		t.Fatalf("%d reviews, then %d", before, len(ids))
	}
	id := ids[before]
	_, _, doc := c.send("GET", "/v1/apps/"+trailMix+"/customerReviews?filter[territory]=FRA", "")
	if at(doc, "data", 0, "id") != id {
		t.Errorf("%v", doc)
	}
	for _, text := range []string{"Soon.", "They are there."} {
		c.data(t, "POST", "/v1/customerReviewResponses",
			resource("customerReviewResponses", "", member("responseBody", text), to("review", "customerReviews", id)))
		got := c.data(t, "GET", "/v1/customerReviews/"+id+"/response", "")
		if at(got, "attributes", "responseBody") != text || at(got, "attributes", "state") != "PUBLISHED" {
			t.Errorf("%v", got)
		}
	}
}
