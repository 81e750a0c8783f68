// Package pgtest runs a real PostgreSQL for a test, on loopback, in a folder of
// its own.
package pgtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Server is a PostgreSQL.
type Server struct {
	Addr string // 127.0.0.1:PORT
	t    testing.TB
	bin  string
	dir  string
	cmd  *exec.Cmd
	log  *os.File
	next atomic.Int32
}

// Start makes a cluster and runs it until the test ends. Whoever connects from
// this machine is believed.
func Start(t testing.TB) *Server {
	t.Helper()
	// Not t.TempDir: its folder belongs to root, whom PostgreSQL does not run as.
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: l.Addr().String(), t: t, bin: programs(t), dir: dir}
	_ = l.Close()
	if err := owned(dir); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	initdb := s.command("initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	if s.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(); s.log.Close() })
	s.Run()
	return s
}

// programs is the folder of PostgreSQL's programs. Debian keeps them outside
// PATH.
func programs(t testing.TB) string {
	if at, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Dir(real)
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		t.Fatal("there is no PostgreSQL: make setup installs it")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1])
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "HOME="+s.dir, "PGSSLMODE=disable")
	plain(cmd)
	return cmd
}

// Run starts the server again, on the same port.
func (s *Server) Run() {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.Addr)
	s.cmd = s.command("postgres", "-D", filepath.Join(s.dir, "data"), "-p", port, "-c", "listen_addresses=127.0.0.1",
		"-k", s.dir, "-c", "fsync=off", "-c", "max_connections=200")
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	var out []byte
	var err error
	for range 100 {
		if out, err = s.psql("postgres", "SELECT 1").CombinedOutput(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatalf("PostgreSQL is not ready: %v\n%s\n%s", err, out, s.Log())
}

// Stop ends the server at once, as a crash of its machine would end its
// connections.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(immediate) // it has ended already
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Log is what the server wrote.
func (s *Server) Log() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(b)
}

// URL is that of a new, empty database.
func (s *Server) URL() string {
	s.t.Helper()
	name := fmt.Sprintf("test%d", s.next.Add(1))
	s.SQL("postgres", "CREATE DATABASE "+name)
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", s.Addr, name)
}

// SQL runs statements by psql, and returns what it prints.
func (s *Server) SQL(database string, statements ...string) string {
	s.t.Helper()
	out, err := s.psql(database, statements...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("psql %v: %v\n%s", statements, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *Server) psql(database string, statements ...string) *exec.Cmd {
	host, port, _ := net.SplitHostPort(s.Addr)
	args := []string{"-h", host, "-p", port, "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-qAt"}
	for _, q := range statements {
		args = append(args, "-c", q)
	}
	return s.command("psql", args...)
}
