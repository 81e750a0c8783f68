package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// TestCreateWithQuery orders placements on every face: the request has a body
// and query parameters.
func TestCreateWithQuery(t *testing.T) {
	v := newVault(t)
	placement, owner := v.sandbox.IDs("appAssetLibraryPlacements")[0], v.sandbox.IDs("appStoreVersionLocalizations")[0]
	const path = "/v1/appAssetLibraryPlacementOrderingRequests?include=orderedPlacements&limit[orderedPlacements]=5" +
		"&fields[appAssetLibraryPlacements]=placementGroup"
	typed := fmt.Sprintf(
		`{"placementGroup":"IPAD_13_PROFILE","orderedPlacements":{"ids":[%q]},"appStoreVersionLocalization":{"id":%q}}`,
		placement,
		owner,
	)
	code, _, b := v.send(t, "POST", v.rest+path, typed, nil, v.as("admin")...)
	if code != http.StatusCreated || !strings.Contains(string(b), `"included":{"appAssetLibraryPlacements":[`) ||
		strings.Contains(string(b), "mediaType") {
		t.Errorf("REST: %d %s", code, b)
	}
	apples := fmt.Sprintf(
		`{"data":{"type":"appAssetLibraryPlacementOrderingRequests","attributes":{"placementGroup":"IPAD_13_PROFILE"},"relationships":{
		"orderedPlacements":{"data":[{"type":"appAssetLibraryPlacements","id":%q}]},
		"appStoreVersionLocalization":{"data":{"type":"appStoreVersionLocalizations","id":%q}}}}}`,
		placement,
		owner,
	)
	code, _, b = v.send(t, "POST", v.apple+path, apples, nil, v.as("admin")...)
	if code != http.StatusCreated || !strings.Contains(string(b), `"included":[`) ||
		strings.Contains(string(b), "mediaType") {
		t.Errorf("passthrough: %d %s", code, b)
	}
	code, _, b = v.send(
		t,
		"POST",
		v.rest+strings.Replace(path, "include=orderedPlacements", "include=owner", 1),
		typed,
		nil,
		v.as("admin")...)
	if code != http.StatusBadRequest || !strings.Contains(string(b), "orderedPlacements") {
		t.Errorf("an include that is not allowed: %d %s", code, b)
	}
	w := newWorld(t)
	placement, owner = w.sandbox.IDs("appAssetLibraryPlacements")[0], w.sandbox.IDs("appStoreVersionLocalizations")[0]
	made, err := metadatav1.NewAppAssetLibraryPlacementOrderingRequestsServiceClient(w.conn).
		CreateAppAssetLibraryPlacementOrderingRequest(t.Context(),
			&metadatav1.CreateAppAssetLibraryPlacementOrderingRequestRequest{
				PlacementGroup: proto.String("IPAD_13_PROFILE"),
				OrderedPlacements: &typesv1.ToMany{
					Ids: []string{placement},
				},
				AppStoreVersionLocalization: &typesv1.ToOne{Id: &owner},
				Include:                     []string{"orderedPlacements"},
			})
	if err != nil || len(made.GetIncluded().GetAppAssetLibraryPlacements()) != 1 {
		t.Errorf("gRPC: %v %v", made, err)
	}
}

// TestWhatGoesTogetherSpendsNothing sends half a placement: it is refused
// before a request is spent.
func TestWhatGoesTogetherSpendsNothing(t *testing.T) {
	w := newWorld(t)
	before := w.calls(t)
	_, err := metadatav1.NewAppAssetLibraryPlacementsServiceClient(w.conn).CreateAppAssetLibraryPlacement(t.Context(),
		&metadatav1.CreateAppAssetLibraryPlacementRequest{
			PlacementType: enumsv1.AppAssetLibraryPlacementTypeEnum_APP_SCREENSHOT.Enum(),
			Image:         &typesv1.ToOne{Id: proto.String("1")},
		})
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "app_store_version_localization") {
		t.Error(err)
	}
	if code, _, b := w.do(t, "POST", "/v1/appAssetLibraryPlacements", `{"placementType":"APP_SCREENSHOT"}`); code != http.StatusBadRequest {
		t.Errorf("REST: %d %s", code, b)
	}
	if after := w.calls(t); after != before {
		t.Errorf("%d requests were spent", after-before)
	}
}

// TestOverview reads what has a media type of its own.
func TestOverview(t *testing.T) {
	const media = "application/vnd.apple.xcode-overview+json"
	v := newVault(t)
	app := v.sandbox.IDs("apps")[0]
	path := "/v1/apps/" + app + "/performanceOverviews?filter[deviceType]=iPhone17,1"
	for _, c := range []struct{ face, base, accept, says string }{
		{"REST", v.rest, "", `"xcodeOverview":{`},
		{"REST as Apple writes it", v.rest, media, `"categories"`},
		{"passthrough", v.apple, media, `"categories"`},
		{"passthrough of anything", v.apple, "", `"categories"`},
	} {
		headers := v.as("admin")
		if c.accept != "" {
			headers = append(headers, "Accept", c.accept)
		}
		code, h, b := v.send(t, "GET", c.base+path, "", nil, headers...)
		if code != http.StatusOK || !json.Valid(b) || !strings.Contains(string(b), c.says) {
			t.Errorf("%s: %d %s", c.face, code, b)
		}
		if c.says == `"categories"` && h.Get("Content-Type") != media {
			t.Errorf("%s: %s", c.face, h.Get("Content-Type"))
		}
	}
	w := newWorld(t)
	app = w.sandbox.IDs("apps")[0]
	got, err := metadatav1.NewAppsServiceClient(w.conn).
		ListAppPerformanceOverviews(t.Context(), &metadatav1.ListAppPerformanceOverviewsRequest{Id: app})
	if err != nil || len(got.GetXcodeOverview().GetCategories()) == 0 {
		t.Errorf("gRPC: %v %v", got, err)
	}
	one, err := metadatav1.NewAppAssetLibraryRefDataServiceClient(w.conn).GetAppAssetLibraryRefDatum(t.Context(),
		&metadatav1.GetAppAssetLibraryRefDatumRequest{Id: w.sandbox.IDs("appAssetLibraryRefData")[0]})
	if err != nil || len(one.GetAppAssetLibraryRefDatum().GetImageSpecs()) == 0 {
		t.Errorf("reference data: %v %v", one, err)
	}
}
