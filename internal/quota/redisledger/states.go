package redisledger

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/quota"
)

// resourceForm is that of the first word of Apple's paths.
var resourceForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// States implements [quota.Ledger]. Only keys that were used here are told, which
// are of configured teams.
func (s *shared) States(ctx context.Context, team string) (list []quota.State, err error) {
	s.mu.Lock()
	type key struct{ team, id string }
	var keys []key
	for t, ids := range s.used {
		for id := range ids {
			if team == "" || t == team {
				keys = append(keys, key{t, id})
			}
		}
	}
	s.mu.Unlock()
	for _, k := range keys {
		st, err := s.stateOf(ctx, k.team, k.id)
		if err != nil {
			return nil, err
		}
		list = append(list, st)
	}
	return list, nil
}

// Budget implements [quota.Ledger].
func (s *shared) Budget(ctx context.Context, team, caller string, hour int) (quota.Budget, error) {
	res, err := s.run(ctx, s.budget, []string{s.purse(team, caller)}, hour)
	if err != nil {
		return quota.Budget{}, err
	}
	n, ok := number(res, 0, usedMost)
	if !ok || len(res) < 2 {
		return quota.Budget{}, errNonsense
	}
	return quota.Budget{Hour: hour, Spent: int(n), Room: s.span(res, 1)}, nil
}

// stateOf reads the state of a key, then the minute of each of its endpoints.
func (s *shared) stateOf(ctx context.Context, team, id string) (st quota.State, err error) {
	res, err := s.run(ctx, s.state, s.names(nil, team, id, quota.Endpoint{}), "")
	if err != nil {
		return st, err
	}
	balance, err := s.balance(res, 0)
	if err != nil || len(res) < 6 {
		return st, errNonsense
	}
	foreign, _ := number(res, 2, usedMost)
	flight, _ := number(res, 3, usedMost)
	st = quota.State{
		Team:       team,
		KeyID:      id,
		Balance:    balance,
		Foreign:    int(foreign),
		InFlight:   int(flight),
		BlockedFor: s.span(res, 4),
	}
	for i := 6; i+2 < len(res) && i < 6+3*endpointsMost; i += 3 {
		name, _ := res[i].(string)
		verb, resource, _ := strings.Cut(name, " ")
		if !slices.Contains([]string{"GET", "POST", "PATCH", "DELETE"}, verb) || !resourceForm.MatchString(resource) {
			continue // no gateway wrote it
		}
		at := quota.Endpoint{Verb: verb, Resource: resource}
		minute, err := s.run(ctx, s.state, s.names(nil, team, id, at), at.String())
		if err != nil {
			return st, err
		}
		limit, _ := number(res, i+1, int64(s.limitMost()))
		used, _ := number(minute, 5, usedMost)
		st.Endpoints = append(st.Endpoints, quota.EndpointState{
			Endpoint:   at,
			Balance:    quota.Balance{Limit: int(limit), Used: int(used)},
			BlockedFor: s.span(res, i+2),
		})
	}
	return st, nil
}
