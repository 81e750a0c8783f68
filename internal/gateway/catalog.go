package gateway

import (
	"context"
	"sync"

	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	"github.com/asc-gateway/asc-gateway/internal/service"
)

// catalog is the service's catalog, made when somebody first asks it: it
// describes every method, which an idle gateway need not do.
type catalog struct {
	catalogv1.UnimplementedCatalogServiceServer
	made    func() *service.Catalog
	version func() *catalogv1.GetVersionResponse
}

// newCatalog takes the version of the program.
func newCatalog(e *service.Engine, version string) *catalog {
	return &catalog{
		made:    sync.OnceValue(func() *service.Catalog { return service.NewCatalog(e) }),
		version: sync.OnceValue(func() *catalogv1.GetVersionResponse { return service.Version(version) }),
	}
}

// GetVersion implements the RPC.
func (c *catalog) GetVersion(context.Context, *catalogv1.GetVersionRequest) (*catalogv1.GetVersionResponse, error) {
	return c.version(), nil
}

// ListResources implements the RPC.
func (c *catalog) ListResources(
	ctx context.Context,
	req *catalogv1.ListResourcesRequest,
) (*catalogv1.ListResourcesResponse, error) {
	return c.made().ListResources(ctx, req)
}

// GetResource implements the RPC.
func (c *catalog) GetResource(
	ctx context.Context,
	req *catalogv1.GetResourceRequest,
) (*catalogv1.GetResourceResponse, error) {
	return c.made().GetResource(ctx, req)
}

// SearchOperations implements the RPC.
func (c *catalog) SearchOperations(
	ctx context.Context,
	req *catalogv1.SearchOperationsRequest,
) (*catalogv1.SearchOperationsResponse, error) {
	return c.made().SearchOperations(ctx, req)
}
