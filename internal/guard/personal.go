package guard

import (
	"context"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"google.golang.org/protobuf/proto"
)

// Methods of reports of sales, whose files tell of every app.
const (
	salesMethod      = "/asc.reporting.v1.SalesReportsService/ListSalesReports"
	financeMethod    = "/asc.reporting.v1.FinanceReportsService/ListFinanceReports"
	salesRowsMethod  = "/ascgateway.reports.v1.ReportService/StreamSalesReport"
	subscriberMethod = "/ascgateway.reports.v1.ReportService/StreamSubscriberReport"
)

// countingReports are the sales reports whose lines count: what is not among them
// tells of single people, as SUBSCRIBER and NEWSSTAND do, or is not known yet.
var countingReports = map[string]bool{
	"SALES": true, "PRE_ORDER": true, "SUBSCRIPTION": true, "SUBSCRIPTION_EVENT": true,
	"SUBSCRIPTION_OFFER_CODE_REDEMPTION": true, "WIN_BACK_ELIGIBILITY": true, "INSTALLS": true, "FIRST_ANNUAL": true,
}

// rightOf is the method that policy decides a request by: a report that tells of
// single people is decided as StreamSubscriberReport, whatever method asks for it.
func rightOf(m *access.Method, req proto.Message) string {
	if mayBePersonal(m.FullName) && personal(req) {
		return subscriberMethod
	}
	return m.FullName
}

func mayBePersonal(method string) bool { return method == salesMethod || method == salesRowsMethod }

// personal says that a request may ask for a report that tells of single people.
func personal(req proto.Message) bool {
	if req == nil {
		return true
	}
	m := req.ProtoReflect()
	fields := m.Descriptor().Fields()
	if fd := fields.ByName("report_type"); fd != nil {
		reportType := m.Get(fd).String()
		return reportType != "" && !countingReports[reportType]
	}
	if m.Has(fields.ByName("extra_query")) { // it may add a type
		return true
	}
	filter := m.Get(fields.ByName("filter")).Message()
	fd := filter.Descriptor().Fields().ByName("report_type")
	types := filter.Get(fd).List()
	for i := range types.Len() {
		value := fd.Enum().Values().ByNumber(types.Get(i).Enum())
		if value == nil || !countingReports[string(value.Name())] {
			return true
		}
	}
	return types.Len() == 0
}

// before decides about a call whose request is not known yet: [Guard.Enter] decides
// again.
func before(p *policy.Policy, who *access.Principal, method, team string) policy.Decision {
	d := p.Decide(who, method, team)
	if !d.Allowed && mayBePersonal(method) {
		if other := p.Decide(who, subscriberMethod, team); other.Allowed {
			return other
		}
	}
	return d
}

type rowsKey struct{}

// Rows tells a use case that leaves out the rows of other apps itself which apps the
// caller of its call is kept to: nil if to none, or if it may read what belongs to
// the organisation. With the context, files that tell of every app can be read.
func Rows(ctx context.Context) (inner context.Context, apps []string) {
	d := Decision(ctx)
	if !d.Restricted || d.Org || d.Audit {
		return ctx, nil
	}
	return context.WithValue(ctx, rowsKey{}, true), d.Apps
}

// picked says that a use case leaves out rows of what a method reads.
func picked(ctx context.Context, method string) bool {
	return ctx.Value(rowsKey{}) != nil && (method == salesMethod || method == financeMethod)
}

// SKUs are those of the apps that the caller of an admitted call is kept to. Apple
// tells by them which app an in-app purchase was sold in.
func (g *Guard) SKUs(ctx context.Context) ([]string, error) {
	r, err := g.restrict()
	if err != nil {
		return nil, err
	}
	return r.SKUs(ctx, Team(ctx), Decision(ctx).Apps)
}
