package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// Bounds of what is told, and of how deep a file may nest.
const (
	maxProblems = 50
	maxNesting  = 30
	maxNodes    = 50_000 // aliases count each time they are used
)

// problem is something wrong with a file.
type problem struct {
	line int
	path string // of the setting, "": the file itself
	text string
}

// lines knows on which line each setting stands.
type lines map[string]int

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
		return nil, nil, fmt.Errorf("%s: it does not fit the settings: `gateway config schema` says how they are written", name)
	}
	return c, w.at, nil
}

// nodes parses YAML. Its problems are sentences of our own.
func nodes(b []byte) (*yamlv3.Node, []problem) {
	if !utf8.Valid(b) {
		return nil, []problem{{line: 1, text: "the file is not UTF-8"}}
	}
	var root yamlv3.Node
	d := yamlv3.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&root); errors.Is(err, io.EOF) {
		return nil, nil // an empty file sets nothing
	} else if err != nil {
		return nil, []problem{syntax(err, b)}
	}
	if err := d.Decode(new(yamlv3.Node)); !errors.Is(err, io.EOF) {
		return nil, []problem{{line: 1, text: "the file holds more than one YAML document"}}
	}
	if len(root.Content) == 0 || root.Content[0].ShortTag() == "!!null" && root.Content[0].Value == "" {
		return nil, nil
	}
	return root.Content[0], nil
}

var lineOf = regexp.MustCompile(`line (\d+): ?`)

// syntax says in plain words why a text is not YAML.
func syntax(err error, b []byte) problem {
	p := problem{line: 1 + bytes.Count(bytes.TrimRight(b, "\n"), []byte("\n"))}
	message := err.Error()
	if at := lineOf.FindStringSubmatch(message); at != nil {
		p.line, _ = strconv.Atoi(at[1])
	}
	for _, known := range []struct{ part, says string }{
		{"cannot start any token", "a tab, or a character that must stand in quotes"},
		{"mapping values are not allowed", "a colon too many, or a value that must stand in quotes"},
		{"did not find expected ',' or", "a bracket or brace is not closed"},
		{"did not find expected key", "the indentation does not fit the lines above"},
		{"did not find expected '-'", "the indentation does not fit the list above"},
		{"unexpected end of stream", "a quote is not closed: was the file cut short?"},
		{"could not find expected ':'", "a key without a colon: was the file cut short?"},
		{"did not find expected node content", "a value is missing: was the file cut short?"},
		{"unknown anchor", "an alias names no anchor"},
		{"already defined", "a key stands twice"},
	} {
		if strings.Contains(message, known.part) {
			p.text = "is not YAML: " + known.says
			return p
		}
	}
	p.text = "is not YAML: look at its indentation, quotes and brackets"
	return p
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

var settingOf = regexp.MustCompile(`^([a-z0-9_.]+(?:\[\d+\][a-z0-9_.]*)*): `)

// inLines adds the line to what a check found. nil if it found nothing.
func (l lines) inLines(name string, errs []error) error {
	var list []problem
	for _, err := range errs {
		p := problem{line: 1, text: err.Error()}
		if m := settingOf.FindStringSubmatch(p.text); m != nil {
			p.path, p.text = m[1], p.text[len(m[0]):]
			p.line = l.of(p.path)
		}
		list = append(list, p)
	}
	return inLines(name, list)
}

// of is the line of a setting, or of what holds it.
func (l lines) of(path string) int {
	for path != "" {
		if line, ok := l[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 1
}

func inLines(name string, list []problem) error {
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var text []string
	for _, p := range list {
		if p.path != "" {
			p.text = p.path + ": " + p.text
		}
		text = append(text, fmt.Sprintf("%s:%d: %s", name, p.line, p.text))
	}
	return errors.New(strings.Join(text, "\n"))
}

func clip(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:60], "") + "…"
}
