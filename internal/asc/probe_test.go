package asc

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// keyring counts how often a key is taken out.
type keyring struct {
	tokens
	refused, taken atomic.Int32
}

func (k *keyring) Report(_ Token, a Answer) bool {
	if a.Refused {
		k.refused.Add(1)
	}
	if a.Success {
		k.taken.Add(1)
	}
	return false
}

// picky is Apple in memory: it answers by path and counts.
type picky struct {
	mu      sync.Mutex
	refuses func(path string, n int) bool // n counts the requests of a path from 1
	asked   map[string]int
	slow    time.Duration
}

func (p *picky) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.asked[r.URL.Path]++
	refused := p.refuses(r.URL.Path, p.asked[r.URL.Path])
	p.mu.Unlock()
	if p.slow > 0 {
		select {
		case <-time.After(p.slow):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if refused {
		return reply(r, 401, strings.NewReader(`{"errors":[{"code":"NOT_AUTHORIZED"}]}`), "application/json"), nil
	}
	return reply(r, 200, strings.NewReader(`{"data":[]}`), "application/json"), nil
}

func (p *picky) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

func on(path string) *Call { return &Call{Method: "GET", Template: path, Path: path} }

// with runs a test by a fake clock, with a key that has worked on /v1/devices.
func with(t *testing.T, refuses func(path string, n int) bool, f func(t *testing.T, c *Client, k *keyring, p *picky)) {
	synctest.Test(t, func(t *testing.T) {
		k, p := &keyring{}, &picky{refuses: func(string, int) bool { return false }, asked: map[string]int{}}
		client := inMemory(t, p.RoundTrip, Deps{Tokens: k})
		defer client.Close()
		if _, err := client.Do(t.Context(), on("/v1/devices")); err != nil {
			t.Fatal(err)
		}
		p.refuses = refuses
		f(t, client, k, p)
	})
}

func only(path string) func(string, int) bool {
	return func(p string, _ int) bool { return p == path }
}

// TestA401OnOnePathIsNoProofAgainstTheKey: nobody can take a team's key out with a
// request that Apple refuses, however often.
func TestA401OnOnePathIsNoProofAgainstTheKey(t *testing.T) {
	with(t, only("/v1/odd"), func(t *testing.T, c *Client, k *keyring, p *picky) {
		begun := time.Now()
		for range 100 {
			_, err := c.Do(t.Context(), on("/v1/odd"))
			f := fault.As(err)
			if f.Kind != fault.FailedPrecondition || f.Reason != fault.ReasonUpstreamCredentials || f.Upstream == nil || !strings.Contains(f.Message, "this request") {
				t.Fatalf("got %v", err)
			}
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { _, _ = c.Do(t.Context(), on("/v1/odd")) })
		}
		wg.Wait()
		took := time.Since(begun)
		probes := p.count("/v1/devices") - 1
		t.Logf("150 refused calls in %v (by a fake clock): %d probes, the key was taken out %d times", took.Round(time.Second), probes, k.refused.Load())
		if k.refused.Load() != 0 || probes > int(took/probeEvery)+1 || probes == 0 {
			t.Errorf("taken out %d times, %d probes", k.refused.Load(), probes)
		}
		if _, err := c.Do(t.Context(), on("/v1/devices")); err != nil {
			t.Error(err)
		}
	})
}

func TestAKeyThatIsRevokedIsTakenOut(t *testing.T) {
	with(t, func(string, int) bool { return true }, func(t *testing.T, c *Client, k *keyring, p *picky) {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := c.Do(t.Context(), on("/v1/builds")); fault.As(err).Reason != fault.ReasonUpstreamCredentials {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if k.refused.Load() != 1 || p.count("/v1/devices") != 1+probeTries {
			t.Errorf("taken out %d times, %d probes", k.refused.Load(), p.count("/v1/devices")-1)
		}
	})
}

func TestProbes(t *testing.T) {
	for _, c := range []struct {
		name    string
		refuses func(string, int) bool
		slow    time.Duration
		refused int32
	}{
		{"a probe may be refused by chance", func(p string, n int) bool { return p == "/v1/odd" || n < 4 }, 0, 0},
		{"three refusals are no chance", func(p string, n int) bool { return p == "/v1/odd" || n < 5 }, 0, 1},
		{"a probe that is not answered says nothing", only("/v1/odd"), time.Minute - time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			with(t, c.refuses, func(t *testing.T, client *Client, k *keyring, p *picky) {
				p.slow = c.slow
				if _, err := client.Do(t.Context(), on("/v1/odd")); fault.As(err).Reason != fault.ReasonUpstreamCredentials {
					t.Errorf("got %v", err)
				}
				if k.refused.Load() != c.refused {
					t.Errorf("taken out %d times, want %d", k.refused.Load(), c.refused)
				}
			})
		})
	}
	t.Run("a caller that leaves ends no probe", func(t *testing.T) {
		with(t, func(string, int) bool { return true }, func(t *testing.T, client *Client, k *keyring, p *picky) {
			p.slow = time.Second
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second+2*flakyPause+time.Second/2) // in the middle of the probe
			defer cancel()
			begun := time.Now()
			_, _ = client.Do(ctx, on("/v1/odd"))
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("it was held for %v", took)
			}
			time.Sleep(probeTime)
			if k.refused.Load() != 1 {
				t.Errorf("taken out %d times", k.refused.Load())
			}
		})
	})
	t.Run("the end of the client ends a probe", func(t *testing.T) {
		with(t, only("/v1/odd"), func(t *testing.T, client *Client, _ *keyring, p *picky) {
			k := client.proven.get(Token{Team: "team", KeyID: "K"})
			p.slow = time.Hour
			probe := client.probeOf(t.Context(), k, Token{Team: "team", KeyID: "K"})
			synctest.Wait()
			begun := time.Now()
			client.Close()
			if <-probe.done; time.Since(begun) > 0 || probe.found != unsure {
				t.Errorf("after %v: %v", time.Since(begun), probe.found)
			}
		})
	})
}

// TestProbesHoldNothingOfCallers: their path is one without ids, their query
// their own.
func TestProbesHoldNothingOfCallers(t *testing.T) {
	for template, want := range map[string]bool{"/v1/apps": true, "/v2/sandboxTesters": true, "/v1/apps/{id}": false, "/v1/apps/123": false,
		"/v1/123": false, "/v1/": false, "/": false, "": false, "/v1/apps/relationships/x": false, "/v1/a;b": false} {
		if got := isCollection(on(template)); got != want {
			t.Errorf("%s: %v", template, got)
		}
	}
}

// TestAnyAnswerButARefusalShowsThatTheTokenWasTaken, so that a key under probation
// is not kept out by calls for things that are not there.
func TestAnyAnswerButARefusalShowsThatTheTokenWasTaken(t *testing.T) {
	for status, want := range map[int]bool{200: true, 204: true, 400: true, 403: true, 404: true, 409: true, 422: true,
		0: false, 302: false, 401: false, 407: false, 408: false, 429: false, 500: false, 503: false, -1: false} {
		if taken(status) != want {
			t.Errorf("%d", status)
		}
	}
}
