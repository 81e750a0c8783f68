package kept

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/secrets"
)

type sealer struct{ s *secrets.Secrets }

func (s sealer) Seal(place string, data []byte) []byte {
	return s.s.Seal(secrets.Reports, place, data)
}

func (s sealer) Unseal(place string, sealed []byte) ([]byte, error) {
	return s.s.Unseal(secrets.Reports, place, sealed)
}

// bench is a store in a folder, which can be opened again.
type bench struct {
	*testing.T
	dir  string
	seal sealer
	*Store
}

func newBench(t *testing.T, most int64) *bench {
	b := &bench{T: t, dir: filepath.Join(t.TempDir(), "kept"), seal: sealer{secrets.New()}}
	b.again(most)
	return b
}

func (b *bench) again(most int64) {
	b.Helper()
	var err error
	if b.Store, err = Open(b.dir, most, b.seal); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) put(place string, body []byte, end, whole bool) {
	m := &Mark{}
	if w := b.Put(m, place, []byte("head of "+place), int64(len(body))); w != nil {
		w.Write(body)
		if end {
			w.End()
		}
	}
	m.Settle(whole)
}

// holds compares what is kept of a place; nil: nothing is.
func (b *bench) holds(place string, want []byte) {
	b.Helper()
	r := b.Get(&Mark{}, place)
	if r == nil {
		if want != nil {
			b.Errorf("%s is gone", place)
		}
		return
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || want == nil || !bytes.Equal(got, want) || string(r.Head) != "head of "+place {
		b.Errorf("%s: %q, %d bytes, want %d; %v", place, r.Head, len(got), len(want), err)
	}
}

func (b *bench) files() (list []string) {
	b.Helper()
	list, err := filepath.Glob(filepath.Join(b.dir, "*"))
	if err != nil {
		b.Fatal(err)
	}
	return list
}

// TestKept: a file that was read to its end and was whole is there, also after a
// restart; no other is, and nothing of it lies on disk.
func TestKept(t *testing.T) {
	b := newBench(t, 10<<20)
	bodies := map[string][]byte{}
	for _, n := range []int{0, 1, chunk - 1, chunk, chunk + 1, 3*chunk + 7} {
		place := fmt.Sprint(n, " bytes")
		bodies[place] = bytes.Repeat([]byte("secret\n"), n/7+1)[:n]
		b.put(place, bodies[place], true, true)
	}
	b.put("cut", []byte("x"), false, true)
	b.put("refused", []byte("x"), true, false)
	left := b.Put(&Mark{}, "left", nil, -1) // the process ends
	left.Write([]byte("x"))
	if n := len(b.files()); n != len(bodies)+1 {
		t.Errorf("%d files", n)
	}
	for range 2 {
		for place, want := range bodies {
			b.holds(place, want)
		}
		for _, place := range []string{"cut", "refused", "left", "none"} {
			b.holds(place, nil)
		}
		b.again(10 << 20)
	}
	var sum int64
	for _, f := range b.files() {
		info, err := os.Stat(f)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
		sum += info.Size()
		if raw, _ := os.ReadFile(f); bytes.Contains(raw, []byte("secret")) || bytes.Contains(raw, []byte("head")) {
			t.Error("it can be read on disk")
		}
	}
	if sum != b.Used() || len(b.files()) != len(bodies) {
		t.Errorf("%d bytes are said, %d are there; %d files", b.Used(), sum, len(b.files()))
	}
}

// TestDamaged: what was changed, cut, lengthened, put elsewhere or sealed with another
// secret is not used, and dropped.
func TestDamaged(t *testing.T) {
	body := bytes.Repeat([]byte("row\n"), chunk)
	for what, harm := range map[string]func(b []byte) []byte{
		"a bit":       func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"a length":    func(b []byte) []byte { b[0] = 0xff; return b },
		"the end":     func(b []byte) []byte { return b[:len(b)-1] },
		"records":     func(b []byte) []byte { return b[:4+int(b[2])<<8+int(b[3])] },
		"more":        func(b []byte) []byte { return append(b, 0) },
		"nothing":     func([]byte) []byte { return nil },
		"another one": nil,
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t, 10<<20)
			b.put("other", body, true, true)
			other, err := os.ReadFile(b.files()[0])
			if err != nil {
				t.Fatal(err)
			}
			b.put("place", body, true, true)
			path := filepath.Join(b.dir, name("place"))
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			harmed := other
			if harm != nil {
				harmed = harm(raw)
			}
			if err := os.WriteFile(path, harmed, 0o600); err != nil {
				t.Fatal(err)
			}
			b.holds("place", nil)
			b.holds("other", body)
			if len(b.files()) != 1 {
				t.Errorf("%v", b.files())
			}
		})
	}
	b := newBench(t, 10<<20)
	b.put("place", body, true, true)
	b.seal = sealer{secrets.New()}
	b.again(10 << 20)
	b.holds("place", nil)
	if b.Used() != 0 {
		t.Errorf("%d bytes", b.Used())
	}
}

// TestBounded: what was not used the longest goes, also after a restart with fewer
// bytes; a file that would take more than half is not kept, and makes none go.
func TestBounded(t *testing.T) {
	b := newBench(t, 1<<20)
	body := make([]byte, 200_000)
	for i := range 5 {
		b.put(fmt.Sprint(i), body, true, true)
	}
	b.holds("0", body)
	b.put("5", body, true, true) // 1 goes
	b.holds("1", nil)
	b.put("large", make([]byte, 600_000), true, true)
	b.holds("large", nil)
	for _, place := range []string{"0", "2", "3", "4", "5"} {
		b.holds(place, body)
	}
	if w := b.Put(&Mark{}, "unknown", nil, -1); w != nil {
		for range 100 {
			w.Write(make([]byte, 50_000))
		}
		w.End()
		w.settle(true)
	}
	b.holds("unknown", nil)
	b.holds("2", nil)
	b.put("2", body, true, true)
	b.again(500_000)
	b.holds("2", body)
	b.holds("5", body)
	if len(b.files()) != 2 || b.Used() > 500_000 {
		t.Errorf("%d bytes in %d files", b.Used(), len(b.files()))
	}
}

// TestRefusedWhileUsed: a file that was kept and is no good is dropped.
func TestRefusedWhileUsed(t *testing.T) {
	b := newBench(t, 1<<20)
	b.put("place", []byte("x"), true, true)
	m := &Mark{}
	if r := b.Get(m, "place"); r == nil || r.Close() != nil {
		t.Fatal("it is not there")
	}
	m.Settle(false)
	b.holds("place", nil)
}
