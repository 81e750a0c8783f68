package apispec

// Model is the protobuf API, ready to be numbered and written. The lock file
// stores the very same types, so that what Apple has removed can still be
// written.
type Model struct {
	Messages map[string]*Message // by full name; a nested message as "pkg.Outer.Inner"
	Enums    map[string]*Enum    // by full name of the enum's wrapper message
	RPCs     map[string]*RPC     // by Apple's operation id
}

// Message is a protobuf message.
type Message struct {
	File       string    `yaml:"file"` // below proto/
	Comment    string    `yaml:"comment,omitempty"`
	Resource   *Resource `yaml:"resource,omitempty"`
	Deprecated bool      `yaml:"deprecated,omitempty"`
	Fields     []*Field  `yaml:"fields"`

	Choices []Choice `yaml:"-"` // today's, by field names: what must be sent together
}

// Resource mirrors asc.options.v1.Resource.
type Resource struct {
	Type   string `yaml:"type"`
	Schema string `yaml:"schema"`
	Inline bool   `yaml:"inline,omitempty"`
}

// Field is a field of a message. The names of roles and formats are those of
// asc.options.v1, without their prefix.
type Field struct {
	Number     int32  `yaml:"n"`
	Name       string `yaml:"name"`
	Label      string `yaml:"label,omitempty"` // "optional", "repeated" or ""
	Type       string `yaml:"type"`            // scalar, full name, or map<K, V>
	JSON       string `yaml:"json,omitempty"`  // json_name, where protobuf would not make it
	Role       string `yaml:"role,omitempty"`
	Apple      string `yaml:"apple,omitempty"` // Apple's name, where it is not the JSON name
	Target     string `yaml:"target,omitempty"`
	Format     string `yaml:"format,omitempty"`
	Nullable   bool   `yaml:"nullable,omitempty"`
	Required   bool   `yaml:"required,omitempty"`
	Array      bool   `yaml:"array,omitempty"`
	Min        *int64 `yaml:"min,omitempty"`
	Max        *int64 `yaml:"max,omitempty"`
	MaxLen     int    `yaml:"max_len,omitempty"` // of a string, in bytes
	Deprecated bool   `yaml:"deprecated,omitempty"`
	Oneof      string `yaml:"oneof,omitempty"`
	Comment    string `yaml:"comment,omitempty"`
}

// Enum is an enum in its wrapper message.
type Enum struct {
	File       string       `yaml:"file"`
	Deprecated bool         `yaml:"deprecated,omitempty"`
	Values     []*EnumValue `yaml:"values"`
}

// EnumValue is a value; the zero and UNKNOWN values are written without being
// listed here.
type EnumValue struct {
	Number     int32  `yaml:"n"`
	Name       string `yaml:"name"`
	Apple      string `yaml:"apple,omitempty"`
	Deprecated bool   `yaml:"deprecated,omitempty"`
}

// RPC is one operation.
type RPC struct {
	File       string   `yaml:"file"`
	Package    string   `yaml:"package"`
	Service    string   `yaml:"service"`
	Name       string   `yaml:"name"`
	Method     string   `yaml:"method"`
	Path       string   `yaml:"path"`
	Shape      string   `yaml:"shape"`
	Type       string   `yaml:"type,omitempty"`
	Status     int      `yaml:"status"`
	Produces   []string `yaml:"produces,omitempty,flow"`
	Body       bool     `yaml:"body,omitempty"`
	Stream     bool     `yaml:"stream,omitempty"` // the answer is a file
	Deprecated bool     `yaml:"deprecated,omitempty"`

	Query Query `yaml:"-"` // today's; a vanished RPC needs none
}

// Query mirrors asc.options.v1.Query.
type Query struct {
	Include, Sort []string
	Fieldsets     []Fieldset
	Limits        []Limit
	PageLimit     int64
}

// Fieldset mirrors asc.options.v1.Fieldset.
type Fieldset struct {
	Type, Resource string
	Names          []string
}

// Limit mirrors asc.options.v1.RelationLimit.
type Limit struct {
	Name    string
	Maximum int64
}

// The gateway's own fields have these numbers in every message, for ever.
// Apple's fields stay below firstOwnNumber.
const firstOwnNumber = 2001

var ownFields = map[string]Field{
	"extra": {
		Number:  2001,
		Name:    "extra",
		Type:    "map<string, string>",
		Comment: "What Apple said and these protos do not know, as JSON text by name.",
	},
	"extra_query": {
		Number:  2002,
		Name:    "extra_query",
		Type:    "map<string, string>",
		Comment: "Query parameters that these protos do not know.",
	},
	"clear": {
		Number:  2003,
		Name:    "clear",
		Label:   "repeated",
		Type:    "string",
		Comment: "Fields to set to null (an array that may not be null: to []). Such a field must be unset.",
	},
	"request_id": {
		Number:  2004,
		Name:    "request_id",
		Type:    "string",
		MaxLen:  128,
		Comment: "AIP-155: names this create, so that it can be repeated safely.",
	},
	"validate_only": {
		Number:  2005,
		Name:    "validate_only",
		Type:    "bool",
		Comment: "AIP-163: check everything, send nothing.",
	},
	"page_size": {
		Number:  2006,
		Name:    "page_size",
		Type:    "int32",
		Min:     new(int64),
		Comment: "How many to return. 0: Apple's default. Above Apple's limit the gateway reads several pages.",
	},
	"page_token": {
		Number:  2007,
		Name:    "page_token",
		Type:    "string",
		MaxLen:  4096,
		Comment: "next_page_token of the page before; the other fields must be the same.",
	},
	"next_page_token": {Number: 2008, Name: "next_page_token", Type: "string", Comment: "Empty: this is the last page."},
	"total_size": {
		Number:  2009,
		Name:    "total_size",
		Label:   "optional",
		Type:    "int32",
		Comment: "How many there are on all pages, where Apple says so.",
	},
}

func own(names ...string) []*Field {
	var out []*Field
	for _, n := range names {
		f := ownFields[n]
		out = append(out, &f)
	}
	return out
}

// newField makes a field with Apple's name.
func newField(apple, label, typ, role string) *Field {
	f := &Field{Name: snake(apple), Label: label, Type: typ, Role: role}
	if auto := jsonName(f.Name); auto != apple {
		if jsonName(apple) == apple && !hasDot(apple) {
			f.JSON = apple
		} else {
			f.Apple = apple
		}
	}
	return f
}

func hasDot(s string) bool {
	for _, r := range s {
		if r == '.' {
			return true
		}
	}
	return false
}
