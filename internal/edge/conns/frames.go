package conns

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
)

// MaxStreams is how many streams gRPC serves at once over a connection.
const MaxStreams = 100

// Bounds on one HTTP/2 connection of gRPC.
const (
	// Frames of which no call comes: resets, settings, priorities, empty data, and
	// all but calls and data of a stranger. More of them end the connection.
	idleFramesUnknown = 50   // before anybody is known: all together
	idleFramesBurst   = 1000 // afterwards: at once
	idleFramesRate    = 100  // and a second

	// Calls before anybody is known. More of them are read later.
	strangerCalls = 5                     // at once
	strangerEvery = 50 * time.Millisecond // one more
	strangerBytes = 16 << 10              // of messages, at once and a second more
	strangerPause = time.Second           // before a stranger's connection is ended
	strangerLook  = 2 * time.Millisecond  // how often it is asked whether it is known now

	// Answers that were given to the transport and that the peer does not read.
	unreadMost    = 2 * MaxStreams   // streams
	unreadBytes   = 64 << 20         // bytes
	unreadTime    = 60 * time.Second // without a single byte of data going out
	unreadLookAt  = 5 * time.Second  // how often
	prefaceLength = 24
)

var (
	errIdleFrames = errors.New(
		"conns: too many frames of which no call comes: RST_STREAM, SETTINGS, PRIORITY or empty DATA",
	)
	errUnread = errors.New("conns: the peer does not read its answers")
)

// HTTP/2 frames, RFC 9113, section 6.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameRSTStream    = 0x3
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8
	frameContinuation = 0x9
	framePing         = 0x6
	flagEndStream     = 0x1
	frameHeaderLength = 9
)

// Watched are transport credentials whose connections are watched: what grpc-go
// has no bound on (resets of streams, answers that nobody reads) closes them.
func Watched(
	c credentials.TransportCredentials,
	failed func(remote net.Addr, err error),
) credentials.TransportCredentials {
	return watched{c, failed}
}

type watched struct {
	credentials.TransportCredentials
	failed func(net.Addr, error)
}

// ServerHandshake implements [credentials.TransportCredentials].
func (w watched) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, info, err := w.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		w.failed(raw.RemoteAddr(), err)
		return nil, nil, err
	}
	a, ok := raw.RemoteAddr().(*Addr)
	if !ok {
		return c, info, nil
	}
	f := &frames{
		Conn:     c,
		of:       a.conn,
		open:     map[uint32]struct{}{},
		budget:   idleFramesUnknown,
		refilled: time.Now(),
		counted:  time.Now(),
	}
	f.in.skip = prefaceLength
	f.sent.Store(time.Now().UnixNano())
	a.conn.listener.mu.Lock()
	defer a.conn.listener.mu.Unlock()
	a.conn.wire = f
	return f, info, nil
}

// Clone implements [credentials.TransportCredentials].
func (w watched) Clone() credentials.TransportCredentials {
	return watched{w.TransportCredentials.Clone(), w.failed}
}

// frames counts the frames of a connection.
type frames struct {
	net.Conn
	of      *Conn
	in, out parser
	sent    atomic.Int64 // when data last went out, Unix nanoseconds

	mu       sync.Mutex
	open     map[uint32]struct{} // streams whose end has not gone over the wire
	unread   int64               // about how many bytes were given to the transport and have not gone out
	budget   float64             // of frames of which no call comes
	refilled time.Time
	wasKnown bool
	calls    time.Duration // that a stranger's calls are ahead of their rate
	bytes    float64       // that a stranger's messages are ahead of theirs
	counted  time.Time     // when both were last right
	broken   error

	rest []byte // that came and is not handed on yet; only its reader uses it
	kept []byte // where rest lies
}

// parser finds the frames in a stream of bytes.
type parser struct {
	head [frameHeaderLength]byte
	have int
	skip int // bytes until the next frame
}

// feed calls frame with the header of each frame that begins in b, until it says
// no. It returns how many bytes come before the frame that was refused, all if
// none was.
func (p *parser) feed(b []byte, frame func(kind, flags byte, stream uint32, length int) bool) int {
	at := 0
	for at < len(b) {
		if p.skip > 0 {
			n := min(p.skip, len(b)-at)
			p.skip -= n
			at += n
			continue
		}
		had := p.have
		n := copy(p.head[had:], b[at:])
		if p.have += n; p.have == frameHeaderLength {
			length := int(p.head[0])<<16 | int(p.head[1])<<8 | int(p.head[2])
			if !frame(p.head[3], p.head[4], binary.BigEndian.Uint32(p.head[5:])&(1<<31-1), length) {
				p.have = had
				return at
			}
			p.have, p.skip = 0, length
		}
		at += n
	}
	return at
}

// Read implements [net.Conn]. The calls of a stranger are handed on slowly, until
// it is known: they cost time only, and its own.
func (f *frames) Read(b []byte) (int, error) {
	for {
		if len(f.rest) == 0 {
			n, err := f.Conn.Read(b)
			if n == 0 {
				return n, err
			}
			if n, err = f.hand(b[:n]); n > 0 || err != nil {
				return n, err
			}
			continue
		}
		time.Sleep(strangerLook)
		if n, err := f.hand(f.rest[:min(len(f.rest), len(b))]); n > 0 || err != nil {
			copy(b, f.rest[:n])
			f.rest = f.rest[n:]
			return n, err
		}
	}
}

// hand counts what came, and says how much of it may be handed on now. The rest
// is kept.
func (f *frames) hand(b []byte) (n int, err error) {
	f.mu.Lock()
	n = f.in.feed(b, f.received)
	err = f.broken
	f.mu.Unlock()
	switch {
	case err != nil:
		if !f.of.known.Load() {
			time.Sleep(strangerPause)
		}
		f.of.listener.broken.Add(1)
		return 0, err
	case n < len(b) && len(f.rest) == 0:
		f.kept = append(f.kept[:0], b[n:]...)
		f.rest = f.kept
	}
	return n, nil
}

// received counts a frame of the peer's, and says whether it may be handed on.
// The lock is held.
func (f *frames) received(kind, flags byte, stream uint32, length int) bool {
	switch kind {
	case frameHeaders:
		return f.call(stream)
	case frameRSTStream: // what was still to be sent is dropped
		f.unread -= f.unread / int64(max(len(f.open), 1))
		delete(f.open, stream)
	case frameData:
		if length > 0 || flags&flagEndStream != 0 {
			return f.message(length)
		}
	case framePing, frameWindowUpdate, frameContinuation, frameGoAway: // grpc-go has bounds on these
		if f.of.known.Load() {
			return true
		}
	}
	if !f.afford() {
		f.broken = errIdleFrames
	}
	return true
}

// elapse lets a stranger's time go by.
func (f *frames) elapse() {
	now := time.Now()
	gone := now.Sub(f.counted)
	f.calls, f.bytes, f.counted = max(0, f.calls-gone), max(0, f.bytes-strangerBytes*gone.Seconds()), now
}

// message counts a part of a message, and says whether it is its turn.
func (f *frames) message(length int) bool {
	if f.of.known.Load() {
		return true
	}
	f.elapse()
	if f.bytes >= strangerBytes {
		return false
	}
	f.bytes += float64(length)
	return true
}

// call counts a new call, and says whether it is its turn.
func (f *frames) call(stream uint32) bool {
	if !f.of.known.Load() {
		f.elapse()
		if f.calls >= strangerCalls*strangerEvery {
			return false
		}
		f.calls += strangerEvery
	}
	if len(f.open) == 0 {
		f.unread = 0
	}
	f.open[stream] = struct{}{}
	if len(f.open) > unreadMost {
		f.broken = errUnread
	}
	return true
}

// afford takes one frame out of the budget.
func (f *frames) afford() bool {
	now := time.Now()
	if known := f.of.known.Load(); known {
		if !f.wasKnown {
			f.wasKnown, f.budget = true, idleFramesBurst
		}
		f.budget = min(idleFramesBurst, f.budget+idleFramesRate*now.Sub(f.refilled).Seconds())
	}
	f.refilled = now
	f.budget--
	return f.budget >= 0
}

// Write implements [net.Conn].
func (f *frames) Write(b []byte) (int, error) {
	f.mu.Lock()
	f.out.feed(b, f.sending)
	f.mu.Unlock()
	return f.Conn.Write(b)
}

// sending counts a frame of ours. The lock is held.
func (f *frames) sending(kind, flags byte, stream uint32, length int) bool {
	switch {
	case kind == frameData:
		f.unread -= int64(length)
		f.sent.Store(time.Now().UnixNano())
		if flags&flagEndStream != 0 {
			delete(f.open, stream)
		}
	case kind == frameRSTStream, kind == frameHeaders && flags&flagEndStream != 0:
		delete(f.open, stream)
	}
	return true
}

// given counts an answer that was given to the transport.
func (f *frames) given(bytes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unread = max(f.unread, 0) + int64(bytes); f.unread > unreadBytes {
		_ = f.Conn.Close()
	}
}

// stuck says whether handlers have ended whose answers are not read at all.
func (f *frames) stuck(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unread -= f.unread / 16 // what was dropped with a stream is forgotten in a minute
	if int64(len(f.open)) <= f.of.calls.Load() {
		f.sent.Store(now.UnixNano())
		return false
	}
	return now.Sub(time.Unix(0, f.sent.Load())) > unreadTime
}

// Begin counts a call whose handler runs, until End.
func (c *Conn) Begin() {
	if c != nil {
		c.calls.Add(1)
	}
}

// End counts it no longer.
func (c *Conn) End() {
	if c != nil {
		c.calls.Add(-1)
	}
}

// Give counts an answer that is given to gRPC. A peer that leaves 64 MiB of them
// unread loses the connection.
func (c *Conn) Give(bytes int) {
	if c != nil && c.wire != nil {
		c.wire.given(bytes)
	}
}

// Tend closes connections whose peers do not read their answers, until ctx ends.
func (l *Listener) Tend(ctx context.Context) {
	tick := time.NewTicker(unreadLookAt)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, c := range l.stuck(now) {
				l.broken.Add(1)
				_ = c.Close()
			}
		}
	}
}

func (l *Listener) stuck(now time.Time) (list []*Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		if c.wire != nil && c.wire.stuck(now) {
			list = append(list, c)
		}
	}
	return list
}
