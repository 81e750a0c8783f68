package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/memory"
	"github.com/asc-gateway/asc-gateway/internal/replay"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// thrifty is a gateway that keeps answers, replays creates and counts requests.
type thrifty struct {
	*world
	upstream *recorder
	apple    *httptest.Server // the passthrough
}

func newThrifty(t testing.TB, limit int, names ...string) *thrifty {
	t.Helper()
	s, err := sandbox.Open(sandbox.World{HourLimit: limit})
	if err != nil {
		t.Fatal(err)
	}
	var credentials []keys.Credential
	for _, name := range append(names, "KEY")[:max(len(names), 1)] {
		private, err := s.NewKey(name)
		if err != nil {
			t.Fatal(err)
		}
		credentials = append(
			credentials,
			keys.Credential{ID: name, Key: filekey.FromPrivate(name, private), Issuer: sandbox.DefaultIssuer},
		)
	}
	quiet := slog.New(slog.DiscardHandler)
	ring := keys.NewRing(map[string][]keys.Credential{"team": credentials}, time.Now, quiet, nil)
	ids := replay.New(replay.NewMemory(time.Now), quiet)
	m := quota.New(quota.Config{}, memory.New(quota.Rules{}, time.Now), quiet)
	x := &thrifty{upstream: &recorder{next: s}}
	x.world = serveWorld(
		t,
		s,
		httptest.NewServer(x.upstream),
		ring,
		Deps{Quota: m, CacheBytes: 1 << 20, Replays: ids, Passthrough: true},
	)
	x.apple = httptest.NewServer(x.gateway.Passthrough)
	t.Cleanup(func() { x.apple.Close(); ids.Close(); _ = m.Close() })
	return x
}

// keep makes all answers live a minute.
func (x *thrifty) keep() {
	all := map[string]time.Duration{}
	for _, m := range x.gateway.Engine.Methods() {
		all[m.FullName] = time.Minute
	}
	x.gateway.Engine.SetLifetimes(all)
}

// TestCacheModes follows an answer over gRPC, REST and the passthrough: kept,
// refreshed, and emptied by writes of each.
func TestCacheModes(t *testing.T) {
	x := newThrifty(t, 1000)
	x.keep()
	apps, groups := metadatav1.NewAppsServiceClient(x.conn), testflightv1.NewBetaGroupsServiceClient(x.conn)
	app := x.sandbox.IDs("apps")[0]
	listGroups := func(md ...string) (mode string, n int) {
		var header metadata.MD
		res, err := groups.ListBetaGroups(
			metadata.AppendToOutgoingContext(t.Context(), md...),
			&testflightv1.ListBetaGroupsRequest{PageSize: 200},
			grpc.Header(&header),
		)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(header.Get("asc-cache"), ","), len(res.GetBetaGroups())
	}
	want := func(step, mode, wantMode string, n, wantN int) {
		t.Helper()
		if mode != wantMode || n != wantN {
			t.Errorf("%s: %s with %d, want %s with %d", step, mode, n, wantMode, wantN)
		}
	}
	mode, n := listGroups()
	want("first", mode, "MISS", n, n)
	mode, again := listGroups()
	want("again", mode, "HIT", again, n)
	mode, again = listGroups("cache-control", "no-cache")
	want("no-cache", mode, "MISS", again, n)
	if _, err := apps.ListApps(t.Context(), &metadatav1.ListAppsRequest{}); err != nil {
		t.Fatal(err)
	}
	mode, again = listGroups()
	want("after another read", mode, "HIT", again, n)
	if _, err := groups.CreateBetaGroup(t.Context(), &testflightv1.CreateBetaGroupRequest{Name: new("One"), App: &typesv1.ToOne{Id: &app}}); err != nil {
		t.Fatal(err)
	}
	mode, again = listGroups()
	want("after a typed write", mode, "MISS", again, n+1)
	body := fmt.Sprintf(
		`{"data":{"type":"betaGroups","attributes":{"name":"Two"},"relationships":{"app":{"data":{"type":"apps","id":%q}}}}}`,
		app,
	)
	res, err := http.Post(x.apple.URL+"/v1/betaGroups", "application/json", strings.NewReader(body))
	if err != nil || res.StatusCode != http.StatusCreated {
		t.Fatal(res, err)
	}
	res.Body.Close()
	mode, again = listGroups()
	want("after a write through the passthrough", mode, "MISS", again, n+2)

	for i, wantMode := range []string{"MISS", "HIT"} {
		_, h, _ := x.do(t, "GET", "/v1/apps?limit=1", "")
		if h.Get("Asc-Cache") != wantMode {
			t.Errorf("REST %d: %v", i, h)
		}
		if i == 0 &&
			(h.Get("Asc-Quota-Limit") != "1000" || h.Get("Asc-Quota-Remaining") == "" || h.Get("Asc-Quota-Waited-Ms") != "0") {
			t.Errorf("the quota is not told: %v", h)
		}
	}
	for i, wantMode := range []string{"MISS", "HIT"} {
		res, err := http.Get(x.apple.URL + "/v1/betaGroups?limit=200")
		if err != nil {
			t.Fatal(err)
		}
		var doc struct{ Data []any }
		if err := json.NewDecoder(res.Body).Decode(&doc); err != nil || res.Header.Get("Asc-Cache") != wantMode ||
			len(doc.Data) != n+2 ||
			(res.Header.Get("X-Rate-Limit") == "") != (i == 1) {
			t.Errorf("passthrough %d: %v %v, %d groups", i, res.Header, err, len(doc.Data))
		}
		res.Body.Close()
	}
}

// TestDefaultLifetimes keeps what hardly ever changes, and no states.
func TestDefaultLifetimes(t *testing.T) {
	x := newThrifty(t, 1000)
	for path, want := range map[string]string{"/v1/territories": "HIT", "/v1/appCategories": "HIT", "/v1/apps/" + x.sandbox.IDs("apps")[0] + "/appPricePoints": "HIT",
		"/v1/apps/" + x.sandbox.IDs("apps")[0] + "/appPricePoints?include=app": "MISS", "/v1/builds": "MISS", "/v1/reviewSubmissions?filter[app]=" + x.sandbox.IDs("apps")[0]: "MISS"} {
		var got string
		for range 2 {
			status, h, body := x.do(t, "GET", path, "")
			if got = h.Get("Asc-Cache"); status != 200 {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestAThousandEqualReads are one request to Apple.
func TestAThousandEqualReads(t *testing.T) {
	x := newThrifty(t, 1000)
	hold := make(chan struct{})
	next := x.upstream.next
	x.upstream.next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-hold; next.ServeHTTP(w, r) })
	var wg sync.WaitGroup
	var mu sync.Mutex
	modes := map[string]int{}
	var conns []*grpc.ClientConn // one carries a hundred calls at once
	for range 1000 / 50 {
		conn, err := grpc.NewClient(x.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	for i := range 1000 {
		wg.Go(func() {
			var header metadata.MD
			_, err := testflightv1.NewBuildsServiceClient(conns[i%len(conns)]).
				ListBuilds(t.Context(), &testflightv1.ListBuildsRequest{PageSize: 5}, grpc.Header(&header))
			mu.Lock()
			defer mu.Unlock()
			modes[strings.Join(header.Get("asc-cache"), ",")]++
			if err != nil {
				t.Error(err)
			}
		})
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if x.upstream.count() == 1 {
			break
		}
	}
	time.Sleep(500 * time.Millisecond) // let all of them arrive
	close(hold)
	wg.Wait()
	if x.upstream.count() != 1 || modes["MISS"] != 1 || modes["COALESCED"] != 999 {
		t.Errorf("%d requests, %v", x.upstream.count(), modes)
	}
}

// TestAHitNeverSkipsThePolicy.
func TestAHitNeverSkipsThePolicy(t *testing.T) {
	v := newVault(t)
	all := map[string]time.Duration{}
	for _, m := range v.gateway.Engine.Methods() {
		all[m.FullName] = time.Minute
	}
	v.gateway.Engine.SetLifetimes(all)
	apps := metadatav1.NewAppsServiceClient(v.conn)
	other := v.sandbox.IDs("apps")[1]
	if _, err := apps.GetApp(v.ctx(t, "admin"), &metadatav1.GetAppRequest{Id: other}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kept", "stranger"} {
		if _, err := apps.GetApp(v.ctx(t, name), &metadatav1.GetAppRequest{Id: other}); status.Code(
			err,
		) != codes.PermissionDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
	full, err := apps.ListApps(v.ctx(t, "admin"), &metadatav1.ListAppsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := apps.ListApps(v.ctx(t, "kept"), &metadatav1.ListAppsRequest{})
	if err != nil || len(full.GetApps()) < 2 || len(kept.GetApps()) != 1 {
		t.Errorf(
			"%d apps for the administrator, %d for who is kept to one: %v",
			len(full.GetApps()),
			len(kept.GetApps()),
			err,
		)
	}
}

// TestRequestID carries a create out once, over gRPC and REST.
func TestRequestID(t *testing.T) {
	x := newThrifty(t, 1000)
	app := x.sandbox.IDs("apps")[0]
	before := len(x.sandbox.IDs("betaGroups"))
	groups := testflightv1.NewBetaGroupsServiceClient(x.conn)
	create := func(name string) (*testflightv1.CreateBetaGroupResponse, metadata.MD, error) {
		var h metadata.MD
		res, err := groups.CreateBetaGroup(
			t.Context(),
			&testflightv1.CreateBetaGroupRequest{
				Name:      &name,
				App:       &typesv1.ToOne{Id: &app},
				RequestId: "f47ac10b-58cc-4372-a567-0e02b2c3d479",
			},
			grpc.Header(&h),
		)
		return res, h, err
	}
	first, _, err := create("Nightly")
	if err != nil {
		t.Fatal(err)
	}
	second, h, err := create("Nightly")
	if err != nil || second.GetBetaGroup().GetId() != first.GetBetaGroup().GetId() ||
		strings.Join(h.Get("asc-cache"), "") != "REPLAYED" {
		t.Errorf("%v %v %v", second, h, err)
	}
	if _, _, err := create("Another"); status.Code(err) != codes.InvalidArgument ||
		!strings.Contains(fmt.Sprint(status.Convert(err).Details()), replay.ReasonReused) {
		t.Errorf("got %v", err)
	}
	body := fmt.Sprintf(`{"name": "Weekly", "app": {"id": %q}, "requestId": "42"}`, app)
	one, _, first1 := x.do(t, "POST", "/v1/betaGroups", body)
	two, _, second1 := x.do(t, "POST", "/v1/betaGroups", body)
	if one != 201 || two != 201 || idOf(first1) != idOf(second1) || idOf(first1) == "" {
		t.Errorf("%d %s, %d %s", one, first1, two, second1)
	}
	if n := len(x.sandbox.IDs("betaGroups")); n != before+2 {
		t.Errorf("%d groups were made", n-before)
	}
	// Apple says no: nothing was made, and the same id may be tried again.
	x.sandbox.AddFault(sandbox.Fault{Path: "/v1/betaGroups", Status: 409, Count: 1})
	other := strings.ReplaceAll(strings.ReplaceAll(body, `"42"`, `"43"`), "Weekly", "Monthly")
	if status, _, b := x.do(t, "POST", "/v1/betaGroups", other); status != 409 {
		t.Errorf("%d %s", status, b)
	}
	if status, _, b := x.do(t, "POST", "/v1/betaGroups", other); status != 201 {
		t.Errorf("%d %s", status, b)
	}
	// Apple says nothing: nobody tries again.
	x.sandbox.AddFault(sandbox.Fault{Path: "/v1/betaGroups", Status: 500, Count: 1})
	lost := strings.ReplaceAll(other, `"43"`, `"44"`)
	for range 2 {
		if status, _, b := x.do(t, "POST", "/v1/betaGroups", lost); status != 504 ||
			!strings.Contains(string(b), fault.ReasonOutcomeUnknown) {
			t.Errorf("%d %s", status, b)
		}
	}
}

func idOf(body []byte) string {
	var doc struct{ BetaGroup struct{ ID string } }
	_ = json.Unmarshal(body, &doc)
	return doc.BetaGroup.ID
}

// TestValidateOnlyIsFree checks a write fully, and sends nothing.
func TestValidateOnlyIsFree(t *testing.T) {
	x := newThrifty(t, 1000)
	for body, want := range map[string]int{`{"name": "A", "app": {"id": "1"}, "validateOnly": true}`: 201, `{"name": "A", "app": {"id": "a/b"}, "validateOnly": true}`: 400} {
		if status, _, b := x.do(t, "POST", "/v1/betaGroups", body); status != want {
			t.Errorf("%s: %d %s", body, status, b)
		}
	}
	if x.upstream.count() != 0 {
		t.Errorf("%d requests", x.upstream.count())
	}
}

// TestAPoolOfKeys uses the hours of all of a team's keys.
func TestAPoolOfKeys(t *testing.T) {
	x := newThrifty(t, 30, "A", "B", "C")
	for i := range 90 {
		ctx, cancel := context.WithTimeout(
			metadata.AppendToOutgoingContext(t.Context(), "asc-priority", "interactive"),
			5*time.Second,
		)
		_, err := testflightv1.NewBuildsServiceClient(x.conn).ListBuilds(ctx, &testflightv1.ListBuildsRequest{})
		if cancel(); err != nil {
			t.Fatalf("call %d of 90: %v", i, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := testflightv1.NewBuildsServiceClient(x.conn).ListBuilds(ctx, &testflightv1.ListBuildsRequest{}); status.Code(
		err,
	) != codes.ResourceExhausted {
		t.Errorf("got %v", err)
	}
	if x.upstream.count() != 90 {
		t.Errorf("%d requests", x.upstream.count())
	}
}

// TestA429IsReplayedOnce at the head of the queue, with another key if there is
// one.
func TestA429IsReplayedOnce(t *testing.T) {
	x := newThrifty(t, 1000, "A", "B")
	x.sandbox.AddFault(sandbox.Fault{Path: "/v1/builds", Status: 429, RetryAfter: "60", Count: 1})
	begun := time.Now()
	if status, _, b := x.do(t, "GET", "/v1/builds", ""); status != 200 || time.Since(begun) > 10*time.Second {
		t.Errorf("%d %s after %v", status, b, time.Since(begun))
	}
	x.sandbox.AddFault(sandbox.Fault{Path: "/v1/apps", Status: 429, RetryAfter: "0", Count: 2})
	n := x.upstream.count()
	if status, _, b := x.do(t, "GET", "/v1/apps", ""); status != 429 || x.upstream.count() != n+2 {
		t.Errorf("%d %s after %d requests", status, b, x.upstream.count()-n)
	}
}

// TestWatchQuotaOverREST reads lines of JSON.
func TestWatchQuotaOverREST(t *testing.T) {
	x := newThrifty(t, 1000)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", x.rest+"/ascgateway/v1/quota/watch?interval=1s", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := x.http.Do(r)
	if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatal(res, err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for i, want := range []string{`{}`, `"keyId":"KEY"`} {
		if i == 1 {
			x.do(t, "GET", "/v1/builds", "")
		}
		if !lines.Scan() ||
			!strings.Contains(strings.ReplaceAll(lines.Text(), " ", ""), want) &&
				!strings.Contains(lines.Text(), "replicas") {
			t.Errorf("line %d: %q %v", i, lines.Text(), lines.Err())
		}
		if i == 1 && !strings.Contains(strings.ReplaceAll(lines.Text(), " ", ""), want) {
			t.Errorf("line %d: %q", i, lines.Text())
		}
	}
	if status, _, b := x.do(t, "GET", "/ascgateway/v1/quota/watch?interval=0.1s", ""); status != 400 {
		t.Errorf("%d %s", status, b)
	}
}
