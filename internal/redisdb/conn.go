package redisdb

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"syscall"
	"time"
)

// Bounds of an answer. The client itself believes any announced length, and
// takes the memory for it before a byte has come.
const (
	maxBulk   = 2 << 20 // of a string
	maxReply  = 8 << 20 // of a whole answer
	maxLine   = 64 << 10
	maxItems  = 1 << 16   // in all arrays, maps and sets of an answer
	lineWords = "+-:_,#(" // what ends with its line
)

// ErrReply is that of an answer beyond the bounds, or in no known form.
var ErrReply = errors.New("redis: an answer is too large, or in no known form")

// dialer makes bounded connections.
type dialer struct {
	tls  *tls.Config     // nil: plain
	made chan<- struct{} // is told of each
}

func (d dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	alive := net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3}
	raw, err := (&net.Dialer{KeepAliveConfig: alive}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	select {
	case d.made <- struct{}{}:
	default:
	}
	if d.tls != nil {
		c := tls.Client(raw, d.tls)
		if err := c.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		return &bounded{Conn: c}, nil
	}
	if s, ok := raw.(syscall.Conn); ok { // so that the pool sees what the other side has closed
		return &plain{bounded{Conn: raw}, s}, nil
	}
	return &bounded{Conn: raw}, nil
}

// plain is a bounded connection whose socket can be looked at.
type plain struct {
	bounded
	raw syscall.Conn
}

// SyscallConn implements [syscall.Conn].
func (p *plain) SyscallConn() (syscall.RawConn, error) { return p.raw.SyscallConn() }

// bounded is a connection on which answers have bounds. What goes beyond ends
// it.
type bounded struct {
	net.Conn
	scan   scanner
	failed error // what went beyond
}

// Read implements [net.Conn].
func (b *bounded) Read(p []byte) (int, error) {
	if b.failed != nil {
		return 0, b.failed
	}
	n, err := b.Conn.Read(p)
	if b.failed = b.scan.feed(p[:n]); b.failed != nil {
		_ = b.Conn.Close()
		return 0, b.failed
	}
	return n, err
}

// scanner follows the framing of RESP2 and RESP3. Every element says its length
// before it comes: so nothing must be kept but counts.
type scanner struct {
	wanted int // elements of this answer that are still to come; 0: a new one begins
	items  int // elements of this answer that were announced
	bytes  int // of this answer so far
	skip   int // bytes of a string that are still to come
	line   []byte
	length int // of this line; of a long one only the beginning is kept
}

// lineKept is enough for a type and a number.
const lineKept = 24

func (s *scanner) feed(p []byte) error {
	for len(p) > 0 {
		if s.wanted == 0 {
			s.wanted, s.items, s.bytes = 1, 0, 0
		}
		if s.skip > 0 {
			n := min(s.skip, len(p))
			s.skip, s.bytes, p = s.skip-n, s.bytes+n, p[n:]
			if s.skip == 0 {
				s.wanted--
			}
			continue
		}
		c := p[0]
		p, s.length, s.bytes = p[1:], s.length+1, s.bytes+1
		if c != '\n' {
			if len(s.line) < lineKept {
				s.line = append(s.line, c)
			}
			if s.length > maxLine {
				return ErrReply
			}
			continue
		}
		if err := s.header(); err != nil {
			return err
		}
		s.line, s.length = s.line[:0], 0
	}
	return nil
}

// header takes a whole line.
func (s *scanner) header() error {
	if len(s.line) < 2 || s.bytes > maxReply {
		return ErrReply
	}
	kind := s.line[0]
	for i := range len(lineWords) {
		if kind == lineWords[i] {
			s.wanted--
			return nil
		}
	}
	digits := s.line[1:]
	if digits[len(digits)-1] == '\r' {
		digits = digits[:len(digits)-1]
	}
	n, err := strconv.Atoi(string(digits))
	if err != nil || n < -1 {
		return ErrReply
	}
	if n == -1 { // RESP2's nil
		s.wanted--
		return nil
	}
	return s.announced(kind, n)
}

// announced takes a length.
func (s *scanner) announced(kind byte, n int) error {
	switch kind {
	case '$', '=', '!':
		if n > maxBulk || s.bytes+n > maxReply {
			return ErrReply
		}
		s.skip = n + 2
		return nil
	case '%', '|', '*', '~', '>':
	default:
		return ErrReply
	}
	if n > maxItems {
		return ErrReply
	}
	if kind == '%' || kind == '|' {
		n *= 2
	}
	if s.items += n; s.items > maxItems {
		return ErrReply
	}
	s.wanted += n
	if kind != '|' { // attributes come before an element, and are none
		s.wanted--
	}
	return nil
}
