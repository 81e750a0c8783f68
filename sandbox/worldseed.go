package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	goyaml "go.yaml.in/yaml/v2"
	"sigs.k8s.io/yaml"
)

// Bounds of World.Seed.
const (
	maxSeedBytes     = 8 << 20
	maxSeedResources = 100_000
	maxSeedErrors    = 100 // for which a better name is looked for
)

// seedFile is World.Seed: resources in Apple's words.
type seedFile struct {
	Resources []seedResource `json:"resources"`
}

// seedResource is a resource of a seed. Attributes that it does not name get the
// values that they have in any new sandbox.
type seedResource struct {
	Type          string         `json:"type"`
	ID            string         `json:"id,omitempty"`   // one is made if ""; of a resource that is there: it is changed
	Name          string         `json:"name,omitempty"` // by which other resources of the file call it
	Attributes    map[string]any `json:"attributes,omitempty"`
	Relationships map[string]any `json:"relationships,omitempty"` // a name or id, or a list of them
}

// readSeed reads a seed strictly.
func readSeed(text []byte) (*seedFile, error) {
	if len(text) > maxSeedBytes {
		return nil, fmt.Errorf("sandbox: seed: more than %d bytes", maxSeedBytes)
	}
	if err := expanded(text); err != nil {
		return nil, fmt.Errorf("sandbox: seed: %w", err)
	}
	plain, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, fmt.Errorf("sandbox: seed: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(plain))
	d.DisallowUnknownFields()
	d.UseNumber()
	f := &seedFile{}
	if err := d.Decode(f); err != nil {
		return nil, fmt.Errorf("sandbox: seed: %w", err)
	}
	if len(f.Resources) > maxSeedResources {
		return nil, fmt.Errorf("sandbox: seed: more than %d resources", maxSeedResources)
	}
	return f, nil
}

// expanded refuses YAML whose aliases would make too much of a short text.
func expanded(text []byte) error {
	if !bytes.Contains(text, []byte("*")) {
		return nil
	}
	var v any
	if err := goyaml.Unmarshal(text, &v); err != nil {
		return err
	}
	if textBytes(v) > maxSeedBytes {
		return fmt.Errorf("with its aliases more than %d bytes", maxSeedBytes)
	}
	return nil
}

// textBytes is how much text a value of YAML holds.
func textBytes(v any) (n int) {
	switch v := v.(type) {
	case string:
		n = len(v)
	case []any:
		for _, x := range v {
			n += textBytes(x)
		}
	case map[any]any:
		for name, x := range v {
			n += textBytes(name) + textBytes(x)
		}
	}
	return n
}

// sower puts the resources of a seed into a store and gathers what is wrong.
type sower struct {
	s     *Sandbox
	st    *store
	w     *writer
	named map[string]*object // by "type/name"
	made  []*object          // by the place of their resource; nil where its type is wrong
	mine  map[*object]bool   // those
	errs  []error
}

// sow adds the resources of a seed to a store. The sandbox is locked.
func (s *Sandbox) sow(st *store, f *seedFile) error {
	x := &sower{
		s:     s,
		st:    st,
		w:     &writer{c: s.inner(s.clock.shown)},
		named: map[string]*object{},
		mine:  map[*object]bool{},
	}
	for i, r := range f.Resources {
		o := x.add(fmt.Sprintf("/resources/%d", i), r)
		x.made, x.mine[o] = append(x.made, o), true
	}
	for i, r := range f.Resources {
		if x.made[i] != nil {
			x.relate(fmt.Sprintf("/resources/%d/relationships/", i), x.made[i], r)
		}
	}
	for i, o := range x.made {
		if o != nil {
			x.complete(fmt.Sprintf("/resources/%d", i), o)
		}
	}
	for _, o := range x.made {
		if o != nil && o.typ == "apps" {
			s.addLibrary(st, o)
		}
	}
	for _, e := range x.w.errs {
		why := e.Detail
		if why == "" {
			why = e.Title
		}
		x.errs = append(x.errs, fmt.Errorf("%s: %s", e.Pointer, why))
	}
	if err := errors.Join(x.errs...); err != nil {
		return fmt.Errorf("sandbox: seed: %w", err)
	}
	if len(f.Resources) == 0 {
		return nil
	}
	if err := st.fits(!s.cfg.NoRules); err != nil {
		return fmt.Errorf("sandbox: seed: %w", err)
	}
	return nil
}

func (x *sower) refuse(at, format string, args ...any) {
	x.errs = append(x.errs, fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)))
}

// nearest is the end of a message about a name, as long as there are few.
func (x *sower) nearest(name string, known func() []string) string {
	if len(x.errs) >= maxSeedErrors {
		return ""
	}
	return nearest(name, known())
}

// add makes the object of a resource, or finds the one that is there.
func (x *sower) add(at string, r seedResource) *object {
	if x.s.facts.schemas[r.Type] == nil {
		x.refuse(at+"/type", "there is no type %q%s", r.Type,
			x.nearest(r.Type, func() []string { return sortedKeys(x.s.facts.schemas) }))
		return nil
	}
	if pointTypes[r.Type] != "" {
		x.refuse(at+"/type", "%s are there for each of the %s, and cannot be made", r.Type, pointTypes[r.Type])
		return nil
	}
	id := r.ID
	if id == "" {
		id = x.st.newID(r.Type)
	}
	o := x.st.get(r.Type, id)
	if o != nil && x.mine[o] {
		x.refuse(at+"/id", "%s %q is in the file already", r.Type, id)
		return nil
	}
	if o == nil {
		o = x.s.sample(r.Type, id, len(x.st.all(r.Type)), x.s.clock.shown)
		x.st.add(o)
	}
	if r.Name != "" {
		if x.named[r.Type+"/"+r.Name] != nil {
			x.refuse(at+"/name", "%s %q is in the file already", r.Type, r.Name)
		}
		x.named[r.Type+"/"+r.Name] = o
	}
	for _, name := range sortedKeys(r.Attributes) {
		place := at + "/attributes/" + name
		a := x.s.facts.attr(r.Type, name)
		if a == nil {
			x.refuse(place, "%s has no attribute %q%s", r.Type, name,
				x.nearest(name, func() []string { return x.s.facts.attrNames(r.Type) }))
			continue
		}
		x.w.value(a, r.Attributes[name], place)
		o.attrs[name] = r.Attributes[name]
	}
	return o
}

// relate ties an object to those that its resource names.
func (x *sower) relate(at string, o *object, r seedResource) {
	for _, name := range sortedKeys(r.Relationships) {
		rel := x.s.facts.relation(o.typ, name)
		if rel == nil {
			x.refuse(at+name, "%s has no relationship %q%s", o.typ, name,
				x.nearest(name, func() []string { return sortedKeys(x.s.facts.relations[o.typ]) }))
			continue
		}
		targets, ok := r.Relationships[name].([]any)
		if text, one := r.Relationships[name].(string); one && !rel.many {
			targets, ok = []any{text}, true
		}
		if !ok || !rel.many && len(targets) != 1 {
			x.refuse(at+name, "want a name or an id, or a list of them if it is to many")
			continue
		}
		var ids []string
		for _, target := range targets {
			text, _ := target.(string)
			if other := x.find(rel.typ, text); other != nil {
				ids = append(ids, other.id)
			} else {
				x.refuse(at+name, "there is no %s with the name or id %q%s", rel.typ, text,
					x.nearest(text, func() []string { return x.names(rel.typ) }))
			}
		}
		x.st.set(o, name, ids)
	}
}

// find is the object of a type with a name in the file, else with an id.
func (x *sower) find(typ, name string) *object {
	if o := x.named[typ+"/"+name]; o != nil {
		return o
	}
	return x.st.get(typ, name)
}

func (x *sower) names(typ string) (list []string) {
	for key := range x.named {
		if len(key) > len(typ) && key[:len(typ)+1] == typ+"/" {
			list = append(list, key[len(typ)+1:])
		}
	}
	slices.Sort(list)
	return list
}

// complete refuses an object without a relationship that it cannot be without.
func (x *sower) complete(at string, o *object) {
	for _, name := range sortedKeys(x.s.facts.relations[o.typ]) {
		r := x.s.facts.relations[o.typ][name]
		if r.seen && !r.many && r.name == name && x.s.facts.must(o.typ, name) && len(o.rels[name]) == 0 {
			x.refuse(at+"/relationships", "%s wants the relationship %q", o.typ, name)
		}
	}
}

// attrNames are the attributes of all views of a type, sorted.
func (f *facts) attrNames(typ string) []string {
	set := map[string]bool{}
	for _, schema := range f.schemas[typ] {
		for _, a := range f.Types[schema].Attrs {
			set[a.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// nearest is the name that somebody may have meant, as the end of a message; ""
// if none is near.
func nearest(name string, known []string) string {
	const long = 100
	if len(name) > long {
		return ""
	}
	best, least := "", len(name)/3+1
	for _, k := range known {
		if d := distance(name, k); d <= least && (best == "" || d < least) {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is how many letters differ between two words (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
