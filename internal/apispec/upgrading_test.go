package apispec

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestUpgradingPage follows docs/upgrading.md line by line, from 4.4.1 to 4.5.1,
// in a tree that is as it was before. At the end it must hold this tree's
// protos, byte for byte: the numbers do not depend on who runs the upgrade.
func TestUpgradingPage(t *testing.T) {
	dir := specDir()
	if dir == "" {
		t.Log("no documents of Apple's here")
		return
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	root := olderTree(t, filepath.Join(dir, "4.4.1.json"), filepath.Join(dir, "4.5.1.json"))
	shell := func(line string) (string, error) {
		cmd := exec.Command("bash", "-c", line)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := shell("git init -q && git add -A && git -c user.name=t -c user.email=t@example.com commit -qm before"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := pageLines(t, dir)
	for _, line := range lines {
		if strings.HasPrefix(line, "make ") { // heavy: run on the tree itself; here they must exist
			line = strings.Replace(line, "make ", "make -n ", 1)
		}
		out, err := shell(line)
		if open := strings.Contains(line, "ascspec upgrade /"); (err != nil) != open {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		for _, want := range said(line) {
			if !strings.Contains(out, want) {
				t.Errorf("%s: does not say %q:\n%.3000s", line, want, out)
			}
		}
	}
	if len(lines) < 7 {
		t.Errorf("the page has %d lines to follow", len(lines))
	}
	sameFiles(t, root, "proto")
	sameFiles(t, root, "internal/access/restrict/table.tsv")
	sameFiles(t, root, "internal/access/policy/sets.txt")
}

// said is what a line of the page must print.
func said(line string) []string {
	switch {
	case strings.Contains(line, "ascspec fetch"):
		return []string{"the lock was made of version 4.4.1"}
	case strings.Contains(line, "ascspec diff"):
		return []string{"+ breaks callers", "required subscriptionPricePoints_adjustedEqualizations_getToManyRelated filter[planType]"}
	case strings.Contains(line, "--accept"):
		return []string{"4.4.1 → 4.5.1", "running make gen", "make conformance"}
	case strings.Contains(line, "ascspec upgrade"):
		return []string{"    - AppAssetLibraryRefData  #", "apps_assetLibrary_getToOneRelated: GetAppRelatedAssetLibrary", "no longer needed",
			"\t\"image\": \"appAssetLibraryImages\",", "\t\"specId\",", "\t\"gameCenterDetailPlayers\": {organisation, ", "DeleteAppAssetLibraryImage\twrite destructive",
			"decisions are open"}
	case strings.HasPrefix(line, "git diff"):
		return []string{"AppAssetLibraryPlacement"}
	}
	return nil
}

// pageLines are the commands of the page's code block.
func pageLines(t *testing.T, dir string) (lines []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/upgrading.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```sh\n")
	block, _, _ := strings.Cut(rest, "```")
	for line := range strings.Lines(block) {
		line, _, _ = strings.Cut(line, " #")
		line = strings.ReplaceAll(line, "OLD.json", filepath.Join(dir, "4.4.1.json"))
		lines = append(lines, strings.TrimSpace(strings.ReplaceAll(line, "NEW.json", filepath.Join(dir, "4.5.1.json"))))
	}
	return lines
}

// olderTree copies this tree and takes back what the newer document brought.
func olderTree(t *testing.T, older, newer string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, workingTree{os.DirFS("../..")}); err != nil {
		t.Fatal(err)
	}
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(bin, filepath.Join(root, "bin")); err != nil {
		t.Fatal(err)
	}
	edit := func(file string, change func(string) string) {
		b, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, file), []byte(change(string(b))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// A patch that only the older document needs.
	edit(patchesFile, func(s string) string {
		return s + "  - name: only-then\n    reason: fields[appInfos]=kidsAgeBand is refused.\n" +
			"    at: [\"/paths/*/get/parameters/name=fields[appInfos]/schema/items/enum\"]\n    remove: [kidsAgeBand]\n"
	})
	g := Generation{Root: root, Spec: older}
	in, err := g.inputs()
	if err != nil {
		t.Fatal(err)
	}
	was, is := modelOf(t, older, in), modelOf(t, newer, in)
	takeBack(in.lock, was, is)
	in.lock.Version = "4.4.1"
	b, err := in.lock.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	edit(lockFile, func(string) string { return string(b) })
	tags, words := newIn(t, older, newer)
	edit(areasFile, func(s string) string { return withoutLines(s, tags) })
	edit(typesFile, func(s string) string { return withoutWords(s, words) })
	r, err := g.Run()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Write(r); err != nil {
		t.Fatal(err)
	}
	return root
}

func modelOf(t *testing.T, spec string, in *inputs) *Model {
	t.Helper()
	patches := *in.patches
	patches.Document = ""
	doc, _, err := ReadFile(spec, &patches)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Build(doc, in.areas, in.lock)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// takeBack drops from a lock what one model has and the one before has not.
func takeBack(l *Lock, was, is *Model) {
	for id := range is.RPCs {
		if was.RPCs[id] == nil {
			delete(l.RPCs, id)
		}
	}
	for name, m := range is.Messages {
		if was.Messages[name] == nil {
			delete(l.Messages, name)
			continue
		}
		fresh := func(f *Field) bool {
			has := func(m *Message) bool {
				return slices.ContainsFunc(m.Fields, func(x *Field) bool { return x.Name == f.Name })
			}
			return has(m) && !has(was.Messages[name])
		}
		l.Messages[name].Fields = slices.DeleteFunc(l.Messages[name].Fields, fresh)
	}
	for name, e := range is.Enums {
		if was.Enums[name] == nil {
			delete(l.Enums, name)
			continue
		}
		fresh := func(v *EnumValue) bool {
			has := func(e *Enum) bool {
				return slices.ContainsFunc(e.Values, func(x *EnumValue) bool { return x.Name == v.Name })
			}
			return has(e) && !has(was.Enums[name])
		}
		l.Enums[name].Values = slices.DeleteFunc(l.Enums[name].Values, fresh)
	}
}

// newIn lists what people decided for the newer document: the lines of
// areas.yaml, and the words of types.go.
func newIn(t *testing.T, older, newer string) (lines, words []string) {
	t.Helper()
	collect := func(spec string) (tags, ops, filters, types map[string]bool) {
		doc, _, err := ReadFile(spec, nil)
		if err != nil {
			t.Fatal(err)
		}
		tags, ops, filters, types = map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
		for _, op := range doc.Operations {
			tags[op.Tags[0]], ops[op.ID] = true, true
			for _, p := range op.Parameters {
				if key, ok := strings.CutPrefix(strings.TrimSuffix(p.Name, "]"), "filter["); ok {
					filters[key] = true
				}
			}
		}
		for _, s := range doc.Schemas.All() {
			if typ, ok := s.IsResource(); ok {
				types[typ] = true
			}
		}
		return tags, ops, filters, types
	}
	tags, ops, filters, types := collect(older)
	newTags, newOps, newFilters, newTypes := collect(newer)
	for tag := range newTags {
		if !tags[tag] {
			lines = append(lines, "    - "+tag)
		}
	}
	for id := range newOps {
		if !ops[id] {
			lines = append(lines, "  "+id+": ")
		}
	}
	for key := range newFilters {
		if !filters[key] {
			words = append(words, key)
		}
	}
	for typ := range newTypes {
		if !types[typ] {
			words = append(words, typ)
		}
	}
	return lines, words
}

func withoutLines(s string, begins []string) string {
	var out strings.Builder
	for line := range strings.Lines(s) {
		if !slices.ContainsFunc(begins, func(b string) bool {
			return strings.TrimSpace(line) == strings.TrimSpace(b) || strings.HasSuffix(b, ": ") && strings.HasPrefix(line, b)
		}) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// withoutWords drops members of maps and lists: `"word": …,` to the end of its
// line, and `"word",`.
func withoutWords(s string, words []string) string {
	for _, w := range words {
		s = regexp.MustCompile(`(?m)^\t"`+regexp.QuoteMeta(w)+`": .*\n`).ReplaceAllString(s, "")
		s = regexp.MustCompile(`"`+regexp.QuoteMeta(w)+`",[ \t]*`).ReplaceAllString(s, "")
	}
	return s
}

// sameFiles compares a file, or all files of a folder, with this tree's.
func sameFiles(t *testing.T, root, name string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join("../..", name), func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		want, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel("../..", p)
		if err != nil {
			return err
		}
		if have, err := os.ReadFile(filepath.Join(root, rel)); err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s is not as in this tree (%v)", rel, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// workingTree is a tree without what git does not keep.
type workingTree struct{ fs.FS }

// ReadDir implements [fs.ReadDirFS].
func (w workingTree) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(w.FS, name)
	return slices.DeleteFunc(list, func(d fs.DirEntry) bool {
		return slices.Contains([]string{".git", ".cache", "bin", "dist", "node_modules"}, d.Name()) || !d.IsDir() && !d.Type().IsRegular()
	}), err
}
