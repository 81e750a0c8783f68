package service

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

func anyMethod(*Method) bool { return true }

func index(t testing.TB) *searchIndex {
	t.Helper()
	e, _ := engine(t)
	return newSearchIndex(e.Methods())
}

// TestSearch: what a person would type, and the operation that is meant.
func TestSearch(t *testing.T) {
	x := index(t)
	for query, want := range map[string]string{
		"tester invite":                "betaTesterInvitations_createInstance",
		"invite tester":                "betaTesterInvitations_createInstance",
		"Testers, invitation":          "betaTesterInvitations_createInstance",
		"inviting testers":             "betaTesterInvitations_createInstance",
		"upload screenshot":            "appScreenshots_createInstance",
		"screenshots upload":           "appScreenshots_createInstance",
		"price schedule app":           "appPriceSchedules_createInstance",
		"app price schedules":          "appPriceSchedules_createInstance",
		"beta groups":                  "betaGroups_getCollection",
		"group beta":                   "betaGroups_getCollection",
		"betaGroups":                   "betaGroups_getCollection",
		"betagroups":                   "betaGroups_getCollection",
		"TestFlight builds":            "builds_getCollection",
		"list apps":                    "apps_getCollection",
		"get an app":                   "apps_getInstance",
		"submit review":                "reviewSubmissions_createInstance",
		"revoke certificate":           "certificates_deleteInstance",
		"register a device":            "devices_createInstance",
		"udid":                         "devices_createInstance",
		"download the sales report":    "salesReports_getCollection",
		"set the build of a version":   "appStoreVersions_build_updateToOneRelationship",
		"respond to customer review":   "customerReviewResponses_createInstance",
		"create in-app purchase":       "inAppPurchasesV2_createInstance",
		"/v1/apps/{id}/builds":         "apps_builds_getToManyRelated",
		"GET /v1/apps/{id}/builds":     "apps_builds_getToManyRelated",
		"POST /v1/bundleIds":           "bundleIds_createInstance",
		"ListBuilds":                   "builds_getCollection",
		"betaGroups_getCollection":     "betaGroups_getCollection",
		"BuildsService/ListBuilds":     "builds_getCollection",
		"asc.users.v1.ListUsers users": "users_getCollection",
	} {
		list, unknown := x.find(query, anyMethod)
		if len(list) == 0 || len(unknown) > 0 || list[0].Options.GetOperationId() != want {
			var got []string
			for _, m := range list[:min(5, len(list))] {
				got = append(got, m.Options.GetOperationId())
			}
			t.Errorf("%q: %v first of %d (unknown %v), want %s", query, got, len(list), unknown, want)
		}
	}
}

// TestEveryWordMustBeFound, in any order; a word that nothing has is named.
func TestEveryWordMustBeFound(t *testing.T) {
	x := index(t)
	list, unknown := x.find("beta frobnicate group", anyMethod)
	if len(list) > 0 || !slices.Equal(unknown, []string{"frobnicate"}) {
		t.Errorf("%d, unknown %v", len(list), unknown)
	}
	one, _ := x.find("beta groups build", anyMethod)
	other, _ := x.find("build GROUP beta", anyMethod)
	if len(one) == 0 || !slices.Equal(one, other) {
		t.Errorf("%d and %d operations", len(one), len(other))
	}
	users := func(m *Method) bool { return m.Area() == "users" }
	if list, unknown := x.find("leaderboards", users); len(list) > 0 || len(unknown) != 1 {
		t.Errorf("%d, unknown %v", len(list), unknown)
	}
}

// TestEveryOperationIsFoundByItsNames: by its path, its id and its RPC.
func TestEveryOperationIsFoundByItsNames(t *testing.T) {
	x := index(t)
	for i, m := range x.methods {
		if i%7 != 0 && !strings.Contains(m.Template, "/v2/") { // some of them: the others are alike
			continue
		}
		for _, query := range []string{m.Verb + " " + m.Template, m.Options.GetOperationId(), strings.TrimPrefix(m.FullName, "/")} {
			if list, _ := x.find(query, anyMethod); len(list) == 0 || list[0] != m {
				t.Errorf("%s is not the first for %q", m.FullName, query)
			}
		}
	}
}

// TestSearchPages: the pages of a search together are what one page holds.
func TestSearchPages(t *testing.T) {
	e, _ := engine(t)
	c := NewCatalog(e)
	for _, query := range []string{"", "app", "beta group"} {
		var all []string
		req := &catalogv1.SearchOperationsRequest{Query: query, PageSize: 7}
		for {
			res, err := c.SearchOperations(t.Context(), req)
			if err != nil || len(res.GetOperations()) > int(req.GetPageSize()) {
				t.Fatalf("%d operations, %v", len(res.GetOperations()), err)
			}
			for _, o := range res.GetOperations() {
				all = append(all, o.GetRpc())
			}
			if res.GetNextPageToken() == "" {
				if len(all) != int(res.GetTotalSize()) {
					t.Errorf("%q: %d of %d", query, len(all), res.GetTotalSize())
				}
				break
			}
			req.PageToken = res.GetNextPageToken()
			req.PageSize = 400 - req.PageSize // the size may change
		}
		slices.Sort(all)
		if n := len(all); len(slices.Compact(all)) != n || query == "" && n != len(e.Methods()) {
			t.Errorf("%q: %d operations", query, n)
		}
	}
	for name, req := range map[string]*catalogv1.SearchOperationsRequest{
		"a token of another search": {Query: "x", PageToken: searchToken(&catalogv1.SearchOperationsRequest{Query: "y"}, 7)},
		"no token":                  {PageToken: "x"},
		"a size below 0":            {PageSize: -1},
		"a long query":              {Query: strings.Repeat("x", maxSearchBytes+1)},
	} {
		if _, err := c.SearchOperations(t.Context(), req); fault.As(err).Kind != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if res, err := c.SearchOperations(t.Context(), &catalogv1.SearchOperationsRequest{PageSize: 1 << 30}); err != nil || len(res.GetOperations()) != maxFound {
		t.Errorf("%d operations, %v", len(res.GetOperations()), err)
	}
}

// TestTheIndexIsSmall: what it holds, and how long a search takes at worst.
func TestTheIndexIsSmall(t *testing.T) {
	e, _ := engine(t)
	newSearchIndex(e.Methods()) // reads options, which stay
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begun := time.Now()
	x := newSearchIndex(e.Methods())
	made := time.Since(begun)
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d terms, %d KiB, made in %v", len(x.terms), held>>10, made)
	if held > 4<<20 {
		t.Errorf("the index holds %d bytes", held)
	}
	worst := time.Duration(0)
	for _, query := range []string{"app", strings.Repeat("a ", 128), "abcdefghijklmnopqrstuvwxyz", "app sto ver loc scr set bet gro tes inv pri poi sch ter cur rev sub ite bui", strings.Repeat("aA", 128)} {
		begun := time.Now()
		x.find(query, anyMethod)
		worst = max(worst, time.Since(begun))
	}
	t.Logf("the longest search took %v", worst)
	if worst > time.Second {
		t.Errorf("a search took %v", worst)
	}
	runtime.KeepAlive(x)
}

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"inAppPurchases": "in app purchases", "/v1/apps/{id}": "v1 apps id", "URLScheme": "url scheme", "betaGroups_getCollection": "beta groups get collection",
		"": "", "ÄpfelBirnen": "äpfel birnen", "filter[app.id]": "filter app id", "a": "a",
	} {
		if got := strings.Join(words(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for word, want := range map[string]string{"invitations": "invit", "invite": "invit", "inviting": "invit", "categories": "category", "statuses": "status", "status": "status",
		"access": "access", "prices": "price", "ids": "id", "app": "app", "is": "is", "localizations": "localiz", "keys": "key", "builds": "build"} {
		if got := stem(word); got != want && singular(word) != want {
			t.Errorf("%s: %s", word, got)
		}
	}
}

func FuzzSearch(f *testing.F) {
	for _, query := range []string{"tester invite", "/v1/apps/{id}/builds", "", "\x00\xff", "aAaA", "ﬁ ſ İ", "in the of"} {
		f.Add(query)
	}
	x := index(f)
	f.Fuzz(func(t *testing.T, query string) {
		if len(query) > maxSearchBytes {
			return
		}
		list, unknown := x.find(query, anyMethod)
		if len(list) > 0 && len(unknown) > 0 || len(list) > len(x.methods) {
			t.Errorf("%d operations, unknown %q", len(list), unknown)
		}
		seen := map[*Method]bool{}
		for _, m := range list {
			if seen[m] {
				t.Errorf("%s twice", m.FullName)
			}
			seen[m] = true
		}
		if len(chunksOf(query)) == 0 && len(list) != len(x.methods) {
			t.Errorf("%q has no words: %d operations", query, len(list))
		}
	})
}
