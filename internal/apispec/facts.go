package apispec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The facts are what the sandbox knows of Apple's API: structure only, straight
// from the patched document, so that the sandbox owes nothing to the protobufs
// that it is there to test.
type facts struct {
	Version string
	Enums   [][]string          // each list of values once; the first is empty
	Types   map[string]factType // by resource schema
	Values  map[string]factAttr // by schema
	Ops     []factOp

	enums map[string]int // where a list stands in Enums
	err   error          // the first
}

type factType struct {
	Type  string     `json:"type"`
	Attrs []factAttr `json:"attrs,omitempty"`
	Rels  []factRel  `json:"rels,omitempty"`
}

type factAttr struct {
	Name     string     `json:"n,omitempty"`
	Kind     string     `json:"k,omitempty"` // string, boolean, integer, number, array, object, map, any, ref
	Format   string     `json:"f,omitempty"`
	Enum     int        `json:"e,omitempty"` // index into the lists of values
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
	Name     string `json:"n"`
	List     bool   `json:"list,omitempty"`
	Kind     string `json:"k"`
	Enum     int    `json:"e,omitempty"`
	Max      int64  `json:"max,omitempty"`
	Required bool   `json:"req,omitempty"`
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

// Facts makes the sandbox's facts of a document: the same bytes for the same
// document, one type, value or operation a line.
func Facts(doc *Document) ([]byte, error) {
	f := &facts{
		Version: doc.Version,
		Enums:   [][]string{{}},
		Types:   map[string]factType{},
		Values:  map[string]factAttr{},
		enums:   map[string]int{"": 0},
	}
	for name, s := range doc.Schemas.All() {
		if _, ok := s.IsResource(); ok && !isInline(name) {
			f.Types[name] = f.object(s)
		} else if len(s.Enum) > 0 || s.Type == "object" && !isInline(name) &&
			!strings.HasSuffix(name, "Request") && !strings.HasSuffix(name, "Response") {
			f.Values[name] = f.attr("", s)
		}
	}
	b := &builder{doc: doc}
	for _, op := range doc.Operations {
		f.Ops = append(f.Ops, f.operation(b, op))
	}
	return f.encode()
}

func (f *facts) encode() ([]byte, error) {
	w := factsWriter{err: f.err}
	w.printf("{%q:%q,\n%q:[", "version", f.Version, "enums")
	for i, e := range f.Enums {
		w.line(i, "", e)
	}
	w.printf("],\n%q:{", "types")
	for i, name := range slices.Sorted(maps.Keys(f.Types)) {
		w.line(i, name, f.Types[name])
	}
	w.printf("},\n%q:{", "values")
	for i, name := range slices.Sorted(maps.Keys(f.Values)) {
		w.line(i, name, f.Values[name])
	}
	w.printf("},\n%q:[", "ops")
	for i, op := range f.Ops {
		w.line(i, "", op)
	}
	w.printf("]}\n")
	return w.out.Bytes(), w.err
}

// factsWriter writes JSON with a member a line.
type factsWriter struct {
	out bytes.Buffer
	err error
}

func (w *factsWriter) printf(format string, args ...any) { fmt.Fprintf(&w.out, format, args...) }

// line writes the i-th member of an array, or of an object if it has a name.
func (w *factsWriter) line(i int, name string, v any) {
	if i > 0 {
		w.out.WriteByte(',')
	}
	w.out.WriteByte('\n')
	if name != "" {
		w.printf("%q:", name)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	w.err = cmp.Or(w.err, e.Encode(v))
	w.out.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// enum is the index of a list of values.
func (f *facts) enum(values []string) int {
	key := strings.Join(values, "\x00")
	i, ok := f.enums[key]
	if !ok {
		i = len(f.Enums)
		f.Enums, f.enums[key] = append(f.Enums, values), i
	}
	return i
}

func (f *facts) object(s *Schema) (t factType) {
	t.Type, _ = s.typeOf()
	attrs, required := s.Attributes()
	for name, a := range attrs.All() {
		fa := f.attr(name, a)
		fa.Required = slices.Contains(required, name)
		t.Attrs = append(t.Attrs, fa)
	}
	rels, required := s.Relationships()
	for name, r := range rels.All() {
		typ, many, nullable, ok := r.Linkage()
		_, links := r.Properties.Get("links")
		_, meta := r.Properties.Get("meta")
		t.Rels = append(
			t.Rels,
			factRel{
				Name:     name,
				Type:     typ,
				Many:     many,
				Data:     ok,
				Links:    links,
				Meta:     meta,
				Nullable: nullable,
				Required: slices.Contains(required, name),
			},
		)
	}
	return t
}

func (f *facts) attr(name string, s *Schema) factAttr {
	a := factAttr{
		Name:     name,
		Kind:     s.Type,
		Format:   s.Format,
		Enum:     f.enum(s.Enum),
		Ref:      s.Ref,
		Nullable: s.Nullable,
		Min:      s.Minimum,
		Max:      s.Maximum,
	}
	switch {
	case s.Ref != "":
		a.Kind = "ref"
	case s.Type == "array":
		items := f.attr("", s.Items)
		a.Items = &items
	case s.Type == "object" && s.Properties.Len() == 0:
		a.Kind, a.Items = "map", f.mapValues(s)
	case s.Type == "":
		a.Kind = "any"
	}
	for n, p := range s.Properties.All() {
		a.Fields = append(a.Fields, f.attr(n, p))
	}
	return a
}

// mapValues is what a map holds, nil if anything.
func (f *facts) mapValues(s *Schema) *factAttr {
	if s.AdditionalProperties.Kind != yaml.MappingNode {
		return nil
	}
	var of Schema
	f.err = cmp.Or(f.err, s.AdditionalProperties.Decode(&of))
	a := f.attr("", &of)
	return &a
}

func (f *facts) operation(b *builder, op *Operation) factOp {
	parts := strings.Split(op.ID, "_")
	fo := factOp{
		ID:       op.ID,
		Method:   op.Method,
		Path:     op.Path,
		Shape:    parts[len(parts)-1],
		Status:   op.Status,
		Produces: op.Contents.Keys,
	}
	if len(parts) == 3 {
		fo.Rel = parts[1]
	}
	n := &namedOperation{Operation: op, rpc: &RPC{}}
	fo.Type, fo.Schema = b.primaryType(n), b.resourceOf(n)
	for _, p := range op.Parameters {
		fp := factParam{
			Name:     p.Name,
			Kind:     p.Schema.Type,
			Enum:     f.enum(p.Schema.Enum),
			Max:      maximum(p.Schema),
			Required: p.Required,
		}
		if p.Schema.Type == "array" {
			fp.List, fp.Kind, fp.Enum = true, p.Schema.Items.Type, f.enum(p.Schema.Items.Enum)
		}
		fo.Query = append(fo.Query, fp)
	}
	if body := b.doc.Resolve(op.Body); body != nil {
		f.body(b.doc, &fo, body)
	}
	if answer := b.doc.Resolve(first(op.Contents)); answer != nil {
		f.answer(b.doc, &fo, answer)
	}
	return fo
}

func (f *facts) body(doc *Document, fo *factOp, body *Schema) {
	data, _ := body.Properties.Get("data")
	if data.Type == "array" {
		fo.Many = true
		return
	}
	t := f.object(data)
	fo.Body = &t
	for _, ref := range includedSchemas(body) {
		s, _ := doc.Schemas.Get(ref)
		if fo.Inline == nil {
			fo.Inline = map[string]factType{}
		}
		inline := f.object(s)
		fo.Inline[inline.Type] = inline
	}
}

func (f *facts) answer(doc *Document, fo *factOp, answer *Schema) {
	data, isDocument := answer.Properties.Get("data")
	_, fo.Meta = answer.Properties.Get("meta")
	if fo.Method == "GET" {
		fo.Many = isDocument && data.Type == "array"
	}
	if fo.Shape == "getMetrics" || !isDocument {
		a := f.attr("", answer)
		fo.Answer = &a
	}
	for _, ref := range includedSchemas(answer) {
		s, _ := doc.Schemas.Get(ref)
		if typ, ok := s.IsResource(); ok {
			if fo.Included == nil {
				fo.Included = map[string]string{}
			}
			fo.Included[typ] = ref
		}
	}
}
