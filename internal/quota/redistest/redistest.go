// Package redistest runs a real redis-server for a test, on loopback, without a
// disk.
package redistest

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Databases is how many a server has: each test may take one of its own.
const Databases = 64

// Server is a running redis-server.
type Server struct {
	Addr string
	t    testing.TB
	cmd  *exec.Cmd
	more []string // arguments
	next atomic.Int32
}

// Start runs a server until the test ends. More arguments are those of
// redis-server.
func Start(t testing.TB, more ...string) *Server {
	t.Helper()
	s := free(t)
	s.more = more
	s.Run()
	t.Cleanup(s.Kill)
	return s
}

// free is a server at a port that nobody listens at: redis-server takes no
// listener.
func free(t testing.TB) *Server {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{Addr: l.Addr().String(), t: t}
		_ = l.Close()
		if l.Addr().(*net.TCPAddr).Port < 55535 { // a cluster's bus listens 10000 above
			return s
		}
	}
}

// Run starts the server again, empty, on the same port.
func (s *Server) Run() {
	s.t.Helper()
	_, port, _ := strings.Cut(s.Addr, ":")
	args := []string{
		"--port",
		port,
		"--bind",
		"127.0.0.1",
		"--save",
		"",
		"--appendonly",
		"no",
		"--databases",
		fmt.Sprint(Databases),
	}
	s.cmd = exec.Command("redis-server", append(args, s.more...)...)
	s.cmd.Dir = s.t.TempDir() // a replica that is filled writes its dump here
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("redis-server does not start (make setup installs it): %v", err)
	}
	for range 200 {
		if c, err := net.Dial("tcp", s.Addr); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.t.Fatal("redis-server does not listen")
}

// URL is that of a database that no test has had yet.
func (s *Server) URL() string {
	n := s.next.Add(1)
	if n >= Databases {
		s.t.Fatal("no database left")
	}
	return fmt.Sprintf("redis://%s/%d", s.Addr, n)
}

// Kill ends the server at once.
func (s *Server) Kill() {
	if s.cmd.ProcessState == nil {
		s.signal(syscall.SIGKILL)
		_ = s.cmd.Wait() // it was killed
	}
}

func (s *Server) signal(n syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(n); err != nil {
		s.t.Errorf("redis-server: %v", err)
	}
}
