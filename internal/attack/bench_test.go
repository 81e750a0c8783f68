package attack

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	_ "github.com/asc-gateway/asc-gateway/internal/command" // what is built: a change of it runs the attacks anew
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// attackTime is how long an attack lasts.
func attackTime() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("ATTACK_TIME")); err == nil {
		return d
	}
	return 2 * time.Second
}

// long says whether times are held to their bounds too: a machine that runs other
// tests beside tells nothing of them.
func long() bool { return os.Getenv("ATTACK_TIME") != "" }

var program string // the gateway's

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "attack")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "gateway")
	args := []string{"build", "-o", program}
	if os.Getenv("ATTACK_RACE") != "" { // slower, and larger: for the attacks that measure no memory
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "../../cmd/gateway")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// target is a gateway in a process of its own, before a sandbox.
type target struct {
	rest, grpc, ops, apple string // addresses
	dir                    string
	apps                   []string
	token                  map[string]string // by caller
	sandbox                *sandbox.Sandbox
	process                *exec.Cmd
	log                    *lockedBuffer
	ended                  chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const policyText = `version: 1
rules:
  - {name: all, principals: ["token:known", "token:greedy", "token:other"], methods: [read, write, "ascgateway.quota.v1.*/*", "ascgateway.catalog.v1.*/*"], teams: [main], apps: all}
  - {name: kept, principals: ["token:kept"], methods: [read, "ascgateway.quota.v1.*/*"], teams: [main], apps: ["%s"]}
`

// start runs a gateway. more is added to its configuration.
func start(t *testing.T, more string) *target {
	t.Helper()
	return startWith(t, more, func(next http.Handler) http.Handler { return next })
}

// startWith runs a gateway with something between it and the sandbox.
func startWith(t *testing.T, more string, before func(http.Handler) http.Handler) *target {
	t.Helper()
	s, err := sandbox.Open(sandbox.World{HourLimit: 10_000_000})
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(before(s))
	t.Cleanup(upstream.Close)
	return startBefore(t, s, upstream.URL, more)
}

// startBefore runs a gateway before an Apple at a URL.
func startBefore(t *testing.T, s *sandbox.Sandbox, url, more string) *target {
	t.Helper()
	x := &target{dir: t.TempDir(), token: map[string]string{}, sandbox: s, apps: s.IDs("apps"), log: &lockedBuffer{}, ended: make(chan struct{})}
	private, err := s.NewKey("KEY1234567")
	if err != nil {
		t.Fatal(err)
	}
	x.write(t, "key.p8", pkcs8(t, private))
	x.write(t, "policy.yaml", fmt.Sprintf(policyText, x.apps[0]))
	var tokens strings.Builder
	for _, name := range []string{"known", "greedy", "other", "kept"} {
		token, sum := authn.NewToken()
		x.token[name] = token
		fmt.Fprintf(&tokens, "    - {name: %s, sha256: %s}\n", name, sum)
	}
	x.rest, x.grpc, x.ops, x.apple = free(t), free(t), free(t), free(t)
	if !strings.Contains(more, "quota:") {
		more += "\nquota: {hour_limit: 10000000}"
	}
	x.write(t, "gateway.yaml", fmt.Sprintf(`upstream: {base_url: %q}
listen: {rest: %q, grpc: %q, ops: %q}
passthrough: {listen: %q}
teams: [{name: main, keys: [{id: KEY1234567, issuer_id: %s, uri: "file:key.p8"}]}]
authn:
  tokens:
%spolicy: {file: policy.yaml}
audit: {path: audit.log}
secrets: {file: secrets}
%s`, url, x.rest, x.grpc, x.ops, x.apple, sandbox.DefaultIssuer, tokens.String(), more))
	x.run(t)
	x.wait(t)
	return x
}

func (x *target) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(x.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run starts the process.
func (x *target) run(t *testing.T) {
	t.Helper()
	x.process = exec.Command(program, "serve", "--config", filepath.Join(x.dir, "gateway.yaml"))
	x.process.Stdout, x.process.Stderr = x.log, x.log
	if err := x.process.Start(); err != nil {
		t.Fatal(err)
	}
	process, ended := x.process, x.ended
	go func() { _ = process.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = process.Process.Kill() // it may have ended
		<-ended
		if strings.Contains(x.log.String(), "DATA RACE") {
			t.Error("a data race")
		}
		if t.Failed() {
			text := x.log.String()
			t.Logf("the gateway's log ends:\n%s", text[max(0, len(text)-4000):])
		}
	})
}

// wait waits until the gateway is ready.
func (x *target) wait(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-x.ended:
			t.Fatalf("it ended:\n%s", x.log.String())
		default:
		}
		res, err := http.Get("http://" + x.ops + "/readyz")
		if err != nil {
			continue
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatalf("not ready:\n%s", x.log.String())
}

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// resident is the memory of the process, in bytes.
func (x *target) resident(t *testing.T) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", x.process.Process.Pid))
	if err != nil {
		t.Error(err)
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// call makes one call of a known caller and says how it went.
func (x *target) call(ctx context.Context, client *http.Client, who, path string) (status int, took time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+x.rest+path, nil)
	if err != nil {
		return 0, 0, err
	}
	r.Header.Set("Authorization", "Bearer "+x.token[who])
	begun := time.Now()
	res, err := client.Do(r)
	if err != nil {
		return 0, time.Since(begun), err
	}
	defer res.Body.Close()
	_, err = new(bytes.Buffer).ReadFrom(res.Body)
	return res.StatusCode, time.Since(begun), err
}

// observed is what a known caller saw during an attack.
type observed struct {
	calls, failed int
	p99           time.Duration
	grown         int64 // resident memory at its highest, over before
}

// observe makes calls of a known caller, steadily, while attack runs against
// another target, or the same.
func observe(t *testing.T, calls *target, attacked *target, attack func(context.Context)) observed {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	if status, _, err := calls.call(t.Context(), client, "known", "/v1/apps?limit=1"); err != nil || status != 200 {
		t.Fatalf("before the attack: %d, %v", status, err)
	}
	before := attacked.resident(t)
	ctx, cancel := context.WithTimeout(t.Context(), attackTime())
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var o observed
	var times []time.Duration
	for range 5 {
		wg.Go(func() {
			for tick := time.NewTicker(20 * time.Millisecond); ; {
				select {
				case <-ctx.Done():
					tick.Stop()
					return
				case <-tick.C:
				}
				status, took, err := calls.call(context.WithoutCancel(ctx), client, "known", "/v1/apps?limit=1")
				mu.Lock()
				o.calls++
				times = append(times, took)
				if err != nil || status != 200 {
					o.failed++
				}
				mu.Unlock()
			}
		})
	}
	wg.Go(func() {
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				o.grown = max(o.grown, attacked.resident(t)-before)
			}
		}
	})
	attack(ctx)
	wg.Wait()
	slices.Sort(times)
	o.p99 = times[len(times)*99/100]
	return o
}

// maxGrowth is how much memory a stranger may cost.
const maxGrowth = 64 << 20

// strangers runs an attack of 200 connections by callers that nobody knows, once
// against the gateway whose caller is watched, and once against another one on
// the same machine.
func strangers(t *testing.T, attack func(ctx context.Context, x *target, i int)) {
	t.Helper()
	x, other := start(t, ""), start(t, "")
	storm := func(at *target) func(context.Context) {
		return func(ctx context.Context) {
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() { attack(ctx, at, i) })
			}
			wg.Wait()
		}
	}
	control := observe(t, x, other, storm(other))
	o := observe(t, x, x, storm(x))
	lines := strings.Count(x.log.String(), "\n")
	t.Logf("%v of 200 connections: memory +%.1f MiB (bound 64), known caller: %d calls, %d failed, p99 %v, beside %v while another process is attacked (%.1f×, bound 2), %d lines of log",
		attackTime(), float64(o.grown)/(1<<20), o.calls, o.failed, o.p99.Round(time.Microsecond), control.p99.Round(time.Microsecond), float64(o.p99)/float64(control.p99), lines)
	if o.grown > maxGrowth || o.failed > 0 {
		t.Errorf("memory grew by %.1f MiB, %d of %d calls of a known caller failed", float64(o.grown)/(1<<20), o.failed, o.calls)
	}
	if long() && o.p99 > 2*control.p99+20*time.Millisecond {
		t.Errorf("p99 of a known caller %v, beside %v", o.p99, control.p99)
	}
	perSecond := 40 // of the strangers: a few kinds, one a second each; calls of the known caller are logged
	if most := o.calls + control.calls + perSecond*int(attackTime().Seconds()+1) + 100; lines > most {
		t.Errorf("%d lines of log, %d calls of the known caller", lines, o.calls+control.calls)
	}
}

// end sends SIGTERM, and returns the exit code and how long it took.
func (x *target) end(t *testing.T, within time.Duration) (code int, took time.Duration) {
	t.Helper()
	begun := time.Now()
	if err := x.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-x.ended:
	case <-time.After(within):
		t.Errorf("it has not ended within %v", within)
		return -1, time.Since(begun)
	}
	return x.process.ProcessState.ExitCode(), time.Since(begun)
}
