package asc

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tokens gives numbered tokens.
type tokens struct{ n atomic.Int32 }

func (t *tokens) Candidates(Need) ([]Candidate, error) { return []Candidate{{KeyID: "K"}}, nil }

func (t *tokens) Token(context.Context, string, string) (Token, error) {
	return Token{Team: "team", KeyID: "K", Bearer: fmt.Sprint("token-", t.n.Load())}, nil
}

func (t *tokens) Renew(ctx context.Context, _ Token) (Token, error) {
	t.n.Add(1)
	return t.Token(ctx, "", "")
}

func (t *tokens) Report(Token, Answer) bool { return false }

// ledger counts what the quota hears.
type ledger struct{ admitted, writes atomic.Int32 }

func (l *ledger) Admit(context.Context, Charge) (Permit, error) {
	l.admitted.Add(1)
	return l, nil
}
func (l *ledger) KeyID() string                     { return "K" }
func (l *ledger) Done(writes, _ int, _ http.Header) { l.writes.Add(int32(writes)) }

// answers is a server that gives one scripted answer after the other, the last
// for ever.
func answers(t *testing.T, list ...http.HandlerFunc) (*Client, *ledger, *atomic.Int32) {
	t.Helper()
	var calls atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := int(calls.Add(1)) - 1
		list[min(i, len(list)-1)](w, r)
	}))
	l := &ledger{}
	c, err := New(Config{BaseURL: s.URL, MaxResponseBytes: 1 << 16, MaxFileBytes: 1 << 10}, Deps{Tokens: &tokens{}, Quota: l})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c, l, &calls
}

func body(status int, contentType, text string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func code(status int, code string) http.HandlerFunc {
	return body(status, "application/json", fmt.Sprintf(`{"errors":[{"id":"e1","status":"%d","code":%q,"title":"T"}]}`, status, code))
}

var ok = body(200, "application/json", `{"data":[]}`)

func lost(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func get() *Call { return &Call{Method: "GET", Template: "/v1/apps", Path: "/v1/apps"} }
func post() *Call {
	return &Call{Method: "POST", Template: "/v1/apps", Path: "/v1/apps", Body: []byte(`{"data":{}}`)}
}

func TestOutcomes(t *testing.T) {
	html := func(status int) http.HandlerFunc { return body(status, "text/html", "<html>oops</html>") }
	gzipCut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2})
	}
	for _, c := range []struct {
		name   string
		call   *Call
		list   []http.HandlerFunc
		kind   fault.Kind
		reason string // "" is success
		calls  int32
	}{
		{"success", get(), []http.HandlerFunc{ok}, 0, "", 1},
		{"a read survives 5xx", get(), []http.HandlerFunc{code(500, "UNEXPECTED_ERROR"), html(502), ok}, 0, "", 3},
		{"a read survives a lost answer", get(), []http.HandlerFunc{lost, ok}, 0, "", 2},
		{"a read survives a page with 200", get(), []http.HandlerFunc{html(200), ok}, 0, "", 2},
		{"a read survives truncated gzip", get(), []http.HandlerFunc{gzipCut, ok}, 0, "", 2},
		{"a write is replayed after 429", post(), []http.HandlerFunc{body(429, "application/json", "{}", "Retry-After", "0"), body(201, "application/json", "{}")}, 0, "", 2},
		{"a write is never repeated after 500", post(), []http.HandlerFunc{code(500, "UNEXPECTED_ERROR"), ok}, fault.Unknown, fault.ReasonOutcomeUnknown, 1},
		{"a write is never repeated after a lost answer", post(), []http.HandlerFunc{lost, ok}, fault.Unknown, fault.ReasonOutcomeUnknown, 1},
		{"a 401 of a key that never worked is final", get(), []http.HandlerFunc{code(401, "NOT_AUTHORIZED")}, fault.FailedPrecondition, fault.ReasonUpstreamCredentials, 1},
		{"oversize is final", get(), []http.HandlerFunc{body(200, "application/json", strings.Repeat(" ", 1<<17))}, fault.InvalidArgument, fault.ReasonUpstreamTooLarge, 1},
		{"a redirect is not followed", get(), []http.HandlerFunc{body(302, "text/html", "", "Location", "https://example.com/")}, fault.Unavailable, "FOUND", 1},
		{"404", get(), []http.HandlerFunc{code(404, "NOT_FOUND")}, fault.NotFound, "NOT_FOUND", 1},
		{"410", get(), []http.HandlerFunc{body(410, "text/plain", "gone")}, fault.NotFound, "GONE", 1},
		{"409 of a duplicate", post(), []http.HandlerFunc{code(409, "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE.DIFFERENT_ACCOUNT")}, fault.AlreadyExists, "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE.DIFFERENT_ACCOUNT", 1},
		{"409 of an attribute", post(), []http.HandlerFunc{code(409, "ENTITY_ERROR.ATTRIBUTE.INVALID")}, fault.InvalidArgument, "ENTITY_ERROR.ATTRIBUTE.INVALID", 1},
		{"409 of a state", post(), []http.HandlerFunc{code(409, "STATE_ERROR.ENTITY_STATE_INVALID")}, fault.FailedPrecondition, "STATE_ERROR.ENTITY_STATE_INVALID", 1},
		{"403 of an agreement", get(), []http.HandlerFunc{code(403, "FORBIDDEN.REQUIRED_AGREEMENTS_MISSING_OR_EXPIRED")}, fault.FailedPrecondition, "FORBIDDEN.REQUIRED_AGREEMENTS_MISSING_OR_EXPIRED", 1},
		{"403 of a role", get(), []http.HandlerFunc{code(403, "FORBIDDEN_ERROR")}, fault.PermissionDenied, "FORBIDDEN_ERROR", 1},
		{"406 in plain text", get(), []http.HandlerFunc{body(406, "text/plain", "Not Acceptable")}, fault.InvalidArgument, "NOT_ACCEPTABLE", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, l, calls := answers(t, c.list...)
			_, err := client.Do(t.Context(), c.call)
			if c.reason == "" && err != nil || c.reason != "" && (err == nil || fault.As(err).Reason != c.reason || fault.As(err).Kind != c.kind) {
				t.Errorf("got %v", err)
			}
			if calls.Load() != c.calls {
				t.Errorf("%d requests, want %d", calls.Load(), c.calls)
			}
			if l.admitted.Load() < c.calls || l.writes.Load() != c.calls {
				t.Errorf("admitted %d, written %d, want %d", l.admitted.Load(), l.writes.Load(), c.calls)
			}
		})
	}
}

func TestFlaky401(t *testing.T) {
	var seen []string
	note := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			next(w, r)
		}
	}
	refuse := note(code(401, "NOT_AUTHORIZED"))
	client, _, _ := answers(t, note(ok), refuse, refuse, note(ok))
	for range 2 {
		if _, err := client.Do(t.Context(), get()); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(seen, " "); got != "token-0 token-0 token-0 token-1" {
		t.Errorf("tokens: %s", got)
	}
}

func TestNoAnswerBeforeTheRequestIsSentIsNoUnknownOutcome(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close() // nobody listens there now
	c, err := New(Config{BaseURL: s.URL, MaxAttempts: 2}, Deps{Tokens: &tokens{}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Do(t.Context(), post())
	if f := fault.As(err); f.Kind != fault.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestDeadlines(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }
	t.Run("a hanging read", func(t *testing.T) {
		client, _, _ := answers(t, hang)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := client.Do(ctx, get()); fault.As(err).Kind != fault.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a hanging write", func(t *testing.T) {
		client, _, _ := answers(t, hang)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := client.Do(ctx, post()); fault.As(err).Reason != fault.ReasonOutcomeUnknown {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a wait that would outlive the deadline does not begin", func(t *testing.T) {
		client, _, calls := answers(t, body(429, "application/json", "{}", "Retry-After", "60"))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		_, err := client.Do(ctx, get())
		if f := fault.As(err); f.Kind != fault.ResourceExhausted || f.RetryAfter != time.Minute || calls.Load() != 1 || time.Since(start) > 5*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
	t.Run("a caller that goes away", func(t *testing.T) {
		client, _, _ := answers(t, hang)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := client.Do(ctx, get()); fault.As(err).Kind != fault.Canceled {
			t.Errorf("got %v", err)
		}
	})
}

func TestFilesPassUntouched(t *testing.T) {
	var packed strings.Builder
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("a\tb\n"))
	_ = z.Close()
	client, _, _ := answers(t, body(200, "application/a-gzip", packed.String()))
	f, err := client.Open(t.Context(), get())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Body.Close()
	if b, err := io.ReadAll(f.Body); err != nil || string(b) != packed.String() || f.ContentType != "application/a-gzip" {
		t.Errorf("%q %v", b, err)
	}
}

func TestAFileLargerThanAllowedEndsWithAnError(t *testing.T) {
	client, _, _ := answers(t, body(200, "text/csv", strings.Repeat("x", 1<<11)))
	f, err := client.Open(t.Context(), get())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Body.Close()
	if _, err := io.ReadAll(f.Body); fault.As(err).Reason != fault.ReasonUpstreamTooLarge {
		t.Errorf("got %v", err)
	}
}

func TestErrorsKeepEverything(t *testing.T) {
	errs, cut := ParseErrors([]byte(`{"errors":[{"id":"1","status":409,"code":"STATE_ERROR","title":"T","source":{"pointer":"data/attributes/x"},
		"links":{"see":"https://see","associated":{"href":"https://a"}},"meta":{"other":1,"associatedErrors":{"/v1/appScreenshots/":[{"code":"INNER","title":"I","meta":{"associatedErrors":{"/v1/x/":[{"code":"DEEP"}]}}}]}}}, 7]}`))
	e := errs[0]
	inner := e.Associated["/v1/appScreenshots/"][0]
	if e.Status != "409" || e.Pointer != "/data/attributes/x" || e.LinkSee != "https://see" || e.LinkAssociated != "https://a" || string(e.Meta) != `{"other":1}` ||
		inner.Code != "INNER" || inner.Associated["/v1/x/"][0].Code != "DEEP" || cut != 1 {
		t.Errorf("%+v cut %d", e, cut)
	}
	many := `{"errors":[` + strings.Repeat(`{"code":"X"},`, 500) + `{"code":"X"}]}`
	if errs, cut := ParseErrors([]byte(many)); len(errs) != maxErrors || cut != 501-maxErrors {
		t.Errorf("%d kept, %d cut", len(errs), cut)
	}
}

func TestPages(t *testing.T) {
	page := func(next string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, r.URL.RawQuery+"|"+next)
		}
	}
	for _, c := range []struct {
		name  string
		list  []http.HandlerFunc
		want  int
		calls int32
		next  string
	}{
		{"until the last", []http.HandlerFunc{page("https://evil.example/v1/other?cursor=A&limit=2&filter[x]=y"), page("")}, 100, 2, ""},
		{"until there are enough", []http.HandlerFunc{page("x?cursor=A&limit=2"), page("x?cursor=B&limit=2")}, 4, 2, "B"},
		{"a loop ends", []http.HandlerFunc{page("x?cursor=A"), page("x?cursor=B"), page("x?cursor=A")}, 100, 3, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _, calls := answers(t, c.list...)
			held := 0
			var queries []string
			next, err := client.Pages(t.Context(), &Call{Method: "GET", Path: "/v1/apps", Query: "filter=1"}, Cursor{Limit: 2}, func(r *Response) (PageRead, error) {
				query, link, _ := strings.Cut(string(r.Body), "|")
				queries = append(queries, query)
				held += 2
				return PageRead{Next: link, Rows: 2, Kept: 2, Enough: held >= c.want}, nil
			})
			if err != nil || next.At != c.next || calls.Load() != c.calls {
				t.Errorf("next %+v, %d calls, %v", next, calls.Load(), err)
			}
			for _, q := range queries {
				if !strings.HasPrefix(q, "filter=1") || strings.Contains(q, "evil") || strings.Contains(q, "x%5D") {
					t.Errorf("query %q", q)
				}
			}
		})
	}
}

func TestBaseURL(t *testing.T) {
	for url, valid := range map[string]bool{"https://api.appstoreconnect.apple.com": true, "http://127.0.0.1:8090": true, "http://localhost:1/": true, "http://[::1]:1": true,
		"http://example.com": false, "ftp://127.0.0.1": false, "https://u:p@x": false, "https://x/path": false, "": false, "https://": false} {
		if _, err := CheckBaseURL(url); (err == nil) != valid {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestALongURLIsNotSent(t *testing.T) {
	client, l, calls := answers(t, ok)
	call := get()
	call.Query = strings.Repeat("x", 5000)
	if _, err := client.Do(t.Context(), call); fault.As(err).Reason != fault.ReasonURLTooLong || calls.Load() != 0 || l.admitted.Load() != 0 {
		t.Errorf("got %v", err)
	}
}

func TestTokensNeverPrint(t *testing.T) {
	token := Token{Team: "t", KeyID: "k", Bearer: "secret"}
	if s := fmt.Sprintf("%v %+v %#v %s", token, token, token, token); strings.Contains(s, "secret") {
		t.Error(s)
	}
}

func FuzzParseErrors(f *testing.F) {
	f.Add([]byte(`{"errors":[{"code":"X","meta":{"associatedErrors":{"/a":[{"code":"Y"}]}}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		errs, _ := ParseErrors(b)
		if len(errs) > maxErrors {
			t.Errorf("%d errors", len(errs))
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("5")
	f.Add("Wed, 21 Oct 2026 07:28:00 GMT")
	f.Fuzz(func(t *testing.T, v string) {
		if d, ok := RetryAfter(http.Header{"Retry-After": {v}}, time.Unix(0, 0)); ok && (d < 0 || d > retryAfterMost) {
			t.Errorf("%q: %v", v, d)
		}
	})
}

func FuzzNextCursor(f *testing.F) {
	f.Add("https://x/v1/apps?cursor=Mg.AB&limit=10")
	f.Fuzz(func(t *testing.T, link string) {
		if c, ok := NextCursor(link); ok && (c.At == "" || len(c.At) > maxCursorBytes || c.Limit < 0) {
			t.Errorf("%q: %+v", link, c)
		}
	})
}

// BenchmarkDo stands beside a bare http.Client in the same run.
func BenchmarkDo(b *testing.B) {
	s := httptest.NewServer(ok)
	defer s.Close()
	c, err := New(Config{BaseURL: s.URL}, Deps{Tokens: &tokens{}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.Run("client", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Do(b.Context(), get()); err != nil {
				b.Fatal(err)
			}
		}
	})
	bare := &http.Client{Transport: c.send}
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			res, err := bare.Get(s.URL + "/v1/apps")
			if err != nil {
				b.Fatal(err)
			}
			_, err = io.Copy(io.Discard, res.Body)
			if err = errors.Join(err, res.Body.Close()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
