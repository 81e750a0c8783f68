package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sandboxed serves a sandbox in a process of its own, and is the environment of
// commands that call it.
func sandboxed(t *testing.T, args ...string) (env []string) {
	t.Helper()
	const anywhere = "127.0.0.1:0"
	args = append([]string{"serve", "--sandbox", "--rest", anywhere, "--grpc", anywhere, "--ops", anywhere}, args...)
	serve := exec.Command(program, args...)
	stdout, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = serve.Process.Signal(syscall.SIGTERM); _ = serve.Wait() })
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if m := regexp.MustCompile(`^grpc +(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return append(os.Environ(), "ASC_GATEWAY_ADDRESS="+m[1], "XDG_CONFIG_HOME="+t.TempDir())
		}
	}
	t.Fatal("it does not serve")
	return nil
}

// distribute is a distribution of a build that never comes.
var distribute = strings.Fields("distribute --app com.example.trailmix --version 9 --number 1 --group Friends")

// exitCode is that of a command that has ended.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// TestInterruptLeavesTheOperation sends SIGINT to a command that follows: the
// operation goes on, and the command says how to look again.
func TestInterruptLeavesTheOperation(t *testing.T) {
	env := sandboxed(t)
	cmd := exec.Command(program, distribute...)
	cmd.Env = env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	var id string
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "operation "); ok {
			id = name
		}
		if strings.HasPrefix(lines.Text(), "waiting  ") {
			_ = cmd.Process.Signal(syscall.SIGINT)
		}
	}
	if code := exitCode(cmd.Wait()); code != 130 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"gateway: interrupted\n", "`gateway operations watch " + id + "`",
		"`gateway operations cancel " + id + "`"} {
		if id == "" || !strings.Contains(stderr.String(), want) {
			t.Errorf("it does not say %q: %s", want, &stderr)
		}
	}
	list := exec.Command(program, "operations", "list", "--state", "waiting")
	list.Env = env
	if out, err := list.CombinedOutput(); err != nil || !strings.Contains(string(out), id) {
		t.Errorf("the operation does not go on: %v\n%s", err, out)
	}
}
