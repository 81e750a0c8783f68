package tus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// apple is a server whose Upload keeps the bytes of one file, in parts of 100. A
// token is the number of bytes that it goes on from.
type apple struct {
	size  int64
	mu    sync.Mutex
	file  []byte
	fails atomic.Pointer[fault.Error] // of the next calls
}

// Duplex implements [Server].
func (a *apple) Duplex(_ context.Context, _ string, req proto.Message, receive, send func(proto.Message) error) error {
	if f := a.fails.Load(); f != nil {
		return f
	}
	at, _ := strconv.ParseInt(req.(*uploadsv1.UploadRequest).GetStart().GetResumeToken(), 10, 64)
	tell := func() {
		a.mu.Lock()
		a.file = a.file[:at]
		a.mu.Unlock()
		_ = send(&uploadsv1.UploadResponse{Part: &uploadsv1.UploadResponse_Progress{Progress: &uploadsv1.UploadProgress{
			Phase: uploadsv1.PhaseEnum_SENDING, CommittedSize: at, ResumeToken: strconv.FormatInt(at, 10),
			ExpireTime: timestamppb.New(time.Now().Add(time.Hour))}}})
	}
	tell()
	for {
		m := &uploadsv1.UploadRequest{}
		err := receive(m)
		a.mu.Lock()
		a.file = append(a.file, m.GetData().GetData()...)
		n := int64(len(a.file))
		a.mu.Unlock()
		switch {
		case errors.Is(err, io.EOF) && n == a.size:
			return send(
				&uploadsv1.UploadResponse{
					Part: &uploadsv1.UploadResponse_Result{Result: &uploadsv1.UploadResult{Size: n}},
				},
			)
		case err != nil:
			f := fault.As(err)
			f.Metadata = map[string]string{
				"resume_token":   strconv.FormatInt(n/100*100, 10),
				"committed_size": strconv.FormatInt(n/100*100, 10),
			}
			return f
		}
	}
}

// text is a body. When it is empty it waits, until it is interrupted.
type text struct {
	io.Reader
	waits chan struct{}
	once  sync.Once
}

func body(b []byte) *text { return &text{Reader: bytes.NewReader(b)} }

// hanging is a body that does not end by itself.
func hanging(b []byte) *text { return &text{Reader: bytes.NewReader(b), waits: make(chan struct{})} }

// ReadFull implements [Body].
func (t *text) ReadFull(p []byte) (int, error) {
	n, err := io.ReadFull(t.Reader, p)
	if err == nil {
		return n, nil
	}
	if t.waits != nil {
		<-t.waits
		return n, errors.New("interrupted")
	}
	return n, io.EOF
}

// Interrupt implements [Body].
func (t *text) Interrupt() {
	if t.waits != nil {
		t.once.Do(func() { close(t.waits) })
	}
}

var (
	me   = Owner{"team", "me"}
	ctx  = context.Background()
	file = bytes.Repeat([]byte("0123456789"), 100)
)

func open(t *testing.T, a *apple, records Records) (*Uploads, string) {
	t.Helper()
	u := New(Deps{Server: a, Records: records, Log: slog.New(slog.DiscardHandler),
		Start: func(url.Values, int64) (*uploadsv1.UploadStart, error) { return &uploadsv1.UploadStart{}, nil },
		Final: func(err error) bool { return fault.As(err).Reason == "FINAL" }})
	t.Cleanup(u.Close)
	r, err := u.Create(ctx, me, "", nil, int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return u, r.ID
}

// reason is that of an error, "" of none.
func reason(err error) string {
	if err == nil {
		return ""
	}
	return fault.As(err).Reason
}

// TestClose: who feeds is told to go elsewhere, and the offset is what Apple has.
func TestClose(t *testing.T) {
	a, records := &apple{size: int64(len(file))}, &memory{all: map[string]Record{}}
	u, id := open(t, a, records)
	if r, err := u.Append(ctx, me, id, 0, body(file[:250])); err != nil || r.Offset != 250 {
		t.Fatalf("%v %v", r, err)
	}
	u.Close()
	if _, err := u.Append(ctx, me, id, 250, body(file[250:])); reason(err) != ReasonConflict {
		t.Errorf("%v", err)
	}
	if _, err := u.Append(ctx, me, id, 200, body(file[200:])); reason(err) != "DRAINING" {
		t.Errorf("%v", err)
	}
	other := New(u.deps)
	defer other.Close()
	if r, err := other.Append(ctx, me, id, 200, body(file[200:])); err != nil || r.Offset != 1000 ||
		!bytes.Equal(a.file, file) {
		t.Errorf("%v %v", r, err)
	}
	if r, err := other.Append(ctx, me, id, 1000, body(nil)); err != nil || r.Result == nil { // asked again
		t.Errorf("%v %v", r, err)
	}
}

// TestTheNextInterrupts: a request that comes while another feeds is not kept
// waiting, and nothing that has arrived is lost.
func TestTheNextInterrupts(t *testing.T) {
	a := &apple{size: int64(len(file))}
	u, id := open(t, a, nil)
	first := make(chan error)
	go func() {
		_, err := u.Append(ctx, me, id, 0, hanging(file[:333]))
		first <- err
	}()
	var r *Record
	for r == nil || r.Offset == 0 { // until the first has begun
		var err error
		if r, err = u.Look(ctx, me, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-first; err == nil || r.Offset != 333 {
		t.Errorf("%v, then %v", r, err)
	}
	if r, err := u.Append(ctx, me, id, 333, body(file[333:])); err != nil || !bytes.Equal(a.file, file) {
		t.Errorf("%v %v", r, err)
	}
}

// TestFailuresOfACall: what may go on does, what may not is kept.
func TestFailuresOfACall(t *testing.T) {
	a := &apple{size: int64(len(file))}
	u, id := open(t, a, nil)
	a.fails.Store(fault.New(fault.Unavailable, "AWAY", "Apple is away"))
	if _, err := u.Append(ctx, me, id, 0, body(file)); reason(err) != "AWAY" {
		t.Errorf("%v", err)
	}
	if r, err := u.Look(ctx, me, id); err != nil || r.Offset != 0 {
		t.Errorf("%v %v", r, err)
	}
	a.fails.Store(fault.New(fault.FailedPrecondition, "FINAL", "never"))
	for range 2 {
		if _, err := u.Append(ctx, me, id, 0, body(file)); reason(err) != "FINAL" {
			t.Errorf("%v", err)
		}
	}
	a.fails.Store(nil)
	if _, err := u.Append(ctx, me, id, 0, body(file)); reason(err) != "FINAL" {
		t.Errorf("%v", err)
	}
	if _, err := u.Look(ctx, me, id); reason(err) != ReasonEnded {
		t.Errorf("%v", err)
	}
	if _, _, err := u.Outcome(ctx, me, id); reason(err) != "FINAL" {
		t.Errorf("%v", err)
	}
}

// shaky are records that sometimes cannot be written.
type shaky struct {
	memory
	away atomic.Bool
}

// Put implements [Records].
func (s *shaky) Put(ctx context.Context, r *Record) error {
	if s.away.Load() {
		return fault.New(fault.Unavailable, "STORE_UNAVAILABLE", "the store is away")
	}
	return s.memory.Put(ctx, r)
}

// TestTheStoreIsAway: an open call goes on, and is kept when the store is back.
func TestTheStoreIsAway(t *testing.T) {
	a, records := &apple{size: int64(len(file))}, &shaky{memory: memory{all: map[string]Record{}}}
	u, id := open(t, a, records)
	if _, err := u.Append(ctx, me, id, 0, body(file[:500])); err != nil {
		t.Fatal(err)
	}
	records.away.Store(true)
	if _, err := u.Create(ctx, me, "", nil, 9); reason(err) != "STORE_UNAVAILABLE" {
		t.Errorf("%v", err)
	}
	if r, err := u.Append(ctx, me, id, 500, body(file[500:])); err != nil || r.Result == nil {
		t.Errorf("%v %v", r, err)
	}
	records.away.Store(false)
	if r, err := u.Look(ctx, me, id); err != nil || r.Offset != 1000 || r.Result == nil {
		t.Errorf("%v %v", r, err)
	}
}

// TestMemoryIsBounded: neither one caller nor all together fill it, and what has
// expired makes room.
func TestMemoryIsBounded(t *testing.T) {
	m := &memory{all: map[string]Record{}}
	put := func(caller, id string, life time.Duration) error {
		return m.Put(ctx, &Record{ID: caller + id, Owner: Owner{"", caller}, Expires: time.Now().Add(life)})
	}
	for i := range OwnMost {
		if err := put("one", strconv.Itoa(i), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := put("one", "more", time.Hour); reason(err) != ReasonTooMany {
		t.Errorf("%v", err)
	}
	for i := range memoryMost - OwnMost {
		if err := put("other"+strconv.Itoa(i/100), strconv.Itoa(i), -time.Hour*time.Duration(i/1000)+time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.all) > memoryMost {
		t.Errorf("%d", len(m.all))
	}
	if err := put("new", "1", time.Hour); err != nil { // those of others that have expired make room
		t.Error(err)
	}
	r := Record{ID: "one0", Version: 7}
	if err := m.Put(ctx, &r); !errors.Is(err, ErrChanged) {
		t.Errorf("%v", err)
	}
	if err := m.Put(ctx, &Record{ID: "gone", Version: 1}); !errors.Is(err, ErrChanged) {
		t.Errorf("%v", err)
	}
}

// TestExpired: an upload that has expired is not there.
func TestExpired(t *testing.T) {
	records := &memory{all: map[string]Record{}}
	u, id := open(t, &apple{}, records)
	r := records.all[id]
	r.Expires = time.Now().Add(-time.Second)
	records.all[id] = r
	if _, err := u.Look(ctx, me, id); reason(err) != ReasonNoSuch {
		t.Errorf("%v", err)
	}
	if _, err := u.Append(ctx, me, id, 0, body(file)); reason(err) != ReasonNoSuch {
		t.Errorf("%v", err)
	}
}
