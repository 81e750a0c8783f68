//go:build clients

package conformance

import (
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// TestNodeClient runs node-app-store-connect-api, which knows nothing of us,
// against the passthrough.
func TestNodeClient(t *testing.T) {
	s, err := sandbox.Open(sandbox.World{NoRules: true})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(s)
	defer upstream.Close()
	log := slog.New(slog.DiscardHandler)
	ring := keys.NewRing(map[string][]keys.Credential{"team": {{ID: "KEY", Key: filekey.FromPrivate("KEY", private), Issuer: sandbox.DefaultIssuer}}}, time.Now, log, nil)
	defer ring.Close()
	p8, tool, err := authn.NewToolKey("node")
	if err != nil {
		t.Fatal(err)
	}
	callers, err := authn.New(authn.Config{Keys: []authn.ToolKey{tool}}, authn.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Deps{BaseURL: upstream.URL, Ring: ring, Log: log, Authn: callers, Passthrough: true})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	p, err := policy.Parse("policy.yaml", []byte("version: 1\nrules: [{name: node, principals: ['key:node'], methods: [read, write], teams: [team], apps: all}]"), g.Guard.Methods())
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Guard.SetPolicy(p); err != nil {
		t.Fatal(err)
	}
	edge := httptest.NewTLSServer(g.Passthrough)
	defer edge.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: edge.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "client.mjs")
	cmd.Dir = "node"
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+ca, "GATEWAY="+edge.URL, "KEY_ID="+tool.KeyID, "PRIVATE_KEY="+string(p8))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "ok") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
