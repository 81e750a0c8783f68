package sandbox

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:embed facts.json
var factsJSON []byte

// facts is Apple's API, structure only. `ascspec generate` writes them; nothing
// changes them after loadFacts.
type facts struct {
	Version string
	Enums   [][]string
	Types   map[string]*factType // by resource schema
	Values  map[string]*factAttr // by schema
	Ops     []factOp

	home      map[string]string               // schema → "/v2/inAppPurchases", where one is read
	schemas   map[string][]string             // type → schemas, sorted
	relations map[string]map[string]*relation // type → relationship
	children  map[string][]child              // type → what cannot be without it
	owners    map[string][]string             // type → relationships that lead to its app
	book      *priceBook                      // what everything may cost
}

type factType struct {
	Type  string
	Attrs []factAttr // by name
	Rels  []factRel  // by name
}

type factAttr struct {
	Name     string `json:"n"`
	Kind     string `json:"k"` // string, boolean, integer, number, array, object, map, any, ref
	Format   string `json:"f"`
	Enum     enum   `json:"e"`
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
	Data     bool // it may show linkage, not only links
	Links    bool
	Meta     bool
	Required bool `json:"req"`
	Nullable bool `json:"null"`
}

type factParam struct {
	Name     string `json:"n"`
	List     bool
	Kind     string `json:"k"`
	Enum     enum   `json:"e"`
	Max      int
	Required bool `json:"req"`
}

// factOp is an operation. Schema is that of the answer's resources, Type that of
// the body's, else of the answer's.
type factOp struct {
	ID, Method, Path, Shape, Rel, Schema, Type string
	Many, Meta                                 bool
	Status                                     int
	Produces                                   []string
	Query                                      []factParam
	Body                                       *factType
	Inline                                     map[string]*factType // by type
	Included                                   map[string]string    // type → schema
	Answer                                     *factAttr            // of an answer that holds no resources
}

// enum is a list of values, by its place in facts.Enums; 0 is none.
type enum int

func (f *facts) enum(e enum) []string { return f.Enums[e] }

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
	f := &facts{home: map[string]string{}, schemas: map[string][]string{}}
	if err := json.Unmarshal(factsJSON, f); err != nil {
		return nil, fmt.Errorf("sandbox: facts.json: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Types)) {
		t := f.Types[name]
		f.schemas[t.Type] = append(f.schemas[t.Type], name)
		slices.SortFunc(t.Attrs, func(a, b factAttr) int { return strings.Compare(a.Name, b.Name) })
		slices.SortFunc(t.Rels, func(a, b factRel) int { return strings.Compare(a.Name, b.Name) })
	}
	for _, op := range f.Ops {
		if op.Shape == "getInstance" || op.Shape == "updateInstance" && f.home[op.Schema] == "" {
			f.home[op.Schema] = strings.TrimSuffix(op.Path, "/{id}")
		}
	}
	f.findRelations()
	f.findChildren()
	f.findOwners()
	f.book = newPriceBook()
	return f, nil
}

// types are all that have a schema, or are at least related to; sorted.
func (f *facts) types() []string {
	set := map[string]bool{}
	for typ := range f.schemas {
		set[typ] = true
	}
	for _, rels := range f.relations {
		for _, r := range rels {
			set[r.typ] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
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

// attr finds an attribute in any view of a type.
func (f *facts) attr(typ, name string) *factAttr {
	for _, schema := range f.schemas[typ] {
		if a := f.Types[schema].attr(name); a != nil {
			return a
		}
	}
	return nil
}

func (t *factType) attr(name string) *factAttr { return named(t.Attrs, name) }

func (a *factAttr) field(name string) *factAttr { return named(a.Fields, name) }

func named(list []factAttr, name string) *factAttr {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
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
