package apispec

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// composed is a document in which a schema, an attribute or the data of a
// create is put together.
func composed(attributes, create, more string) string {
	return fmt.Sprintf(`{"openapi":"3.0.1","info":{"version":"1"},"paths":{
	"/v1/things":{"post":{"tags":["Things"],"operationId":"things_createInstance",
		"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/ThingCreateRequest"}}}},
		"responses":{"201":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/ThingResponse"}}}}}}}},
	"components":{"schemas":{
	"Thing":{"type":"object","properties":{"type":{"type":"string","enum":["things"]},"id":{"type":"string"},"attributes":%s}},
	"ThingCreateRequest":{"type":"object","properties":{"data":%s}},
	"ThingResponse":{"type":"object","properties":{"data":{"$ref":"#/components/schemas/Thing"}}}%s}}}`, attributes, create, more)
}

const (
	plainThing  = `{"type":"object","properties":{"name":{"type":"string"}}}`
	plainCreate = `{"type":"object","properties":{"type":{"type":"string","enum":["things"]},"attributes":{"type":"object","properties":{"name":{"type":"string"},"size":{"type":"integer"}}}}`
)

// fieldsOf are the fields of a message, as "name type".
func fieldsOf(m *Model, message string) (out []string) {
	for _, f := range m.Messages[message].Fields {
		if f.Number < firstOwnNumber {
			out = append(out, strings.TrimSpace(f.Label+" "+f.Type+" "+f.Name))
		}
	}
	return out
}

// TestComposedSchemas reads allOf, oneOf and anyOf as one message with the
// members of all.
func TestComposedSchemas(t *testing.T) {
	const named = `,"Common":{"type":"object","properties":{"state":{"$ref":"#/components/schemas/State"},"name":{"type":"string"}},"required":["state"]},
		"State":{"type":"string","enum":["NEW","DONE"]},
		"Waiting":{"allOf":[{"$ref":"#/components/schemas/Common"},{"type":"object","properties":{"url":{"type":"string","format":"uri"}}}]},
		"Ready":{"allOf":[{"$ref":"#/components/schemas/Common"},{"type":"object"}]}`
	for _, c := range []struct{ name, attributes, more, want string }{
		{"oneOf by state, of allOf", `{"oneOf":[{"$ref":"#/components/schemas/Waiting"},{"$ref":"#/components/schemas/Common"},{"$ref":"#/components/schemas/Ready"}],
			"discriminator":{"propertyName":"state"}}`, named,
			"string id; optional asc.enums.v1.StateEnum.State state; optional string name; optional string url"},
		{"allOf beside members", `{"type":"object","properties":{"own":{"type":"boolean"}},"allOf":[{"$ref":"#/components/schemas/Common"}]}`, named,
			"string id; optional bool own; optional asc.enums.v1.StateEnum.State state; optional string name"},
		{"anyOf of an attribute", `{"type":"object","properties":{"size":{"anyOf":[{"type":"object","properties":{"width":{"type":"integer"}}},
			{"type":"object","properties":{"length":{"type":"integer"}}}]}}}`, "", "string id; asc.resources.v1.Thing.Size size"},
		{"enums are joined", `{"oneOf":[{"type":"object","properties":{"kind":{"type":"string","enum":["A"]}}},{"type":"object","properties":{"kind":{"type":"string","enum":["B"]}}}]}`,
			"", "string id; optional asc.enums.v1.ThingKindEnum.ThingKind kind"},
		{"attributes by reference", `{"$ref":"#/components/schemas/Common"}`, named,
			"string id; optional asc.enums.v1.StateEnum.State state; optional string name"},
		{"attributes of one alternative", `{"oneOf":[{"$ref":"#/components/schemas/Common"}]}`, named,
			"string id; optional asc.enums.v1.StateEnum.State state; optional string name"},
		{"relationships by reference", plainThing + `,"relationships":{"$ref":"#/components/schemas/Rels"}`, `,"Rels":{"type":"object","properties":{
			"owner":{"$ref":"#/components/schemas/Owner"}}},"Owner":{"type":"object","properties":{"data":{"$ref":"#/components/schemas/OwnerID"}}},
			"OwnerID":{"type":"object","properties":{"type":{"type":"string","enum":["owners"]},"id":{"type":"string"}},"required":["id","type"]}`,
			"string id; optional string name; asc.types.v1.ToOne owner"},
		{"one alternative is a reference", `{"type":"object","properties":{"state":{"oneOf":[{"$ref":"#/components/schemas/State"}]},"again":{"allOf":[{"$ref":"#/components/schemas/State"},{}]}}}`,
			named, "string id; optional asc.enums.v1.StateEnum.State state; optional asc.enums.v1.StateEnum.State again"},
	} {
		m, _, _ := build(t, composed(c.attributes, plainCreate+"}", c.more), &Lock{})
		if got := strings.Join(fieldsOf(m, "asc.resources.v1.Thing"), "; "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		if c.name == "enums are joined" && len(m.Enums["asc.enums.v1.ThingKindEnum"].Values) != 2 {
			t.Errorf("%v", m.Enums)
		}
	}
}

// TestWhatGoesTogether keeps the combinations that anyOf and oneOf ask for.
func TestWhatGoesTogether(t *testing.T) {
	for _, c := range []struct{ name, create, want string }{
		{"of data", plainCreate + `,"anyOf":[{"type":"object","properties":{"attributes":{"type":"object","required":["name"]}},"required":["attributes"]},
			{"type":"object","properties":{"attributes":{"type":"object","required":["size","name"]}}}]}`, "[[[name] [size name]]]"},
		{"of attributes", `{"type":"object","properties":{"type":{"type":"string","enum":["things"]},"attributes":{"type":"object",
			"properties":{"name":{"type":"string"},"size":{"type":"integer"}},"oneOf":[{"required":["name"]},{"required":["size"]}]}}}`, "[[[name] [size]]]"},
		{"an alternative without a wish asks for nothing", plainCreate + `,"anyOf":[{"type":"object"},{"type":"object","properties":{"attributes":{"type":"object","required":["size"]}}}]}`, "[]"},
		{"inside allOf", `{"allOf":[` + plainCreate + `},{"anyOf":[{"properties":{"attributes":{"required":["name"]}}},{"properties":{"attributes":{"required":["size"]}}}]}]}`, "[[[name] [size]]]"},
		{"none", plainCreate + "}", "[]"},
	} {
		m, _, _ := build(t, composed(plainThing, c.create, ""), &Lock{})
		const request = "asc.toys.v1.CreateThingRequest"
		if got := fmt.Sprint(m.Messages[request].Choices); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if got := fieldsOf(m, request); !slices.Equal(got, []string{"optional string name", "optional int64 size"}) {
			t.Errorf("%s: %v", c.name, got)
		}
		if text := string(Emit(m)["asc/toys/v1/things.proto"]); c.want != "[]" && !strings.Contains(text, "option (asc.options.v1.choice) = {\n    any_of: {fields: [\"name\"") {
			t.Errorf("%s:\n%s", c.name, text)
		}
	}
}

// TestNothingIsSkippedSilently reads shapes that cannot be read: each is a
// problem with its place, and the list has as many lines as it says.
func TestNothingIsSkippedSilently(t *testing.T) {
	const at = "/components/schemas/Thing/properties/attributes/properties/x"
	for _, c := range []struct{ name, text, where, what string }{
		{"a keyword", composed(`{"type":"object","properties":{"x":{"type":"string","not":{"type":"integer"}}}}`, plainCreate+"}", ""), at, "keyword not"},
		{"kinds that differ", composed(`{"type":"object","properties":{"x":{"oneOf":[{"type":"string"},{"type":"integer"}]}}}`, plainCreate+"}", ""), at, "cannot be one"},
		{"formats that differ", composed(`{"type":"object","properties":{"x":{"oneOf":[{"type":"string"},{"type":"string","format":"date-time"}]}}}`, plainCreate+"}", ""), at, "cannot be one"},
		{"members that differ", composed(`{"oneOf":[{"type":"object","properties":{"x":{"type":"string"}}},{"type":"object","properties":{"x":{"$ref":"#/components/schemas/Thing"}}}]}`,
			plainCreate+"}", ""), "/components/schemas/Thing/properties/attributes", "member x"},
		{"an enum of numbers", composed(`{"type":"object","properties":{"x":{"type":"integer","enum":[1,2]}}}`, plainCreate+"}", ""), at, "enum of type"},
		{"an array of nothing", composed(`{"type":"object","properties":{"x":{"type":"array"}}}`, plainCreate+"}", ""), at, "without items"},
		{"a reference to nothing", composed(`{"oneOf":[{"$ref":"#/components/schemas/None"}, {"type":"object"}]}`, plainCreate+"}", ""), "/components/schemas/Thing/properties/attributes/oneOf/0", "not there"},
		{"a body of another media type", strings.Replace(composed(plainThing, plainCreate+"}", ""), `"requestBody":{"content":{"application/json"`, `"requestBody":{"content":{"multipart/form-data"`, 1),
			"/paths/~1v1~1things/post/requestBody/content", "multipart/form-data is neither"},
		{"an answer of another media type", strings.Replace(composed(plainThing, plainCreate+"}", ""), `"201":{"content":{"application/json"`, `"201":{"content":{"image/png"`, 1),
			"/paths/~1v1~1things/post/responses", "image/png is neither"},
		{"a body by reference", strings.Replace(composed(plainThing, plainCreate+"}", ""), `"requestBody":{`, `"requestBody":{"$ref":"#/components/requestBodies/X",`, 1),
			"/paths/~1v1~1things/post/requestBody", "reference here"},
		{"an answer by reference", strings.Replace(composed(plainThing, plainCreate+"}", ""), `"201":{`, `"201":{"$ref":"#/components/responses/X",`, 1),
			"/paths/~1v1~1things/post/responses/201", "reference here"},
		{"a required name that is no member", composed(plainThing, plainCreate+`,"anyOf":[{"properties":{"attributes":{"required":["other"]}}}]}`, ""),
			"/components/schemas/ThingCreateRequest/properties/data", "requires other"},
		{"a relationship that nothing explains", composed(plainThing+`,"relationships":{"type":"object","properties":{"owner":{"type":"object","properties":{"links":{"type":"string"}}}}}`,
			plainCreate+"}", ""), "/components/schemas/Thing/properties/relationships/properties/owner", "only links"},
		{"two messages of one name", composed(`{"type":"object","properties":{"part":{"type":"object","properties":{"a":{"type":"string"}}},"parts":{"type":"array","items":{"type":"object","properties":{"b":{"type":"string"}}}}}}`,
			plainCreate+"}", ""), "/components/schemas/Thing/properties/attributes/properties/parts/items", "Thing.Part is made of"},
		{"a resource of two types", strings.Replace(composed(plainThing, plainCreate+"}", ""), `"enum":["things"]},"id"`, `"enum":["things","others"]},"id"`, 1), "/components/schemas/Thing", "one type"},
	} {
		doc, _, err := Read([]byte(c.text), nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		_, err = Build(doc, areas, nil)
		found := false
		if problems, ok := err.(Problems); ok {
			found = slices.ContainsFunc(problems, func(p Problem) bool { return p.Where == c.where && strings.Contains(p.What, c.what) })
			var n int
			if _, serr := fmt.Sscanf(err.Error(), "%d problem", &n); serr != nil || n != strings.Count(err.Error(), "\n") {
				t.Errorf("%s: as many lines as it says: %v", c.name, err)
			}
		}
		if !found {
			t.Errorf("%s: no %q at %s in: %v", c.name, c.what, c.where, err)
		}
	}
}

func TestProblemsPrintAsManyLinesAsTheySay(t *testing.T) {
	ps := Problems{{"b", "two\nlines"}, {"a", "one"}, {"a", "one"}}
	if got, want := ps.Error(), "2 problem(s):\n  a: one\n  b: two lines"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestLinksOnly reads relationships of which a resource shows only links.
func TestLinksOnly(t *testing.T) {
	const linkage = `{"type":"object","properties":{"data":%s}}`
	const id = `{"type":"object","properties":{"type":{"type":"string","enum":["owners"]},"id":{"type":"string"}}}`
	const rel = `{"type":"object","properties":{"name":{"type":"string"}}},"relationships":{"type":"object","properties":{%q:{"type":"object","properties":{"links":{"type":"string"}}}}}`
	for _, c := range []struct{ name, rel, schema, data, want string }{
		{"to-one by the schema of its linkage", "owner", "ThingOwnerLinkageResponse", id, "asc.types.v1.ToOne owner"},
		{"to-many by the schema of its linkage", "owner", "ThingOwnerLinkagesResponse", `{"type":"array","items":` + id + `}`, "asc.types.v1.ToMany owner"},
		{"to-many by its name", "things", "Other", id, "asc.types.v1.ToMany things"},
		{"to-one by its name", "thing", "Other", id, "asc.types.v1.ToOne thing"},
	} {
		attributes := fmt.Sprintf(rel, c.rel)
		m, _, _ := build(t, composed(attributes, plainCreate+"}", fmt.Sprintf(`,%q:`+linkage, c.schema, c.data)), &Lock{})
		if got := fieldsOf(m, "asc.resources.v1.Thing"); !slices.Contains(got, c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
