package apispec

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// restriction proposes how new filters and types are classified for callers
// that are kept to apps. source is types.go of internal/access/restrict.
func (d *Decisions) restriction(b *builder, source string) error {
	known, err := literals(source)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, op := range b.doc.Operations {
		for _, p := range op.Parameters {
			key, ok := strings.CutPrefix(strings.TrimSuffix(p.Name, "]"), "filter[")
			if !ok || key == "id" || p.Schema == nil || seen[key] ||
				slices.Contains(known["filterTypes"], key) || slices.Contains(known["plainFilters"], key) {
				continue
			}
			if item := p.Schema; len(item.Enum) > 0 || item.Items != nil && len(item.Items.Enum) > 0 {
				continue
			}
			seen[key] = true
			d.Open = append(d.Open, b.filterDecision(op, key))
		}
	}
	for _, name := range b.doc.Schemas.Keys {
		s, _ := b.doc.Schemas.Get(name)
		typ, ok := s.IsResource()
		if !ok || isInline(name) || seen["type "+typ] || slices.Contains(known["classes"], typ) || b.locked.hasType(typ) {
			continue
		}
		seen["type "+typ] = true
		if x, is := b.classDecision(typ, s); is {
			d.Open = append(d.Open, x)
		} else {
			d.Owned = append(d.Owned, typ)
		}
	}
	return nil
}

// filterDecision says whether a filter takes ids: where a relationship of what
// is listed has its name, it does.
func (b *builder) filterDecision(op *Operation, key string) Decision {
	n := &namedOperation{Operation: op}
	if s, ok := b.doc.Schemas.Get(b.resourceOf(n)); ok {
		rels, _ := s.Relationships()
		if r, ok := rels.Get(key); ok {
			if typ, _, _, ok := r.Linkage(); ok {
				return Decision{File: typesFile, Under: "var filterTypes = map[string]string{",
					Line: fmt.Sprintf("\t%q: %q,", key, typ),
					Why:  fmt.Sprintf("filter[%s] of %s: a relationship of this name", key, op.ID)}
			}
		}
	}
	return Decision{File: typesFile, Under: "var plainFilters = []string{", Line: fmt.Sprintf("\t%q,", key),
		Why: fmt.Sprintf("filter[%s] of %s: no relationship of this name, so it takes no ids", key, op.ID)}
}

// classDecision proposes a class for a type that is not simply an app's own.
func (b *builder) classDecision(typ string, s *Schema) (Decision, bool) {
	x := Decision{File: typesFile, Under: "var classes = map[string]classified{"}
	reads, lists, writes := 0, 0, 0
	for _, op := range b.doc.Operations {
		if strings.Split(op.Path, "/")[2] != typ {
			continue
		}
		if op.Method == "GET" {
			reads++
		} else {
			writes++
		}
		if strings.HasSuffix(op.ID, "_getCollection") {
			lists++
		}
		if name := b.namesByAttribute(op); name != "" {
			x.Line = fmt.Sprintf("\t%q: {organisation, %q},", typ, "say by the attribute "+name+" whose they are")
			x.Why = fmt.Sprintf("new type; %s sends %s, which no rule can check", op.ID, name)
			return x, true
		}
	}
	rels, _ := s.Relationships()
	if reads > 0 && lists > 0 && writes == 0 && rels.Len() == 0 {
		x.Line = fmt.Sprintf("\t%q: {catalog, %q},", typ, "the same for everyone")
		x.Why = "new type; it is only read, listed by itself, and related to nothing"
		return x, true
	}
	return x, false
}

// namesByAttribute is an attribute of a body that names another resource.
func (b *builder) namesByAttribute(op *Operation) string {
	doc := b.doc.Resolve(op.Body)
	if doc == nil {
		return ""
	}
	data, ok := doc.Properties.Get("data")
	if !ok {
		return ""
	}
	attrs, _ := data.Attributes()
	for _, name := range attrs.Keys {
		for typ := range b.schemas {
			if one := singular(typ); name == one || name == one+"Id" || name == one+"Ids" {
				return name
			}
		}
	}
	return ""
}

func (l *Lock) hasType(typ string) bool {
	if l == nil {
		return false
	}
	for _, m := range l.Messages {
		if m.Resource != nil && m.Resource.Type == typ {
			return true
		}
	}
	return false
}

// literals lists the strings that key or fill each variable of a Go file.
func literals(source string) (map[string][]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), typesFile, source, 0)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			v, ok := spec.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				continue
			}
			lit, ok := v.Values[0].(*ast.CompositeLit)
			if !ok {
				continue
			}
			for _, e := range lit.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					e = kv.Key
				}
				if s, ok := e.(*ast.BasicLit); ok {
					if text, err := strconv.Unquote(s.Value); err == nil {
						out[v.Names[0].Name] = append(out[v.Names[0].Name], text)
					}
				}
			}
		}
	}
	return out, nil
}
