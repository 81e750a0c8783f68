package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const small = `{"openapi":"3.0.1","info":{"version":"1"},"paths":{"/v1/things":{"get":{"tags":["Things"],"operationId":"things_getCollection",
	"parameters":[{"name":"limit","in":"query","required":true,"schema":{"type":"integer","maximum":9}}],"responses":{"200":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/ThingsResponse"}}}}}}}},
	"components":{"schemas":{"Thing":{"type":"object","properties":{"type":{"type":"string","enum":["things"]},"id":{"type":"string"},"attributes":{"type":"object","properties":{"name":{"type":"string"}}}}},
	"ThingsResponse":{"type":"object","properties":{"data":{"type":"array","items":{"$ref":"#/components/schemas/Thing"}}}}}}}`

func TestCommandsExploreADocument(t *testing.T) {
	spec := filepath.Join(t.TempDir(), "spec.json")
	if err := os.WriteFile(spec, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	none := func(string) string { return "" }
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"resources"}, "Thing"},
		{[]string{"show", "Things"}, "limit*"},
		{[]string{"show", "thing", "--json"}, `"id": "things_getCollection"`},
		{[]string{"schema", "Thing"}, `"things"`},
		{[]string{"search", "get", "things"}, "/v1/things"},
		{[]string{"diff", spec, spec}, "0 changes"},
		{[]string{"fetch"}, "version 1"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), append(c.args, "--spec", spec), none, &out, io.Discard); err != nil || !strings.Contains(out.String(), c.says) {
			t.Errorf("%v: %v %s", c.args, err, &out)
		}
		if c.args[len(c.args)-1] == "--json" && !json.Valid(out.Bytes()) {
			t.Errorf("%v: no JSON", c.args)
		}
	}
	for _, args := range [][]string{{"show", "nothing", "--spec", spec}, {"schema", "nothing", "--spec", spec}, {"resources"}, {"resources", "--spec", "/none"}} {
		if err := run(t.Context(), args, none, io.Discard, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestGenerateMakesAProjectAndChecksIt(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{"spec.json": small, "spec/areas.yaml": "areas: {toys: [Things]}", "spec/patches.yaml": "document: '1'\npatches: []"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	generate := func(more ...string) error {
		return run(t.Context(), append([]string{"generate", "--root", root, "--spec", filepath.Join(root, "spec.json")}, more...), func(string) string { return "" }, io.Discard, io.Discard)
	}
	if err := generate("--check"); err == nil {
		t.Error("nothing is generated yet, and the check passes")
	}
	if err := generate(); err != nil {
		t.Fatal(err)
	}
	if err := generate("--check"); err != nil {
		t.Error(err)
	}
	stray := filepath.Join(root, "proto/asc/toys/v1/stray.proto")
	if err := os.WriteFile(stray, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := generate("--check"); err == nil || !strings.Contains(err.Error(), "no longer made") {
		t.Errorf("a stray file: %v", err)
	}
}
