package audit

import (
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// run writes until the log is closed.
func (l *Log) run() {
	defer close(l.done)
	tick := time.NewTicker(healEvery)
	defer tick.Stop()
	for {
		var first *entry
		select {
		case first = <-l.queue:
		case first = <-l.notes:
		case <-l.wake:
		case <-tick.C:
			l.look()
		case <-l.closing:
			l.finishAll()
			return
		}
		l.batch(first)
	}
}

// look heals a log that is ill, and finds out whether it is before a record
// comes.
func (l *Log) look() {
	if err := l.out.heal(); err != nil {
		l.ill(err)
	} else {
		l.well()
	}
}

func (l *Log) ill(err error) {
	l.tried = l.now()
	if l.broken.Swap(&err) == nil {
		l.log.Error("the audit log cannot be written: calls that change something are refused", "error", err)
	}
}

func (l *Log) well() {
	if l.broken.Load() != nil {
		l.broken.Store(nil)
		l.log.Info("the audit log can be written again")
	}
}

// illness is why nothing can be written now but outcomes, after it was tried to
// heal it.
func (l *Log) illness() error {
	err := l.Healthy()
	if err == nil || l.now().Sub(l.tried) < healSoon {
		return err
	}
	if err = l.out.heal(); err != nil {
		l.ill(err)
	}
	return err // the next write says whether it is well
}

// keep holds a record until it can be written.
func (l *Log) keep(r Record) { l.kept = append(l.kept, &entry{record: r.bounded(maxContent)}) }

// batch writes an entry, what waits behind it, outcomes, and denials.
func (l *Log) batch(first *entry) {
	l.mu.Lock()
	l.kept = append(l.kept, l.ended...)
	l.ended = nil
	l.mu.Unlock()
	fresh := l.collect(first)
	err := l.illness()
	if len(l.kept) > batchMost || err != nil {
		err = l.writeKept(err)
	}
	if err == nil {
		list := append(l.kept, fresh...)
		denials := l.denials.due(l.now(), denialsMost)
		list = append(list, denials...)
		if err = l.writeAll(list, false); err == nil {
			l.kept = nil
			l.well()
			l.settle(list, nil)
			return
		}
		l.ill(err)
		l.denials.back(denials)
		_ = l.writeKept(err) // kept, if there is no room even for them
	}
	l.settle(fresh, err)
}

// collect takes what waits in the queues.
func (l *Log) collect(first *entry) (list []*entry) {
	for e := first; ; {
		if e != nil && (e.result == nil || e.state.CompareAndSwap(waiting, taken)) {
			list = append(list, e)
		}
		if len(list) == batchMost {
			return list
		}
		if e = l.nextQueued(); e != nil {
			continue
		}
		select {
		case e = <-l.notes:
			continue
		default:
			return list
		}
	}
}

// writeKept writes what must be written, with what is kept in reserve for it.
// It returns what keeps the other records from being written.
func (l *Log) writeKept(why error) error {
	for n := batchMost; len(l.kept) > 0 && n > 0; {
		part := l.kept[:min(n, len(l.kept))]
		if err := l.writeAll(part, true); err != nil {
			if why, n = err, min(n, len(l.kept))/2; !full(err) {
				break
			}
			continue
		}
		l.settle(part, nil)
		l.kept = l.kept[len(part):]
	}
	if len(l.kept) == 0 {
		l.kept = nil
		return why
	}
	l.ill(why)
	for _, e := range l.kept {
		if e.result != nil {
			e.result <- why // they need not wait for it
			e.result = nil
		}
	}
	return why
}

// writeAll writes lines at once, or none of them.
func (l *Log) writeAll(list []*entry, urgent bool) error {
	if len(list) == 0 {
		return nil
	}
	at, sync := *l.last.Load(), false
	l.text = l.text[:0]
	for _, e := range list {
		var text []byte
		text, at.Hash = seal(at.Seq+1, l.now(), l.chain, at.Hash, e.record)
		at.Seq++
		l.text = append(l.text, text...)
		sync = sync || (e.result != nil || e.room > 0) && !l.cfg.NoSync
	}
	err := l.out.write(batch{text: l.text, end: endText(l.chain, at.Seq, at.Hash), sync: sync, urgent: urgent})
	if err == nil {
		l.last.Store(&at)
	}
	if cap(l.text) > 1<<20 {
		l.text = nil
	}
	return err
}

// settle tells those who wait.
func (l *Log) settle(list []*entry, err error) {
	for _, e := range list {
		switch {
		case e.denied != nil: // nobody waits
		case e.result == nil && err != nil:
			l.dropped.Add(1)
		case e.state.Load() == waiting: // an outcome, or a note
			l.room.Add(e.room)
			if e.result != nil {
				e.result <- err
			}
		default:
			l.settleOne(e, err)
		}
	}
}

// settleOne tells whoever waits for an intent. If nobody does any more, it is
// ended here.
func (l *Log) settleOne(e *entry, err error) {
	ours := e.state.CompareAndSwap(taken, settled)
	switch {
	case err != nil:
		l.room.Add(e.room)
	case !ours:
		r := outcomeOf(
			e.record,
			fault.Canceled,
			"NOT_MADE",
			"the caller left, or was refused, while this was written: the call was not made",
		)
		l.kept = append(l.kept, &entry{record: r.bounded(maxContent), room: e.room})
		l.wakeUp()
	case e.pending != nil:
		e.pending.room = e.room
		l.mu.Lock()
		l.open[e.pending] = struct{}{}
		l.mu.Unlock()
	default:
		l.room.Add(e.room)
	}
	if ours {
		e.result <- err
	}
}

// finishAll writes what waits, an outcome for each call that has none, and the
// last line. What cannot be written goes to the process's own log.
func (l *Log) finishAll() {
	for { // they are told no: their calls are not made
		e := l.nextQueued()
		if e == nil {
			break
		}
		if e.state.CompareAndSwap(waiting, taken) {
			l.settleOne(e, errClosed)
		}
	}
	l.ending = true
	l.mu.Lock()
	l.kept = append(l.kept, l.ended...)
	for p := range l.open {
		r := p.outcome(fault.Unknown, "NOT_TOLD", "the gateway ended before the call did")
		l.kept = append(l.kept, &entry{record: r, room: p.room})
	}
	l.open, l.ended = nil, nil
	l.mu.Unlock()
	l.batch(nil)
	for len(l.notes) > 0 || len(l.kept) > 0 && l.Healthy() == nil {
		l.batch(nil)
	}
	if list := l.denials.rest(l.now()); l.Healthy() == nil {
		if err := l.writeAll(list, false); err != nil {
			l.ill(err)
		}
	}
	l.keep(Record{Event: Stop})
	_ = l.writeKept(l.Healthy()) // told below
	for _, e := range l.kept {
		l.log.Error("a record could not be written before the end", "event", e.record.Event, "call", e.record.Call,
			"method", e.record.Method, "principal", e.record.Principal, "outcome", e.record.Outcome)
	}
	l.closeErr = l.out.close()
}

func (l *Log) nextQueued() *entry {
	if l.ending {
		return nil
	}
	select {
	case e := <-l.queue:
		return e
	default:
		return nil
	}
}
