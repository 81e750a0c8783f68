package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8"
)

// TestLinesWithoutATerminal are few: a line for each thing that is done, and now and
// then one between.
func TestLinesWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	now := time.Now()
	m := newMeters(&out)
	m.now = func() time.Time { return now }
	one := m.add("a.ipa", 10<<20)
	one.set(0, "CHECKING")
	for i := range int64(100) {
		one.set(i*100<<10, "SENDING")
		now = now.Add(100 * time.Millisecond) // 10 s in all
	}
	one.set(10<<20, "COMMITTED")
	one.end()
	m.end()
	want := "a.ipa: checking\na.ipa: sending\na.ipa: sending, 2.9 MiB of 10.0 MiB\na.ipa: sending, 5.9 MiB of 10.0 MiB\n" +
		"a.ipa: sending, 8.8 MiB of 10.0 MiB\na.ipa: committed\n"
	if out.String() != want {
		t.Errorf("got\n%s, want\n%s", &out, want)
	}
}

// drawn is what a terminal got.
type drawn struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements [io.Writer].
func (d *drawn) Write(p []byte) (int, error) { d.mu.Lock(); defer d.mu.Unlock(); return d.b.Write(p) }

func (d *drawn) String() string { d.mu.Lock(); defer d.mu.Unlock(); return d.b.String() }

// TestBars draws a bar as on a terminal, and takes it away at the end.
func TestBars(t *testing.T) {
	out := &drawn{}
	m := newMeters(out)
	m.draw(mpb.WithOutput(out), mpb.WithWidth(100), mpb.ForceTTY(), mpb.WithAutoRefresh(),
		mpb.WithRefreshRate(time.Millisecond))
	comes := func(pattern string) {
		t.Helper()
		is := regexp.MustCompile(pattern)
		for deadline := time.Now().Add(20 * time.Second); !is.MatchString(out.String()); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no %q in %q", pattern, out)
			}
		}
	}
	one := m.add("a.ipa", 4<<20)
	one.set(2<<20, "SENDING")
	comes(`a\.ipa +\[=+>?-+\] +2\.0 MiB / 4\.0 MiB +sending`)
	m.say("warning  something")
	comes(`warning  something\n`)
	one.set(4<<20, "UPLOAD_COMPLETE")
	comes(`upload complete`)
	one.end()
	m.end()
	if text := out.String(); strings.Contains(text[strings.LastIndex(text, "\x1b["):], "a.ipa") {
		t.Errorf("the bar stays: %q", text)
	}
}

func TestDisplayTypeInAPath(t *testing.T) {
	all := []string{"APP_IPAD_PRO_3GEN_129", "APP_IPAD_PRO_129"}
	for path, want := range map[string]string{
		"en-US/app_ipad_pro_129-1.png": "APP_IPAD_PRO_129", "APP_IPAD_PRO_3GEN_129/1.png": "APP_IPAD_PRO_3GEN_129",
		"APP_IPAD_PRO_129/APP_IPAD_PRO_3GEN_129.png": "APP_IPAD_PRO_3GEN_129", "1.png": "",
	} {
		if got := namedIn(path, all); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// TestPiecesOfAFile are all of it, from any byte on; what is wrong with the file is
// told as such.
func TestPiecesOfAFile(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcde"), 40_000) // more than two pieces
	path := filepath.Join(t.TempDir(), "a.bin")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, from := range []int64{0, 1, 300_000, int64(len(content))} {
		at, got := from, []byte{}
		err := f.pieces(from, func(offset int64, data []byte) error {
			if offset != at || len(data) > chunkBytes {
				t.Errorf("a piece of %d bytes at %d, want one at %d", len(data), offset, at)
			}
			at += int64(len(data))
			got = append(got, data...)
			return nil
		})
		if err != nil || !bytes.Equal(got, content[from:]) {
			t.Errorf("from %d: %d bytes: %v", from, len(got), err)
		}
	}
	none := func(int64, []byte) error { return nil }
	for what, change := range map[string]func() error{
		"touched":  func() error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
		"replaced": func() error { return replaceFile(path, content) },
		"shorter":  func() error { return os.Truncate(path, 5) },
	} {
		var changed *changedError
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if err := f.pieces(0, none); !errors.As(err, &changed) || ExitCode(err) != ExitConflict {
			t.Errorf("%s: exit code %d: %v", what, ExitCode(err), err)
		}
	}
	f.File.Close()
	err = f.pieces(0, none)
	if err == nil || !strings.Contains(err.Error(), "a.bin cannot be read: ") || ExitCode(err) != ExitFailed {
		t.Errorf("exit code %d: %v", ExitCode(err), err)
	}
}
