package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bigger is the document after small: a new tag, whose resource is only read,
// an operation whose name is taken, and a filter by ids.
const bigger = `{"openapi":"3.0.1","info":{"version":"2.0"},"paths":{
	"/v1/things":{"get":{"tags":["Things"],"operationId":"things_getCollection",
		"parameters":[{"name":"filter[toy]","in":"query","schema":{"type":"array","items":{"type":"string"}}},{"name":"filter[word]","in":"query","schema":{"type":"string"}}],
		"responses":{"200":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/ThingsResponse"}}}}}}},
	"/v1/thingToys":{"get":{"tags":["ThingToys"],"operationId":"thingToys_getCollection",
		"responses":{"200":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/ThingToysResponse"}}}}}}},
	"/v1/things/{id}/toys":{"get":{"tags":["Things"],"operationId":"things_toys_getToManyRelated",
		"responses":{"200":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/ThingToysResponse"}}}}}}}},
	"components":{"schemas":{
	"Thing":{"type":"object","properties":{"type":{"type":"string","enum":["things"]},"id":{"type":"string"},
		"attributes":{"type":"object","properties":{"name":{"type":"string","nullable":true}}},
		"relationships":{"type":"object","properties":{"toy":{"type":"object","properties":{"data":{"type":"object","properties":{"type":{"type":"string","enum":["thingToys"]},"id":{"type":"string"}}}}}}}}},
	"ThingToy":{"type":"object","properties":{"type":{"type":"string","enum":["thingToys"]},"id":{"type":"string"}}},
	"ThingToysResponse":{"type":"object","properties":{"data":{"type":"array","items":{"$ref":"#/components/schemas/ThingToy"}}}},
	"ThingsResponse":{"type":"object","properties":{"data":{"type":"array","items":{"$ref":"#/components/schemas/Thing"}}}}}}}`

const onePatch = `document: '1'
patches:
  - name: name-null
    reason: It may be null.
    at: ["/components/schemas/Thing/properties/attributes/properties/name"]
    nullable: true
`

const someTypes = `package restrict

var classes = map[string]classified{
}

var filterTypes = map[string]string{
}

var plainFilters = []string{"archived",
	"version"}
`

// project is a tree with the small document generated.
func project(t *testing.T) (root string, ascspec func(args ...string) (string, error)) {
	t.Helper()
	root = t.TempDir()
	for name, text := range map[string]string{"1.json": small, "2.json": bigger, "spec/patches.yaml": onePatch, "spec/areas.yaml": "areas:\n  toys:\n    - Things\n\nnames:\n",
		"internal/access/restrict/types.go": someTypes} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ascspec = func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append(args, "--root", root), func(string) string { return "" }, &out, io.Discard)
		return out.String(), err
	}
	if _, err := ascspec("generate", "--spec", filepath.Join(root, "1.json")); err != nil {
		t.Fatal(err)
	}
	return root, ascspec
}

// TestUpgrade says all decisions at once and writes nothing; then it takes the
// proposals and does the rest; then there is nothing left to decide.
func TestUpgrade(t *testing.T) {
	root, ascspec := project(t)
	next := filepath.Join(root, "2.json")
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	lock := read("spec/asc.lock.yaml")
	out, err := ascspec("upgrade", "--files-only", next)
	if err == nil || !strings.Contains(err.Error(), "6 decisions are open") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"document 1 → 2.0: 6 decisions, 0 problems",
		"# remove: - name: name-null  # no longer needed: the document says so already",
		"  toys:\n    - ThingToys  # new tag; tags that begin with its first 1 words: toys 1",
		"names:\n  things_toys_getToManyRelated: ListThingRelatedToys  # name clash: ListThingToys is the name of thingToys_getCollection",
		"\t\"toy\": \"thingToys\",  // filter[toy] of things_getCollection: a relationship of this name",
		"\t\"word\",  // filter[word] of things_getCollection: no relationship of this name",
		"\t\"thingToys\": {catalog, \"the same for everyone\"},  // new type",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("does not say %q:\n%s", want, out)
		}
	}
	if read("spec/asc.lock.yaml") != lock || read("spec/patches.yaml") != onePatch || read("internal/access/restrict/types.go") != someTypes {
		t.Error("something was written while decisions are open")
	}
	if out, err = ascspec("upgrade", "--files-only", "--accept", next); err != nil || !strings.Contains(out, "operations     1 →     3") {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, want := range map[string]string{"spec/patches.yaml": "document: '2.0'\npatches:\n", "spec/asc.lock.yaml": "name: ListThingRelatedToys",
		"spec/areas.yaml":                   "areas:\n  toys:\n    - ThingToys\n    - Things\n\nnames:\n  things_toys_getToManyRelated: ListThingRelatedToys\n",
		"internal/access/restrict/types.go": "var plainFilters = []string{\n\t\"archived\",\n\t\"word\",\n\t\"version\"}", "proto/asc/toys/v1/thing_toys.proto": "rpc ListThingToys("} {
		if got := read(name); !strings.Contains(got, want) {
			t.Errorf("%s has no %q:\n%s", name, want, got)
		}
	}
	if out, err = ascspec("upgrade", "--files-only", next); err != nil || !strings.Contains(out, "document 2.0 → 2.0: 0 decisions") {
		t.Errorf("once more: %v\n%s", err, out)
	}
}

// TestUpgradeRefusesWhatItCannotRead names the place, and writes nothing.
func TestUpgradeRefusesWhatItCannotRead(t *testing.T) {
	root, ascspec := project(t)
	odd := filepath.Join(root, "3.json")
	if err := os.WriteFile(odd, []byte(strings.Replace(bigger, `"nullable":true`, `"not":{"type":"integer"}`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := ascspec("upgrade", "--files-only", "--accept", odd)
	if err == nil || !strings.Contains(err.Error(), "/components/schemas/Thing/properties/attributes/properties/name: keyword not cannot be read") {
		t.Errorf("%v\n%s", err, out)
	}
	if !strings.Contains(out, "- ThingToys") {
		t.Errorf("the decisions are not told beside the problems:\n%s", out)
	}
	if b, _ := os.ReadFile(filepath.Join(root, "spec/areas.yaml")); strings.Contains(string(b), "ThingToys") {
		t.Error("something was written")
	}
}

// TestFetchComparesWithTheLock says whether there is something to upgrade to.
func TestFetchComparesWithTheLock(t *testing.T) {
	root, ascspec := project(t)
	for file, want := range map[string]string{"1.json": "the lock was made of this document", "2.json": "the lock was made of version 1: `ascspec upgrade`"} {
		if out, err := ascspec("fetch", "--spec", filepath.Join(root, file)); err != nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v %s", file, err, out)
		}
	}
}
