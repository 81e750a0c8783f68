package redisledger

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
	"github.com/asc-gateway/asc-gateway/internal/redisdb"
	"github.com/redis/go-redis/v9"
)

// bare is the shared ledger without its substitute, which would hide what fails.
func bare(t testing.TB, url string, rules quota.Rules) *shared {
	t.Helper()
	db, err := redisdb.Open(redisdb.Config{URL: url}, upstream)
	if err != nil {
		t.Fatal(err)
	}
	s := newShared(db, rules, quiet)
	s.limit = 5 * time.Second // a busy machine is no outage
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// poisons are what others may write into the books, by what of a key they write.
func poisons(ctx context.Context, db *redisdb.DB, key map[string]string) map[string]func() error {
	list := map[string]func() error{}
	for part, name := range key {
		list[part+" is a string"] = func() error { return db.Set(ctx, name, "junk", 0).Err() }
		list[part+" is a list"] = func() error {
			db.Del(ctx, name)
			return db.RPush(ctx, name, "junk").Err()
		}
		if part == "meta" {
			continue
		}
		for _, score := range []float64{math.Inf(1), math.Inf(-1), 1e300, -1e300, float64(time.Now().Add(100 * 365 * 24 * time.Hour).UnixMicro())} {
			list[fmt.Sprint(part, " has a score of ", score)] = func() error {
				for i := range 5000 {
					if err := db.ZAdd(ctx, name, redis.Z{Score: score, Member: fmt.Sprint("0:", i)}).Err(); err != nil {
						return err
					}
				}
				return db.ZAdd(ctx, name, redis.Z{Score: score, Member: "no class"}, redis.Z{Score: score, Member: ""}, redis.Z{Score: score, Member: "9:c"}).Err()
			}
		}
	}
	meta := key["meta"]
	for _, field := range []string{"limit", "sensed", "blocked", "due", "heard", "backoff", "lower", "surplus", "higher", "told", "refusals", "careful", "seq",
		"v0", "v1", "v2", "s0", "s1", "s2", "ml:GET builds", "mb:GET builds"} {
		for _, value := range []string{"junk", "", "nan", "inf", "-inf", "-1", "0", "1.5", "1e300", "9223372036854775807", "0x7fffffffffffffff", strings.Repeat("9", 400)} {
			list["meta."+field+" is "+value[:min(len(value), 24)]] = func() error { return db.HSet(ctx, meta, field, value).Err() }
		}
	}
	list["meta has many endpoints"] = func() error {
		for i := range 300 {
			if err := db.HSet(ctx, meta, fmt.Sprint("ml:GET x", i), "5", "mb:junk", "1", "ml:"+strings.Repeat("x", 1000), "1").Err(); err != nil {
				return err
			}
		}
		return nil
	}
	return list
}

// TestPoisonInTheBooks: whatever others have written, calls are answered with
// numbers that make sense, and go on within an hour (of the test: one second).
func TestPoisonInTheBooks(t *testing.T) {
	server := redistest.Start(t)
	const hour = time.Second
	s := bare(t, server.URL(), quota.Rules{Hour: hour, Minutes: map[quota.Endpoint]int{{Verb: "GET", Resource: "builds"}: 50}})
	key := map[string]string{}
	for i, name := range s.names(nil, "team", "K", ask(quota.Default).Endpoint) {
		part := parts[i]
		if part == "" {
			part = "minute"
		}
		key[part] = name
	}
	slowest, n := time.Duration(0), 0
	for name, poison := range poisons(t.Context(), s.db, key) {
		if err := s.db.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		call(t, s, name+", before", quota.Interactive)
		if err := poison(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, class := range []quota.Class{quota.Batch, quota.Interactive} {
			slowest = max(slowest, call(t, s, name, class))
		}
		states(t, s, name)
		for _, part := range []string{"own", "foreign", "flight", "minute", "seen"} {
			ahead := fmt.Sprint(time.Now().Add(time.Hour).UnixMicro())
			if left, err := s.db.ZCount(t.Context(), key[part], ahead, "+inf").Result(); err != nil || left > 0 {
				t.Errorf("%s: %s keeps %d from far ahead, %v", name, part, left, err)
			}
		}
		n++
	}
	t.Logf("| %d ways to poison the books | a call goes within two hours | the slowest after %v of an hour of %v |", n, slowest.Round(time.Millisecond), hour)
}

// call asks until it may, and settles.
func call(t *testing.T, s *shared, name string, class quota.Class) time.Duration {
	t.Helper()
	begun := time.Now()
	for {
		answer, err := s.Admit(t.Context(), ask(class))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if answer.Wait < 0 || answer.Wait > 2*s.rules.Hour || answer.Each < 0 || answer.Each > 2*s.rules.Hour {
			t.Errorf("%s: %+v", name, answer)
		}
		if answer.Admitted {
			x := &quota.Settlement{Ticket: answer.Ticket, Writes: 1, Status: 200, RetryAfter: -1, Limits: quota.Limits{Hour: quota.Pair{Limit: 3600, Remaining: 3000, Known: true}}}
			b, err := s.Settle(t.Context(), x)
			if err != nil || b.Limit < 1 || b.Limit > limitsMost || b.Used < 0 {
				t.Fatalf("%s: %+v %v", name, b, err)
			}
			return time.Since(begun)
		}
		if time.Since(begun) > 2*s.rules.Hour+time.Second {
			t.Errorf("%s: no call goes: %+v", name, answer)
			return time.Since(begun)
		}
		time.Sleep(min(answer.Wait, 5*time.Millisecond))
	}
}

func states(t *testing.T, s *shared, name string) {
	t.Helper()
	list, err := s.States(t.Context(), "team")
	if err != nil || len(list) != 1 {
		t.Fatalf("%s: %v %v", name, list, err)
	}
	st := list[0]
	if st.Limit < 1 || st.Used < 0 || st.Foreign < 0 || st.InFlight < 0 || st.BlockedFor < 0 || len(st.Endpoints) > endpointsMost {
		t.Errorf("%s: %+v", name, st)
	}
	for _, e := range st.Endpoints {
		if e.Verb != "GET" || e.Limit < 0 || e.Used < 0 || e.BlockedFor < 0 {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// TestPoisonedReplicas: a number of replicas is believed within bounds.
func TestPoisonedReplicas(t *testing.T) {
	server := redistest.Start(t)
	s := bare(t, server.URL(), quota.Rules{})
	if err := s.db.Set(t.Context(), s.db.Common("replicas"), "junk", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := s.live(t.Context(), time.Minute); n != 1 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	now := float64(time.Now().UnixMicro())
	for i := range 5 * replicasMost {
		if err := s.db.ZAdd(t.Context(), s.db.Common("replicas"), redis.Z{Score: now, Member: fmt.Sprint(i)}, redis.Z{Score: math.Inf(1), Member: fmt.Sprint("i", i)}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.live(t.Context(), time.Minute); n != replicasMost || err != nil {
		t.Errorf("%d %v", n, err)
	}
}

// TestDeploymentsDoNotCountForEachOther: they share a Redis, and no books.
func TestDeploymentsDoNotCountForEachOther(t *testing.T) {
	url := redistest.Start(t).URL()
	for i, d := range []struct{ prefix, upstream string }{{"", upstream}, {"", "http://127.0.0.1:9000"}, {"other", upstream}} {
		db, err := redisdb.Open(redisdb.Config{URL: url, Prefix: d.prefix}, d.upstream)
		if err != nil {
			t.Fatal(err)
		}
		s := newShared(db, quota.Rules{}, quiet)
		s.limit = 5 * time.Second
		t.Cleanup(func() { _ = s.Close() })
		for range i + 1 {
			call(t, s, "", quota.Interactive)
		}
		own, err := s.db.ZCard(t.Context(), s.names(nil, "team", "K", quota.Endpoint{})[0]).Result()
		if n, _ := s.live(t.Context(), time.Minute); err != nil || int(own) != i+1 || n != 1 {
			t.Errorf("%+v: %d requests, %d replicas, %v", d, own, n, err)
		}
	}
}
