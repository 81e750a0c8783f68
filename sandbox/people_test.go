package sandbox

import (
	"testing"
	"time"
)

func TestInvitations(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	invite := func(email, more, rels string) (int, map[string]any) {
		status, _, doc := c.send(
			"POST",
			"/v1/userInvitations",
			resource("userInvitations", "", member("email", email)+`,"firstName":"N","lastName":"N"`+more, rels),
		)
		return status, doc
	}
	for _, x := range []struct {
		name, email, more string
		apps              []string
		status            int
	}{
		{"who is a user", "PERSON1@example.com", `,"roles":["DEVELOPER"]`, nil, 409},
		{"who is invited", "invited1@example.com", `,"roles":["DEVELOPER"]`, nil, 409},
		{"an account holder", "new@example.com", `,"roles":["ADMIN","ACCOUNT_HOLDER"]`, nil, 409},
		{"an admin of some apps", "new@example.com", `,"roles":["ADMIN"],"allAppsVisible":false`, []string{trailMix}, 409},
		{"for no app", "new@example.com", `,"roles":["DEVELOPER"],"allAppsVisible":false`, nil, 409},
		{"for an app", "new@example.com", `,"roles":["DEVELOPER"],"allAppsVisible":false`, []string{trailMix}, 201},
		{"who lets it lapse", "late@example.com", `,"roles":["DEVELOPER"]`, nil, 201},
	} {
		rels := ""
		if x.apps != nil {
			rels = many("visibleApps", "apps", x.apps...)
		}
		if status, doc := invite(x.email, x.more, rels); status != x.status {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
	ids := c.IDs("userInvitations")
	c.act(t, "userInvitations", ids[len(ids)-2], "accept")
	_, _, doc := c.send("GET", "/v1/users?filter[username]=new@example.com&include=visibleApps", "")
	if at(doc, "data", 0, "relationships", "visibleApps", "data", 0, "id") != trailMix {
		t.Errorf("the new user: %v", doc)
	}
	c.SetClock(invitationDays*24*time.Hour, 0)
	if status, _, _ := c.send("GET", "/v1/userInvitations/"+ids[len(ids)-1], ""); status != 404 {
		t.Errorf("after three days: %d", status)
	}
	if status, _, _ := c.send("DELETE", "/v1/users/"+c.IDs("users")[0], ""); status != 409 {
		t.Errorf("the account holder was removed: %d", status)
	}
}

func TestTheAccountHolderStays(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	ids := c.IDs("users")
	for _, x := range []struct {
		name, id, attributes string
		status               int
	}{
		{"a second holder", ids[1], `"roles":["ACCOUNT_HOLDER"]`, 409},
		{"no holder any more", ids[0], `"roles":["ADMIN"]`, 409},
		{"no roles", ids[0], `"roles":[]`, 409},
		{"a holder without another role", ids[0], `"roles":["ACCOUNT_HOLDER"]`, 200},
		{"a holder who may provision", ids[0], `"provisioningAllowed":true`, 200},
		{"other roles of another", ids[1], `"roles":["ADMIN","FINANCE"]`, 200},
	} {
		status, _, doc := c.send("PATCH", "/v1/users/"+x.id, resource("users", x.id, x.attributes, ""))
		if status != x.status {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
}

func TestAgreements(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for _, x := range []struct {
		do     string
		status int
	}{{"lapse", 403}, {"sign", 200}} {
		c.act(t, "agreements", "", x.do)
		status, _, doc := c.send("GET", "/v1/apps", "")
		if status != x.status ||
			status == 403 &&
				(code(doc) != "FORBIDDEN.REQUIRED_AGREEMENTS_MISSING_OR_EXPIRED" || at(doc, "errors", 0, "links", "see") == nil) {
			t.Errorf("%s: %d %v", x.do, status, doc)
		}
	}
}

func TestRolesOfKeys(t *testing.T) {
	for _, x := range []struct {
		role, method, path string
		allowed            bool
	}{
		{"", "GET", "/v1/users", true},
		{"ADMIN", "GET", "/v1/users", true},
		{"DEVELOPER", "GET", "/v1/users", false},
		{"DEVELOPER", "GET", "/v1/apps", true},
		{"DEVELOPER", "GET", "/v1/certificates", true},
		{"DEVELOPER", "POST", "/v1/certificates", false},
		{"DEVELOPER", "POST", "/v1/buildUploads", true},
		{"SALES", "GET", "/v1/financeReports", false},
		{"FINANCE", "GET", "/v1/financeReports", true},
		{"CUSTOMER_SUPPORT", "POST", "/v1/customerReviewResponses", true},
		{"CUSTOMER_SUPPORT", "POST", "/v1/appStoreVersions", false},
	} {
		c := newClient(t, World{})
		s := New(t, World{})
		if x.role != "" {
			s.RestrictKey(s.Key.ID, x.role)
		}
		token, err := s.Key.Token()
		if err != nil {
			t.Fatal(err)
		}
		c.Sandbox, c.bearer = s, token
		status, _, doc := c.send(x.method, x.path, map[bool]string{true: "{}", false: ""}[x.method == "POST"])
		if refused := status == 403 && code(doc) == "FORBIDDEN_ERROR"; refused == x.allowed {
			t.Errorf("%s %s by %q: %d %v", x.method, x.path, x.role, status, doc)
		}
	}
}
