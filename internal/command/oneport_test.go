package command

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestResetsOnOnePort opens calls and resets them at once, over one connection, as
// fast as it goes. The gateway must serve others meanwhile and afterwards.
func TestResetsOnOnePort(t *testing.T) {
	address := said(t, started(t, "--sandbox", "--listen", anywhere, "--ops", anywhere), `(?m)^grpc +(\S+)`)
	framer, block := dialOnePort(t, address, "POST", "/asc.metadata.v1.AppsService/ListApps",
		[2]string{"content-type", "application/grpc"}, [2]string{"te", "trailers"})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			frame, err := framer.ReadFrame()
			if ping, ok := frame.(*http2.PingFrame); err != nil || ok && ping.IsAck() {
				return
			}
		}
	}()
	sent, began := 0, time.Now()
	for ; sent < 20_000; sent++ {
		id := uint32(2*sent + 1)
		err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true})
		if err == nil {
			err = framer.WriteRSTStream(id, http2.ErrCodeCancel)
		}
		if err != nil {
			break
		}
	}
	t.Logf("%d calls were opened and reset in %v", sent, time.Since(began).Round(time.Millisecond))
	if _, err := call(t, "--address", address, "ListApps", "page_size=1", "--timeout", "10s"); err != nil {
		t.Errorf("others are not served: %v", err)
	}
	// net/http ends the connection when resets run ahead of its handlers; when they do not, all of them are dealt with.
	_ = framer.WritePing(false, [8]byte{1})
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Error("the connection is neither ended nor answered")
	}
}

// dialOnePort opens a connection of HTTP/2 without TLS, and the header block of a
// request.
func dialOnePort(t *testing.T, address, method, path string, more ...[2]string) (*http2.Framer, []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	headers := [][2]string{{":method", method}, {":scheme", "http"}, {":path", path}, {":authority", address}}
	for _, h := range append(headers, more...) {
		if err := e.WriteField(hpack.HeaderField{Name: h[0], Value: h[1], Sensitive: true}); err != nil {
			t.Fatal(err)
		}
	}
	return framer, block.Bytes()
}

// TestAgeOnOnePort holds that a connection of a certain age is told to go, and is
// closed at twice that age even if a stream is open.
func TestAgeOnOnePort(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := "listen: {address: \"" + anywhere + "\", ops: \"" + anywhere + "\"}\nlimits: {max_connection_age: 1s}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := said(t, started(t, "--sandbox", "--config", file), `(?m)^grpc +(\S+)`)
	began := time.Now()
	told, closed := make(chan time.Duration, 1), make(chan time.Duration, 1)
	framer, block := dialOnePort(t, address, "GET", "/ascgateway/v1/quota/watch")
	go func() { // reads until the connection is closed
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				closed <- time.Since(began)
				return
			}
			if _, ok := frame.(*http2.GoAwayFrame); ok && len(told) == 0 {
				told <- time.Since(began)
			}
		}
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var goAway time.Duration
	for id := uint32(1); ; id += 2 { // each is a stream that does not end by itself
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true, EndStream: true})
		select {
		case goAway = <-told:
		case <-time.After(30 * time.Second):
			t.Fatal("the connection is not closed")
		case at := <-closed:
			if goAway < time.Second || at < 2*time.Second {
				t.Errorf("GOAWAY after %v, closed after %v", goAway, at)
			}
			t.Logf("GOAWAY after %v, closed after %v", goAway, at)
			return
		case <-tick.C:
		}
	}
}
