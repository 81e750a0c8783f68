package gateway

import (
	"context"
	"encoding/base64"
	"net/url"
	"slices"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/transfer"
	"github.com/asc-gateway/asc-gateway/internal/usecase/inprocess"
	"github.com/asc-gateway/asc-gateway/internal/usecase/reports"
)

// reportHosts are those that segments of analytics reports may be on, and all below
// them.
var reportHosts = []string{"apple.com", "icloud-content.com", "amazonaws.com"}

// openReports makes the use case that reads reports.
func (g *Gateway) openReports(d Deps) (*reports.Service, error) {
	own, err := url.Parse(d.BaseURL)
	if err != nil {
		return nil, err
	}
	proxy, err := asc.CheckProxy(d.Proxy)
	if err != nil {
		return nil, err
	}
	hosts := transfer.Hosts{Own: own, Suffixes: append(slices.Clone(reportHosts), d.Uploads.Hosts...)}
	g.files = transfer.New(transfer.Config{Hosts: hosts, Proxy: proxy})
	sealing := d.Secrets
	if sealing == nil {
		sealing = secrets.New()
	}
	return reports.New(reports.Deps{
		Conn:   inprocess.New(inner{g}, tracerOf(d)),
		Files:  g.files,
		Seals:  seals{sealing},
		Owners: owners{g},
	}), nil
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
