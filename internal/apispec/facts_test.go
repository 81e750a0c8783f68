package apispec

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestFactsAreStructureOnly(t *testing.T) {
	text := document("1", `"color":{"$ref":"#/components/schemas/Color"},"names":{"type":"object","description":"Prose.","additionalProperties":{"type":"string"}},`+
		`"size":{"type":"integer","minimum":1,"maximum":9}`, `"RED","GREEN"`)
	doc, _, err := Read([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Facts(doc)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Facts(doc); err != nil || !bytes.Equal(b, again) {
		t.Errorf("the same document must make the same facts: %v", err)
	}
	if !json.Valid(b) || strings.Contains(string(b), "Prose") {
		t.Errorf("%s", b)
	}
	for _, want := range []string{
		`"version":"1"`,
		"\n[\"RED\",\"GREEN\"]",
		`"Color":{"k":"string","e":1}`,
		`"Thing":{"type":"things","attrs":[{"n":"color","k":"ref","ref":"Color"},{"n":"names","k":"map","items":{"k":"string"}},{"n":"size","k":"integer","min":1,"max":9}]}`,
		`{"id":"things_getCollection","method":"GET","path":"/v1/things","shape":"getCollection","schema":"Thing","many":true,"type":"things"`,
		`"query":[{"n":"filter[color]","list":true,"k":"string","e":2},{"n":"limit","k":"integer","max":200}]`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in\n%s", want, b)
		}
	}
}
