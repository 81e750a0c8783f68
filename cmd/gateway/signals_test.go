package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is what TestMain has built.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gateway")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "gateway")
	code := 1
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// process is a running gateway.
type process struct {
	*exec.Cmd
	caught chan string // the packages that were initialised before signals are caught, as text
	greets chan string // where REST is
	ended  chan error
}

// start runs the program with the Go runtime's trace of initialisation, which
// tells when the signals are caught.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{exec.Command(program, args...), make(chan string, 1), make(chan string, 1), make(chan error, 1)}
	p.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	read := make(chan bool, 2)
	go func() {
		var before strings.Builder
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(&before, lines.Text())
			if strings.HasPrefix(lines.Text(), "init github.com/asc-gateway/asc-gateway/internal/signals ") {
				p.caught <- before.String()
			}
		}
		read <- true
	}()
	go func() {
		rest := regexp.MustCompile(`^rest +(http://\S+)`)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if m := rest.FindStringSubmatch(lines.Text()); m != nil {
				p.greets <- m[1]
			}
		}
		read <- true
	}()
	go func() {
		<-read
		<-read
		p.ended <- p.Wait()
	}()
	return p
}

// configuration is one that nothing but a listener on loopback is needed for.
func configuration(t *testing.T, more string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "gateway.yaml")
	text := "listen: {rest: '127.0.0.1:0', grpc: '127.0.0.1:0', ops: '127.0.0.1:0'}\n" + more
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const noKeys = "teams: [{name: main, keys: [{id: KEY, issuer_id: I, state: retired}]}]\n"

// after receives the end of a process, or fails.
func (p *process) after(t *testing.T, most time.Duration) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(most):
		t.Fatalf("it has not ended after %v", most)
		return nil
	}
}

// TestHangupsFromTheFirstInstruction sends SIGHUP every two milliseconds for a
// second, from when the program catches signals: before the messages of gen/ are
// initialised. It must serve.
func TestHangupsFromTheFirstInstruction(t *testing.T) {
	p := start(t, "serve", "--config", configuration(t, noKeys))
	before := <-p.caught
	if strings.Contains(before, "asc-gateway/gen/") {
		t.Errorf("messages are initialised before signals are caught:\n%s", before)
	}
	lines := strings.Split(strings.TrimSpace(before), "\n")
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	sent := 0
	for second := time.After(time.Second); second != nil; {
		select {
		case <-tick.C:
			if err := p.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatalf("after %d: %v, %v", sent, err, <-p.ended)
			}
			sent++
		case <-second:
			second = nil
		}
	}
	var rest string
	select {
	case rest = <-p.greets:
	case err := <-p.ended:
		t.Fatalf("ended by SIGHUP: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("it does not serve")
	}
	res, err := http.Get(rest + "/openapi/testflight.json")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("it answers %s", res.Status)
	}
	t.Logf("%d SIGHUP from %q on, and it serves: %s", sent, lines[len(lines)-1], res.Status)
	began := time.Now()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.after(t, 25*time.Second); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	t.Logf("SIGTERM ended it after %v", time.Since(began).Round(time.Millisecond))
}

// TestSIGTERMAtAnyMomentOfTheStart ends with code 0.
func TestSIGTERMAtAnyMomentOfTheStart(t *testing.T) {
	file := configuration(t, noKeys)
	var longest time.Duration
	for _, delay := range []time.Duration{0, 2, 5, 10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 320, 500, 800} {
		p := start(t, "serve", "--config", file)
		<-p.caught
		<-time.After(delay * time.Millisecond)
		began := time.Now()
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := p.after(t, 25*time.Second); err != nil {
			t.Errorf("after %d ms: %v", delay, err)
		}
		longest = max(longest, time.Since(began))
	}
	t.Logf("the longest end took %v", longest.Round(time.Millisecond))
}

// TestSIGTERMWhileACustodyHangs ends a start that waits for a Vault that takes
// connections and never answers.
func TestSIGTERMWhileACustodyHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := make(chan bool, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			taken <- true
		}
	}()
	file := configuration(t, "teams: [{name: main, keys: [{id: KEY, issuer_id: I, uri: 'vault:x'}]}]\n"+
		"vault: {address: 'http://"+l.Addr().String()+"', auth: {method: token, token_file: token}}\n")
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "token"), []byte("root-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "serve", "--config", file)
	<-taken
	began := time.Now()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.after(t, 25*time.Second); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	t.Logf("ended after %v", time.Since(began).Round(time.Millisecond))
}

// TestHangupEndsWhatDoesNotServe: other commands end by SIGHUP as any program
// does.
func TestHangupEndsWhatDoesNotServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	p := start(t, "sandbox", "--listen", address)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if res, err := http.Get("http://" + address + "/v1/apps?limit=1"); err == nil {
			res.Body.Close()
			break
		}
	}
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	err = p.after(t, 10*time.Second)
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGHUP {
		t.Errorf("ended with %v, not by SIGHUP", err)
	}
}
