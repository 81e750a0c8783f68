package browsertest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// world is a gateway before its own sandbox, and a browser.
type world struct {
	rest, ops, sandbox string // addresses
	token              string
	browser            context.Context
}

const policy = `version: 1
rules:
- {name: all, principals: ["token:first"], methods: [read, write], teams: [sandbox], apps: all}
`

const configuration = `listen: {rest: "127.0.0.1:0", grpc: "127.0.0.1:0", ops: "127.0.0.1:0"}
authn: {first_token_file: %[1]s/token}
policy: {file: %[1]s/policy.yaml}
quota: {hour_limit: 3600}
teams: [{name: unused, keys: [{id: UNUSED, issuer_id: 57246542-96fe-1a63-e053-0824d011072a, uri: "file:///unused.p8"}]}]
`

// newWorld starts the program, built from the module around this one, or the one
// that ASC_GATEWAY_PROGRAM names.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	program := os.Getenv("ASC_GATEWAY_PROGRAM")
	if program == "" {
		program = filepath.Join(dir, "gateway")
		build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/gateway")
		build.Dir = "../../../.."
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for name, text := range map[string]string{"policy.yaml": policy, "gateway.yaml": fmt.Sprintf(configuration, dir)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), program, "serve", "--sandbox", "--config", filepath.Join(dir, "gateway.yaml"))
	run.Cancel = func() error { return run.Process.Signal(syscall.SIGTERM) }
	run.WaitDelay = 30 * time.Second
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	w := &world{}
	lines := bufio.NewScanner(out)
	for w.rest == "" || w.ops == "" || w.sandbox == "" {
		if !lines.Scan() {
			t.Fatal("the gateway ended before it served")
		}
		for name, into := range map[string]*string{"rest": &w.rest, "ops": &w.ops, "sandbox": &w.sandbox} {
			if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == name {
				*into = strings.TrimSuffix(words[1], "/readyz")
			}
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	t.Cleanup(func() { _ = run.Cancel(); _ = run.Wait() })
	b, err := os.ReadFile(filepath.Join(dir, "token"))
	if err != nil {
		t.Fatal(err)
	}
	w.token = strings.TrimSpace(string(b))
	w.browser = newBrowser(t)
	return w
}

// newBrowser starts a browser that talks to nobody but these pages.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, // chromedp makes a new profile by itself
		chromedp.Flag("disable-quic", true), chromedp.Flag("no-first-run", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	quiet := chromedp.WithErrorf(func(string, ...any) {}) // events that are newer than chromedp
	ctx, _ = chromedp.NewContext(ctx, quiet)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // it may have ended
		end()
	})
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("no browser: apt-get install chromium: %v", err)
	}
	return ctx
}

// tab opens a tab that fails the test for every message on the console.
func (w *world) tab(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(w.browser)
	t.Cleanup(cancel)
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
				t.Errorf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
			}
		case *runtime.EventConsoleAPICalled:
			t.Errorf("console: %v", e.Args)
		case *runtime.EventExceptionThrown:
			t.Errorf("exception: %v", e.ExceptionDetails)
		}
	})
	ctx, cancel = context.WithTimeout(ctx, 30*time.Second)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx, log.Enable(), runtime.Enable()); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// do runs actions in a tab.
func do(t *testing.T, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// call reads over REST.
func (w *world) call(t *testing.T, path string) {
	t.Helper()
	w.send(t, "GET", path, "")
}

// send makes a call over REST, which must succeed.
func (w *world) send(t *testing.T, method, path, body string) (answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.rest+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		t.Errorf("%s %s: %s %v", method, path, res.Status, err)
	}
	return string(b)
}

// held is an object that the sandbox holds.
type held struct {
	ID         string         `json:"id"`
	Attributes map[string]any `json:"attributes"`
}

// held are the sandbox's objects of a type.
func (w *world) held(t *testing.T, typ string) []held {
	t.Helper()
	res, err := http.Get(w.sandbox + "/_sandbox/state/" + typ)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var state struct{ Objects []held }
	if err := json.NewDecoder(res.Body).Decode(&state); err != nil || len(state.Objects) == 0 {
		t.Fatalf("no %s: %v", typ, err)
	}
	return state.Objects
}
