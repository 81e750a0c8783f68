package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/config"
)

// started serves with arguments until the test ends, and returns what it prints
// once it serves.
func started(t *testing.T, args ...string) *output {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, done := &output{}, make(chan error, 1)
	go func() { done <- Run(ctx, append([]string{"serve"}, args...), out, io.Discard) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("it did not end well: %v", err)
		}
		if !strings.Contains(out.String(), "\nended after ") {
			t.Errorf("it ends without a line: %s", out)
		}
	})
	for deadline := time.Now().Add(30 * time.Second); !regexp.MustCompile(`(?m)^ops +http`).MatchString(out.String()); {
		select {
		case err := <-done:
			done <- err
			t.Fatalf("%v\n%s", err, out)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready: %s", out)
		}
	}
	return out
}

// said is a word that a gateway printed.
func said(t *testing.T, out *output, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(out.String())
	if m == nil {
		t.Fatalf("%s is not in:\n%s", pattern, out)
	}
	return m[1]
}

// call runs `gateway call`.
func call(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := Run(t.Context(), append([]string{"call"}, args...), &out, io.Discard)
	return out.String(), err
}

const anywhere = "127.0.0.1:0"

func TestCalls(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	gw := said(t, started(t, "--sandbox", "--rest", anywhere, "--grpc", anywhere, "--ops", anywhere), `(?m)^grpc +(\S+)`)
	t.Setenv("ASC_GATEWAY_ADDRESS", gw)
	report := filepath.Join(t.TempDir(), "report.gz")
	for _, c := range []struct {
		name string
		args []string
		exit int
		want string
	}{
		{"JSON", []string{"ListApps", "page_size=1", "fields.apps=name"}, 0, `"name": "Trail Mix"`},
		{"YAML", []string{"ListApps", "page_size=1", "-o", "yaml"}, 0, "name: Trail Mix"},
		{"a table", []string{"ListApps", "-o", "table", "--columns", "id,name"}, 0, "1500004000  Trail Mix"},
		{"a record", []string{"GetApp", "1500004000", "-o", "table"}, 0, "name "},
		{"Apple's request", []string{"GET /v1/apps/1500004000?fields[apps]=sku"}, 0, `"sku": "SKU-100"`},
		{"a write", []string{"CreateBetaGroup", "app=1500004000", "name=Friends of the CLI"}, 0, `"name": "Friends of the CLI"`},
		{"a write that is checked", []string{"CreateBetaGroup", "app=1500004000", "name=x", "--validate-only"}, 0, "{}"},
		{"a read that is checked", []string{"ListApps", "--validate-only"}, 2, ""},
		{"a file", []string{"ListSalesReports", "filter.frequency=DAILY", "filter.report_type=SALES", "filter.report_sub_type=SUMMARY",
			"filter.vendor_number=85000000", "filter.report_date=2026-11-20", "--out", report}, 0, ""},
		{"a form that is not there", []string{"ListApps", "-o", "xml"}, 2, ""},
		{"an id that is not there", []string{"GetApp", "1"}, 4, ""},
		{"a required field", []string{"CreateBetaGroup", "app=1500004000"}, 5, ""},
		{"a deadline", []string{"ListApps", "--timeout", "120ms", "--address", "192.0.2.1:1", "--plaintext"}, 8, ""},
		{"nobody there", []string{"ListApps", "--address", "127.0.0.1:1"}, 8, ""},
		{"TLS where there is none", []string{"ListApps", "--tls"}, 8, ""},
		{"pages of what has none", []string{"GetApp", "1500004000", "--all"}, 2, ""},
	} {
		out, err := call(t, c.args...)
		if ExitCode(err) != c.exit || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit code %d, want %d: %v\n%s", c.name, ExitCode(err), c.exit, err, out)
		}
	}
	if info, err := os.Stat(report); err != nil || info.Size() == 0 {
		t.Errorf("the report: %v", err)
	}
}

// TestAllPages compares what --all brings, page by page, with one large page.
func TestAllPages(t *testing.T) {
	gw := said(t, started(t, "--sandbox", "--rest", anywhere, "--grpc", anywhere, "--ops", anywhere), `(?m)^grpc +(\S+)`)
	type answer struct {
		Builds   []struct{ ID string }
		Included struct{ Apps []struct{ ID string } }
		Next     string `json:"nextPageToken"`
		Total    int    `json:"totalSize"`
	}
	read := func(args ...string) (a answer) {
		out, err := call(t, append([]string{"ListBuilds", "include=app", "--address", gw}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(out), &a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	once, paged := read("page_size=200"), read("page_size=1", "--all")
	if len(once.Builds) < 3 || len(paged.Builds) != len(once.Builds) || paged.Total != once.Total || paged.Next != "" {
		t.Errorf("got %+v, want %+v", paged, once)
	}
	for i := range once.Builds {
		if once.Builds[i] != paged.Builds[i] {
			t.Errorf("build %d: %v, want %v", i, paged.Builds[i], once.Builds[i])
		}
	}
	if len(paged.Included.Apps) != len(once.Included.Apps) {
		t.Errorf("%d apps are included, want %d: each once", len(paged.Included.Apps), len(once.Included.Apps))
	}
	out, err := call(t, "ListBuilds", "page_size=1", "--all", "-o", "jsonl", "--address", gw)
	if n := strings.Count(out, "\n"); err != nil || n != len(once.Builds) {
		t.Errorf("%d lines, want %d: %v", n, len(once.Builds), err)
	}
}

// TestJSONIsThatOfREST compares answers of `gateway call` with those of the REST
// face.
func TestJSONIsThatOfREST(t *testing.T) {
	out := started(t, "--sandbox", "--rest", anywhere, "--grpc", anywhere, "--ops", anywhere)
	gw, rest := said(t, out, `(?m)^grpc +(\S+)`), said(t, out, `(?m)^rest +(\S+)`)
	for _, path := range []string{
		"/v1/builds?include=app,betaGroups&limit=200", "/v1/apps?limit=200", "/v1/bundleIds?include=profiles&limit=200",
		"/v1/devices?limit=200", "/v1/betaGroups?limit=200&include=builds", "/v1/users?limit=200", "/v1/territories?limit=200",
		"/v1/apps/1500004000/appStoreVersions?limit=200", "/v1/apps/1500004000/relationships/builds?limit=200",
		"/ascgateway/v1/catalog/resources/builds", "/ascgateway/v1/quota",
	} {
		res, err := http.Get(rest + path)
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		err = json.NewDecoder(res.Body).Decode(&want)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v", path, res.Status, err)
		}
		text, err := call(t, "--address", gw, "GET "+path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if path == "/ascgateway/v1/quota" { // it counts what was asked between the two
			continue
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: not the JSON of REST:\n%v\n%v", path, got, want)
		}
	}
}

func TestCallsOfTheSandbox(t *testing.T) {
	t.Setenv("ASC_GATEWAY_TOKEN", "not for the sandbox")
	out, err := call(t, "--sandbox", "ListApps", "page_size=1")
	if err != nil || !strings.Contains(out, "Trail Mix") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestOnePort serves gRPC, REST over HTTP/1.1 and REST over HTTP/2 on one port,
// and asks for a token where others can reach it. Streams that do not end by
// themselves do not hold up the end.
func TestOnePort(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var began time.Time
	t.Cleanup(func() { // after the gateway has ended
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the end took %v", took)
		}
	})
	out := started(t, "--sandbox", "--listen", "0.0.0.0:0", "--ops", anywhere)
	_, port, err := net.SplitHostPort(said(t, out, `(?m)^grpc +(\S+)`))
	if err != nil {
		t.Fatal(err)
	}
	address, token := "127.0.0.1:"+port, said(t, out, `(?m)^token +(\S+)`)
	if _, err := call(t, "--address", address, "ListApps"); ExitCode(err) != 3 {
		t.Errorf("without a token: %v", err)
	}
	t.Setenv("ASC_GATEWAY_TOKEN", token)
	if got, err := call(t, "--address", address, "ListApps"); err != nil || !strings.Contains(got, "Trail Mix") {
		t.Errorf("gRPC: %v %s", err, got)
	}
	h2 := new(http.Protocols)
	h2.SetUnencryptedHTTP2(true)
	for name, transport := range map[string]*http.Transport{"HTTP/1.1": {}, "HTTP/2.0": {Protocols: h2}} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+"/v1/apps", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.Proto != name || !strings.Contains(string(body), "Trail Mix") {
			t.Errorf("%s: %s %v %.100s", name, res.Proto, err, body)
		}
	}
	watch, watched := &output{}, make(chan error, 1)
	go func() {
		watched <- Run(t.Context(), []string{"call", "--address", address, "WatchQuota"}, watch, io.Discard)
	}()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(watch.String(), "keys") && time.Now().Before(deadline); {
		if len(watched) > 0 {
			t.Fatal(<-watched)
		}
	}
	t.Cleanup(func() { began = time.Now() }) // before the gateway is told to end
}

func TestAddressesOfServe(t *testing.T) {
	taken, err := net.Listen("tcp", anywhere)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at := taken.Addr().String()
	for _, c := range []struct {
		name string
		args []string
		env  map[string]string
		want string
	}{
		{"a taken port", []string{"--rest", at}, nil, "listen.rest: " + at + " is taken by another process: choose another port in listen.rest or with --rest"},
		{"a taken port of the environment", nil, map[string]string{"ASC_GATEWAY_GRPC": at}, "listen.grpc: " + at + " is taken"},
		{"a flag counts more", []string{"--grpc", at}, map[string]string{"ASC_GATEWAY_GRPC": "nonsense"}, "listen.grpc: " + at + " is taken"},
		{"one port that is taken", []string{"--listen", at}, nil, "listen.address: " + at + " is taken"},
		{"one port and another", []string{"--listen", at, "--rest", at}, nil, "drop --rest and --grpc"},
		{"no address", []string{"--ops", "nonsense"}, nil, `listen.ops: "nonsense" is no address`},
		{"a port that cannot be", []string{"--rest", "127.0.0.1:99999"}, nil, "no address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"REST", "GRPC", "OPS"} {
				t.Setenv("ASC_GATEWAY_"+name, anywhere)
			}
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			err := Run(t.Context(), append([]string{"serve", "--sandbox"}, c.args...), io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	for err, want := range map[error]string{syscall.EACCES: "may not listen", syscall.EADDRNOTAVAIL: "has no address", errors.New("x"): "cannot listen"} {
		if got := (face{"rest", at, "listen.rest", "--rest"}).failed(err).Error(); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestTheSandboxNeedsNoTeam is case 11: a configuration with nothing but ports.
func TestTheSandboxNeedsNoTeam(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(name, []byte(faces), 0o600); err != nil {
		t.Fatal(err)
	}
	started(t, "--sandbox", "--config", name)
	if _, err := config.Read(name); err == nil || !strings.Contains(err.Error(), "teams") {
		t.Errorf("without a sandbox: %v", err)
	}
}

// TestPlainWords holds errors of the command line to our own words.
func TestPlainWords(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"policy test", "policy test: missing FILE: gateway policy test FILE"},
		{"policy test a b", `policy test: too many arguments, from "b" on`},
		{"config schema x", `config schema: takes no arguments, but got "x"`},
		{"policy explian x", `policy: there is no command "explian"; did you mean explain?`},
		{"polcy", `there is no command "polcy"; did you mean policy?`},
		{"serve --sandbx", "serve: there is no flag --sandbx; did you mean --sandbox?"},
		{"serve --config", "serve: --config: missing its value"},
		{"serve --sandbox=7", `serve: --sandbox: "7" is no true or false`},
		{"call --timeout soon ListApps", `call: --timeout: "soon" is no duration such as 90s`},
		{"keys import x", "missing --to"},
		{"policy explain x", "missing --method, --principal"},
		{"serve --sandbox --log-level loud", "--log-level: want debug, info, warn or error"},
		{"login", "login: missing ADDRESS"},
	} {
		err := Run(t.Context(), strings.Fields(c.args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) || ExitCode(err) != 2 {
			t.Errorf("%s: exit code %d: got %v, want %q", c.args, ExitCode(err), err, c.want)
		}
	}
	var out bytes.Buffer
	if err := Run(t.Context(), nil, &out, io.Discard); err != nil || !strings.Contains(out.String(), "call ") || !strings.Contains(out.String(), "login ") {
		t.Errorf("the bare program does not list its commands: %v %s", err, &out)
	}
	out.Reset()
	if err := Run(t.Context(), []string{"--version"}, &out, io.Discard); err != nil || out.String() != "gateway "+version()+"\n" {
		t.Errorf("%v %s", err, &out)
	}
}

func TestTheLogIsForPeopleOnATerminal(t *testing.T) {
	for people, want := range map[bool]string{true: `^time=\d\d:\d\d:\d\d level=INFO msg=hello\n$`, false: `^\{"time":"20.*"msg":"hello"\}\n$`} {
		var out bytes.Buffer
		slog.New(newHandler(&out, slog.LevelInfo, people)).Info("hello")
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("people %v: %s", people, &out)
		}
	}
}
