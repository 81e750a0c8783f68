package apispec

import (
	"bytes"
	"encoding/json"
	"strings"
)

// The facts are what the sandbox knows of Apple's API: structure only, straight
// from the patched document, so that the sandbox owes nothing to the protobufs
// that it is there to test.
type facts struct {
	Version string              `json:"version"`
	Types   map[string]factType `json:"types"`  // by resource schema
	Values  map[string]factAttr `json:"values"` // by schema
	Ops     []factOp            `json:"ops"`
}

type factType struct {
	Type  string     `json:"type"`
	Attrs []factAttr `json:"attrs,omitempty"`
	Rels  []factRel  `json:"rels,omitempty"`
}

type factAttr struct {
	Name     string     `json:"n,omitempty"`
	Kind     string     `json:"k,omitempty"` // string, boolean, integer, number, array, object, map, any
	Format   string     `json:"f,omitempty"`
	Enum     []string   `json:"e,omitempty"`
	Ref      string     `json:"ref,omitempty"`
	Items    *factAttr  `json:"items,omitempty"`
	Fields   []factAttr `json:"fields,omitempty"`
	Required bool       `json:"req,omitempty"`
	Nullable bool       `json:"null,omitempty"`
	Min      *int64     `json:"min,omitempty"`
	Max      *int64     `json:"max,omitempty"`
}

type factRel struct {
	Name     string `json:"n"`
	Type     string `json:"type,omitempty"`
	Many     bool   `json:"many,omitempty"`
	Data     bool   `json:"data,omitempty"` // the document gives it linkage, not only links
	Links    bool   `json:"links,omitempty"`
	Meta     bool   `json:"meta,omitempty"`
	Required bool   `json:"req,omitempty"`
	Nullable bool   `json:"null,omitempty"`
}

type factParam struct {
	Name     string   `json:"n"`
	List     bool     `json:"list,omitempty"`
	Kind     string   `json:"k"`
	Enum     []string `json:"e,omitempty"`
	Max      int64    `json:"max,omitempty"`
	Required bool     `json:"req,omitempty"`
}

type factOp struct {
	ID       string              `json:"id"`
	Method   string              `json:"method"`
	Path     string              `json:"path"`
	Shape    string              `json:"shape"`
	Rel      string              `json:"rel,omitempty"`
	Schema   string              `json:"schema,omitempty"` // of the answer's resources
	Many     bool                `json:"many,omitempty"`   // the answer or body is a list
	Type     string              `json:"type,omitempty"`   // of the body, else of the answer
	Status   int                 `json:"status"`
	Produces []string            `json:"produces,omitempty"`
	Query    []factParam         `json:"query,omitempty"`
	Body     *factType           `json:"body,omitempty"`
	Inline   map[string]factType `json:"inline,omitempty"`   // by type
	Included map[string]string   `json:"included,omitempty"` // type → schema
	Answer   *factAttr           `json:"answer,omitempty"`   // of a document without resources: metrics, plain JSON
	Meta     bool                `json:"meta,omitempty"`     // the answer has meta.paging
}

// Facts makes the sandbox's facts of a document.
func Facts(doc *Document) ([]byte, error) {
	f := facts{Version: doc.Version, Types: map[string]factType{}, Values: map[string]factAttr{}}
	for name, s := range doc.Schemas.All() {
		if _, ok := s.IsResource(); ok && !isInline(name) {
			f.Types[name] = factsOfObject(s)
		} else if len(s.Enum) > 0 || s.Type == "object" && !strings.HasSuffix(name, "Request") && !strings.HasSuffix(name, "Response") && !isInline(name) {
			f.Values[name] = factsOfAttr("", s)
		}
	}
	b := &builder{doc: doc}
	for _, op := range doc.Operations {
		f.Ops = append(f.Ops, b.facts(op))
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(f)
	return out.Bytes(), err
}

func factsOfObject(s *Schema) (t factType) {
	t.Type, _ = s.typeOf()
	attrs, required := s.Attributes()
	for name, a := range attrs.All() {
		fa := factsOfAttr(name, a)
		fa.Required = contains(required, name)
		t.Attrs = append(t.Attrs, fa)
	}
	rels, required := s.Relationships()
	for name, r := range rels.All() {
		typ, many, nullable, ok := r.Linkage()
		_, links := r.Properties.Get("links")
		_, meta := r.Properties.Get("meta")
		t.Rels = append(t.Rels, factRel{Name: name, Type: typ, Many: many, Data: ok, Links: links, Meta: meta, Nullable: nullable, Required: contains(required, name)})
	}
	return t
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func factsOfAttr(name string, s *Schema) factAttr {
	a := factAttr{Name: name, Kind: s.Type, Format: s.Format, Enum: s.Enum, Ref: s.Ref, Nullable: s.Nullable, Min: s.Minimum, Max: s.Maximum}
	switch {
	case s.Ref != "":
		a.Kind = "ref"
	case s.Type == "array":
		items := factsOfAttr("", s.Items)
		a.Items = &items
	case s.Type == "object" && s.Properties.Len() == 0:
		a.Kind = "map"
	case s.Type == "":
		a.Kind = "any"
	}
	for n, p := range s.Properties.All() {
		a.Fields = append(a.Fields, factsOfAttr(n, p))
	}
	return a
}

func (b *builder) facts(op *Operation) factOp {
	parts := strings.Split(op.ID, "_")
	f := factOp{ID: op.ID, Method: op.Method, Path: op.Path, Shape: parts[len(parts)-1], Status: op.Status, Produces: op.Contents.Keys}
	if len(parts) == 3 {
		f.Rel = parts[1]
	}
	n := &namedOperation{Operation: op, rpc: &RPC{}}
	f.Type, f.Schema = b.primaryType(n), b.resourceOf(n)
	for _, p := range op.Parameters {
		fp := factParam{Name: p.Name, Kind: p.Schema.Type, Enum: p.Schema.Enum, Max: maximum(p.Schema), Required: p.Required}
		if p.Schema.Type == "array" {
			fp.List, fp.Kind, fp.Enum = true, p.Schema.Items.Type, p.Schema.Items.Enum
		}
		f.Query = append(f.Query, fp)
	}
	if body := b.doc.Resolve(op.Body); body != nil {
		b.bodyFacts(&f, body)
	}
	if answer := b.doc.Resolve(first(op.Contents)); answer != nil {
		b.answerFacts(&f, op, answer)
	}
	return f
}

func (b *builder) bodyFacts(f *factOp, body *Schema) {
	data, _ := body.Properties.Get("data")
	if data.Type == "array" {
		f.Many = true
		return
	}
	t := factsOfObject(data)
	f.Body = &t
	for _, ref := range includedSchemas(body) {
		s, _ := b.doc.Schemas.Get(ref)
		if f.Inline == nil {
			f.Inline = map[string]factType{}
		}
		inline := factsOfObject(s)
		f.Inline[inline.Type] = inline
	}
}

func (b *builder) answerFacts(f *factOp, op *Operation, answer *Schema) {
	data, isDocument := answer.Properties.Get("data")
	_, f.Meta = answer.Properties.Get("meta")
	if f.Method == "GET" {
		f.Many = isDocument && data.Type == "array"
	}
	if f.Shape == "getMetrics" || !isDocument {
		a := factsOfAttr("", answer)
		f.Answer = &a
	}
	for _, ref := range includedSchemas(answer) {
		s, _ := b.doc.Schemas.Get(ref)
		if typ, ok := s.IsResource(); ok {
			if f.Included == nil {
				f.Included = map[string]string{}
			}
			f.Included[typ] = ref
		}
	}
}
