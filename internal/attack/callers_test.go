package attack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	quotav1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/quota/v1"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// as is a context of a caller's calls over gRPC.
func (x *target) as(ctx context.Context, who string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+x.token[who])
}

func (x *target) dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(x.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func reasonOf(err error) string {
	for _, d := range status.Convert(err).Details() {
		if i, ok := d.(*errdetails.ErrorInfo); ok {
			return i.GetReason()
		}
	}
	return ""
}

// others makes calls of another caller and says how many failed.
func others(t *testing.T, x *target) (calls, failed int) {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for range 20 {
		calls++
		if code, _, err := x.call(t.Context(), client, "other", "/v1/apps?limit=1"); err != nil || code != 200 {
			failed++
		}
	}
	return calls, failed
}

// TestUnfinishedBodies holds that one caller's requests that never end cost
// nobody else a call.
func TestUnfinishedBodies(t *testing.T) {
	x := start(t, "limits: {max_calls: 50, max_bodies: 50, max_watches: 50}")
	var open []io.Closer
	for i := range 200 {
		c, err := net.Dial("tcp", []string{x.rest, x.apple}[i%2])
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		fmt.Fprintf(c, "POST /v1/betaGroups HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", x.token["greedy"])
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 2 { // and over gRPC: calls without a message
		c, err := dialH2(ctx, x.grpc)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c.Conn)
		for range 90 {
			if _, err := c.headers(aCreate, false, "authorization", "Bearer "+x.token["greedy"]); err != nil {
				t.Fatal(err)
			}
		}
	}
	calls, failed := others(t, x)
	t.Logf("200 bodies over HTTP and 180 calls over gRPC that never end, room for 50: %d calls of another caller, %d failed", calls, failed)
	if failed > 0 {
		t.Errorf("%d of %d calls failed", failed, calls)
	}
	for _, c := range open {
		_ = c.Close()
	}
}

// TestManyWatches holds that one caller's watches cost nobody else a watch or a
// call.
func TestManyWatches(t *testing.T) {
	x := start(t, "limits: {max_calls: 50, max_watches: 50}")
	refused := 0
	for range 4 {
		conn := x.dial(t)
		for range 50 {
			w, err := quotav1.NewQuotaServiceClient(conn).WatchQuota(x.as(t.Context(), "greedy"), &quotav1.WatchQuotaRequest{})
			if err != nil {
				t.Fatal(err)
			}
			go func() { // the first answer comes at once, or the refusal
				for {
					if _, err := w.Recv(); err != nil {
						return
					}
				}
			}()
			if h, err := w.Header(); err != nil || h == nil {
				refused++
			}
		}
	}
	if _, err := quotav1.NewQuotaServiceClient(x.dial(t)).WatchQuota(x.as(t.Context(), "other"), &quotav1.WatchQuotaRequest{}); err != nil {
		t.Error(err)
	}
	w, err := quotav1.NewQuotaServiceClient(x.dial(t)).WatchQuota(x.as(t.Context(), "other"), &quotav1.WatchQuotaRequest{})
	if err == nil {
		_, err = w.Recv()
	}
	calls, failed := others(t, x)
	t.Logf("200 watches of one caller, room for 50: %d of them refused; another caller's watch: %v, calls: %d, %d failed", refused, err, calls, failed)
	if err != nil || failed > 0 || refused < 150 {
		t.Errorf("refused %d, another's watch %v, %d of %d calls failed", refused, err, failed, calls)
	}
}

// TestElementBombs are requests of a known caller that are larger in memory than
// on the wire.
func TestElementBombs(t *testing.T) {
	x := start(t, "")
	json := []byte(`{"builds":{"ids":[` + strings.Repeat(`"",`, 300_000) + `""]}}`)
	wire := message(bytes.Repeat([]byte{0x12, 0x00}, 500_000), false)
	var answers sync.Map
	o := observe(t, x, x, func(ctx context.Context) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for ctx.Err() == nil {
					address := []string{x.rest, x.apple}[i%2]
					r, _ := http.NewRequestWithContext(ctx, "POST", "http://"+address+"/v1/betaGroups", bytes.NewReader(json))
					r.Header.Set("Authorization", "Bearer "+x.token["greedy"])
					r.Header.Set("Content-Type", "application/json")
					if res, err := http.DefaultClient.Do(r); err == nil {
						answers.Store(res.StatusCode, true)
						_, _ = io.Copy(io.Discard, res.Body)
						_ = res.Body.Close()
					}
				}
			})
			wg.Go(func() {
				again(ctx, x.grpc, func(c *h2) error {
					id, err := c.headers(aCreate, false, "authorization", "Bearer "+x.token["greedy"])
					if err != nil {
						return err
					}
					defer pause(ctx)
					return c.data(id, wire)
				})
			})
		}
		wg.Wait()
	})
	var codes []any
	answers.Range(func(k, _ any) bool { codes = append(codes, k); return true })
	t.Logf("1 MB of empty elements, again and again, 40 at once: memory +%.1f MiB (bound 128), answers %v, another caller: %d calls, %d failed, p99 %v",
		float64(o.grown)/(1<<20), codes, o.calls, o.failed, o.p99.Round(time.Millisecond))
	if o.grown > 2*maxGrowth || o.failed > 0 || len(codes) != 1 || codes[0] != 400 {
		t.Errorf("memory +%d MiB, %d failed, answers %v", o.grown>>20, o.failed, codes)
	}
}

// TestAFilterOf40000 is refused before anything is done for it, whether its
// caller waits or not.
func TestAFilterOf40000(t *testing.T) {
	x := start(t, "")
	ids := make([]string, 40_000)
	for i := range ids {
		ids[i] = fmt.Sprint("build-", i)
	}
	builds := testflightv1.NewBuildsServiceClient(x.dial(t))
	_, err := builds.ListBuilds(x.as(t.Context(), "greedy"), &testflightv1.ListBuildsRequest{Filter: &testflightv1.ListBuildsRequest_Filter{Id: ids}})
	before := x.cpu(t)
	for range 20 {
		ctx, cancel := context.WithTimeout(x.as(t.Context(), "greedy"), 150*time.Millisecond)
		_, _ = builds.ListBuilds(ctx, &testflightv1.ListBuildsRequest{Filter: &testflightv1.ListBuildsRequest_Filter{Id: ids}})
		cancel()
	}
	time.Sleep(time.Second) // what goes on after its callers have left
	used := x.cpu(t) - before
	t.Logf("a filter of 40,000 ids: %v; 20 of them whose callers leave: %v of processor time (bound 2 s)", status.Code(err), used)
	if status.Code(err) != codes.InvalidArgument || used > 2*time.Second {
		t.Errorf("%v, %v of processor time", err, used)
	}
	if code, took := x.end(t, 30*time.Second); code != 0 || took > 10*time.Second {
		t.Errorf("it ends with %d after %v", code, took)
	}
}

// cpu is the processor time that the process has used.
func (x *target) cpu(t *testing.T) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", x.process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	var user, system int64
	_, _ = fmt.Sscan(fields[11], &user)
	_, _ = fmt.Sscan(fields[12], &system)
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

// TestSlowReaders ask for much and read nothing: nobody else notices.
func TestSlowReaders(t *testing.T) {
	x := start(t, "limits: {max_calls: 50}")
	var open []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", x.rest)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.(*net.TCPConn).SetReadBuffer(1024)
		for range 50 { // pipelined
			fmt.Fprintf(c, "GET /v1/builds?limit=200 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", x.token["greedy"])
		}
		open = append(open, c)
	}
	o := observe(t, x, x, func(ctx context.Context) { <-ctx.Done() })
	t.Logf("5,000 answers that nobody reads: %d calls of another caller, %d failed, p99 %v, memory +%.1f MiB", o.calls, o.failed, o.p99.Round(time.Millisecond), float64(o.grown)/(1<<20))
	if o.failed > 0 || o.grown > 2*maxGrowth {
		t.Errorf("%d of %d calls failed, memory +%d MiB", o.failed, o.calls, o.grown>>20)
	}
	for _, c := range open {
		_ = c.Close()
	}
}

// TestItEndsWhateverIsOpen sends SIGTERM while watches, health watches and
// unfinished requests are open.
func TestItEndsWhateverIsOpen(t *testing.T) {
	x := start(t, "")
	conn := x.dial(t)
	for range 20 {
		if w, err := quotav1.NewQuotaServiceClient(conn).WatchQuota(x.as(t.Context(), "known"), &quotav1.WatchQuotaRequest{}); err != nil {
			t.Fatal(err)
		} else if _, err := w.Recv(); err != nil {
			t.Fatal(err)
		}
		if w, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		} else if _, err := w.Recv(); err != nil {
			t.Fatal(err)
		}
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+x.rest+"/ascgateway/v1/quota/watch", nil)
		r.Header.Set("Authorization", "Bearer "+x.token["known"])
		res, err := http.DefaultClient.Do(r)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
	}
	code, took := x.end(t, 40*time.Second)
	t.Logf("60 watches open: it ended with %d after %v (bound 10 s)", code, took.Round(time.Millisecond))
	if code != 0 || took > 10*time.Second {
		t.Errorf("code %d after %v", code, took)
	}
}

// TestItEndsThoughAppleHangs sends SIGTERM while calls wait for an Apple that
// never answers.
func TestItEndsThoughAppleHangs(t *testing.T) {
	hold := make(chan struct{})
	x := startWith(t, "", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/v1/builds") {
				<-hold
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	t.Cleanup(func() { close(hold) })
	for _, address := range []string{x.rest, x.apple} {
		go func() {
			r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+"/v1/builds", nil)
			r.Header.Set("Authorization", "Bearer "+x.token["known"])
			if res, err := http.DefaultClient.Do(r); err == nil {
				_ = res.Body.Close()
			}
		}()
	}
	go func() {
		_, _ = testflightv1.NewBuildsServiceClient(x.dial(t)).ListBuilds(x.as(t.Context(), "known"), &testflightv1.ListBuildsRequest{})
	}()
	time.Sleep(time.Second)
	code, took := x.end(t, 40*time.Second)
	t.Logf("calls hang at Apple: it ended with %d after %v (bound 30 s)", code, took.Round(time.Millisecond))
	if code != 0 || took > 30*time.Second {
		t.Errorf("code %d after %v", code, took)
	}
}

// TestStreamsEndWithTheirRight takes a token, and a right, away from callers
// whose streams are open.
func TestStreamsEndWithTheirRight(t *testing.T) {
	x := start(t, "")
	watch := func(who string) <-chan error {
		w, err := quotav1.NewQuotaServiceClient(x.dial(t)).WatchQuota(x.as(t.Context(), who), &quotav1.WatchQuotaRequest{})
		if err == nil {
			_, err = w.Recv()
		}
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			for {
				if _, err := w.Recv(); err != nil {
					ended <- err
					return
				}
			}
		}()
		return ended
	}
	gone, narrowed, stays := watch("other"), watch("greedy"), watch("known")
	edit := func(file string, change func(string) string) {
		name := filepath.Join(x.dir, file)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		x.write(t, file, change(string(b)))
	}
	edit("gateway.yaml", func(s string) string {
		var kept []string
		for line := range strings.Lines(s) {
			if !strings.Contains(line, "{name: other,") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	})
	edit("policy.yaml", func(s string) string { return strings.ReplaceAll(s, `"token:greedy", `, "") })
	begun := time.Now()
	if err := x.process.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		ended <-chan error
		want  codes.Code
	}{{"a token", gone, codes.Unauthenticated}, {"a right", narrowed, codes.PermissionDenied}} {
		select {
		case err := <-c.ended:
			t.Logf("%s was taken away: the stream ended after %v (bound 10 s) with %v", c.name, time.Since(begun).Round(time.Millisecond), status.Code(err))
			if status.Code(err) != c.want {
				t.Errorf("%s: %v", c.name, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the stream is still open after 10 s", c.name)
		}
	}
	select {
	case err := <-stays:
		t.Errorf("the stream of a caller who kept everything ended: %v", err)
	default:
	}
}

// TestPageTokensOfOthers are worth nothing, and survive a restart.
func TestPageTokensOfOthers(t *testing.T) {
	x := start(t, "")
	ask := func(who, token string) (*metadatav1.ListAppsResponse, error) {
		return metadatav1.NewAppsServiceClient(x.dial(t)).ListApps(x.as(t.Context(), who), &metadatav1.ListAppsRequest{PageSize: 1, PageToken: token})
	}
	first, err := ask("known", "")
	if err != nil || first.GetNextPageToken() == "" {
		t.Fatal(first, err)
	}
	token := first.GetNextPageToken()
	for name, c := range map[string]struct{ who, token string }{
		"another caller": {"other", token}, "changed": {"known", "A" + token[1:]}, "cut": {"known", token[:20]},
	} {
		if _, err := ask(c.who, c.token); reasonOf(err) != "INVALID_PAGE_TOKEN" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if code, _ := x.end(t, 30*time.Second); code != 0 {
		t.Fatal(code)
	}
	x.ended = make(chan struct{})
	x.run(t)
	x.wait(t)
	next, err := ask("known", token)
	if err != nil || next.GetApps()[0].GetId() == first.GetApps()[0].GetId() {
		t.Errorf("after a restart: %v, %v", next, err)
	}
}

// TestOnlyOwnWaits holds that a caller who is kept to apps is told of nobody
// else's waits.
func TestOnlyOwnWaits(t *testing.T) {
	x := start(t, "quota: {hour_limit: 100, max_wait: 1m}")
	x.sandbox.AddFault(sandbox.Fault{Header: "user-hour-lim:100;user-hour-rem:0;"}) // the hour is full
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { _, _, _ = x.call(ctx, http.DefaultClient, "greedy", fmt.Sprint("/v1/builds?limit=", i+1)) })
	}
	waits := func(who string) (own, other int) {
		q, err := quotav1.NewQuotaServiceClient(x.dial(t)).GetQuota(x.as(t.Context(), who), &quotav1.GetQuotaRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range q.GetLines() {
			if l.GetCaller() == "token:"+who {
				own++
			} else {
				other++
			}
		}
		for _, k := range q.GetKeys() {
			if who == "kept" && k.GetWaiting() > 0 {
				other++
			}
		}
		return own, other
	}
	_, seen := waits("known")
	for deadline := time.Now().Add(10 * time.Second); seen == 0 && time.Now().Before(deadline); _, seen = waits("known") {
		pause(ctx)
	}
	_, told := waits("kept")
	t.Logf("20 calls wait: another caller sees %d lines, one that is kept to apps %d", seen, told)
	if seen == 0 || told > 0 {
		t.Errorf("%d and %d", seen, told)
	}
	cancel()
	wg.Wait()
}
