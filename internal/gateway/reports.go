package gateway

import (
	"context"
	"encoding/base64"
	"net/url"
	"slices"

	filesv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/asc-gateway/asc-gateway/internal/transfer"
	"github.com/asc-gateway/asc-gateway/internal/usecase/files"
	"github.com/asc-gateway/asc-gateway/internal/usecase/inprocess"
	"github.com/asc-gateway/asc-gateway/internal/usecase/reports"
	"google.golang.org/grpc"
)

// fileHosts are those that files of Apple's may be on, and all below them: segments
// of analytics reports, artifacts of Xcode Cloud, and images.
var fileHosts = []string{"apple.com", "icloud-content.com", "amazonaws.com", "mzstatic.com"}

// openTransfer makes the client that reads the files of Apple's.
func (g *Gateway) openTransfer(d Deps) error {
	own, err := url.Parse(d.BaseURL)
	if err != nil {
		return err
	}
	proxy, err := asc.CheckProxy(d.Proxy)
	if err != nil {
		return err
	}
	hosts := transfer.Hosts{Own: own, Suffixes: append(slices.Clone(fileHosts), d.Uploads.Hosts...)}
	g.files = transfer.New(transfer.Config{Hosts: hosts, Proxy: proxy})
	return nil
}

// fileService serves the files of Apple's.
type fileService struct {
	*service.Files
	fields *files.Service
}

// DownloadFile implements the RPC.
func (s fileService) DownloadFile(
	req *filesv1.DownloadFileRequest, stream grpc.ServerStreamingServer[filesv1.DownloadFileResponse],
) error {
	return s.fields.DownloadFile(req, stream)
}

// openFiles makes the service of files.
func (g *Gateway) openFiles(d Deps) *fileService {
	fields := files.New(files.Deps{Conn: inprocess.New(inner{g}, tracerOf(d)), Opener: g.files})
	team := func(ctx context.Context) (string, error) { return guard.Team(ctx), nil }
	return &fileService{service.NewFiles(g.Engine, team), fields}
}

// openReports makes the use case that reads reports.
func (g *Gateway) openReports(d Deps) *reports.Service {
	return reports.New(reports.Deps{
		Conn:   inprocess.New(inner{g}, tracerOf(d)),
		Files:  g.files,
		Seals:  seals{d.Secrets},
		Owners: owners{g},
	})
}

// owners keeps rows of reports to the apps of their caller.
type owners struct{ g *Gateway }

// Kept implements [reports.Owners].
func (o owners) Kept(ctx context.Context) (context.Context, []string) { return guard.Rows(ctx) }

// SKUs implements [reports.Owners].
func (o owners) SKUs(ctx context.Context) ([]string, error) { return o.g.Guard.SKUs(ctx) }

// seals makes resume tokens, each for one caller, team and method.
type seals struct{ secrets *secrets.Secrets }

// Seal implements [reports.Seals].
func (s seals) Seal(ctx context.Context, about string, data []byte) string {
	return base64.RawURLEncoding.EncodeToString(s.secrets.Seal(secrets.ResumeTokens, tokenPlace(ctx, about), data))
}

// Unseal implements [reports.Seals].
func (s seals) Unseal(ctx context.Context, about, token string) ([]byte, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, err
	}
	return s.secrets.Unseal(secrets.ResumeTokens, tokenPlace(ctx, about), sealed)
}

func tokenPlace(ctx context.Context, about string) string {
	who := ""
	if p := access.FromContext(ctx); p != nil {
		who = p.ID
	}
	return who + "\x00" + guard.Team(ctx) + "\x00" + guard.Method(ctx) + "\x00" + about
}
