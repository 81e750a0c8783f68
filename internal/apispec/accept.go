package apispec

import (
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Accept writes the proposals into their files, and leaves every other line as
// it is. What it wrote is to be read by a person: `git diff` shows it.
func (g Generation) Accept(open []Decision) error {
	byFile := map[string][]Decision{}
	for _, d := range open {
		byFile[d.File] = append(byFile[d.File], d)
	}
	made := map[string][]byte{}
	for _, file := range sortedKeys(byFile) {
		b, err := os.ReadFile(filepath.Join(g.Root, file))
		if err != nil {
			return err
		}
		lines := strings.Split(string(b), "\n")
		for _, d := range byFile[file] {
			if d.Remove {
				lines, err = without(lines, d.Line)
			} else {
				lines, err = with(lines, d.Under, d.Line)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
		out := []byte(strings.Join(lines, "\n"))
		if strings.HasSuffix(file, ".go") {
			if out, err = format.Source(out); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
		made[file] = out
	}
	for file, out := range made {
		if err := os.WriteFile(filepath.Join(g.Root, file), out, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// with puts a line below another: among the lines that are indented like it,
// where the alphabet wants it.
func with(lines []string, under, line string) ([]string, error) {
	at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, under) })
	if at < 0 {
		return nil, fmt.Errorf("there is no line %q to put %q below", under, strings.TrimSpace(line))
	}
	if rest := lines[at][len(under):]; rest != "" { // a list that begins on the same line
		lines = slices.Insert(slices.Clone(lines), at+1, "\t"+rest)
		lines[at] = under
	}
	for at++; at < len(lines) && indent(lines[at]) == indent(line) && lines[at] < line; at++ {
		if strings.HasSuffix(lines[at], "}") { // the list ends on this line
			break
		}
	}
	return slices.Insert(lines, at, line), nil
}

// without drops a place of a patch, or a whole patch: its first line and the
// lines that are indented deeper.
func without(lines []string, line string) ([]string, error) {
	if strings.HasPrefix(line, "/") {
		at := slices.IndexFunc(lines, func(l string) bool {
			return strings.Contains(l, `"`+line+`"`) || strings.HasSuffix(l, "- "+line)
		})
		if at < 0 || !strings.HasPrefix(strings.TrimSpace(lines[at]), "- ") {
			return nil, fmt.Errorf("%s is on no line of its own: remove it by hand", line)
		}
		return slices.Delete(lines, at, at+1), nil
	}
	at := slices.Index(lines, line)
	if at < 0 {
		return nil, fmt.Errorf("there is no line %q", line)
	}
	end := at + 1
	for end < len(lines) && lines[end] != "" && indent(lines[end]) > indent(line) {
		end++
	}
	return slices.Delete(lines, at, end), nil
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }

var checkedAgainst = regexp.MustCompile(`(?m)^document: .*$`)

// MarkChecked notes in patches.yaml that the patches were checked against a
// version: from then on a patch without effect is a problem.
func (g Generation) MarkChecked(version string) error {
	name := filepath.Join(g.Root, patchesFile)
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	text := version
	if strings.Count(version, ".") < 2 { // YAML would read a number
		text = "'" + version + "'"
	}
	return os.WriteFile(name, checkedAgainst.ReplaceAll(b, []byte("document: "+text)), 0o644)
}
