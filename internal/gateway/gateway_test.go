package gateway

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	provisioningv1 "github.com/asc-gateway/asc-gateway/gen/asc/provisioning/v1"
	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	filesv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/asc-gateway/asc-gateway/internal/store"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	// net/http lingers for half a second over a body that it refused.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// world is a gateway before a sandbox, with real servers.
type world struct {
	sandbox *sandbox.Sandbox
	gateway *Gateway
	conn    *grpc.ClientConn
	grpc    string
	address string // of the sandbox
	rest    string
	ring    *keys.Ring
	http    *http.Client
}

// newWorld is before a sandbox that takes every write which the document allows.
func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOf(t, sandbox.World{NoRules: true})
}

func newWorldOf(t testing.TB, like sandbox.World) *world {
	t.Helper()
	return newWorldWith(t, like, Deps{})
}

func newWorldWith(t testing.TB, like sandbox.World, deps Deps) *world {
	t.Helper()
	s, err := sandbox.Open(like)
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewUnstartedServer(s)
	upstream.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	upstream.Start()
	return serveWorld(t, s, upstream, ringOf(private), deps)
}

// ringOf is a team with one key.
func ringOf(private *ecdsa.PrivateKey) *keys.Ring { return ringOfID("KEY", private) }

func ringOfID(kid string, private *ecdsa.PrivateKey) *keys.Ring {
	return keys.NewRing(
		map[string][]keys.Credential{
			"team": {{ID: kid, Key: filekey.FromPrivate(kid, private), Issuer: sandbox.DefaultIssuer}},
		},
		time.Now,
		slog.New(slog.DiscardHandler),
		nil,
	)
}

func serveWorld(t testing.TB, s *sandbox.Sandbox, upstream *httptest.Server, ring *keys.Ring, deps Deps) *world {
	t.Helper()
	deps.BaseURL, deps.Ring = upstream.URL, ring
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	g, err := New(deps)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Server.GRPC().Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	edge := httptest.NewServer(g.REST)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		conn.Close()
		g.Server.GRPC().Stop()
		<-served
		edge.Close()
		client.CloseIdleConnections()
		g.Close()
		ring.Close()
		upstream.Close()
	})
	return &world{s, g, conn, l.Addr().String(), upstream.URL, edge.URL, ring, client}
}

// do sends a raw request to the REST edge.
func (w *world) do(t testing.TB, method, path, body string, headers ...string) (int, http.Header, []byte) {
	t.Helper()
	r, err := http.NewRequest(method, w.rest+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, b
}

func TestOneResourceThroughEveryLayer(t *testing.T) {
	w := newWorld(t)
	bundles := provisioningv1.NewBundleIdsServiceClient(w.conn)
	made, err := create(t.Context(), bundles, "com.example.new")
	if err != nil {
		t.Fatal(err)
	}
	id := made.GetBundleId().GetId()
	status, _, body := w.do(t, "GET", "/v1/bundleIds/"+id+"?fields[bundleIds]=name", "")
	if status != 200 || !strings.Contains(string(body), `"name"`) || strings.Contains(string(body), "identifier") {
		t.Errorf("%d %s", status, body)
	}
	status, _, body = w.do(t, "PATCH", "/v1/bundleIds/"+id, `{"name":"Other"}`)
	if status != 200 || !strings.Contains(string(body), "Other") {
		t.Errorf("%d %s", status, body)
	}
	if _, err := bundles.DeleteBundleId(t.Context(), &provisioningv1.DeleteBundleIdRequest{Id: id}); err != nil {
		t.Error(err)
	}
	if _, err := bundles.GetBundleId(t.Context(), &provisioningv1.GetBundleIdRequest{Id: id}); codeOf(
		err,
	) != codes.NotFound {
		t.Errorf("got %v", err)
	}
}

func codeOf(err error) codes.Code { return status.Code(err) }

func TestBadInputOverREST(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"unknown parameter", "GET", "/v1/builds?filter[versoin]=1", "", 400, "did you mean filter[version]"},
		{"unknown include", "GET", "/v1/builds?include=ap", "", 400, "did you mean app"},
		{"unknown field", "GET", "/v1/builds?fields[builds]=versoin", "", 400, "did you mean version"},
		{"wrong enum", "GET", "/v1/builds?filter[processingState]=valid", "", 400, "no value of it; did you mean VALID"},
		{"parameter twice", "GET", "/v1/builds?limit=1&limit=2", "", 400, "twice"},
		{"limit that is no number", "GET", "/v1/builds?limit=many", "", 400, "number"},
		{"limit on a single resource", "GET", "/v1/builds/1?limit=3", "", 400, "no such parameter"},
		{"bad page token", "GET", "/v1/builds?cursor=%00nonsense", "", 400, "page_token"},
		{"dots in the path", "GET", "/v1/builds/%2E%2E", "", 400, "not clean"},
		{"slash in an id", "GET", "/v1/builds/a%2Fb", "", 400, "id"},
		{"double slash", "GET", "//v1/builds", "", 400, "not clean"},
		{"broken JSON", "POST", "/v1/bundleIds", `{"name":`, 400, "not valid JSON"},
		{"two JSON values", "POST", "/v1/bundleIds", `{} {}`, 400, "not valid JSON"},
		{"no object", "POST", "/v1/bundleIds", `[]`, 400, "object"},
		{"missing body", "POST", "/v1/bundleIds", "", 400, "body is required"},
		{"missing body of a replace", "PATCH", "/v1/appScreenshotSets/1/relationships/appScreenshots", "", 400, "body is required"},
		{"unknown key", "POST", "/v1/bundleIds", `{"nmae":"x"}`, 400, "nmae"},
		{"wrong enum in a body", "POST", "/v1/bundleIds", `{"name":"x","platform":"MACOS","identifier":"y"}`, 400, "platform"},
		{"required attribute", "POST", "/v1/bundleIds", `{"name":"x"}`, 400, "identifier"},
		{"empty id detaches nothing", "PATCH", "/v1/appStoreVersions/1/relationships/build", `{"build":{"id":""}}`, 400, "must not be empty"},
		{"oversize", "POST", "/v1/bundleIds", `{"name":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "larger"},
		{"extra that has a field", "POST", "/v1/bundleIds", `{"name":"x","platform":"IOS","identifier":"y","extra":{"seedId":"\"1\""}}`, 400, "field of its own"},
		{"no such path", "GET", "/v9/nothing", "", 404, "no such path"},
		{"wrong method", "PUT", "/v1/builds", "", 405, "GET"},
		{"not found", "GET", "/v1/builds/none", "", 404, "NOT_FOUND"},
		{"unknown team", "GET", "/v1/builds", "", 400, "no such team"},
	} {
		t.Run(c.name, func(t *testing.T) {
			headers := []string{}
			if c.name == "unknown team" {
				headers = []string{"Asc-Team", "nobody"}
			}
			status, _, body := w.do(t, c.method, c.path, c.body, headers...)
			if status != c.status || !strings.Contains(string(body), c.says) || !json.Valid(body) {
				t.Errorf("%d, want %d with %q: %.500s", status, c.status, c.says, body)
			}
		})
	}
	if status, h, _ := w.do(t, "HEAD", "/v1/builds", ""); status != 405 || h.Get("Allow") != "GET" {
		t.Errorf("HEAD: %d %v", status, h)
	}
}

func TestUpstreamFaultsAreTyped(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault sandbox.Fault
		write bool
		http  int
		code  codes.Code
	}{
		{"HTML 502 for ever", sandbox.Fault{Status: 502, HTML: true}, false, 502, codes.Unavailable},
		{"a flaky 500 is survived", sandbox.Fault{Status: 500, Count: 1}, false, 200, codes.OK},
		{"a lost write", sandbox.Fault{Lose: true, Method: "POST"}, true, 504, codes.Unknown},
		{"a 500 on a write", sandbox.Fault{Status: 500, Method: "POST"}, true, 504, codes.Unknown},
		{"refused credentials", sandbox.Fault{Status: 401}, false, 502, codes.FailedPrecondition},
		{"quota is gone", sandbox.Fault{Status: 429, RetryAfter: "100"}, false, 429, codes.ResourceExhausted},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.sandbox.AddFault(c.fault)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			body, method, path := "", "GET", "/v1/bundleIds"
			if c.write {
				method, body = "POST", `{"name":"x","platform":"IOS","identifier":"com.new"}`
			}
			status, h, answer := w.do(t, method, path, body, "Grpc-Timeout", "20S")
			if status != c.http || status == 429 && h.Get("Retry-After") != "100" {
				t.Errorf("REST: %d %v %.300s", status, h, answer)
			}
			if c.fault.Count > 0 {
				return
			}
			bundles := provisioningv1.NewBundleIdsServiceClient(w.conn)
			var err error
			if c.write {
				_, err = create(ctx, bundles, "com.example.created")
			} else {
				_, err = bundles.ListBundleIds(ctx, &provisioningv1.ListBundleIdsRequest{})
			}
			if codeOf(err) != c.code {
				t.Errorf("gRPC: %v", err)
			}
			if codeOf(err) == codes.Unauthenticated {
				t.Error("the gateway's credentials are not the caller's fault")
			}
		})
	}
}

func TestNewThingsFromAppleAreKept(t *testing.T) {
	w := newWorld(t)
	w.sandbox.AddFault(sandbox.Fault{Unknown: true})
	res, err := testflightv1.NewBuildsServiceClient(w.conn).
		ListBuilds(t.Context(), &testflightv1.ListBuildsRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	extra := res.GetBuilds()[0].GetExtra()
	if extra["sandboxNovelty"] != "9007199254740993" || extra["processingState"] != `"SANDBOX_NOVELTY"` ||
		res.GetExtra()["included.sandboxNovelties"] == "" ||
		w.gateway.Drifted() == 0 {
		t.Errorf("%v %v", extra, res.GetExtra())
	}
}

func TestPaging(t *testing.T) {
	w := newWorld(t)
	bundles := provisioningv1.NewBundleIdsServiceClient(w.conn)
	for i := range 7 {
		if _, err := create(t.Context(), bundles, fmt.Sprintf("com.example.page%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	seen, token, pages := map[string]bool{}, "", 0
	for {
		res, err := bundles.ListBundleIds(
			t.Context(),
			&provisioningv1.ListBundleIdsRequest{PageSize: 3, PageToken: token, Sort: []string{"-name"}},
		)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, b := range res.GetBundleIds() {
			if seen[b.GetId()] {
				t.Errorf("%s stands on two pages", b.GetId())
			}
			seen[b.GetId()] = true
		}
		if token = res.GetNextPageToken(); token == "" {
			break
		}
		if _, err := bundles.ListBundleIds(t.Context(), &provisioningv1.ListBundleIdsRequest{PageToken: token}); codeOf(
			err,
		) != codes.InvalidArgument {
			t.Errorf("a token of another request: %v", err)
		}
	}
	if len(seen) != 10 || pages != 4 {
		t.Errorf("%d resources on %d pages", len(seen), pages)
	}
	res, err := bundles.ListBundleIds(t.Context(), &provisioningv1.ListBundleIdsRequest{PageSize: 1000})
	if err != nil || len(res.GetBundleIds()) != 10 || res.GetTotalSize() != 10 || res.GetNextPageToken() != "" {
		t.Errorf(
			"above the limit: %d of %d, next %q, %v",
			len(res.GetBundleIds()),
			res.GetTotalSize(),
			res.GetNextPageToken(),
			err,
		)
	}
}

func TestALongFilterIsSplitAndMerged(t *testing.T) {
	w := newWorld(t)
	ids := []string{}
	for i := range asc.MaxFilterValues - 2 {
		ids = append(ids, fmt.Sprintf("00000000-0000-0000-0000-%012d", i))
	}
	real := w.sandbox.IDs("builds")
	ids = slices.Concat(ids[:100], real[:1], ids[100:], real[1:2], ids) // doubles do not count
	res, err := testflightv1.NewBuildsServiceClient(w.conn).
		ListBuilds(t.Context(), &testflightv1.ListBuildsRequest{Filter: &testflightv1.ListBuildsRequest_Filter{Id: ids}, PageSize: 200})
	if err != nil || len(res.GetBuilds()) != 2 {
		t.Errorf("%d builds, %v", len(res.GetBuilds()), err)
	}
	one := strings.Repeat("x", 1000)
	_, err = testflightv1.NewBuildsServiceClient(w.conn).
		ListBuilds(t.Context(), &testflightv1.ListBuildsRequest{Filter: &testflightv1.ListBuildsRequest_Filter{
			Id: []string{
				one + "x",
			}, Version: []string{one}, App: []string{one}, BetaGroups: []string{one}, AppStoreVersion: []string{one}, PreReleaseVersion: []string{one}}})
	if codeOf(err) != codes.InvalidArgument {
		t.Errorf("a filter that cannot be split: %v", err)
	}
}

func TestWritesHaveThreeStates(t *testing.T) {
	w := newWorld(t)
	version := w.sandbox.IDs("appStoreVersions")[0]
	linked := func() string {
		_, _, body := w.do(t, "GET", "/v1/appStoreVersions/"+version+"/relationships/build", "")
		return string(body)
	}
	if linked() == "{}" {
		t.Fatal("the seed has no build")
	}
	if status, _, body := w.do(t, "PATCH", "/v1/appStoreVersions/"+version, `{"copyright":"(c)"}`); status != 200 ||
		linked() == "{}" {
		t.Errorf("absent must leave alone: %d %s", status, body)
	}
	if status, _, body := w.do(t, "PATCH", "/v1/appStoreVersions/"+version, `{"copyright":null}`); status != 200 ||
		strings.Contains(string(body), "copyright\"") {
		t.Errorf("null must clear: %d %s", status, body)
	}
	if status, _, body := w.do(t, "PATCH", "/v1/appStoreVersions/"+version+"/relationships/build", `{"build":null}`); status != 204 ||
		len(body) != 0 ||
		linked() != "{}" {
		t.Errorf("null must detach: %d %s, now %s", status, body, linked())
	}
	_, err := metadatav1.NewAppStoreVersionsServiceClient(w.conn).
		SetAppStoreVersionBuild(t.Context(), &metadatav1.SetAppStoreVersionBuildRequest{Id: version})
	if codeOf(err) != codes.InvalidArgument {
		t.Errorf("an unset relationship must not detach: %v", err)
	}
}

func TestReports(t *testing.T) {
	w := newWorld(t)
	path := "/v1/salesReports?filter[frequency]=DAILY&filter[reportSubType]=SUMMARY&filter[reportType]=SALES&filter[vendorNumber]=1"
	status, h, file := w.do(t, "GET", path, "")
	if status != 200 || h.Get("Content-Type") != "application/a-gzip" || !bytes.HasPrefix(file, []byte{0x1f, 0x8b}) ||
		!strings.Contains(h.Get("Content-Disposition"), ".gz") {
		t.Errorf("%d %v", status, h)
	}
	stream, err := reportingv1.NewSalesReportsServiceClient(w.conn).
		ListSalesReports(t.Context(), &reportingv1.ListSalesReportsRequest{Filter: &reportingv1.ListSalesReportsRequest_Filter{
			VendorNumber: []string{
				"1",
			}, Frequency: []enumsv1.SalesReportFrequencyEnum_SalesReportFrequency{enumsv1.SalesReportFrequencyEnum_DAILY},
			ReportType: []enumsv1.SalesReportReportTypeEnum_SalesReportReportType{
				enumsv1.SalesReportReportTypeEnum_SALES,
			}, ReportSubType: []enumsv1.SalesReportReportSubTypeEnum_SalesReportReportSubType{enumsv1.SalesReportReportSubTypeEnum_SUMMARY}}})
	if err != nil {
		t.Fatal(err)
	}
	part, err := stream.Recv()
	if err != nil || part.GetInfo().GetContentType() != "application/a-gzip" {
		t.Fatalf("%v %v", part, err)
	}
	if part, err = stream.Recv(); err != nil || !bytes.Equal(part.GetData(), file) {
		t.Errorf("the file differs from that of REST: %v", err)
	}
	if _, err = stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	status, h, csv := w.do(t, "GET", "/v1/apps/"+w.sandbox.IDs("apps")[0]+"/appPricePoints", "", "Accept", "text/csv")
	if status != 200 || h.Get("Content-Type") != "text/csv" || !strings.HasPrefix(string(csv), "id,") {
		t.Errorf("csv: %d %v %s", status, h, csv)
	}
	segment := "/ascgateway/v1/analyticsReportSegments/" + w.sandbox.IDs("analyticsReportSegments")[0] + "/download"
	if status, h, body := w.do(t, "GET", segment, ""); status != 200 || h.Get("Content-Type") != "application/gzip" ||
		!bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		t.Errorf("segment: %d %v %s", status, h, body)
	}
	download, err := filesv1.NewFileServiceClient(w.conn).
		DownloadAnalyticsReportSegment(t.Context(), &filesv1.DownloadAnalyticsReportSegmentRequest{Id: w.sandbox.IDs("analyticsReportSegments")[0]})
	if err != nil {
		t.Fatal(err)
	}
	if part, err := download.Recv(); err != nil || part.GetInfo().GetContentType() != "application/gzip" {
		t.Errorf("segment: %v %v", part, err)
	}
	future := path + "&filter[reportDate]=" + time.Now().AddDate(0, 0, 3).Format("2006-01-02")
	if status, _, body := w.do(t, "GET", future, ""); status != 404 || !json.Valid(body) {
		t.Errorf("no data yet: %d %s", status, body)
	}
}

func TestDeadlinesAndCancellation(t *testing.T) {
	w := newWorld(t)
	w.sandbox.AddFault(sandbox.Fault{LatencyMS: 60_000})
	apps := metadatav1.NewAppsServiceClient(w.conn)
	for left, want := range map[time.Duration]codes.Code{300 * time.Millisecond: codes.DeadlineExceeded, 60 * time.Millisecond: codes.DeadlineExceeded} {
		ctx, cancel := context.WithTimeout(t.Context(), left)
		_, err := apps.ListApps(ctx, &metadatav1.ListAppsRequest{})
		if codeOf(err) != want {
			t.Errorf("%v left: %v", left, err)
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := apps.ListApps(ctx, &metadatav1.ListAppsRequest{}); codeOf(err) != codes.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

func TestStatusDetails(t *testing.T) {
	w := newWorldOf(t, sandbox.World{})
	bundles := provisioningv1.NewBundleIdsServiceClient(w.conn)
	_, err := create(t.Context(), bundles, "com.example.trailmix")
	s := status.Convert(err)
	var info *errdetails.ErrorInfo
	var bad *errdetails.BadRequest
	for _, d := range s.Details() {
		switch x := d.(type) {
		case *errdetails.ErrorInfo:
			if info == nil {
				info = x
			}
		case *errdetails.BadRequest:
			bad = x
		}
	}
	if s.Code() != codes.AlreadyExists || info.GetReason() != "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE" ||
		info.GetDomain() != "appstoreconnect.apple.com" ||
		bad.GetFieldViolations()[0].GetField() != "identifier" {
		t.Errorf("%v", s.Proto())
	}
	if n := proto.Size(s.Proto()); n > 5<<10 {
		t.Errorf("%d bytes of status", n)
	}
}

func TestNothingIsSentForAWrongRequest(t *testing.T) {
	w := newWorld(t)
	before := w.calls(t)
	bundles := provisioningv1.NewBundleIdsServiceClient(w.conn)
	for _, req := range []*provisioningv1.GetBundleIdRequest{{}, {Id: ".."}, {Id: "a/b"}, {Id: "x", Include: []string{"nothing"}}, {Id: "x", ExtraQuery: map[string]string{"include": "app"}}} {
		if _, err := bundles.GetBundleId(t.Context(), req); codeOf(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", req, err)
		}
	}
	if _, err := bundles.UpdateBundleId(t.Context(), &provisioningv1.UpdateBundleIdRequest{Id: "x", ValidateOnly: true, Name: proto.String("n")}); err != nil {
		t.Errorf("validate_only: %v", err)
	}
	if after := w.calls(t); after != before {
		t.Errorf("%d requests were sent", after-before)
	}
}

// calls is how many operations the sandbox has carried out.
func (w *world) calls(t *testing.T) (n int) {
	t.Helper()
	rec := httptest.NewRecorder()
	w.sandbox.ServeHTTP(rec, httptest.NewRequest("GET", "/_sandbox/state", nil))
	var state struct{ Calls map[string]int }
	if err := json.Unmarshal(rec.Body.Bytes(), &state); err != nil {
		t.Fatal(err)
	}
	for _, c := range state.Calls {
		n += c
	}
	return n
}

func TestCatalog(t *testing.T) {
	w := newWorld(t)
	catalog := catalogv1.NewCatalogServiceClient(w.conn)
	all, err := catalog.ListResources(t.Context(), &catalogv1.ListResourcesRequest{})
	if err != nil || len(all.GetResources()) == 0 {
		t.Errorf("%d resources, %v", len(all.GetResources()), err)
	}
	one, err := catalog.GetResource(t.Context(), &catalogv1.GetResourceRequest{Name: "bundleIds"})
	if err != nil || one.GetResource().GetSchema() != "BundleId" || len(one.GetOperations()) < 5 {
		t.Errorf("%v %v", one.GetResource(), err)
	}
	status, _, body := w.do(t, "GET", "/ascgateway/v1/catalog/operations?query=beta+groups&area=testflight", "")
	if status != 200 || !strings.Contains(string(body), "AddBetaGroupBuilds") {
		t.Errorf("%d %.300s", status, body)
	}
	status, _, body = w.do(t, "GET", "/ascgateway/v1/catalog/operations?query=tester+invite&pageSize=1", "")
	if status != 200 || !strings.Contains(string(body), "betaTesterInvitations_createInstance") ||
		!strings.Contains(string(body), "nextPageToken") {
		t.Errorf("%d %.300s", status, body)
	}
	status, _, body = w.do(t, "GET", "/ascgateway/v1/catalog/version", "")
	if status != 200 || !strings.Contains(string(body), `"documentVersion":"`+service.Document().GetVersion()+`"`) {
		t.Errorf("%d %.300s", status, body)
	}
	if status, _, body = w.do(t, "GET", "/ascgateway/v1/catalog/resources/bundleIds", ""); status != 200 ||
		!strings.Contains(string(body), "BundleId") {
		t.Errorf("%d %.300s", status, body)
	}
	// The path that the catalog had is that of operations, which need a store.
	status, _, body = w.do(t, "GET", "/ascgateway/v1/operations", "")
	if status != 400 || !strings.Contains(string(body), store.ReasonNone) {
		t.Errorf("the old path: %d %.300s", status, body)
	}
	for _, area := range []string{"testflight", "metadata", "commerce"} {
		status, _, body = w.do(t, "GET", "/openapi/"+area+".json", "")
		if status != 200 || !bytes.Contains(body, []byte(`"3.1.0"`)) {
			t.Errorf("%s: %d", area, status)
		}
	}
}

func TestOnlyListedHeadersBecomeMetadata(t *testing.T) {
	w := newWorld(t)
	if status, _, body := w.do(t, "GET", "/v1/apps", "", "Grpc-Metadata-Asc-Team", "nobody", "X-Whatever", "y"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "asc-team", "nobody")
	if _, err := metadatav1.NewAppsServiceClient(w.conn).ListApps(ctx, &metadatav1.ListAppsRequest{}); codeOf(
		err,
	) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
}

func TestDrainFinishesCallsInFlight(t *testing.T) {
	w := newWorld(t)
	w.sandbox.AddFault(sandbox.Fault{LatencyMS: 300})
	done := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		close(started)
		_, err := metadatav1.NewAppsServiceClient(w.conn).
			ListApps(t.Context(), &metadatav1.ListAppsRequest{}, grpc.WaitForReady(true))
		done <- err
	}()
	<-started
	for w.calls(t) == 0 { // until the call is with the sandbox
	}
	w.gateway.Server.Drain(t.Context())
	if err := <-done; err != nil {
		t.Errorf("a call in flight was lost: %v", err)
	}
}

func TestASlowCallerHoldsNobody(t *testing.T) {
	w := newWorld(t)
	u, err := url.Parse(w.rest)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, "POST /v1/bundleIds HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := w.do(t, "GET", "/v1/apps", ""); status != 200 {
		t.Errorf("%d", status)
	}
}

func create(
	ctx context.Context,
	c provisioningv1.BundleIdsServiceClient,
	identifier string,
) (*provisioningv1.CreateBundleIdResponse, error) {
	return c.CreateBundleId(
		ctx,
		&provisioningv1.CreateBundleIdRequest{
			Name:       proto.String("N"),
			Platform:   enumsv1.BundleIdPlatformEnum_IOS.Enum(),
			Identifier: &identifier,
		},
	)
}
