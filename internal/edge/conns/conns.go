// Package conns bounds what connections cost before anybody is known: how many
// there are, how long a write may stand still, and what may be sent over HTTP/2
// without a call coming of it.
//
// It must never close the connection of a caller that is known to make room for
// one that is not.
package conns

import (
	"container/list"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/peer"
)

// Defaults of [Limits].
const (
	DefaultMax        = 2048
	DefaultPerAddress = 1024
)

// writeTimeout is how long a peer may take to read writeChunk bytes.
const (
	writeTimeout = 30 * time.Second
	writeChunk   = 64 << 10
)

// Limits of the connections of one face. A zero takes the default.
type Limits struct {
	Max        int // open at once
	PerAddress int // open at once from one IP address
}

// Listener accepts connections within limits. When there is no room, the oldest
// connection over which nobody was identified yet makes room for a new one; if
// there is none, the new one is closed.
type Listener struct {
	net.Listener

	mu      sync.Mutex
	limits  Limits
	open    map[*Conn]struct{}
	byHost  map[string]int
	unknown *list.List // of *Conn, the oldest first

	refused, replaced, broken atomic.Int64
}

// Listen bounds the connections of a listener.
func Listen(l net.Listener, limits Limits) *Listener {
	b := &Listener{Listener: l, open: map[*Conn]struct{}{}, byHost: map[string]int{}, unknown: list.New()}
	b.Configure(limits)
	return b
}

// Configure changes the limits. Connections that are open stay.
func (l *Listener) Configure(limits Limits) {
	if limits.Max <= 0 {
		limits.Max = DefaultMax
	}
	if limits.PerAddress <= 0 {
		limits.PerAddress = min(DefaultPerAddress, limits.Max)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limits = limits
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c, victim := l.admit(raw)
		if victim != nil {
			l.replaced.Add(1)
			_ = victim.Close()
		}
		if c != nil {
			return c, nil
		}
		l.refused.Add(1)
		_ = raw.Close()
	}
}

// admit makes room for a connection, and says which other one must go for it.
func (l *Listener) admit(raw net.Conn) (c, victim *Conn) {
	host := hostOf(raw.RemoteAddr())
	l.mu.Lock()
	defer l.mu.Unlock()
	full, crowded := len(l.open) >= l.limits.Max, l.byHost[host] >= l.limits.PerAddress
	if full || crowded {
		if victim = l.oldest(host, crowded); victim == nil {
			return nil, nil
		}
		l.forget(victim)
	}
	c = &Conn{Conn: raw, listener: l, host: host, since: time.Now()}
	c.addr = &Addr{Addr: raw.RemoteAddr(), conn: c}
	l.open[c] = struct{}{}
	l.byHost[host]++
	c.place = l.unknown.PushBack(c)
	return c, victim
}

// oldest is the unknown connection that is there for the longest time, of one
// address only if that one has too many.
func (l *Listener) oldest(host string, ofHost bool) *Conn {
	for e := l.unknown.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*Conn); !ofHost || c.host == host {
			return c
		}
	}
	return nil
}

// forget counts a connection no longer. The lock is held.
func (l *Listener) forget(c *Conn) {
	if _, there := l.open[c]; !there {
		return
	}
	delete(l.open, c)
	if l.byHost[c.host]--; l.byHost[c.host] == 0 {
		delete(l.byHost, c.host)
	}
	if c.place != nil {
		l.unknown.Remove(c.place)
		c.place = nil
	}
}

// Retire closes connections that are older than an age, until ctx ends. What is
// still under way on them is broken off.
func (l *Listener) Retire(ctx context.Context, age time.Duration) {
	tick := time.NewTicker(max(min(age/10, time.Minute), time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, c := range l.older(age) {
				_ = c.Close()
			}
		}
	}
}

func (l *Listener) older(age time.Duration) (list []*Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		if c.Older(age) {
			list = append(list, c)
		}
	}
	return list
}

func hostOf(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}

// Counts of a listener's connections.
type Counts struct {
	Open     int   // now
	Unknown  int   // of those, over which nobody was identified
	Replaced int64 // so far: closed to make room for others
	Refused  int64 // so far: there was no room
	Broken   int64 // so far: closed for what they sent, or did not read
}

// Counts tells how a listener's connections stand.
func (l *Listener) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Counts{len(l.open), l.unknown.Len(), l.replaced.Load(), l.refused.Load(), l.broken.Load()}
}

// Conn is a connection of a face.
type Conn struct {
	net.Conn
	listener *Listener
	host     string
	addr     *Addr
	since    time.Time // when it was accepted
	known    atomic.Bool

	place *list.Element // among the unknown, nil: known; guarded by the listener
	wire  *frames       // nil: not gRPC; guarded by the listener, but for its own calls
	calls atomic.Int64  // gRPC calls whose handlers run
}

// Addr is the address of a connection's peer. It leads back to the connection:
// gRPC shows its handlers nothing else of it.
type Addr struct {
	net.Addr
	conn *Conn
}

// RemoteAddr implements [net.Conn]: it is an [*Addr].
func (c *Conn) RemoteAddr() net.Addr { return c.addr }

// Write implements [net.Conn]. A peer that reads nothing for 30 s loses the
// connection.
func (c *Conn) Write(b []byte) (n int, err error) {
	for {
		part := b[n:min(len(b), n+writeChunk)]
		if err := c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return n, err
		}
		m, err := c.Conn.Write(part)
		if n += m; err != nil || n == len(b) {
			return n, err
		}
	}
}

// Older says whether the connection was accepted longer ago than that. It is false
// for one that is none of a [Listener]'s.
func (c *Conn) Older(age time.Duration) bool { return c != nil && time.Since(c.since) > age }

// Close implements [net.Conn].
func (c *Conn) Close() error {
	c.listener.mu.Lock()
	c.listener.forget(c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

type connKey struct{}

// Context carries the connection that c comes from, TLS or not. It is what
// http.Server's ConnContext wants.
func Context(ctx context.Context, c net.Conn) context.Context {
	if a, ok := c.RemoteAddr().(*Addr); ok {
		return context.WithValue(ctx, connKey{}, a.conn)
	}
	return ctx
}

// Of is the connection that a call of a context comes over, nil if it is none of
// a [Listener]'s. Its methods may be called all the same.
func Of(ctx context.Context) *Conn {
	if c, ok := ctx.Value(connKey{}).(*Conn); ok {
		return c
	}
	if p, ok := peer.FromContext(ctx); ok { // gRPC
		if a, ok := p.Addr.(*Addr); ok {
			return a.conn
		}
	}
	return nil
}

// Host is the IP address of the peer of a call, "" if it is not known.
func Host(ctx context.Context) string {
	if c := Of(ctx); c != nil {
		return c.host
	}
	return ""
}

// Known tells that the caller of a context was identified: its connection stays
// when room is needed.
func Known(ctx context.Context) {
	c := Of(ctx)
	if c == nil || c.known.Load() || c.known.Swap(true) {
		return
	}
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	if c.place != nil {
		c.listener.unknown.Remove(c.place)
		c.place = nil
	}
}
