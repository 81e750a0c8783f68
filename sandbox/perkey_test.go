package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// asKey sends a request with a token of a key.
func asKey(t *testing.T, s *Sandbox, k Key, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if k.ID != "" {
		token, err := k.Token()
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func twoKeys(t *testing.T, w World) (s *Sandbox, a, b Key) {
	t.Helper()
	w.PerKey = true
	s = New(t, w)
	private, err := s.NewKey("OTHER")
	if err != nil {
		t.Fatal(err)
	}
	return s, s.Key, Key{ID: "OTHER", Issuer: s.Key.Issuer, Private: private}
}

func TestEachKeyHasItsWorld(t *testing.T) {
	s, a, b := twoKeys(t, World{})
	if status, text := asKey(t, s, a, "POST", "/v1/betaGroups", newGroup); status != 201 {
		t.Fatal(status, text)
	}
	for k, want := range map[Key]bool{a: true, b: false} {
		if _, text := asKey(t, s, k, "GET", "/v1/betaGroups?limit=200", ""); strings.Contains(text, `"Saved"`) != want {
			t.Errorf("%s sees the group: %v, want %v", k.ID, !want, want)
		}
		_, text := asKey(t, s, Key{}, "GET", "/_sandbox/state/betaGroups?world="+k.ID, "")
		if strings.Contains(text, `"Saved"`) != want {
			t.Errorf("the control API shows the group in the world of %s: %v, want %v", k.ID, !want, want)
		}
	}
	stranger := b
	stranger.ID = "NOBODY"
	if status, _ := asKey(t, s, stranger, "GET", "/v1/apps", ""); status != 401 {
		t.Errorf("an unknown key: %d", status)
	}
	if status, _ := asKey(t, s, Key{}, "GET", "/_sandbox/state?world=NOBODY", ""); status != 404 {
		t.Errorf("the world of an unknown key: %d", status)
	}
	_, page := asKey(t, s, Key{}, "GET", "/?world=OTHER", "")
	for _, want := range []string{
		`action="/_sandbox/form/clock?world=OTHER"`, `data-from="/?world=OTHER&amp;part=moving"`,
		`href="/?world=OTHER"`, `href="/_sandbox/state?world=OTHER"`, `href="/_sandbox/faults?world=OTHER"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not stay with its world: no %s in\n%.2000s", want, page)
		}
	}
}

// TestTheWorldOfAKey is at hand in Go, also before the key is used.
func TestTheWorldOfAKey(t *testing.T) {
	s, a, b := twoKeys(t, World{})
	mine, err := s.WorldOf(a.ID)
	if err != nil {
		t.Fatal(err)
	}
	mine.AddFault(Fault{Path: "/v1/apps", Status: 500})
	for k, want := range map[Key]int{a: 500, b: 200} {
		if status, text := asKey(t, s, k, "GET", "/v1/apps", ""); status != want {
			t.Errorf("%s: %d %s", k.ID, status, text)
		}
	}
	if again, err := s.WorldOf(a.ID); err != nil || again != mine || mine.URL != s.URL || mine.Key != s.Key {
		t.Errorf("another world: %v", err)
	}
	if n := len(mine.Requests()); n != 1 {
		t.Errorf("the world has seen %d requests, want 1", n)
	}
	mine.ClearFaults()
	if res, err := mine.Client().Get(mine.URL + "/v1/apps"); err != nil || res.StatusCode != 200 {
		t.Errorf("its client: %v %v", res, err)
	} else {
		_ = res.Body.Close()
	}
	one := New(t, World{})
	if w, err := one.WorldOf("ANY"); err != nil || w != one {
		t.Errorf("a sandbox of one world has another: %v", err)
	}
}

// TestResetSaysWhichWorld: the one that no key sees, that of a key, or all.
func TestResetSaysWhichWorld(t *testing.T) {
	s, a, b := twoKeys(t, World{})
	saved := func(k Key) bool {
		_, text := asKey(t, s, k, "GET", "/v1/betaGroups?limit=200", "")
		return strings.Contains(text, `"Saved"`)
	}
	for _, x := range []struct {
		query, says string
		a, b        bool // whether the groups are still there
	}{
		{"", "only the world that no key sees", true, true},
		{"?world=OTHER", "", true, false},
		{"?world=*", "the worlds of all keys", false, false},
	} {
		for _, k := range []Key{a, b} {
			if !saved(k) {
				asKey(t, s, k, "POST", "/v1/betaGroups", newGroup)
			}
		}
		status, text := asKey(t, s, Key{}, "POST", "/_sandbox/reset"+x.query, "")
		if status >= 300 || !strings.Contains(text, x.says) {
			t.Errorf("reset%s: %d %s", x.query, status, text)
		}
		if saved(a) != x.a || saved(b) != x.b {
			t.Errorf("reset%s: the groups are there: %v and %v, want %v and %v", x.query, saved(a), saved(b), x.a, x.b)
		}
	}
	if status, _ := asKey(t, s, Key{}, "GET", "/_sandbox/state?world=*", ""); status != 404 {
		t.Errorf("the state of all worlds: %d", status)
	}
}

func TestUploadsFindTheirWorld(t *testing.T) {
	s, a, b := twoKeys(t, World{NoRules: true})
	for _, k := range []Key{a, b} {
		set := s.IDs("appScreenshotSets")[0]
		status, text := asKey(t, s, k, "POST", "/v1/appScreenshots", fmt.Sprintf(`{"data":{"type":"appScreenshots",`+
			`"attributes":{"fileName":"a.png","fileSize":4},"relationships":{"appScreenshotSet":{"data":`+
			`{"type":"appScreenshotSets","id":"%s"}}}}}`, set))
		if status != 201 {
			t.Fatal(status, text)
		}
		_, rest, _ := strings.Cut(text, s.URL+"/_sandbox/upload/")
		at, _, _ := strings.Cut(rest, `"`)
		if status, text := asKey(t, s, Key{}, "PUT", "/_sandbox/upload/"+at, "data"); status != 200 {
			t.Errorf("%s: %d %s", k.ID, status, text)
		}
		w := s.knownWorld(k.ID)
		w.mu.Lock()
		if w.store.bytes != 4 {
			t.Errorf("the world of %s holds %d bytes, want 4", k.ID, w.store.bytes)
		}
		w.mu.Unlock()
	}
}

func TestWorldsOfKeysAreKept(t *testing.T) {
	dir := t.TempDir()
	s, _, b := twoKeys(t, World{State: dir})
	if status, text := asKey(t, s, b, "POST", "/v1/betaGroups", newGroup); status != 201 {
		t.Fatal(status, text)
	}
	s.Close()
	again, err := Open(World{State: dir, PerKey: true})
	if err != nil {
		t.Fatal(err)
	}
	w := again.knownWorld("OTHER")
	if w == nil {
		t.Fatal("the world is gone")
	}
	if text, err := w.Snapshot(); err != nil || !bytes.Contains(text, []byte(`"Saved"`)) {
		t.Errorf("the group is gone: %v", err)
	}
}
