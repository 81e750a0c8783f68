package sandbox

// xcodeCloud: build runs.
func xcodeCloud() map[string]behavior {
	return map[string]behavior{
		"ciBuildRuns": {
			seed: each(
				cycle("executionProgress", "COMPLETE"),
				cycle("completionStatus", "SUCCEEDED", "FAILED", "SUCCEEDED"),
			),
			created: runCreated,
			acts:    map[string]act{"finish": {own: true, do: runFinished}},
		},
	}
}

// runCreated: a build run waits, and has succeeded after a while.
func runCreated(c *call, o *object) {
	setting(
		map[string]any{
			"number":             len(c.s.store.all(o.typ)),
			"executionProgress":  "PENDING",
			"startReason":        "MANUAL",
			"isPullRequestBuild": false,
		},
	)(
		c,
		o,
	)
	for _, name := range []string{"product", "workflow"} { // of the run that is run again
		for _, again := range c.s.store.related(o, "buildRun") {
			if ids := c.s.store.ids(again, name); len(c.s.store.ids(o, name)) == 0 {
				c.s.store.link(o, name, ids...)
			}
		}
	}
	o.attrs["startedDate"] = c.stamp()
	c.after(0, o, "finish", nil)
}

func runFinished(c *call, o *object, _ map[string]any) error {
	o.attrs["executionProgress"], o.attrs["completionStatus"] = "COMPLETE", "SUCCEEDED"
	o.attrs["finishedDate"] = c.stamp()
	return nil
}
