package audit

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("AUDIT_WRITE_UNTIL_KILLED"); path != "" {
		writeUntilKilled(path)
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, cfg Config) *Log {
	t.Helper()
	l, err := Open(context.Background(), cfg, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// verify checks files, oldest first.
func verify(t testing.TB, names ...string) Report {
	t.Helper()
	return verifyWith(t, &Verifier{}, names...)
}

func verifyWith(t testing.TB, v *Verifier, names ...string) Report {
	t.Helper()
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.File(filepath.Base(name), f, nil); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return v.Report()
}

func filesOf(t testing.TB, path string) []string {
	t.Helper()
	names, err := movedAside(path)
	if err != nil {
		t.Fatal(err)
	}
	return append(names, path)
}

func TestManyWritersOneChain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, Config{Path: path, MaxBytes: 20_000})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for j := range 10 {
				if err := l.Append(t.Context(), Record{Event: Intent, Principal: fmt.Sprint("token:", i), Resources: []string{fmt.Sprint("apps/", j)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	last := l.Last()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	names := filesOf(t, path)
	r := verify(t, names...)
	if len(names) < 3 || r.Lines != 502 || len(r.Problems)+len(r.Notes) > 0 || !r.Ended || r.Last.Seq != last.Seq+1 {
		t.Errorf("%d files, %+v, last %+v", len(names), r, last)
	}
	if err := l.Append(t.Context(), Record{}); fault.As(err).Reason != ReasonUnavailable {
		t.Errorf("a closed log takes records: %v", err)
	}
}

func TestTamperingShows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	for range 2 { // two runs of the process
		l := open(t, Config{Path: path})
		for i := range 5 {
			if err := l.Append(t.Context(), Record{Event: Outcome, Method: fmt.Sprint("m", i)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(good), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	if r := verify(t, path); len(r.Problems) > 0 || r.Chains != 2 {
		t.Fatalf("%+v", r)
	}
	edit := func(f func([]string) []string) string { return strings.Join(f(slices.Clone(lines)), "") }
	for _, c := range []struct{ name, text, want string }{
		{"changed", edit(func(l []string) []string { l[2] = strings.Replace(l[2], "m1", "mX", 1); return l }), "missing or changed"},
		{"removed", edit(func(l []string) []string { return slices.Delete(l, 2, 4) }), "lines 3 to 4"},
		{"inserted", edit(func(l []string) []string { return slices.Insert(l, 3, l[2]) }), "stands twice"},
		{"moved", edit(func(l []string) []string { l[2], l[3] = l[3], l[2]; return l }), "missing or changed"},
		{"tail of the first run cut", edit(func(l []string) []string { return slices.Delete(l, 5, 7) }), "ended otherwise"},
		{"the last line of the first run changed", edit(func(l []string) []string { l[6] = strings.Replace(l[6], "stop", "stoq", 1); return l }), "ended otherwise"},
		{"a start removed", edit(func(l []string) []string { return slices.Delete(l, 7, 8) }), "another chain"},
		{"the beginning cut", edit(func(l []string) []string { return l[2:] }), "the beginning of the log is missing: it begins with line 3"},
		{"the first run cut", edit(func(l []string) []string { return l[7:] }), "the beginning of the log is missing: it begins with a start that names a chain before it"},
		{"all cut", "", "no record is here"},
		{"junk alone", "junk\n", "no record is here"},
		{"a log of its own behind", edit(func(l []string) []string { return append(l, l[:7]...) }), "names no chain before it"},
		{"junk in the middle", edit(func(l []string) []string { return slices.Insert(l, 3, "junk\n") }), "is no line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if r := verify(t, path); !strings.Contains(strings.Join(r.Problems, "\n"), c.want) {
				t.Errorf("want %q: %+v", c.want, r)
			}
		})
	}
}

// TestPythonVerifies lets a verifier that shares nothing with ours judge the
// format.
func TestPythonVerifies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, Config{Path: path})
	for _, text := range []string{"plain", "ünïcödé \u2028 <&>", "control \x00\x1f", "broken \xff", strings.Repeat("x", 5000)} {
		if err := l.Append(t.Context(), Record{Event: Denial, Principal: text, Resources: []string{text}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	const program = `
import hashlib, json, sys
prev, n = "", 0
for text in open(sys.argv[1], "rb"):
    body, _, tail = text.rstrip(b"\n").rpartition(b',"hash":"')
    rec = json.loads(text)
    assert hashlib.sha256(body + b"}").hexdigest() == rec["hash"] == tail[:64].decode()
    assert rec["prev"] == prev and rec["seq"] == n + 1
    prev, n = rec["hash"], n + 1
print(n)
`
	out, err := exec.Command("python3", "-c", program, path).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "7" {
		t.Errorf("%v: %s", err, out)
	}
}

// writeUntilKilled is the child of TestKillNine.
func writeUntilKilled(path string) {
	l, err := Open(context.Background(), Config{Path: path}, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		os.Exit(3)
	}
	for i := 0; ; i++ {
		if l.Append(context.Background(), Record{Event: Intent, Detail: strings.Repeat("x", i%900)}) != nil {
			os.Exit(4)
		}
		if i == 50 {
			fmt.Println("going")
		}
	}
}

func TestKillNine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	for range 2 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "AUDIT_WRITE_UNTIL_KILLED="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	// Half a line, as a crash in the middle of a write leaves it.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString(`{"seq":7,"time":"2026`)
	f.Close()
	if r := verify(t, path); len(r.Problems) > 0 || r.Ended || len(r.Notes) == 0 {
		t.Errorf("%+v", r)
	}
	if err := open(t, Config{Path: path}).Close(); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, path); len(r.Problems) > 0 || !r.Ended || r.Chains != 3 {
		t.Errorf("%+v", r)
	}
}

func TestOldFilesArePruned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, Config{Path: path, MaxBytes: 1000, MaxFiles: 2})
	for range 40 {
		if err := l.Append(t.Context(), Record{Event: Intent}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	names := filesOf(t, path)
	r := verify(t, names...)
	if len(names) != 3 || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "the beginning of the log is missing") {
		t.Errorf("%v %+v", names, r)
	}
}

func FuzzVerify(f *testing.F) {
	text, _ := seal(1, time.Now(), "c", "", Record{Event: Start, Detail: "before: none"})
	f.Add(text)
	f.Fuzz(func(t *testing.T, b []byte) {
		var v Verifier
		if err := v.File("f", bytes.NewReader(b), nil); err != nil {
			t.Fatal(err)
		}
		v.Report()
	})
}
