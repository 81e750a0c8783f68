package quota

import (
	"cmp"
	"context"
	"slices"
	"time"

	quotav1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/quota/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// How often a watch looks.
const (
	defaultInterval = 5 * time.Second
	minInterval     = time.Second
)

// Service implements ascgateway.quota.v1.QuotaService.
type Service struct {
	quotav1.UnimplementedQuotaServiceServer
	manager *Manager // nil: nothing is counted
	whose   Whose
}

// Whose says of admitted calls who may hear what.
type Whose struct {
	Team   func(context.Context) string
	Only   func(context.Context) string                        // the caller that hears of no waits but its own; "": of all
	Budget func(context.Context) (caller string, requests int) // the caller's budget; 0: none
}

// NewService tells a manager's states.
func NewService(m *Manager, whose Whose) *Service { return &Service{manager: m, whose: whose} }

// GetQuota implements the RPC.
func (s *Service) GetQuota(ctx context.Context, _ *quotav1.GetQuotaRequest) (*quotav1.GetQuotaResponse, error) {
	keys, lines, replicas, err := s.now(ctx)
	if err != nil {
		return nil, err
	}
	budget, err := s.budget(ctx)
	if err != nil {
		return nil, err
	}
	return &quotav1.GetQuotaResponse{Keys: keys, Lines: lines, Replicas: replicas, Budget: budget}, nil
}

// WatchQuota implements the RPC.
func (s *Service) WatchQuota(req *quotav1.WatchQuotaRequest, stream quotav1.QuotaService_WatchQuotaServer) error {
	interval := defaultInterval
	if d := req.GetInterval(); d != nil {
		if interval = d.AsDuration(); interval < minInterval {
			return fault.Invalid("interval", "must be at least %v", minInterval)
		}
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var last *quotav1.WatchQuotaResponse
	for {
		keys, lines, replicas, err := s.now(stream.Context())
		if err != nil {
			return err
		}
		budget, err := s.budget(stream.Context())
		if err != nil {
			return err
		}
		if next := (&quotav1.WatchQuotaResponse{Keys: keys, Lines: lines, Replicas: replicas, Budget: budget}); last == nil ||
			!proto.Equal(last, next) {
			if err := stream.Send(next); err != nil {
				return err
			}
			last = next
		}
		select {
		case <-stream.Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

// budget tells how the caller's stands, nil if it has none.
func (s *Service) budget(ctx context.Context) (*quotav1.Budget, error) {
	caller, hour := s.whose.Budget(ctx)
	if s.manager == nil || hour == 0 {
		return nil, nil
	}
	b, err := s.manager.Budget(ctx, s.whose.Team(ctx), caller, hour)
	if err != nil {
		return nil, err
	}
	return &quotav1.Budget{Limit: int32(b.Hour), Spent: int32(b.Spent), RoomIn: blocked(b.Room)}, nil
}

// now tells how the team of a call stands.
func (s *Service) now(
	ctx context.Context,
) (keys []*quotav1.KeyQuota, lines []*quotav1.Line, replicas int32, err error) {
	if s.manager == nil {
		return nil, nil, 1, nil
	}
	states, waiting, err := s.manager.Now(ctx, s.whose.Team(ctx))
	if err != nil {
		return nil, nil, 0, err
	}
	calls, only := 0, s.whose.Only(ctx)
	for _, w := range waiting {
		if only != "" && w.Caller != only {
			continue
		}
		calls += w.Calls
		lines = append(
			lines,
			&quotav1.Line{
				Caller:      w.Caller,
				Class:       w.Class.String(),
				Endpoint:    w.Endpoint.String(),
				Calls:       int32(w.Calls),
				LongestWait: durationpb.New(w.Longest.Truncate(time.Second)),
			},
		)
	}
	for _, k := range states {
		q := &quotav1.KeyQuota{
			KeyId:      k.KeyID,
			Limit:      int32(k.Limit),
			Used:       int32(k.Used),
			Foreign:    int32(k.Foreign),
			Waiting:    int32(calls),
			InFlight:   int32(k.InFlight),
			BlockedFor: blocked(k.BlockedFor),
		}
		for _, e := range k.Endpoints {
			q.Endpoints = append(
				q.Endpoints,
				&quotav1.EndpointQuota{
					Endpoint:   e.Endpoint.String(),
					Limit:      int32(e.Limit),
					Used:       int32(e.Used),
					BlockedFor: blocked(e.BlockedFor),
				},
			)
		}
		slices.SortFunc(
			q.Endpoints,
			func(a, b *quotav1.EndpointQuota) int { return cmp.Compare(a.GetEndpoint(), b.GetEndpoint()) },
		)
		keys = append(keys, q)
	}
	slices.SortFunc(keys, func(a, b *quotav1.KeyQuota) int { return cmp.Compare(a.GetKeyId(), b.GetKeyId()) })
	return keys, lines, int32(s.manager.Replicas()), nil
}

// blocked is a duration that is not zero, in whole seconds, at least one.
func blocked(d time.Duration) *durationpb.Duration {
	if d <= 0 {
		return nil
	}
	return durationpb.New(max(d.Round(time.Second), time.Second))
}
