package gateway

import (
	"context"
	"net/url"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/transfer"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
	"google.golang.org/grpc"
)

// Uploads are the settings of files on their way.
type Uploads struct {
	uploads.Config
	Hosts []string      // that Apple's URLs may be on, beside the upstream's origin
	Idle  time.Duration // that an upload of tus stays open between two requests; 0: a minute
}

// openUploads makes the use case that uploads files.
func (g *Gateway) openUploads(d Deps, conn grpc.ClientConnInterface, s *secrets.Secrets) (*uploads.Service, error) {
	own, err := url.Parse(d.BaseURL)
	if err != nil {
		return nil, err
	}
	proxy, err := asc.CheckProxy(d.Proxy)
	if err != nil {
		return nil, err
	}
	g.parts = transfer.New(transfer.Config{Hosts: transfer.Hosts{Own: own, Suffixes: d.Uploads.Hosts}, Proxy: proxy})
	return uploads.New(d.Uploads.Config, uploads.Deps{Conn: conn, Transfer: g.parts, Sealing: sealing{s},
		Caller: func(ctx context.Context) (team, caller string) { return guard.Team(ctx), access.FromContext(ctx).ID },
		Note:   guard.Note}), nil
}

// sealing encrypts what callers keep for uploads.
type sealing struct{ *secrets.Secrets }

// Seal implements [uploads.Sealing].
func (s sealing) Seal(place string, data []byte) []byte {
	return s.Secrets.Seal(secrets.Uploads, place, data)
}

// Unseal implements [uploads.Sealing].
func (s sealing) Unseal(place string, sealed []byte) ([]byte, error) {
	return s.Secrets.Unseal(secrets.Uploads, place, sealed)
}
