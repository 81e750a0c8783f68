package service

import (
	"flag"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoregistry"
)

var update = flag.Bool("update", false, "write index.tsv anew")

// TestIndex holds index.tsv to the descriptors.
func TestIndex(t *testing.T) {
	methods, err := Compile(protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	types, lines := map[string]bool{}, []string{}
	for _, m := range methods {
		for _, typ := range m.types() {
			if typ != "" {
				types[typ] = true
			}
		}
		lines = append(lines, m.line())
	}
	want := "types\t" + strings.Join(slices.Sorted(maps.Keys(types)), " ") + "\n" + strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile("index.tsv", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if indexText != want {
		t.Error("index.tsv is not what the descriptors say: run the test with -update")
	}
}

// TestEntriesCompile compiles every plan by its entry.
func TestEntriesCompile(t *testing.T) {
	entries, types, err := Entries()
	if err != nil || len(entries) == 0 || len(types) == 0 {
		t.Fatalf("%d entries, %d types, %v", len(entries), len(types), err)
	}
	for _, e := range entries {
		m, err := e.Plan()
		if err != nil {
			t.Error(err)
			continue
		}
		o := m.Options
		if o.GetOperationId() != e.Operation || o.GetType() != e.Type || o.GetShape() != e.Shape || int(o.GetStatus()) != e.Status ||
			m.HasBody != e.HasBody || m.Stream != e.Stream || m.Area() != e.Area() || (m.id != nil) != e.HasID() ||
			!slices.Equal(o.GetProduces(), e.Produces) || string(m.Desc.Parent().FullName()) != e.Service() || string(m.Desc.Name()) != e.Name() {
			t.Errorf("%s: the index says otherwise than the descriptor", e.FullName)
		}
	}
}

func TestIndexRefused(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{"a version that is not known", "2\t/a.B/C\tGET\t/v1/a\ta_get\t1\tas\t200\t\t", "options of version 2, want 1"},
		{"no version", "", "options of version , want 1"},
		{"no number", "1\t/a.B/C\tGET\t/v1/a\ta_get\tx\tas\t200\t\t", "invalid syntax"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parseEntry(c.line); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	absent := &Entry{FullName: "/asc.apps.v1.NoService/NoMethod"}
	if _, err := absent.Plan(); err == nil {
		t.Error("a method without a descriptor has a plan")
	}
	other, _, _ := Entries()
	other[0].Template = "/v1/other"
	if _, err := other[0].Plan(); err == nil {
		t.Error("a method whose path is another has a plan")
	}
}

// TestIdleEngineIsSmall makes an engine and finds that it read no descriptors:
// those of all methods take 30 MB.
func TestIdleEngineIsSmall(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	before := heap()
	e, err := New(nil, nil, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, x := range e.Entries {
		if x.plan != nil {
			t.Errorf("%s is compiled", x.FullName)
		}
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("an idle engine takes %d bytes", grown)
	}
}
