// Package replay makes creates repeatable: a request that names itself is carried
// out once, however often it is sent within [Window]. Source: AIP-155.
//
// It must never let a second create go while the outcome of the first is not
// known, and never forget a name before its time: where there is no room, or the
// store cannot be trusted, the create is refused before anything is sent.
package replay

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Window is how long an id is remembered.
const Window = time.Hour

// pendingMost is how long a create may take: what was let go longer ago was lost
// with its replica.
const pendingMost = 10 * time.Minute

type longestKey struct{}

// WithLongest returns a context of creates that surely end within a time: what was
// let go longer ago was lost. Without it that is ten minutes.
func WithLongest(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, longestKey{}, d)
}

func longestOf(ctx context.Context) time.Duration {
	if d, ok := ctx.Value(longestKey{}).(time.Duration); ok {
		return d
	}
	return pendingMost
}

// Polling for the end of a create under way elsewhere.
const (
	pollFirst = 20 * time.Millisecond
	pollMost  = 500 * time.Millisecond
)

// claimGrace is how long a claim of another attempt is left alone. From claim to
// sent takes one command of the store. To take a claim over earlier would be
// safe, but two attempts could take it from each other.
const claimGrace = 250 * time.Millisecond

// Reasons.
const (
	ReasonReused      = "REQUEST_ID_REUSED"  // the id named another request
	ReasonUnavailable = "REPLAY_UNAVAILABLE" // whether it was carried out already cannot be found out
)

// Errors of stores that surely wrote nothing.
var (
	ErrFull    = errors.New("no room for another request_id")
	ErrForgets = errors.New("what remembers request_ids may forget them")
)

// Store remembers values under ids, at least for [Window] after each was written.
type Store interface {
	// Claim remembers a value under an id, unless there is one: then that is
	// returned.
	Claim(ctx context.Context, id string, value []byte) (present []byte, err error)
	// Swap puts a value in the place of one that begins with old; nil forgets it.
	// It says whether it did. After an error it may have been done, or be done
	// later.
	Swap(ctx context.Context, id string, old, value []byte) (swapped bool, err error)
}

// Replays carries out creates once. [Replays.Close] ends what it still has to
// write.
type Replays struct {
	store Store
	log   *slog.Logger
	debts debts
}

// New makes replays on a store.
func New(store Store, log *slog.Logger) *Replays {
	r := &Replays{store: store, log: log}
	r.debts.open(r.pay)
	return r
}

// Close waits for what runs in the background.
func (r *Replays) Close() { r.debts.close() }

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

// attempt is one call of [Replays.Do].
type attempt struct {
	*Replays
	id    string
	mine  entry
	seen  owner     // of the claim that was found
	since time.Time // when that was found first
}

// Do carries out a create, or returns the answer to the same one before. request
// is all of it, id apart.
//
// An id is claimed, then marked as sent, then create runs. Both are decided by
// the store: who finds a claim only may take it over, and whose claim was taken
// over does not send. So a claim whose owner is gone blocks nobody, and nothing
// is sent twice however late a command reaches the store. What was marked as sent
// by an owner that is gone ends in OUTCOME_UNKNOWN.
func (r *Replays) Do(ctx context.Context, id string, request []byte, create func() ([]byte, error)) ([]byte, error) {
	mine := entry{state: claimed, owner: newOwner(), asked: sha256.Sum256(request)}
	a := &attempt{Replays: r, id: id, mine: mine}
	for pause := pollFirst; ; pause = min(2*pause, pollMost) {
		mine, found, err := a.claim(ctx)
		switch {
		case err != nil:
			return nil, err
		case found != nil:
			return found.answer, nil
		case mine:
			return a.first(ctx, create)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fault.New(fault.DeadlineExceeded, "DEADLINE_EXCEEDED",
				"the first request of this request_id has not ended yet").WithCause(ctx.Err())
		}
	}
}

// claim looks once at what is known of the id. It says whether this attempt may
// send; found is a create that ended well. Neither: look again.
func (a *attempt) claim(ctx context.Context) (mine bool, found *entry, err error) {
	e, ok := a.debts.told(a.id)
	if !ok {
		a.mine.state, a.mine.at = claimed, time.Now()
		present, err := a.store.Claim(ctx, a.id, a.mine.bytes())
		if err != nil {
			return false, nil, a.giveUp(err)
		}
		if present == nil {
			a.debts.forgive(a.id)
			mine, err = a.mark(ctx)
			return mine, nil, err
		}
		if e, ok = parse(present, time.Now()); !ok {
			return false, nil, unreadable()
		}
	}
	orphan := a.debts.orphan(a.id, e.owner)
	switch {
	case e.asked != a.mine.asked:
		f := fault.Invalid("request_id", "named another request within the last %v", Window)
		fault.As(f).Reason = ReasonReused
		return false, nil, f
	case e.state == done:
		return false, &e, nil
	case orphan || e.state == claimed && a.stale(e):
		mine, err = a.takeOver(ctx, e, orphan)
		return mine, nil, err
	case e.state == claimed || e.state == sent && time.Since(e.at) <= longestOf(ctx):
		return false, nil, nil
	}
	return false, nil, outcomeUnknown()
}

// stale says whether another's claim has been there for long enough.
func (a *attempt) stale(e entry) bool {
	if e.owner != a.seen {
		a.seen, a.since = e.owner, time.Now()
	}
	return time.Since(a.since) >= claimGrace
}

// takeOver makes a claim this attempt's: any claim that is not marked as sent,
// or what an attempt of this process left that surely did not send.
func (a *attempt) takeOver(ctx context.Context, e entry, orphan bool) (mine bool, err error) {
	old := e.head()
	if orphan {
		old = e.owner.head()
	}
	swapped, err := a.store.Swap(ctx, a.id, old, a.mine.bytes())
	if err != nil {
		return false, a.giveUp(err)
	}
	if orphan {
		a.debts.forgive(a.id)
	}
	if !swapped {
		return false, nil
	}
	return a.mark(ctx)
}

// mark marks this attempt's claim as sent, unless another took it over.
func (a *attempt) mark(ctx context.Context) (mine bool, err error) {
	old := a.mine.head()
	a.mine.state, a.mine.at = sent, time.Now()
	mine, err = a.store.Swap(ctx, a.id, old, a.mine.bytes())
	if err != nil {
		return false, a.giveUp(err)
	}
	return mine, nil
}

// giveUp ends an attempt that has not sent. What it may have left in the store is
// forgotten as soon as that answers.
func (a *attempt) giveUp(err error) error {
	if !errors.Is(err, ErrFull) && !errors.Is(err, ErrForgets) {
		a.debts.owe(a.id, debt{owner: a.mine.owner})
	}
	return fault.New(fault.Unavailable, ReasonUnavailable, "whether this request_id was carried out already "+
		"cannot be found out, or cannot be remembered: nothing was sent").WithCause(err)
}

func outcomeUnknown() error {
	return fault.New(fault.Unknown, fault.ReasonOutcomeUnknown, "the first request of this request_id was sent "+
		"and may have been executed, but no answer tells: look before repeating it with another id")
}

func unreadable() error {
	return fault.New(fault.Unknown, fault.ReasonOutcomeUnknown, "what is remembered of this request_id cannot be "+
		"read: look whether it was executed before repeating it with another id")
}

// first carries out a create that is not known yet.
func (a *attempt) first(ctx context.Context, create func() ([]byte, error)) (answer []byte, err error) {
	end := entry{state: unknown, owner: a.mine.owner, asked: a.mine.asked} // if it panics, too
	defer func() {
		d := debt{owner: end.owner}
		if end.at = time.Now(); end.state != claimed {
			d.value = end.bytes()
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), payTimeout)
		defer cancel()
		if err := a.pay(ctx, a.id, d); err != nil {
			a.log.Warn("what became of a request_id is not remembered yet: it is tried again", "error", err)
			a.debts.owe(a.id, d)
		}
	}()
	answer, err = create()
	switch {
	case err == nil && len(answer) <= maxAnswer:
		end.state, end.answer = done, answer
	case err != nil && !fault.As(err).MaybeExecuted():
		end.state = claimed // it was surely not carried out: the next may try
	}
	return answer, err
}

// pay writes what became of a create, or forgets the claim of one that was not
// sent.
func (r *Replays) pay(ctx context.Context, id string, d debt) error {
	swapped, err := r.store.Swap(ctx, id, d.owner.head(), d.value)
	if errors.Is(err, ErrFull) { // for the answer: without it, the id itself has room
		e, _ := parse(d.value, time.Now())
		e.state, e.answer = unknown, nil
		d.value = e.bytes()
		swapped, err = r.store.Swap(ctx, id, d.owner.head(), d.value)
	}
	if err == nil && !swapped && d.value != nil { // the store lost it
		_, err = r.store.Claim(ctx, id, d.value)
	}
	return err
}
