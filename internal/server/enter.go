package server

import (
	"context"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/edge/conns"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/proto"
)

// entered is a call that was let in: it holds a slot and stands on record.
type entered struct {
	admission *guard.Admission
	slot      overload.Slot
	forget    func() // ends watching over its caller
	once      sync.Once
}

// enter takes a slot and passes the guard with the request. stream, if not nil,
// is ended when its caller may no longer call. [entered.leave] ends the call.
func (s *Server) enter(
	ctx context.Context,
	method string,
	class overload.Class,
	weight int,
	req proto.Message,
	stream *openStream,
) (context.Context, *entered, error) {
	slot, err := s.limits.Enter(class, access.FromContext(ctx).ID, weight)
	if err != nil {
		return ctx, nil, err
	}
	c := guard.Call{Method: method, Team: first(ctx, TeamHeader), Priority: first(ctx, PriorityHeader),
		CacheControl: first(ctx, "cache-control"), Trace: guard.TraceID(first(ctx, "traceparent")), Request: req}
	if m := s.engine.Lookup(method); m != nil {
		c.Valid = func() error { return s.engine.Check(m, req) }
	}
	ctx, admission, err := s.guard.Enter(ctx, c)
	if err != nil {
		slot.Leave()
		return ctx, nil, err
	}
	e := &entered{admission: admission, slot: slot, forget: func() {}}
	if stream != nil && access.Via(ctx) == "" { // what is called within a call ends with it
		stream.ctx, stream.method, stream.team = ctx, method, guard.Team(ctx)
		stream.credentials = credentialsOf(ctx)
		e.forget = s.open.add(stream)
	}
	return ctx, e, nil
}

// leave tells how the call ended, once, and gives its slot back.
func (e *entered) leave(ctx context.Context, res proto.Message, err error) {
	e.once.Do(func() {
		e.forget()
		if err != nil {
			err = service.AsFault(err) // of a use case it may be the status of an inner call
		}
		e.admission.Done(ctx, res, err)
		e.slot.Leave()
	})
}

type credentialsKey struct{}

func credentialsOf(ctx context.Context) authn.Credentials {
	c, _ := ctx.Value(credentialsKey{}).(authn.Credentials)
	return c
}

// identify finds out who brings credentials. The connection is then known too.
func (s *Server) identify(ctx context.Context, c authn.Credentials) (context.Context, error) {
	ctx, err := s.guard.Identify(ctx, c)
	if err != nil {
		return ctx, err
	}
	conns.Known(ctx)
	return context.WithValue(ctx, credentialsKey{}, c), nil
}

// identified finds out who calls over gRPC.
func (s *Server) identified(ctx context.Context) (context.Context, error) {
	return s.identify(ctx, authn.FromPeer(ctx))
}

// openStream is a stream that may be open for long.
type openStream struct {
	endless bool // it ends with the gateway
	stop    context.CancelCauseFunc

	ctx         context.Context // nil: nobody's right is asked for
	credentials authn.Credentials
	method      string
	team        string
	expired     time.Time // since when the credential is; guarded by openStreams
}

// openStreams are those open now.
type openStreams struct {
	mu  sync.Mutex
	all map[*openStream]struct{}
}

// add notes a stream; the function returned forgets it.
func (l *openStreams) add(o *openStream) (forget func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[*openStream]struct{}{}
	}
	l.all[o] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.all, o)
	}
}

// each calls f with every stream that is open.
func (l *openStreams) each(f func(*openStream)) {
	l.mu.Lock()
	list := make([]*openStream, 0, len(l.all))
	for o := range l.all {
		list = append(list, o)
	}
	l.mu.Unlock()
	for _, o := range list {
		f(o)
	}
}

// rightsEvery is how often the callers of open streams are asked for again.
const rightsEvery = 3 * time.Second

// Tend ends streams whose callers may no longer call, until ctx ends: within
// seconds when a token, a key or a right was taken away, and after a grace when a
// credential has merely expired.
func (s *Server) Tend(ctx context.Context) {
	tick := time.NewTicker(rightsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.open.each(func(o *openStream) { s.ask(o, now) })
		}
	}
}

// ask asks whether the caller of a stream may go on.
func (s *Server) ask(o *openStream, now time.Time) {
	if o.ctx == nil {
		return
	}
	ctx, cancel := context.WithTimeout(o.ctx, rightsEvery)
	defer cancel()
	expired, err := s.guard.Still(ctx, o.credentials, o.method, o.team)
	switch {
	case err != nil && ctx.Err() == nil:
		o.stop(fault.As(err))
	case !expired:
		o.expired = time.Time{}
	case o.expired.IsZero():
		o.expired = now
	case now.Sub(o.expired) > s.cfg.StreamGrace:
		o.stop(
			fault.New(
				fault.Unauthenticated,
				authn.ReasonTokenExpired,
				"the credential expired while the stream was open: call again with a new one",
			),
		)
	}
}
