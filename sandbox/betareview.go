package sandbox

import (
	"slices"
	"strings"
	"time"
)

// betaReview: the review of builds for external testers, by Apple: one at a time
// an app and version.
func betaReview() map[string]behavior {
	const source = "Apple: BetaAppReviewSubmission, betaReviewState"
	return map[string]behavior{
		"betaAppReviewSubmissions": {
			count:   twoPerApp,
			seed:    cycle("betaReviewState", "APPROVED"),
			allowed: betaReviewAllowed,
			created: betaReviewCreated,
			machines: []machine{{attr: "betaReviewState", moves: []move{
				{"start", []string{"WAITING_FOR_REVIEW"}, "IN_REVIEW", source},
				{"approve", []string{"WAITING_FOR_REVIEW", "IN_REVIEW"}, "APPROVED", source},
				{"reject", []string{"WAITING_FOR_REVIEW", "IN_REVIEW"}, "REJECTED", source},
			}}},
			acts: map[string]act{
				"start":   deciding("start", "Beta App Review begins"),
				"approve": deciding("approve", "Beta App Review approves the build"),
				"reject":  deciding("reject", "Beta App Review rejects the build"),
				"decide":  {own: true, do: betaReviewDecided},
			},
		},
		"betaAppReviewDetails": {seed: each(
			cycle("contactFirstName", "Ada"), cycle("contactLastName", "Lovelace"),
			cycle("contactPhone", "+1 555 010 0199"), cycle("contactEmail", "review@example.com"),
			cycle("demoAccountRequired", false),
		)},
	}
}

// testInformation refuses a review of an app without what Beta App Review and
// testers must know. Apple: provide test information; titles as in public reports.
func (c *call) testInformation(app *object) (errs []apiError) {
	missing := func(what string) {
		errs = append(errs, unprocessableState(what+" is missing.",
			what+" is required to submit a build for external testing.")...)
	}
	text := func(o *object, name string) bool { return o != nil && o.text(name) != "" }
	detail := c.s.store.one(app, "betaAppReviewDetail")
	for _, x := range []struct{ attr, what string }{
		{"contactFirstName", "Beta App Review contact first name"},
		{"contactLastName", "Beta App Review contact last name"},
		{"contactPhone", "Beta App Review contact phone"},
		{"contactEmail", "Beta App Review contact email"},
		{"demoAccountName", "Beta App Review demo account name"},
		{"demoAccountPassword", "Beta App Review demo account password"},
	} {
		demo := strings.HasPrefix(x.attr, "demo")
		if !text(detail, x.attr) && (!demo || detail != nil && detail.attrs["demoAccountRequired"] == true) {
			missing(x.what)
		}
	}
	var primary *object
	for _, l := range c.s.store.related(app, "betaAppLocalizations") {
		if strings.EqualFold(l.text("locale"), app.text("primaryLocale")) {
			primary = l
		}
	}
	if !text(primary, "description") {
		missing("Beta App Description")
	}
	if !text(primary, "feedbackEmail") {
		missing("Feedback Email")
	}
	return errs
}

// deciding moves a submission and the state of its build.
func deciding(on, does string) act {
	return act{does: does, do: func(c *call, o *object, _ map[string]any) error {
		if err := c.move(o, on); err != nil {
			return err
		}
		build := c.s.store.one(o, "build")
		if build == nil {
			return nil
		}
		err := c.move(c.betaDetail(build), on)
		if on == "approve" {
			c.offer(build)
		}
		return err
	}}
}

// betaReviewAllowed refuses builds that cannot be reviewed now.
func betaReviewAllowed(c *call, o, _ *object) []apiError {
	build := c.s.store.one(o, "build")
	if build == nil {
		return nil
	}
	switch state := c.betaDetail(build).text("externalBuildState"); {
	case build.text("processingState") != "VALID":
		return unprocessableState(
			"The build is not processed yet.",
			"Build "+build.id+" is "+build.text("processingState")+".",
		)
	case state == "MISSING_EXPORT_COMPLIANCE":
		return unprocessableState(
			"The build is missing export compliance.",
			"Say whether build "+build.id+" uses non-exempt encryption.",
			"MISSING_EXPORT_COMPLIANCE",
		)
	case state != "READY_FOR_BETA_SUBMISSION" && state != "BETA_REJECTED":
		return []apiError{
			{
				Status:  409,
				Code:    "ENTITY_ERROR.RELATIONSHIP.INVALID",
				Title:   "The provided entity includes a relationship with an invalid value",
				Detail:  "The build was submitted already, or need not be: its external state is " + state + ".",
				Pointer: "/data/relationships/build",
			},
		}
	}
	if app := c.s.store.one(build, "app"); app != nil {
		if errs := c.testInformation(app); len(errs) > 0 {
			return errs
		}
	}
	for _, x := range c.s.store.all(o.typ) {
		other := c.s.store.one(x, "build")
		open := slices.Contains([]string{"WAITING_FOR_REVIEW", "IN_REVIEW"}, x.text("betaReviewState"))
		if open && other != nil &&
			slices.Equal(c.s.store.ids(other, "preReleaseVersion"), c.s.store.ids(build, "preReleaseVersion")) {
			return unprocessableState(
				"Another build is in review.",
				"Build "+other.id+" of the same version is "+x.text("betaReviewState")+".",
				"ANOTHER_BUILD_IN_REVIEW",
			)
		}
	}
	return nil
}

func betaReviewCreated(c *call, o *object) {
	o.attrs["betaReviewState"], o.attrs["submittedDate"] = "WAITING_FOR_REVIEW", c.stamp()
	if build := c.s.store.one(o, "build"); build != nil {
		_ = c.move(c.betaDetail(build), "submit")
	}
	if took := c.s.cfg.Auto.BetaReview; took > 0 {
		c.decideAfter(took, o, "start", nil)
	}
}

// decideAfter lets a review begin after half of a time, by an act, and end after all
// of it.
func (c *call) decideAfter(took time.Duration, o *object, begin string, with map[string]any) {
	c.at(c.now.Add(took/2), o, begin, with)
	c.at(c.now.Add(took), o, "decide", with)
}

// approves is what a review that happens by itself comes to.
func (c *call) approves() bool {
	p := c.s.cfg.Auto.Approve
	return p == 0 || c.chance(p)
}

func betaReviewDecided(c *call, o *object, _ map[string]any) error {
	on := "reject"
	if c.approves() {
		on = "approve"
	}
	return deciding(on, "").do(c, o, nil)
}
