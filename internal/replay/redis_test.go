package replay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
	"github.com/asc-gateway/asc-gateway/internal/redisdb"
	"github.com/redis/go-redis/v9"
)

// again sends a create with its id until it is not refused, as a caller does.
func again(t *testing.T, r *Replays, id string, create func() ([]byte, error)) (answer string, err error) {
	for deadline := time.Now().Add(20 * time.Second); ; {
		got, err := r.Do(t.Context(), id, []byte(id), create)
		if err == nil || fault.As(err).Reason != ReasonUnavailable || time.Now().After(deadline) {
			return string(got), err
		}
	}
}

// TestASlowRedis holds the attack of the issue: five of five creates that were
// refused because Redis was slow hung when they were sent again, and then said
// OUTCOME_UNKNOWN although nothing was sent.
func TestASlowRedis(t *testing.T) {
	for name, slow := range map[string]func(s *redistest.Server, p *redistest.Proxy, db *redisdb.DB) (fast func()){
		"CLIENT PAUSE": func(_ *redistest.Server, _ *redistest.Proxy, db *redisdb.DB) func() {
			_ = db.Do(context.Background(), "CLIENT", "PAUSE", "3000", "ALL").Err()
			return func() {}
		},
		"SIGSTOP": func(s *redistest.Server, _ *redistest.Proxy, _ *redisdb.DB) func() { s.Stop(); return s.Continue },
		"answers are lost": func(_ *redistest.Server, p *redistest.Proxy, _ *redisdb.DB) func() {
			p.Deaf(true)
			return func() { p.Deaf(false) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			proxy := redistest.NewProxy(t, server.Addr)
			here := newReplays(t, newRedis(t, "redis://"+proxy.Addr+"/0"))
			elsewhere := newReplays(t, newRedis(t, "redis://"+server.Addr+"/0"))
			warm(t, here)
			fast := slow(server, proxy, here.store.(Redis).DB)
			var made [5]atomic.Int32
			var refused atomic.Int32
			var wg sync.WaitGroup
			begun := time.Now()
			for i := range made {
				wg.Go(func() {
					_, err := here.Do(t.Context(), fmt.Sprint(i), []byte(fmt.Sprint(i)), func() ([]byte, error) { made[i].Add(1); return []byte("made"), nil })
					if fault.As(err).Reason == ReasonUnavailable && made[i].Load() == 0 {
						refused.Add(1)
					}
				})
			}
			wg.Wait()
			slowest := time.Since(begun)
			fast()
			begun = time.Now()
			through := 0
			for i := range made {
				r := here
				if i%2 == 1 {
					r = elsewhere
				}
				if got, err := again(t, r, fmt.Sprint(i), func() ([]byte, error) { made[i].Add(1); return []byte("made"), nil }); err != nil || got != "made" || made[i].Load() != 1 {
					t.Errorf("%d: %q %v, made %d", i, got, err, made[i].Load())
				} else {
					through++
				}
			}
			t.Logf("| creates with a request_id while Redis is slow (%s) | refused within 2 s, then go through | %d of 5 refused within %v, %d of 5 went through %v after |",
				name, refused.Load(), slowest.Round(time.Millisecond), through, time.Since(begun).Round(time.Millisecond))
			if refused.Load() != 5 || slowest > 2*time.Second {
				t.Errorf("%d refused, the slowest after %v", refused.Load(), slowest)
			}
		})
	}
}

func warm(t *testing.T, r *Replays) {
	t.Helper()
	if _, err := again(t, r, "warm", func() ([]byte, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
}

// TestKilledBetween kills a replica that has claimed an id, and one that has
// marked it as sent.
func TestKilledBetween(t *testing.T) {
	if at := os.Getenv("REPLAY_HOLD_AT"); at != "" {
		hold(t, at)
		return
	}
	server := redistest.Start(t)
	url := server.URL()
	r := newReplays(t, newRedis(t, url))
	for _, at := range []string{"claim", "mark"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledBetween$")
		cmd.Env = append(os.Environ(), "REPLAY_HOLD_AT="+at, "REPLAY_URL="+url)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(out); lines.Scan() && !strings.Contains(lines.Text(), "holding"); {
		}
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		begun := time.Now()
		got, err := r.Do(ctx, at, []byte(at), func() ([]byte, error) { return []byte("made"), nil })
		cancel()
		t.Logf("killed after %s: %q %v after %v", at, got, err, time.Since(begun).Round(time.Millisecond))
		if at == "claim" && (err != nil || string(got) != "made") {
			t.Errorf("after its claim: %q %v", got, err)
		}
		if at == "mark" && fault.As(err).Kind != fault.DeadlineExceeded { // until pendingMost; then OUTCOME_UNKNOWN
			t.Errorf("after it may have sent: %q %v", got, err)
		}
	}
}

// hold is the replica that is killed.
func hold(t *testing.T, at string) {
	store := newRedis(t, os.Getenv("REPLAY_URL"))
	stop := func() { fmt.Println("holding"); select {} }
	var s Store = store
	if at == "claim" {
		s = holding{store, stop}
	}
	_, _ = New(s, quiet).Do(t.Context(), at, []byte(at), func() ([]byte, error) { stop(); return nil, nil })
}

type holding struct {
	Store
	stop func()
}

func (h holding) Swap(context.Context, string, []byte, []byte) (bool, error) {
	h.stop()
	return false, nil
}

// TestPoisonInRedis: what others write under an id is answered with an error of
// ours, and does not stay longer than what we write.
func TestPoisonInRedis(t *testing.T) {
	server := redistest.Start(t)
	store := newRedis(t, server.URL())
	r, db := newReplays(t, store), store.DB
	for name, poison := range map[string]func(key string) error{
		"a list":              func(key string) error { return db.RPush(t.Context(), key, "x").Err() },
		"a set with infinity": func(key string) error { return db.Do(t.Context(), "ZADD", key, "inf", "x").Err() },
		"a hash":              func(key string) error { return db.HSet(t.Context(), key, "p", "x").Err() },
		"an empty string":     func(key string) error { return db.Set(t.Context(), key, "", 0).Err() },
		"text":                func(key string) error { return db.Set(t.Context(), key, strings.Repeat("p", 200), 0).Err() },
		"64 MiB":              func(key string) error { return db.SetRange(t.Context(), key, 64<<20, "x").Err() },
		"an entry for a year": func(key string) error {
			return db.Set(t.Context(), key, entry{state: done, at: time.Now().Add(300 * 24 * time.Hour)}.bytes(), 365*24*time.Hour).Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			id := ID("team", "caller", "CreateX", name)
			if err := poison(store.key(id)); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			_, err := r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) { t.Error("carried out"); return nil, nil })
			if reason := fault.As(err).Reason; reason != fault.ReasonOutcomeUnknown && reason != ReasonUnavailable {
				t.Errorf("got %v", err)
			}
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
			if life := db.PTTL(t.Context(), store.key(id)).Val(); life <= 0 || life > Window {
				t.Errorf("it stays %v", life)
			}
		})
	}
}

// TestAnEvictingRedis refuses names: one that is evicted would be carried out
// again.
func TestAnEvictingRedis(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	db, err := redisdb.Open(redisdb.Config{URL: server.URL()}, "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	r := newReplays(t, Redis{db})
	db.Watch(quiet)
	_, err = r.Do(t.Context(), "id", nil, func() ([]byte, error) { t.Error("carried out"); return nil, nil })
	if fault.As(err).Reason != ReasonUnavailable || !errors.Is(err, ErrForgets) {
		t.Errorf("got %v", err)
	}
	other := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer other.Close()
	if err := other.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
		t.Fatal(err)
	}
	if err := other.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil { // new connections ask anew
		t.Fatal(err)
	}
	if got, err := again(t, r, "id", func() ([]byte, error) { return []byte("made"), nil }); err != nil || got != "made" {
		t.Errorf("%q %v", got, err)
	}
}

// TestAFullRedis (noeviction, and no memory left) refuses before it sends.
func TestAFullRedis(t *testing.T) {
	server := redistest.Start(t)
	store := newRedis(t, server.URL())
	r := newReplays(t, store)
	warm(t, r)
	if err := store.DB.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	_, err := r.Do(t.Context(), "id", nil, func() ([]byte, error) { t.Error("carried out"); return nil, nil })
	if fault.As(err).Reason != ReasonUnavailable {
		t.Errorf("got %v", err)
	}
	if err := store.DB.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := again(t, r, "id", func() ([]byte, error) { return []byte("made"), nil }); err != nil || got != "made" {
		t.Errorf("%q %v", got, err)
	}
}

// TestDeploymentsDoNotAnswerEachOther: neither another prefix nor another
// upstream shares a name.
func TestDeploymentsDoNotAnswerEachOther(t *testing.T) {
	url := redistest.Start(t).URL()
	made := 0
	for _, d := range []struct{ prefix, upstream string }{{"", "https://api.example"}, {"", "http://127.0.0.1:9000"}, {"other", "https://api.example"}} {
		db, err := redisdb.Open(redisdb.Config{URL: url, Prefix: d.prefix}, d.upstream)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		db.Watch(quiet)
		r := newReplays(t, Redis{db})
		if _, err := again(t, r, ID("team", "caller", "CreateX", "1"), func() ([]byte, error) { made++; return nil, nil }); err != nil {
			t.Error(err)
		}
	}
	if made != 3 {
		t.Errorf("%d of 3 were carried out", made)
	}
}

// TestKindsOfServers keeps the contract on each.
func TestKindsOfServers(t *testing.T) {
	for name, k := range redistest.Kinds(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := redisdb.Config{URL: k.URL, CAFile: k.CAFile, Username: k.Username, PasswordFile: k.PasswordFile, Cluster: k.Cluster}
			contract(t, newReplays(t, newRedisOf(t, config)))
		})
	}
}

// TestAFailoverKeepsNames: what was replicated is not carried out again by the
// new primary; in between, names are refused.
func TestAFailoverKeepsNames(t *testing.T) {
	first, second := redistest.Start(t), redistest.Start(t)
	proxy := redistest.NewProxy(t, first.Addr)
	host, port, _ := strings.Cut(first.Addr, ":")
	second.CLI("REPLICAOF", host, port)
	second.Until("master_link_status:up", "INFO", "replication")
	store := newRedis(t, "redis://"+proxy.Addr+"/0")
	r := newReplays(t, store)
	made := 0
	create := func() ([]byte, error) { made++; return []byte("made"), nil }
	if _, err := again(t, r, "before", create); err != nil {
		t.Fatal(err)
	}
	first.CLI("WAIT", "1", "5000")
	first.Kill()
	_, err := r.Do(t.Context(), "between", []byte("between"), create)
	if fault.As(err).Reason != ReasonUnavailable || made != 1 {
		t.Errorf("made %d, %v", made, err)
	}
	second.CLI("REPLICAOF", "NO", "ONE")
	proxy.To(second.Addr)
	if got, err := again(t, r, "before", create); err != nil || got != "made" || made != 1 {
		t.Errorf("%q %v, made %d", got, err, made)
	}
	if got, err := again(t, r, "between", create); err != nil || got != "made" || made != 2 {
		t.Errorf("%q %v, made %d", got, err, made)
	}
}

// TestALoadingRedis takes no name until it has loaded.
func TestALoadingRedis(t *testing.T) {
	proxy := redistest.NewProxy(t, redistest.NewFake(t, "-LOADING Redis is loading the dataset in memory\r\n").Addr)
	db, err := redisdb.Open(redisdb.Config{URL: "redis://" + proxy.Addr + "/0"}, "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	r := newReplays(t, Redis{db})
	db.Watch(quiet)
	if _, err := r.Do(t.Context(), "id", []byte("id"), func() ([]byte, error) { t.Error("carried out"); return nil, nil }); fault.As(err).Reason != ReasonUnavailable {
		t.Errorf("got %v", err)
	}
	proxy.To(redistest.Start(t).Addr)
	if got, err := again(t, r, "id", func() ([]byte, error) { return []byte("made"), nil }); err != nil || got != "made" {
		t.Errorf("%q %v", got, err)
	}
}
