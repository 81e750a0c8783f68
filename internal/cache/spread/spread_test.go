package spread

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/cache"
	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
	"github.com/asc-gateway/asc-gateway/internal/redisdb"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// replica is a cache that hears of others.
type replica struct {
	t     *testing.T
	cache *cache.Cache
	asked int
}

func newReplica(t *testing.T, url, numbering string) *replica {
	db, err := redisdb.Open(redisdb.Config{URL: url}, "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{t: t, cache: cache.New(1<<20, 8)}
	s := Start(r.cache, db, numbering, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { s.Close(); r.cache.Close(); _ = db.Close() })
	return r
}

// read reads family 1, and says where the answer came from.
func (r *replica) read() cache.Mode {
	r.t.Helper()
	_, mode, _, err := r.cache.Do(r.t.Context(), cache.Read{Team: "team", Key: "k", Families: cache.Families{1}, Life: time.Hour}, func(context.Context) (cache.Fetched, error) {
		r.asked++
		return cache.Fetched{Value: r.asked, Bytes: 1}, nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return mode
}

// settles waits until two reads in a row agree.
func (r *replica) settles(want cache.Mode) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if r.read() == want {
			return
		}
	}
	r.t.Errorf("never %s", want)
}

// kept waits until an answer stays kept for a while.
func (r *replica) kept() {
	r.t.Helper()
	for since := time.Now(); time.Since(since) < 300*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		if r.read() != cache.Hit {
			since = time.Now()
		}
	}
}

func TestOthersHearOfWrites(t *testing.T) {
	server := redistest.Start(t)
	url := server.URL()
	a, b, newer := newReplica(t, url, "n"), newReplica(t, url, "n"), newReplica(t, url, "other")
	for _, r := range []*replica{a, b, newer} {
		r.kept()
	}
	a.cache.Wrote("team", cache.Families{2}) // another family
	newer.settles(cache.Miss)                // numbers them otherwise: anything
	if b.read() != cache.Hit {
		t.Error("another family ends what was kept")
	}
	a.cache.Wrote("team", cache.Families{1})
	b.settles(cache.Miss)
	b.kept()
	a.cache.Wrote("team", nil)
	b.settles(cache.Miss)
	b.kept()
	a.cache.Wrote("other team", nil)
	b.kept()
}

// TestWhatWasMissedIsMadeGood after Redis was away.
func TestWhatWasMissedIsMadeGood(t *testing.T) {
	server := redistest.Start(t)
	url := server.URL()
	a, b := newReplica(t, url, "n"), newReplica(t, url, "n")
	b.kept()
	server.Kill()
	a.cache.Wrote("team", cache.Families{1})
	asked := b.asked
	server.Run()
	for deadline := time.Now().Add(20 * time.Second); b.asked == asked; time.Sleep(20 * time.Millisecond) {
		if b.read(); time.Now().After(deadline) {
			t.Fatal("what was written while Redis was away is never heard of")
		}
	}
	b.kept()
	a.cache.Wrote("team", cache.Families{1})
	b.settles(cache.Miss)
}

func TestJunkIsForgotten(t *testing.T) {
	server := redistest.Start(t)
	r := newReplica(t, server.URL(), "n")
	r.kept()
	s := &Spread{cache: r.cache, channel: "x", log: slog.New(slog.DiscardHandler), me: "me", numbering: "n"}
	for _, payload := range []string{
		"junk", "", "null", "[]", `{"from":"","numbering":"n","team":"team","families":[1]}`, `{"from":"x","team":""}`, `{"from":"x","team":"team","families":[1e400]}`,
		`{"from":"x","numbering":"n","team":"team","families":[1,99,-1,9223372036854775807]}`, `{"from":"x","all":true}`,
		`{"from":"` + strings.Repeat("x", maxPayload) + `"}`, `{"from":"x","team":"team","families":[` + strings.Repeat("2,", 5000) + `2]}`,
	} {
		s.hear(payload)
		if r.read() != cache.Miss {
			t.Errorf("%s: kept", payload)
		}
	}
	s.hear(`{"from":"me","numbering":"n","team":"team","families":[1]}`)
	if r.read() != cache.Hit {
		t.Error("its own words count")
	}
}

// TestDeploymentsDoNotHearEachOther: they share a Redis, and no channel.
func TestDeploymentsDoNotHearEachOther(t *testing.T) {
	url := redistest.Start(t).URL()
	a, b := newReplica(t, url, "n"), &replica{t: t, cache: cache.New(1<<20, 8)}
	db, err := redisdb.Open(redisdb.Config{URL: url}, "http://127.0.0.1:9000")
	if err != nil {
		t.Fatal(err)
	}
	s := Start(b.cache, db, "n", slog.New(slog.DiscardHandler))
	t.Cleanup(func() { s.Close(); b.cache.Close(); _ = db.Close() })
	c := newReplica(t, url, "n")
	for _, r := range []*replica{a, b, c} {
		r.kept()
	}
	a.cache.Wrote("team", cache.Families{1})
	c.settles(cache.Miss) // it was told
	if b.read() != cache.Hit {
		t.Error("another deployment's write ends what was kept")
	}
}
