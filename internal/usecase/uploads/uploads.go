// Package uploads makes resources of files: it reserves a file at App Store
// Connect, sends its parts as the bytes arrive, commits it, and waits until it is
// processed. It is a program against the gateway's own API, with the rights of who
// uploads.
//
// A file is never held: of each upload a few parts are in memory, and of all
// uploads together no more than [Config.Memory].
package uploads

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/transfer"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
)

// Reasons.
const (
	ReasonTruncated  = "UPLOAD_TRUNCATED"         // fewer bytes came than the file has
	ReasonTooLong    = "UPLOAD_TOO_LONG"          // more bytes came than the file has
	ReasonOffset     = "UPLOAD_OFFSET"            // the bytes are not those that come next
	ReasonChecksum   = "UPLOAD_CHECKSUM_MISMATCH" // the bytes are not those that were announced
	ReasonFailed     = "UPLOAD_FAILED"            // Apple has looked at the file, and refuses it
	ReasonGone       = "UPLOAD_GONE"              // the reservation is no longer there
	ReasonSetFull    = "UPLOAD_SET_FULL"          // there is no room for one more
	ReasonContent    = "UPLOAD_CONTENT"           // the file is not what its resource takes
	ReasonOperations = "UPLOAD_OPERATIONS"        // the parts that Apple wants are not the file
	ReasonToken      = "INVALID_RESUME_TOKEN"     // of another caller, damaged, or too old
	ReasonNoApp      = "APP_NOT_FOUND"
	ReasonNoBuild    = "BUILD_INFO_MISSING" // nobody tells which build it is
	ReasonOtherBuild = "BUILD_INFO_MISMATCH"
	ReasonInFlight   = "BUILD_IN_FLIGHT" // another file with the same number is on its way
	ReasonPlanStale  = "PLAN_STALE"
	ReasonTakenOver  = "UPLOAD_TAKEN_OVER" // another call goes on with it
)

// Config of the service. A zero takes the default.
type Config struct {
	Memory   int64         // bytes that parts of all uploads may hold
	Parallel int           // parts of one upload on their way at once
	PollMost time.Duration // between two looks at a file that Apple processes
}

// Defaults of [Config].
const (
	DefaultMemory   = 24 << 20
	DefaultParallel = 4
	DefaultPollMost = 15 * time.Second
)

// partPatience is how long a part may take to come while others wait for memory.
const partPatience = 30 * time.Second

// Transfer sends bytes to the URLs that Apple gives.
type Transfer interface {
	Put(ctx context.Context, p transfer.Part) error
}

// Sealing encrypts what callers keep for the gateway.
type Sealing interface {
	Seal(place string, data []byte) []byte
	Unseal(place string, sealed []byte) ([]byte, error)
}

// Deps are what the service is made with.
type Deps struct {
	Conn     grpc.ClientConnInterface
	Transfer Transfer
	Sealing  Sealing
	// Caller tells team and caller of a call: tokens are bound to both.
	Caller func(ctx context.Context) (team, caller string)
	// Note puts a text on the audit record of a call; nil: nobody reads it.
	Note func(ctx context.Context, text string)
}

// Service implements ascgateway.uploads.v1.UploadService.
type Service struct {
	uploadsv1.UnimplementedUploadServiceServer
	cfg    Config
	deps   Deps
	memory *arena
	heads  *semaphore.Weighted // files of which much is read ahead to find out which build they are
	briefs *semaphore.Weighted // files of which something is
	claims claims
	looks  looks
	refs   references
	// patience is how long a part may take to come while others wait for memory.
	patience time.Duration
	pause    func(ctx context.Context, d time.Duration) error // for tests
}

// New makes the service. What the descriptors tell is read when a file is first
// uploaded: all of them take some 40 MiB.
func New(cfg Config, deps Deps) *Service {
	if cfg.Memory <= 0 {
		cfg.Memory = DefaultMemory
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = DefaultParallel
	}
	if cfg.PollMost <= 0 {
		cfg.PollMost = DefaultPollMost
	}
	if deps.Note == nil {
		deps.Note = func(context.Context, string) {}
	}
	return &Service{cfg: cfg, deps: deps, memory: newArena(cfg.Memory),
		heads: semaphore.NewWeighted(1), briefs: semaphore.NewWeighted(briefsMost), pause: sleep, patience: partPatience}
}

// kinds are those of the descriptors. That they fit the table of facts is tested.
func (s *Service) kinds() *kinds {
	k, err := kindsOnce()
	if err != nil {
		panic(err)
	}
	return k
}

// sleep waits, or ends with its context.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// claims are the reservations that uploads of this process work on: two never
// work on one.
type claims struct {
	mu  sync.Mutex
	ids map[string]*claim
}

type claim struct {
	stop context.CancelCauseFunc // ends who works on it
	free chan struct{}           // closed when it does no more
}

var errTakenOver = errors.New("another call goes on with this upload")

// take claims a reservation, if nobody else has it.
func (c *claims) take(id string, stop context.CancelCauseFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ids == nil {
		c.ids = map[string]*claim{}
	}
	if c.ids[id] != nil {
		return false
	}
	c.ids[id] = &claim{stop, make(chan struct{})}
	return true
}

// takeOver claims a reservation, and ends who works on it: its caller has come
// back by another way.
func (c *claims) takeOver(ctx context.Context, id string, stop context.CancelCauseFunc) error {
	for !c.take(id, stop) {
		c.mu.Lock()
		old := c.ids[id]
		c.mu.Unlock()
		if old == nil {
			continue
		}
		old.stop(errTakenOver)
		select {
		case <-old.free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (c *claims) give(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.ids[id]; one != nil {
		delete(c.ids, id)
		close(one.free)
	}
}

func failed(reason, format string, args ...any) *fault.Error {
	return fault.New(fault.FailedPrecondition, reason, format, args...)
}

// chunks reads the messages of a caller as one stream of bytes.
type chunks struct {
	next func() (offset int64, data []byte, err error) // io.EOF: the caller has sent all
	at   int64                                         // of the next byte
	left []byte
}

// Read implements [io.Reader].
func (c *chunks) Read(p []byte) (int, error) {
	for len(c.left) == 0 {
		offset, data, err := c.next()
		if err != nil {
			return 0, err
		}
		if offset != c.at {
			return 0, fault.New(fault.InvalidArgument, ReasonOffset, "the data begins at byte %d: byte %d comes next", offset, c.at)
		}
		c.left = data
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	c.at += int64(n)
	return n, nil
}

var _ io.Reader = (*chunks)(nil)
