package sandbox

import (
	"net/http"
	"slices"
	"strings"
)

// permission is which roles of a key reach resource types; ADMIN and
// ACCOUNT_HOLDER reach all. Apple: role permissions.
type permission struct {
	types       []string // the beginning of their names
	read, write string   // roles, parted by blanks
}

// anyone are the roles that may read what is no secret of the team.
const anyone = "APP_MANAGER DEVELOPER MARKETING SALES FINANCE CUSTOMER_SUPPORT ACCESS_TO_REPORTS"

// permissions by type; the first row that fits counts.
var permissions = []permission{
	{[]string{"users", "userInvitations", "actors"}, "", ""},
	{[]string{"financeReports"}, "FINANCE", ""},
	{[]string{"salesReports"}, "FINANCE SALES ACCESS_TO_REPORTS", ""},
	{[]string{"analyticsReport"}, "FINANCE SALES ACCESS_TO_REPORTS MARKETING APP_MANAGER", ""},
	{
		[]string{"certificates", "profiles", "devices", "bundleId", "passTypeIds", "merchantIds"},
		"APP_MANAGER DEVELOPER",
		"APP_MANAGER",
	},
	{
		[]string{"buildUpload", "builds", "ci", "scm", "beta", "preReleaseVersions", "buildBeta"},
		"APP_MANAGER DEVELOPER MARKETING",
		"APP_MANAGER DEVELOPER",
	},
	{[]string{"customerReview"}, "APP_MANAGER CUSTOMER_SUPPORT MARKETING", "APP_MANAGER CUSTOMER_SUPPORT"},
	{[]string{"subscription", "inAppPurchase", "appPrice", "appAvailabilit"}, "APP_MANAGER FINANCE", "APP_MANAGER"},
	{[]string{""}, anyone, "APP_MANAGER MARKETING"},
}

// forbids refuses what the roles of a key do not reach. A key without roles
// reaches everything.
func (k *key) forbids(op *factOp) *apiError {
	if len(k.roles) == 0 || slices.Contains(k.roles, "ADMIN") || slices.Contains(k.roles, "ACCOUNT_HOLDER") {
		return nil
	}
	for _, p := range permissions {
		if !slices.ContainsFunc(p.types, func(start string) bool { return strings.HasPrefix(op.root(), start) }) {
			continue
		}
		may := p.write
		if op.Method == http.MethodGet {
			may = p.read
		}
		if slices.ContainsFunc(k.roles, func(role string) bool { return slices.Contains(strings.Fields(may), role) }) {
			return nil
		}
		break
	}
	return forbidden("The API key in use does not allow this request")
}

// RestrictKey gives a key roles, as Apple names them (APP_MANAGER, DEVELOPER …);
// with none it reaches everything, as at first.
func (s *Sandbox) RestrictKey(kid string, roles ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.keys[kid]; k != nil {
		k.roles = roles
	}
}
