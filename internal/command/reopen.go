package command

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/keys"
)

// Bounds of opening keys.
const (
	openTime    = 10 * time.Second // of one key; all are opened at once
	reopenFirst = time.Second      // until a custody that was away is asked again; doubled each time
	reopenMost  = 30 * time.Second
	reasonsMost = 5 // keys that /readyz names
)

// opened is what became of a configuration's keys.
type opened struct {
	held  credentialsByTeam
	wrong []error // what a person must mend
	away  []error // custodies that do not answer: their keys are held unopened
}

// openKeys opens the keys of a configuration. One that cannot be opened is left
// as it was before. Else it is left out, or held unopened if only its custody is
// away.
func openKeys(ctx context.Context, cfg *config.Config, extra []keys.Backend, before credentialsByTeam) opened {
	backends, err := backendsOf(cfg, extra)
	if err != nil {
		return opened{held: maps.Clone(before), wrong: []error{err}}
	}
	found := openAll(ctx, backends, cfg.Teams)
	out := opened{held: credentialsByTeam{}}
	for i, t := range cfg.Teams {
		out.held[t.Name] = nil
		for _, f := range found[i] {
			if f.err == nil {
				out.held[t.Name] = append(out.held[t.Name], f.Credential)
				continue
			}
			err, away := fmt.Errorf("team %s: %w", t.Name, f.err), keys.Outage(f.err)
			if away {
				out.away = append(out.away, err)
			} else {
				out.wrong = append(out.wrong, err)
			}
			old := slices.IndexFunc(before[t.Name], func(c keys.Credential) bool { return c.ID == f.ID && c.Key != nil })
			switch {
			case old >= 0:
				f.Key = before[t.Name][old].Key
			case away:
				f.Key, f.Away = nil, f.err
			default:
				continue
			}
			out.held[t.Name] = append(out.held[t.Name], f.Credential)
		}
	}
	return out
}

// found is a key that was opened, or why it was not.
type found struct {
	keys.Credential
	err error
}

// openAll opens the keys of teams, all at once: a custody that hangs costs its
// time once.
func openAll(ctx context.Context, backends keys.Backends, teams []config.Team) [][]found {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	list := make([][]found, len(teams))
	var opening sync.WaitGroup
	for i, t := range teams {
		list[i] = make([]found, len(t.Keys))
		for j, k := range t.Keys {
			opening.Go(func() { list[i][j].Credential, list[i][j].err = openKey(ctx, backends, k) })
		}
	}
	opening.Wait()
	return list
}

// openKey opens one key and lets it sign once.
func openKey(ctx context.Context, backends keys.Backends, k config.Key) (c keys.Credential, err error) {
	c = keys.Credential{ID: k.ID, Issuer: k.IssuerID}
	if k.Enterprise {
		c.Audience = keys.EnterpriseAudience
	}
	if c.State, err = keys.ParseState(k.State); err != nil {
		return c, err
	}
	if c.Roles, err = keys.ParseRoles(k.Roles); err != nil {
		return c, err
	}
	if c.State == keys.Retired {
		return c, nil
	}
	if c.Key, err = backends.Open(ctx, k.ID, k.URI); err != nil {
		return c, err
	}
	return c, keys.SelfTest(ctx, c.Key)
}

// hold puts keys in place. Who calls it holds s.reloading, or is alone.
func (s *service) hold(cfg *config.Config, held credentialsByTeam) {
	s.held = held
	s.ring.Replace(held)
	if len(unopenedIn(cfg.Teams, held)) > 0 {
		select {
		case s.unopened <- struct{}{}:
		default: // it is awake
		}
	}
}

// unopenedIn are the keys of teams that are held unopened.
func unopenedIn(teams []config.Team, held credentialsByTeam) (list []config.Team) {
	for _, t := range teams {
		some := config.Team{Name: t.Name}
		for _, k := range t.Keys {
			if slices.ContainsFunc(held[t.Name], func(c keys.Credential) bool { return c.ID == k.ID && c.Away != nil }) {
				some.Keys = append(some.Keys, k)
			}
		}
		if len(some.Keys) > 0 {
			list = append(list, some)
		}
	}
	return list
}

// reopen opens the keys whose custody was away, after 1, 2, 4 … 30 s, until ctx
// ends. While there are none it sleeps.
func (s *service) reopen(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.unopened:
		}
		for pause := reopenFirst; ; pause = min(2*pause, reopenMost) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			if s.tryUnopened(ctx) {
				break
			}
		}
	}
}

// tryUnopened tries to open what is held unopened, and says whether nothing is
// left of it. Reloads are not held up while custodies are asked.
func (s *service) tryUnopened(ctx context.Context) (done bool) {
	var cfg *config.Config
	var teams []config.Team
	s.betweenReloads(ctx, func() {
		cfg = s.current.Load()
		teams = unopenedIn(cfg.Teams, s.held)
	})
	if len(teams) == 0 {
		return true
	}
	backends, err := backendsOf(cfg, s.extra)
	if err != nil {
		s.log.Warn("keys that are held unopened cannot be opened", "error", err)
		return false
	}
	list := openAll(ctx, backends, teams)
	s.betweenReloads(ctx, func() {
		if s.current.Load() == cfg { // else a reload has come in between, and has tried itself
			done = s.putOpened(cfg, teams, list)
		}
	})
	return done
}

// betweenReloads does something while no reload runs, unless ctx ends first.
func (s *service) betweenReloads(ctx context.Context, do func()) {
	select {
	case s.reloading <- struct{}{}:
		defer func() { <-s.reloading }()
		do()
	case <-ctx.Done():
	}
}

// putOpened puts keys in place that were opened, and says whether none is left.
func (s *service) putOpened(cfg *config.Config, teams []config.Team, list [][]found) (done bool) {
	held, changed := maps.Clone(s.held), false
	for i, t := range teams {
		held[t.Name] = slices.Clone(held[t.Name])
		for _, f := range list[i] {
			changed = s.settle(t.Name, held[t.Name], f) || changed
		}
	}
	if changed {
		s.hold(cfg, held)
	}
	return len(unopenedIn(cfg.Teams, held)) == 0
}

// settle puts a key that was opened, or a new reason why it was not, in the place
// of the one held unopened, and says whether that changed anything.
func (s *service) settle(team string, held []keys.Credential, f found) (changed bool) {
	i := slices.IndexFunc(held, func(c keys.Credential) bool { return c.ID == f.ID && c.Away != nil })
	switch {
	case i < 0:
		return false
	case f.err == nil:
		held[i] = f.Credential
		s.log.Info("a key was opened: its custody answers", "team", team, "key", f.ID)
		return true
	case keys.Outage(f.err) == keys.Outage(held[i].Away):
		return false
	}
	held[i].Away = f.err
	s.log.Error("a key cannot be opened", "team", team, "key", f.ID, "error", f.err)
	return true
}

// noKey says why no call can be made with any key, "" if one can.
func (s *service) noKey(now time.Time) string {
	var why []string
	for _, k := range s.ring.Status() {
		switch reason := k.Unusable(now); {
		case reason == "":
			return ""
		case k.State != keys.Pending && k.State != keys.Retired:
			why = append(why, "key "+k.ID+": "+reason)
		}
	}
	text := "no key of any team can be used"
	if n := len(why) - reasonsMost; n > 0 {
		why = append(why[:reasonsMost], fmt.Sprintf("and %d more", n))
	}
	if len(why) > 0 {
		text += ": " + strings.Join(why, ", ")
	}
	return text
}
