package redisdb

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
)

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

// TestTheMemoryPolicy is noticed at connect, however it may be asked for.
func TestTheMemoryPolicy(t *testing.T) {
	none := "+@all ~* &*"
	for _, c := range []struct{ name, policy, acl, forgets, log string }{
		{"noeviction", "noeviction", none, "", "is noeviction"},
		{"evicting", "allkeys-lru", none, "allkeys-lru", "lets it forget"},
		{"evicting what expires", "volatile-ttl", none, "volatile-ttl", "lets it forget"},
		{"CONFIG is forbidden", "allkeys-lfu", none + " -config", "allkeys-lfu", "lets it forget"},
		{"CONFIG is forbidden, and all is well", "noeviction", none + " -config", "", "is noeviction"},
		{"CONFIG and INFO are forbidden", "allkeys-lru", none + " -config -info", "", "cannot be asked for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, "--maxmemory-policy", c.policy)
			server.CLI(append([]string{"ACL", "SETUSER", "gateway", "on", ">secret"}, strings.Fields(c.acl)...)...)
			file := filepath.Join(t.TempDir(), "password")
			if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
				t.Fatal(err)
			}
			db := open(t, Config{URL: server.URL(), Username: "gateway", PasswordFile: file})
			if db.Forgets() == "" {
				t.Error("names are trusted to it before it was asked")
			}
			log := &lines{}
			db.Watch(slog.New(slog.NewTextHandler(log, nil)))
			eventually(t, func() error {
				if log.count(c.log) == 0 {
					return fmt.Errorf("it does not say %q", c.log)
				}
				return nil
			})
			if got := db.Forgets(); (got == "") != (c.forgets == "") || !strings.Contains(got, c.forgets) || got != db.Degraded() {
				t.Errorf("%q", got)
			}
			db.dialed <- struct{}{} // asked again
			db.dialed <- struct{}{}
			if n := log.count("level="); n != 1 {
				t.Errorf("it says so %d times", n)
			}
		})
	}
}

// TestOneNodeThatEvicts is enough, in a cluster.
func TestOneNodeThatEvicts(t *testing.T) {
	nodes := redistest.StartCluster(t)
	nodes[2].CLI("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
	db := open(t, Config{URL: "redis://" + nodes[0].Addr + "/0", Cluster: true})
	db.Watch(quiet)
	eventually(t, func() error {
		if got := db.Degraded(); !strings.Contains(got, "allkeys-random") {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
}

// TestTheRightsAreDocumented: the tests run with what the page says.
func TestTheRightsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/quota.md")
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(page)), " "), " "+redistest.Rights+" ```") {
		t.Errorf("docs/quota.md does not say %s: %v", redistest.Rights, err)
	}
}
