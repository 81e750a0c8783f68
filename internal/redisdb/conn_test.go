package redisdb

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
)

// allocated is what a call takes from the heap, freed or not.
func allocated(call func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// TestAnswersAreBounded: a server, or who sits between, announces or sends more
// than it may.
func TestAnswersAreBounded(t *testing.T) {
	for name, answer := range map[string]string{
		"a string of 512 MiB, announced": "$536870912\r\n",
		"10^9 elements, announced":       "*1000000000\r\n",
		"10^9 pairs, announced":          "%1000000000\r\n",
		"a set that overflows":           "~9223372036854775807\r\n",
		"an attribute":                   "|1000000000\r\n",
		"an error of 512 MiB":            "!536870912\r\n",
		"a verbatim string":              "=536870912\r\n",
		"a line without an end":          "+" + strings.Repeat("x", 40<<20),
		"a length without an end":        "$" + strings.Repeat("1", 40<<20),
		"arrays of arrays":               strings.Repeat("*2\r\n", 10<<20),
		"a million strings":              "*60000\r\n" + strings.Repeat("$1000\r\n"+strings.Repeat("x", 1000)+"\r\n", 40000),
		"junk":                           strings.Repeat("junk\r\n", 1<<20),
		"a negative length":              "$-2\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			fake := redistest.NewFake(t, answer)
			db := open(t, Config{URL: "redis://" + fake.Addr + "/0"})
			var err error
			begun := time.Now()
			took := allocated(func() { err = db.Do(t.Context(), "GET", "x").Err() })
			t.Logf("| Redis answers %s | 32 MiB, 2 s | %.1f MiB, %v |", name, float64(took)/(1<<20), time.Since(begun).Round(time.Millisecond))
			if err == nil || took > 32<<20 || time.Since(begun) > 2*time.Second {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestALargeValueOfARealServer ends the connection, not the process.
func TestALargeValueOfARealServer(t *testing.T) {
	for name, query := range map[string]string{"RESP3": "", "RESP2": "?protocol=2"} {
		t.Run(name, func(t *testing.T) {
			db := open(t, Config{URL: redistest.Start(t).URL() + query})
			if err := db.SetRange(t.Context(), "x", 64<<20, "x").Err(); err != nil {
				t.Fatal(err)
			}
			var err error
			if took := allocated(func() { err = db.Get(t.Context(), "x").Err() }); !errors.Is(err, ErrReply) || took > 8<<20 {
				t.Errorf("%v, %d bytes", err, took)
			}
			if err := db.Set(t.Context(), "y", strings.Repeat("y", maxBulk), 0).Err(); err != nil {
				t.Fatal(err)
			}
			if got, err := db.Get(t.Context(), "y").Result(); err != nil || len(got) != maxBulk {
				t.Errorf("what is allowed: %d %v", len(got), err)
			}
		})
	}
}

// TestPublishedTooMuch: the subscription is made anew, and goes on.
func TestPublishedTooMuch(t *testing.T) {
	server := redistest.Start(t)
	db, other := open(t, Config{URL: server.URL()}), open(t, Config{URL: server.URL()})
	sub := db.Subscribe(t.Context(), "x")
	defer sub.Close()
	in := sub.Channel()
	eventually(t, func() error {
		if n := other.Publish(t.Context(), "x", "hello").Val(); n == 0 {
			return errors.New("nobody hears")
		}
		return nil
	})
	if got := <-in; got.Payload != "hello" {
		t.Error(got.Payload)
	}
	if err := other.Publish(t.Context(), "x", strings.Repeat("x", 8<<20)).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		_ = other.Publish(t.Context(), "x", "again").Err()
		select {
		case got := <-in:
			if got.Payload != "again" {
				t.Errorf("%d bytes were taken", len(got.Payload))
			}
			return nil
		default:
			return errors.New("nothing is heard")
		}
	})
}

// FuzzScanner: how an answer is cut into reads changes nothing.
func FuzzScanner(f *testing.F) {
	for _, s := range []string{"+OK\r\n", "$3\r\nabc\r\n", "*2\r\n:1\r\n$-1\r\n", "%1\r\n+a\r\n#t\r\n", "|1\r\n+a\r\n+b\r\n:1\r\n", ">2\r\n+a\r\n+b\r\n", "_\r\n", "$99999999\r\n"} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		var whole, parts scanner
		want := whole.feed(b)
		var got error
		for rest := b; len(rest) > 0 && got == nil; {
			n := min(max(cut, 1), len(rest))
			got = parts.feed(rest[:n])
			rest = rest[n:]
		}
		if want != got || want == nil && fmt.Sprint(whole) != fmt.Sprint(parts) {
			t.Errorf("%q: whole %v, in parts %v", b, want, got)
		}
	})
}
