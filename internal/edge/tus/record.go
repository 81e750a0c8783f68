package tus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Record is what is kept of an upload between requests.
type Record struct {
	ID       string    `json:"-"`
	Version  int64     `json:"-"` // of the record; 0: it is not kept yet
	Owner    Owner     `json:"owner"`
	Start    []byte    `json:"start"`              // the UploadStart of its Upload-Metadata
	Metadata string    `json:"metadata,omitempty"` // Upload-Metadata as it was sent
	Length   int64     `json:"length"`             // bytes of the file
	Offset   int64     `json:"offset"`             // bytes from the beginning that Apple has
	Token    string    `json:"token,omitempty"`    // the upload goes on with it
	Sent     bool      `json:"sent,omitempty"`     // the file is committed
	Resource string    `json:"resource,omitempty"` // type and id, such as appScreenshots/1
	Result   []byte    `json:"result,omitempty"`   // the UploadResult, once it is done
	Failure  *Failure  `json:"failure,omitempty"`  // why it never will be
	Expires  time.Time `json:"expires"`
}

// Owner is to whom an upload belongs: nobody else is told that it exists.
type Owner struct {
	Team   string `json:"team"` // as the header Asc-Team names it
	Caller string `json:"caller"`
}

// Failure is a fault that is kept.
type Failure struct {
	Kind     fault.Kind        `json:"kind"`
	Reason   string            `json:"reason"`
	Message  string            `json:"message"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

func failureOf(err error) *Failure {
	f := fault.As(err)
	return &Failure{f.Kind, f.Reason, f.Message, f.Metadata}
}

// fault is the fault as it was.
func (f *Failure) fault() error {
	err := fault.New(f.Kind, f.Reason, "%s", f.Message)
	err.Metadata = f.Metadata
	return err
}

// ErrChanged says that somebody else has written a record.
var ErrChanged = errors.New("tus: another replica goes on with the upload")

// Records keeps records until they expire.
type Records interface {
	// Get reads one, nil if there is none.
	Get(ctx context.Context, id string) (*Record, error)
	// Put writes one if its version is the one that is kept, else the error is
	// [ErrChanged]. Of new ones a caller has at most [OwnMost]: one more is refused
	// with [TooMany].
	Put(ctx context.Context, r *Record) error
	Delete(ctx context.Context, id string) error
}

// OwnMost is how many uploads of one caller are kept.
const OwnMost = 500

// TooMany is the fault of one more upload than are kept.
func TooMany() error {
	f := fault.New(fault.ResourceExhausted, ReasonTooMany,
		"there are too many uploads: finish or delete some, or wait until the oldest expire")
	f.RetryAfter = time.Minute
	return f
}

// memoryMost is how many records of all callers a process keeps: about 20 KB each
// at most.
const memoryMost = 2000

// memory are the records of a gateway without a store.
type memory struct {
	mu  sync.Mutex
	all map[string]Record
}

// Get implements [Records].
func (m *memory) Get(_ context.Context, id string) (*Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.all[id]
	if !ok {
		return nil, nil
	}
	return &r, nil
}

// Put implements [Records].
func (m *memory) Put(_ context.Context, r *Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all[r.ID].Version != r.Version {
		return ErrChanged
	}
	if r.Version == 0 && !m.room(r.Owner.Caller) {
		return TooMany()
	}
	r.Version++
	m.all[r.ID] = *r
	return nil
}

// room makes room for one more, and says whether there is any.
func (m *memory) room(caller string) bool {
	own, now := 0, time.Now()
	for id, r := range m.all {
		switch {
		case now.After(r.Expires):
			delete(m.all, id)
		case r.Owner.Caller == caller:
			own++
		}
	}
	return own < OwnMost && len(m.all) < memoryMost
}

// Delete implements [Records].
func (m *memory) Delete(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, id)
	return nil
}
