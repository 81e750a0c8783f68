package command

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/cache"
	"github.com/asc-gateway/asc-gateway/internal/edge/conns"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/telemetry"
	"github.com/spf13/cobra"
)

// instruments are the values that the service tells; all: those of parts that
// are not configured too.
func (s *service) instruments(all bool) []telemetry.Instrument {
	list := slices.Concat(
		s.callInstruments(),
		s.quotaInstruments(),
		s.cacheInstruments(),
		s.keyInstruments(),
		s.roomInstruments(),
	)
	if s.audit != nil || all {
		list = append(list, s.auditInstruments()...)
	}
	if s.store != nil || all {
		list = append(list, s.storeInstruments()...)
	}
	if s.tls != nil || all {
		list = append(list, telemetry.Instrument{
			Name:  "ascgateway.tls.expiry",
			Unit:  "s",
			About: "When the server's certificate expires, Unix time",
			Observe: func(report telemetry.Report) {
				report(float64(s.tls.NotAfter().Unix()))
			},
		})
	}
	return list
}

func (s *service) callInstruments() []telemetry.Instrument {
	return []telemetry.Instrument{
		{
			Name:  "ascgateway.reads",
			Unit:  "{call}",
			About: "Calls let in that change nothing",
			Sum:   true,
			Observe: func(report telemetry.Report) {
				reads, _ := s.gateway.Guard.Counts()
				report(float64(reads))
			},
		},
		{
			Name:  "ascgateway.denials",
			Unit:  "{call}",
			About: "Calls that policy or app restriction refused, or would have in audit mode",
			Sum:   true,
			Observe: func(report telemetry.Report) {
				_, denied := s.gateway.Guard.Counts()
				report(float64(denied))
			},
		},
		{
			Name:  "ascgateway.drift",
			Unit:  "{thing}",
			About: "Attributes, values and types in Apple's answers that the protos do not know",
			Sum:   true,
			Observe: func(report telemetry.Report) {
				report(float64(s.gateway.Drifted()))
			},
		},
		{
			Name:  "ascgateway.clock.skew",
			Unit:  "s",
			About: "How far Apple's clock is ahead of this machine's",
			Observe: func(report telemetry.Report) {
				report(s.ring.Skew().Seconds())
			},
		},
	}
}

func (s *service) quotaInstruments() []telemetry.Instrument {
	return []telemetry.Instrument{
		{
			Name:    "ascgateway.quota.limit",
			Unit:    "{request}",
			Labels:  "team",
			About:   "Requests that Apple grants the keys of a team for an hour",
			Observe: s.observeQuota(func(q quota.State) float64 { return float64(q.Limit) }),
		},
		{
			Name:    "ascgateway.quota.used",
			Unit:    "{request}",
			Labels:  "team",
			About:   "Requests of the last hour, by us and by others",
			Observe: s.observeQuota(func(q quota.State) float64 { return float64(q.Used) }),
		},
		{
			Name:    "ascgateway.quota.foreign",
			Unit:    "{request}",
			Labels:  "team",
			About:   "Requests of the last hour that others made with the same keys",
			Observe: s.observeQuota(func(q quota.State) float64 { return float64(q.Foreign) }),
		},
		{
			Name:    "ascgateway.quota.waiting",
			Unit:    "{call}",
			Labels:  "team, class",
			About:   "Calls that wait for admission at this replica",
			Observe: s.observeWaiting,
		},
		{
			Name:  "ascgateway.quota.shared",
			Unit:  "{state}",
			About: "1 if the ledger of requests is shared by all replicas just now",
			Observe: func(report telemetry.Report) {
				if s.shared == nil || s.shared.Away() {
					report(0)
					return
				}
				report(1)
			},
		},
		{
			Name:  "ascgateway.quota.replicas",
			Unit:  "{replica}",
			About: "Replicas that share the keys, as last known",
			Observe: func(report telemetry.Report) {
				report(float64(s.quota.Replicas()))
			},
		},
	}
}

func (s *service) cacheInstruments() []telemetry.Instrument {
	return []telemetry.Instrument{
		{
			Name:   "ascgateway.cache.reads",
			Unit:   "{call}",
			Labels: "mode",
			About:  "Reads by where their answers came from: HIT, MISS (Apple) or COALESCED (an equal read)",
			Sum:    true,
			Observe: func(report telemetry.Report) {
				hits, misses, coalesced, _ := s.gateway.Engine.Cache.Counts()
				report(float64(hits), "mode", string(cache.Hit))
				report(float64(misses), "mode", string(cache.Miss))
				report(float64(coalesced), "mode", string(cache.Coalesced))
			},
		},
		{
			Name:  "ascgateway.cache.size",
			Unit:  "By",
			About: "Answers that are kept",
			Observe: func(report telemetry.Report) {
				_, _, _, bytes := s.gateway.Engine.Cache.Counts()
				report(float64(bytes))
			},
		},
	}
}

func (s *service) keyInstruments() []telemetry.Instrument {
	return []telemetry.Instrument{
		{
			Name:    "ascgateway.keys",
			Unit:    "{key}",
			Labels:  "team, state, condition",
			About:   "Signing keys by team, state and condition: ok, failing (does not sign) or refused (by Apple)",
			Observe: s.observeKeys,
		},
	}
}

func (s *service) auditInstruments() []telemetry.Instrument {
	return []telemetry.Instrument{
		{
			Name:  "ascgateway.audit.sequence",
			Unit:  "{record}",
			About: "Sequence number of the last audit record of this process: a log that ends before it has lost its tail",
			Observe: func(report telemetry.Report) {
				report(float64(s.audit.Last().Seq))
			},
		},
		{
			Name:  "ascgateway.audit.dropped",
			Unit:  "{record}",
			About: "Records of signings and reloads that found no room",
			Sum:   true,
			Observe: func(report telemetry.Report) {
				report(float64(s.audit.Dropped()))
			},
		},
		{
			Name:  "ascgateway.audit.up",
			Unit:  "{state}",
			About: "1 if the last write to the audit log succeeded",
			Observe: func(report telemetry.Report) {
				if s.audit.Healthy() != nil {
					report(0)
					return
				}
				report(1)
			},
		},
	}
}

func (s *service) storeInstruments() []telemetry.Instrument {
	return []telemetry.Instrument{
		{
			Name:   "ascgateway.operations",
			Unit:   "{operation}",
			Labels: "state",
			About:  "Operations in the store by state, of all replicas; absent while the store cannot be used",
			Observe: func(report telemetry.Report) {
				for state, n := range s.gateway.Jobs.Standing().Counts {
					report(float64(n), "state", state.String())
				}
			},
		},
		{
			Name:   "ascgateway.operation.runs",
			Unit:   "{run}",
			Labels: "kind, outcome",
			About:  "Runs of operations at this replica: waiting (another run follows), done, or the gRPC code of the error",
			Sum:    true,
			Observe: func(report telemetry.Report) {
				s.gateway.Jobs.Runs(func(kind, outcome string, n int64) {
					report(float64(n), "kind", kind, "outcome", outcome)
				})
			},
		},
		{
			Name:  "ascgateway.store.size",
			Unit:  "By",
			About: "Size of the store; absent while it cannot be used",
			Observe: func(report telemetry.Report) {
				if size := s.gateway.Jobs.Standing().Size; size > 0 {
					report(float64(size))
				}
			},
		},
		{
			Name:  "ascgateway.store.up",
			Unit:  "{state}",
			About: "1 if the store could be read and written at the last look, at most 15 s ago",
			Observe: func(report telemetry.Report) {
				if s.gateway.Jobs.Standing().Err != nil {
					report(0)
					return
				}
				report(1)
			},
		},
	}
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
	sums := map[[2]string]int{}
	for _, l := range s.quota.Waiting("") {
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

// metricsTable is docs/metrics.md.
func metricsTable() string {
	var b strings.Builder
	b.WriteString(`# Metrics

Made by ` + "`gateway metrics`" + `; a test holds it. Served on the ops port as Prometheus' text (` +
		"`/metrics`" + `, OpenMetrics with exemplars), and by OTLP where ` + "`OTEL_EXPORTER_OTLP_ENDPOINT`" + ` is set.
In Prometheus the dots are underscores, sums end in ` + "`_total`" + `, and units stand in the name.

| metric | unit | kind | attributes | what it tells |
| --- | --- | --- | --- | --- |
`)
	for _, i := range (&service{}).instruments(true) {
		kind := "gauge"
		if i.Sum {
			kind = "sum"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", i.Name, i.Unit, kind, i.Labels, i.About)
	}
	for _, x := range [][4]string{
		{"http.client.request.duration", "s", "http.request.method, http.response.status_code, " +
			"server.address, error.type", "Attempts at Apple"},
		{"http.server.request.duration", "s", "http.request.method, http.route, http.response.status_code",
			"Requests over REST and the passthrough"},
		{"rpc.server.call.duration", "s", "rpc.method, rpc.response.status_code", "Calls over gRPC"},
	} {
		fmt.Fprintf(&b, "| `%s` | `%s` | histogram | %s | %s |\n", x[0], x[1], x[2], x[3])
	}
	b.WriteString("\nBeside these there are those of the Go runtime and of the process (`go_*`, `process_*`).\n")
	return b.String()
}

func metricsCommand() *cobra.Command {
	return &cobra.Command{Use: "metrics", Short: "List the metrics that the gateway tells", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), metricsTable())
			return err
		}}
}

// roomInstruments tell of what is inside, and of what found no room.
func (s *service) roomInstruments() []telemetry.Instrument {
	classes := []overload.Class{overload.Calls, overload.Bodies, overload.Watches, overload.Probes, overload.Uploads}
	perFace := func(values func(conns.Counts, func(float64, string))) func(telemetry.Report) {
		return func(report telemetry.Report) {
			s.mu.Lock()
			faces := s.faces
			s.mu.Unlock()
			for face, l := range faces {
				values(l.Counts(), func(v float64, state string) { report(v, "face", face, "state", state) })
			}
		}
	}
	return []telemetry.Instrument{
		{
			Name:   "ascgateway.calls.active",
			Unit:   "{call}",
			Labels: "class",
			About:  "Calls, bodies that are read, watches and probes inside now",
			Observe: func(report telemetry.Report) {
				for _, c := range classes {
					inside, _ := s.limits.Counts(c)
					report(float64(inside), "class", c.String())
				}
			},
		},
		{
			Name:   "ascgateway.calls.shed",
			Unit:   "{call}",
			Labels: "class",
			About:  "Calls that there was no room for",
			Sum:    true,
			Observe: func(report telemetry.Report) {
				for _, c := range classes {
					_, shed := s.limits.Counts(c)
					report(float64(shed), "class", c.String())
				}
			},
		},
		{
			Name:   "ascgateway.connections",
			Unit:   "{connection}",
			Labels: "face, state",
			About:  "Connections by face and state: known or unknown (nobody was identified over it yet)",
			Observe: perFace(func(c conns.Counts, report func(float64, string)) {
				report(float64(c.Open-c.Unknown), "known")
				report(float64(c.Unknown), "unknown")
			}),
		},
		{Name: "ascgateway.connections.closed", Unit: "{connection}", Labels: "face, state", Sum: true,
			About: "Connections that were closed from here: refused (no room), replaced (by a new one) or " +
				"broken (for what they sent or did not read)",
			Observe: perFace(func(c conns.Counts, report func(float64, string)) {
				report(float64(c.Refused), "refused")
				report(float64(c.Replaced), "replaced")
				report(float64(c.Broken), "broken")
			})},
	}
}
