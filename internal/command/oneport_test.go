package command

import (
	"bytes"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestResetsOnOnePort opens calls and resets them at once, over one connection, as
// fast as it goes. The gateway must serve others meanwhile and afterwards.
func TestResetsOnOnePort(t *testing.T) {
	address := said(t, started(t, "--sandbox", "--listen", anywhere, "--ops", anywhere), `(?m)^grpc +(\S+)`)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
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
	var block bytes.Buffer
	for e, h := hpack.NewEncoder(&block), [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", "/asc.metadata.v1.AppsService/ListApps"},
		{":authority", address}, {"content-type", "application/grpc"}, {"te", "trailers"}}; len(h) > 0; h = h[1:] {
		if err := e.WriteField(hpack.HeaderField{Name: h[0][0], Value: h[0][1], Sensitive: true}); err != nil {
			t.Fatal(err)
		}
	}
	sent, began := 0, time.Now()
	for ; sent < 20_000; sent++ {
		id := uint32(2*sent + 1)
		err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true})
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
