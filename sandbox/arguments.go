package sandbox

import (
	"encoding/json"
	"net/url"
)

// argument is how the page asks for an argument of acts. The zero value is a line of
// text.
type argument struct {
	choices func(s *Sandbox, o *object) []string // one of these; any text if nil
	read    func(text string) any                // the value that a text stands for; the text if nil
}

// arguments are those that all acts take, by name. An empty field is an argument that
// is not given: the act does what is usual.
func arguments() map[string]argument {
	return map[string]argument{
		"action":      {choices: actionsOf},
		"app":         {choices: idsOf("apps")},
		"available":   {choices: oneOf("true", "false"), read: asJSON},
		"body":        {},
		"build":       {choices: idsOf("builds")},
		"comment":     {},
		"email":       {},
		"errors":      {read: asErrors},
		"item":        {choices: itemsOf},
		"message":     {},
		"rating":      {choices: oneOf("5", "4", "3", "2", "1"), read: asJSON},
		"reason":      {choices: oneOf("metadata", "binary")},
		"state":       {choices: statesOf},
		"territories": {read: asJSON},
		"territory":   {choices: idsOf("territories")},
		"tester":      {choices: idsOf("betaTesters")},
		"title":       {},
	}
}

func oneOf(list ...string) func(*Sandbox, *object) []string {
	return func(*Sandbox, *object) []string { return list }
}

func idsOf(typ string) func(*Sandbox, *object) []string {
	return func(s *Sandbox, _ *object) (ids []string) {
		for _, o := range s.store.all(typ) {
			ids = append(ids, o.id)
		}
		return ids
	}
}

// itemsOf are the items of a submission that are to be reviewed.
func itemsOf(s *Sandbox, o *object) (ids []string) {
	for _, item := range s.inner(s.clock.shown).open(o) {
		ids = append(ids, item.id)
	}
	return ids
}

// actionsOf are the names of what a run of Xcode Cloud does.
func actionsOf(s *Sandbox, o *object) (names []string) {
	for _, action := range s.store.related(o, "actions") {
		names = append(names, action.text("name"))
	}
	return names
}

// statesOf are the states that Apple's document knows of an object.
func statesOf(s *Sandbox, o *object) []string {
	a := s.facts.attr(o.typ, "state")
	if a == nil {
		return nil
	}
	return s.facts.enum(s.facts.resolve(a).Enum)
}

// asJSON is the value that a text is in JSON, or the text if it is none.
func asJSON(text string) any {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	return v
}

// asErrors are errors in JSON, or one with a text.
func asErrors(text string) any {
	if list, ok := asJSON(text).([]any); ok {
		return list
	}
	return []any{map[string]any{"code": "90000", "description": text}}
}

// field is a field of the page for an argument.
type field struct {
	Name    string
	Choices []string // any text if there are none
}

// fieldPrefix begins the names of the fields in forms.
const fieldPrefix = "with."

// fields are those for the arguments of an act on an object. An argument of which
// there is nothing to choose has none.
func (s *Sandbox) fields(o *object, names []string) (list []field) {
	known := arguments()
	for _, name := range names {
		f, a := field{Name: name}, known[name]
		if a.choices != nil {
			if f.Choices = a.choices(s, o); len(f.Choices) == 0 {
				continue
			}
		}
		list = append(list, f)
	}
	return list
}

// formArguments are the arguments that the fields of a form give.
func formArguments(form url.Values, names []string) map[string]any {
	known, with := arguments(), map[string]any{}
	for _, name := range names {
		text := form.Get(fieldPrefix + name)
		switch read := known[name].read; {
		case text == "":
		case read == nil:
			with[name] = text
		default:
			with[name] = read(text)
		}
	}
	return with
}
