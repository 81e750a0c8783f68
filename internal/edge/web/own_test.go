package web_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/store"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// ownInDescriptors are the full names of all methods of packages ascgateway.*
// that are linked into the program.
func ownInDescriptors() (list []string) {
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(fd.Package()), "ascgateway.") {
			return true
		}
		for i := range fd.Services().Len() {
			sd := fd.Services().Get(i)
			for j := range sd.Methods().Len() {
				list = append(list, "/"+string(sd.FullName())+"/"+string(sd.Methods().Get(j).Name()))
			}
		}
		return true
	})
	return list
}

// TestOwnServicesHavePages holds that no service of the gateway's own is left out
// of the list, the search and the pages.
func TestOwnServicesHavePages(t *testing.T) {
	w := newWorld(t, authn.Config{})
	_, list := w.page(t, "/docs?area=gateway")
	all := ownInDescriptors()
	if len(all) < 8 {
		t.Fatalf("only %v", all)
	}
	for _, name := range all {
		if !strings.Contains(list, `href="/docs`+name+`"`) {
			t.Errorf("%s is not in the list of the area", name)
		}
		if status, body := w.page(t, "/docs"+name); status != 200 || strings.Contains(body, "Apple's request") ||
			strings.Contains(body, "api.appstoreconnect.apple.com") {
			t.Errorf("%s: %d, or a request of Apple's", name, status)
		}
		short := name[strings.LastIndexByte(name, '/')+1:]
		if _, found := w.page(t, "/docs?q="+short); !strings.Contains(found, `href="/docs`+name+`"`) {
			t.Errorf("a search for %s does not find it", short)
		}
	}
}

func TestOwnSearch(t *testing.T) {
	w := newWorld(t, authn.Config{})
	const getQuota = `href="/docs/ascgateway.quota.v1.QuotaService/GetQuota"`
	for _, c := range []struct {
		name, path string
		want       bool
	}{
		{"words", "/docs?q=get+quota", true},
		{"in the area", "/docs?q=quota&area=gateway", true},
		{"in another area", "/docs?q=quota&area=testflight", false},
		{"other words", "/docs?q=quota+builds", false},
		{"the cards", "/docs", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, body := w.page(t, c.path); strings.Contains(body, getQuota) != c.want {
				t.Errorf("found: %v", !c.want)
			}
		})
	}
	if _, body := w.page(t, "/docs"); !strings.Contains(body, `href="/docs?area=gateway"`) {
		t.Error("the list of areas has no card of the gateway's own")
	}
	if _, body := w.page(t, "/docs?q=quota&area=gateway"); !strings.Contains(body, "2 operations") {
		t.Error("the count is not that of the gateway's own methods")
	}
	_, body := w.page(t, "/docs?q=GetVersion")
	if first := strings.Index(body, "/docs/ascgateway.catalog.v1.CatalogService/GetVersion"); first < 0 ||
		strings.Contains(body[:first], `href="/docs/asc.`) {
		t.Error("a method that is named is not the first")
	}
}

// TestOwnPage reads the page of a method with a body.
func TestOwnPage(t *testing.T) {
	w := newWorld(t, authn.Config{})
	_, body := w.page(t, "/docs/ascgateway.tokens.v1.TokenService/MintToken")
	for _, want := range []string{
		"Makes a token for Apple", "at most 128 bytes", "at most 20", "duration, as 90s", "JSON name", "keyId",
		"gateway call MintToken scope=", "POST " + w.url + "/ascgateway/v1/tokens",
		"tokensv1.NewTokenServiceClient(conn).MintToken", "POLICY_DENIED", "Try it",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, wrong := range []string{"operation id", "Apple's name", "<h2>Quota</h2>"} {
		if strings.Contains(body, wrong) {
			t.Errorf("the page says %q", wrong)
		}
	}
	if _, body := w.page(t, "/docs/ascgateway.quota.v1.QuotaService/WatchQuota"); strings.Contains(body, "Try it") {
		t.Error("a stream that does not end can be tried from the page")
	}
}

// withStore gives a gateway a store.
func withStore(t testing.TB) func(*gateway.Deps) {
	s, err := store.Open(store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "store.db")}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Start(t.Context())
	return func(d *gateway.Deps) { d.Jobs.Store = s }
}

// TestOwnLines runs the curl and `gateway call` lines of DistributeBuild, and of all
// own methods that only read.
func TestOwnLines(t *testing.T) {
	callers, token := withToken(t)
	w := newWorld(t, callers, withStore(t))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.gateway.Server.GRPC().Serve(l) }()
	t.Cleanup(func() { w.gateway.Server.GRPC().Stop(); <-served })
	program := buildGateway(t)
	run := func(m *access.Method, line string) string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		watch := strings.Contains(m.FullName, "/Watch") // it does not end by itself
		if watch {
			line = "timeout 3 " + line
		}
		c := exec.CommandContext(ctx, "bash", "-c", line)
		c.Dir = t.TempDir()
		c.Env = append(os.Environ(), "ASC_GATEWAY_ADDRESS="+l.Addr().String(), "ASC_GATEWAY_TOKEN="+token)
		out, err := c.CombinedOutput()
		if err != nil && !watch {
			t.Errorf("%s\n%s\n%v", m.FullName, line, err)
		}
		return string(bytes.TrimSpace(out))
	}
	methods := slices.DeleteFunc(gateway.Methods(nil), func(m *access.Method) bool {
		return m.Desc().IsStreamingClient() || m.Job == "" && m.Verb != "GET" || !strings.HasPrefix(m.Name(), "ascgateway.")
	})
	// A job is first: there is an operation then.
	slices.SortStableFunc(methods, func(a, b *access.Method) int { return strings.Compare(b.Job, a.Job) })
	n := 0
	operation := regexp.MustCompile(`operations/([0-9a-f-]{36})`)
	id := "OPERATION_ID"
	for _, m := range methods {
		n++
		lines := w.linesOf(t, m.FullName)
		ready := func(line string) string { return w.withIDs(strings.ReplaceAll(line, "OPERATION_ID", id)) }
		curl := ready(strings.Replace(lines["curl"], "curl ", "curl --fail-with-body ", 1))
		out := run(m, curl)
		if out == "" && !m.Desc().IsStreamingServer() || strings.Contains(out, `"error": {`) {
			t.Errorf("%s\n%s\n%s", m.FullName, curl, out)
		}
		if found := operation.FindStringSubmatch(out); m.Job != "" && found != nil {
			id = found[1]
			continue // a second call would be ALREADY_EXISTS
		}
		call := ready(strings.Replace(lines["gateway call"], "gateway ", program+" ", 1))
		if out := run(m, call); out == "" || strings.HasPrefix(out, "gateway: ") {
			t.Errorf("%s\n%s\n%s", m.FullName, call, out)
		}
	}
	if n < 11 {
		t.Errorf("only %d methods read", n)
	}
}

// TestOwnProgramsRun runs the programs of an own method, and of a stream that does
// not end.
func TestOwnProgramsRun(t *testing.T) {
	w := newWorld(t, authn.Config{})
	for _, name := range []string{
		"/ascgateway.catalog.v1.CatalogService/SearchOperations",
		"/ascgateway.quota.v1.QuotaService/WatchQuota",
	} {
		lines := w.linesOf(t, name)
		for title, words := range map[string][]string{"Node": {"node", "--input-type=module", "-e"}, "Python": {"python3", "-u", "-c"}} {
			c := exec.CommandContext(t.Context(), "timeout", append(append([]string{"5"}, words...), lines[title])...)
			out, err := c.CombinedOutput()
			if !bytes.Contains(out, []byte("{")) || err != nil && !strings.Contains(name, "/Watch") {
				t.Errorf("%s in %s: %v %s\n%s", name, title, err, out, lines[title])
			}
		}
	}
	dir := t.TempDir()
	args := []string{"vet"}
	for _, name := range ownInDescriptors() {
		short := name[strings.LastIndexByte(name, '/')+1:]
		lines := w.linesOf(t, name)
		if lines["Go"] == "" { // its caller sends a file
			continue
		}
		text := strings.Replace(lines["Go"], "func main()", "func main"+short+"()", 1)
		args = append(args, write(t, dir, strings.ToLower(short)+".go", text))
	}
	args = append(args, write(t, dir, "main.go", "package main\n\nfunc main() {}\n"))
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%.4000s", err, out)
	}
}

// buildGateway builds the program.
func buildGateway(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "gateway")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../../cmd/gateway").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}
