//go:build fleet

package conformance

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
	"github.com/asc-gateway/asc-gateway/internal/store/pgtest"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// distributions is how many jobs are begun.
const distributions = 200

// goOn is within what time a job goes on whose replica was killed.
const goOn = 2 * time.Minute

// line is gateways that run jobs before a counting proxy before the sandbox.
type line struct {
	t          *testing.T
	dir, token string
	box        *sandbox.Sandbox
	rest, grpc []string
	procs      []*exec.Cmd
	http       *http.Client

	mu     sync.Mutex
	writes map[string]int // that succeeded: method, path and body
}

func newLine(t *testing.T, size int, settings string) *line {
	t.Helper()
	l := emptyLine(t)
	l.box = sandbox.New(t, sandbox.World{HourLimit: 1 << 20, Auto: sandbox.Auto{BetaReview: 3 * time.Second}})
	l.write("policy.yaml", `version: 1
rules: [{name: ci, principals: ["token:ci"], methods: ["job:DistributeBuild"], teams: [main], apps: all}]
`)
	target, _ := url.Parse(l.box.URL)
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target); l.note(r) },
		ModifyResponse: l.count,
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	})
	t.Cleanup(front.Close)
	token, sum := authn.NewToken()
	l.token = token
	callers := fmt.Sprintf("{name: ci, sha256: %s}", sum)
	l.serve(size, front.URL, l.box.Key, callers, "jobs: {build_every: 1s, review_every: 1s}\n"+settings)
	return l
}

// emptyLine has no gateways yet.
func emptyLine(t *testing.T) *line {
	return &line{t: t, dir: t.TempDir(), writes: map[string]int{}, http: &http.Client{Timeout: 20 * time.Second}}
}

// serve starts gateways of one team before an upstream.
func (l *line) serve(size int, upstream string, key sandbox.Key, callers, settings string) {
	l.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key.Private)
	if err != nil {
		l.t.Fatal(err)
	}
	l.write("key.p8", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	l.build("gateway", "../../cmd/gateway")
	for i := range size {
		l.rest, l.grpc = append(l.rest, free(l.t)), append(l.grpc, free(l.t))
		l.write(fmt.Sprintf("gateway%d.yaml", i), fmt.Sprintf(`
upstream: {base_url: %q}
listen: {rest: %q, grpc: %q, ops: %q}
teams: [{name: main, keys: [{id: %s, issuer_id: %s, uri: "file:key.p8"}]}]
authn: {tokens: [%s]}
policy: {file: policy.yaml}
secrets: {file: secrets}
log: {level: warn}
%s
`, upstream, l.rest[i], l.grpc[i], free(l.t), key.ID, sandbox.DefaultIssuer, callers, settings))
	}
	l.procs = make([]*exec.Cmd, size)
	for i := range size {
		l.start(i)
	}
	l.t.Cleanup(func() {
		for i := range l.procs {
			l.kill(i)
		}
	})
}

// build builds a program of the module.
func (l *line) build(name, folder string) {
	l.t.Helper()
	out, err := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(l.dir, name), folder).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%v %s", err, out)
	}
}

func free(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (l *line) write(name, text string) {
	if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) start(i int) {
	l.t.Helper()
	name := fmt.Sprintf("gateway%d", i)
	l.procs[i] = l.process(name, l.rest[i], "gateway", "serve", "--config", filepath.Join(l.dir, name+".yaml"))
}

// process starts a program that was built, and waits until it listens.
func (l *line) process(name, address, program string, args ...string) *exec.Cmd {
	l.t.Helper()
	cmd := exec.Command(filepath.Join(l.dir, program), args...)
	log, err := os.OpenFile(filepath.Join(l.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	for range 500 {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return cmd
		}
		time.Sleep(20 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	b, _ := os.ReadFile(log.Name())
	l.t.Fatalf("%s does not listen: %s", name, b)
	return nil
}

// kill is kill -9.
func (l *line) kill(i int) { killed(l.procs[i]) }

func killed(p *exec.Cmd) {
	if p != nil && p.ProcessState == nil {
		_ = p.Process.Signal(syscall.SIGCONT)
		_ = p.Process.Kill()
		_ = p.Wait() // it was killed
	}
}

// note keeps the body of a write for [line.count].
func (l *line) note(r *httputil.ProxyRequest) {
	if r.In.Method == http.MethodGet || r.In.Body == nil {
		return
	}
	body, _ := io.ReadAll(r.In.Body)
	r.Out.Body = io.NopCloser(bytes.NewReader(body))
	r.Out.ContentLength = int64(len(body))
	r.Out.Header.Set("X-Counted", fmt.Sprintf("%q", body))
}

// count counts the writes that succeeded.
func (l *line) count(r *http.Response) error {
	if r.Request.Method != http.MethodGet && r.StatusCode/100 == 2 {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.writes[r.Request.Method+" "+r.Request.URL.Path+" "+r.Request.Header.Get("X-Counted")]++
	}
	return nil
}

// call calls a replica until one answers.
func (l *line) call(method, path, body string) map[string]any {
	l.t.Helper()
	var last string
	for i := range 400 {
		r, _ := http.NewRequest(method, "http://"+l.rest[i%len(l.rest)]+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+l.token)
		r.Header.Set("Content-Type", "application/json")
		res, err := l.http.Do(r)
		if err != nil {
			last = err.Error()
			time.Sleep(100 * time.Millisecond)
			continue
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		out := map[string]any{}
		if err == nil && res.StatusCode == 200 && json.Unmarshal(b, &out) == nil {
			return out
		}
		if last = fmt.Sprintf("%d %s", res.StatusCode, b); res.StatusCode < 500 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	l.t.Fatalf("%s %s: %s", method, path, last)
	return nil
}

// builds makes builds in the sandbox, each of a version of its own.
func (l *line) builds(n int) {
	l.t.Helper()
	client := l.box.Client()
	send := func(method, path string, body any) map[string]any {
		b, _ := json.Marshal(body)
		r, _ := http.NewRequest(method, l.box.URL+path, bytes.NewReader(b))
		r.Header.Set("Content-Type", "application/json")
		res, err := client.Do(r)
		if err != nil {
			l.t.Fatal(err)
		}
		defer res.Body.Close()
		out := map[string]any{}
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode/100 != 2 {
			l.t.Fatalf("%s %s: %d %v %v", method, path, res.StatusCode, out, err)
		}
		return out["data"].(map[string]any)
	}
	doc := func(typ, id string, attrs map[string]any, rels map[string]any) map[string]any {
		d := map[string]any{"type": typ, "attributes": attrs}
		if id != "" {
			d["id"] = id
		}
		for name, x := range rels {
			d["relationships"] = map[string]any{name: map[string]any{"data": x}}
		}
		return map[string]any{"data": d}
	}
	for i := range n {
		up := send(
			"POST",
			"/v1/buildUploads",
			doc("buildUploads", "", map[string]any{"cfBundleShortVersionString": fmt.Sprintf("20.%d", i),
				"cfBundleVersion": "1", "platform": "IOS"}, map[string]any{"app": map[string]any{"type": "apps", "id": "1500004000"}}),
		)
		content := []byte(fmt.Sprint("an app ", i))
		file := send(
			"POST",
			"/v1/buildUploadFiles",
			doc("buildUploadFiles", "", map[string]any{"assetType": "ASSET", "fileName": "a.ipa",
				"fileSize": len(
					content,
				), "uti": "com.apple.ipa"}, map[string]any{"buildUpload": map[string]any{"type": "buildUploads", "id": up["id"]}}),
		)
		for _, o := range file["attributes"].(map[string]any)["uploadOperations"].([]any) {
			op := o.(map[string]any)
			r, _ := http.NewRequest(op["method"].(string), op["url"].(string), bytes.NewReader(content))
			for _, h := range op["requestHeaders"].([]any) {
				r.Header.Set(h.(map[string]any)["name"].(string), h.(map[string]any)["value"].(string))
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				l.t.Fatal(err)
			}
			res.Body.Close()
		}
		send(
			"PATCH",
			"/v1/buildUploadFiles/"+file["id"].(string),
			doc("buildUploadFiles", file["id"].(string), map[string]any{"uploaded": true}, nil),
		)
	}
}

// begin starts all distributions, and returns their operations.
func (l *line) begin(n int) []string {
	ids := make([]string, n)
	for i := range n {
		op := l.call(
			"POST",
			"/ascgateway/v1/workflows/distributeBuild",
			fmt.Sprintf(`{"app":"com.example.trailmix","version":"20.%d",`+
				`"number":"1","groups":["Group %d"],"createGroups":true,"notes":{"en-US":"One %d","de-DE":"Zwei %d"},`+
				`"usesNonExemptEncryption":false,"notify":true,"requestId":"r%d"}`, i, i, i, i, i),
		)
		ids[i] = strings.TrimPrefix(op["name"].(string), "operations/")
	}
	return ids
}

// done counts the operations in a state.
func (l *line) done(ids []string) (ended int, list map[string]map[string]any) {
	list = map[string]map[string]any{}
	token := ""
	for {
		page := l.call("GET", "/ascgateway/v1/operations?page_size=200&page_token="+token, "")
		for _, o := range page["operations"].([]any) {
			op := o.(map[string]any)
			id := strings.TrimPrefix(op["name"].(string), "operations/")
			if slices.Contains(ids, id) {
				list[id] = op
				if op["done"] == true {
					ended++
				}
			}
		}
		if token, _ = page["nextPageToken"].(string); token == "" {
			return ended, list
		}
	}
}

// wait waits until so many have ended.
func (l *line) wait(ids []string, n int, most time.Duration) time.Duration {
	l.t.Helper()
	begun := time.Now()
	for {
		ended, list := l.done(ids)
		if ended >= n {
			return time.Since(begun)
		}
		if time.Since(begun) > most {
			for id, op := range list {
				if op["done"] != true {
					l.t.Logf("%s: %v", id, op["metadata"])
				}
			}
			for i := range l.procs {
				b, _ := os.ReadFile(filepath.Join(l.dir, fmt.Sprintf("gateway%d.log", i)))
				l.t.Logf("gateway %d: %s", i, b[max(0, len(b)-3000):])
			}
			l.t.Fatalf("%d of %d have ended after %v", ended, n, most)
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// judge wants every job to have ended well, with a journal, and nothing to be done
// twice.
func (l *line) judge(ids []string) {
	l.t.Helper()
	for i, id := range ids {
		op := l.call("GET", "/ascgateway/v1/operations/"+id, "")
		if op["error"] != nil || op["done"] != true {
			l.t.Fatalf("%d: %v", i, op)
		}
		var names []string
		md := op["metadata"].(map[string]any)
		for _, a := range md["actions"].([]any) {
			if a.(map[string]any)["outcome"] == "DONE" {
				names = append(names, a.(map[string]any)["name"].(string))
			}
		}
		// What a killed replica did before it could say so is found done by the next.
		for _, n := range names {
			if n == "awaitReview" || n == "notify" {
				continue
			}
			if c := strings.Count(strings.Join(names, " "), n); n != "createNotes" && c > 1 || c > 2 {
				l.t.Errorf("%d: the journal has %s %d times: %v", i, n, c, names)
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	made := map[string]int{}
	for w, n := range l.writes {
		path := strings.Split(strings.Fields(w)[1], "/")
		if len(path) > 3 {
			path[3] = "{id}"
		}
		kind := strings.Fields(w)[0] + " " + strings.Join(path, "/")
		made[kind] += n
		if n > 1 && strings.HasPrefix(w, "POST") && !strings.Contains(w, "/relationships/") {
			l.t.Errorf("%d times: %s", n, w)
		}
	}
	for kind, want := range map[string]int{"POST /v1/betaGroups": distributions, "POST /v1/betaBuildLocalizations": 2 * distributions,
		"POST /v1/betaAppReviewSubmissions": distributions} {
		if len(ids) == distributions && made[kind] != want {
			l.t.Errorf("%s: %d, want %d", kind, made[kind], want)
		}
	}
	l.t.Logf("writes that succeeded: %v", made)
}

// TestJobsFleet: 200 distributions through three replicas on PostgreSQL and Redis,
// two of which are killed and one paused, and PostgreSQL restarted.
func TestJobsFleet(t *testing.T) {
	pg, cache := pgtest.Start(t), redistest.Start(t)
	l := newLine(t, 3, fmt.Sprintf("store: {url: %q}\nquota: {redis: {url: %q}}", pg.URL(), "redis://"+cache.Addr+"/0"))
	l.builds(distributions)
	begun := time.Now()
	ids := l.begin(distributions)
	t.Logf("begun within %v", time.Since(begun))
	l.wait(ids, distributions/10, time.Minute)
	l.kill(0)
	killed := time.Now()
	t.Log("replica 0 is killed")
	l.wait(ids, distributions/4, goOn)
	if err := l.procs[1].Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Log("replica 1 is paused")
	l.start(0)
	l.wait(ids, distributions/2, goOn)
	pg.Stop()
	time.Sleep(2 * time.Second)
	pg.Run()
	t.Log("PostgreSQL was restarted")
	l.kill(2)
	last := time.Now()
	t.Log("replica 2 is killed")
	time.Sleep(20 * time.Second)
	if err := l.procs[1].Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	l.start(2)
	took := l.wait(ids, distributions, goOn+time.Minute)
	t.Logf(
		"all have ended %v after the first was killed, %v after the last (waited %v)",
		time.Since(killed),
		time.Since(last),
		took,
	)
	if time.Since(last) > goOn+10*time.Second {
		t.Errorf("what killed replicas were doing went on after %v, want %v", time.Since(last), goOn)
	}
	l.judge(ids)
}

// TestJobsOnOneFile: the same on SQLite, with a process that is killed three times.
func TestJobsOnOneFile(t *testing.T) {
	l := newLine(t, 1, `store: {url: "sqlite:store.db"}`)
	l.builds(distributions)
	ids := l.begin(distributions)
	for part := range 3 {
		l.wait(ids, distributions*(part+1)/5, goOn+time.Minute)
		l.kill(0)
		l.start(0)
	}
	killed := time.Now()
	l.wait(ids, distributions, goOn+time.Minute)
	t.Logf("all have ended %v after the process was killed last", time.Since(killed))
	l.judge(ids)
}
