package audit

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// ReasonUnavailable is the reason of calls refused because they could not be
// put on record.
const ReasonUnavailable = "AUDIT_UNAVAILABLE"

var errClosed = errors.New("the log is closed")

// The states of an entry that somebody waits for.
const (
	waiting   int32 = iota // in the queue
	taken                  // being written
	settled                // written, or not: the result says it
	abandoned              // whoever waited has left: it is not written
	orphaned               // whoever waited has left while it was being written
)

// entry is a record on its way to the log.
type entry struct {
	record  Record
	state   atomic.Int32
	result  chan error // nil: nobody waits
	room    int64      // of the reserve, given back when it is written
	pending *pending   // of an intent; nil: no outcome will come
	denied  *denied    // of a denial
}

// pending is a call whose intent is on record, and whose outcome is not.
type pending struct {
	log    *Log
	intent Record
	room   int64
}

// roomOf is how much of the reserve an outcome may need: what the intent says
// again, with JSON's escapes, and what comes to it.
func roomOf(r *Record) int64 { return 1024 + 2*int64(r.content()) }

// Begin puts an intent on record and returns when it is there. Then room is kept
// for its outcome, and end is to be called with it: once; later calls do
// nothing. end returns an error if the outcome is not on record yet: it is then
// kept, and written when there is room.
//
// After an error the call must not be made. If the intent was on record all the
// same, because ctx ended while it was being written, the log gives it the
// outcome CANCELLED. If end is never called, as after a panic, it gets the
// outcome UNKNOWN: some minutes later, or when the log is closed.
func (l *Log) Begin(ctx context.Context, intent Record) (end func(outcome Record) error, err error) {
	p := &pending{log: l, intent: intent.bounded(maxContent)}
	if err := l.put(ctx, &entry{record: p.intent, pending: p}); err != nil {
		return nil, unavailable(err)
	}
	h := &handle{p}
	runtime.AddCleanup(h, (*pending).forgotten, p)
	return func(outcome Record) error { return h.p.end(outcome) }, nil
}

// handle is what the caller of [Log.Begin] holds. When nobody does any more, the
// outcome can no longer come.
type handle struct{ p *pending }

// Append puts a record on the log that needs no outcome, and returns when it is
// there. After an error, what it tells of must not be done; if it was on record
// all the same, an outcome CANCELLED follows it.
func (l *Log) Append(ctx context.Context, r Record) error {
	if err := l.put(ctx, &entry{record: r.bounded(maxContent)}); err != nil {
		return unavailable(err)
	}
	return nil
}

func unavailable(err error) error {
	const message = "the call cannot be put on record, so it is not made"
	return fault.New(fault.Unavailable, ReasonUnavailable, message).WithCause(err)
}

// put hands a record to the writer and waits for it.
func (l *Log) put(ctx context.Context, e *entry) error {
	e.room, e.result = roomOf(&e.record), make(chan error, 1)
	if l.room.Add(-e.room) < 0 {
		l.room.Add(e.room)
		return errors.New("too many calls wait for their outcome to be put on record")
	}
	timer := time.NewTimer(l.cfg.Timeout)
	defer timer.Stop()
	err := l.enqueue(ctx, e, timer)
	if err != nil {
		l.room.Add(e.room)
		return err
	}
	select {
	case err := <-e.result:
		return err
	case <-timer.C:
		err = errors.New("it was not written in time")
	case <-ctx.Done():
		err = ctx.Err()
	case <-l.done:
		err = errClosed
	}
	switch {
	case e.state.CompareAndSwap(waiting, abandoned):
		l.room.Add(e.room)
	case e.state.CompareAndSwap(taken, orphaned): // the writer sees to it
	default:
		return <-e.result // it was settled in this moment
	}
	return err
}

func (l *Log) enqueue(ctx context.Context, e *entry, timer *time.Timer) error {
	select {
	case <-l.closing:
		return errClosed
	default:
	}
	select {
	case l.queue <- e:
		return nil
	case <-timer.C:
		return errors.New("the queue is full")
	case <-l.closing:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end hands over the outcome of a call.
func (p *pending) end(r Record) error {
	l, result := p.log, make(chan error, 1)
	e := &entry{record: r.bounded(maxContent), room: p.room, result: result}
	if !l.finish(p, e) {
		select {
		case <-l.closing:
			return errClosed
		default:
			return nil // it has an outcome
		}
	}
	l.wakeUp()
	timer := time.NewTimer(l.cfg.Timeout)
	defer timer.Stop()
	select {
	case err := <-result:
		return err
	case <-timer.C:
		return errors.New("it was not written in time; it is kept")
	case <-l.done:
		select {
		case err := <-result:
			return err
		default:
			return errClosed
		}
	}
}

// finish makes an outcome that of a call, if it has none.
func (l *Log) finish(p *pending, e *entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, open := l.open[p]; !open {
		return false
	}
	delete(l.open, p)
	l.ended = append(l.ended, e)
	return true
}

// forgotten gives a call the outcome UNKNOWN that nobody can end any more.
func (p *pending) forgotten() {
	r := p.outcome(fault.Unknown, "NOT_TOLD", "the call ended without telling how")
	if p.log.finish(p, &entry{record: r, room: p.room}) {
		p.log.wakeUp()
	}
}

func (p *pending) outcome(kind fault.Kind, reason, detail string) Record {
	return outcomeOf(p.intent, kind, reason, detail)
}

// outcomeOf is the outcome that the log itself gives a record.
func outcomeOf(r Record, kind fault.Kind, reason, detail string) Record {
	r.Event, r.Outcome, r.Reason, r.Detail = Outcome, kind.String(), reason, detail
	return r
}
