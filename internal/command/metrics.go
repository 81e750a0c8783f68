package command

import (
	"context"

	"github.com/asc-gateway/asc-gateway/internal/cache"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/telemetry"
)

// instruments are the values that the service tells.
func (s *service) instruments() []telemetry.Instrument {
	list := []telemetry.Instrument{
		{Name: "ascgateway.reads", Unit: "{call}", About: "Calls let in that change nothing", Sum: true, Observe: func(report telemetry.Report) {
			reads, _ := s.gateway.Guard.Counts()
			report(float64(reads))
		}},
		{Name: "ascgateway.denials", Unit: "{call}", About: "Calls that policy or app restriction refused, or would have in audit mode", Sum: true, Observe: func(report telemetry.Report) {
			_, denied := s.gateway.Guard.Counts()
			report(float64(denied))
		}},
		{Name: "ascgateway.drift", Unit: "{thing}", About: "Attributes, values and types in Apple's answers that the protos do not know", Sum: true, Observe: func(report telemetry.Report) {
			report(float64(s.gateway.Drifted()))
		}},
		{Name: "ascgateway.clock.skew", Unit: "s", About: "How far Apple's clock is ahead of this machine's", Observe: func(report telemetry.Report) {
			report(s.ring.Skew().Seconds())
		}},
		{Name: "ascgateway.quota.limit", Unit: "{request}", About: "Requests that Apple grants the keys of a team for an hour", Observe: s.observeQuota(func(q quota.State) float64 { return float64(q.Limit) })},
		{Name: "ascgateway.quota.used", Unit: "{request}", About: "Requests of the last hour, by us and by others", Observe: s.observeQuota(func(q quota.State) float64 { return float64(q.Used) })},
		{Name: "ascgateway.quota.foreign", Unit: "{request}", About: "Requests of the last hour that others made with the same keys", Observe: s.observeQuota(func(q quota.State) float64 { return float64(q.Foreign) })},
		{Name: "ascgateway.quota.waiting", Unit: "{call}", About: "Calls that wait for admission at this replica", Observe: s.observeWaiting},
		{Name: "ascgateway.quota.shared", Unit: "{state}", About: "1 if the ledger of requests is shared by all replicas just now", Observe: func(report telemetry.Report) {
			if s.shared == nil || s.shared.Away() {
				report(0)
				return
			}
			report(1)
		}},
		{Name: "ascgateway.quota.replicas", Unit: "{replica}", About: "Replicas that share the keys, as last known", Observe: func(report telemetry.Report) {
			report(float64(s.quota.Replicas()))
		}},
		{Name: "ascgateway.cache.reads", Unit: "{call}", About: "Reads by where their answers came from: HIT, MISS (Apple) or COALESCED (an equal read)", Sum: true, Observe: func(report telemetry.Report) {
			hits, misses, coalesced, _ := s.gateway.Engine.Cache.Counts()
			report(float64(hits), "mode", string(cache.Hit))
			report(float64(misses), "mode", string(cache.Miss))
			report(float64(coalesced), "mode", string(cache.Coalesced))
		}},
		{Name: "ascgateway.cache.size", Unit: "By", About: "Answers that are kept", Observe: func(report telemetry.Report) {
			_, _, _, bytes := s.gateway.Engine.Cache.Counts()
			report(float64(bytes))
		}},
		{Name: "ascgateway.keys", Unit: "{key}", About: "Signing keys by team, state and condition: ok, failing (does not sign) or refused (by Apple)", Observe: s.observeKeys},
	}
	if s.audit != nil {
		list = append(list,
			telemetry.Instrument{Name: "ascgateway.audit.sequence", Unit: "{record}", About: "Sequence number of the last audit record of this process: a log that ends before it has lost its tail", Observe: func(report telemetry.Report) {
				report(float64(s.audit.Last().Seq))
			}},
			telemetry.Instrument{Name: "ascgateway.audit.dropped", Unit: "{record}", About: "Records of denials and signings that found no room", Sum: true, Observe: func(report telemetry.Report) {
				report(float64(s.audit.Dropped()))
			}},
			telemetry.Instrument{Name: "ascgateway.audit.up", Unit: "{state}", About: "1 if the last write to the audit log succeeded", Observe: func(report telemetry.Report) {
				if s.audit.Healthy() != nil {
					report(0)
					return
				}
				report(1)
			}})
	}
	if s.tls != nil {
		list = append(list, telemetry.Instrument{Name: "ascgateway.tls.expiry", Unit: "s", About: "When the server's certificate expires, Unix time", Observe: func(report telemetry.Report) {
			report(float64(s.tls.NotAfter().Unix()))
		}})
	}
	return list
}

// observeQuota sums a value over the keys of each team.
func (s *service) observeQuota(value func(quota.State) float64) func(telemetry.Report) {
	return func(report telemetry.Report) {
		keys, _, err := s.quota.Now(context.Background(), "")
		if err != nil {
			return // a gap says more than a wrong value
		}
		sums := map[string]float64{}
		for _, k := range keys {
			sums[k.Team] += value(k)
		}
		for team, v := range sums {
			report(v, "team", team)
		}
	}
}

func (s *service) observeWaiting(report telemetry.Report) {
	_, lines, err := s.quota.Now(context.Background(), "")
	if err != nil {
		return
	}
	sums := map[[2]string]int{}
	for _, l := range lines {
		sums[[2]string{l.Team, l.Class.String()}] += l.Calls
	}
	for k, n := range sums {
		report(float64(n), "team", k[0], "class", k[1])
	}
}

func (s *service) observeKeys(report telemetry.Report) {
	counts := map[[3]string]int{}
	for _, k := range s.ring.Status() {
		condition := "ok"
		switch {
		case k.Broken:
			condition = "refused"
		case k.Failing != nil:
			condition = "failing"
		}
		counts[[3]string{k.Team, string(k.State), condition}]++
	}
	for c, n := range counts {
		report(float64(n), "team", c[0], "state", c[1], "condition", c[2])
	}
}
