package restrict

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/asc"
)

// SKUs asks Apple for the SKUs of apps. A list without one of them is no error: such
// an app is not there.
func (g *Guard) SKUs(ctx context.Context, team string, apps []string) (skus []string, err error) {
	l := g.owners.begin(team, apps)
	for some := range slices.Chunk(apps, asc.MaxFilterValues) {
		var doc struct {
			Data []struct{ Attributes struct{ SKU string } }
		}
		query := url.Values{"filter[id]": {strings.Join(some, ",")}, "fields[apps]": {"sku"}, "limit": {"200"}}
		if _, err := l.get(ctx, "/v1/apps", "", query.Encode(), &doc); err != nil {
			return nil, err
		}
		for _, app := range doc.Data {
			if app.Attributes.SKU != "" {
				skus = append(skus, app.Attributes.SKU)
			}
		}
	}
	return skus, nil
}
