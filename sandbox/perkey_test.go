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
	if !strings.Contains(page, `action="/_sandbox/form/clock?world=OTHER"`) ||
		!strings.Contains(page, `data-from="/?world=OTHER&amp;part=moving"`) {
		t.Errorf("the page does not stay with its world:\n%.900s", page)
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
