package command

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGeneratedDocs holds what is made from the code.
func TestGeneratedDocs(t *testing.T) {
	for file, args := range map[string][]string{"metrics.md": {"metrics"}, "gateway.schema.json": {"config", "schema"},
		"sandbox.seed.schema.json": {"sandbox", "seed-schema"}} {
		var out strings.Builder
		if err := Run(t.Context(), args, &out, &out); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile("../../docs/" + file); err != nil || string(b) != out.String() {
			t.Errorf("docs/%s is not what `gateway %s` prints: %v", file, strings.Join(args, " "), err)
		}
	}
}

// TestReasonsAreDocumented holds docs/errors.md to the reasons in the code.
func TestReasonsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	word := regexp.MustCompile("[Rr]eason[A-Za-z]*\\s*=\\s*\"([A-Z_]+)\"")
	n := 0
	err = filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		b, err := os.ReadFile(name)
		for _, m := range word.FindAllStringSubmatch(string(b), -1) {
			if n++; !strings.Contains(string(page), "`"+m[1]+"`") {
				t.Errorf("docs/errors.md does not name %s (%s)", m[1], name)
			}
		}
		return err
	})
	if err != nil || n < 20 {
		t.Errorf("%d reasons found: %v", n, err)
	}
}

func TestConfigCommands(t *testing.T) {
	const example = "../../docs/gateway.example.yaml"
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"config", "check", "--file-only", example}, "is right"},
		{[]string{"config", "check", "--file-only", "--output", "json", example}, `"ok": true`},
		{[]string{"config", "print", "--effective", example}, "hour_limit: 3600"},
		{[]string{"config", "print", example}, "[redacted]"},
	} {
		var out strings.Builder
		if err := Run(t.Context(), c.args, &out, &out); err != nil || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: %v\n%s", c.args, err, out.String())
		}
		if strings.Contains(out.String(), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08") {
			t.Errorf("%v prints a token's hash", c.args)
		}
	}
	bad := t.TempDir() + "/gateway.yaml"
	if err := os.WriteFile(bad, []byte("teams: []\ncolour: red\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := Run(t.Context(), []string{"config", "check", bad}, &out, &out); err == nil || !strings.Contains(err.Error(), "colour") {
		t.Errorf("got %v", err)
	}
}
