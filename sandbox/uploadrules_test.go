package sandbox

import (
	"slices"
	"strings"
	"testing"
)

// TestEveryUploadHasItsRule compares the rules with Apple's document: no resource
// that has upload operations is forgotten, and none is said to be what it is not.
func TestEveryUploadHasItsRule(t *testing.T) {
	f, err := loadFacts()
	if err != nil {
		t.Fatal(err)
	}
	rules := uploadRules()
	for schema, typ := range f.Types {
		rule, has := rules[schema]
		if (typ.attr("uploadOperations") != nil) != has {
			t.Errorf("%s: upload operations %v, a rule %v", schema, !has, has)
		}
		if !has {
			continue
		}
		compareUpload(t, f, schema, rule)
		for _, name := range rule.state {
			a := typ.attr(name)
			if a == nil {
				t.Errorf("%s has no %s", schema, name)
				continue
			}
			a = f.resolve(a)
			if in := a.field("state"); in != nil {
				a = f.resolve(in)
			}
			if !slices.Contains(f.enum(a.Enum), rule.done) {
				t.Errorf("%s: %s is never %s", schema, name, rule.done)
			}
		}
	}
	if len(rules) != 27 {
		t.Errorf("%d rules; 25 resources had files, and the asset library has two", len(rules))
	}
}

// compareUpload holds a rule to the operations of its schema.
func compareUpload(t *testing.T, f *facts, schema string, rule uploadRule) {
	t.Helper()
	deletable, committed := false, false
	for i := range f.Ops {
		op := &f.Ops[i]
		home := f.home[schema]
		switch {
		case op.Shape == "deleteInstance" && strings.TrimSuffix(op.Path, "/{id}") == home:
			deletable = true
		case op.Shape == "createInstance" && op.Schema == schema:
			comparePost(t, schema, rule, op.Body)
		case op.Shape == "updateInstance" && op.Schema == schema:
			committed = op.Body.attr("uploaded") != nil
			want := noChecksum
			if op.Body.attr("sourceFileChecksums") != nil {
				want = structuredSums
			} else if op.Body.attr("sourceFileChecksum") != nil {
				want = md5Checksum
			}
			if rule.checksum != want {
				t.Errorf("%s: checksum rule %d, the document has %d", schema, rule.checksum, want)
			}
		}
	}
	if deletable == rule.kept || !committed {
		t.Errorf("%s: deletable %v, kept %v, committed %v", schema, deletable, rule.kept, committed)
	}
}

// comparePost holds a rule to what a new resource must have.
func comparePost(t *testing.T, schema string, rule uploadRule, body *factType) {
	t.Helper()
	want := append([]string{"fileName", "fileSize"}, rule.needs...)
	if rule.of != "" {
		want = append(want, rule.of)
	}
	var have []string
	for _, a := range body.Attrs {
		if a.Required {
			have = append(have, a.Name)
		}
	}
	for _, r := range body.Rels {
		if r.Required {
			have = append(have, r.Name)
		}
	}
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(have, want) {
		t.Errorf("%s: must have %v, the rule says %v", schema, have, want)
	}
	for _, rel := range rule.oneOf {
		if body.rel(rel) == nil {
			t.Errorf("%s has no relationship %s", schema, rel)
		}
	}
}
