package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Act is something that only Apple or the world can do: process a build, decide
// a review, install an app. What a type offers stands in docs/sandbox.md.
type Act struct {
	Type string         `json:"type"`           // resource type: "builds"
	ID   string         `json:"id,omitempty"`   // of the resource; "" for what makes a new one
	Do   string         `json:"do"`             // "process"
	With map[string]any `json:"with,omitempty"` // arguments, as the act names them
}

// act is one [Act] that a type offers. It runs while the state is locked.
type act struct {
	does string   // for people: "Apple processes the build: it becomes VALID"
	with []string // names of the arguments it takes
	made bool     // it makes an object of the type, so that it wants no id
	own  bool     // only the sandbox itself does it, when its time comes
	on   string   // row of the type's machines that it follows: what it can be done in
	// when says whether an object waits for it, for the page; by the rows of on if nil.
	when func(o *object) bool
	do   func(c *call, o *object, with map[string]any) error
}

// event is an act whose time will come.
type event struct {
	At time.Time
	Act
}

// ErrNoAct says that a type does not offer an act, or not with those arguments.
var ErrNoAct = errors.New("no such act")

// ErrNoResource says that the resource of an act is not there.
var ErrNoResource = errors.New("no such resource")

// Act does something to a resource. The error says what the resource's state
// does not allow.
func (s *Sandbox) Act(a Act) error {
	defer s.post()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.now(s.cfg.Now())
	s.happen(now)
	if b := s.actOf(a.Type, a.Do); b != nil && b.own {
		return fmt.Errorf("%w: %s does %q by itself", ErrNoAct, a.Type, a.Do)
	}
	err := s.act(now, a)
	s.change()
	s.happen(now)
	return err
}

// actOf finds an act by its name; nil if a type does not offer it.
func (s *Sandbox) actOf(typ, do string) *act {
	if a, ok := s.behaviors[typ].acts[do]; ok {
		return &a
	}
	if a, ok := commonActs()[do]; ok {
		return &a
	}
	return nil
}

func (s *Sandbox) act(now time.Time, a Act) error {
	what := s.actOf(a.Type, a.Do)
	if what == nil {
		return fmt.Errorf("%w: %s offers %s", ErrNoAct, a.Type, strings.Join(s.offered(a.Type), ", "))
	}
	for name := range a.With {
		if !slices.Contains(what.with, name) {
			return fmt.Errorf("%w: %s of %s takes no %q", ErrNoAct, a.Do, a.Type, name)
		}
	}
	o := s.store.get(a.Type, a.ID)
	if o == nil && !what.made {
		return fmt.Errorf("%w: there is none of type %q with id %q", ErrNoResource, a.Type, a.ID)
	}
	c := s.inner(now)
	c.acting = a.Type
	err := what.do(c, o, a.With)
	if o != nil {
		s.store.touch(o)
	}
	return err
}

// offered are the names of a type's acts, sorted.
func (s *Sandbox) offered(typ string) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(s.behaviors[typ].acts)) {
		if !s.behaviors[typ].acts[name].own {
			list = append(list, name)
		}
	}
	return list
}

// inner is a call that nobody made: what behaviors get when Apple's side acts.
func (s *Sandbox) inner(now time.Time) *call {
	return &call{s: s, now: now, base: s.base, query: query{}}
}

// happen does what was to happen until now. The sandbox is locked.
func (s *Sandbox) happen(now time.Time) {
	st := s.store
	for len(st.later) > 0 && !st.later[0].At.After(now) {
		e := st.later[0]
		st.later = st.later[1:]
		s.change()
		if err := s.act(e.At, e.Act); err != nil {
			s.cfg.Logger.Debug("sandbox: nothing happened", "type", e.Type, "do", e.Do, "error", err)
		}
	}
}

// after lets an act happen to an object by itself, when Apple's side has had its
// time; took 0 is World.Processing.
func (c *call) after(took time.Duration, o *object, do string, with map[string]any) {
	if took == 0 {
		took = c.s.cfg.Processing
	}
	c.at(c.now.Add(took), o, do, with)
}

// at lets an act happen to an object at a time.
func (c *call) at(when time.Time, o *object, do string, with map[string]any) {
	c.s.store.schedule(when, o, do, with)
}

func (s *store) schedule(when time.Time, o *object, do string, with map[string]any) {
	i, _ := slices.BinarySearchFunc(s.later, when, func(e event, at time.Time) int {
		if e.At.After(at) {
			return 1
		}
		return -1
	})
	s.later = slices.Insert(s.later, i, event{when, Act{Type: o.typ, ID: o.id, Do: do, With: with}})
}

// spawn adds an object that Apple's side makes by itself.
func (c *call) spawn(typ string) *object { return c.s.spawn(typ, c.now) }

// chance says yes with a probability.
func (c *call) chance(p float64) bool { return c.s.store.rng.Float64() < p }

// moving is an act that does nothing but move the states of an object.
func moving(on, does string) act {
	return act{does: does, on: on, do: func(c *call, o *object, _ map[string]any) error { return c.move(o, on) }}
}

// commonActs are those of every type.
func commonActs() map[string]act {
	return map[string]act{
		"delivered":      {own: true, with: []string{"errors", "width", "height"}, do: fileDelivered},
		"processed":      {own: true, do: fileProcessed},
		"frame is made":  {own: true, do: frameMade},
		"upload expires": {own: true, do: uploadExpires},
	}
}
