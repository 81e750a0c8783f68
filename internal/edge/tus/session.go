package tus

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
)

// pieceBytes is how much of a body is one message.
const pieceBytes = 64 << 10

// saveEvery is how often the offset of an open call is kept: as much is sent again
// after a crash.
const saveEvery = 2 * time.Second

// Body is what a request brings.
type Body interface {
	// ReadFull fills p. It returns io.EOF at the end of a whole body, with what came
	// before; any other error means that the body broke off.
	ReadFull(p []byte) (int, error)
	// Interrupt ends a read. It may be called by another goroutine.
	Interrupt()
}

// session is an open call.
type session struct {
	up     *Uploads
	owner  Owner
	length int64
	ctx    context.Context
	stop   context.CancelCauseFunc

	pieces  chan []byte
	taken   chan struct{} // of the piece that was given last
	lent    int64         // bytes of the piece that the call has
	turn    chan struct{} // held by who feeds or ends it
	leaves  chan struct{} // closed: nobody goes on here
	begun   chan struct{} // closed: it is known where the bytes go on
	done    chan struct{} // closed: the call has ended
	gone    chan struct{} // closed: and its record is kept
	dirty   chan struct{} // the record has changed
	leaving sync.Once

	mu       sync.Mutex
	record   Record
	received int64 // bytes from the beginning that the call has taken
	settled  bool  // begun is closed
	body     Body  // of who feeds it
	result   *uploadsv1.UploadResult
	err      error // why the call ended
}

// newSession makes a session. It lives on after the request that it is made for.
func newSession(ctx context.Context, u *Uploads, r Record) *session {
	s := &session{up: u, owner: r.Owner, length: r.Length, record: r, received: r.Offset,
		pieces: make(
			chan []byte,
		), taken: make(chan struct{}, 1), turn: make(chan struct{}, 1), leaves: make(chan struct{}),
		begun: make(chan struct{}), done: make(chan struct{}), gone: make(chan struct{}), dirty: make(chan struct{}, 1)}
	s.ctx, s.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	if r.Token == "" {
		s.settle(0)
	}
	return s
}

// settle notes where the bytes go on. The caller holds mu, or nobody else knows s.
func (s *session) settle(at int64) {
	if !s.settled {
		s.settled, s.received = true, at
		close(s.begun)
	}
}

// run makes the call.
func (s *session) run(start proto.Message) {
	err := s.up.deps.Server.Duplex(s.ctx, uploadsv1.UploadService_Upload_FullMethodName, start, s.receive, s.send)
	s.stop(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	r, f := &s.record, fault.As(err)
	committed, token := f.Metadata["committed_size"], f.Metadata["resume_token"]
	delete(f.Metadata, "resume_token") // the record has it
	switch {
	case s.result != nil:
		b, merr := proto.Marshal(s.result)
		if merr != nil {
			err = merr
			break
		}
		r.Result, r.Resource, r.Offset, r.Sent, r.Token = b, nameOf(s.result), r.Length, true, ""
		r.Expires = time.Now().Add(resultLife)
		err = nil
	case err == nil:
		err = errors.New("tus: a call ended without a result")
	case s.up.deps.Final(err):
		r.Failure, r.Token, r.Expires = failureOf(err), "", time.Now().Add(resultLife)
	default:
		if n, perr := strconv.ParseInt(committed, 10, 64); perr == nil {
			r.Token, r.Offset = token, n
		}
		if s.isLeft() {
			err = draining()
		}
	}
	s.err = err
	s.settle(r.Offset)
	close(s.done)
}

// nameOf is the type and the id of what a file became.
func nameOf(r *uploadsv1.UploadResult) string {
	if b := r.GetBuild(); b != nil {
		if b.GetBuild() != nil {
			return "builds/" + b.GetBuild().GetId()
		}
		return "buildUploads/" + b.GetBuildUpload().GetId()
	}
	m := r.GetResource().ProtoReflect()
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("what"))
	if fd == nil {
		return ""
	}
	o, _ := proto.GetExtension(fd.Message().Options(), optionsv1.E_Resource).(*optionsv1.Resource)
	what := m.Get(fd).Message()
	return o.GetType() + "/" + what.Get(what.Descriptor().Fields().ByName("id")).String()
}

// receive is the call's next message: the next piece of a request.
func (s *session) receive(into proto.Message) error {
	if s.lent > 0 {
		s.mu.Lock()
		s.received += s.lent
		s.mu.Unlock()
		s.lent = 0
		s.taken <- struct{}{}
	}
	at := s.at()
	if at == s.length {
		return io.EOF
	}
	m, ok := into.(*uploadsv1.UploadRequest)
	if !ok {
		return fault.New(fault.Internal, "INTERNAL", "internal error")
	}
	idle := time.NewTimer(s.up.deps.Idle)
	defer idle.Stop()
	select {
	case b := <-s.pieces:
		s.lent = int64(len(b))
		m.Part = &uploadsv1.UploadRequest_Data{Data: &uploadsv1.Data{WriteOffset: at, Data: b}}
		return nil
	case <-idle.C:
		return fault.New(fault.DeadlineExceeded, fault.ReasonPeerTooSlow, "no bytes came within %v", s.up.deps.Idle)
	case <-s.leaves:
		return leaving()
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// send hears how far the call is.
func (s *session) send(m proto.Message) error {
	res, ok := m.(*uploadsv1.UploadResponse)
	if !ok {
		return fault.New(fault.Internal, "INTERNAL", "internal error")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if res.GetResult() != nil {
		s.result = res.GetResult()
		return nil
	}
	p, r := res.GetProgress(), &s.record
	if p.GetResumeToken() != "" {
		r.Token, r.Offset, r.Expires = p.GetResumeToken(), p.GetCommittedSize(), p.GetExpireTime().AsTime()
	}
	if p.GetPhase() >= uploadsv1.PhaseEnum_COMMITTED {
		r.Sent, r.Offset = true, r.Length
	}
	if p.GetPhase() >= uploadsv1.PhaseEnum_RESERVED {
		s.settle(p.GetCommittedSize())
	}
	select {
	case s.dirty <- struct{}{}:
	default:
	}
	return nil
}

// keep writes the record while the call is open, and at its end.
func (s *session) keep() {
	for !s.over() {
		select {
		case <-s.dirty:
			if errors.Is(s.save(), ErrChanged) {
				s.stop(fault.New(fault.Canceled, ReasonElsewhere, "another replica goes on with this upload"))
			}
		case <-s.done:
		}
		select {
		case <-time.After(saveEvery):
		case <-s.done:
		}
	}
	for try := range 5 {
		err := s.save()
		if err == nil || errors.Is(err, ErrChanged) {
			break
		}
		s.up.deps.Log.WarnContext(s.ctx, "how far an upload is could not be kept", "try", try+1, "error", err)
		time.Sleep(time.Second << try / 2)
	}
	s.up.mu.Lock()
	delete(s.up.live, s.record.ID)
	s.up.mu.Unlock()
	close(s.gone)
}

// save writes the record. Only [session.keep] calls it.
func (s *session) save() error {
	s.mu.Lock()
	r := s.record
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 10*time.Second)
	defer cancel()
	err := s.up.records.Put(ctx, &r)
	s.mu.Lock()
	s.record.Version = r.Version
	s.mu.Unlock()
	return err
}

// take makes a request the only one that feeds or ends the call. The one before is
// interrupted.
func (s *session) take(ctx context.Context, body Body) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	most := time.NewTimer(lockMost)
	defer most.Stop()
	for {
		s.mu.Lock()
		if s.body != nil {
			s.body.Interrupt()
		}
		s.mu.Unlock()
		select {
		case s.turn <- struct{}{}:
			s.mu.Lock()
			s.body = body
			s.mu.Unlock()
			return nil
		case <-again.C:
		case <-most.C:
			return locked()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// give lets the next request take it.
func (s *session) give() {
	s.mu.Lock()
	s.body = nil
	s.mu.Unlock()
	<-s.turn
}

// feed passes a body on to the call, as fast as the call takes it. own says that the
// call was opened for it.
func (s *session) feed(ctx context.Context, offset int64, body Body, own bool) error {
	select {
	case <-s.begun:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	switch err := s.failure(); {
	case err != nil && (own || s.up.deps.Final(err)):
		return err
	case err != nil: // it has just ended: there may be less than its client thinks
		return conflict(s.at())
	}
	if at := s.at(); at != offset {
		return conflict(at)
	}
	b, ok := s.up.buffers.Get().(*[]byte)
	if !ok {
		buf := make([]byte, pieceBytes)
		b = &buf
	}
	for {
		left := s.length - offset
		n, err := body.ReadFull((*b)[:min(pieceBytes, left+1)])
		if int64(n) > left {
			return fault.New(fault.InvalidArgument, reasonTooLong, "more bytes came than the file has")
		}
		if n > 0 && !s.pass((*b)[:n]) && s.failure() != nil { // the call may keep b
			return s.failure()
		}
		offset += int64(n)
		if err != nil {
			s.up.buffers.Put(b)
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// pass hands a piece to the call, and waits until the call wants more. It is false
// when the call has ended: who knows by then what it needs to know takes no more.
func (s *session) pass(piece []byte) bool {
	select {
	case s.pieces <- piece:
	case <-s.done:
		return false
	}
	select {
	case <-s.taken:
		return true
	case <-s.done:
		return false
	}
}

// outcome is how far the upload is after a request; of the last one, how it ended.
func (s *session) outcome(ctx context.Context) (*Record, error) {
	if s.at() < s.length && !s.over() {
		return s.view(ctx)
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if err := s.failure(); err != nil {
		return nil, err
	}
	return s.view(ctx)
}

// view is the record with the offset as clients see it.
func (s *session) view(ctx context.Context) (*Record, error) {
	select {
	case <-s.begun:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.record
	if !s.over() {
		r.Offset = s.received
	}
	return &r, nil
}

func (s *session) at() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received
}

// failure is why the call ended, nil: with its result.
func (s *session) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *session) over() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// leave ends the call as soon as it wants more bytes.
func (s *session) leave() { s.leaving.Do(func() { close(s.leaves) }) }

func (s *session) isLeft() bool {
	select {
	case <-s.leaves:
		return true
	default:
		return false
	}
}

// ended waits until a call that was left has ended.
func (s *session) ended(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, lockMost)
	defer cancel()
	if s.kept(soon) == nil {
		return nil
	}
	s.stop(leaving())
	return s.kept(ctx)
}

// kept waits until the call has ended and its record is kept.
func (s *session) kept(ctx context.Context) error {
	select {
	case <-s.gone:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
