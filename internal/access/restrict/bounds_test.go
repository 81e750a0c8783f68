package restrict

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
)

// appOne is an upstream where everything belongs to the app "1".
type appOne struct{ asked int }

func (a *appOne) Do(context.Context, *asc.Call) (*asc.Response, error) {
	a.asked++
	return &asc.Response{Status: 200, Body: []byte(`{"data":{"type":"apps","id":"1"}}`)}, nil
}

func numbers(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint(i+1))
	}
	return list
}

// TestIDsOfRestrictedCallersAreBounded: doubles cost nothing, and too many are
// refused before anything is looked up.
func TestIDsOfRestrictedCallersAreBounded(t *testing.T) {
	apps := func(ids ...string) proto.Message {
		return &metadatav1.ListAppsRequest{Filter: &metadatav1.ListAppsRequest_Filter{Id: ids}}
	}
	builds := func(ids ...string) proto.Message {
		return &testflightv1.ListBuildsRequest{Filter: &testflightv1.ListBuildsRequest_Filter{Id: ids}}
	}
	const listApps, listBuilds = metadatav1.AppsService_ListApps_FullMethodName, testflightv1.BuildsService_ListBuilds_FullMethodName
	table := newTable(t)
	for _, c := range []struct {
		name   string
		method string
		req    proto.Message
		apps   []string
		kind   fault.Kind // Internal: it passes
		says   string
		asked  int
	}{
		{"40,000 apps", listApps, apps(numbers(40_000)...), numbers(40_000), fault.InvalidArgument, "filter.id: takes at most 200 values; there are 40000", 0},
		{"40,000 builds", listBuilds, builds(numbers(40_000)...), numbers(1), fault.InvalidArgument, "filter.id: takes at most 200 values; there are 40000", 0},
		{"150 builds", listBuilds, builds(numbers(150)...), numbers(1), fault.PermissionDenied, "filter.id: names 150 ids", 0},
		{"one build 40,000 times", listBuilds, builds(slices.Repeat([]string{"b"}, 40_000)...), numbers(1), fault.Internal, "", 1},
		{"one app 40,000 times", listApps, apps(slices.Repeat([]string{"1"}, 40_000)...), numbers(1), fault.Internal, "", 0},
		{"200 apps of its own", listApps, &metadatav1.ListAppsRequest{}, numbers(200), fault.Internal, "", 0},
		{"more apps of its own than a filter takes", listApps, &metadatav1.ListAppsRequest{}, numbers(201), fault.PermissionDenied, "filter.id: name at most 200 of the 201 apps", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			up := &appOne{}
			begun := time.Now()
			_, err := NewGuard(table, up).Check(t.Context(), "team", c.method, c.req, Grant{Apps: c.apps})
			took := time.Since(begun)
			if c.kind == fault.Internal && err != nil || c.kind != fault.Internal && (err == nil || fault.As(err).Kind != c.kind || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v", err)
			}
			if up.asked != c.asked || took > 2*time.Second {
				t.Errorf("%d look-ups, %v", up.asked, took)
			}
		})
	}
}

// hangs answers nothing.
type hangs struct{}

func (hangs) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

type oneToken struct{}

func (oneToken) Candidates(asc.Need) ([]asc.Candidate, error) {
	return []asc.Candidate{{KeyID: "K"}}, nil
}
func (oneToken) Token(context.Context, string, string) (asc.Token, error) {
	return asc.Token{KeyID: "K"}, nil
}
func (oneToken) Renew(context.Context, asc.Token) (asc.Token, error) {
	return asc.Token{KeyID: "K"}, nil
}
func (oneToken) Report(asc.Token, asc.Answer) bool { return false }

// TestAllLookUpsOfACallShareOneBound: a hundred ids do not wait a hundred times.
func TestAllLookUpsOfACallShareOneBound(t *testing.T) {
	table := newTable(t)
	synctest.Test(t, func(t *testing.T) {
		client, err := asc.New(asc.Config{BaseURL: "https://apple.test"}, asc.Deps{Tokens: oneToken{}, Transport: hangs{}})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		begun := time.Now()
		req := &testflightv1.ListBuildsRequest{Filter: &testflightv1.ListBuildsRequest_Filter{Id: numbers(100)}}
		_, err = NewGuard(table, client).Check(t.Context(), "team", testflightv1.BuildsService_ListBuilds_FullMethodName, req, Grant{Apps: numbers(1)})
		if took := time.Since(begun); fault.As(err).Kind != fault.Unavailable || took > asc.DefaultCallTimeout {
			t.Errorf("got %v after %v", err, took)
		}
	})
}
