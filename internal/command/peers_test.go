package command

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// commands are the lines of a peer's settings that a shell runs: those before prose.
func commands(text, peer string) string {
	_, text, _ = strings.Cut(text, "  "+peer)
	var lines []string
	for i, line := range strings.Split(text, "\n") {
		if i > 0 && !strings.HasPrefix(line, "      ") || strings.HasPrefix(strings.TrimSpace(line), "It ") {
			break
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// TestPeersSettingsAreReady runs the printed commands as they stand, and calls the
// sandbox with what they made.
func TestPeersSettingsAreReady(t *testing.T) {
	for _, tool := range []string{"sh", "openssl", "awk", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	box, err := sandbox.Open(sandbox.World{Issuer: sandbox.DefaultIssuer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	server := httptest.NewServer(box)
	t.Cleanup(server.Close)
	text, dir := peerLines(server.URL, sandbox.DefaultIssuer, true), t.TempDir()
	for _, peer := range []string{"acts", "key", "fastlane", "gateway"} {
		run := exec.CommandContext(t.Context(), "sh", "-ec", commands(text, peer))
		run.Dir = dir
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", peer, err, out)
		}
	}
	var key struct {
		ID     string `json:"key_id"`
		Issuer string `json:"issuer_id"`
		Key    string `json:"key"`
	}
	raw, err := os.ReadFile(filepath.Join(dir, "api_key.sandbox.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &key); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	file := filepath.Join(dir, "AuthKey_"+peerKey+".p8")
	if p8, err := os.ReadFile(file); err != nil || string(p8) != key.Key {
		t.Errorf("fastlane's key is not that of %s: %v", file, err)
	}
	wantAnswer(t, server.URL, file, key.ID, key.Issuer)
	cfg, err := config.Read(filepath.Join(dir, "gateway.sandbox.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if k := cfg.Teams[0].Keys[0]; cfg.Upstream.BaseURL != server.URL || k.URI != "file://"+file || k.ID != key.ID {
		t.Errorf("the gateway is pointed to %s with the key %s in %s", cfg.Upstream.BaseURL, k.ID, k.URI)
	}
}

// wantAnswer calls a sandbox with a token that a key signs.
func wantAnswer(t *testing.T, base, file, kid, issuer string) {
	t.Helper()
	private, err := filekey.Private(file)
	if err != nil {
		t.Fatal(err)
	}
	token, err := sandbox.Key{ID: kid, Issuer: issuer, Private: private}.Token()
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", base+"/v1/apps?limit=2", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Errorf("a call with the printed settings: %s", res.Status)
	}
}

// TestPeersOfAnOpenSandbox need not register their keys.
func TestPeersOfAnOpenSandbox(t *testing.T) {
	text := peerLines("http://127.0.0.1:8090", sandbox.DefaultIssuer, false)
	if strings.Contains(text, "_sandbox/keys") || strings.Contains(text, "$TOKEN") {
		t.Errorf("it takes any token:\n%s", text)
	}
	for _, left := range []string{"BASE", "ISSUER", "KEY}", "CURL", "REGISTER"} {
		if strings.Contains(text, left) {
			t.Errorf("%s was not replaced:\n%s", left, text)
		}
	}
}
