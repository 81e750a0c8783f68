// Package spread tells other replicas what was written, by Redis, so that what
// they keep is never older for long.
package spread

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/cache"
	"github.com/asc-gateway/asc-gateway/internal/redisdb"
	"github.com/redis/go-redis/v9"
)

// Bounds of telling.
const (
	queued     = 1024 // writes that wait to be told; beyond them everything is
	againAfter = time.Second
	publishing = time.Second
)

// Bounds of what is heard: others may publish, too.
const (
	maxPayload  = 16 << 10
	maxFamilies = 4096
	tellEvery   = time.Minute // of what cannot be read
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
	db        *redisdb.DB
	channel   string // where the replicas of a deployment tell each other
	log       *slog.Logger
	me        string
	numbering string
	writes    chan message
	missed    chan struct{} // a write found no room
	stop      context.CancelFunc
	running   sync.WaitGroup
	junkTold  time.Time // when junk was last told; the listener's
}

// Start begins to tell of a cache's writes, and to hear of others'. numbering
// names how families are numbered.
func Start(c *cache.Cache, db *redisdb.DB, numbering string, log *slog.Logger) *Spread {
	ctx, stop := context.WithCancel(context.Background())
	s := &Spread{
		cache:     c,
		db:        db,
		channel:   db.Common("writes"),
		log:       log,
		me:        rand.Text(),
		numbering: numbering,
		writes:    make(chan message, queued),
		missed:    make(chan struct{}, 1),
		stop:      stop,
	}
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
	return s.db.Publish(ctx, s.channel, b).Err()
}

// listen applies what others have written. After each (re)connection it forgets
// everything: something may have been missed.
func (s *Spread) listen(ctx context.Context) {
	sub := s.db.Subscribe(ctx, s.channel)
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

// hear takes a message. One that is not of a replica's form is not believed: then
// everything is forgotten, for a newer version may have meant that.
func (s *Spread) hear(payload string) {
	m, err := parse(payload)
	switch {
	case err != nil:
		if now := time.Now(); now.Sub(s.junkTold) >= tellEvery {
			s.junkTold = now
			s.log.Warn("a message on "+s.channel+" cannot be read: all answers are forgotten", "error", err)
		}
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

func parse(payload string) (m message, err error) {
	if len(payload) > maxPayload {
		return m, errors.New("it is too long")
	}
	if err := json.Unmarshal([]byte(payload), &m); err != nil {
		return m, err
	}
	if m.From == "" || !m.All && m.Team == "" || len(m.Families) > maxFamilies {
		return m, errors.New("it is of no known form")
	}
	return m, nil
}
