package uploads

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// commit says that all bytes are there. Where the outcome is not known, or somebody
// has committed before, the file itself tells.
func (c *caller) commit(ctx context.Context, r *reservation, md5 string) error {
	req := r.kind.update.byID(r.id)
	set(req, "uploaded", true)
	if r.kind.sum == md5Sum && md5 != "" {
		set(req, "source_file_checksum", md5)
	}
	for try := 0; ; try++ {
		res, err := c.call(ctx, r.kind.update, req.Interface())
		if err == nil {
			r.resource = r.kind.update.resource(res)
			return nil
		}
		refused := status.Code(err) == codes.FailedPrecondition || status.Code(err) == codes.AlreadyExists
		if !refused && !unclear(err) || try == triesMost || ctx.Err() != nil {
			return err
		}
		now, rerr := c.read(fresh(ctx), r.kind, r.id)
		if rerr == nil && r.kind.conditionOf(now).word != awaiting {
			r.resource = now
			return nil
		}
		if refused {
			return err
		}
		if err := c.pause(ctx, min(time.Second<<try, 30*time.Second)); err != nil {
			return err
		}
	}
}

// fresh is a context for reads that no cache answers.
func fresh(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "cache-control", "no-cache")
}

// pauses between two looks at a file, the last again and again.
var pauses = []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 8 * time.Second, 12 * time.Second}

func (s *Service) pauseAt(look int) time.Duration {
	d := pauses[min(look, len(pauses)-1)]
	if look >= len(pauses) {
		d = s.cfg.PollMost
	}
	return min(d, s.cfg.PollMost)
}

// await looks at a file until Apple has taken or refused it.
func (c *caller) await(ctx context.Context, r *reservation, tell func(condition) error) error {
	last := ""
	for look := 0; ; look++ {
		cond := r.kind.conditionOf(r.resource)
		if cond.word != last {
			last = cond.word
			if err := tell(cond); err != nil {
				return err
			}
		}
		switch {
		case cond.failed:
			return cond.failure()
		case cond.done:
			return nil
		}
		every := c.pauseAt(look)
		if err := c.pause(ctx, every); err != nil {
			return err
		}
		now, err := c.look(ctx, r, every)
		switch {
		case status.Code(err) == codes.NotFound:
			return failed(ReasonGone, "the file was deleted while Apple looked at it")
		case err != nil && status.Code(err) != codes.Unavailable:
			return err
		case err == nil:
			r.resource = now
		}
	}
}

// looks are the last reads of owners whose files are waited for: those who wait for
// files of one owner share them.
type looks struct {
	mu  sync.Mutex
	all map[string]*look
}

type look struct {
	turn  chan struct{} // held by who reads
	users int
	when  time.Time
	files map[string]protoreflect.Message
}

// look reads a file: by itself where it is the only one of its owner that is waited
// for, else with all the others.
func (c *caller) look(ctx context.Context, r *reservation, every time.Duration) (protoreflect.Message, error) {
	m := r.kind.siblings[r.relation]
	if m == nil || !m.data.IsList() || m.in.Descriptor().Fields().ByName("filter") != nil { // a library is large
		return c.read(fresh(ctx), r.kind, r.id)
	}
	l := c.looks.join(c.place(ctx) + m.name + r.owner)
	defer c.looks.leave(c.place(ctx)+m.name+r.owner, l)
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if f := l.files[r.id]; f != nil && time.Since(l.when) < every/2 {
		return f, nil
	}
	begun := time.Now()
	list, err := c.siblings(fresh(ctx), m, r.owner)
	if err != nil {
		return nil, err
	}
	l.when, l.files = begun, make(map[string]protoreflect.Message, len(list))
	for _, f := range list {
		l.files[text(f, "id")] = f
	}
	if f := l.files[r.id]; f != nil {
		return f, nil
	}
	return c.read(fresh(ctx), r.kind, r.id)
}

// looksMost is how many owners are remembered.
const looksMost = 1000

func (l *looks) join(key string) *look {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil || len(l.all) > looksMost {
		l.all = map[string]*look{}
	}
	one := l.all[key]
	if one == nil {
		one = &look{turn: make(chan struct{}, 1)}
		l.all[key] = one
	}
	one.users++
	return one
}

// leave forgets an owner that nobody has looked at for a while.
func (l *looks) leave(key string, one *look) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one.users--; one.users > 0 {
		return
	}
	for k, o := range l.all {
		if o.users == 0 && k != key {
			delete(l.all, k)
		}
	}
}
