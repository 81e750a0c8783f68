package attack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

const (
	aCreate = "/asc.testflight.v1.BetaGroupsService/AddBetaGroupBuilds"
	aHealth = "/grpc.health.v1.Health/Check"
)

// bomb is much larger in memory than on the wire: empty submessages, in gzip.
var bomb = message(gzipped(bytes.Repeat([]byte{0x12, 0x00}, 4<<20)), true)

func TestCompressedBombs(t *testing.T) {
	strangers(t, func(ctx context.Context, x *target, i int) {
		method := []string{aCreate, aHealth}[i%2]
		again(ctx, x.grpc, func(c *h2) error {
			id, err := c.headers(method, false, "grpc-encoding", "gzip")
			if err != nil {
				return err
			}
			return c.data(id, bomb)
		})
	})
}

func TestHeaderBombs(t *testing.T) {
	strangers(t, func(ctx context.Context, x *target, _ int) {
		again(ctx, x.grpc, func(c *h2) error { // one field in the table, then named by one byte each
			fields := []string{"x", strings.Repeat("y", 1000)}
			if _, err := c.headers(aCreate, false, fields...); err != nil {
				return err
			}
			for range 50 {
				c.stream += 2
				if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: bytes.Repeat([]byte{0xbe}, 16<<10-1)}); err != nil {
					return err
				}
				for range 8 {
					if err := c.WriteContinuation(c.stream, false, bytes.Repeat([]byte{0xbe}, 16<<10-1)); err != nil {
						return err
					}
				}
				if err := c.WriteContinuation(c.stream, true, nil); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func TestStreamsWithoutAMessage(t *testing.T) {
	strangers(t, func(ctx context.Context, x *target, i int) {
		pad := strings.Repeat("z", 8000)
		again(ctx, x.grpc, func(c *h2) error {
			for range 200 {
				if _, err := c.headers([]string{aCreate, aHealth, "/no.such.Service/Method"}[i%3], false, "x-pad", pad); err != nil {
					return err
				}
			}
			pause(ctx)
			return nil
		})
	})
}

func TestRapidReset(t *testing.T) {
	strangers(t, func(ctx context.Context, x *target, i int) {
		again(ctx, []string{x.grpc, x.grpc, x.rest}[i%3], func(c *h2) error {
			id, err := c.headers(aCreate, false)
			if err != nil {
				return err
			}
			return c.WriteRSTStream(id, http2.ErrCodeCancel)
		})
	})
}

func TestFramesOfWhichNoCallComes(t *testing.T) {
	strangers(t, func(ctx context.Context, x *target, i int) {
		again(ctx, x.grpc, func(c *h2) error {
			switch i % 4 {
			case 0:
				return c.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 15})
			case 1:
				return c.WritePing(false, [8]byte{})
			case 2:
				return c.WritePriority(1, http2.PriorityParam{StreamDep: 3})
			}
			return c.WriteWindowUpdate(0, 1)
		})
	})
}

// bodies sends HTTP/1.1 requests with a body, in a loop.
func bodies(ctx context.Context, address, head string, body []byte, stop int) {
	var d net.Dialer
	for ctx.Err() == nil {
		c, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			pause(ctx)
			continue
		}
		deadline, _ := ctx.Deadline()
		_ = c.SetDeadline(deadline)
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", head, len(body))
		_, _ = c.Write(body[:min(stop, len(body))])
		_, _ = io.Copy(io.Discard, c) // until it is closed
		_ = c.Close()
	}
}

func TestBodiesOfStrangers(t *testing.T) {
	elements := []byte(`{"data":[` + strings.Repeat("{},", 2_700_000) + `{}]}`) // 8 MB
	strangers(t, func(ctx context.Context, x *target, i int) {
		address := []string{x.rest, x.apple}[i%2]
		if i < 100 {
			bodies(ctx, address, "/v1/betaGroups", elements, len(elements))
		} else {
			bodies(ctx, address, "/v1/betaGroups", elements, 1000) // never finished
		}
	})
}

func TestHeadersThatNeverEnd(t *testing.T) {
	strangers(t, func(ctx context.Context, x *target, i int) {
		var d net.Dialer
		for ctx.Err() == nil {
			c, err := d.DialContext(ctx, "tcp", []string{x.rest, x.apple, x.ops, x.grpc}[i%4])
			if err != nil {
				pause(ctx)
				continue
			}
			deadline, _ := ctx.Deadline()
			_ = c.SetDeadline(deadline)
			_, _ = io.WriteString(c, "GET /v1/apps HTTP/1.1\r\nHost: localhost\r\n")
			for ctx.Err() == nil {
				if _, err := fmt.Fprintf(c, "X-%d: %s\r\n", i, strings.Repeat("a", 1000)); err != nil {
					break
				}
			}
			_ = c.Close()
		}
	})
}

// TestManyConnections holds that strangers' connections cannot keep a known
// caller, or the kubelet, out.
func TestManyConnections(t *testing.T) {
	x := start(t, "limits: {max_connections: 100}")
	var d net.Dialer
	var open []net.Conn
	for _, address := range []string{x.rest, x.grpc, x.ops, x.apple} {
		for range 300 {
			if c, err := d.DialContext(t.Context(), "tcp", address); err == nil {
				open = append(open, c)
			}
		}
	}
	o := observe(t, x, x, func(ctx context.Context) {
		for ctx.Err() == nil {
			for _, address := range []string{x.rest, x.grpc, x.ops, x.apple} {
				if c, err := d.DialContext(ctx, "tcp", address); err == nil {
					open = append(open, c)
				}
			}
			pause(ctx)
		}
	})
	for _, c := range open {
		_ = c.Close()
	}
	x.wait(t) // ops still answers
	t.Logf("%d connections of strangers to faces that take 100 each: %d calls of a known caller, %d failed, p99 %v, memory +%.1f MiB",
		len(open), o.calls, o.failed, o.p99.Round(time.Microsecond), float64(o.grown)/(1<<20))
	if o.failed > 0 || o.grown > maxGrowth {
		t.Errorf("%d of %d calls failed, memory +%d", o.failed, o.calls, o.grown)
	}
}
