//go:build clients

package gateway

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/asc-gateway/asc-gateway/sandbox"
)

// jsJob is what client.mjs uploads.
type jsJob struct {
	Name      string            `json:"name"`
	Endpoint  string            `json:"endpoint"`
	File      string            `json:"file"`
	ChunkSize int               `json:"chunkSize,omitempty"`
	AtOnce    bool              `json:"atOnce,omitempty"`
	Terminate bool              `json:"terminate,omitempty"`
	Metadata  map[string]string `json:"metadata"`
	Headers   map[string]string `json:"headers,omitempty"`
}

// jsTold is what it tells of it.
type jsTold struct {
	Name, URL, Resource, Storage, Error string
	Offsets                             []int
	Retries                             int
}

// path is that of the upload.
func (o jsTold) path(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

// tusJS runs tus-js-client.
func tusJS(t testing.TB, jobs ...jsJob) (told []jsTold) {
	t.Helper()
	dir := filepath.Join("..", "conformance", "tus")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "tus-js-client")); err != nil {
		t.Fatal("tus-js-client is not installed: run `npm ci` in internal/conformance/tus, or make clients")
	}
	in, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "client.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		var one jsTold
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		told = append(told, one)
	}
	if len(told) != len(jobs) {
		t.Fatalf("%d of %d uploads", len(told), len(jobs))
	}
	return told
}

// jsFile writes a file, and returns its name.
func jsFile(t testing.TB, file []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// jsMetadata are words as clients of tus send them.
func jsMetadata(words url.Values) map[string]string {
	m := map[string]string{"filename": words.Get("fileName"), "filetype": "image/png"}
	for key := range words {
		if key != "fileName" {
			m[key] = words.Get(key)
		}
	}
	return m
}

// TestTusClient uploads a file of every resource with tus-js-client: in chunks, at
// once with the creation, and as one body.
func TestTusClient(t *testing.T) {
	w := newWorldWith(t, sandbox.World{NoRules: true, PartBytes: 1000}, quick())
	file := photo(t, 30, 30, 1)
	name := jsFile(t, file)
	var jobs []jsJob
	n := 0
	for fd := range kinds() {
		job := jsJob{
			Name:     string(fd.Name()),
			Endpoint: w.rest + tusPath,
			File:     name,
			Metadata: jsMetadata(wordsOf(t, w.sandbox, fd)),
		}
		switch n++; n % 3 {
		case 0:
			job.ChunkSize = 700
		case 1:
			job.ChunkSize, job.AtOnce = 1300, true
		}
		jobs = append(jobs, job)
	}
	for i, told := range tusJS(t, jobs...) {
		if told.Error != "" || told.Resource == "" || told.Storage != "memory" || told.Retries != 0 {
			t.Errorf("%s: %+v", jobs[i].Name, told)
			continue
		}
		w.tusArrived(t, told.path(t), file)
	}
}

// TestTusClientIsCut: tus-js-client goes on after its connection was cut in a chunk,
// and at another replica after the first has ended, or died without a word.
func TestTusClientIsCut(t *testing.T) {
	for name, c := range map[string]struct {
		chunk int
		dies  bool
	}{"in chunks": {300_000, false}, "as one body": {0, false}, "the first dies": {300_000, true}} {
		t.Run(name, func(t *testing.T) {
			first, second := twoReplicas(t)
			file := photo(t, 900, 900, 2) // 2.4 MB in parts of 50 KB
			p := newTusProxy(t, first.rest, map[int64]func(*tusProxy){
				400_000: func(*tusProxy) {},
				900_000: func(p *tusProxy) {
					if !c.dies {
						first.gateway.tus.Close()
					}
					p.to(second.rest)
				},
				1_900_000: func(*tusProxy) {},
			})
			told := tusJS(t, jsJob{Endpoint: p.url + tusPath, File: jsFile(t, file), ChunkSize: c.chunk,
				Metadata: jsMetadata(screenshot(t, first))})[0]
			if told.Error != "" || !strings.HasPrefix(told.Resource, "appScreenshots/") || told.Storage != "" {
				t.Fatalf("%+v", told)
			}
			second.tusArrived(t, told.path(t), file)
			if p.cuts() != 3 || told.Retries < 3 {
				t.Errorf("it was cut %d times: %+v", p.cuts(), told)
			}
			t.Logf("%d retries, offsets %v", told.Retries, told.Offsets)
		})
	}
}

// TestTusClientTerminates: tus-js-client deletes an upload, and tells typed errors.
func TestTusClientTerminates(t *testing.T) {
	w := newWorldWith(t, sandbox.World{NoRules: true, PartBytes: 1000}, quick())
	file := photo(t, 30, 30, 3)
	bad := jsMetadata(screenshot(t, w))
	bad["sha256"] = strings.Repeat("0", 64)
	job := jsJob{
		Endpoint:  w.rest + tusPath,
		File:      jsFile(t, file),
		Terminate: true,
		Metadata:  jsMetadata(screenshot(t, w)),
	}
	wrong := jsJob{Endpoint: w.rest + tusPath, File: job.File, Metadata: bad}
	told := tusJS(t, job, wrong)
	if told[0].Error != "" {
		t.Errorf("%+v", told[0])
	}
	if got := w.tus(t, "HEAD", told[0].path(t), nil); got.status != 404 {
		t.Errorf("%d", got.status)
	}
	if !strings.Contains(told[1].Error, "UPLOAD_CHECKSUM_MISMATCH") || told[1].Retries != 1 {
		t.Errorf("%+v", told[1])
	}
}

// tusProxy passes connections on, and cuts all of them after so many bytes.
type tusProxy struct {
	url string

	mu     sync.Mutex
	target string
	open   map[net.Conn]bool
	passed int64
	after  map[int64]func(*tusProxy)
	cut    int
}

func newTusProxy(t testing.TB, target string, after map[int64]func(*tusProxy)) *tusProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tusProxy{url: "http://" + l.Addr().String(), open: map[net.Conn]bool{}, after: after}
	p.to(target)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.pass(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); p.cutAll(); all.Wait() })
	return p
}

// to sends what comes from now on elsewhere.
func (p *tusProxy) to(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = strings.TrimPrefix(target, "http://")
}

func (p *tusProxy) cuts() int { p.mu.Lock(); defer p.mu.Unlock(); return p.cut }

func (p *tusProxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		conn.Close()
	}
}

// pass passes one connection on.
func (p *tusProxy) pass(conn net.Conn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	up, err := net.Dial("tcp", target)
	if err != nil {
		conn.Close()
		return
	}
	p.mu.Lock()
	p.open[conn], p.open[up] = true, true
	p.mu.Unlock()
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(conn, up); conn.Close() }()
	buf := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			_, _ = up.Write(buf[:n])
			p.count(int64(n))
		}
		if err != nil {
			break
		}
	}
	up.Close()
	<-done
	p.mu.Lock()
	delete(p.open, conn)
	delete(p.open, up)
	p.mu.Unlock()
}

// count counts bytes, and cuts where it is to be cut.
func (p *tusProxy) count(n int64) {
	p.mu.Lock()
	p.passed += n
	var due func(*tusProxy)
	for at, f := range p.after {
		if p.passed >= at {
			delete(p.after, at)
			p.cut++
			due = f
		}
	}
	p.mu.Unlock()
	if due != nil {
		p.cutAll()
		due(p)
	}
}
