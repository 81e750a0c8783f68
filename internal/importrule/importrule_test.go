// Package importrule holds the rule of which package may import which: data
// flows one way.
package importrule

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/asc-gateway/asc-gateway/"

// allowed lists, for each package, which of ours it may import; gen is allowed
// to those that name it.
var allowed = map[string]struct {
	imports string
	reason  string
}{
	"internal/fault":           {"", "the vocabulary of errors is a leaf"},
	"internal/apispec":         {"", "makes files at development time; nothing at run time may lean on it"},
	"internal/protofiles":      {"", "prints descriptors given to it"},
	"internal/sandbox":         {"", "shares no code with what it tests, and reads no descriptors: else the tests would prove the program by itself"},
	"internal/jsonapi":         {"gen internal/fault", "descriptors in, bytes out: no HTTP, no Apple"},
	"internal/asc":             {"internal/fault", "knows HTTP and Apple's errors, not protobuf"},
	"internal/keys":            {"internal/asc internal/fault", "makes the tokens that asc asks for"},
	"internal/service":         {"gen internal/asc internal/fault internal/jsonapi", "the engine; no transport"},
	"internal/server":          {"gen internal/fault internal/service", "assembles; knows no method of Apple's"},
	"internal/rest":            {"gen internal/fault internal/jsonapi internal/server internal/service", "an edge of the server"},
	"internal/access":          {"gen", "who calls and what can be called; knows no transport"},
	"internal/access/restrict": {"gen internal/access internal/asc internal/fault", "keeps callers to their apps; asks Apple whose things are"},
	"internal/access/policy":   {"gen internal/access internal/fault", "what a caller may do; knows no transport and no ids"},
	"internal/access/authn":    {"internal/access internal/fault", "who calls; knows no method"},
	"internal/audit":           {"internal/fault", "writes records that it is given"},
	"internal/config":          {"internal/asc", "leaf; checks the base URL as asc does"},
	"internal/gateway":         {"gen internal/asc internal/rest internal/server internal/service", "puts the parts together"},
	"internal/command":         {"internal/config internal/gateway internal/keys internal/protofiles internal/sandbox", "commands"},
	"cmd/gateway":              {"internal/command", "the program"},
	"cmd/ascspec":              {"internal/apispec internal/protofiles", "commands"},
	"internal/importrule":      {"", "this test"},
	"internal/conformance":     {"", "a bench: it holds tests only"},
}

func TestImportRule(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"internal/...", module+"cmd/...").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], module)
		rule, ok := allowed[pkg]
		if !ok {
			t.Errorf("%s has no rule: say here what it may import, and why", pkg)
			continue
		}
		for _, imp := range words[1:] {
			ours, is := strings.CutPrefix(imp, module)
			if !is {
				continue
			}
			if strings.HasPrefix(ours, "gen/") {
				ours = "gen"
			}
			if !strings.Contains(" "+rule.imports+" ", " "+ours+" ") {
				t.Errorf("%s imports %s: %s", pkg, ours, rule.reason)
			}
		}
	}
}
