package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/module"
)

// licenceFile matches the names of files with licences and notices.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([-._].*)?$`)

// skipped are folders whose files are not built into a program.
var skipped = []string{"testdata", "node_modules", "vendor", "examples", "_examples"}

// notices is the text of NOTICE: the licences of all modules that a program was
// built from, Go's library first. They are read from Go's module cache. It is an
// error if a module has none.
func notices(ctx context.Context, program string) ([]byte, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	root, err := goEnv(ctx, "GOROOT")
	if err != nil {
		return nil, err
	}
	cache, err := goEnv(ctx, "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("The App Store Connect gateway is built from the works of others. These are their licences.\n")
	text, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		return nil, err
	}
	section(&b, "Go's standard library "+info.GoVersion, "LICENSE", text)
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if err := ofModule(&b, cache, module.Version{Path: m.Path, Version: m.Version}); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// ofModule writes the licences of one module.
func ofModule(b *bytes.Buffer, cache string, m module.Version) error {
	path, err := module.EscapePath(m.Path)
	if err != nil {
		return err
	}
	version, err := module.EscapeVersion(m.Version)
	if err != nil {
		return err
	}
	dir := filepath.Join(cache, filepath.FromSlash(path)+"@"+version)
	names, err := licencesIn(dir)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no licence in %s", m, dir)
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		section(b, m.String(), filepath.ToSlash(name), text)
	}
	return nil
}

// licencesIn lists the licence files below a folder, sorted.
func licencesIn(dir string) (names []string, err error) {
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skipped, d.Name()):
			return fs.SkipDir
		case d.IsDir() || !licenceFile.MatchString(d.Name()) || strings.HasSuffix(d.Name(), ".go"):
			return nil
		}
		rel, err := filepath.Rel(dir, name)
		names = append(names, rel)
		return err
	})
	slices.Sort(names)
	return names, err
}

func section(b *bytes.Buffer, of, name string, text []byte) {
	fmt.Fprintf(
		b,
		"\n%s\n%s: %s\n%[1]s\n\n%[4]s\n",
		strings.Repeat("=", 80),
		of,
		name,
		bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))),
	)
}

func goEnv(ctx context.Context, name string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", name).Output()
	return strings.TrimSpace(string(out)), err
}
