package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// Bounds of what is told, and of how deep a file may nest.
const (
	maxProblems = 50
	maxNesting  = 30
	maxNodes    = 50_000 // aliases count each time they are used
)

// decode reads a file strictly, and tells where each setting stands. Its error
// names all that is unknown or of another type, each with its line.
func decode(name string, b []byte) (*Config, lines, error) {
	root, problems := nodes(b)
	w := &walker{at: lines{}, problems: problems}
	if root != nil {
		w.value(root, reflect.TypeFor[Config](), "", 0)
		w.end(root, b)
	}
	if len(w.problems) > 0 {
		return nil, nil, inLines(name, w.problems)
	}
	c := &Config{}
	if err := yaml.UnmarshalStrict(b, c); err != nil { // what the walk did not see
		return nil, nil, fmt.Errorf(
			"%s:1: does not fit the settings: `gateway config schema` tells how they are written",
			name,
		)
	}
	return c, w.at, nil
}

// walker compares nodes with the types that they are read into.
type walker struct {
	at       lines
	problems []problem
	seen     int
}

func (w *walker) wrong(n *yamlv3.Node, path, format string, args ...any) {
	if len(w.problems) < maxProblems {
		w.problems = append(w.problems, problem{n.Line, path, fmt.Sprintf(format, args...)})
	}
}

// value checks a node against a type.
func (w *walker) value(n *yamlv3.Node, t reflect.Type, path string, depth int) {
	if w.seen++; depth > maxNesting || w.seen > maxNodes {
		w.wrong(n, path, "nests too deep, or is too large")
		return
	}
	if n.Kind == yamlv3.AliasNode {
		w.value(n.Alias, t, path, depth+1)
		return
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if _, there := w.at[path]; !there {
		w.at[path] = n.Line
	}
	if n.Kind == yamlv3.ScalarNode && n.ShortTag() == "!!null" {
		if n.Value == "" && (t.Kind() == reflect.Struct || path == "policy.file") {
			w.wrong(n, path, "a value is missing: was the file cut short? Write null if nothing is meant")
		}
		return
	}
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		w.leaf(n, t, path)
	case t.Kind() == reflect.Struct:
		w.fields(n, t, path, depth)
	case t.Kind() == reflect.Slice:
		w.elements(n, t, path, depth)
	case t.Kind() == reflect.Map:
		w.entries(n, t, path, depth)
	default:
		w.leaf(n, t, path)
	}
}

// fields checks the keys of a mapping.
func (w *walker) fields(n *yamlv3.Node, t reflect.Type, path string, depth int) {
	if n.Kind != yamlv3.MappingNode {
		w.wrong(n, path, "want settings, such as %s: …", first(t))
		return
	}
	known := fieldsOf(t)
	w.keys(n, path, func(key, value *yamlv3.Node, below string) {
		if f, ok := known[key.Value]; ok {
			w.value(value, f, below, depth+1)
			return
		}
		names := make([]string, 0, len(known))
		for name := range known {
			names = append(names, name)
			if strings.EqualFold(name, key.Value) {
				w.wrong(key, below, "unknown setting: names are written in lower case: %s", name)
				return
			}
		}
		w.wrong(key, below, "unknown setting%s", near(key.Value, names))
	})
}

// keys goes through a mapping. A key that stands twice is an error, whatever it
// is.
func (w *walker) keys(n *yamlv3.Node, path string, each func(key, value *yamlv3.Node, below string)) {
	lineOf := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		below := key.Value
		if path != "" {
			below = path + "." + key.Value
		}
		switch {
		case key.ShortTag() == "!!merge":
			w.wrong(key, path, "<< is not read: write the settings out")
			continue
		case key.Kind != yamlv3.ScalarNode:
			w.wrong(key, path, "want a plain name before the colon")
			continue
		case lineOf[key.Value] > 0:
			w.wrong(key, below, "stands twice: on line %d too", lineOf[key.Value])
		}
		lineOf[key.Value] = key.Line
		w.at[below] = key.Line
		each(key, value, below)
	}
}

func (w *walker) elements(n *yamlv3.Node, t reflect.Type, path string, depth int) {
	if n.Kind != yamlv3.SequenceNode {
		w.wrong(n, path, "want a list")
		return
	}
	for i, el := range n.Content {
		w.value(el, t.Elem(), fmt.Sprintf("%s[%d]", path, i), depth+1)
	}
}

func (w *walker) entries(n *yamlv3.Node, t reflect.Type, path string, depth int) {
	if n.Kind != yamlv3.MappingNode {
		w.wrong(n, path, "want names with values")
		return
	}
	w.keys(n, path, func(_, value *yamlv3.Node, below string) { w.value(value, t.Elem(), below, depth+1) })
}

// leaf checks a single value by reading it.
func (w *walker) leaf(n *yamlv3.Node, t reflect.Type, path string) {
	if n.Kind != yamlv3.ScalarNode {
		w.wrong(n, path, "want one value")
		return
	}
	if i := strings.Index(n.Value, "${"); i >= 0 {
		w.wrong(n, path, "%s is not expanded: variables are not read here", clip(n.Value[i:]))
		return
	}
	if t.Kind() == reflect.String { // any scalar is text
		return
	}
	var v any
	err := n.Decode(&v)
	text, jsonErr := json.Marshal(v)
	if err = errors.Join(err, jsonErr); err == nil {
		err = json.Unmarshal(text, reflect.New(t).Interface())
	}
	if err == nil {
		return
	}
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) || jsonErr != nil {
		w.wrong(n, path, "want %s, not %q", kindName(t), clip(n.Value))
		return
	}
	w.wrong(n, path, "%v", err) // of the type's own
}

func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// end reports a file whose last value could be the beginning of another: it was
// cut within a line.
func (w *walker) end(root *yamlv3.Node, b []byte) {
	last := root
	for last.Kind != yamlv3.AliasNode && len(last.Content) > 0 && last.Style&yamlv3.FlowStyle == 0 {
		last = last.Content[len(last.Content)-1]
	}
	const closed = yamlv3.FlowStyle | yamlv3.DoubleQuotedStyle | yamlv3.SingleQuotedStyle
	if last.Style&closed == 0 && !bytes.HasSuffix(b, []byte("\n")) && last.Kind == yamlv3.ScalarNode {
		w.wrong(last, "", "the file ends within a line: was it cut short? End it with a line break")
	}
}

// fieldsOf are the settings of a struct, those of embedded ones among them.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	known := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			for n, inner := range fieldsOf(f.Type) {
				known[n] = inner
			}
		case f.IsExported() && name != "-" && name != "":
			known[name] = f.Type
		}
	}
	return known
}

func first(t reflect.Type) string {
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("json"); name != "" {
			return name
		}
	}
	return "name"
}

func clip(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:60], "") + "…"
}
