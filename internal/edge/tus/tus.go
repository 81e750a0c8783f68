// Package tus keeps uploads of tus 1.0 (https://tus.io/protocols/resumable-upload)
// between their requests. It knows no HTTP, and nothing of files: each upload is one
// call of UploadService.Upload, which a client feeds request by request.
//
// An offset is what Apple has, as long as no call is open: parts of Apple's may be
// larger than what a client sends at once, and no byte is kept outside of a call.
// So a call stays open between two requests, for [Deps.Idle] at most, and holds the
// part that is not full; until then the offset is what the call has taken. When the
// call ends, breaks off or is on another replica, the offset falls back to what
// Apple has, which tus allows: the next PATCH is refused as a conflict, the client
// asks by HEAD, and goes on from there. Memory is thus bounded as that of calls over
// gRPC is, by the room for uploads and the bytes that parts may hold.
package tus

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
)

// Reasons.
const (
	ReasonNoSuch   = "NO_SUCH_UPLOAD"         // or it is another caller's, or too old
	ReasonConflict = "UPLOAD_OFFSET_CONFLICT" // the bytes are not those that come next
	ReasonLocked   = "UPLOAD_LOCKED"          // another request still feeds it
	ReasonEnded    = "UPLOAD_ENDED"           // it has failed for good, or was deleted
	ReasonTooMany  = "TOO_MANY_UPLOADS"       // of one caller
	// ReasonElsewhere is the reason of a call that another replica goes on with.
	ReasonElsewhere = "UPLOAD_TAKEN_OVER"
	reasonTooLong   = "UPLOAD_TOO_LONG" // more bytes came than the file has
)

// MaxSize is the largest file, in bytes: far beyond what Apple takes.
const MaxSize = 1 << 40

// How long things are kept.
const (
	startLife  = 24 * time.Hour // an upload of which Apple knows nothing yet
	resultLife = 24 * time.Hour // the outcome
	idleMost   = time.Minute    // a call that nobody feeds: as over gRPC
	lockMost   = 10 * time.Second
	closeMost  = 2 * time.Second
)

// Server makes calls.
type Server interface {
	Duplex(ctx context.Context, fullMethod string, req proto.Message, receive, send func(proto.Message) error) error
}

// Deps are what uploads are made with.
type Deps struct {
	Server  Server
	Records Records // nil: they are kept in memory
	// Start makes the first message of the words of Upload-Metadata.
	Start func(words url.Values, length int64) (*uploadsv1.UploadStart, error)
	// Final says whether an upload that failed so can never go on.
	Final func(error) bool
	Idle  time.Duration // that a call waits for its next bytes; 0: a minute
	Log   *slog.Logger
}

// Uploads are those of this replica. They are safe for concurrent use.
type Uploads struct {
	deps    Deps
	records Records
	buffers sync.Pool // of *[]byte

	mu     sync.Mutex
	live   map[string]*session // by id
	closed bool
}

// New makes uploads.
func New(d Deps) *Uploads {
	if d.Idle <= 0 {
		d.Idle = idleMost
	}
	u := &Uploads{deps: d, records: d.Records, live: map[string]*session{}}
	if u.records == nil {
		u.records = &memory{all: map[string]Record{}}
	}
	return u
}

// InMemory says whether uploads end with this process.
func (u *Uploads) InMemory() bool { return u.deps.Records == nil }

// Create makes an upload of a file of length bytes. metadata is as it was sent.
func (u *Uploads) Create(
	ctx context.Context,
	o Owner,
	metadata string,
	words url.Values,
	length int64,
) (*Record, error) {
	if length > MaxSize {
		return nil, fault.New(
			fault.InvalidArgument,
			fault.ReasonTooLarge,
			"the file is larger than %d bytes",
			int64(MaxSize),
		)
	}
	for _, name := range []string{"resumeToken", "offset"} {
		if words.Has(name) {
			return nil, fault.Invalid(name, "is not for tus: it goes on by itself")
		}
	}
	start, err := u.deps.Start(words, length)
	if err != nil {
		return nil, err
	}
	b, err := proto.Marshal(start)
	if err != nil {
		return nil, fault.Invalid("Upload-Metadata", "is not UTF-8").WithCause(err)
	}
	r := &Record{
		ID:       rand.Text(),
		Owner:    o,
		Start:    b,
		Metadata: metadata,
		Length:   length,
		Expires:  time.Now().Add(startLife),
	}
	return r, u.records.Put(ctx, r)
}

// Look tells how far an upload is. Who feeds it is interrupted: its client asks
// because its connection is gone.
func (u *Uploads) Look(ctx context.Context, o Owner, id string) (*Record, error) {
	s, r, err := u.find(ctx, o, id)
	if err != nil {
		return nil, err
	}
	if s != nil {
		if err := s.take(ctx, nil); err != nil {
			return nil, err
		}
		defer s.give()
		if r, err = s.view(ctx); err != nil {
			return nil, err
		}
	}
	if r.Failure != nil {
		return nil, fault.New(fault.NotFound, ReasonEnded, "the upload has ended: GET says why")
	}
	return r, nil
}

// Append feeds bytes to an upload, from offset on. When they are the last ones it
// waits for the outcome.
func (u *Uploads) Append(ctx context.Context, o Owner, id string, offset int64, body Body) (*Record, error) {
	s, r, err := u.find(ctx, o, id)
	own := s == nil
	switch {
	case err != nil:
		return nil, err
	case s != nil:
	case r.Failure != nil:
		return nil, r.Failure.fault()
	case offset != r.Offset:
		return nil, conflict(r.Offset)
	case r.Result != nil:
		return r, nil
	default:
		if s, err = u.begin(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := s.take(ctx, body); err != nil {
		return nil, err
	}
	err = s.feed(ctx, offset, body, own)
	s.give()
	if err != nil {
		return nil, err
	}
	return s.outcome(ctx)
}

// Outcome is an upload's result, or nil and how far it is. Its error may be the
// reason why it failed.
func (u *Uploads) Outcome(
	ctx context.Context,
	o Owner,
	id string,
) (*uploadsv1.UploadResult, *uploadsv1.UploadProgress, error) {
	s, r, err := u.find(ctx, o, id)
	if err == nil && s != nil {
		r, err = s.view(ctx)
	}
	switch {
	case err != nil:
		return nil, nil, err
	case r.Failure != nil:
		return nil, nil, r.Failure.fault()
	case r.Result != nil:
		res := &uploadsv1.UploadResult{}
		return res, nil, proto.Unmarshal(r.Result, res)
	case s == nil && r.Sent: // nobody waits for its end
		if _, err := u.begin(ctx, r); err != nil {
			return nil, nil, err
		}
	}
	return nil, &uploadsv1.UploadProgress{CommittedSize: r.Offset, Size: r.Length}, nil
}

// Delete ends an upload. What Apple has of an unfinished file is deleted, where
// Apple lets it; a finished one is the caller's, and stays.
func (u *Uploads) Delete(ctx context.Context, o Owner, id string) error {
	s, r, err := u.find(ctx, o, id)
	if err != nil {
		return err
	}
	if s != nil {
		if err := s.take(ctx, nil); err != nil {
			return err
		}
		s.leave()
		err := s.ended(ctx)
		s.give()
		if err != nil {
			return err
		}
		if _, r, err = u.find(ctx, o, id); err != nil {
			return err
		}
		if r == nil {
			return locked()
		}
	}
	if r.Token != "" && !r.Sent {
		if err := u.abandon(ctx, r); err != nil {
			return err
		}
	}
	return u.records.Delete(ctx, id)
}

// abandon deletes what Apple has of a file: a call that goes on with it, and whose
// caller leaves, does so.
func (u *Uploads) abandon(ctx context.Context, r *Record) error {
	r.Failure = failureOf(fault.New(fault.NotFound, ReasonEnded, "the upload was deleted"))
	if err := u.put(ctx, r); err != nil { // nobody begins it now
		return err
	}
	err := u.deps.Server.Duplex(ctx, uploadsv1.UploadService_Upload_FullMethodName, first(&uploadsv1.UploadStart{
		ResumeToken: r.Token, Once: true, WaitFor: uploadsv1.WaitForEnum_COMMITTED}),
		func(proto.Message) error { return leaving() },
		func(proto.Message) error { return nil })
	if err == nil || u.deps.Final(err) || fault.As(err).Kind == fault.Canceled && ctx.Err() == nil {
		return nil
	}
	r.Failure = nil
	if perr := u.put(context.WithoutCancel(ctx), r); perr != nil {
		u.deps.Log.WarnContext(ctx, "an upload that was not deleted is lost", "error", perr)
	}
	return err
}

// find is the open call of an upload, or its record.
func (u *Uploads) find(ctx context.Context, o Owner, id string) (*session, *Record, error) {
	u.mu.Lock()
	s := u.live[id]
	u.mu.Unlock()
	if s != nil {
		switch {
		case s.owner != o:
			return nil, nil, noSuch()
		case !s.over():
			return s, nil, nil
		}
		if err := s.kept(ctx); err != nil {
			return nil, nil, err
		}
	}
	r, err := u.records.Get(ctx, id)
	switch {
	case err != nil:
		return nil, nil, err
	case r == nil || r.Owner != o || time.Now().After(r.Expires):
		return nil, nil, noSuch()
	}
	return nil, r, nil
}

// begin opens the call of an upload: a new one, or one that goes on.
func (u *Uploads) begin(ctx context.Context, r *Record) (*session, error) {
	start := &uploadsv1.UploadStart{}
	if err := proto.Unmarshal(r.Start, start); err != nil {
		return nil, err
	}
	if r.Token != "" {
		start.Target, start.ResumeToken = nil, r.Token
	}
	if err := u.put(ctx, r); err != nil { // another replica that has its call open hears of it
		return nil, err
	}
	s := newSession(ctx, u, *r)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil, draining()
	}
	u.live[r.ID] = s
	go s.run(first(start))
	go s.keep()
	return s, nil
}

// put writes a record that nobody else may have written.
func (u *Uploads) put(ctx context.Context, r *Record) error {
	err := u.records.Put(ctx, r)
	if errors.Is(err, ErrChanged) {
		return conflict(r.Offset)
	}
	return err
}

func first(start *uploadsv1.UploadStart) proto.Message {
	return &uploadsv1.UploadRequest{Part: &uploadsv1.UploadRequest_Start{Start: start}}
}

// Close ends all open calls: they can go on elsewhere.
func (u *Uploads) Close() {
	u.mu.Lock()
	u.closed = true
	all := make([]*session, 0, len(u.live))
	for _, s := range u.live {
		all = append(all, s)
	}
	u.mu.Unlock()
	for _, s := range all {
		s.leave()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeMost)
	defer cancel()
	for _, s := range all {
		if s.kept(ctx) != nil {
			s.stop(leaving())
		}
	}
}

func noSuch() error {
	return fault.New(fault.NotFound, ReasonNoSuch, "there is no such upload, it has expired, or it is not yours to see")
}

func conflict(offset int64) error {
	return fault.New(
		fault.FailedPrecondition,
		ReasonConflict,
		"Upload-Offset is not where the upload goes on (%d): ask by HEAD",
		offset,
	)
}

func locked() error {
	f := fault.New(fault.Unavailable, ReasonLocked, "another request still works on this upload: call again")
	f.RetryAfter = time.Second
	return f
}

func draining() error {
	f := fault.New(fault.Unavailable, "DRAINING", "the gateway is ending: call again, and another replica answers")
	f.RetryAfter = time.Second
	return f
}

// leaving ends a call whose caller does not go on with it here.
func leaving() error { return fault.New(fault.Canceled, "CANCELED", "the caller went away") }
