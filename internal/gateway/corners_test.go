package gateway

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/sandbox"
)

func (s *shop) group(name string) string {
	s.t.Helper()
	g := s.call(201, "POST", "/v1/betaGroups", fmt.Sprintf(`{"name":%q,"app":{"id":%q}}`, name, trailMix))
	return g["betaGroup"].(map[string]any)["id"].(string)
}

// that have the build are not given it again.
func TestMoreGroupsThanAPage(t *testing.T) {
	s := newShop(t, sandbox.World{}, Deps{})
	s.upload(trailMix, "6.0", "1")
	var list []string
	for i := range 210 {
		list = append(list, fmt.Sprintf(`"many-%03d"`, i))
		s.group(fmt.Sprintf("many-%03d", i))
	}
	body := func(from, to int) string {
		return `{"app":"` + trailMix + `","version":"6.0","number":"1","createGroups":true,"waitFor":"WAIT_FOR_SUBMISSION",` +
			`"usesNonExemptEncryption":false,"groups":[` + strings.Join(list[from:to], ",") + `]}`
	}
	for _, part := range [][2]int{{0, 70}, {70, 140}, {140, 210}} {
		md, op := s.until(s.begin(body(part[0], part[1])), over)
		if op["error"] != nil || slices.Contains(names(md), "createGroup") {
			t.Fatalf("%v %v", names(md), op["error"])
		}
	}
	plan := s.call(200, "POST", distribute+"/plan", body(0, 70))["plan"].(map[string]any)
	if plan["changes"] != nil {
		t.Errorf("those that have it get it again: %v", plan)
	}
	_, op := s.until(s.begin(body(140, 210)), over)
	if got := len(op["response"].(map[string]any)["groups"].([]any)); got != 210 {
		t.Errorf("%d groups are told", got)
	}
}
