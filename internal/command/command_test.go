package command

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	engine "github.com/asc-gateway/asc-gateway/internal/service"
)

// output is written by the program and read by the test.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) { o.mu.Lock(); defer o.mu.Unlock(); return o.b.Write(p) }
func (o *output) String() string              { o.mu.Lock(); defer o.mu.Unlock(); return o.b.String() }

func TestServeSandboxFromTheFirstLineToTheLast(t *testing.T) {
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	key := filepath.Join(t.TempDir(), "unused.p8")
	if err := os.WriteFile(config, []byte("listen: {rest: '127.0.0.1:0', grpc: '127.0.0.1:0', ops: '127.0.0.1:0'}\nteams: [{name: t, keys: [{id: K, uri: 'file:"+key+"'}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, done := &output{}, make(chan error, 1)
	go func() { done <- Run(ctx, []string{"serve", "--sandbox", "--config", config}, out, io.Discard) }()
	address := regexp.MustCompile(`rest +(http://\S+)`)
	deadline := time.Now().Add(20 * time.Second)
	for !address.MatchString(out.String()) {
		if time.Now().After(deadline) {
			t.Fatalf("not ready: %s", out)
		}
		select {
		case err := <-done:
			t.Fatal(err)
		default:
		}
	}
	res, err := http.Get(address.FindStringSubmatch(out.String())[1] + "/v1/apps?limit=1")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != 200 || !strings.Contains(string(body), "Trail Mix") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("it did not end well: %v", err)
	}
}

func TestCommands(t *testing.T) {
	var out bytes.Buffer
	if err := Run(t.Context(), nil, &out, io.Discard); err != nil || !strings.Contains(out.String(), "serve --sandbox") {
		t.Errorf("a plain start explains what to do: %v %s", err, &out)
	}
	for _, c := range []struct {
		args            []string
		there, notThere string
	}{
		{nil, "asc/testflight/v1/builds.proto google/api/http.proto google/rpc/error_details.proto", "asc/options/v1/options.proto buf/validate/validate.proto"},
		{[]string{"--area", "webhooks,gateway"}, "asc/webhooks/v1/webhooks.proto ascgateway/quota/v1/quota.proto google/rpc/error_details.proto", "asc/testflight/v1/builds.proto"},
		{[]string{"--options"}, "asc/testflight/v1/builds.proto asc/options/v1/options.proto buf/validate/validate.proto", ""},
	} {
		dir := t.TempDir()
		if err := Run(t.Context(), append([]string{"protos", "--out", dir}, c.args...), &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(c.there) {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Error(err)
			}
		}
		for _, name := range strings.Fields(c.notThere) {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				t.Errorf("%v: %s is there", c.args, name)
			}
		}
	}
	out.Reset()
	if err := Run(t.Context(), []string{"version"}, &out, io.Discard); err != nil || !strings.Contains(out.String(), "\nApple's document "+engine.Document().GetVersion()+"\n") {
		t.Errorf("%v %s", err, &out)
	}
	out.Reset()
	if err := Run(t.Context(), []string{"version", "--sbom"}, &out, io.Discard); err != nil || !strings.Contains(out.String(), `"purl": "pkg:golang/stdlib@`) {
		t.Errorf("%v %s", err, &out)
	}
	for name, args := range map[string][]string{"serve without anything": {"serve"}, "unknown command": {"nonsense"}, "missing file": {"serve", "--config", "/none"}} {
		if err := Run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
