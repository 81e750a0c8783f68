package apispec

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// keywords are those of a schema that are read, or left aside on purpose:
// prose, and limits on values, which Apple checks itself. Any other keyword is
// a problem, since it may change what a schema means.
var keywords = []string{
	"$ref", "type", "format", "enum", "properties", "required", "items", "oneOf", "allOf", "anyOf", "discriminator",
	"nullable", "deprecated", "minimum", "maximum", "additionalProperties",

	"title", "description", "example", "default", "externalDocs", "xml", "readOnly", "writeOnly",
	"pattern", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "multipleOf",
	"exclusiveMinimum", "exclusiveMaximum", "minProperties", "maxProperties",
}

// errorSchemas describe Apple's error documents. No message is made of them:
// internal/asc reads errors.
const errorSchemas = "Error"

// composer makes plain schemas of composed ones: allOf is all of its members,
// oneOf and anyOf are one object with the members of every alternative, since
// an answer may hold any of them. What goes together is kept as choices.
type composer struct {
	doc  *Document
	done map[*Schema]bool
}

// compose gives every schema its place, and makes composed schemas plain.
// What cannot be read becomes a problem of the document.
func (d *Document) compose() {
	c := &composer{d, map[*Schema]bool{}}
	for name, s := range d.Schemas.All() {
		c.plain(pointer("components", "schemas", name), s)
		if strings.HasSuffix(name, "Request") {
			c.inline(s, "data")
		}
	}
	for _, s := range d.Schemas.All() {
		c.groups(s)
		if data, ok := s.Properties.Get("data"); ok && data.Ref == "" {
			c.groups(data)
		}
	}
	for _, op := range d.Operations {
		at := pointer("paths", op.Path, strings.ToLower(op.Method))
		for i, p := range op.Parameters {
			if p.Schema != nil {
				c.plain(fmt.Sprintf("%s/parameters/%d/schema", at, i), p.Schema)
				op.Parameters[i].Schema = c.read(p.Schema)
				if p.Schema.Items != nil {
					p.Schema.Items = c.read(p.Schema.Items)
				}
			}
		}
		for ct, s := range op.Bodies.All() {
			c.plain(at+pointer("requestBody", "content", ct, "schema"), s)
		}
		for ct, s := range op.Contents.All() {
			c.plain(at+pointer("responses", strconv.Itoa(op.Status), "content", ct, "schema"), s)
		}
		c.operation(at, op)
	}
}

// read is what a reference points to; a schema that is none is itself.
func (c *composer) read(s *Schema) *Schema {
	r := c.resolved(s)
	if r == nil {
		c.problem(s.at, "%s is referred to, but not there", s.Ref)
		return &Schema{at: s.at}
	}
	return r
}

// inline puts what a member refers to in its place.
func (c *composer) inline(s *Schema, name string) {
	if m, ok := s.Properties.Get(name); ok && m.Ref != "" {
		s.Properties.set(name, c.read(m))
	}
}

// groups inlines what is read in its place: attributes, relationships, and what
// a relationship holds.
func (c *composer) groups(s *Schema) {
	c.inline(s, "attributes")
	c.inline(s, "relationships")
	rels, ok := s.Properties.Get("relationships")
	if !ok {
		return
	}
	for _, name := range rels.Properties.Keys {
		c.inline(rels, name)
		rel, _ := rels.Properties.Get(name)
		c.inline(rel, "data")
		if data, ok := rel.Properties.Get("data"); ok && data.Items != nil {
			data.Items = c.read(data.Items)
		}
	}
}

func (c *composer) problem(at, format string, args ...any) {
	c.doc.problems = append(c.doc.problems, Problem{at, fmt.Sprintf(format, args...)})
}

// plain makes a schema and all inside it plain.
func (c *composer) plain(at string, s *Schema) {
	if s == nil || c.done[s] || strings.HasPrefix(at, pointer("components", "schemas")+"/"+errorSchemas) {
		return
	}
	c.done[s], s.at = true, at
	for _, key := range s.unknown {
		c.problem(at, "keyword %s cannot be read", key)
	}
	if len(s.Enum) > 0 && s.Type != "string" {
		c.problem(at, "enum of type %q cannot be read", s.Type)
	}
	if s.Type == "array" && s.Items == nil {
		c.problem(at, "array without items")
		s.Items = &Schema{} // so that the run goes on to the other problems
	}
	for name, p := range s.Properties.All() {
		c.plain(at+"/properties"+pointer(name), p)
	}
	if list := s.Items; list != nil && strings.HasSuffix(at, "/properties/included") && len(list.OneOf) > 0 {
		c.alternativesAreNamed(at+"/items", list)
	} else {
		c.plain(at+"/items", list)
	}
	c.merge(s, "allOf", &s.AllOf)
	c.merge(s, "oneOf", &s.OneOf)
	c.merge(s, "anyOf", &s.AnyOf)
}

// alternativesAreNamed checks the list of what may be included: resources by
// their type, which stay alternatives.
func (c *composer) alternativesAreNamed(at string, s *Schema) {
	for i, a := range s.OneOf {
		if a.Ref == "" {
			c.problem(fmt.Sprintf("%s/oneOf/%d", at, i), "an included resource without a name cannot be read")
		}
	}
}

// merge makes the alternatives members of s. allOf also requires what each of
// them requires; of the others, the choice says what goes together.
func (c *composer) merge(s *Schema, how string, alternatives *[]*Schema) {
	list := *alternatives
	*alternatives = nil
	if len(list) == 0 {
		return
	}
	for i, a := range list {
		c.plain(fmt.Sprintf("%s/%s/%d", s.at, how, i), a)
	}
	list = slices.DeleteFunc(list, func(a *Schema) bool { return equalSchemas(a, &Schema{}) })
	if len(list) == 1 && list[0].Ref != "" && s.Ref == "" && s.Type == "" && s.Properties.Len() == 0 {
		s.Ref = list[0].Ref
		return
	}
	if s.Ref != "" {
		c.problem(s.at, "%s beside $ref cannot be read", how)
		return
	}
	var choice Choice
	for _, a := range list {
		r := c.resolved(a)
		if r == nil {
			c.problem(a.at, "%s is referred to, but not there", a.Ref)
			continue
		}
		choice = append(choice, requiredWithin(r))
		c.into(s, r, how == "allOf")
	}
	if how != "allOf" && slices.ContainsFunc(choice, func(x []string) bool { return len(x) > 0 }) {
		s.Choices = append(s.Choices, choice)
	}
}

// resolved follows a reference to a schema that is plain.
func (c *composer) resolved(s *Schema) *Schema {
	for range 8 {
		if s == nil || s.Ref == "" {
			return s
		}
		name := s.Ref
		s, _ = c.doc.Schemas.Get(name)
		c.plain(pointer("components", "schemas", name), s)
	}
	return nil
}

// requiredWithin lists what an alternative requires: its members, and for a
// resource object those of attributes and relationships.
func requiredWithin(s *Schema) (out []string) {
	for _, group := range []string{"attributes", "relationships"} {
		if g, ok := s.Properties.Get(group); ok {
			out = append(out, g.Required...)
		}
	}
	for _, name := range s.Required {
		if name != "attributes" && name != "relationships" {
			out = append(out, name)
		}
	}
	return out
}

// into merges what is read of a schema into another. Members of the same name
// must be the same; enums are joined, and objects are merged in turn.
func (c *composer) into(s, from *Schema, required bool) {
	if s.Type == "" {
		s.Type, s.Format = from.Type, from.Format
	}
	if from.Type != "" && (s.Type != from.Type || from.Format != s.Format) {
		c.problem(s.at, "%s here and %s of %s cannot be one", kindOf(s), kindOf(from), from.at)
		return
	}
	switch {
	case from.Items == nil || s.Items != nil && equalSchemas(s.Items, from.Items):
	case s.Items == nil:
		s.Items = from.Items
	default:
		c.problem(s.at, "this array and that of %s differ", from.at)
	}
	s.Enum = union(s.Enum, from.Enum)
	s.Nullable = s.Nullable || from.Nullable
	if required {
		s.Required = union(s.Required, from.Required)
		s.Choices = append(slices.Clip(s.Choices), from.Choices...)
	}
	if s.Minimum == nil && s.Maximum == nil {
		s.Minimum, s.Maximum = from.Minimum, from.Maximum
	}
	for name, p := range from.Properties.All() {
		old, there := s.Properties.Get(name)
		switch {
		case !there:
			s.Properties.set(name, p)
		case equalSchemas(old, p):
		case old.Ref == "" && p.Ref == "":
			both := *old
			both.Properties = Map[*Schema]{slices.Clone(old.Properties.Keys), maps.Clone(old.Properties.values)}
			c.into(&both, p, required)
			s.Properties.set(name, &both)
		default:
			c.problem(s.at, "member %s is %s (%s) and %s (%s)", name, kindOf(old), old.at, kindOf(p), p.at)
		}
	}
}

func union(a, b []string) []string {
	for _, v := range b {
		if !slices.Contains(a, v) {
			a = append(slices.Clip(a), v)
		}
	}
	return a
}

func kindOf(s *Schema) string { return strings.TrimSpace(s.Ref + " " + s.Type + " " + s.Format) }

// equalSchemas compares what is read, without the places.
func equalSchemas(a, b *Schema) bool { return reflect.DeepEqual(unplaced(a), unplaced(b)) }

func unplaced(s *Schema) *Schema {
	if s == nil {
		return nil
	}
	out := *s
	out.at, out.AdditionalProperties = "", yaml.Node{}
	out.Items = unplaced(s.Items)
	out.Properties = Map[*Schema]{Keys: s.Properties.Keys, values: map[string]*Schema{}}
	for name, p := range s.Properties.All() {
		out.Properties.values[name] = unplaced(p)
	}
	for _, list := range []*[]*Schema{&out.OneOf, &out.AllOf, &out.AnyOf} {
		if len(*list) == 0 {
			*list = nil
			continue
		}
		plain := make([]*Schema, len(*list))
		for i, x := range *list {
			plain[i] = unplaced(x)
		}
		*list = plain
	}
	return &out
}
