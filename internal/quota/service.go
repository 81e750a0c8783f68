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
	team    func(context.Context) string
}

// NewService tells a manager's states. team tells the team of an admitted call.
func NewService(m *Manager, team func(context.Context) string) *Service {
	return &Service{manager: m, team: team}
}

// GetQuota implements the RPC.
func (s *Service) GetQuota(ctx context.Context, _ *quotav1.GetQuotaRequest) (*quotav1.GetQuotaResponse, error) {
	return &quotav1.GetQuotaResponse{Keys: s.keys(s.team(ctx))}, nil
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
		if next := (&quotav1.WatchQuotaResponse{Keys: s.keys(s.team(stream.Context()))}); last == nil || !proto.Equal(last, next) {
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

func (s *Service) keys(team string) (list []*quotav1.KeyQuota) {
	if s.manager == nil {
		return nil
	}
	for _, k := range s.manager.States() {
		if k.Team != team {
			continue
		}
		q := &quotav1.KeyQuota{KeyId: k.KeyID, Limit: int32(k.Limit), Used: int32(k.Used), Foreign: int32(k.Foreign), Waiting: int32(k.Waiting), InFlight: int32(k.InFlight)}
		if k.BlockedFor > 0 {
			q.BlockedFor = durationpb.New(k.BlockedFor)
		}
		list = append(list, q)
	}
	slices.SortFunc(list, func(a, b *quotav1.KeyQuota) int { return cmp.Compare(a.GetKeyId(), b.GetKeyId()) })
	return list
}
