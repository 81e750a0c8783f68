package command

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTheGatewayStartsOnAFullDisk: not ready, with the reason; reads are served,
// nothing is changed, and it recovers by itself.
func TestTheGatewayStartsOnAFullDisk(t *testing.T) {
	p := newPlace(t)
	p.key(t, "ONE1234567")
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount a file system here: %v; internal/audit shows the same without one", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	p.write(t, "gateway.yaml", p.config(entry("ONE1234567", "active"))+"audit: {path: "+disk+"/audit.log}\n")
	s := p.service(t)
	defer s.audit.Close() // before the disk goes
	if why := s.ready(); !strings.Contains(why, "the audit log cannot be written") || !strings.Contains(why, "no space") {
		t.Errorf("ready: %q", why)
	}
	if code := get(s); code != 200 {
		t.Errorf("a read: %d", code)
	}
	create := func() int {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/v1/bundleIds", strings.NewReader(`{"name": "n", "identifier": "com.example.full", "platform": "IOS"}`))
		r.Host = "127.0.0.1" // nobody is authenticated: a web page must not reach it
		r.Header.Set("Content-Type", "application/json")
		s.gateway.REST.ServeHTTP(w, r)
		return w.Code
	}
	if code := create(); code != 503 {
		t.Errorf("a write: %d", code)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); s.ready() != ""; {
		if time.Since(begun) > 20*time.Second {
			t.Fatal(s.ready())
		}
	}
	if code := create(); code != 200 && code != 201 {
		t.Errorf("a write after it: %d", code)
	}
}
