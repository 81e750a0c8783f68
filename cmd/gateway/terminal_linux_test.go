package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"golang.org/x/sys/unix"
)

// onTerminal is a command with a terminal.
type onTerminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	keys   *os.File // what is typed, and what is shown
	mu     sync.Mutex
	screen strings.Builder
}

// runOnTerminal starts a command on a terminal of its own.
func runOnTerminal(t *testing.T, env []string, args ...string) *onTerminal {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no terminals here: %v", err)
	}
	t.Cleanup(func() { keys.Close() })
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	screen, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	o := &onTerminal{t: t, cmd: exec.Command(program, args...), keys: keys}
	o.cmd.Env, o.cmd.Stdin, o.cmd.Stdout, o.cmd.Stderr = env, screen, screen, screen
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = o.cmd.Start()
	screen.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.cmd.Process.Kill() })
	go o.read()
	return o
}

func (o *onTerminal) read() {
	b := make([]byte, 4096)
	for {
		n, err := o.keys.Read(b)
		o.mu.Lock()
		o.screen.Write(b[:n])
		o.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (o *onTerminal) shown() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.screen.String()
}

// until waits for a text, and types.
func (o *onTerminal) until(text, typed string) {
	o.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !strings.Contains(o.shown(), text) {
		if time.Now().After(deadline) {
			o.t.Fatalf("%q does not come: %q", text, o.shown())
		}
		time.Sleep(5 * time.Millisecond)
	}
	if _, err := o.keys.WriteString(typed); err != nil {
		o.t.Fatal(err)
	}
}

// TestOnATerminal: the plan is shown and asked about, what is waited for is one
// line, and Ctrl-C ends the command, not the operation.
func TestOnATerminal(t *testing.T) {
	env := sandboxed(t)
	const ctrlC, question = "\x03", "Carry it out? [y/N] "
	for _, c := range []struct {
		typed string
		exit  int
		want  string
	}{{"\n", 1, "nothing was done"}, {"n\n", 1, "nothing was done"}, {ctrlC, 130, "interrupted: nothing was sent"}} {
		o := runOnTerminal(t, env, distribute...)
		o.until(question, c.typed)
		if code := exitCode(o.cmd.Wait()); code != c.exit {
			t.Errorf("after %q: exit code %d", c.typed, code)
		}
		o.until(c.want, "")
		if !strings.Contains(o.shown(), "awaitBuild ") || strings.Contains(o.shown(), "operation ") {
			t.Errorf("after %q: %q", c.typed, o.shown())
		}
	}
	o := runOnTerminal(t, env, distribute...)
	o.until(question, "y\n")
	o.until("\r\x1b[Kwaiting    build 9 (1) of com.example.trailmix", ctrlC)
	if code := exitCode(o.cmd.Wait()); code != 130 {
		t.Errorf("exit code %d", code)
	}
	o.until("gateway: interrupted\r\n", "")
	id := regexp.MustCompile(`operation ([0-9a-f-]{36})`).FindStringSubmatch(o.shown())
	if id == nil {
		t.Fatalf("no operation: %q", o.shown())
	}
	o = runOnTerminal(t, env, "operations", "cancel", id[1])
	if code := exitCode(o.cmd.Wait()); code != 0 {
		t.Errorf("cancel: exit code %d: %q", code, o.shown())
	}
	o = runOnTerminal(t, env, "operations", "watch", id[1])
	if code := exitCode(o.cmd.Wait()); code != 11 {
		t.Errorf("watch: exit code %d: %q", code, o.shown())
	}
}

// TestApproveOnATerminal: what is approved is shown and asked about.
func TestApproveOnATerminal(t *testing.T) {
	dev, devSum := authn.NewToken()
	lead, leadSum := authn.NewToken()
	const all = "methods: ['asc.*.v1.*/*', 'ascgateway.*.v1.*/*'], teams: [sandbox], apps: all, org: true"
	dir := t.TempDir()
	for name, text := range map[string]string{
		"policy.yaml": "version: 1\nrules:\n" +
			"  - {name: dev, principals: ['token:dev'], " + all + ", approval: {of: ['token:lead']}}\n" +
			"  - {name: lead, principals: ['token:lead'], " + all + "}\n",
		"gateway.yaml": "policy: {file: policy.yaml}\n" +
			fmt.Sprintf("authn: {tokens: [{name: dev, sha256: %s}, {name: lead, sha256: %s}]}\n", devSum, leadSum),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := sandboxed(t, "--config", filepath.Join(dir, "gateway.yaml"))
	asDev := append(slices.Clone(env), "ASC_GATEWAY_TOKEN="+dev)
	asLead := append(slices.Clone(env), "ASC_GATEWAY_TOKEN="+lead)
	ask := exec.Command(program, append(slices.Clone(distribute), "--no-follow")...)
	ask.Env = asDev
	out, err := ask.Output()
	id := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).FindString(string(out))
	if exitCode(err) != 13 || id == "" {
		t.Fatalf("exit code %d: %s", exitCode(err), out)
	}
	for _, c := range []struct {
		typed string
		exit  int
		want  string
	}{{"n\n", 1, "nothing was approved"}, {"y\n", 0, "it is approved"}} {
		o := runOnTerminal(t, asLead, "operations", "approve", id)
		o.until("Approve it? [y/N] ", c.typed)
		if code := exitCode(o.cmd.Wait()); code != c.exit {
			t.Errorf("after %q: exit code %d", c.typed, code)
		}
		o.until(c.want, "")
		if !strings.Contains(o.shown(), "awaitBuild ") || !strings.Contains(o.shown(), "token:dev") {
			t.Errorf("the plan, or who asked, is not shown: %q", o.shown())
		}
	}
}
