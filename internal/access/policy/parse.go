package policy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/files"
	"go.yaml.in/yaml/v3"
)

// Bounds of a policy file.
const (
	maxFileBytes = 1 << 20
	maxRules     = 1000
	maxPatterns  = 2_000 // different patterns of methods: each is compared with every method
	maxProblems  = 50    // told at once
)

// file is a policy as it is written.
type file struct {
	Version int               `yaml:"version"`
	Mode    word              `yaml:"mode"`
	Sets    map[string][]word `yaml:"sets"`
	Rules   []ruleText        `yaml:"rules"`
	Tests   []caseText        `yaml:"tests"`
}

type ruleText struct {
	Name       word              `yaml:"name"`
	Principals []word            `yaml:"principals"`
	Claims     map[string][]word `yaml:"claims"`
	Methods    []word            `yaml:"methods"`
	Except     []word            `yaml:"except"`
	Paths      []word            `yaml:"paths"`
	Teams      []word            `yaml:"teams"`
	Apps       appsText          `yaml:"apps"`
	Org        orgText           `yaml:"org"`
	Priority   word              `yaml:"priority"`
	Weight     int               `yaml:"weight"`
	Operations word              `yaml:"operations"`
	Approval   *approvalText     `yaml:"approval"`
	Hour       *int              `yaml:"hour"`
}

type caseText struct {
	Name      word              `yaml:"name"`
	Principal word              `yaml:"principal"`
	Claims    map[string]string `yaml:"claims"`
	Method    word              `yaml:"method"`
	Team      string            `yaml:"team"`
	App       string            `yaml:"app"`
	Expect    word              `yaml:"expect"`
	Rule      string            `yaml:"rule"`
}

// word is a scalar that knows its line.
type word struct {
	text string
	line int
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (w *word) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: want one value, not a list or a mapping", n.Line)
	}
	w.text, w.line = n.Value, n.Line
	return nil
}

// approvalText is who must let an operation go.
type approvalText struct {
	Of []word `yaml:"of"`
}

// orgText is true, false, or a list of methods.
type orgText struct {
	all     bool
	methods []word
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (o *orgText) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return n.Decode(&o.methods)
	}
	if err := n.Decode(&o.all); err != nil {
		return fmt.Errorf("line %d: org: want true, false or a list of methods", n.Line)
	}
	return nil
}

// appsText is the word all, or a list of ids.
type appsText struct {
	line int // 0: not written
	word string
	ids  []word
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (a *appsText) UnmarshalYAML(n *yaml.Node) error {
	a.line, a.word = n.Line, n.Value
	if n.Kind == yaml.SequenceNode {
		return n.Decode(&a.ids)
	}
	return nil
}

// problem is something wrong with a file.
type problem struct {
	line int
	text string
}

// Read reads a policy file. It does not run the tests in it: [Policy.Check] does.
func Read(name string, methods []*access.Method) (*Policy, error) {
	b, err := files.Read(name, maxFileBytes)
	if err != nil {
		return nil, err
	}
	return Parse(name, b, methods)
}

// Parse reads a policy. Its error tells what is wrong, each with its line:
// "policy.yaml:12: …".
func Parse(name string, b []byte, methods []*access.Method) (*Policy, error) {
	switch {
	case len(b) > maxFileBytes:
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxFileBytes)
	case !utf8.Valid(b):
		return nil, fmt.Errorf("%s: is not UTF-8", name)
	}
	var root yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(b))
	switch err := d.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s:1: the file is empty", name)
	case err != nil:
		return nil, inLines(name, decodeProblems(err))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: holds more than one document", name)
	}
	c := &compiler{catalog: newCatalog(methods), found: map[string]bits{}}
	c.plain(&root)
	if len(c.problems) > 0 { // aliases must not be followed
		return nil, inLines(name, c.problems)
	}
	var f file
	d = yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return nil, inLines(name, decodeProblems(err))
	}
	c.whole(root.Content[0], b)
	p := c.compile(&f)
	p.name = name
	if len(c.problems) > 0 {
		return nil, inLines(name, c.problems)
	}
	return p, nil
}

var lineOf = regexp.MustCompile(`line (\d+): ?`)

// decodeProblems finds the lines in the messages of the YAML library.
func decodeProblems(err error) (list []problem) {
	messages := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var typed *yaml.TypeError
	if errors.As(err, &typed) {
		messages = typed.Errors
	}
	for _, m := range messages {
		p := problem{text: m}
		if at := lineOf.FindStringSubmatchIndex(m); at != nil {
			p.line, _ = strconv.Atoi(m[at[2]:at[3]])
			p.text = m[:at[0]] + m[at[1]:]
		}
		p.text = strings.ReplaceAll(strings.ReplaceAll(p.text, " in type policy.file", ""), " in type policy.", " in ")
		list = append(list, p)
	}
	return list
}

func inLines(name string, list []problem) error {
	slices.SortStableFunc(list, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var lines []string
	for _, p := range list {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", name, p.line, p.text))
	}
	return errors.New(strings.Join(lines, "\n"))
}
