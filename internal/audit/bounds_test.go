package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func TestRecordsHoldNoSecretsAndAreBounded(t *testing.T) {
	r := Record{Detail: "Bearer eyJhbGciOi.eyJpc3M.c2ln", Method: "-----BEGIN PRIVATE KEY-----", Resources: make([]string, 150), Principal: strings.Repeat("p", 5000)}
	text, _ := seal(1, time.Now(), "c", "", r.bounded(maxContent))
	if s := string(text); strings.Contains(s, "eyJ") || strings.Contains(s, "BEGIN") || len(s) > 3000 || !strings.Contains(s, `"cut":50`) {
		t.Errorf("got %s", s)
	}
}

// TestLongIdsAreCutWithTheirHash: two that differ at the end differ on record.
func TestLongIdsAreCutWithTheirHash(t *testing.T) {
	for _, c := range []struct {
		name, text string
		most       int
	}{
		{"long", strings.Repeat("x", 600), maxName},
		{"a character in the way", strings.Repeat("ü", 300), maxName - 1},
		{"very long", strings.Repeat("id", 1<<20), maxResource},
		{"broken", strings.Repeat("a\xff", 300), maxName},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := clean(c.text, c.most)
			begin, mark, _ := strings.Cut(got, "…sha256:")
			if len(got) > c.most || len(got) < c.most-2 || !utf8.ValidString(got) || mark != sum(c.text)[:16] || len(begin) < c.most-30 {
				t.Errorf("%d bytes: %s", len(got), got)
			}
		})
	}
	for _, whole := range []string{"", "short", strings.Repeat("x", maxName)} {
		if got := clean(whole, maxName); got != whole {
			t.Errorf("%q was cut: %q", whole, got)
		}
	}
}

// TestResourcesLeftOutAreCounted: all that are named together have one hash.
func TestResourcesLeftOutAreCounted(t *testing.T) {
	for _, n := range []int{0, 1, 40, 100, 101, 40_000} {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("bundleIds/%010d", i)
		}
		r := Record{Event: Intent, Principal: "token:x", Method: "m", Resources: list}.bounded(maxContent)
		left := strings.Join(list[len(r.Resources):], "\n") + "\n"
		if len(r.Resources)+r.Cut != n || r.Cut > 0 != (r.CutSHA256 != "") || r.Cut > 0 && r.CutSHA256 != sum(left) || n <= maxResources && r.Cut > 0 {
			t.Errorf("%d: %d kept, %d cut, %s", n, len(r.Resources), r.Cut, r.CutSHA256)
		}
	}
}

// TestLinesAreOfAFewKB: whatever a caller sends in whatever field.
func TestLinesAreOfAFewKB(t *testing.T) {
	for name, s := range map[string]string{"text": "x", "controls": "\x00", "angles": "<", "broken": "a\xff", "wide": "\u2028", "emoji": "🙂"} {
		long := strings.Repeat(s, 100_000)
		r := Record{long, long, long, long, long, long, []string{long, long, long, long, long, long, long, long, long}, 0, "", long, long, long, long, long, long, long, long, 0}
		b := r.bounded(maxContent)
		text, _ := seal(1<<62, time.Now(), "0123456789abcdef", strings.Repeat("0", 64), b)
		if b.content() > maxContent || len(text) > 26<<10 || len(text) > maxLineBytes {
			t.Errorf("%s: %d bytes of texts, %d of the line", name, b.content(), len(text))
		}
		if l, err := parseLine(text[:len(text)-1]); err != nil || l.Principal != b.Principal {
			t.Errorf("%s: %v", name, err)
		}
		if !json.Valid(text) {
			t.Errorf("%s: no JSON", name)
		}
	}
}
