package redisdb

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const upstream = "https://api.example"

var quiet = slog.New(slog.DiscardHandler)

func open(t testing.TB, c Config) *DB {
	t.Helper()
	db, err := Open(c, upstream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// eventually waits until there is no error.
func eventually(t *testing.T, what func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); {
		if err = what(); err == nil {
			return
		}
	}
	t.Errorf("never: %v", err)
}

// TestOpen says what is wrong without quoting it.
func TestOpen(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{
		"a password in the URL":    {URL: "redis://:secret@127.0.0.1:1/0"},
		"no Redis":                 {URL: "http://x"},
		"a socket":                 {URL: "unix:///tmp/secret"},
		"no verification":          {URL: "rediss://127.0.0.1:1/0?skip_verify=true"},
		"other parameters":         {URL: "redis://127.0.0.1:1/0?read_timeout=-1"},
		"no such password file":    {URL: "redis://127.0.0.1:1", PasswordFile: "/none"},
		"an empty password file":   {URL: "redis://127.0.0.1:1", PasswordFile: empty},
		"no regular file":          {URL: "redis://127.0.0.1:1", PasswordFile: "/dev/zero"},
		"no such CA file":          {URL: "rediss://127.0.0.1:1", CAFile: "/none"},
		"a CA file without TLS":    {URL: "redis://127.0.0.1:1", CAFile: empty},
		"a CA file without any":    {URL: "rediss://127.0.0.1:1", CAFile: empty},
		"a prefix with braces":     {URL: "redis://127.0.0.1:1", Prefix: "a{b}"},
		"a prefix that is no word": {URL: "redis://127.0.0.1:1", Prefix: "a b"},
	} {
		if _, err := Open(c, upstream); err == nil {
			t.Errorf("%s is taken", name)
		} else if text := err.Error(); len(text) > 300 || strings.Contains(text, "secret") || !strings.HasPrefix(text, "quota.redis.") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNames: what is not the same has not the same name.
func TestNames(t *testing.T) {
	here := NewNames("asc", upstream)
	if got := here.Key("team", "quota", "KEY", "own"); !regexp.MustCompile(`^asc:[0-9a-f]{12}:\{team\}:quota:KEY:own$`).MatchString(got) {
		t.Error(got)
	}
	seen := map[string]string{}
	for name, key := range map[string]string{
		"plain":                  here.Key("team", "a", "b"),
		"colon in a part":        here.Key("team", "a:b"),
		"colon, escaped":         here.Key("team", "a%3Ab"),
		"braces":                 here.Key("{team}", "a", "b"),
		"parentheses":            here.Key("(team)", "a", "b"),
		"end of the tag":         here.Key("team}:a", "b"),
		"another prefix":         NewNames("asc2", upstream).Key("team", "a", "b"),
		"another host":           NewNames("asc", "https://api.example.org").Key("team", "a", "b"),
		"another port":           NewNames("asc", upstream+":444").Key("team", "a", "b"),
		"another scheme":         NewNames("asc", "http://api.example").Key("team", "a", "b"),
		"common, another prefix": NewNames("asc2", upstream).Common("a"),
		"common":                 here.Common("a"),
	} {
		if other, double := seen[key]; double {
			t.Errorf("%s and %s have the same name %s", name, other, key)
		}
		seen[key] = name
	}
	if NewNames("asc", "HTTPS://API.example/") != here {
		t.Error("the same upstream, written otherwise, has another name")
	}
}

// TestKindsOfServers speaks to each as it is configured.
func TestKindsOfServers(t *testing.T) {
	plain, authority := redistest.Start(t), redistest.NewAuthority(t)
	secure := redistest.StartTLS(t, authority)
	nodes := redistest.StartCluster(t)
	for name, c := range map[string]struct {
		config Config
		resp   string
	}{
		"RESP3":   {Config{URL: plain.URL()}, "resp=3"},
		"RESP2":   {Config{URL: plain.URL() + "?protocol=2"}, "resp=2"},
		"TLS":     {Config{URL: "rediss://" + secure.Addr + "/0", CAFile: authority.File}, "resp=3"},
		"Cluster": {Config{URL: "redis://" + nodes[1].Addr + "/0", Cluster: true}, "resp=3"},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, c.config)
			db.Watch(quiet)
			for i := range 50 {
				key := db.Key(fmt.Sprint("team", i), "x")
				if err := db.Set(t.Context(), key, i, time.Minute).Err(); err != nil {
					t.Fatal(err)
				}
				if got, err := db.Get(t.Context(), key).Int(); err != nil || got != i {
					t.Errorf("%d %v", got, err)
				}
			}
			if got := db.ClientList(t.Context()).Val(); !strings.Contains(got, c.resp) {
				t.Errorf("%s is not spoken: %s", c.resp, got)
			}
			eventually(t, func() error {
				if why := db.Forgets(); why != "" {
					return fmt.Errorf("%s", why)
				}
				return nil
			})
		})
	}
}

// TestTLS takes no server that another authority vouches for, and no TLS 1.1.
func TestTLS(t *testing.T) {
	authority, other := redistest.NewAuthority(t), redistest.NewAuthority(t)
	secure := redistest.StartTLS(t, authority)
	ping := func(c Config) error { return open(t, c).Ping(t.Context()).Err() }
	url := "rediss://" + secure.Addr + "/0"
	if err := ping(Config{URL: url, CAFile: authority.File}); err != nil {
		t.Error(err)
	}
	_, port, _ := net.SplitHostPort(secure.Addr)
	for name, c := range map[string]Config{
		"another authority": {URL: url, CAFile: other.File},
		"the system's":      {URL: url},
		"another name":      {URL: "rediss://localhost:" + port + "/0", CAFile: authority.File},
	} {
		if err := ping(c); err == nil {
			t.Errorf("%s is believed", name)
		}
	}
	cert, key := authority.Issue()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	failed := make(chan error, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(failed)
				return
			}
			failed <- c.(*tls.Conn).Handshake()
			_ = c.Close()
		}
	}()
	if err := ping(Config{URL: "rediss://" + l.Addr().String() + "/0", CAFile: authority.File}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if err := <-failed; err == nil {
		t.Error("a handshake of TLS 1.1 ended well")
	}
	_ = l.Close()
	for range failed {
	}
}

// TestARotatedPassword is taken from its file, without a restart.
func TestARotatedPassword(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "old")
	admin := redis.NewClient(&redis.Options{Addr: server.Addr, Password: "old"})
	defer admin.Close()
	file := filepath.Join(t.TempDir(), "password")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(s+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	db := open(t, Config{URL: server.URL(), PasswordFile: file})
	if err := db.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := admin.ConfigSet(t.Context(), "requirepass", "new").Err(); err != nil {
		t.Fatal(err)
	}
	if err := admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()).Err(); err == nil {
		t.Error("the old password is still taken")
	}
	if err := os.Remove(file); err != nil { // as it is being replaced
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()).Err(); err == nil {
		t.Error("it went without a password")
	} else if strings.Contains(err.Error(), "old") {
		t.Error(err)
	}
	write("new")
	eventually(t, func() error { return db.Ping(t.Context()).Err() })
}

// TestRedirects are not followed, but in a cluster, and there not for ever.
func TestRedirects(t *testing.T) {
	elsewhere := redistest.NewFake(t, "+OK\r\n")
	here := redistest.NewFake(t, "-MOVED 1 "+elsewhere.Addr+"\r\n")
	db := open(t, Config{URL: "redis://" + here.Addr + "/0"})
	if err := db.Set(t.Context(), "x", "y", 0).Err(); err == nil || elsewhere.Connections() > 0 {
		t.Errorf("%v, %d connections elsewhere", err, elsewhere.Connections())
	}
	round := redistest.NewFake(t, "-MOVED 1 "+here.Addr+"\r\n")
	cluster := open(t, Config{URL: "redis://" + round.Addr + "/0", Cluster: true})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	begun := time.Now()
	if err := cluster.Set(ctx, "x", "y", 0).Err(); err == nil {
		t.Error("it was set nowhere")
	}
	t.Logf("| a cluster of redirects | ends | %v, %d connections |", time.Since(begun).Round(time.Millisecond), round.Connections()+here.Connections())
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestTheEnvironmentDecidesNothing about Redis.
func TestTheEnvironmentDecidesNothing(t *testing.T) {
	other := redistest.NewFake(t, "+OK\r\n")
	for _, name := range []string{"REDIS_URL", "REDIS_ADDR", "REDIS_HOST", "REDISCLI_AUTH", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "SOCKS_PROXY"} {
		t.Setenv(name, "http://"+other.Addr)
	}
	db := open(t, Config{URL: redistest.Start(t).URL()})
	if err := db.Ping(t.Context()).Err(); err != nil || other.Connections() > 0 {
		t.Errorf("%v, %d connections elsewhere", err, other.Connections())
	}
}
