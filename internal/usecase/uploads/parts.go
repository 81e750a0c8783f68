package uploads

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/transfer"
)

// triesMost is how often a part is sent.
const triesMost = 6

// sender sends the parts of one file as its bytes arrive.
type sender struct {
	*Service
	file   io.Reader
	digest *digest
	ops    []operation
	moved  func(offset int64, d digestState) error // Apple has all bytes up to offset

	mu     sync.Mutex
	next   int                 // the first part that Apple does not have
	done   map[int]bool        // those behind it that it has
	after  map[int]digestState // the digest behind each part that is on its way
	failed error               // the first error of a part
	cancel context.CancelFunc  // ends the others
	slots  chan struct{}       // parts on their way
	group  sync.WaitGroup
}

// send reads the file from its part first, and sends it.
func (s *sender) send(ctx context.Context, first int) error {
	ctx, s.cancel = context.WithCancel(ctx)
	defer s.cancel()
	s.next, s.done, s.after = first, map[int]bool{}, map[int]digestState{}
	s.slots = make(chan struct{}, s.cfg.Parallel)
	err := s.read(ctx, first)
	s.group.Wait() // what is on its way may still arrive
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	return err
}

// read reads part by part.
func (s *sender) read(ctx context.Context, first int) error {
	for i := first; i < len(s.ops); i++ {
		var err error
		if s.ops[i].Length > min(partBuffered, s.memory.size) {
			err = s.through(ctx, i)
		} else {
			err = s.buffered(ctx, i)
		}
		if err != nil {
			return err
		}
	}
	var one [1]byte
	if n, err := io.ReadFull(s.file, one[:]); n > 0 {
		return fault.New(fault.InvalidArgument, ReasonTooLong, "more bytes came than the file has")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// through sends a part that is too large to be kept, while it is read. All before
// it have arrived.
func (s *sender) through(ctx context.Context, i int) error {
	s.group.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	p := s.ops[i].Part
	r := &counted{r: io.TeeReader(io.LimitReader(s.file, p.Length), s.digest)}
	p.Body = r
	err := s.deps.Transfer.Put(ctx, p)
	switch {
	case r.err != nil && !errors.Is(r.err, io.EOF):
		return r.err
	case r.n < p.Length && r.err != nil:
		return truncated(s.ops[i].offset+r.n, s.ops[len(s.ops)-1].end())
	case err != nil:
		return err
	}
	s.mu.Lock()
	s.after[i] = s.digest.state()
	s.mu.Unlock()
	return s.arrived(i)
}

// counted notes what was read, and how it ended.
type counted struct {
	r   io.Reader
	n   int64
	err error
}

// Read implements [io.Reader].
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil {
		c.err = err
	}
	return n, err
}

func truncated(got, want int64) error {
	return fault.New(fault.InvalidArgument, ReasonTruncated, "the file ended at byte %d of %d", got, want)
}

// buffered reads a part, and sends it beside others.
func (s *sender) buffered(ctx context.Context, i int) error {
	op := &s.ops[i]
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	p, err := s.memory.take(ctx, op.Length)
	if err != nil {
		<-s.slots
		return err
	}
	free := func() { p.free(); <-s.slots }
	if err := s.fill(ctx, op, p, free); err != nil {
		return err
	}
	s.mu.Lock()
	s.after[i] = s.digest.state()
	s.mu.Unlock()
	s.group.Go(func() {
		err := s.put(ctx, op, p)
		free()
		if err == nil {
			err = s.arrived(i)
		}
		if err != nil {
			s.mu.Lock()
			if s.failed == nil {
				s.failed = err
			}
			s.mu.Unlock()
			s.cancel()
		}
	})
	return nil
}

// fill reads a part. A caller that is slow while others wait for memory is cut off;
// the memory is free when its next bytes come, or its stream has ended.
func (s *sender) fill(ctx context.Context, op *operation, p *pages, free func()) error {
	type filled struct {
		n   int64
		err error
	}
	done := make(chan filled, 1)
	go func() {
		n, err := p.fill(s.file, s.digest)
		done <- filled{n, err}
	}()
	later := func(err error) error {
		go func() { <-done; free() }()
		return err
	}
	begun, tick := time.Now(), time.NewTicker(s.patience/10)
	defer tick.Stop()
	for {
		select {
		case f := <-done:
			if f.err == nil {
				return nil
			}
			free()
			if errors.Is(f.err, io.EOF) || errors.Is(f.err, io.ErrUnexpectedEOF) {
				return truncated(op.offset+f.n, s.ops[len(s.ops)-1].end())
			}
			return f.err
		case <-ctx.Done():
			return later(ctx.Err())
		case <-tick.C:
			if time.Since(begun) > s.patience && s.memory.wanted() {
				return later(fault.New(fault.ResourceExhausted, fault.ReasonPeerTooSlow,
					"a part was not full within %v, and others wait for memory: go on a little later", s.patience))
			}
		}
	}
}

// put sends a part until Apple has it, or says that it never will.
func (s *sender) put(ctx context.Context, op *operation, data *pages) (err error) {
	for try := range triesMost {
		if try > 0 {
			wait := min(250*time.Millisecond<<try, 8*time.Second)
			if err := s.pause(ctx, wait/2+rand.N(wait/2)); err != nil {
				return err
			}
		}
		p := op.Part
		p.Body = data.reader()
		if err = s.deps.Transfer.Put(ctx, p); err == nil || fault.As(err).Reason != transfer.ReasonUnavailable {
			return err
		}
	}
	return err
}

// arrived notes that Apple has a part, and tells how far all before it are.
func (s *sender) arrived(i int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[i] = true
	was := s.next
	for s.done[s.next] {
		delete(s.done, s.next)
		if s.next > was {
			delete(s.after, s.next-1)
		}
		s.next++
	}
	if s.next == was {
		return nil
	}
	last := s.next - 1
	d := s.after[last]
	delete(s.after, last)
	return s.moved(s.ops[last].end(), d)
}
