//go:build fleet

package conformance

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"github.com/redis/go-redis/v9"
)

// The fleet: real processes, a real Redis, the sandbox's exact window; an hour of
// 3,600 goes by in 30 seconds.
const (
	fleetSize  = 4
	fleetScale = 120
	fleetHour  = time.Hour / fleetScale
	fleetLimit = 3600
)

// fleet is gateways before a counting proxy before the sandbox.
type fleet struct {
	t               *testing.T
	size            int
	dir             string
	redis           *redistest.Server
	db              *redis.Client
	rest, grpc, ops []string
	sandbox         *sandbox.Sandbox
	procs           []*exec.Cmd
	tokens          map[string]string
	http            *http.Client
	paused          sync.RWMutex

	mu      sync.Mutex
	taken   []time.Time // by Apple
	refused []time.Time // with 429
	served  map[string][]fleetCall
}

type fleetCall struct {
	at   time.Time
	took time.Duration
	code int
}

// apple counts what reaches the sandbox, and what it says.
func (f *fleet) apple(s *sandbox.Sandbox) *httptest.Server {
	behind := httptest.NewServer(s)
	f.t.Cleanup(behind.Close)
	target, _ := url.Parse(behind.URL)
	p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: &http.Transport{MaxIdleConnsPerHost: 100},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ModifyResponse: func(r *http.Response) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if r.StatusCode == http.StatusTooManyRequests {
				f.refused = append(f.refused, time.Now())
			} else {
				f.taken = append(f.taken, time.Now())
			}
			return nil
		}}
	front := httptest.NewServer(p)
	f.t.Cleanup(front.Close)
	return front
}

func newFleet(t *testing.T, size, limit int, settings string) *fleet {
	f := &fleet{t: t, size: size, dir: t.TempDir(), redis: redistest.Start(t), tokens: map[string]string{}, served: map[string][]fleetCall{},
		http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 200}}}
	t.Cleanup(f.http.CloseIdleConnections)
	f.db = redis.NewClient(&redis.Options{Addr: f.redis.Addr})
	t.Cleanup(func() { _ = f.db.Close() })
	s, err := sandbox.Open(sandbox.World{HourLimit: limit, TimeScale: fleetScale})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("FLEETKEY00")
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	f.write("key.p8", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	f.write("policy.yaml", `version: 1
rules:
  - {name: people, principals: ["token:person"], methods: [read], teams: [main], priority: interactive, apps: all}
  - {name: services, principals: ["token:day-*"], methods: [read], teams: [main], apps: all}
  - {name: nightly, principals: ["token:night"], methods: [read], teams: [main], priority: batch, apps: all}
`)
	f.sandbox = s
	upstream := f.apple(s)
	var callers []string
	for _, name := range []string{"person", "day-a", "day-b", "day-c", "night"} {
		token, sum := authn.NewToken()
		f.tokens[name] = token
		callers = append(callers, fmt.Sprintf("{name: %s, sha256: %s}", name, sum))
	}
	for i := range size {
		f.write(fmt.Sprintf("gateway%d.yaml", i), fmt.Sprintf(`
upstream: {base_url: %q}
listen: {rest: %q, grpc: %q, ops: %q}
teams: [{name: main, keys: [{id: FLEETKEY00, issuer_id: %s, uri: "file:key.p8"}]}]
authn: {tokens: [%s]}
policy: {file: policy.yaml}
quota: {time_scale: %d, max_wait: 50s, max_wait_batch: 50s, redis: {url: "redis://%s/0"}}
%s
`, upstream.URL, f.address(&f.rest), f.address(&f.grpc), f.address(&f.ops), sandbox.DefaultIssuer, strings.Join(callers, ", "), fleetScale, f.redis.Addr, settings))
	}
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(f.dir, "gateway"), "../../cmd/gateway")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	f.procs = make([]*exec.Cmd, size)
	for i := range size {
		f.start(i)
	}
	t.Cleanup(func() {
		for i := range f.procs {
			f.kill(i)
		}
	})
	return f
}

func (f *fleet) write(name, text string) {
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// address finds a free port.
func (f *fleet) address(keep *[]string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	defer l.Close()
	if keep != nil {
		*keep = append(*keep, l.Addr().String())
	}
	return l.Addr().String()
}

func (f *fleet) start(i int) {
	f.t.Helper()
	cmd := exec.Command(filepath.Join(f.dir, "gateway"), "serve", "--config", filepath.Join(f.dir, fmt.Sprintf("gateway%d.yaml", i)))
	log, err := os.Create(filepath.Join(f.dir, fmt.Sprintf("gateway%d.log", i)))
	if err != nil {
		f.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.procs[i] = cmd
	for range 200 {
		if c, err := net.Dial("tcp", f.rest[i]); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	b, _ := os.ReadFile(log.Name())
	f.t.Fatalf("gateway %d does not listen: %s", i, b)
}

func (f *fleet) kill(i int) {
	if p := f.procs[i]; p.ProcessState == nil {
		_ = p.Process.Signal(syscall.SIGCONT)
		_ = p.Process.Kill()
		_ = p.Wait() // it was killed
	}
}

func (f *fleet) signal(i int, s syscall.Signal) {
	if err := f.procs[i].Process.Signal(s); err != nil {
		f.t.Error(err)
	}
}

// call makes one call to a replica.
func (f *fleet) call(ctx context.Context, caller string, replica int) {
	r, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("http://%s/v1/builds?limit=1&filter[version]=%d", f.rest[replica], rand.N(1<<30)), nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	r.Header.Set("Authorization", "Bearer "+f.tokens[caller])
	r.Header.Set("Asc-Priority", map[bool]string{true: "interactive", false: "default"}[caller == "person"])
	begun := time.Now()
	res, err := f.http.Do(r)
	code := 0
	if err == nil {
		code = res.StatusCode
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	if ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	f.served[caller] = append(f.served[caller], fleetCall{time.Now(), time.Since(begun), code})
	f.mu.Unlock()
	if code != http.StatusOK { // do not spin
		time.Sleep(20 * time.Millisecond)
	}
}

// load saturates the fleet until the context ends.
func (f *fleet) load(ctx context.Context) *sync.WaitGroup {
	var wg sync.WaitGroup
	for i := range fleetSize {
		for _, caller := range []string{"day-a", "day-b", "day-c", "night"} {
			for range map[string]int{"day-a": 4, "day-b": 8, "day-c": 16, "night": 4}[caller] { // the greedy get no more
				wg.Go(func() {
					for ctx.Err() == nil {
						f.call(ctx, caller, i)
					}
				})
			}
		}
	}
	wg.Go(func() { // 0.3 a second of the hour's, in bursts of up to 10
		for ctx.Err() == nil {
			n := 1 + rand.IntN(10)
			for i := range n {
				wg.Go(func() { f.call(ctx, "person", i%fleetSize) })
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(rand.ExpFloat64() * float64(n) / 0.3 * float64(time.Second) / fleetScale)):
			}
		}
	})
	return &wg
}

// count is how many moments lie in a stretch of time.
func count(list []time.Time, from, to time.Time) (n int) {
	for _, t := range list {
		if !t.Before(from) && t.Before(to) {
			n++
		}
	}
	return n
}

// report tells of a stretch of time: requests used per hour, 429s, fairness, the
// waits of interactive calls in time of the hour, and calls that failed.
func (f *fleet) report(t *testing.T, name string, from, to time.Time) (used float64, refused, failed int, jain float64, p99 time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	hours := float64(to.Sub(from)) / float64(fleetHour)
	used, refused = float64(count(f.taken, from, to))/hours, count(f.refused, from, to)
	var shares []float64
	for _, c := range []string{"day-a", "day-b", "day-c"} {
		n := 0.0
		for _, x := range f.served[c] {
			if !x.at.Before(from) && x.at.Before(to) && x.code == 200 {
				n++
			}
		}
		shares = append(shares, n)
	}
	var sum, squares float64
	for _, s := range shares {
		sum += s
		squares += s * s
	}
	jain = sum * sum / (3 * squares)
	var waits []time.Duration
	for c, list := range f.served {
		for _, x := range list {
			if x.at.Before(from) || !x.at.Before(to) {
				continue
			}
			if x.code != 200 {
				failed++
			}
			if c == "person" {
				waits = append(waits, x.took*fleetScale)
			}
		}
	}
	slices.Sort(waits)
	if len(waits) > 0 {
		p99 = waits[len(waits)*99/100]
	}
	t.Logf("| %s | %.1f h | %.0f of %d an hour | %d | %.4f | %v | %d |", name, hours, used, fleetLimit, refused, jain, p99.Round(100*time.Millisecond), failed)
	return used, refused, failed, jain, p99
}

// TestFleet runs four gateways on one Redis through what can go wrong. Each step
// is a row of docs/quota.md.
func TestFleet(t *testing.T) {
	f := newFleet(t, fleetSize, fleetLimit, "")
	ctx, cancel := context.WithCancel(t.Context())
	done := f.load(ctx)
	defer func() { cancel(); done.Wait() }()
	t.Log("| | time | used | 429 | Jain | interactive p99 (time of the hour) | failed calls |")
	time.Sleep(fleetHour + fleetHour/3) // the first hour fills up
	step := func(name string, begin, end func(), during, after time.Duration, mostRefused int, leastUsed float64) {
		t.Run(name, func(t *testing.T) {
			from := time.Now()
			begin()
			time.Sleep(during)
			end()
			time.Sleep(after)
			used, refused, _, _, _ := f.report(t, name, from, time.Now())
			if refused > mostRefused {
				t.Errorf("Apple refused %d requests", refused)
			}
			if used < leastUsed {
				t.Errorf("only %.0f an hour were used", used)
			}
		})
	}
	nothing := func() {}
	t.Run("four replicas", func(t *testing.T) {
		from := time.Now()
		time.Sleep(3 * fleetHour)
		used, refused, failed, jain, p99 := f.report(t, "four replicas", from, time.Now())
		if used < 0.97*fleetLimit || refused > 0 || failed > 0 || jain < 0.98 {
			t.Errorf("used %.0f, refused %d, failed %d, Jain %.4f", used, refused, failed, jain)
		}
		if p99 > 20*time.Second { // a tenth of a second here is twelve of the hour's
			t.Errorf("interactive p99 %v", p99)
		}
	})
	step("kill -9 of a replica in the middle of its calls", func() { f.kill(3) }, func() { f.start(3) }, fleetHour/2, fleetHour/2, 1, 0.9*fleetLimit)
	step("SIGSTOP of a replica, SIGCONT", func() { f.signal(2, syscall.SIGSTOP) }, func() { f.signal(2, syscall.SIGCONT) }, fleetHour/4, fleetHour/2, 3, 0.9*fleetLimit)
	step("FLUSHALL", func() {
		if err := f.db.FlushAll(t.Context()).Err(); err != nil {
			t.Error(err)
		}
	}, nothing, 0, fleetHour, 4, 0.75*fleetLimit)
	step("CLIENT PAUSE", func() {
		if err := f.db.Do(t.Context(), "CLIENT", "PAUSE", "2000", "ALL").Err(); err != nil {
			t.Error(err)
		}
	}, nothing, 0, fleetHour, 8, 0.8*fleetLimit)
	step("Redis is killed, and comes back empty", f.redis.Kill, f.redis.Run, fleetHour/3, fleetHour, 16, 0.6*fleetLimit)
	step("afterwards", nothing, nothing, fleetHour, fleetHour, 2, 0.95*fleetLimit)
}
