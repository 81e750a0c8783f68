package gateway

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	quotav1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/quota/v1"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/memory"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const budgetPolicy = `
version: 1
rules:
- {name: ci, principals: ["token:ci"], methods: [read], teams: [team], hour: 3, apps: all}
- {name: free, principals: ["token:free"], methods: [read], teams: [team], apps: all}
`

// budgetWorld has callers with and without a budget.
func budgetWorld(t *testing.T) (w *world, seen *recorder, tokens map[string]string) {
	t.Helper()
	s, err := sandbox.Open(sandbox.World{})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	cfg, tokens := authn.Config{}, map[string]string{}
	for _, name := range []string{"ci", "free"} {
		token, sum := authn.NewToken()
		tokens[name] = "Bearer " + token
		cfg.Tokens = append(cfg.Tokens, authn.StaticToken{Name: name, SHA256: sum})
	}
	callers, err := authn.New(cfg, authn.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	m := quota.New(quota.Config{}, memory.New(quota.Rules{}, time.Now), slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = m.Close() })
	seen = &recorder{next: s}
	w = serveWorld(t, s, httptest.NewServer(seen), ringOf(private),
		Deps{Quota: m, Authn: callers, CacheBytes: 1 << 20, Passthrough: true})
	p, err := policy.Parse("policy.yaml", []byte(budgetPolicy), w.gateway.Guard.Methods())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.gateway.Guard.SetPolicy(p); err != nil {
		t.Fatal(err)
	}
	return w, seen, tokens
}

// TestBudget lets a caller spend what policy gives it, and no more, on every
// face. What is kept, and what is refused, costs nothing.
func TestBudget(t *testing.T) {
	w, seen, tokens := budgetWorld(t)
	for i, c := range []struct {
		path  string
		spent int // afterwards, at Apple's
	}{{"/v1/territories", 1}, {"/v1/territories", 1}, {"/v1/nothing", 1}, {"/v1/apps", 2}, {"/v1/apps", 3}} {
		if _, _, body := w.do(t, "GET", c.path, "", "Authorization", tokens["ci"]); seen.count() != c.spent {
			t.Errorf("request %d: %d were sent, want %d: %.200s", i, seen.count(), c.spent, body)
		}
	}
	code, h, body := w.do(t, "GET", "/v1/apps", "", "Authorization", tokens["ci"])
	after, _ := strconv.Atoi(h.Get("Retry-After"))
	if code != 429 || after < 3500 || after > 3600 || !strings.Contains(string(body), "BUDGET_EXHAUSTED") {
		t.Errorf("over REST: %d %v %s", code, h, body)
	}
	if code, _, _ := w.do(t, "GET", "/v1/territories", "", "Authorization", tokens["ci"]); code != 200 {
		t.Errorf("what is kept: %d", code)
	}
	apple := httptest.NewServer(w.gateway.Passthrough)
	defer apple.Close()
	r, _ := http.NewRequest("GET", apple.URL+"/v1/apps", nil)
	r.Header.Set("Authorization", tokens["ci"])
	res, err := w.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, _ = io.ReadAll(res.Body)
	if res.Body.Close(); res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
		t.Errorf("over the passthrough: %d %v %s", res.StatusCode, res.Header, body)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", tokens["ci"])
	_, err = metadatav1.NewAppsServiceClient(w.conn).ListApps(ctx, &metadatav1.ListAppsRequest{})
	told := detailsOf(err)
	if status.Code(err) != codes.ResourceExhausted || told.reason != "BUDGET_EXHAUSTED" || told.retry < 3500*time.Second ||
		told.subject != "caller" ||
		!strings.Contains(told.limit, "budget of 3 requests an hour") {
		t.Errorf("over gRPC: %v, %+v", err, told)
	}
	if code, _, body := w.do(t, "GET", "/v1/apps", "", "Authorization", tokens["free"]); code != 200 {
		t.Errorf("another caller: %d %s", code, body)
	}
	if seen.count() != 4 {
		t.Errorf("%d requests were sent", seen.count())
	}
	quotas := quotav1.NewQuotaServiceClient(w.conn)
	got, err := quotas.GetQuota(ctx, &quotav1.GetQuotaRequest{})
	if b := got.GetBudget(); err != nil || b.GetLimit() != 3 || b.GetSpent() != 3 ||
		b.GetRoomIn().AsDuration() < 3500*time.Second {
		t.Errorf("GetQuota: %v %v", got, err)
	}
	watch, err := quotas.WatchQuota(ctx, &quotav1.WatchQuotaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := watch.Recv(); err != nil || first.GetBudget().GetSpent() != 3 {
		t.Errorf("WatchQuota: %v %v", first, err)
	}
	if _, _, body := w.do(t, "GET", "/ascgateway/v1/quota", "", "Authorization", tokens["free"]); strings.Contains(
		string(body),
		"budget",
	) {
		t.Errorf("who has none: %s", body)
	}
}

// details are those of a refusal.
type details struct {
	reason, subject, limit string
	retry                  time.Duration
}

func detailsOf(err error) (out details) {
	for _, d := range status.Convert(err).Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			out.reason = d.GetReason()
		case *errdetails.RetryInfo:
			out.retry = d.GetRetryDelay().AsDuration()
		case *errdetails.QuotaFailure:
			out.subject, out.limit = d.GetViolations()[0].GetSubject(), d.GetViolations()[0].GetDescription()
		}
	}
	return out
}

// TestTheBudgetIsRaisedWithThePolicy holds that a reload counts at once, and
// forgets nothing that was spent.
func TestTheBudgetIsRaisedWithThePolicy(t *testing.T) {
	w, seen, tokens := budgetWorld(t)
	for _, c := range []struct{ hour, sent int }{{3, 3}, {5, 5}, {4, 5}} {
		text := strings.Replace(budgetPolicy, "hour: 3", fmt.Sprint("hour: ", c.hour), 1)
		p, err := policy.Parse("policy.yaml", []byte(text), w.gateway.Guard.Methods())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.gateway.Guard.SetPolicy(p); err != nil {
			t.Fatal(err)
		}
		for range 6 {
			w.do(t, "GET", "/v1/apps", "", "Authorization", tokens["ci"])
		}
		if seen.count() != c.sent {
			t.Errorf("with a budget of %d: %d were sent, want %d", c.hour, seen.count(), c.sent)
		}
	}
}
