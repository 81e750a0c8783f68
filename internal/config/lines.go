package config

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

	yamlv3 "go.yaml.in/yaml/v3"
)

// problem is something wrong with a file.
type problem struct {
	line int
	path string // of the setting, "": the file itself
	text string
}

// lines knows on which line each setting stands.
type lines map[string]int

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
