package cli

import (
	"encoding/json"
	"strconv"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Bounds of a request that is made from arguments.
const (
	maxDepth    = 100
	maxElements = 20_000 // of one list
)

// setter fills a request from arguments such as filter.app=1500004000. Types are
// those of the descriptors.
type setter struct {
	seen map[string]bool // single values that an argument has set
}

// set takes one argument, PATH=VALUE. Paths are dotted; names are the proto's,
// JSON's, or Apple's, as in filter[preReleaseVersion.version].
func (s *setter) set(m protoreflect.Message, arg string) error {
	path, text, ok := strings.Cut(arg, "=")
	if !ok {
		return usagef("%s: want FIELD=VALUE, such as page_size=5", clip(arg))
	}
	segments := split(path)
	if len(segments) == 0 || len(segments) > maxDepth {
		return usagef("%s: want FIELD=VALUE, such as page_size=5", clip(arg))
	}
	return s.into(m, segments, text, path)
}

// split cuts a path at its dots. What stands in brackets is one name.
func split(path string) (segments []string) {
	name, rest, keyed := strings.Cut(path, "[")
	if name != "" {
		segments = strings.Split(name, ".")
	}
	if keyed {
		segments = append(segments, strings.TrimSuffix(rest, "]"))
	}
	return segments
}

// into sets what a path leads to. whole is the path as it was written.
func (s *setter) into(m protoreflect.Message, path []string, text, whole string) error {
	if fd := pageSize(m, path); fd != nil {
		return s.single(m, fd, text, whole)
	}
	fd, n := resolve(m.Descriptor(), path)
	if fd == nil {
		return unknownField(m.Descriptor(), path, whole)
	}
	rest := path[n:]
	switch {
	case fd.IsMap():
		return s.mapEntry(m, fd, rest, text, whole)
	case fd.IsList() && len(rest) > 0:
		return s.element(m.Mutable(fd).List(), fd, rest, text, whole)
	case fd.IsList():
		return appendTexts(m, fd, text, whole)
	case fd.Message() != nil && len(rest) > 0:
		return s.into(m.Mutable(fd).Message(), rest, text, whole)
	case len(rest) > 0:
		return usagef("%s: %s is a single value, it has no fields", clip(whole), fd.Name())
	case fd.Message() != nil:
		return s.message(m.Mutable(fd).Message(), text, whole)
	}
	return s.single(m, fd, text, whole)
}

// pageSize is the field that Apple's own parameter names `limit` and `cursor`
// stand for.
func pageSize(m protoreflect.Message, path []string) protoreflect.FieldDescriptor {
	fields := m.Descriptor().Fields()
	switch {
	case len(path) != 1:
		return nil
	case path[0] == "limit":
		return fields.ByName("page_size")
	case path[0] == "cursor":
		return fields.ByName("page_token")
	}
	return nil
}

// single sets a value, which may stand only once.
func (s *setter) single(m protoreflect.Message, fd protoreflect.FieldDescriptor, text, whole string) error {
	if s.seen[whole] {
		return usagef("%s: stands twice", clip(whole))
	}
	s.seen[whole] = true
	v, err := scalar(fd, text, whole)
	if err != nil {
		return err
	}
	m.Set(fd, v)
	return nil
}

// resolve finds the field that a path begins with, and how many of its segments
// name it: Apple's names can hold dots.
func resolve(md protoreflect.MessageDescriptor, path []string) (protoreflect.FieldDescriptor, int) {
	for n := min(len(path), 4); n > 0; n-- {
		if fd := named(md, strings.Join(path[:n], ".")); fd != nil {
			return fd, n
		}
	}
	return nil, 0
}

// named is the field of a name: the proto's, JSON's or Apple's.
func named(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByName(protoreflect.Name(name)); fd != nil {
		return fd
	}
	if fd := md.Fields().ByJSONName(name); fd != nil {
		return fd
	}
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); optionsOf(fd).GetName() == name {
			return fd
		}
	}
	return nil
}

func optionsOf(fd protoreflect.FieldDescriptor) *optionsv1.Field {
	o, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
	return o
}

func unknownField(md protoreflect.MessageDescriptor, path []string, whole string) error {
	var names []string
	for i := range md.Fields().Len() {
		names = append(names, string(md.Fields().Get(i).Name()))
	}
	before, _ := strings.CutSuffix(whole, strings.Join(path, "."))
	word := strings.TrimSuffix(hint(path[0], names), "?")
	if word != "" {
		word = strings.Replace(word, "did you mean ", "did you mean "+clip(before), 1) + "?"
	} else if len(names) <= 12 && len(names) > 0 {
		word = "; there are " + strings.Join(names, ", ")
	}
	return usagef("%s: no such field%s", clip(whole), word)
}

// mapEntry sets a member of a map: fields.builds=version,uploadedDate.
func (s *setter) mapEntry(
	m protoreflect.Message, fd protoreflect.FieldDescriptor, key []string, text, whole string,
) error {
	if len(key) == 0 {
		if strings.HasPrefix(strings.TrimSpace(text), "{") {
			return jsonField(m, fd, text, whole)
		}
		return usagef("%s: want a name too: %s.NAME=VALUE", clip(whole), clip(whole))
	}
	k, err := scalar(fd.MapKey(), strings.Join(key, "."), whole)
	if err != nil {
		return err
	}
	entries, value := m.Mutable(fd).Map(), fd.MapValue()
	if value.Message() != nil {
		return s.message(entries.Mutable(k.MapKey()).Message(), text, whole)
	}
	if entries.Has(k.MapKey()) {
		return usagef("%s: stands twice", clip(whole))
	}
	v, err := scalar(value, text, whole)
	if err != nil {
		return err
	}
	entries.Set(k.MapKey(), v)
	return nil
}

// element sets a field of a list's element: prices.create.0.start_date=….
func (s *setter) element(
	list protoreflect.List, fd protoreflect.FieldDescriptor, path []string, text, whole string,
) error {
	i, err := strconv.Atoi(path[0])
	if err != nil || i < 0 || i > list.Len() || i >= maxElements || fd.Message() == nil {
		return usagef("%s: want the number of an element, 0 first, without gaps", clip(whole))
	}
	if i == list.Len() {
		list.Append(list.NewElement())
	}
	if len(path) == 1 {
		return s.message(list.Get(i).Message(), text, whole)
	}
	return s.into(list.Get(i).Message(), path[1:], text, whole)
}

// appendTexts adds to a list: values with commas between them, or JSON. A comma
// that belongs to a value is written \,.
func appendTexts(m protoreflect.Message, fd protoreflect.FieldDescriptor, text, whole string) error {
	if t := strings.TrimSpace(text); strings.HasPrefix(t, "[") && json.Valid([]byte(t)) {
		return jsonField(m, fd, text, whole)
	}
	list := m.Mutable(fd).List()
	if fd.Message() != nil {
		return (&setter{seen: map[string]bool{}}).message(list.AppendMutable().Message(), text, whole)
	}
	for _, word := range commas(text) {
		if word == "" {
			return usagef("%s: an empty value", clip(whole))
		}
		v, err := scalar(fd, word, whole)
		if err != nil {
			return err
		}
		if list.Len() >= maxElements {
			return usagef("%s: more than %d values", clip(whole), maxElements)
		}
		list.Append(v)
	}
	return nil
}

// commas cuts a text at its commas, but not at \,.
func commas(text string) (words []string) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == ',':
			b.WriteByte(',')
			i++
		case text[i] == ',':
			words = append(words, b.String())
			b.Reset()
		default:
			b.WriteByte(text[i])
		}
	}
	return append(words, b.String())
}

// message sets a message from one text: a time, a duration, JSON, or the ids of a
// relationship.
func (s *setter) message(m protoreflect.Message, text, whole string) error {
	switch name := m.Descriptor().FullName(); {
	case wellKnown(name):
		return setWellKnown(m, text, whole)
	case strings.HasPrefix(strings.TrimSpace(text), "{"):
		return jsonMessage(m, text, whole)
	}
	fd := only(m.Descriptor())
	switch {
	case fd == nil:
		return usagef("%s: want one of its fields: %s", clip(whole), fieldsOf(m.Descriptor(), whole))
	case text == "":
		return usagef("%s: an empty value; for none at all write %s={}", clip(whole), clip(whole))
	case fd.IsList():
		return appendTexts(m, fd, text, whole)
	}
	return s.single(m, fd, text, whole)
}

// only is the field that stands for a whole message: the ids of a relationship,
// the names of a fieldset. nil if there is none.
func only(md protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	if md.ParentFile().Package() == "asc.types.v1" {
		for _, name := range []protoreflect.Name{"id", "ids", "names"} {
			if fd := md.Fields().ByName(name); fd != nil && fd.Message() == nil {
				return fd
			}
		}
	}
	if md.Fields().Len() == 1 && md.Fields().Get(0).Message() == nil {
		return md.Fields().Get(0)
	}
	return nil
}

func fieldsOf(md protoreflect.MessageDescriptor, before string) string {
	var names []string
	for i := range min(md.Fields().Len(), 20) {
		names = append(names, clip(before)+"."+string(md.Fields().Get(i).Name()))
	}
	return strings.Join(names, ", ")
}
