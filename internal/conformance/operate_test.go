//go:build fleet

package conformance

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// balancer passes TCP connections to the backends that are in.
type balancer struct {
	t    *testing.T
	l    net.Listener
	mu   sync.Mutex
	in   []string
	turn int
	wg   sync.WaitGroup
}

func newBalancer(t *testing.T, backends []string) *balancer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{t: t, l: l, in: slices.Clone(backends)}
	b.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.wg.Go(func() { b.pass(c) })
		}
	})
	t.Cleanup(func() { l.Close(); b.wg.Wait() })
	return b
}

func (b *balancer) pass(c net.Conn) {
	defer c.Close()
	b.mu.Lock()
	b.turn++
	to := b.in[b.turn%len(b.in)]
	b.mu.Unlock()
	d, err := net.Dial("tcp", to)
	if err != nil {
		return // the caller sees a broken connection
	}
	defer d.Close()
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(d, c); _ = d.(*net.TCPConn).CloseWrite(); done <- struct{}{} }()
	go func() { _, _ = io.Copy(c, d); _ = c.(*net.TCPConn).CloseWrite(); done <- struct{}{} }()
	<-done
	<-done
}

// out takes a backend out of service, as a readiness probe or an endpoint slice
// does; in puts it back.
func (b *balancer) out(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.in = slices.DeleteFunc(slices.Clone(b.in), func(a string) bool { return a == address })
}

func (b *balancer) back(address string) { b.mu.Lock(); b.in = append(b.in, address); b.mu.Unlock() }

// TestRollingRestart restarts three replicas one after the other under load, over
// gRPC and REST behind a TCP balancer: no call is lost.
func TestRollingRestart(t *testing.T) {
	f := newFleet(t, 3, 2_000_000_000, "")
	rest, grpcs := newBalancer(t, f.rest), newBalancer(t, f.grpc)
	conn, err := grpc.NewClient(grpcs.l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	var calls, lost atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	fail := func(what string, err any) {
		lost.Add(1)
		t.Errorf("%s: %v", what, err)
	}
	for range 10 {
		wg.Go(func() {
			builds := testflightv1.NewBuildsServiceClient(conn)
			md := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+f.tokens["person"])
			for ctx.Err() == nil {
				if calls.Add(1); ctx.Err() != nil {
					return
				}
				if _, err := builds.ListBuilds(md, &testflightv1.ListBuildsRequest{PageSize: 1}); err != nil {
					fail("gRPC", err)
				}
			}
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				calls.Add(1)
				r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+rest.l.Addr().String()+"/v1/apps?limit=1", nil)
				r.Header.Set("Authorization", "Bearer "+f.tokens["day-a"])
				res, err := client.Do(r)
				if err != nil {
					fail("REST", err)
					continue
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
					fail("REST", fmt.Sprint(res.Status, err))
				}
				_ = res.Body.Close()
			}
		})
	}
	for round := 0; round == 0 || calls.Load() < 10_000; round++ {
		for i := range 3 {
			rest.out(f.rest[i])
			grpcs.out(f.grpc[i])
			time.Sleep(300 * time.Millisecond) // preStop
			f.signal(i, syscall.SIGTERM)
			begun := time.Now()
			if err := f.procs[i].Wait(); err != nil {
				t.Errorf("replica %d: %v", i, err)
			}
			t.Logf("replica %d ended after %v", i, time.Since(begun).Round(time.Millisecond))
			f.start(i)
			rest.back(f.rest[i])
			grpcs.back(f.grpc[i])
			time.Sleep(500 * time.Millisecond)
		}
	}
	cancel()
	wg.Wait()
	t.Logf("%d of %d calls lost", lost.Load(), calls.Load())
}

// TestFlood asks ten times as much as the gateway lets in: those let in are
// answered nearly as fast as ever, and health is told.
func TestFlood(t *testing.T) {
	const room = 64
	f := newFleet(t, 1, 2_000_000_000, fmt.Sprintf("limits: {max_calls: %d}", room))
	f.sandbox.AddFault(sandbox.Fault{LatencyMS: 50})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	measure := func(workers int) (p99 time.Duration, served, shed int, health time.Duration) {
		var mu sync.Mutex
		var took []time.Duration
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					r, _ := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://%s/v1/builds?limit=1&filter[version]=%d", f.rest[0], i*100_000+n), nil)
					r.Header.Set("Authorization", "Bearer "+f.tokens["person"])
					r.Header.Set("Asc-Priority", "interactive")
					begun := time.Now()
					res, err := client.Do(r)
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
					mu.Lock()
					switch res.StatusCode {
					case 200:
						took = append(took, time.Since(begun))
					case 429:
						shed++
					default:
						t.Error(res.Status)
					}
					mu.Unlock()
					if res.StatusCode == 429 {
						time.Sleep(200 * time.Millisecond) // sooner than told
					}
				}
			})
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				begun := time.Now()
				res, err := client.Get("http://" + f.ops[0] + "/healthz")
				if err != nil || res.StatusCode != 200 {
					t.Error("health", err)
					return
				}
				_ = res.Body.Close()
				mu.Lock()
				health = max(health, time.Since(begun))
				mu.Unlock()
				time.Sleep(50 * time.Millisecond)
			}
		})
		wg.Wait()
		slices.Sort(took)
		return took[len(took)*99/100], len(took), shed, health
	}
	calm, served, shed, _ := measure(room)
	t.Logf("%d callers: p99 %v of %d calls, %d shed", room, calm, served, shed)
	flood, served, shed, health := measure(10 * room)
	t.Logf("%d callers: p99 %v of %d calls, %d shed, health within %v", 10*room, flood, served, shed, health)
	if flood > 2*calm {
		t.Errorf("p99 %v, %.1f times that without a flood", flood, float64(flood)/float64(calm))
	}
	if shed == 0 || health > time.Second {
		t.Errorf("%d shed, health within %v", shed, health)
	}
}
