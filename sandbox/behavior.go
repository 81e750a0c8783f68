package sandbox

import "time"

// behavior is what a single resource type does beyond the common. The zero
// value is that of most types. All run while the state is locked.
type behavior struct {
	// count is how many objects a new sandbox has, a multiple of perType so that
	// they spread evenly over what they belong to; perType if 0.
	count int
	// seed makes the i-th object of a new sandbox believable.
	seed func(o *object, i int)
	// placed lists relationships that seed names the ids of, on one side, or none:
	// all others lead to something in a new sandbox.
	placed []string
	// oneOf are relationships of which an object has one: a new sandbox has as many
	// objects of each.
	oneOf []string
	// settled completes an object of a new sandbox that has its relationships.
	settled func(st *store, o *object)
	// named gives a new object the id that Apple makes of what it belongs to; "" leaves
	// it its own. What has that id already ends: the new one takes its place.
	named func(c *call, o *object) string
	// unique lists sets of attributes and relationships of which no two objects
	// have the same values. Errors point to the last of a set.
	unique [][]string
	// allowed refuses an object as it would be: a new one if old is nil.
	allowed func(c *call, o, old *object) []apiError
	// looked brings an object up to date before it, or what it is related to, is read.
	looked func(c *call, o *object)
	// removable refuses the end of an object.
	removable func(c *call, o *object) []apiError
	// created completes a new object, updated follows a change, removed the end
	// of an object, delivered the end of an upload.
	created, updated, removed, delivered func(c *call, o *object)
	// owns lists relationships whose objects end with theirs, beside those that
	// cannot be created without it. outlives lists those without which an object
	// cannot be created, but goes on.
	owns, outlives []string
	// grows lists relationships to many to which a change of the object adds; it
	// replaces all others.
	grows []string
	// relating refuses a write to a relationship's own URL; related follows one.
	relating func(c *call, o *object, w relWrite) []apiError
	related  func(c *call, o *object, w relWrite)
	// machines are the lives of the states; moved follows each change of one.
	machines []machine
	moved    func(c *call, o *object, attr, was, is string)
	// acts are what Apple or the world can do to an object, by name.
	acts map[string]act
	// filters match a filter's value in another way than by being equal, by key.
	filters map[string]func(have, want string) bool
	// tests are filters that compare in a way of their own, by key.
	tests map[string]test
	// listed puts the answer to a list in an order of its own, unless sort asks
	// for another.
	listed func(c *call, list []*object)
	// measures make the rows of metrics out of the world, by the metrics' name; others
	// are made up.
	measures map[string]func(c *call, o *object) []any
	// show computes attributes as they are read; others stay as they are.
	show func(c *call, o *object) map[string]any
}

// test says whether an object matches a filter's value.
type test func(s *store, o *object, want string) bool

// behaviors of all types that have one. A type stands in one of the lists only.
func behaviors() map[string]behavior {
	all := map[string]behavior{}
	for _, list := range []map[string]behavior{
		provisioning(), certificates(), profiles(), testFlight(), testers(), feedback(), builds(), exportCompliance(),
		buildUploads(), betaReview(), promotions(),
		appStore(), commerce(), versions(), phasedReleases(), appInfos(), review(), reviewKinds(), webhooks(),
		distribution(), customerReviews(), library(), organisation(), xcodeCloud(), reporting(), gameCenter(),
		priceSchedules(), availabilities(), offers(),
		submissions(), subscriptionPrices(), offerCodes(), promoted(),
	} {
		for typ, b := range list {
			all[typ] = b
		}
	}
	setFiles(all)
	locking(all)
	return all
}

// The helpers below make the small functions that behaviors are built of.

// cycle seeds an attribute with values in turn.
func cycle(name string, values ...any) func(*object, int) {
	return func(o *object, i int) { o.attrs[name] = values[i%len(values)] }
}

// each seeds several attributes.
func each(seeds ...func(*object, int)) func(*object, int) {
	return func(o *object, i int) {
		for _, seed := range seeds {
			seed(o, i)
		}
	}
}

// setting completes a new object with fixed attributes, where it has none yet.
func setting(attrs map[string]any) func(*call, *object) {
	return func(_ *call, o *object) {
		for name, v := range attrs {
			if o.attrs[name] == nil {
				o.attrs[name] = v
			}
		}
	}
}

// relWrite is a write to a relationship's own URL.
type relWrite struct {
	rel string
	ids []string // that are added, removed, or all that there are to be
	how string   // add, remove, replace
}

// inAYear is when most certificates, profiles and the like end.
func (c *call) inAYear() string { return stamp(c.now.AddDate(1, 0, 0)) }

// seedTime is about when the i-th object of a new sandbox came to be.
func seedTime(now time.Time, i, count int) time.Time {
	return now.Add(-time.Duration(count-i) * 24 * time.Hour).Truncate(time.Second)
}
