package apispec

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	sigsyaml "sigs.k8s.io/yaml"
)

// ParseAreas reads areas.yaml strictly.
func ParseAreas(b []byte) (*Areas, error) {
	var a Areas
	if err := sigsyaml.UnmarshalStrict(b, &a); err != nil {
		return nil, fmt.Errorf("areas: %w", err)
	}
	return &a, nil
}

// Generation is what `ascspec generate` does: from a document and the three
// files of spec/ to the files of proto/, the lock and the sandbox's facts.
type Generation struct {
	Root string // of the project; holds spec/ and proto/
	Spec string // Apple's document
}

// Result lists the files that generation makes, below Root.
type Result struct {
	Files   map[string][]byte
	Notices Problems
	Version string
	Counts  Counts
}

// Counts is what a person wants to know at once.
type Counts struct{ RPCs, Resources, Messages, Enums int }

// handWritten files of proto/asc are left alone; all others there are wiped
// and made anew.
var handWritten = []string{"proto/asc/options/v1/options.proto", "proto/asc/types/v1/common.proto"}

const lockFile, factsFile = "spec/asc.lock.yaml", "sandbox/facts.json"

// inputs are the files of spec/.
type inputs struct {
	patches *Patches
	areas   *Areas
	lock    *Lock
}

func (g Generation) inputs() (*inputs, error) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(g.Root, "spec", name))
		if err != nil {
			return nil // an empty file: the lock may be missing, and the others say what they lack
		}
		return b
	}
	var in inputs
	var err error
	if in.patches, err = ParsePatches(read("patches.yaml")); err != nil {
		return nil, err
	}
	if in.areas, err = ParseAreas(read("areas.yaml")); err != nil {
		return nil, err
	}
	in.lock, err = ParseLock(read("asc.lock.yaml"))
	return &in, err
}

// Run makes everything in memory.
func (g Generation) Run() (*Result, error) {
	in, err := g.inputs()
	if err != nil {
		return nil, err
	}
	doc, notices, err := ReadFile(g.Spec, in.patches)
	if err != nil {
		return nil, err
	}
	model, err := Build(doc, in.areas, in.lock)
	if err != nil {
		return nil, err
	}
	next, changed := in.lock.Merge(model, doc.Version, doc.SHA256)
	return g.result(doc, model, next, append(notices, changed...))
}

func (g Generation) result(doc *Document, model *Model, lock *Lock, notices Problems) (*Result, error) {
	r := &Result{Files: map[string][]byte{}, Notices: notices.sorted(), Version: doc.Version}
	for name, b := range Emit(model) {
		r.Files["proto/"+name] = b
	}
	r.Files["proto/"+documentFile] = EmitDocument(doc)
	var err error
	if r.Files[lockFile], err = lock.Marshal(); err != nil {
		return nil, err
	}
	if r.Files[factsFile], err = Facts(doc); err != nil {
		return nil, err
	}
	r.Counts = Counts{RPCs: len(model.RPCs), Messages: len(model.Messages), Enums: len(model.Enums)}
	for name := range model.Messages {
		if strings.HasPrefix(name, "asc.resources.") && strings.Count(name, ".") == 3 {
			r.Counts.Resources++
		}
	}
	return r, nil
}

// Write puts the files below root and removes generated ones that are no
// longer made.
func (g Generation) Write(r *Result) error {
	stale, err := g.generated()
	if err != nil {
		return err
	}
	for _, name := range stale {
		if _, made := r.Files[name]; !made {
			if err := os.Remove(filepath.Join(g.Root, name)); err != nil {
				return err
			}
		}
	}
	for name, b := range r.Files {
		full := filepath.Join(g.Root, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(full, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Check compares without writing. Every difference is a problem.
func (g Generation) Check(r *Result) error {
	var problems Problems
	stale, err := g.generated()
	if err != nil {
		return err
	}
	for _, name := range stale {
		if _, made := r.Files[name]; !made {
			problems = append(problems, Problem{name, "is no longer made"})
		}
	}
	for name, want := range r.Files {
		have, err := os.ReadFile(filepath.Join(g.Root, name))
		switch {
		case err != nil:
			problems = append(problems, Problem{name, "is missing"})
		case !bytes.Equal(have, want):
			problems = append(problems, Problem{name, "differs: run `make generate`"})
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// generated lists the files of proto/asc that generation owns.
func (g Generation) generated() (names []string, err error) {
	root := filepath.Join(g.Root, "proto", "asc")
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		name, err := filepath.Rel(g.Root, p)
		if err == nil && !slices.Contains(handWritten, filepath.ToSlash(name)) {
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	return names, err
}
