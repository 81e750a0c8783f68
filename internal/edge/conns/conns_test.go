package conns

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/credentials/insecure"
)

// face listens within limits; dial connects to it and returns both ends.
func face(t *testing.T, limits Limits) (l *Listener, dial func() (client net.Conn, server *Conn)) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = Listen(inner, limits)
	accepted := make(chan *Conn, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c.(*Conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return l, func() (net.Conn, *Conn) {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		select {
		case s := <-accepted:
			return c, s
		case <-time.After(200 * time.Millisecond):
			return c, nil // it was not let in
		}
	}
}

// closed says whether the other side has closed a connection.
func closed(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	_, err := c.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func TestTheOldestStrangerMakesRoom(t *testing.T) {
	l, dial := face(t, Limits{Max: 3})
	known, knownServer := dial()
	Known(Context(t.Context(), knownServer))
	oldest, _ := dial()
	newer, _ := dial()
	_, fourth := dial()
	if fourth == nil {
		t.Fatal("a new connection is not let in while strangers are there")
	}
	if !closed(oldest) || closed(newer) || closed(known) {
		t.Error("another connection than the oldest stranger's was closed")
	}
	if c := l.Counts(); c.Open != 3 || c.Unknown != 2 || c.Replaced != 1 || c.Refused != 0 {
		t.Errorf("%+v", c)
	}
}

func TestKnownCallersStay(t *testing.T) {
	l, dial := face(t, Limits{Max: 2})
	for range 2 {
		_, s := dial()
		Known(Context(t.Context(), s))
	}
	if c, s := dial(); s != nil || !closed(c) {
		t.Error("a third connection was let in, or hangs")
	}
	if c := l.Counts(); c.Open != 2 || c.Unknown != 0 || c.Refused != 1 {
		t.Errorf("%+v", c)
	}
}

func TestAddressesHaveABound(t *testing.T) {
	l, dial := face(t, Limits{Max: 10, PerAddress: 2})
	first, _ := dial()
	dial()
	_, third := dial()
	if third == nil || !closed(first) {
		t.Error("the oldest of the address does not make room")
	}
	_ = third.Close()
	_ = third.Close() // is counted once
	if c := l.Counts(); c.Open != 1 {
		t.Errorf("%+v", c)
	}
	l.Configure(Limits{Max: 1})
	if _, s := dial(); s == nil || l.Counts().Open != 1 {
		t.Errorf("after a reload: %+v", l.Counts())
	}
}

// pipe is a listener of one connection, so that time can be a test's.
type pipe struct{ conn net.Conn }

func (p *pipe) Accept() (net.Conn, error) {
	if p.conn == nil {
		return nil, io.EOF
	}
	c := p.conn
	p.conn = nil
	return c, nil
}
func (p *pipe) Close() error   { return nil }
func (p *pipe) Addr() net.Addr { return &net.TCPAddr{} }

// watchedPipe is a connection whose frames are watched, with its other end.
func watchedPipe(t *testing.T) (l *Listener, server net.Conn, conn *Conn, peer net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	l = Listen(&pipe{conn: a}, Limits{})
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server, _, err = Watched(insecure.NewCredentials(), func(net.Addr, error) {}).ServerHandshake(c)
	if err != nil {
		t.Fatal(err)
	}
	return l, server, c.(*Conn), b
}

func frame(kind, flags byte, stream uint32, payload int) []byte {
	b := make([]byte, frameHeaderLength+payload)
	b[0], b[1], b[2], b[3], b[4] = byte(payload>>16), byte(payload>>8), byte(payload), kind, flags
	binary.BigEndian.PutUint32(b[5:], stream)
	return b
}

var preface = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

// TestNothingIsLostOrMoved holds what the framer gets to what was sent, however
// it is cut into reads and writes.
func TestNothingIsLostOrMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := bytes.Clone(preface)
		for i := range uint32(100) { // many more calls than a stranger may begin at once
			sent = append(sent, frame(frameHeaders, 4, 2*i+1, int(i))...)
			sent = append(sent, frame(frameData, flagEndStream, 2*i+1, 7*int(i))...)
		}
		_, server, _, peer := watchedPipe(t)
		go func() {
			for at, n := 0, 1; at < len(sent); n = n%37 + 1 {
				end := min(at+n, len(sent))
				_, _ = peer.Write(sent[at:end])
				at = end
			}
			_ = peer.Close()
		}()
		begun := time.Now()
		got, err := io.ReadAll(server)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d of %d bytes, %v", len(got), len(sent), err)
		}
		if took, want := time.Since(begun), (100-strangerCalls)*strangerEvery; took < want-strangerEvery || took > want+time.Second {
			t.Errorf("100 calls of a stranger were handed on within %v, want about %v", took, want)
		}
	})
}

func TestOnceKnownNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server, conn, peer := watchedPipe(t)
		sent := bytes.Clone(preface)
		for i := range uint32(90) {
			sent = append(sent, frame(frameHeaders, 4, 2*i+1, 5)...)
		}
		go func() { _, _ = peer.Write(sent); _ = peer.Close() }()
		begun, buf := time.Now(), make([]byte, 4096)
		n, err := server.Read(buf)
		if want := len(preface) + strangerCalls*(frameHeaderLength+5); err != nil || n != want {
			t.Errorf("%d bytes at once, %v, want %d: the first calls", n, err, want)
		}
		Known(Context(t.Context(), conn)) // one of the first calls was good
		rest, err := io.ReadAll(server)
		if err != nil || n+len(rest) != len(sent) || time.Since(begun) > 10*strangerLook {
			t.Errorf("%d bytes after %v, %v", n+len(rest), time.Since(begun), err)
		}
	})
}

// TestMessagesOfStrangersWait in the system's buffers, where they cost nothing here.
func TestMessagesOfStrangersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server, conn, peer := watchedPipe(t)
		sent := bytes.Clone(preface)
		for range 20 {
			sent = append(sent, frame(frameData, 0, 1, 4<<10)...)
		}
		go func() { _, _ = peer.Write(sent); _ = peer.Close() }()
		begun, got, buf := time.Now(), 0, make([]byte, len(sent))
		for time.Since(begun) < time.Millisecond && got < len(sent) {
			n, err := server.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got += n
			if got >= strangerBytes {
				break
			}
		}
		if got > 2*strangerBytes {
			t.Errorf("%d bytes of a stranger's messages were handed on at once", got)
		}
		Known(Context(t.Context(), conn))
		rest, err := io.ReadAll(server)
		if err != nil || got+len(rest) != len(sent) || time.Since(begun) > 100*time.Millisecond {
			t.Errorf("%d of %d bytes after %v, %v", got+len(rest), len(sent), time.Since(begun), err)
		}
	})
}

func TestFramesWithoutCallsEndAConnection(t *testing.T) {
	for name, c := range map[string]struct {
		frame []byte
		ends  bool // also a known caller's connection
	}{
		"resets":       {frame(frameRSTStream, 0, 1, 4), true},
		"settings":     {frame(0x4, 0, 0, 0), true},
		"priorities":   {frame(0x2, 0, 1, 5), true},
		"empty data":   {frame(frameData, 0, 1, 0), true},
		"unknown ones": {frame(0xee, 0, 1, 3), true},
		"data":         {frame(frameData, 0, 1, 1), false},
		"windows":      {frame(frameWindowUpdate, 0, 1, 4), false},
	} {
		for _, known := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				l, server, conn, peer := watchedPipe(t)
				if known {
					Known(Context(t.Context(), conn))
				}
				sent := append(bytes.Clone(preface), bytes.Repeat(c.frame, 3*idleFramesBurst)...)
				go func() { _, _ = peer.Write(sent); _ = peer.Close() }()
				got, err := io.ReadAll(server)
				want := c.ends || !known && name == "windows"
				if ended := errors.Is(err, errIdleFrames); ended != want || ended != (l.Counts().Broken == 1) {
					t.Errorf("%s, known %v: ended by %v after %d bytes", name, known, err, len(got))
				}
				_ = peer.Close() // lets the writer go
			})
		}
	}
}

// TestResetsAreRefilled lets a known caller cancel a call now and then for ever.
func TestResetsAreRefilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server, conn, peer := watchedPipe(t)
		Known(Context(t.Context(), conn))
		go func() {
			_, _ = peer.Write(preface)
			for range 10 * idleFramesBurst {
				_, _ = peer.Write(frame(frameRSTStream, 0, 1, 4))
				time.Sleep(time.Second / idleFramesRate * 2) // the test's own time
			}
			_ = peer.Close()
		}()
		if _, err := io.ReadAll(server); err != nil {
			t.Error(err)
		}
	})
}

// TestAnswersThatNobodyReads end the connection, but not those of calls whose
// handlers still run.
func TestAnswersThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, server, conn, peer := watchedPipe(t)
		go func() { _, _ = io.Copy(io.Discard, peer) }()
		wire := conn.wire
		go func() {
			_, _ = peer.Write(append(bytes.Clone(preface), frame(frameHeaders, 4, 1, 5)...))
		}()
		if _, err := io.ReadFull(server, make([]byte, len(preface)+frameHeaderLength+5)); err != nil {
			t.Fatal(err)
		}
		conn.Begin()
		time.Sleep(2 * unreadTime)
		if wire.stuck(time.Now()) {
			t.Error("a call whose handler runs is not stuck")
		}
		conn.End() // its handler has ended; its answer has not gone out
		time.Sleep(unreadTime / 2)
		if wire.stuck(time.Now()) {
			t.Error("stuck too early")
		}
		time.Sleep(unreadTime)
		if list := l.stuck(time.Now()); len(list) != 1 || list[0] != conn {
			t.Error("an answer that is not read is not noticed")
		}
		if _, err := server.Write(frame(frameHeaders, flagEndStream, 1, 3)); err != nil {
			t.Fatal(err)
		}
		if wire.stuck(time.Now()) {
			t.Error("the stream has ended")
		}
		_ = server.Close()
		_ = peer.Close()
	})
}

func TestAnswersPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server, conn, peer := watchedPipe(t)
		go func() { _, _ = peer.Write(append(bytes.Clone(preface), frame(frameHeaders, 4, 1, 5)...)) }()
		if _, err := io.ReadFull(server, make([]byte, len(preface)+frameHeaderLength+5)); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, peer) }()
		for range 1000 { // 100 MB that go out as they come
			conn.Give(100 << 10)
			if _, err := server.Write(frame(frameData, 0, 1, 100<<10)); err != nil {
				t.Fatal(err)
			}
		}
		for range unreadBytes/(1<<20) + 1 { // and what stays
			conn.Give(1 << 20)
		}
		if _, err := server.Write([]byte("x")); err == nil {
			t.Error("the connection of a peer that reads nothing is still open")
		}
		_ = peer.Close()
	})
}

func FuzzParser(f *testing.F) {
	f.Add(append(frame(0, 0, 1, 3), frame(1, 0, 3, 0)...), uint8(4))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		count := func(step int) (n int) {
			var p parser
			for at := 0; at < len(b); at += step {
				p.feed(b[at:min(at+step, len(b))], func(byte, byte, uint32, int) bool { n++; return true })
			}
			return n
		}
		if whole, parts := count(max(len(b), 1)), count(int(cut)+1); whole != parts {
			t.Errorf("%d frames at once, %d in parts", whole, parts)
		}
	})
}
