package attack

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func pkcs8(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// h2 is an HTTP/2 connection that does what it likes.
type h2 struct {
	net.Conn
	*http2.Framer
	stream uint32
	block  bytes.Buffer
	enc    *hpack.Encoder
}

// dialH2 connects, says hello, and reads what comes so that nothing stands still.
func dialH2(ctx context.Context, address string) (*h2, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline)
	}
	x := &h2{Conn: c, Framer: http2.NewFramer(c, c), stream: 1}
	x.enc = hpack.NewEncoder(&x.block)
	if _, err := c.Write([]byte(http2.ClientPreface)); err != nil {
		return nil, err
	}
	if err := x.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}); err != nil {
		return nil, err
	}
	go func() { // nobody reads what the gateway says
		buf := make([]byte, 64<<10)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
		}
	}()
	return x, nil
}

// headers begins a gRPC call.
func (x *h2) headers(method string, end bool, more ...string) (stream uint32, err error) {
	x.block.Reset()
	fields := append([]string{":method", "POST", ":scheme", "http", ":path", method, ":authority", "gateway", "content-type", "application/grpc", "te", "trailers"}, more...)
	for i := 0; i+1 < len(fields); i += 2 {
		_ = x.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	stream = x.stream
	x.stream += 2
	return stream, x.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: x.block.Bytes(), EndHeaders: true, EndStream: end})
}

// message frames a gRPC message.
func message(b []byte, compressed bool) []byte {
	out := make([]byte, 5, 5+len(b))
	if compressed {
		out[0] = 1
	}
	binary.BigEndian.PutUint32(out[1:], uint32(len(b)))
	return append(out, b...)
}

// data writes a message in frames.
func (x *h2) data(stream uint32, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), 16<<10)
		if err := x.WriteData(stream, n == len(b), b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

// again does something over one connection after another until time is up.
func again(ctx context.Context, address string, do func(*h2) error) {
	for ctx.Err() == nil {
		x, err := dialH2(ctx, address)
		if err != nil {
			pause(ctx)
			continue
		}
		for ctx.Err() == nil && do(x) == nil {
		}
		_ = x.Conn.Close()
	}
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Millisecond):
	}
}

// httpGet asks a handler of this process.
func httpGet(t *testing.T, h http.Handler, path string) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.Bytes()
}
