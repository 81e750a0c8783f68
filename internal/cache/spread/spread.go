// Package spread tells other replicas what was written, by Redis, so that what
// they keep is never older for long.
package spread

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/cache"
	"github.com/redis/go-redis/v9"
)

// channel is where replicas tell each other.
const channel = "asc:writes"

// Bounds of telling.
const (
	queued     = 1024 // writes that wait to be told; beyond them everything is
	againAfter = time.Second
	publishing = time.Second
)

// message is a write.
type message struct {
	From      string         `json:"from"`
	Numbering string         `json:"numbering"`
	Team      string         `json:"team"`
	Families  cache.Families `json:"families"`      // null: any
	All       bool           `json:"all,omitempty"` // of all teams: something was missed
}

// Spread passes writes on until it is closed.
type Spread struct {
	cache     *cache.Cache
	db        redis.UniversalClient
	log       *slog.Logger
	me        string
	numbering string
	writes    chan message
	missed    chan struct{} // a write found no room
	stop      context.CancelFunc
	running   sync.WaitGroup
}

// Start begins to tell of a cache's writes, and to hear of others'. numbering
// names how families are numbered.
func Start(c *cache.Cache, db redis.UniversalClient, numbering string, log *slog.Logger) *Spread {
	ctx, stop := context.WithCancel(context.Background())
	s := &Spread{cache: c, db: db, log: log, me: rand.Text(), numbering: numbering, writes: make(chan message, queued), missed: make(chan struct{}, 1), stop: stop}
	c.OnWrite(s.wrote)
	s.running.Go(func() { s.tell(ctx) })
	s.running.Go(func() { s.listen(ctx) })
	return s
}

// Close ends it.
func (s *Spread) Close() {
	s.stop()
	s.running.Wait()
}

func (s *Spread) wrote(team string, f cache.Families) {
	select {
	case s.writes <- message{From: s.me, Numbering: s.numbering, Team: team, Families: f}:
	default:
		s.miss()
	}
}

// miss notes that others must be told to forget everything.
func (s *Spread) miss() {
	select {
	case s.missed <- struct{}{}:
	default:
	}
}

// tell publishes writes. What could not be told is made good as soon as Redis is
// back: then everything is told.
func (s *Spread) tell(ctx context.Context) {
	for {
		var m message
		select {
		case <-ctx.Done():
			return
		case m = <-s.writes:
		case <-s.missed:
			m = message{From: s.me, All: true}
		}
		if s.publish(ctx, m) == nil {
			continue
		}
		s.miss()
		select {
		case <-ctx.Done():
			return
		case <-time.After(againAfter):
		}
	}
}

func (s *Spread) publish(ctx context.Context, m message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, publishing)
	defer cancel()
	return s.db.Publish(ctx, channel, b).Err()
}

// listen applies what others have written. After each (re)connection it forgets
// everything: something may have been missed.
func (s *Spread) listen(ctx context.Context) {
	sub := s.db.Subscribe(ctx, channel)
	defer sub.Close()
	in := sub.ChannelWithSubscriptions()
	for {
		select {
		case <-ctx.Done():
			return
		case x, ok := <-in:
			if !ok {
				return
			}
			switch x := x.(type) {
			case *redis.Subscription:
				s.cache.Forget()
			case *redis.Message:
				s.hear(x.Payload)
			}
		}
	}
}

func (s *Spread) hear(payload string) {
	var m message
	switch err := json.Unmarshal([]byte(payload), &m); {
	case err != nil:
		s.log.Warn("a message on "+channel+" cannot be read", "error", err)
		s.cache.Forget()
	case m.From == s.me:
	case m.All:
		s.cache.Forget()
	case m.Numbering != s.numbering:
		s.cache.Heard(m.Team, nil)
	default:
		s.cache.Heard(m.Team, m.Families)
	}
}
