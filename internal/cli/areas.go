package cli

// The methods that can be called: their descriptors register themselves.
import (
	_ "github.com/asc-gateway/asc-gateway/gen/asc/appclips/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/commerce/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/distribution/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/gamecenter/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/provisioning/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/users/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/webhooks/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/xcodecloud/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/ascgateway/quota/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/ascgateway/tokens/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/ascgateway/workflows/v1"
)
