package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

// machine is the life of a state: a table of what follows what.
type machine struct {
	attr   string // attribute that holds the state
	inside string // member that holds it, where the attribute is an object
	moves  []move
}

// move is a row of a machine's table.
type move struct {
	on     string   // what happens: "submit"
	from   []string // states in which it may; any if none
	to     string
	source string // where this stands
}

// state is what a machine's attribute says of an object.
func (m machine) state(o *object) string {
	if m.inside == "" {
		return o.text(m.attr)
	}
	in, _ := o.attrs[m.attr].(map[string]any)
	text, _ := in[m.inside].(string)
	return text
}

func (m machine) set(o *object, state string) {
	if m.inside == "" {
		o.attrs[m.attr] = state
		return
	}
	next := map[string]any{"errors": []any{}, "warnings": []any{}, "infos": []any{}}
	if in, ok := o.attrs[m.attr].(map[string]any); ok {
		for k, v := range in {
			next[k] = v
		}
	}
	next[m.inside] = state
	o.attrs[m.attr] = next
}

// move moves every state of an object that something changes, and tells who
// wants to know. The error says why nothing may move.
func (c *call) move(o *object, on string) error {
	b := c.s.behaviors[o.typ]
	var refused []string
	moved := false
	for _, m := range b.machines {
		was := m.state(o)
		var from []string
		to := ""
		for _, row := range m.moves {
			if row.on != on {
				continue
			}
			if from = append(from, row.from...); len(row.from) == 0 || slices.Contains(row.from, was) {
				to = row.to
				break
			}
		}
		switch {
		case to == "" && len(from) > 0:
			refused = append(refused, fmt.Sprintf("%s is %s, not %s", m.attr, was, strings.Join(from, " or ")))
		case to != "":
			moved = true
			m.set(o, to)
			c.moved(o, m.attr, was, to)
		}
	}
	if !moved {
		return fmt.Errorf("%s %s cannot %s: %s", o.typ, o.id, on, strings.Join(refused, "; "))
	}
	return nil
}

// may says whether something may happen to an object in its state.
func (c *call) may(o *object, on string) bool {
	for _, m := range c.s.behaviors[o.typ].machines {
		for _, row := range m.moves {
			if row.on == on && (len(row.from) == 0 || slices.Contains(row.from, m.state(o))) {
				return true
			}
		}
	}
	return false
}

// moved follows a state that has changed.
func (c *call) moved(o *object, attr, was, is string) {
	if was == is {
		return
	}
	if b := c.s.behaviors[o.typ]; b.moved != nil {
		b.moved(c, o, attr, was, is)
	}
	c.announce(o, attr, was, is)
}
