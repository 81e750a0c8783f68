package sandbox

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:embed facts.json
var factsJSON []byte

// facts is Apple's API, structure only. `ascspec generate` writes them.
type facts struct {
	Version string
	Types   map[string]*factType // by resource schema
	Values  map[string]*factAttr
	Ops     []factOp

	home    map[string]string             // schema → "/v2/inAppPurchases", where one is read
	schemas map[string][]string           // type → schemas, sorted
	rels    map[string]map[string]factRel // type → relationship, over all schemas and paths
	inverse map[string]map[string]string  // type → relationship → the other side's
}

type factType struct {
	Type  string
	Attrs []factAttr
	Rels  []factRel
}

type factAttr struct {
	Name     string   `json:"n"`
	Kind     string   `json:"k"`
	Format   string   `json:"f"`
	Enum     []string `json:"e"`
	Ref      string
	Items    *factAttr
	Fields   []factAttr
	Required bool `json:"req"`
	Nullable bool `json:"null"`
	Min, Max *int64
}

type factRel struct {
	Name     string `json:"n"`
	Type     string
	Many     bool
	Data     bool
	Links    bool
	Meta     bool
	Required bool `json:"req"`
	Nullable bool `json:"null"`
}

type factParam struct {
	Name     string `json:"n"`
	List     bool
	Kind     string   `json:"k"`
	Enum     []string `json:"e"`
	Max      int
	Required bool `json:"req"`
}

type factOp struct {
	ID, Method, Path, Shape, Rel, Schema, Type string
	Many, Meta                                 bool
	Status                                     int
	Produces                                   []string
	Query                                      []factParam
	Body                                       *factType
	Inline                                     map[string]*factType
	Included                                   map[string]string
	Answer                                     *factAttr
}

// root is the type named by the path: /v1/{type}/….
func (op *factOp) root() string { return strings.Split(op.Path, "/")[2] }

func (op *factOp) param(name string) *factParam {
	for i := range op.Query {
		if op.Query[i].Name == name {
			return &op.Query[i]
		}
	}
	return nil
}

func loadFacts() (*facts, error) {
	f := &facts{home: map[string]string{}, schemas: map[string][]string{}, rels: map[string]map[string]factRel{}, inverse: map[string]map[string]string{}}
	if err := json.Unmarshal(factsJSON, f); err != nil {
		return nil, fmt.Errorf("sandbox: facts.json: %w", err)
	}
	for name, t := range f.Types {
		f.schemas[t.Type] = append(f.schemas[t.Type], name)
		for _, r := range t.Rels {
			f.addRel(t.Type, r)
		}
	}
	for _, list := range f.schemas {
		slices.Sort(list)
	}
	for _, op := range f.Ops {
		if op.Shape == "getInstance" || op.Shape == "updateInstance" && f.home[op.Schema] == "" {
			f.home[op.Schema] = strings.TrimSuffix(op.Path, "/{id}")
		}
		if op.Rel != "" && op.Type != "" && op.Shape != "getMetrics" && op.Method == "GET" {
			f.addRel(op.root(), factRel{Name: op.Rel, Type: op.Type, Many: op.Many, Data: true})
		}
	}
	f.findInverses()
	return f, nil
}

// addRel notes a relationship; one with a known target wins.
func (f *facts) addRel(typ string, r factRel) {
	if f.rels[typ] == nil {
		f.rels[typ] = map[string]factRel{}
	}
	if old, ok := f.rels[typ][r.Name]; !ok || old.Type == "" {
		f.rels[typ][r.Name] = r
	}
}

// findInverses pairs the two sides of a relationship: where each of two types
// has just one relationship to the other, or where one is named for the other's
// type.
func (f *facts) findInverses() {
	for typ, rels := range f.rels {
		f.inverse[typ] = map[string]string{}
		for name, r := range rels {
			var back []string
			for other, o := range f.rels[r.Type] {
				if o.Type == typ {
					back = append(back, other)
				}
			}
			slices.Sort(back)
			switch {
			case len(back) == 1 && f.countTo(typ, r.Type) == 1:
				f.inverse[typ][name] = back[0]
			case len(back) > 0 && (name == r.Type || name+"s" == r.Type):
				for _, b := range back {
					if b == typ || b+"s" == typ {
						f.inverse[typ][name] = b
					}
				}
			}
		}
	}
}

func (f *facts) countTo(typ, target string) (n int) {
	for _, r := range f.rels[typ] {
		if r.Type == target {
			n++
		}
	}
	return n
}

// resolve follows a reference to a named value.
func (f *facts) resolve(a *factAttr) *factAttr {
	if a.Ref != "" {
		if v := f.Values[a.Ref]; v != nil {
			return v
		}
	}
	return a
}

// attr finds an attribute of a schema.
func (t *factType) attr(name string) *factAttr {
	for i := range t.Attrs {
		if t.Attrs[i].Name == name {
			return &t.Attrs[i]
		}
	}
	return nil
}

func (t *factType) rel(name string) *factRel {
	for i := range t.Rels {
		if t.Rels[i].Name == name {
			return &t.Rels[i]
		}
	}
	return nil
}
