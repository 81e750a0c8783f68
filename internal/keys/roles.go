package keys

import (
	"fmt"
	"slices"
	"strings"
)

// Role is one of Apple's roles, as they are given to keys.
type Role string

// The roles.
const (
	Admin           Role = "ADMIN"
	AppManager      Role = "APP_MANAGER"
	Developer       Role = "DEVELOPER"
	Marketing       Role = "MARKETING"
	CustomerSupport Role = "CUSTOMER_SUPPORT"
	Finance         Role = "FINANCE"
	Sales           Role = "SALES"
	AccessToReports Role = "ACCESS_TO_REPORTS"
)

// kind is a group of operations that a role either may do or not.
type kind uint8

const (
	other kind = iota
	provisioning
	salesReports
	financeReports
	people
	reviews
	analytics
)

// kinds are the first segments of paths; the rest is other. Source: Apple's
// table of role permissions, "Generating tokens for API requests" for what
// individual keys cannot do. No endpoint tells a key's role: what is declared
// in the configuration is believed.
var kinds = map[string]kind{
	"bundleIds": provisioning, "bundleIdCapabilities": provisioning, "certificates": provisioning, "devices": provisioning,
	"profiles": provisioning, "merchantIds": provisioning, "passTypeIds": provisioning,
	"salesReports": salesReports, "financeReports": financeReports,
	"users": people, "userInvitations": people,
	"customerReviews": reviews, "customerReviewResponses": reviews,
	"analyticsReportRequests":  analytics,
	"analyticsReports":         analytics,
	"analyticsReportInstances": analytics,
	"analyticsReportSegments":  analytics,
}

// mayDo says which roles may do which kind.
var mayDo = map[kind][]Role{
	other:          {Admin, AppManager, Developer, Marketing},
	provisioning:   {Admin, AppManager, Developer},
	salesReports:   {Admin, Finance, Sales, AccessToReports},
	financeReports: {Admin, Finance, AccessToReports},
	people:         {Admin},
	reviews:        {Admin, AppManager, CustomerSupport},
	analytics:      {Admin, AppManager, Finance, Sales, Marketing, AccessToReports},
}

// kindOf finds the kind of "/v1/profiles/{id}".
func kindOf(template string) kind {
	_, rest, _ := strings.Cut(strings.TrimPrefix(template, "/"), "/")
	segment, _, _ := strings.Cut(rest, "/")
	return kinds[segment]
}

// may says whether a key may do a kind of operation. Individual keys may do
// neither provisioning nor sales and finance, whatever their roles.
func (m *member) may(k kind) bool {
	if m.issuer == "" && (k == provisioning || k == salesReports || k == financeReports) {
		return false
	}
	if len(m.roles) == 0 {
		return true
	}
	allowed := mayDo[k]
	for _, r := range m.roles {
		if slices.Contains(allowed, r) {
			return true
		}
	}
	return false
}

// width is how many kinds roles may do: the narrower a key, the rather it is
// used.
func width(roles []Role) int {
	if len(roles) == 0 {
		return len(mayDo) + 1
	}
	n := 0
	for _, allowed := range mayDo {
		if slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(allowed, r) }) {
			n++
		}
	}
	return n
}

// ParseRoles reads role names.
func ParseRoles(names []string) (roles []Role, err error) {
	all := []Role{Admin, AppManager, Developer, Marketing, CustomerSupport, Finance, Sales, AccessToReports}
	for _, n := range names {
		if !slices.Contains(all, Role(n)) {
			return nil, fmt.Errorf("roles: %q is none of %v", n, all)
		}
		roles = append(roles, Role(n))
	}
	return roles, nil
}
