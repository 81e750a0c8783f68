// Package replay makes creates repeatable: a request that names itself is carried
// out once, however often it is sent within [Window]. Source: AIP-155.
//
// It must never let a second create go while the outcome of the first is not
// known.
package replay

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Window is how long an id is remembered.
const Window = time.Hour

// pendingMost is how long a create may take: what is pending longer was lost
// with its replica.
const pendingMost = 10 * time.Minute

// Polling for the end of a create under way elsewhere.
const (
	pollFirst = 20 * time.Millisecond
	pollMost  = 500 * time.Millisecond
)

// Reasons.
const (
	ReasonReused      = "REQUEST_ID_REUSED"  // the id named another request
	ReasonUnavailable = "REPLAY_UNAVAILABLE" // whether it was carried out already cannot be found out
)

// Store remembers ids, at least for [Window].
type Store interface {
	// Claim remembers a value under an id, unless there is one: then that is
	// returned.
	Claim(ctx context.Context, id string, value []byte) (present []byte, err error)
	// Put replaces the value.
	Put(ctx context.Context, id string, value []byte) error
	// Delete forgets the id.
	Delete(ctx context.Context, id string) error
}

// state of a create.
type state byte

const (
	pending state = 'p'
	done    state = 'd'
	unknown state = 'u'
)

// entry is what is stored: state, when, what was asked, the answer.
type entry struct {
	state  state
	at     time.Time
	asked  [sha256.Size]byte
	answer []byte
}

const headBytes = 1 + 8 + sha256.Size

func (e entry) bytes() []byte {
	b := make([]byte, 0, headBytes+len(e.answer))
	b = append(b, byte(e.state))
	b = binary.BigEndian.AppendUint64(b, uint64(e.at.UnixMilli()))
	b = append(b, e.asked[:]...)
	return append(b, e.answer...)
}

func parse(b []byte) (e entry, ok bool) {
	if len(b) < headBytes {
		return e, false
	}
	e.state, e.at = state(b[0]), time.UnixMilli(int64(binary.BigEndian.Uint64(b[1:9])))
	copy(e.asked[:], b[9:headBytes])
	e.answer = b[headBytes:]
	return e, e.state == pending || e.state == done || e.state == unknown
}

// Replays carries out creates once.
type Replays struct {
	store Store
	log   *slog.Logger
}

// New makes replays on a store.
func New(store Store, log *slog.Logger) *Replays { return &Replays{store: store, log: log} }

// ID names a create: whose, which, and as what the caller named it.
func ID(team, caller, method, requestID string) string {
	h := sha256.New()
	for _, s := range []string{team, caller, method, requestID} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	return team + "\x00" + hex.EncodeToString(h.Sum(nil))
}

// Do carries out a create, or returns the answer to the same one before. request
// is all of it, id apart.
func (r *Replays) Do(ctx context.Context, id string, request []byte, create func() ([]byte, error)) (answer []byte, err error) {
	asked := sha256.Sum256(request)
	for pause := pollFirst; ; pause = min(2*pause, pollMost) {
		present, err := r.store.Claim(ctx, id, entry{state: pending, at: time.Now(), asked: asked}.bytes())
		if err != nil {
			return nil, fault.New(fault.Unavailable, ReasonUnavailable, "whether this request_id was carried out already cannot be found out: nothing was sent").WithCause(err)
		}
		if present == nil {
			return r.first(ctx, id, asked, create)
		}
		e, ok := parse(present)
		switch {
		case ok && e.asked != asked:
			f := fault.Invalid("request_id", "named another request within the last %v", Window)
			fault.As(f).Reason = ReasonReused
			return nil, f
		case ok && e.state == done:
			return e.answer, nil
		case !ok || e.state == unknown || time.Since(e.at) > pendingMost:
			return nil, outcomeUnknown()
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fault.New(fault.DeadlineExceeded, "DEADLINE_EXCEEDED", "the first request of this request_id has not ended yet").WithCause(ctx.Err())
		}
	}
}

func outcomeUnknown() error {
	return fault.New(fault.Unknown, fault.ReasonOutcomeUnknown, "the first request of this request_id was sent and may have been executed, but no answer tells: look before repeating it with another id")
}

// first carries out a create that is not known yet.
func (r *Replays) first(ctx context.Context, id string, asked [sha256.Size]byte, create func() ([]byte, error)) (answer []byte, err error) {
	end := entry{state: unknown, at: time.Now(), asked: asked} // if it panics, too
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		var failed error
		if end.state == pending { // it was surely not carried out: the next may try
			failed = r.store.Delete(ctx, id)
		} else {
			failed = r.store.Put(ctx, id, end.bytes())
		}
		if failed != nil {
			r.log.Error("what became of a request_id is not remembered: the next of this id is told that it is not known", "error", failed)
		}
	}()
	answer, err = create()
	switch {
	case err == nil:
		end.state, end.answer = done, answer
	case fault.As(err).Reason != fault.ReasonOutcomeUnknown:
		end.state = pending
	}
	return answer, err
}
