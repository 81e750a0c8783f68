package apispec

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// Patches are the structural corrections of spec/patches.yaml.
type Patches struct {
	// Document is the version the patches were last checked against. For this
	// version a patch without effect is a problem; for others, a notice.
	Document string  `json:"document"`
	Patches  []Patch `json:"patches"`
}

// Patch corrects the nodes that its patterns find, in one of four ways. Each
// way knows by itself whether Apple has made it unnecessary.
type Patch struct {
	Name   string   `json:"name"`
	Reason string   `json:"reason"`
	At     []string `json:"at"`               // JSON Pointers; a segment may be a glob, or name=VALUE for a parameter
	Except []string `json:"except,omitempty"` // globs over the schema name (third segment) to leave alone

	Append   []string       `json:"append,omitempty"`   // to a sequence; done when all are there
	Remove   []string       `json:"remove,omitempty"`   // from a sequence or an object; done when none is there
	Set      map[string]any `json:"set,omitempty"`      // members of an object; done when all are equal
	Nullable bool           `json:"nullable,omitempty"` // allow null; a reference is wrapped in allOf
}

// ParsePatches reads patches.yaml strictly.
func ParsePatches(b []byte) (*Patches, error) {
	var p Patches
	if err := sigsyaml.UnmarshalStrict(b, &p); err != nil {
		return nil, fmt.Errorf("patches: %w", err)
	}
	for _, x := range p.Patches {
		if x.Name == "" || x.Reason == "" || len(x.At) == 0 {
			return nil, fmt.Errorf("patch %q needs a name, a reason and a place", x.Name)
		}
	}
	return &p, nil
}

func (p *Patches) apply(doc *Document) (notices, problems []Problem) {
	if p == nil {
		return nil, nil
	}
	for _, x := range p.Patches {
		first := len(doc.idle)
		for _, at := range x.At {
			changed, found, err := x.applyAt(doc.root, at)
			where := "patch " + x.Name
			switch {
			case err != nil:
				problems = append(problems, Problem{where, at + ": " + err.Error()})
				continue
			case found > 0 && changed > 0:
				continue
			case p.Document == doc.Version:
				problems = append(problems, Problem{where, at + ": no longer needed: " + idle(found)})
			default:
				notices = append(notices, Problem{where, at + ": not needed by " + doc.Version + ": " + idle(found)})
			}
			doc.idle = append(doc.idle, idlePatch{name: x.Name, at: at, why: idle(found)})
		}
		if len(doc.idle)-first == len(x.At) {
			for i := range doc.idle[first:] {
				doc.idle[first+i].whole = true
			}
		}
	}
	return notices, problems
}

// idlePatch is a place where a patch changed nothing.
type idlePatch struct {
	name, at, why string
	whole         bool // it changed nothing anywhere
}

func idle(found int) string {
	if found == 0 {
		return "nothing is there"
	}
	return "the document says so already"
}

func (x Patch) applyAt(root *yaml.Node, at string) (changed, found int, err error) {
	segments := strings.Split(strings.TrimPrefix(at, "/"), "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
	}
	err = x.walk(root, segments, nil, func(n *yaml.Node) error {
		found++
		did, err := x.change(n)
		if did {
			changed++
		}
		return err
	})
	return changed, found, err
}

func (x Patch) walk(n *yaml.Node, segments, done []string, visit func(*yaml.Node) error) error {
	if len(segments) == 0 {
		return visit(n)
	}
	seg := segments[0]
	step := func(name string, child *yaml.Node) error {
		if len(done) == 2 && slices.ContainsFunc(x.Except, func(g string) bool { ok, _ := path.Match(g, name); return ok }) {
			return nil
		}
		return x.walk(child, segments[1:], append(slices.Clone(done), name), visit)
	}
	switch n.Kind {
	case yaml.MappingNode:
		for key, child := range members(n) {
			if ok := key == seg || matches(seg, key); ok {
				if err := step(key, child); err != nil {
					return err
				}
			}
		}
	case yaml.SequenceNode:
		for i, child := range n.Content {
			want, byName := strings.CutPrefix(seg, "name=")
			name := member(child, "name")
			if seg == "*" || seg == strconv.Itoa(i) || byName && name != nil && name.Value == want {
				if err := step(strconv.Itoa(i), child); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func matches(glob, key string) bool {
	ok, err := path.Match(glob, strings.ReplaceAll(key, "/", "|"))
	return err == nil && ok && strings.Contains(glob, "*")
}

func (x Patch) change(n *yaml.Node) (changed bool, err error) {
	switch {
	case x.Nullable:
		return allowNull(n), nil
	case len(x.Append) > 0 && n.Kind == yaml.SequenceNode:
		for _, v := range x.Append {
			if !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return c.Value == v }) {
				n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v})
				changed = true
			}
		}
		return changed, nil
	case len(x.Remove) > 0:
		return x.remove(n), nil
	case len(x.Set) > 0 && n.Kind == yaml.MappingNode:
		return x.set(n)
	}
	return false, fmt.Errorf("line %d: this patch does not fit what is there", n.Line)
}

func allowNull(n *yaml.Node) bool {
	if member(n, "nullable") != nil {
		return false
	}
	if ref := member(n, "$ref"); ref != nil {
		inner := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: n.Content}
		n.Content = nil
		setMember(n, "allOf", &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{inner}})
	}
	setMember(n, "nullable", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	return true
}

func (x Patch) remove(n *yaml.Node) bool {
	before, step := len(n.Content), 1
	if n.Kind == yaml.MappingNode {
		step = 2
	}
	var kept []*yaml.Node
	for i := 0; i < len(n.Content); i += step {
		key := n.Content[i]
		if name := member(key, "name"); name != nil {
			key = name
		}
		if !slices.Contains(x.Remove, key.Value) {
			kept = append(kept, n.Content[i:i+step]...)
		}
	}
	n.Content = kept
	return len(kept) != before
}

func (x Patch) set(n *yaml.Node) (changed bool, err error) {
	keys := make([]string, 0, len(x.Set))
	for k := range x.Set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		var v yaml.Node
		if err := v.Encode(x.Set[k]); err != nil {
			return changed, err
		}
		if old := member(n, k); old == nil || !equalNodes(old, &v) {
			setMember(n, k, &v)
			changed = true
		}
	}
	return changed, nil
}

func equalNodes(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Value == b.Value &&
		slices.EqualFunc(a.Content, b.Content, equalNodes)
}

func setMember(n *yaml.Node, key string, v *yaml.Node) {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content[i+1] = v
			return
		}
	}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, v)
}
