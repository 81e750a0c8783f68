package gateway

import (
	"net/http/httptest"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// TestPagesOfAllowedOrigins calls the REST face as browsers do.
func TestPagesOfAllowedOrigins(t *testing.T) {
	s, err := sandbox.Open(sandbox.World{})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	w := serveWorld(
		t,
		s,
		httptest.NewServer(s),
		ringOf(private),
		Deps{CORS: door.CORS{Origins: []string{"https://release.example.org"}}},
	)
	for _, c := range []struct {
		name, method, origin, ask string
		status                    int
		allow                     string
	}{
		{"preflight", "OPTIONS", "https://release.example.org", "GET", 204, "https://release.example.org"},
		{"the call", "GET", "https://release.example.org", "", 200, "https://release.example.org"},
		{"HEAD of an allowed page", "HEAD", "https://release.example.org", "", 405, "https://release.example.org"},
		{"preflight of another page", "OPTIONS", "https://attacker.example", "GET", 403, ""},
		{"the call of another page", "GET", "https://attacker.example", "", 403, ""},
	} {
		headers := []string{"Origin", c.origin}
		if c.ask != "" {
			headers = append(
				headers,
				"Access-Control-Request-Method",
				c.ask,
				"Access-Control-Request-Headers",
				"authorization",
			)
		}
		status, h, body := w.do(t, c.method, "/v1/apps?limit=1", "", headers...)
		if status != c.status || h.Get("Access-Control-Allow-Origin") != c.allow {
			t.Errorf("%s: %d %v %s", c.name, status, h, body)
		}
	}
}
