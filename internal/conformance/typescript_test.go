//go:build clients

package conformance

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// TestTypeScriptClient lets redocly judge every OpenAPI document, makes types of
// them, compiles client.ts by these, and runs it. `npm ci` must have been run in
// the folder typescript.
func TestTypeScriptClient(t *testing.T) {
	edge := openEdge(t)
	generated := filepath.Join("typescript", "generated")
	if err := os.MkdirAll(generated, 0o755); err != nil {
		t.Fatal(err)
	}
	var documents []string
	for _, a := range documented(t, edge.URL) {
		name := filepath.Join("generated", a.Area+".json")
		if err := os.WriteFile(filepath.Join("typescript", name), get(t, edge.URL+a.URL), 0o600); err != nil {
			t.Fatal(err)
		}
		documents = append(documents, name)
	}
	lint := npx(t, append([]string{"redocly", "lint", "--extends=recommended", "--format=summary"}, documents...)...)
	if strings.Contains(lint, "You have ") || !strings.Contains(lint, "valid") {
		t.Errorf("redocly:\n%s", lint)
	}
	for _, area := range []string{"testflight", "metadata", "gateway"} {
		name := filepath.Join("generated", area)
		npx(t, "openapi-typescript", name+".json", "-o", name+".d.ts")
	}
	npx(t, "tsc")
	out := run(t, "node", filepath.Join("generated", "js", "client.js"), edge.URL)
	if !strings.HasPrefix(out, "ok") {
		t.Error(out)
	}
	t.Logf("%d documents, %s", len(documents), out)
}

// openEdge serves REST before a sandbox, to everybody.
func openEdge(t *testing.T) *httptest.Server {
	t.Helper()
	s, err := sandbox.Open(sandbox.World{NoRules: true})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(s)
	t.Cleanup(upstream.Close)
	log := slog.New(slog.DiscardHandler)
	credential := keys.Credential{ID: "KEY", Key: filekey.FromPrivate("KEY", private), Issuer: sandbox.DefaultIssuer}
	ring := keys.NewRing(map[string][]keys.Credential{"team": {credential}}, time.Now, log, nil)
	t.Cleanup(ring.Close)
	g, err := gateway.New(gateway.Deps{BaseURL: upstream.URL, Ring: ring, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	edge := httptest.NewServer(g.REST)
	t.Cleanup(edge.Close)
	return edge
}

type documentOf struct{ Area, Title, URL string }

func documented(t *testing.T, base string) []documentOf {
	t.Helper()
	var list struct{ Areas []documentOf }
	if err := json.Unmarshal(get(t, base+"/openapi"), &list); err != nil || len(list.Areas) == 0 {
		t.Fatal(err, list)
	}
	return list.Areas
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(url, res.StatusCode, err)
	}
	return b
}

// npx runs a program of node_modules, never one from the network.
func npx(t *testing.T, args ...string) string {
	t.Helper()
	program, err := filepath.Abs(filepath.Join("typescript", "node_modules", ".bin", args[0]))
	if err != nil {
		t.Fatal(err)
	}
	return run(t, program, args[1:]...)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = "typescript"
	cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
