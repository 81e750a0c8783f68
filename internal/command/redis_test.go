package command

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
)

// TestAnEvictingRedisIsTold by /readyz, which stays ready: only creates with a
// request_id are refused.
func TestAnEvictingRedisIsTold(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	p := newPlace(t)
	p.key(t, "ONE1234567")
	p.write(t, "gateway.yaml", p.config(entry("ONE1234567", "active"))+"quota: {redis: {url: '"+server.URL()+"'}}\n")
	s := p.service(t)
	ops := s.gateway.Ops(http.NotFoundHandler(), s.ready, false)
	for deadline := time.Now().Add(10 * time.Second); ; {
		w := httptest.NewRecorder()
		ops.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		body := w.Body.String()
		if w.Code != 200 || !strings.HasPrefix(body, "ok\n") {
			t.Fatalf("%d %s", w.Code, body)
		}
		if strings.Contains(body, "degraded: the maxmemory-policy of Redis is allkeys-lru") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is never told: %s", body)
		}
	}
	if !strings.Contains(p.log.String(), "lets it forget") {
		t.Error("the log does not say so")
	}
}
