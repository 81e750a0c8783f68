package gateway

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/internal/edge/web/status"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/service"
)

// Bounds of the status page: the rest is left out.
const (
	mostKeys    = 200
	mostCallers = 50
	mostWaiting = 100
)

// statusPage makes the page of the ops face.
func (g *Gateway) statusPage(ready Ready) *status.Page {
	look := func(ctx context.Context) status.Snapshot { return g.snapshot(ctx, ready) }
	check := func(r *http.Request) error { return door.CheckPage(r, g.Guard.Anonymous()) }
	return status.New(look, check, g.drained)
}

// snapshot is how the gateway stands, without ids of Apple's: a key is named by
// its place in the configuration.
func (g *Gateway) snapshot(ctx context.Context, ready Ready) status.Snapshot {
	ring := g.deps.Ring.Status()
	s := status.Snapshot{
		Version:  g.deps.Web.Version,
		Document: service.Document().GetVersion(),
		Drift:    g.Drifted(),
		Replicas: 1,
	}
	s.Reads, s.Denied = g.Guard.Counts()
	s.Cache.Hits, s.Cache.Misses, s.Cache.Coalesced, s.Cache.Bytes = g.Engine.Cache.Counts()
	if why := g.notReady(ready); why != "" {
		s.NotReady = reasons(why, ring)
	}
	if g.degraded != nil {
		s.Degraded = reasons(g.degraded(), ring)
	}
	g.addKeys(ctx, &s, ring)
	for _, c := range []overload.Class{overload.Calls, overload.Bodies, overload.Watches, overload.Probes, overload.Uploads} {
		inside, shed := g.deps.Limits.Counts(c)
		s.Rooms = append(s.Rooms, status.Room{Class: c.String(), Inside: inside, Shed: shed})
	}
	for _, c := range g.deps.Limits.Callers(overload.Calls, mostCallers) {
		s.Callers = append(s.Callers, status.Caller{Name: c.Caller, Calls: c.Calls})
	}
	s.Operations = g.operationsNow(ctx)
	now := time.Now()
	for _, r := range g.Guard.Refusals() {
		s.Refusals = append(
			s.Refusals,
			status.Refusal{Reason: r.Reason, Code: r.Code, Count: r.Count, Ago: now.Sub(r.Last).Truncate(time.Second)},
		)
	}
	return s
}

// ids are Apple's: of apps, and of nearly all else. Subjects are in words of the
// caller's, who may have named a thing by its id.
var ids = regexp.MustCompile(`\b(\d{9,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\b`)

// operationsNow are the operations, without ids: nil without a store.
func (g *Gateway) operationsNow(ctx context.Context) *status.Operations {
	if g.Jobs == nil {
		return nil
	}
	o := &status.Operations{}
	now, err := g.Jobs.Overview(ctx)
	if err != nil {
		o.Wrong = "The store cannot be asked: operations are not known."
		return o
	}
	word := func(s operationsv1.OperationStateEnum_OperationState) string { return s.String() }
	for _, state := range slices.Sorted(maps.Keys(now.Counts)) {
		o.Counts = append(o.Counts, status.Count{State: word(state), Count: now.Counts[state]})
	}
	for _, b := range now.Newest {
		o.Newest = append(o.Newest, status.Operation{
			Kind:     b.Kind,
			Subject:  ids.ReplaceAllString(b.Subject, "…"),
			State:    word(b.State),
			Awaiting: ids.ReplaceAllString(b.Awaiting, "…"),
			Age:      time.Since(b.Created),
		})
	}
	return o
}

// addKeys adds the keys with their hours, and who waits.
func (g *Gateway) addKeys(ctx context.Context, s *status.Snapshot, ring []keys.Status) {
	states := map[[2]string]quota.State{}
	waiting := map[string]int{}
	if g.deps.Quota != nil {
		s.Replicas = g.deps.Quota.Replicas()
		list, lines, err := g.deps.Quota.Now(ctx, "")
		if err != nil {
			s.KeysWrong = "The ledger of requests cannot be asked: the hours are not known."
		}
		for _, k := range list {
			states[[2]string{k.Team, k.KeyID}] = k
		}
		for _, l := range lines {
			waiting[l.Team] += l.Calls
			if len(s.Waiting) < mostWaiting {
				s.Waiting = append(
					s.Waiting,
					status.Waiting{
						Team:     l.Team,
						Caller:   l.Caller,
						Class:    l.Class.String(),
						Endpoint: l.Endpoint.String(),
						Calls:    l.Calls,
						Longest:  l.Longest.Truncate(time.Second),
					},
				)
			}
		}
	}
	for i, k := range ring[:min(len(ring), mostKeys)] {
		key := status.Key{
			Team:      k.Team,
			Place:     placeOf(ring, i),
			State:     string(k.State),
			Kind:      k.Kind + " key",
			Condition: condition(k),
		}
		if q, ok := states[[2]string{k.Team, k.ID}]; ok {
			key.Hour = &status.Hour{
				Limit:      q.Limit,
				Used:       q.Used,
				Foreign:    q.Foreign,
				InFlight:   q.InFlight,
				Reserved:   q.Limit / quota.ReserveShare,
				Waiting:    waiting[k.Team],
				BlockedFor: q.BlockedFor.Truncate(time.Second),
			}
		}
		s.Keys = append(s.Keys, key)
	}
}

// placeOf is the place of a key among those of its team, from 1.
func placeOf(ring []keys.Status, i int) int {
	first := slices.IndexFunc(ring, func(k keys.Status) bool { return k.Team == ring[i].Team })
	return i - first + 1
}

func condition(k keys.Status) string {
	switch {
	case k.Away:
		return "its custody does not answer"
	case k.Broken:
		return "refused by Apple"
	case k.Failing != nil:
		return "does not sign"
	}
	return "ok"
}

// reasons are the parts of a text of /readyz, with places for the ids of keys.
func reasons(text string, ring []keys.Status) (list []string) {
	if text == "" {
		return nil
	}
	order := make([]int, len(ring)) // the longest ids first: one may be a part of another
	for i := range ring {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(len(ring[b].ID), len(ring[a].ID)) })
	for _, i := range order {
		text = strings.ReplaceAll(text, ring[i].ID, strconv.Itoa(placeOf(ring, i))+" of "+ring[i].Team)
	}
	return strings.Split(text, "; ")
}
