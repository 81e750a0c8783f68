package command

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/cli"
)

// runEnv makes this test binary the program: its arguments are the command.
const runEnv = "GATEWAY_TEST_RUN"

// runCommand is the program.
func runCommand() {
	err := Run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
	os.Exit(ExitCode(err))
}

// tap stands between a command and a gateway. It lets so many bytes through to the
// gateway, and then none until it is opened.
type tap struct {
	net.Listener
	to    string
	mu    sync.Mutex
	more  *sync.Cond
	left  int  // bytes
	past  bool // new connections go past the tap
	conns []net.Conn
}

// tapped is a tap before the gateway of this test, to which commands are pointed.
func tapped(t *testing.T, left int) *tap {
	t.Helper()
	l, err := net.Listen("tcp", anywhere)
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{Listener: l, to: os.Getenv("ASC_GATEWAY_ADDRESS"), left: left}
	p.more = sync.NewCond(&p.mu)
	t.Setenv("ASC_GATEWAY_ADDRESS", l.Addr().String())
	t.Cleanup(func() { l.Close(); p.open(); p.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			other, err := net.Dial("tcp", p.to)
			if err != nil {
				c.Close()
				return
			}
			p.mu.Lock()
			p.conns = append(p.conns, c, other)
			var to io.Writer = other
			if !p.past {
				to = io.MultiWriter(p, other)
			}
			p.mu.Unlock()
			go func() { _, _ = io.Copy(to, c); other.Close() }()
			go func() { _, _ = io.Copy(c, other); c.Close() }()
		}
	}()
	return p
}

// Write waits until so many bytes may pass.
func (p *tap) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.left < len(b) {
		p.more.Wait()
	}
	p.left -= len(b)
	return len(b), nil
}

// open lets everything through.
func (p *tap) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = 1 << 40
	p.more.Broadcast()
}

// passBy lets new connections past the tap.
func (p *tap) passBy() { p.mu.Lock(); defer p.mu.Unlock(); p.past = true }

// cut ends all connections. New ones can be made.
func (p *tap) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// tokenKept is the file with the token of an upload, once Apple has some of the
// bytes.
func tokenKept(t *testing.T, kept string) (name string) {
	t.Helper()
	wait(t, func() bool {
		names, _ := filepath.Glob(filepath.Join(kept, "*.json"))
		if len(names) != 1 {
			return false
		}
		var k struct {
			Size int64 `json:"committed_size"`
		}
		b, err := os.ReadFile(names[0])
		name = names[0]
		return err == nil && json.Unmarshal(b, &k) == nil && k.Size > 0
	})
	return name
}

// broken uploads a build that is interrupted in its middle: the sandbox takes 8 MiB
// at a time.
func broken(t *testing.T) (kept, file, sum string, p *tap) {
	t.Helper()
	kept = uploading(t)
	file, sum = buildFile(t, "900", 26<<20)
	p = tapped(t, 18<<20)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan ran, 1)
	go func() { ended <- gwUntil(ctx, &output{}, "upload build "+file) }()
	name := tokenKept(t, kept)
	cancel()
	if r := <-ended; r.exit() != cli.ExitInterrupted || !r.fails("the same command goes on, from ") {
		t.Fatalf("interrupted: exit code %d: %v", r.exit(), r.err)
	}
	file1, err1 := os.Stat(name)
	dir, err2 := os.Stat(kept)
	if err1 != nil || err2 != nil || file1.Mode().Perm() != 0o600 || dir.Mode().Perm() != 0o700 {
		t.Errorf("others can read the token: %v %v", file1, dir)
	}
	p.open()
	return kept, file, sum, p
}

// arrived says whether an upload ended well and whole, and what it said on its way.
func arrived(t *testing.T, kept, file, sum, want string) {
	t.Helper()
	r, told := says(t, "upload", "build", file, "--wait")
	if r.err != nil || !strings.Contains(r.stdout, sum) || !strings.Contains(squeezed(r.stdout), "\nstate COMPLETE\n") {
		t.Errorf("%v\n%s", r.err, r.stdout)
	}
	if !strings.Contains(told, want) {
		t.Errorf("want %q in %s", want, told)
	}
	empty(t, kept)
}

func TestUploadGoesOnAfterAnInterruption(t *testing.T) {
	kept, file, sum, _ := broken(t)
	arrived(t, kept, file, sum, "an upload of this file was interrupted: it goes on\nTrail.ipa: reserved, ")
}

// TestUploadBeginsAnew has a token that does not work any more.
func TestUploadBeginsAnew(t *testing.T) {
	kept, file, sum, _ := broken(t)
	names, err := filepath.Glob(filepath.Join(kept, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	written(t, names[0], []byte(`{"resume_token": "bm8gdG9rZW4"}`))
	arrived(t, kept, file, sum, "it cannot go on (INVALID_RESUME_TOKEN): it begins anew\n")
}

// TestUploadAfterKill kills a process with its upload in the middle.
func TestUploadAfterKill(t *testing.T) {
	kept := uploading(t)
	file, sum := buildFile(t, "900", 26<<20)
	p := tapped(t, 18<<20)
	cmd := exec.Command(os.Args[0], "upload", "build", file)
	cmd.Env = append(os.Environ(), runEnv+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tokenKept(t, kept)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("it has ended before it was killed")
	}
	p.open()
	arrived(t, kept, file, sum, "an upload of this file was interrupted: it goes on\n")
}

// TestUploadOverALostConnection loses the connection in the middle.
func TestUploadOverALostConnection(t *testing.T) {
	kept := uploading(t)
	file, sum := buildFile(t, "900", 26<<20)
	p := tapped(t, 18<<20)
	out, told, ended := &output{}, &output{}, make(chan error, 1)
	go func() { ended <- Run(t.Context(), []string{"upload", "build", file}, out, told) }()
	tokenKept(t, kept)
	p.cut()
	p.open()
	if err := <-ended; err != nil || !strings.Contains(out.String(), sum) ||
		strings.Count(told.String(), "the connection is lost: trying again") != 1 {
		t.Errorf("%v\n%s\n%s", err, out, told)
	}
	empty(t, kept)
}

// TestUploadByTwoCommands starts an upload again while the first one stands still.
func TestUploadByTwoCommands(t *testing.T) {
	kept := uploading(t)
	file, sum := buildFile(t, "900", 26<<20)
	p := tapped(t, 18<<20)
	ended := make(chan ran, 1)
	go func() { ended <- gwUntil(t.Context(), &output{}, "upload build "+file) }()
	tokenKept(t, kept)
	p.passBy()
	arrived(t, kept, file, sum, "it goes on\n")
	if r := <-ended; r.exit() != cli.ExitConflict || !r.fails("UPLOAD_TAKEN_OVER") {
		t.Errorf("the first: exit code %d: %v", r.exit(), r.err)
	}
}

// TestUploadOfAFileThatChanges changes the file while it is sent.
func TestUploadOfAFileThatChanges(t *testing.T) {
	kept := uploading(t)
	file, _ := buildFile(t, "900", 26<<20)
	p := tapped(t, 18<<20)
	ended := make(chan ran, 1)
	go func() { ended <- gwUntil(t.Context(), &output{}, "upload build "+file) }()
	tokenKept(t, kept)
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString("more")
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	p.open()
	if r := <-ended; r.exit() != cli.ExitConflict ||
		!r.fails("Trail.ipa changed while it was sent: nothing was committed") {
		t.Errorf("exit code %d: %v", r.exit(), r.err)
	}
	empty(t, kept)
	wait(t, func() bool {
		r := gw(t, "call ListAppBuildUploads 1500004000 filter.cf_bundle_version=900 -o table --columns id")
		return r.err == nil && len(strings.Fields(r.stdout)) <= 1
	})
}

// TestScreenshotsOverALostConnection loses the connection in the middle of a set.
func TestScreenshotsOverALostConnection(t *testing.T) {
	uploading(t)
	_, localization := nextVersion(t)
	dir := t.TempDir()
	line := []string{"upload", "screenshots", "--yes", "--version-localization", localization}
	for i := range 4 {
		line = append(line, filepath.Join(dir, string(rune('a'+i))+".png"))
		shot(t, line[len(line)-1], 1290, 2796, uint8(i))
	}
	info, err := os.Stat(line[len(line)-1])
	if err != nil {
		t.Fatal(err)
	}
	p := tapped(t, int(2*info.Size()+info.Size()/2))
	out, told, ended := &output{}, &output{}, make(chan error, 1)
	go func() { ended <- Run(t.Context(), line, out, told) }()
	wait(t, func() bool { return strings.Contains(told.String(), "sending") })
	p.cut()
	p.open()
	if err := <-ended; err != nil || !strings.Contains(told.String(), "the connection is lost: trying again") {
		t.Errorf("%v\n%s\n%s", err, out, told)
	}
	if r := gw(t, strings.Join(line, " ")); r.err != nil || columns(r.stdout, 5) != "APP_IPHONE_67 4 0 0 4" {
		t.Errorf("afterwards: %v %q", r.err, columns(r.stdout, 5))
	}
}
