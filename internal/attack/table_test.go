package attack

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheTable holds SECURITY.md to the tests: each row names tests that there
// are, and each attack here has a row.
func TestTheTable(t *testing.T) {
	page, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	there, here := map[string]bool{}, map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	err = filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		b, err := os.ReadFile(name)
		for _, m := range declared.FindAllStringSubmatch(string(b), -1) {
			there[m[1]] = true
			if filepath.Dir(name) == "." || strings.Contains(filepath.ToSlash(name), "internal/attack/") {
				here[m[1]] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(line, -1) {
			rows++
			if !there[m[1]] {
				t.Errorf("SECURITY.md names %s, which there is not", m[1])
			}
			delete(here, m[1])
		}
	}
	delete(here, "TestTheTable")
	for name := range here {
		t.Errorf("SECURITY.md has no row for %s", name)
	}
	if rows < 50 {
		t.Errorf("only %d tests are named", rows)
	}
}
