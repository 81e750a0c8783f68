package policy

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

// plain reports what a policy does not need and what hides what is written:
// anchors, aliases, merges and tags, and keys without a value.
func (c *compiler) plain(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		c.wrong(n.Line, "anchors and aliases are not read: write it out")
	case n.Style&yaml.TaggedStyle != 0:
		c.wrong(n.Line, "tags such as %s are not read", n.ShortTag())
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		c.wrong(n.Line, "a value is missing")
	case n.Kind == yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			if key := n.Content[i]; key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" {
				c.wrong(key.Line, "want a plain key")
			}
		}
	}
	for _, child := range n.Content {
		if c.enough() {
			return
		}
		c.plain(child)
	}
}

// whole reports a form of a file that could not be told from one that was cut
// short and allows more for it.
//
// Whole rules that are lost only take rights away. What is written in brackets
// or braces is known to be whole by the last of them. So what is left to see to
// is a rule written over several lines: apps, which every rule needs, stands
// after all whose loss would allow more, and where a file ends inside a list its
// last line is a whole one. A file that ends with its version, as one does that a
// program wrote with its keys sorted, is whole if the version is there.
func (c *compiler) whole(root *yaml.Node, text []byte) {
	if closed(root) {
		return
	}
	version, sets, rules := keyAt(root, "version"), keyAt(root, "sets"), keyAt(root, "rules")
	if rules < 0 || version > rules && version > sets {
		return
	}
	if sets > rules {
		c.wrong(root.Content[sets].Line, "sets: write them before rules: a list that is cut short could allow more")
	}
	list := root.Content[rules+1]
	if closed(list) || len(list.Content) == 0 {
		return
	}
	for _, r := range list.Content {
		if !closed(r) {
			c.appsLast(r)
		}
	}
	last := list.Content[len(list.Content)-1]
	if rules+2 == len(root.Content) && !closed(last) && openEnded(last) && !bytes.HasSuffix(text, []byte("\n")) {
		c.wrong(bytes.Count(text, []byte("\n"))+1, "the file ends within a line: was it cut short?")
	}
}

// keyAt is where in the content of a mapping a key stands, -1 if it does not.
func keyAt(mapping *yaml.Node, name string) int {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return i
		}
	}
	return -1
}

// closed says that the end of a node can be seen: a bracket, a brace or a quote.
func closed(n *yaml.Node) bool {
	return n.Style&(yaml.FlowStyle|yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0
}

// appsLast reports what stands after a rule's apps and would allow more if it was
// lost, or lost its end.
func (c *compiler) appsLast(r *yaml.Node) {
	after := false
	for i := 0; i+1 < len(r.Content); i += 2 {
		key, value := r.Content[i], r.Content[i+1]
		lossy := false
		switch key.Value {
		case "apps":
			after = true
		case "claims", "except", "hour", "approval":
			lossy = true
		case "priority":
			lossy = value.Value == Batch
		case "principals", "methods", "paths", "teams":
			lossy = !closed(value)
		}
		if after && lossy {
			c.wrong(key.Line, "%s stands after apps: write apps last in a rule: "+
				"a file that is cut short there could allow more", key.Value)
		}
	}
}

// openEnded says that a rule ends in a list whose last word could be the
// beginning of another.
func openEnded(r *yaml.Node) bool {
	if len(r.Content) == 0 {
		return false
	}
	n := r.Content[len(r.Content)-1]
	inList := false
	for len(n.Content) > 0 && !closed(n) {
		inList, n = true, n.Content[len(n.Content)-1]
	}
	return inList && !closed(n)
}
