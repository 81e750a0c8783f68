package apispec

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Lock is spec/asc.lock.yaml: the document it was made of, and everything ever
// emitted. Numbers, kinds and names in it never change; what Apple removes
// stays, deprecated.
type Lock struct {
	Version  string              `yaml:"version"` // of Apple's document
	SHA256   string              `yaml:"sha256"`  // of Apple's document
	RPCs     map[string]*RPC     `yaml:"rpcs"`
	Messages map[string]*Message `yaml:"messages"`
	Enums    map[string]*Enum    `yaml:"enums"`
}

const lockHeader = "# Machine-made by `ascspec generate`: everything ever emitted, with its number. Never edit, never delete.\n"

// ParseLock reads a lock file. No bytes: an empty lock.
func ParseLock(b []byte) (*Lock, error) {
	l := &Lock{}
	if len(bytes.TrimSpace(b)) == 0 {
		return l, nil
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(l); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	return l, nil
}

// Marshal writes the lock, one line a field.
func (l *Lock) Marshal() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(lockHeader)
	e := yaml.NewEncoder(&b)
	e.SetIndent(1)
	if err := e.Encode(l); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

// MarshalYAML writes a field on one line.
func (f *Field) MarshalYAML() (any, error) { type plain Field; return oneLine((*plain)(f)) }

// MarshalYAML writes a value on one line.
func (v *EnumValue) MarshalYAML() (any, error) { type plain EnumValue; return oneLine((*plain)(v)) }

// MarshalYAML writes a resource on one line.
func (r *Resource) MarshalYAML() (any, error) { type plain Resource; return oneLine((*plain)(r)) }

func oneLine(v any) (*yaml.Node, error) {
	var n yaml.Node
	if err := n.Encode(v); err != nil {
		return nil, err
	}
	n.Style = yaml.FlowStyle
	return &n, nil
}

func (l *Lock) rpc(operationID string) *RPC {
	if l == nil {
		return nil
	}
	return l.RPCs[operationID]
}

// field is a field of a message ever emitted, nil if there is none.
func (l *Lock) field(message, name string) *Field {
	if l == nil || l.Messages[message] == nil {
		return nil
	}
	for _, f := range l.Messages[message].Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Merge numbers the model by the lock, adds what has vanished from it, and
// returns the next lock. The model is what is to be emitted afterwards. The
// notices tell which kinds Apple has changed: the old ones stay.
func (l *Lock) Merge(m *Model, version, sha256 string) (next *Lock, notices []Problem) {
	for _, name := range sortedKeys(m.Messages) {
		notices = append(notices, mergeMessage(name, m.Messages[name], l.Messages[name])...)
	}
	for name, e := range m.Enums {
		mergeEnum(e, l.Enums[name])
	}
	for name, old := range l.Messages {
		if _, there := m.Messages[name]; !there {
			m.Messages[name] = vanishedMessage(old)
		}
	}
	for name, old := range l.Enums {
		if _, there := m.Enums[name]; !there {
			gone := *old
			gone.Deprecated = true
			m.Enums[name] = &gone
		}
	}
	for id, old := range l.RPCs {
		if _, there := m.RPCs[id]; !there {
			gone := *old
			gone.Deprecated = true
			m.RPCs[id] = &gone
			notices = append(notices, Problem{id, "has vanished from the document: kept, deprecated"})
		}
	}
	return &Lock{Version: version, SHA256: sha256, RPCs: m.RPCs, Messages: m.Messages, Enums: m.Enums}, notices
}

func vanishedMessage(old *Message) *Message {
	gone := *old
	gone.Deprecated = true
	gone.Fields = make([]*Field, len(old.Fields))
	for i, f := range old.Fields {
		c := *f
		c.Required = false
		gone.Fields[i] = &c
	}
	return &gone
}

// mergeMessage gives the fields their numbers: those of the lock, then the
// next free ones.
func mergeMessage(name string, m, old *Message) (notices []Problem) {
	byName := map[string]*Field{}
	last := int32(0)
	if old != nil {
		m.File = old.File
		for _, f := range old.Fields {
			byName[f.Name] = f
			if f.Number < firstOwnNumber {
				last = max(last, f.Number)
			}
		}
	}
	for _, f := range m.Fields {
		if was := byName[f.Name]; was != nil {
			dated := was.Type == timestampType && f.Type == "string" && f.Format == "DATE" // read as the midnight of its day
			if (was.Type != f.Type || was.Label != f.Label) && !dated {
				notices = append(notices, Problem{name + "." + f.Name,
					fmt.Sprintf("was %q, is now %q: the old kind stays", was.Label+" "+was.Type, f.Label+" "+f.Type)})
			}
			f.Number, f.Type, f.Label, f.Oneof, f.JSON, f.Array = was.Number, was.Type, was.Label, was.Oneof, was.JSON, was.Array
			delete(byName, f.Name)
		} else if f.Number == 0 {
			last++
			f.Number = last
		}
	}
	for _, f := range byName {
		gone := *f
		gone.Deprecated, gone.Required = true, false
		m.Fields = append(m.Fields, &gone)
	}
	slices.SortFunc(m.Fields, func(a, b *Field) int { return int(a.Number - b.Number) })
	return notices
}

// firstEnumNumber is that of Apple's first value: 0 is UNSPECIFIED, 1 UNKNOWN.
const firstEnumNumber = 2

func mergeEnum(e, old *Enum) {
	byName := map[string]*EnumValue{}
	last := int32(firstEnumNumber - 1)
	if old != nil {
		e.File = old.File
		for _, v := range old.Values {
			byName[v.Name] = v
			last = max(last, v.Number)
		}
	}
	for _, v := range e.Values {
		if was := byName[v.Name]; was != nil {
			v.Number = was.Number
			delete(byName, v.Name)
			continue
		}
		last++
		v.Number = last
	}
	for _, v := range byName {
		gone := *v
		gone.Deprecated = true
		e.Values = append(e.Values, &gone)
	}
	slices.SortFunc(e.Values, func(a, b *EnumValue) int { return int(a.Number - b.Number) })
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
