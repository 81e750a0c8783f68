package server

import (
	"context"
	"io"
	"net/http"
	"time"

	filesv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Identify finds out who makes an HTTP request: the contexts of its calls must
// come from the one returned.
func (s *Server) Identify(r *http.Request) (context.Context, error) {
	return s.identify(r.Context(), authn.FromRequest(r))
}

// Anonymous says whether nobody is authenticated.
func (s *Server) Anonymous() bool { return s.guard.Anonymous() }

// Refused notes that a request over HTTP was answered with an error.
func (s *Server) Refused(err error) { s.guard.Refused(err) }

// Caller names the caller of a context from [Server.Identify], for the limits.
func (s *Server) Caller(ctx context.Context) string { return access.FromContext(ctx).ID }

// Approach decides by policy before a request's body is read. It returns the
// caller's weight among others.
func (s *Server) Approach(ctx context.Context, fullMethod, team string) (weight int, err error) {
	return s.guard.Approach(ctx, fullMethod, team)
}

// Invoke makes a unary call as one over gRPC is made. The context must come from
// [Server.Identify]. The request must not be used again: a filter may be set in it.
func (s *Server) Invoke(ctx context.Context, fullMethod string, req proto.Message) (proto.Message, error) {
	m, ok := s.methods[fullMethod]
	if !ok {
		return nil, noMethod()
	}
	res, err := s.guarded(ctx, fullMethod, req, func(ctx context.Context) (proto.Message, error) {
		if m.direct != nil {
			plan, err := m.direct.Plan()
			if err != nil {
				return nil, err
			}
			return s.engine.Unary(ctx, guard.Team(ctx), plan, req)
		}
		copyIn := func(v any) error { proto.Merge(v.(proto.Message), req); return nil }
		res, err := m.handler(m.impl, ctx, copyIn, nil)
		if err != nil {
			return nil, err
		}
		return res.(proto.Message), nil
	})
	return res, err
}

func noMethod() error { return fault.New(fault.Unimplemented, "UNIMPLEMENTED", "no such method") }

// guarded recovers from panics, shortens the deadline, lets the call in, and
// tells of its end.
func (s *Server) guarded(
	ctx context.Context,
	method string,
	req proto.Message,
	next func(context.Context) (proto.Message, error),
) (res proto.Message, err error) {
	begun := time.Now()
	var e *entered
	defer func() {
		if p := recover(); p != nil {
			err = s.recovered(ctx, method, p)
		}
		if e != nil {
			e.leave(ctx, res, err)
			if md := told(asc.MadeIn(ctx)); len(md) > 0 {
				_ = grpc.SetHeader(ctx, md) // fails only where nobody would read it
			}
		}
		s.event(ctx, method, begun, err)
	}()
	ctx, cancel, e, err := s.let(ctx, method, overload.Calls, req, nil)
	if err != nil {
		return nil, err
	}
	defer cancel()
	return next(ctx)
}

// let lets a call in that came over HTTP.
func (s *Server) let(
	ctx context.Context,
	method string,
	class overload.Class,
	req proto.Message,
	stream *openStream,
) (context.Context, context.CancelFunc, *entered, error) {
	shorter, cancel, err := shaved(ctx)
	if err != nil {
		return ctx, nil, nil, err
	}
	weight, err := s.guard.Approach(shorter, method, first(ctx, TeamHeader))
	if err != nil {
		cancel()
		return ctx, nil, nil, err
	}
	inside, e, err := s.enter(shorter, method, class, weight, req, stream)
	if err != nil {
		cancel()
		return ctx, nil, nil, err
	}
	return inside, cancel, e, nil
}

// Stream makes a server-streaming call as one over gRPC is made. The context
// must come from [Server.Identify].
func (s *Server) Stream(
	ctx context.Context,
	fullMethod string,
	req proto.Message,
	send func(proto.Message) error,
) error {
	return s.Duplex(ctx, fullMethod, req, func(proto.Message) error { return io.EOF }, send)
}

// Duplex makes a call in which both sides stream, as one over gRPC is made. The
// first message of the caller is req; receive reads those after it, and returns
// io.EOF at their end. The context must come from [Server.Identify].
func (s *Server) Duplex(
	ctx context.Context,
	fullMethod string,
	req proto.Message,
	receive func(proto.Message) error,
	send func(proto.Message) error,
) error {
	m, ok := s.streams[fullMethod]
	if !ok {
		return noMethod()
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	l := &localStream{server: s, ctx: ctx, stop: stop, method: fullMethod, req: req, receive: receive, send: send}
	return l.serve(m)
}

// localStream is a stream within the process.
type localStream struct {
	grpc.ServerStream // what is not here is not used
	server            *Server
	ctx               context.Context
	stop              context.CancelCauseFunc
	method            string
	req               proto.Message // nil once it was received
	receive           func(proto.Message) error
	send              func(proto.Message) error
}

func (l *localStream) serve(m registeredStream) (err error) {
	begun := time.Now()
	var e *entered
	defer func() {
		if p := recover(); p != nil {
			err = l.server.recovered(l.ctx, l.method, p)
		}
		if cause := stopped(l.ctx); cause != nil {
			err = cause
		}
		if e != nil {
			e.leave(l.ctx, nil, err)
		}
		l.server.event(l.ctx, l.method, begun, err)
	}()
	ctx, cancel, e, err := l.server.let(
		l.ctx,
		l.method,
		classOf(l.method, m.uploads),
		l.req,
		&openStream{endless: endless(l.method), stop: l.stop},
	)
	if err != nil {
		return err
	}
	defer cancel()
	l.ctx = ctx
	return m.handler(m.impl, l)
}

// Context implements [grpc.ServerStream].
func (l *localStream) Context() context.Context { return l.ctx }

// SetTrailer implements [grpc.ServerStream]: nobody reads trailers.
func (l *localStream) SetTrailer(metadata.MD) {}

// RecvMsg implements [grpc.ServerStream].
func (l *localStream) RecvMsg(m any) error {
	if l.req == nil {
		return l.receive(m.(proto.Message))
	}
	proto.Merge(m.(proto.Message), l.req)
	l.req = nil
	return nil
}

// SendMsg implements [grpc.ServerStream]. A service may send what it has encoded
// already, as fields that are unknown: over the wire they are not, and neither here.
func (l *localStream) SendMsg(m any) error {
	msg := m.(proto.Message)
	encoded := msg.ProtoReflect().GetUnknown()
	if len(encoded) == 0 {
		return l.send(msg)
	}
	msg = proto.Clone(msg)
	msg.ProtoReflect().SetUnknown(nil)
	if err := (proto.UnmarshalOptions{Merge: true}).Unmarshal(encoded, msg); err != nil {
		return err
	}
	return l.send(msg)
}

// Open begins a call whose answer is a file. accept may choose a content type; ""
// is the operation's default. The call ends when the file's body is closed.
func (s *Server) Open(ctx context.Context, m *service.Method, req proto.Message, accept string) (*service.File, error) {
	return s.openFile(ctx, m.FullName, req, func(ctx context.Context) (*service.File, error) {
		return s.engine.Open(ctx, guard.Team(ctx), m, req, accept)
	})
}

// OpenSegment is Open for a segment of an analytics report.
func (s *Server) OpenSegment(ctx context.Context, id string) (*service.File, error) {
	req := &filesv1.DownloadAnalyticsReportSegmentRequest{Id: id}
	return s.openFile(
		ctx,
		filesv1.FileService_DownloadAnalyticsReportSegment_FullMethodName,
		req,
		func(ctx context.Context) (*service.File, error) {
			return s.engine.OpenSegment(ctx, guard.Team(ctx), id)
		},
	)
}

func (s *Server) openFile(
	ctx context.Context,
	method string,
	req proto.Message,
	open func(context.Context) (*service.File, error),
) (file *service.File, err error) {
	begun := time.Now()
	ctx, stop := context.WithCancelCause(ctx)
	var e *entered
	end := func(err error) {
		if e != nil {
			e.leave(ctx, nil, err)
		}
		s.event(ctx, method, begun, err)
		stop(nil)
	}
	defer func() {
		if p := recover(); p != nil {
			err = s.recovered(ctx, method, p)
		}
		if err != nil {
			end(err)
		}
	}()
	inside, cancel, e, err := s.let(ctx, method, overload.Calls, req, &openStream{stop: stop})
	if err != nil {
		return nil, err
	}
	ctx = inside
	if file, err = open(ctx); err != nil {
		cancel()
		return nil, err
	}
	file.Body = &fileBody{ReadCloser: file.Body, end: func(err error) { end(err); cancel() }, ctx: ctx}
	return file, nil
}

// fileBody ends its call when it is closed.
type fileBody struct {
	io.ReadCloser
	ctx context.Context
	end func(error)
	err error
}

// Read implements [io.Reader].
func (f *fileBody) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		if cause := stopped(f.ctx); cause != nil {
			err = cause
		}
		f.err = err
	}
	return n, err
}

// Close implements [io.Closer].
func (f *fileBody) Close() error {
	err := f.ReadCloser.Close()
	f.end(f.err)
	return err
}
