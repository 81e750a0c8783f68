package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// StartCluster runs a Redis Cluster of three nodes that share the slots, until the
// test ends.
func StartCluster(t testing.TB) (nodes []*Server) {
	t.Helper()
	for i := range 3 {
		dir := t.TempDir()
		node := Start(t, "--cluster-enabled", "yes", "--databases", "1", "--dir", dir, "--cluster-node-timeout", "2000")
		nodes = append(nodes, node)
		node.CLI("CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(i*16384/3), fmt.Sprint((i+1)*16384/3-1))
		node.CLI("CLUSTER", "SET-CONFIG-EPOCH", fmt.Sprint(i+1))
	}
	for _, n := range nodes[1:] {
		host, port, _ := net.SplitHostPort(n.Addr)
		nodes[0].CLI("CLUSTER", "MEET", host, port)
	}
	for _, n := range nodes {
		n.Until("cluster_state:ok", "CLUSTER", "INFO")
		n.Until("cluster_known_nodes:3", "CLUSTER", "INFO")
	}
	return nodes
}

// CLI asks the server by redis-cli.
func (s *Server) CLI(args ...string) string {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.Addr)
	out, err := exec.Command("redis-cli", append([]string{"-h", host, "-p", port}, args...)...).CombinedOutput()
	if err != nil || strings.HasPrefix(string(out), "ERR") {
		s.t.Fatalf("redis-cli %v: %v %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Until asks the server until its answer holds some text.
func (s *Server) Until(text string, args ...string) {
	s.t.Helper()
	for range 500 {
		if strings.Contains(s.CLI(args...), text) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.t.Fatalf("redis-cli %v never says %q", args, text)
}

// Authority makes certificates by openssl.
type Authority struct {
	t    testing.TB
	dir  string
	File string // its certificate
}

// NewAuthority makes an authority.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, dir: t.TempDir()}
	a.File = a.path("ca.pem")
	a.openssl(
		"req",
		"-x509",
		"-newkey",
		"ec",
		"-pkeyopt",
		"ec_paramgen_curve:prime256v1",
		"-nodes",
		"-days",
		"2",
		"-subj",
		"/CN=ca",
		"-keyout",
		a.path("ca.key"),
		"-out",
		a.File,
	)
	return a
}

func (a *Authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *Authority) openssl(args ...string) {
	a.t.Helper()
	if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
		a.t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
}

// Issue makes the certificate and the key of a server at 127.0.0.1.
func (a *Authority) Issue() (cert, key string) {
	a.t.Helper()
	cert, key = a.path("server.pem"), a.path("server.key")
	a.openssl(
		"req",
		"-x509",
		"-newkey",
		"ec",
		"-pkeyopt",
		"ec_paramgen_curve:prime256v1",
		"-nodes",
		"-days",
		"2",
		"-subj",
		"/CN=redis",
		"-addext",
		"subjectAltName=IP:127.0.0.1",
		"-addext",
		"basicConstraints=critical,CA:FALSE",
		"-CA",
		a.File,
		"-CAkey",
		a.path("ca.key"),
		"-keyout",
		key,
		"-out",
		cert,
	)
	return cert, key
}

// StartTLS runs a server that speaks TLS only.
func StartTLS(t testing.TB, a *Authority) *Server {
	t.Helper()
	cert, key := a.Issue()
	s := free(t)
	_, port, _ := net.SplitHostPort(s.Addr)
	s.more = []string{
		"--port",
		"0",
		"--tls-port",
		port,
		"--tls-cert-file",
		cert,
		"--tls-key-file",
		key,
		"--tls-ca-cert-file",
		a.File,
		"--tls-auth-clients",
		"no",
	}
	s.Run()
	t.Cleanup(s.Kill)
	return s
}

// Fake is no Redis: it gives the same answer to every command, but for those that
// begin a connection, and counts connections.
type Fake struct {
	Addr string

	l       net.Listener
	answer  []byte
	running sync.WaitGroup
	mu      sync.Mutex
	open    map[net.Conn]bool
	n       int
}

// NewFake answers until the test ends.
func NewFake(t testing.TB, answer string) *Fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &Fake{Addr: l.Addr().String(), l: l, answer: []byte(answer), open: map[net.Conn]bool{}}
	f.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.n++
			f.open[c] = true
			f.mu.Unlock()
			f.running.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		f.mu.Lock()
		for c := range f.open {
			_ = c.Close()
		}
		f.mu.Unlock()
		f.running.Wait()
	})
	return f
}

// Connections is how many were made.
func (f *Fake) Connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// serve answers each command: an array of strings, as clients send them. HELLO is
// not known, so that RESP2 is spoken.
func (f *Fake) serve(c net.Conn) {
	defer func() {
		_ = c.Close()
		f.mu.Lock()
		delete(f.open, c)
		f.mu.Unlock()
	}()
	in := bufio.NewReader(c)
	for {
		var n int
		if _, err := fmt.Fscanf(in, "*%d\r\n", &n); err != nil {
			return
		}
		var words []string
		for range n {
			var size int
			if _, err := fmt.Fscanf(in, "$%d\r\n", &size); err != nil {
				return
			}
			b := make([]byte, size+2)
			if _, err := io.ReadFull(in, b); err != nil {
				return
			}
			words = append(words, string(b[:size]))
		}
		answer := f.answer
		switch strings.ToLower(words[0]) {
		case "hello":
			answer = []byte("-ERR unknown command 'hello'\r\n")
		case "client", "select":
			answer = []byte("+OK\r\n")
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}
