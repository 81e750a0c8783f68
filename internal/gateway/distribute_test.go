package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/store"
	"github.com/asc-gateway/asc-gateway/internal/telemetry"
	"github.com/asc-gateway/asc-gateway/internal/usecase/workflows"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/protobuf/encoding/protojson"
)

// shop is a world with a store: it can distribute builds.
type shop struct {
	*world
	t *testing.T
}

// poll is how often a test's jobs look.
const poll = 300 * time.Millisecond

func newShop(t *testing.T, like sandbox.World, deps Deps) *shop {
	t.Helper()
	box, err := sandbox.Open(like)
	if err != nil {
		t.Fatal(err)
	}
	private, err := box.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(
		store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "store.db")},
		slog.New(slog.DiscardHandler),
	)
	if err != nil {
		t.Fatal(err)
	}
	deps.Jobs = Jobs{Store: db, Workflows: workflows.Config{BuildEvery: poll, ReviewEvery: poll}}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(db.Close) // the last: cleanups run in the order of a stack
	upstream := httptest.NewServer(box)
	w := serveWorld(t, box, upstream, ringOf(private), deps)
	running.Go(func() { db.Start(ctx) })
	running.Go(func() { w.gateway.Jobs.Serve(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return &shop{w, t}
}

// call sends JSON to the REST edge, and wants a status.
func (s *shop) call(want int, method, path, body string, headers ...string) map[string]any {
	s.t.Helper()
	status, _, b := s.do(s.t, method, path, body, headers...)
	out := map[string]any{}
	if status != want || status != http.StatusNoContent && json.Unmarshal(b, &out) != nil {
		s.t.Fatalf("%s %s %s: %d %s", method, path, body, status, b)
	}
	return out
}

// upload uploads a build of an app, which Apple then processes.
func (s *shop) upload(app, version, number string) { s.t.Helper(); s.uploadAs(app, version, number) }

func (s *shop) uploadAs(app, version, number string, headers ...string) {
	s.t.Helper()
	up := s.call(201, "POST", "/v1/buildUploads", fmt.Sprintf(
		`{"cfBundleShortVersionString":%q,"cfBundleVersion":%q,"platform":"IOS","app":{"id":%q}}`,
		version,
		number,
		app,
	), headers...)
	id := up["buildUpload"].(map[string]any)["id"].(string)
	content := []byte("an app " + version + number)
	f := s.call(201, "POST", "/v1/buildUploadFiles", fmt.Sprintf(`{"assetType":"ASSET","fileName":"a.ipa","fileSize":"%d",`+
		`"uti":"com.apple.ipa","buildUpload":{"id":%q}}`, len(content), id), headers...)["buildUploadFile"].(map[string]any)
	for _, o := range f["uploadOperations"].([]any) {
		op := o.(map[string]any)
		r, err := http.NewRequest(op["method"].(string), op["url"].(string), bytes.NewReader(content))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, h := range op["requestHeaders"].([]any) {
			h := h.(map[string]any)
			r.Header.Set(h["name"].(string), h["value"].(string))
		}
		res, err := s.http.Do(r)
		if err != nil || res.StatusCode/100 != 2 {
			s.t.Fatal(res, err)
		}
		res.Body.Close()
	}
	s.call(200, "PATCH", "/v1/buildUploadFiles/"+f["id"].(string), `{"uploaded":true}`, headers...)
}

const distribute = "/ascgateway/v1/workflows/distributeBuild"

// begin starts a job and returns the id of its operation.
func (s *shop) begin(body string, headers ...string) string {
	s.t.Helper()
	op := s.call(200, "POST", distribute, body, headers...)
	return strings.TrimPrefix(op["name"].(string), "operations/")
}

// operation is one as it is now.
func (s *shop) operation(id string, headers ...string) (md *operationsv1.OperationMetadata, op map[string]any) {
	s.t.Helper()
	op = s.call(200, "GET", "/ascgateway/v1/operations/"+id, "", headers...)
	meta := op["metadata"].(map[string]any)
	delete(meta, "@type")
	b, _ := json.Marshal(meta)
	md = &operationsv1.OperationMetadata{}
	if err := protojson.Unmarshal(b, md); err != nil {
		s.t.Fatal(err)
	}
	return md, op
}

// until waits for an operation to be as wanted.
func (s *shop) until(
	id string,
	ok func(*operationsv1.OperationMetadata) bool,
	headers ...string,
) (*operationsv1.OperationMetadata, map[string]any) {
	s.t.Helper()
	for begun := time.Now(); time.Since(begun) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		if md, op := s.operation(id, headers...); ok(md) {
			return md, op
		}
	}
	md, op := s.operation(id, headers...)
	s.t.Fatalf("it stays %v %v", md, op["error"])
	return nil, nil
}

func over(md *operationsv1.OperationMetadata) bool { return md.GetEndTime() != nil }

func names(md *operationsv1.OperationMetadata) (list []string) {
	for _, a := range md.GetActions() {
		list = append(list, a.GetName())
	}
	return list
}

// asked counts what was asked of the sandbox's API.
func (s *shop) asked() (list []string) {
	for _, r := range s.sandbox.Requests() {
		if strings.HasPrefix(r.Path, "/v") {
			list = append(list, r.Method+" "+r.Path)
		}
	}
	return list
}

const trailMix = "1500004000"

// TestDistributeBuild brings a build from its upload to testers outside the
// organisation, with every wait on the way, and counts the requests.
func TestDistributeBuild(t *testing.T) {
	s := newShop(t, sandbox.World{Times: sandbox.Times{Build: 1500 * time.Millisecond}}, Deps{})
	body := `{"app":"com.example.trailmix","version":"7.1","number":"0042","groups":["Friends","QA"],"createGroups":true,` +
		`"notes":{"en-US":"The new login","de-DE":"Die neue Anmeldung"},"usesNonExemptEncryption":false,"notify":true}`
	id := s.begin(body)
	md, _ := s.until(id, func(md *operationsv1.OperationMetadata) bool { return md.GetAwaiting() != "" })
	if !strings.Contains(md.GetAwaiting(), "7.1") {
		t.Errorf("it waits for %q", md.GetAwaiting())
	}
	s.upload(trailMix, "7.1.0", "42")
	s.sandbox.ClearRequests()
	md, _ = s.until(id, func(md *operationsv1.OperationMetadata) bool {
		return strings.Contains(md.GetAwaiting(), "beta review")
	})
	polls := 0
	for _, r := range s.asked() {
		if r == "GET /v1/builds" || strings.HasSuffix(r, "/buildUploads") {
			polls++
		}
	}
	made := s.asked()
	if n := len(made) - polls; n > 14 {
		t.Errorf("%d requests beside %d polls: %v", n, polls, made)
	}
	t.Logf("requests beside %d polls: %d", polls, len(made)-polls)
	want := []string{
		"awaitBuild",
		"answerCompliance",
		"createNotes",
		"createNotes",
		"createGroup",
		"addToGroups",
		"submitForReview",
	}
	if got := names(md); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, sub := range s.sandbox.IDs("betaAppReviewSubmissions") {
		_ = s.sandbox.Act(
			sandbox.Act{Type: "betaAppReviewSubmissions", ID: sub, Do: "approve"},
		) // those seeded are decided
	}
	md, op := s.until(id, over)
	if md.GetState() != operationsv1.OperationStateEnum_SUCCEEDED {
		t.Fatalf("%v %v", md, op["error"])
	}
	res := op["response"].(map[string]any)
	if res["version"] != "7.1.0" || res["number"] != "42" || res["platform"] != "IOS" ||
		len(res["groups"].([]any)) != 2 ||
		res["externalBuildState"] == "" {
		t.Errorf("%v", res)
	}
	if got := names(md); !slices.Contains(got, "awaitReview") {
		t.Errorf("%v", got)
	}
	// Once more: nothing is to be done.
	s.sandbox.ClearRequests()
	again, op := s.until(s.begin(body), over)
	if asked := s.asked(); len(asked) > 4 || len(again.GetActions()) != 0 || op["error"] != nil {
		t.Errorf("nothing to do took %v: %v %v", asked, again, op["error"])
	}
	t.Logf("nothing to do: %d requests", len(s.asked()))
	plan := s.call(200, "POST", distribute+"/plan", body)["plan"].(map[string]any)
	if plan["changes"] != nil {
		t.Errorf("%v", plan)
	}
}

// TestPlan shows every change first, and a plan that no longer fits is refused.
func TestPlan(t *testing.T) {
	s := newShop(t, sandbox.World{}, Deps{})
	body := `{"app":"` + trailMix + `","build":"newest","groups":["Friends"],"notes":{"en-US":"Maps","de-DE":"Karten"}}`
	plan := s.call(200, "POST", distribute+"/plan", body)["plan"].(map[string]any)
	changes := plan["changes"].([]any)
	if len(changes) != 2 || plan["requests"] != float64(2) {
		t.Fatalf("%v", plan)
	}
	before := len(s.asked())
	etag := plan["etag"].(string)
	with := func(etag string) string { return strings.TrimSuffix(body, "}") + `,"planEtag":"` + etag + `"}` }
	stale := s.call(400, "POST", distribute, with("0123"))
	if !strings.Contains(fmt.Sprint(stale), workflows.ReasonPlanStale) {
		t.Errorf("%v", stale)
	}
	for _, r := range s.asked()[before:] {
		if !strings.HasPrefix(r, "GET ") {
			t.Errorf("a stale plan led to %s", r)
		}
	}
	md, op := s.until(s.begin(with(etag)), over)
	if len(md.GetActions()) != 2 || op["error"] != nil {
		t.Errorf("%v %v", md, op["error"])
	}
	if stale := s.call(400, "POST", distribute, with(etag)); !strings.Contains(
		fmt.Sprint(stale),
		workflows.ReasonPlanStale,
	) {
		t.Errorf("carried out twice: %v", stale)
	}
}

// TestDistributeEndsWithAReason where it cannot go on.
func TestDistributeEndsWithAReason(t *testing.T) {
	s := newShop(t, sandbox.World{}, Deps{})
	s.upload(trailMix, "8.0", "1")
	s.upload(trailMix, "8.0", "2")
	for name, c := range map[string]struct{ body, reason string }{
		"no app":     {`{"app":"com.example.none","build":"newest","groups":["Friends"]}`, workflows.ReasonNoApp},
		"no group":   {`{"app":"` + trailMix + `","build":"newest","groups":["Nobody"],"usesNonExemptEncryption":false}`, workflows.ReasonNoGroup},
		"compliance": {`{"app":"` + trailMix + `","version":"8.0","number":"1","groups":["Friends"]}`, workflows.ReasonCompliance},
	} {
		t.Run(name, func(t *testing.T) {
			md, op := s.until(s.begin(c.body), over)
			if !strings.Contains(fmt.Sprint(op["error"]), c.reason) || len(md.GetActions()) != 0 {
				t.Errorf("%v %v", md, op["error"])
			}
		})
	}
	t.Run("rejected", func(t *testing.T) {
		id := s.begin(
			`{"app":"` + trailMix + `","version":"8.0","number":"2","groups":["Friends"],"usesNonExemptEncryption":false}`,
		)
		s.until(
			id,
			func(md *operationsv1.OperationMetadata) bool { return strings.Contains(md.GetAwaiting(), "review") },
		)
		for _, sub := range s.sandbox.IDs("betaAppReviewSubmissions") {
			_ = s.sandbox.Act(sandbox.Act{Type: "betaAppReviewSubmissions", ID: sub, Do: "reject"})
		}
		md, op := s.until(id, over)
		if !strings.Contains(fmt.Sprint(op["error"]), workflows.ReasonRejected) ||
			!slices.Contains(names(md), "submitForReview") {
			t.Errorf("%v %v", md, op["error"])
		}
	})
	for name, body := range map[string]string{
		"nothing": `{}`, "no build": `{"app":"1","groups":["x"]}`, "no group": `{"app":"1","build":"newest"}`,
		"id and version": `{"app":"1","build":"x","version":"1","groups":["x"]}`, "a comma": `{"app":"1,2","build":"newest","groups":["x"]}`,
		"a platform": `{"app":"1","build":"newest","platform":"DOS","groups":["x"]}`,
		"a locale":   `{"app":"1","build":"newest","groups":["x"],"notes":{"e":"x"}}`,
		"two":        `{"app":"1","build":"newest","groups":["x"],"notes":{"en-US":"x","EN-us":"y"}}`,
	} {
		t.Run("refused: "+name, func(t *testing.T) { s.call(400, "POST", distribute, body) })
	}
}

// TestFiftyWaitForOneBuild: they cost what one costs, until it is there.
func TestFiftyWaitForOneBuild(t *testing.T) {
	s := newShop(t, sandbox.World{}, Deps{})
	body := func(i int) string {
		return fmt.Sprintf(`{"app":"%s","version":"9.0","number":"1","groups":["G%d"],"createGroups":true,`+
			`"usesNonExemptEncryption":false,"waitFor":"SUBMISSION"}`, trailMix, i)
	}
	count := func(n int) (asked, looks int) {
		s.sandbox.ClearRequests()
		begun := time.Now()
		var ids []string
		for i := range n {
			ids = append(ids, s.begin(body(i)))
		}
		time.Sleep(10 * poll)
		asked, looks = len(s.asked()), int(time.Since(begun)/poll)+1
		for _, id := range ids {
			s.call(200, "POST", "/ascgateway/v1/operations/"+id+"/cancel", "{}")
		}
		for _, id := range ids {
			s.until(id, over)
		}
		return asked, looks
	}
	one, _ := count(1)
	fifty, looks := count(50)
	t.Logf("requests: one %d, fifty %d, in the time of at most %d looks", one, fifty, looks)
	if fifty > 2*looks { // a look reads the builds, and at times their uploads
		t.Errorf("one job that waits took %d requests, fifty %d", one, fifty)
	}
}

// TestWatchOverREST streams an operation as lines, and as events.
func TestWatchOverREST(t *testing.T) {
	s := newShop(t, sandbox.World{}, Deps{})
	id := s.begin(`{"app":"` + trailMix + `","build":"newest","groups":["Friends"],"notes":{"en-US":"Watch"}}`)
	status, header, body := s.do(t, "GET", "/ascgateway/v1/operations/"+id+"/watch", "")
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	if status != 200 || header.Get("Content-Type") != "application/x-ndjson" ||
		!strings.Contains(lines[len(lines)-1], `"done":true`) {
		t.Errorf("%d %v %s", status, header, body)
	}
	status, header, body = s.do(t, "GET", "/ascgateway/v1/operations/"+id+"/watch", "", "Accept", "text/event-stream")
	if status != 200 || header.Get("Content-Type") != "text/event-stream" ||
		!strings.HasPrefix(string(body), "data: {") ||
		!strings.HasSuffix(string(body), "}\n\n") {
		t.Errorf("%d %v %s", status, header, body)
	}
	list := s.call(200, "GET", "/ascgateway/v1/operations?kind=DistributeBuild&app="+trailMix, "")
	if len(list["operations"].([]any)) != 1 {
		t.Errorf("%v", list)
	}
}

// TestSpansOfAJob: a span a run, one an action within it, and one for each inner
// call, none of which tells an id of Apple's.
func TestSpansOfAJob(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tell := telemetry.Into(spans, false)
	t.Cleanup(func() { _ = tell.Close(context.Background()) })
	s := newShop(t, sandbox.World{}, Deps{Telemetry: tell})
	id := s.begin(`{"app":"` + trailMix + `","build":"newest","groups":["Friends"],"notes":{"en-US":"Spans"}}`)
	s.until(id, over)
	var got string
	want := regexp.MustCompile(`(?s)operation DistributeBuild \[internal\].*    updateNotes \[internal\].*` +
		`        asc.testflight.v1.BetaBuildLocalizationsService/UpdateBetaBuildLocalization \[internal\].*PATCH`)
	for range 100 { // a span is told when it has ended
		if got = tree(spans.GetSpans()); want.MatchString(got) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !want.MatchString(got) {
		t.Errorf("%s", got)
	}
	for _, span := range spans.GetSpans() {
		if text, _ := json.Marshal(span); strings.Contains(string(text), trailMix) ||
			strings.Contains(string(text), "Spans\"") {
			t.Errorf("a span tells an id or an argument: %s", text)
		}
	}
}
