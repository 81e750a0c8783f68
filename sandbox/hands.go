package sandbox

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// offer is an act that a type offers, as the control API and the docs tell it.
type offer struct {
	Do   string   `json:"do"`
	Does string   `json:"does"`
	With []string `json:"with,omitempty"`
	New  bool     `json:"new,omitempty"` // it makes a resource, so that it wants no id
}

// offers are the acts of a type, by name.
func (s *Sandbox) offers(typ string) (list []offer) {
	for _, name := range s.offered(typ) {
		a := s.behaviors[typ].acts[name]
		list = append(list, offer{name, a.does, a.with, a.made})
	}
	return list
}

// listActs tells what each type offers.
func (s *Sandbox) listActs(w http.ResponseWriter, _ *http.Request) {
	s.tell(w, func() any {
		all := map[string][]offer{}
		for typ := range s.behaviors {
			if list := s.offers(typ); len(list) > 0 {
				all[typ] = list
			}
		}
		return map[string]any{"acts": all}
	})
}

// postAct does what only Apple or the world can do.
func (s *Sandbox) postAct(w http.ResponseWriter, r *http.Request) {
	var a Act
	if !ask(w, r, &a) {
		return
	}
	if err := s.Act(a); err != nil {
		refuse(w, actStatus(err), err.Error())
		return
	}
	s.tell(w, func() any {
		o := s.store.get(a.Type, a.ID)
		if o == nil {
			return map[string]any{}
		}
		return map[string]any{"object": raw(o)}
	})
}

// raw is what the sandbox holds of an object, secrets apart.
func raw(o *object) map[string]any {
	return map[string]any{"id": o.id, "attributes": withoutSecrets(o.attrs), "relationships": o.rels}
}

// actStatus is the status of an act that was refused: 404 where there is no such
// act or resource, 409 where the resource's state does not allow it.
func actStatus(err error) int {
	if errors.Is(err, ErrNoAct) || errors.Is(err, ErrNoResource) {
		return http.StatusNotFound
	}
	return http.StatusConflict
}

// waitsFor says whether an object is in a state from which an act moves it.
func (s *Sandbox) waitsFor(o *object, a act) bool {
	if a.own || a.made {
		return false
	}
	if a.when != nil {
		return a.when(o)
	}
	for _, m := range s.behaviors[o.typ].machines {
		for _, row := range m.moves {
			if a.on != "" && row.on == a.on && slices.Contains(row.from, m.state(o)) {
				return true
			}
		}
	}
	return false
}

// mostWaiting is how many objects the page offers buttons for.
const mostWaiting = 50

// waiting is an object that waits for an act.
type waiting struct {
	Type, ID string
	Acts     []button
}

// button is an act on the page, with the fields for its arguments.
type button struct {
	offer
	Fields []field
}

// waitingObjects are the first objects that wait for somebody to act.
func (s *Sandbox) waitingObjects() (list []waiting) {
	for _, typ := range slices.Sorted(maps.Keys(s.behaviors)) {
		offers := s.offers(typ)
		for _, o := range s.store.all(typ) {
			w := waiting{Type: typ, ID: o.id}
			for _, x := range offers {
				if s.waitsFor(o, s.behaviors[typ].acts[x.Do]) {
					w.Acts = append(w.Acts, button{x, s.fields(o, x.With)})
				}
			}
			if len(w.Acts) == 0 {
				continue
			}
			if list = append(list, w); len(list) == mostWaiting {
				return list
			}
		}
	}
	return list
}

// pageForm takes a form of the page and shows the page again.
func pageForm(do func(form url.Values) (status int, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxControlBytes)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "the form cannot be read", http.StatusBadRequest)
			return
		}
		if status, err := do(r.PostForm); err != nil {
			http.Error(w, err.Error(), status)
			return
		}
		http.Redirect(w, r, (&url.URL{Path: "/", RawQuery: r.URL.RawQuery}).String(), http.StatusSeeOther)
	}
}

// formAct is a button of the page: an act, with the arguments that its fields name.
func (s *Sandbox) formAct(form url.Values) (int, error) {
	a := Act{Type: form.Get("type"), ID: form.Get("id"), Do: form.Get("do")}
	if what := s.actOf(a.Type, a.Do); what != nil {
		a.With = formArguments(form, what.with)
	}
	if err := s.Act(a); err != nil {
		return actStatus(err), err
	}
	return 0, nil
}
