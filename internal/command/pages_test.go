package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// TestEveryAlertHasARunbook holds alerts and sections of docs/runbooks.md to
// each other.
func TestEveryAlertHasARunbook(t *testing.T) {
	b, err := os.ReadFile("../../deploy/helm/asc-gateway/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert       string            `json:"alert"`
				Annotations map[string]string `json:"annotations"`
			} `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, text := range strings.Split(string(page), "\n## ")[1:] {
		name, body, _ := strings.Cut(text, "\n")
		sections[name] = body
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			want := "https://github.com/asc-gateway/asc-gateway/blob/main/docs/runbooks.md#" + strings.ToLower(r.Alert)
			if got := r.Annotations["runbook_url"]; got != want {
				t.Errorf("%s: runbook_url %q, want %q", r.Alert, got, want)
			}
			for _, part := range []string{"**Impact.**", "**Look at**", "**Do**"} {
				if !strings.Contains(sections[r.Alert], part) {
					t.Errorf("docs/runbooks.md: %s has no %s", r.Alert, part)
				}
			}
			delete(sections, r.Alert)
		}
	}
	for name := range sections {
		t.Errorf("docs/runbooks.md: there is no alert %s", name)
	}
}

// pages are those that people read on the web.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, name := range append(names, "../../README.md", "../../CONTRIBUTING.md") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		list[name] = string(b)
	}
	return list
}

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notWord = regexp.MustCompile(`[^\pL\pN_ -]`)
)

// anchors are those that GitHub gives the headings of a page.
func anchors(page string) map[string]bool {
	list := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		list[strings.ReplaceAll(notWord.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return list
}

// TestLinks follows every link between pages, to its heading.
func TestLinks(t *testing.T) {
	for name, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			to := name
			if target != "" {
				to = filepath.Join(filepath.Dir(name), target)
			}
			b, err := os.ReadFile(to)
			if _, there := os.Stat(to); there != nil || anchor != "" && (err != nil || !anchors(string(b))[anchor]) {
				t.Errorf("%s: %s leads nowhere", name, m[1])
			}
		}
	}
}

// riddles are words that readers have stumbled over; the generated
// docs/metrics.md is written elsewhere.
var riddles = regexp.MustCompile(`(?i)whoever|on record|gateway tells|who does not say|custod|\banew\b|stands on`)

// codeSpan is code within a line, such as the name of a test.
var codeSpan = regexp.MustCompile("`[^`]*`")

// TestPagesArePlain holds lines to 120 columns, outside tables and what programs
// print, and keeps words out that are no field's terms.
func TestPagesArePlain(t *testing.T) {
	for name, page := range pages(t) {
		if strings.HasSuffix(name, "/metrics.md") {
			continue
		}
		fence := ""
		for i, line := range strings.Split(page, "\n") {
			if kind, is := strings.CutPrefix(strings.TrimSpace(line), "```"); is {
				fence = kind
				continue
			}
			printed := fence == "text" || fence == "json"
			if n := utf8.RuneCountInString(line); n > 120 && !printed && !strings.HasPrefix(line, "|") {
				t.Errorf("%s:%d: %d columns", name, i+1, n)
			}
			if word := riddles.FindString(codeSpan.ReplaceAllString(line, "")); word != "" {
				t.Errorf("%s:%d: %q", name, i+1, word)
			}
		}
	}
}

// TestDeployedConfigurations reads what deploy/compose brings. Its files and
// folders are those of the container: `config check` would look for them here.
func TestDeployedConfigurations(t *testing.T) {
	if _, err := config.Read("../../deploy/compose/config/gateway.yaml"); err != nil {
		t.Error(err)
	}
	var out strings.Builder
	if err := Run(t.Context(), []string{"policy", "test", "../../deploy/compose/config/policy.yaml"}, &out, &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestSBOMOfAnotherProgram reads a program that this one is not.
func TestSBOMOfAnotherProgram(t *testing.T) {
	program, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := writeSBOM(&out, program); err != nil || !strings.Contains(out.String(), `"name": "cmd/go"`) && !strings.Contains(out.String(), `"purl": "pkg:golang/stdlib@`) || strings.Contains(out.String(), "cobra") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if err := writeSBOM(&out, "runbooks_test.go"); err == nil {
		t.Error("a file that is no program")
	}
}
