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

// fullDisk is a folder on a small disk of its own without room, what makes room,
// and what takes it again.
func fullDisk(t *testing.T) (dir string, free, fill func()) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("cannot mount a file system here: %v; internal/audit and internal/store show the same without one", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	filler := filepath.Join(dir, "filler")
	fill = func() {
		if err := os.WriteFile(filler, make([]byte, 4<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	free = func() {
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	return dir, free, fill
}

// TestAStoreWithoutRoom, at the start and again later: the same as a store that is
// away.
func TestAStoreWithoutRoom(t *testing.T) {
	t.Parallel()
	dir, free, fill := fullDisk(t)
	f := newPlace(t).withStore(t, "sqlite:"+dir+"/store.db")
	f.withoutStore(t, "STORE_FULL")
	free()
	f.withItsStore(t)
	fill()
	f.withoutStore(t, "STORE_FULL")
	free()
	f.withItsStore(t)
}

// TestTheGatewayStartsOnAFullDisk: not ready, with the reason; reads are served,
// nothing is changed, and it recovers by itself.
func TestTheGatewayStartsOnAFullDisk(t *testing.T) {
	p := newPlace(t)
	p.key(t, "ONE1234567")
	disk, free, _ := fullDisk(t)
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
	free()
	for begun := time.Now(); s.ready() != ""; {
		if time.Since(begun) > 20*time.Second {
			t.Fatal(s.ready())
		}
	}
	if code := create(); code != 200 && code != 201 {
		t.Errorf("a write after it: %d", code)
	}
}
