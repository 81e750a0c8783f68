package sandbox

import (
	"crypto/md5"
	"fmt"
	"slices"
	"strings"
	"time"
)

// perType is how many objects of each type a new sandbox has. The first one of
// each belongs to the first one of every other, and so on.
const perType = 3

// seeded makes a small organisation: every attribute has a value that Apple's
// document allows, every relationship points to something.
func seeded(f *facts, now time.Time) *store {
	s := newStore(f)
	types := make([]string, 0, len(f.schemas))
	for typ := range f.schemas {
		types = append(types, typ)
	}
	for typ := range f.rels { // types that are only linked to
		for _, r := range f.rels[typ] {
			if r.Type != "" && f.schemas[r.Type] == nil {
				types = append(types, r.Type)
			}
		}
	}
	slices.Sort(types)
	types = slices.Compact(types)
	for _, typ := range types {
		for i := range perType {
			o := &object{typ: typ, id: seedID(typ, i), attrs: map[string]any{}, rels: map[string][]string{}, at: now.Add(-time.Duration(perType-i) * 24 * time.Hour)}
			g := generator{f: f, i: i, at: o.at}
			for _, schema := range f.schemas[typ] {
				for _, a := range f.Types[schema].Attrs {
					o.attrs[a.Name] = g.value(a.Name, &a, 0)
				}
			}
			if b := behaviors[typ]; b.Seed != nil {
				b.Seed(o, i)
			}
			s.add(o)
		}
	}
	for _, typ := range types {
		for i, o := range s.all(typ) {
			for name, r := range f.rels[typ] {
				if r.Type != "" {
					o.rels[name] = []string{seedID(r.Type, i)}
				}
			}
		}
	}
	return s
}

// seedID is the id of the i-th object of a type: a number for apps and what
// users know by number, a territory's code, else the form of most of Apple's.
func seedID(typ string, i int) string {
	switch typ {
	case "apps", "appInfos", "inAppPurchases", "subscriptions", "subscriptionGroups":
		return fmt.Sprint(1500000000 + len(typ)*1000 + i)
	case "territories":
		return []string{"USA", "DEU", "JPN"}[i]
	}
	sum := md5.Sum([]byte(fmt.Sprint(typ, i)))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:])
}

// generator makes values that the document allows.
type generator struct {
	f  *facts
	i  int
	at time.Time
}

// dateForms are the ways in which Apple writes date-times.
var dateForms = [...]string{"2006-01-02T15:04:05-07:00", "2006-01-02T15:04:05.000-07:00", "2006-01-02T15:04:05.000Z07:00"}

func (g generator) value(name string, a *factAttr, depth int) any {
	a = g.f.resolve(a)
	if len(a.Enum) > 0 {
		return a.Enum[g.i%len(a.Enum)]
	}
	switch a.Kind {
	case "boolean":
		return g.i%2 == 0
	case "integer":
		return g.integer(a)
	case "number":
		return 0.5 + float64(g.i)
	case "array":
		if depth > 6 {
			return []any{}
		}
		return []any{g.value(name, a.Items, depth+1)}
	case "object":
		out := map[string]any{}
		for _, f := range a.Fields {
			if depth > 6 {
				break
			}
			out[f.Name] = g.value(f.Name, &f, depth+1)
		}
		return out
	case "map":
		return map[string]any{"key": "value"}
	case "any":
		return "P1D"
	}
	return g.text(name, a)
}

func (g generator) integer(a *factAttr) any {
	n := int64(g.i + 1)
	if a.Min != nil {
		n = max(n, *a.Min)
	}
	if a.Max != nil {
		n = min(n, *a.Max)
	}
	return n
}

func (g generator) text(name string, a *factAttr) string {
	switch a.Format {
	case "date-time":
		return g.at.UTC().Format(dateForms[g.i%len(dateForms)])
	case "date":
		return g.at.UTC().Format("2006-01-02")
	case "uri", "uri-reference":
		return fmt.Sprintf("https://example.com/%s/%d", name, g.i+1)
	case "email":
		return fmt.Sprintf("person%d@example.com", g.i+1)
	case "number":
		return fmt.Sprintf("%d.99", g.i)
	case "duration":
		return "P7D"
	}
	low := strings.ToLower(name)
	switch {
	case strings.HasSuffix(low, "email"):
		return fmt.Sprintf("person%d@example.com", g.i+1)
	case low == "locale" || low == "primarylocale":
		return []string{"en-US", "de-DE", "ja"}[g.i%3]
	case low == "version" || low == "versionstring":
		return fmt.Sprintf("1.%d", g.i)
	}
	return fmt.Sprintf("%s %d", name, g.i+1)
}
