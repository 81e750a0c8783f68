package command

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/fifotest"
)

func openLog(t *testing.T, path string) *audit.Log {
	t.Helper()
	l, err := audit.Open(t.Context(), audit.Config{Path: path}, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestAuditShowIsSafeForATerminal: what a caller chose cannot move the cursor,
// turn the text, or add a row.
func TestAuditShowIsSafeForATerminal(t *testing.T) {
	p := newPlace(t)
	path := filepath.Join(p.dir, "audit.log")
	l := openLog(t, path)
	hostile := map[string]string{
		"a\x1b[2K\x1b[1Ab":     `a\x1b[2K\x1b[1Ab`, // erases the row
		"a\x9b2Jb":             `a�2Jb`,            // no UTF-8
		"a\u009b2Jb":           `a\u009b2Jb`,       // the same sequence in one character
		"a\nb\tc\rd\fe\vf":     `a\nb\tc\rd\fe\vf`,
		"a\u202egnp.exe":       `a\u202egnp.exe`,
		"a\u2066b\u2069":       `a\u2066b\u2069`,
		"a\u200b\ufeff\u2028b": `a\u200b\ufeff\u2028b`,
		"a\x00\x7fb":           `a\x00\x7fb`,
		"ünïcödé 🙂 \"q\"":      `ünïcödé 🙂 "q"`,
	}
	for text := range hostile {
		r := audit.Record{Event: audit.Intent, Principal: text, Team: text, Method: text, Resources: []string{text}, Outcome: text, Reason: text}
		if err := l.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := p.run(t, "audit", "show", path)
	if err != nil || strings.Count(out, "\n") != len(hostile)+3 {
		t.Errorf("%v %s", err, out)
	}
	for text, want := range hostile {
		if strings.Count(out, want) < 4 {
			t.Errorf("%q is not shown as %s:\n%s", text, want, out)
		}
	}
	if strings.ContainsAny(out, "\x1b\x00\x7f\r\f\v\t\u009b\u202e\u2066\u200b\ufeff\u2028") {
		t.Errorf("not escaped: %q", out)
	}
}

// TestAuditVerifyNamesWhatIsMissing: a beginning that is not there is told, and
// fails, unless --from names it.
func TestAuditVerifyNamesWhatIsMissing(t *testing.T) {
	p := newPlace(t)
	path := filepath.Join(p.dir, "audit.log")
	l := openLog(t, path)
	hash := l.Last().Hash
	for range 3 {
		if err := l.Append(t.Context(), audit.Record{Event: audit.Grant}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\n")
	cut := p.write(t, "cut.log", rest)
	hostile := p.write(t, "hostile.log", strings.ReplaceAll(string(b), `"event"`, "\x1b[31m"))
	for _, c := range []struct {
		name string
		args []string
		want string // of the output; the error if fails
		err  string
	}{
		{"whole", []string{path}, "5 lines in 1 chains", ""},
		{"cut", []string{cut}, "PROBLEM: " + cut + ":1: the beginning of the log is missing", "the log is not whole: 1 problems"},
		{"cut, and named", []string{"--from", hash, cut}, "begins after the line with the hash " + hash, ""},
		{"cut, and wrongly named", []string{"--from", strings.Repeat("0", 64), cut}, "PROBLEM", "not whole"},
		{"named, but whole", []string{"--from", hash, path}, "PROBLEM", "not whole"},
		{"no hash", []string{"--from", "12", cut}, "", "64 hexadecimal digits"},
		{"empty", []string{p.write(t, "empty.log", "")}, "PROBLEM: no record is here", "not whole"},
		{"no log at all", []string{hostile}, "PROBLEM: no record is here", "not whole"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := p.run(t, append([]string{"audit", "verify"}, c.args...)...)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %q", err, c.err)
			}
			if !strings.Contains(out, c.want) || strings.Contains(out, "\x1b") {
				t.Errorf("want %q:\n%q", c.want, out)
			}
		})
	}
	if out, err := p.run(t, "audit", "verify", "--help"); err != nil || !strings.Contains(out, "--from HASH") {
		t.Errorf("%v %s", err, out)
	}
}

// TestAuditReadsRegularFilesOnly: a FIFO would be waited for, a device read for
// ever.
func TestAuditReadsRegularFilesOnly(t *testing.T) {
	p := newPlace(t)
	fifo := filepath.Join(p.dir, "fifo")
	fifotest.Make(t, fifo)
	for _, name := range []string{fifo, "/dev/zero", p.dir} {
		for _, verb := range []string{"verify", "show"} {
			if _, err := p.run(t, "audit", verb, name); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
				t.Errorf("%s %s: %v", verb, name, err)
			}
		}
	}
}

// TestTheGatewayWaitsForTheLog: while another process writes it, the ops face is
// alive and not ready, and says why; the gateway takes no calls, can be ended,
// and serves when the other has ended.
func TestTheGatewayWaitsForTheLog(t *testing.T) {
	p := newPlace(t)
	p.key(t, "ONE1234567")
	ops := freeAddress(t)
	file := p.write(t, "gateway.yaml", strings.Replace(p.config(entry("ONE1234567", "active")), "ops: '127.0.0.1:0'", "ops: '"+ops+"'", 1)+"audit: {path: audit.log}\n")
	other := openLog(t, filepath.Join(p.dir, "audit.log"))
	serve := func(ctx context.Context) (*output, chan error) {
		out, done := &output{}, make(chan error, 1)
		go func() { done <- Run(ctx, []string{"serve", "--config", file}, out, io.Discard) }()
		return out, done
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, done := serve(ctx)
	awaitText(t, "http://"+ops+"/readyz", 503, "another process writes the audit log")
	awaitText(t, "http://"+ops+"/healthz", 200, "ok")
	if out.String() != "" {
		t.Errorf("it serves: %s", out)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ended while it waits: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	_, done = serve(ctx)
	awaitText(t, "http://"+ops+"/readyz", 503, "another process writes the audit log")
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	awaitText(t, "http://"+ops+"/readyz", 200, "ok")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if text, err := p.run(t, "audit", "verify", filepath.Join(p.dir, "audit.log")); err != nil || !strings.Contains(text, "in 2 chains") {
		t.Errorf("%v %s", err, text)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// awaitText asks until the answer is there.
func awaitText(t *testing.T, url string, status int, text string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var last string
	for begun := time.Now(); time.Since(begun) < 20*time.Second; {
		res, err := client.Get(url)
		if err != nil {
			last = err.Error()
			continue
		}
		b, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if last = string(b); res.StatusCode == status && strings.Contains(last, text) {
			return
		}
	}
	t.Fatalf("%s: %s", url, last)
}
