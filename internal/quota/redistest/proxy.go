package redistest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy stands between a client and a server, as a balancer or a bad network
// does.
type Proxy struct {
	Addr string

	l       net.Listener
	running sync.WaitGroup
	mu      sync.Mutex
	to      string
	deaf    bool // answers are thrown away
	conns   map[net.Conn]bool
}

// NewProxy passes on to a server until the test ends.
func NewProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), l: l, to: to, conns: map[net.Conn]bool{}}
	p.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.To("")
		p.running.Wait()
	})
	return p
}

// To passes on to another server: connections there are end. "" passes nothing.
func (p *Proxy) To(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = addr
	for c := range p.conns {
		_ = c.Close()
	}
}

// Deaf throws answers away: commands still reach the server. When that ends,
// connections that missed one end too.
func (p *Proxy) Deaf(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deaf = deaf; !deaf {
		for c := range p.conns {
			_ = c.Close()
		}
	}
}

func (p *Proxy) serve(c net.Conn) {
	defer c.Close()
	p.mu.Lock()
	to := p.to
	p.mu.Unlock()
	s, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer s.Close()
	p.mu.Lock()
	p.conns[c], p.conns[s] = true, true
	if p.to != to {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.running.Go(func() {
		_, _ = io.Copy(s, c)
		_ = s.Close()
	})
	_, _ = io.Copy(hearing{p, c}, s)
	p.mu.Lock()
	delete(p.conns, c)
	delete(p.conns, s)
	p.mu.Unlock()
}

// hearing writes answers, unless the proxy is deaf.
type hearing struct {
	p *Proxy
	c net.Conn
}

func (h hearing) Write(b []byte) (int, error) {
	h.p.mu.Lock()
	deaf := h.p.deaf
	h.p.mu.Unlock()
	if deaf {
		return len(b), nil
	}
	return h.c.Write(b)
}
