package web_test

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/service"
)

// tried is how many operations have their lines run.
const tried = 200

// some are operations of all areas, shapes and verbs: every so many of them.
func (w *world) some(n int) (list []*service.Method) {
	all := slices.Clone(w.gateway.Engine.Methods())
	slices.SortStableFunc(all, func(a, b *service.Method) int { return cmp.Compare(a.Verb, b.Verb) })
	for i := range n {
		list = append(list, all[i*len(all)/n])
	}
	return list
}

var statusLine = regexp.MustCompile(`(?m)^HTTP (\d+)$`)

// TestCurlLines runs the curl lines of 200 operations, with ids of the sandbox
// where there are any. The gateway must understand all of them; what the sandbox
// says may be that there is no such thing, or that its state does not allow it.
func TestCurlLines(t *testing.T) {
	callers, token := withToken(t)
	w := newWorld(t, callers)
	counts := map[string]int{}
	dir := t.TempDir()
	for _, m := range w.some(tried) {
		line := w.withIDs(w.linesOf(t, m.FullName)["curl"])
		run := exec.CommandContext(t.Context(), "bash", "-c", strings.Replace(line, "curl ", `curl -w '\nHTTP %{http_code}\n' `, 1))
		run.Dir = dir
		run.Env = append(os.Environ(), "ASC_GATEWAY_TOKEN="+token)
		out, err := run.CombinedOutput()
		status := statusLine.FindSubmatch(out)
		if err != nil || status == nil {
			t.Fatalf("%s: %v\n%s\n%s", m.FullName, err, line, out)
		}
		counts[string(status[1])]++
		if !understood(string(status[1])) {
			t.Errorf("%s\n%s\n%s", m.FullName, line, out)
		}
	}
	t.Logf("%d lines: %v", tried, counts)
	if good := counts["200"] + counts["201"] + counts["202"] + counts["204"]; good < tried*3/5 {
		t.Errorf("only %d of %d succeed", good, tried)
	}
}

// understood says whether a status means that the request was right: it was
// carried out, or the thing is not there, or its state does not allow it.
func understood(status string) bool {
	return slices.Contains([]string{"200", "201", "202", "204", "404", "409"}, status)
}

// TestCallLines runs the lines of `gateway call`, where the program has that
// command.
func TestCallLines(t *testing.T) {
	callers, token := withToken(t)
	w := newWorld(t, callers)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.gateway.Server.GRPC().Serve(l) }()
	t.Cleanup(func() { w.gateway.Server.GRPC().Stop(); <-served })
	program := buildGateway(t)
	if help, _ := exec.CommandContext(t.Context(), program, "--help").CombinedOutput(); !bytes.Contains(help, []byte("\n  call ")) {
		t.Log("this version has no `gateway call`: nothing to run")
		return
	}
	for _, m := range w.some(tried) {
		line := w.withIDs(w.linesOf(t, m.FullName)["gateway call"])
		run := exec.CommandContext(t.Context(), "bash", "-c", strings.Replace(line, "gateway ", program+" ", 1))
		run.Dir = t.TempDir()
		run.Env = append(os.Environ(), "ASC_GATEWAY_ADDRESS="+l.Addr().String(), "ASC_GATEWAY_TOKEN="+token)
		if out, err := run.CombinedOutput(); err != nil && !refused.Match(out) {
			t.Errorf("%s\n%s\n%v %s", m.FullName, line, err, out)
		}
	}
}

// refused is what the sandbox may say to a request that is right.
var refused = regexp.MustCompile(`NotFound|NOT_FOUND|FailedPrecondition|FAILED_PRECONDITION|AlreadyExists|ALREADY_EXISTS|a resource of another app`)

// TestGoLinesCompile compiles the Go programs of 200 operations in one go.
func TestGoLinesCompile(t *testing.T) {
	w := newWorld(t, authn.Config{})
	dir := t.TempDir()
	args := []string{"vet"}
	for i, m := range w.some(tried) {
		text := strings.Replace(w.linesOf(t, m.FullName)["Go"], "func main()", fmt.Sprintf("func main%d()", i), 1)
		args = append(args, write(t, dir, fmt.Sprintf("m%d.go", i), text))
	}
	args = append(args, write(t, dir, "main.go", "package main\n\nfunc main() {}\n"))
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%.4000s", err, out)
	}
}

// TestProgramsRun runs programs in Node and Python of each shape of operation.
func TestProgramsRun(t *testing.T) {
	callers, token := withToken(t)
	w := newWorld(t, callers)
	run := func(dir string, words ...string) (string, error) {
		c := exec.CommandContext(t.Context(), words[0], words[1:]...)
		c.Dir, c.Env = dir, append(os.Environ(), "ASC_GATEWAY_TOKEN="+token)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	for _, name := range []string{
		"/asc.metadata.v1.AppsService/ListApps",
		"/asc.metadata.v1.AppsService/GetApp",
		"/asc.testflight.v1.BetaGroupsService/CreateBetaGroup",
		"/asc.testflight.v1.BetaGroupsService/AddBetaGroupBuilds",
		"/asc.testflight.v1.BetaGroupsService/DeleteBetaGroup",
		"/asc.reporting.v1.SalesReportsService/ListSalesReports",
	} {
		lines := w.linesOf(t, name)
		for _, program := range [][]string{{"Node", "node", "--input-type=module", "-e"}, {"Python", "python3", "-c"}} {
			w.sandbox.Reset()
			line := w.withIDs(lines[program[0]])
			if out, err := run(t.TempDir(), append(program[1:], line)...); err != nil || !strings.HasPrefix(out, "20") {
				t.Errorf("%s in %s: %v\n%s\n%s", name, program[0], err, line, out)
			}
		}
	}
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
