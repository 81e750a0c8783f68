package sandbox

import (
	"cmp"
	"fmt"
)

// distribution: background assets, and packages for alternative marketplaces, as
// far as Apple tells webhooks of them.
func distribution() map[string]behavior {
	const source = "Apple: background assets, states"
	states := machine{attr: "state", moves: []move{
		{"fail", []string{"AWAITING_UPLOAD", "PROCESSING"}, "FAILED", source},
		{"complete", []string{"AWAITING_UPLOAD", "PROCESSING"}, "COMPLETE", source},
	}}
	return map[string]behavior{
		"backgroundAssetVersions": {
			seed: cycle("state", "PROCESSING"), machines: []machine{states},
			acts: map[string]act{
				"fail": moving("fail", "Apple finds the asset pack invalid"),
				"complete": {
					does: "Apple has processed the asset pack: it can be tested inside the team",
					do:   assetCompleted,
				},
			},
		},
		"backgroundAssetVersionExternalBetaReleases": {
			acts: map[string]act{"become": becomingState("the state of the external test changes")},
		},
		"backgroundAssetVersionAppStoreReleases": {
			machines: []machine{assetReview.machine()},
			acts:     map[string]act{"become": becomingState("the state of the release in the store changes")},
		},
		"alternativeDistributionPackageVersions": {acts: map[string]act{
			"announce": {does: "Apple has made the version of a package", with: []string{"app"}, do: packageCreated},
		}},
		"alternativeDistributionPackages": {acts: map[string]act{
			"change availability": {
				does: "a package can be had, or no longer",
				with: []string{"app", "available", "territories"},
				do:   availabilityChanged("ALTERNATIVE_DISTRIBUTION_PACKAGE_AVAILABLE_UPDATED"),
			},
		}},
	}
}

// assetCompleted makes the internal release that goes with a processed pack.
func assetCompleted(c *call, o *object, _ map[string]any) error {
	if err := c.move(o, "complete"); err != nil {
		return err
	}
	release := c.s.store.one(o, "internalBetaRelease")
	if release == nil {
		release = c.spawn("backgroundAssetVersionInternalBetaReleases")
		c.s.store.link(o, "internalBetaRelease", release.id)
	}
	c.announce(release, "", "", "")
	return nil
}

// becomingState moves a state to any that the document knows.
func becomingState(does string) act {
	return act{does: does, with: []string{"state"}, do: func(c *call, o *object, with map[string]any) error {
		state, _ := with["state"].(string)
		a := c.s.facts.resolve(c.s.facts.attr(o.typ, "state"))
		if state == "" || !c.s.facts.takes(a, state) {
			return fmt.Errorf("state: want one of %v", c.s.facts.enum(a.Enum))
		}
		was := o.text("state")
		o.attrs["state"] = state
		c.moved(o, "state", was, state)
		return nil
	}}
}

func packageCreated(c *call, o *object, with map[string]any) error {
	app, err := c.named(with)
	if err != nil {
		return err
	}
	c.publishEvent(app, "ALTERNATIVE_DISTRIBUTION_PACKAGE_VERSION_CREATED", o,
		map[string]any{"appId": app.id, "timestamp": c.timestamp()}, marketplaceApp(app))
	return nil
}

// availabilityChanged tells where something can be had. What names no instance is
// about the app alone.
func availabilityChanged(kind string) func(*call, *object, map[string]any) error {
	return func(c *call, o *object, with map[string]any) error {
		app, instance := o, (*object)(nil)
		if o.typ != "apps" {
			var err error
			if app, err = c.named(with); err != nil {
				return err
			}
			instance = o
		}
		available, _ := with["available"].(bool)
		territories, _ := with["territories"].([]any)
		c.publishEvent(app, kind, instance, map[string]any{"appId": app.id, "available": available,
			"territories": append([]any{}, territories...), "timestamp": c.timestamp()}, marketplaceApp(app))
		return nil
	}
}

// named is the app that the arguments of an act name.
func (c *call) named(with map[string]any) (*object, error) {
	id, _ := with["app"].(string)
	if app := c.s.store.get("apps", id); app != nil {
		return app, nil
	}
	return nil, fmt.Errorf("app: there is no app %q", cmp.Or(id, "(none)"))
}

func marketplaceApp(app *object) map[string]any {
	return map[string]any{"marketplaceApp": map[string]any{"data": map[string]any{"type": "apps", "id": app.id}}}
}
