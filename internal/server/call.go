package server

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/edge/conns"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/proto"
)

// How long a peer may take.
const (
	receiveTimeout = 10 * time.Second // for its request
	sendTimeout    = 30 * time.Second // to read a part of its answer
	probeTimeout   = 60 * time.Second // for its next message, where health or reflection take several
	uploadTimeout  = 60 * time.Second // for its next message, while it sends a file
)

type stopKey struct{}

// stoppable gives every stream a way to be ended from here. It runs on the
// connection's reader: it must do nothing else.
func stoppable(ctx context.Context, _ *tap.Info) (context.Context, error) {
	ctx, cancel := context.WithCancelCause(ctx) // the transport ends the parent with the stream
	return context.WithValue(ctx, stopKey{}, cancel), nil
}

// stopOf ends the stream of a context; elsewhere it does nothing.
func stopOf(ctx context.Context) context.CancelCauseFunc {
	if stop, ok := ctx.Value(stopKey{}).(context.CancelCauseFunc); ok {
		return stop
	}
	return func(error) {}
}

// unguarded methods are open to everyone: they tell of the gateway, not of Apple's data.
func unguarded(fullMethod string) bool {
	return strings.HasPrefix(fullMethod, "/grpc.health.v1.") || reflected(fullMethod)
}

// reflected methods tell what there is to be called: they want a caller that is
// known.
func reflected(fullMethod string) bool { return strings.HasPrefix(fullMethod, "/grpc.reflection.") }

// endless methods end with their caller only.
func endless(fullMethod string) bool {
	return strings.HasPrefix(fullMethod[strings.LastIndexByte(fullMethod, '/')+1:], "Watch")
}

// classOf is the room that a call takes. uploads says that its caller sends a
// stream.
func classOf(fullMethod string, uploads bool) overload.Class {
	switch {
	case uploads:
		return overload.Uploads
	case endless(fullMethod):
		return overload.Watches
	}
	return overload.Calls
}

// stream is what every call over gRPC passes, with the error as a status.
func (s *Server) stream(srv any, ss grpc.ServerStream, method string, d grpc.StreamDesc, next grpc.StreamHandler) error {
	c := &call{ServerStream: ss, server: s, method: method, class: classOf(method, d.ClientStreams), streams: d.ServerStreams,
		ctx: ss.Context(), stop: stopOf(ss.Context()), conn: conns.Of(ss.Context())}
	c.conn.Begin()
	defer c.conn.End()
	observer, begun := s.cfg.Observer, time.Now()
	if observer == nil || unguarded(method) {
		if err := c.serve(srv, next); err != nil {
			return service.Status(err).Err()
		}
		return nil
	}
	c.ctx = observer.Begun(c.ctx)
	told, code := c.ctx, codes.OK
	err := c.serve(srv, next)
	if err != nil {
		st := service.Status(err)
		err, code = st.Err(), st.Code()
	}
	observer.Ended(told, method[1:], code, time.Since(begun))
	return err
}

// call is a call over gRPC on its way: identified, allowed by policy and counted
// before its message is read, and passed by the guard when it is.
type call struct {
	grpc.ServerStream
	server *Server
	method string
	class  overload.Class
	ctx    context.Context
	stop   context.CancelCauseFunc
	conn   *conns.Conn
	weight int

	streams  bool // its answer has parts
	received bool
	told     bool     // its headers tell where the answer came from
	entered  *entered // nil: not let in
}

// Context is that of the call as far as it has come.
func (c *call) Context() context.Context { return c.ctx }

// serve carries a call out. Its error is a fault.
func (c *call) serve(srv any, next grpc.StreamHandler) (err error) {
	begun := time.Now()
	defer func() {
		if p := recover(); p != nil {
			err = c.server.recovered(c.ctx, c.method, p)
		}
		if cause := stopped(c.ctx); cause != nil {
			err = cause
		}
		if c.entered != nil {
			c.entered.leave(c.ctx, nil, err)
			if !c.told || err != nil {
				c.SetTrailer(told(asc.MadeIn(c.ctx)))
			}
		}
		if access.FromContext(c.ctx) != nil && !unguarded(c.method) {
			c.server.event(c.ctx, c.method, begun, err)
		}
		c.server.Refused(err)
	}()
	if unguarded(c.method) {
		return c.probe(srv, next)
	}
	if c.ctx, err = c.server.identified(c.ctx); err != nil {
		return err
	}
	if c.weight, err = c.server.guard.Approach(c.ctx, c.method, first(c.ctx, TeamHeader)); err != nil {
		return err
	}
	shorter, cancel, err := shaved(c.ctx)
	if err != nil {
		return err
	}
	defer cancel()
	c.ctx = shorter
	return next(srv, c)
}

// stopped is why a stream was ended from here, nil if it was not.
func stopped(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	var f *fault.Error
	if errors.As(context.Cause(ctx), &f) {
		return f
	}
	return nil
}

// probe serves a method that is open to everyone, within limits of its own.
func (c *call) probe(srv any, next grpc.StreamHandler) error {
	class, caller := overload.Probes, conns.Host(c.ctx)
	known, err := c.server.identified(c.ctx)
	switch {
	case err == nil:
		c.ctx = known
		caller = access.FromContext(known).ID
		if endless(c.method) {
			class = overload.Watches
		}
	case reflected(c.method):
		return err
	case compressed(c.ctx):
		return fault.New(
			fault.Unauthenticated,
			authn.ReasonUnauthenticated,
			"a compressed message is only read of a caller that is known",
		)
	}
	slot, err := c.server.limits.Enter(class, caller, 1)
	if err != nil {
		return err
	}
	defer slot.Leave()
	if endless(c.method) {
		defer c.server.open.add(&openStream{endless: true, stop: c.stop})()
	}
	return next(srv, &probeStream{c})
}

// compressed says whether a call's messages are.
func compressed(ctx context.Context) bool {
	s, ok := grpc.ServerTransportStreamFromContext(ctx).(interface{ RecvCompress() string })
	return ok && s.RecvCompress() != "" && s.RecvCompress() != "identity"
}

// probeStream bounds the time between messages.
type probeStream struct{ *call }

// RecvMsg reads the next message.
func (p *probeStream) RecvMsg(m any) error {
	limit := probeTimeout
	if !p.received {
		limit, p.received = receiveTimeout, true
	}
	return p.receive(m, limit)
}

// RecvMsg reads the request, and lets the call in with it.
func (c *call) RecvMsg(m any) error {
	if c.received {
		return c.receive(m, uploadTimeout)
	}
	c.received = true
	slot, err := c.server.limits.Enter(overload.Bodies, access.FromContext(c.ctx).ID, c.weight)
	if err != nil {
		return err
	}
	err = c.receive(m, receiveTimeout)
	slot.Leave()
	if err != nil {
		return err
	}
	var open *openStream
	if c.streams {
		open = &openStream{endless: endless(c.method), stop: c.stop}
	}
	c.ctx, c.entered, err = c.server.enter(c.ctx, c.method, c.class, c.weight, m.(proto.Message), open)
	return err
}

// receive reads a message within bounds.
func (c *call) receive(m any, limit time.Duration) error {
	timer := time.AfterFunc(limit, func() {
		c.stop(fault.New(fault.DeadlineExceeded, fault.ReasonPeerTooSlow, "no message came within %v", limit))
	})
	defer timer.Stop()
	b := &bounded{Message: m.(proto.Message)}
	if err := c.ServerStream.RecvMsg(b); err != nil {
		return err
	}
	return b.err
}

// SendMsg writes a part of the answer. A peer that does not read it ends the
// call. The answer of a unary call is never waited for: the transport keeps one
// message of every stream.
func (c *call) SendMsg(m any) error {
	if c.conn != nil {
		c.conn.Give(proto.Size(m.(proto.Message)))
	}
	if !c.streams {
		return c.ServerStream.SendMsg(m)
	}
	timer := time.AfterFunc(sendTimeout, func() {
		c.stop(fault.New(fault.DeadlineExceeded, fault.ReasonPeerTooSlow, "the answer was not read for %v", sendTimeout))
	})
	defer timer.Stop()
	return c.ServerStream.SendMsg(m)
}

// unary makes a stream of a unary method: the outcome is on record before the
// caller has its answer.
func unary(handler grpc.MethodHandler) grpc.StreamHandler {
	return func(srv any, ss grpc.ServerStream) error {
		res, err := handler(
			srv,
			ss.Context(),
			ss.RecvMsg,
			func(_ context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				return next(ss.Context(), req) // that of the call when it was let in
			},
		)
		if c, ok := ss.(*call); ok && c.entered != nil {
			message, _ := res.(proto.Message)
			if cause := stopped(c.ctx); cause != nil && err == nil {
				err = cause
			}
			c.entered.leave(c.ctx, message, err)
			if md := told(asc.MadeIn(c.ctx)); len(md) > 0 {
				c.told = ss.SetHeader(md) == nil // fails only where nobody would read it
			}
		}
		if err != nil {
			return err
		}
		return ss.SendMsg(res)
	}
}

// told is what an answer's headers tell.
func told(m asc.Made) metadata.MD {
	if m.Cache == "" && m.Limit <= 0 && m.Attempts == 0 {
		return nil
	}
	md, values := make(metadata.MD, 5), make([]string, 0, 5)
	set := func(name, value string) {
		values = append(values, value)
		n := len(values)
		md[name] = values[n-1 : n : n]
	}
	if m.Cache != "" {
		set(CacheHeader, m.Cache)
	}
	if m.Attempts > 0 {
		set(RequestsHeader, strconv.Itoa(m.Attempts))
	}
	if m.Limit > 0 {
		set(LimitHeader, strconv.Itoa(m.Limit))
		set(RemainingHeader, strconv.Itoa(m.Remaining))
		set(WaitedHeader, strconv.FormatInt(m.Waited.Milliseconds(), 10))
	}
	return md
}

func (s *Server) recovered(ctx context.Context, method string, p any) error {
	s.log.ErrorContext(ctx, "panic", "method", method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return fault.New(fault.Internal, "INTERNAL", "internal error")
}

// event tells of a call that has ended.
func (s *Server) event(ctx context.Context, method string, begun time.Time, err error) {
	if err != nil {
		err = service.AsFault(err)
	}
	guard.Event(ctx, s.log, method, first(ctx, "x-request-id"), begun, err)
}

func first(ctx context.Context, name string) string {
	if v := metadata.ValueFromIncomingContext(ctx, name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// shaved leaves time to answer before the caller gives up. What a use case calls
// within a call has been given less already.
func shaved(ctx context.Context) (context.Context, context.CancelFunc, error) {
	deadline, ok := ctx.Deadline()
	if !ok || access.Via(ctx) != "" {
		return ctx, func() {}, nil
	}
	left := time.Until(deadline)
	if left < minDeadline {
		return nil, nil, fault.New(
			fault.DeadlineExceeded,
			fault.ReasonDeadlineTooShort,
			"less than %v left: nothing was sent",
			minDeadline,
		)
	}
	shorter, cancel := context.WithDeadline(ctx, deadline.Add(-min(maxShave, left/10)))
	return shorter, cancel, nil
}
