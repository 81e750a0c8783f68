// Package reports reads Apple's reports as rows: a program against the gateway's own
// API, with the rights of who asked. It reads in constant memory, finds columns by
// their names, and keeps amounts as the exact decimals that they are.
package reports

import (
	"context"
	"io"
	"time"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"google.golang.org/grpc"
)

// Reasons.
const (
	ReasonNotReady     = "REPORT_NOT_READY"       // Apple has not published it yet
	ReasonExpired      = "REPORT_NO_LONGER_KEPT"  // Apple has deleted it
	ReasonChecksum     = "REPORT_CHECKSUM"        // a segment is not what Apple said it is
	ReasonNotRequested = "REPORT_NOT_REQUESTED"   // nobody asked Apple to write analytics reports of the app
	ReasonStopped      = "REPORT_REQUEST_STOPPED" // Apple stopped writing them: nobody read
	ReasonNoReport     = "REPORT_NOT_FOUND"       // the app has no analytics report of the name
	ReasonCorrected    = "REPORT_CORRECTED"       // what was read already has changed since
	ReasonResumeToken  = "INVALID_RESUME_TOKEN"   // of another request, or damaged
	ReasonNeedsAdmin   = "REPORT_NEEDS_ADMIN_KEY" // the key's role may not ask Apple for reports
	ReasonNoApps       = "REPORT_WITHOUT_APPS"    // rows that do not say whose they are, for a caller that is kept to apps
	ReasonNoDates      = "REPORT_WITHOUT_DATES"   // rows of an analytics report that cannot be replaced by date
)

// Files opens the files behind URLs that Apple's answers hold. The length is -1
// where it is not told.
type Files interface {
	Get(ctx context.Context, link string) (body io.ReadCloser, length int64, err error)
}

// Seals makes tokens that only the gateway can read.
type Seals interface {
	Seal(ctx context.Context, about string, data []byte) string
	Unseal(ctx context.Context, about, token string) ([]byte, error)
}

// Deps of a service.
type Deps struct {
	Conn   grpc.ClientConnInterface // by which it calls the gateway
	Files  Files
	Seals  Seals
	Owners Owners           // nil: nobody is kept to apps
	Now    func() time.Time // nil: the clock
}

// Service implements ascgateway.reports.v1.ReportService.
type Service struct {
	reportsv1.UnimplementedReportServiceServer
	Deps
}

// New makes the service.
func New(d Deps) *Service {
	if d.Now == nil {
		d.Now = time.Now
	}
	return &Service{Deps: d}
}
