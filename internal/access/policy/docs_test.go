package policy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/service"
)

// TestDocumentedPolicies holds that every policy that is shown somewhere is
// right, and passes its own tests.
func TestDocumentedPolicies(t *testing.T) {
	entries, _, err := service.Entries()
	if err != nil {
		t.Fatal(err)
	}
	known := gateway.Methods(entries)
	for _, file := range []string{"docs/key-vault.md", "docs/policy.md", "docs/getting-started.md", "docs/operations.md",
		"deploy/helm/asc-gateway/values.yaml", "deploy/helm/test/values/production.yaml", "deploy/helm/test/values/small.yaml"} {
		b, err := os.ReadFile("../../../" + file)
		if err != nil {
			t.Fatal(err)
		}
		list := policiesIn(string(b))
		if len(list) == 0 {
			t.Errorf("%s: no policy is found", file)
		}
		for _, text := range list {
			p, err := policy.Parse(file, []byte(text), known)
			if err == nil {
				err = p.Check()
			}
			if err != nil {
				t.Errorf("%v in:\n%s", err, text)
			}
		}
	}
}

// policiesIn finds policies in a document: each goes from its version to the end
// of a block, of a here-document, or of what is indented.
func policiesIn(doc string) (list []string) {
	inside, indent := false, ""
	var b strings.Builder
	for line := range strings.Lines(doc + "EOF\n") {
		text := strings.TrimSpace(line)
		switch {
		case text == "version: 1":
			inside, indent = true, line[:strings.Index(line, text)]
		case inside && (text == "EOF" || text == "```" || text != "" && !strings.HasPrefix(line, indent)):
			inside = false
			if strings.Contains(b.String(), "rules:") {
				list = append(list, b.String())
			}
			b.Reset()
		}
		if inside {
			b.WriteString(strings.TrimPrefix(line, indent))
		}
	}
	return list
}
