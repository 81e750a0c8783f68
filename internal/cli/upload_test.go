package cli

import (
	"bytes"
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
