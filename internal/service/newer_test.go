package service

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	commercev1 "github.com/asc-gateway/asc-gateway/gen/asc/commerce/v1"
	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	provisioningv1 "github.com/asc-gateway/asc-gateway/gen/asc/provisioning/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
)

// sent is the query that a request makes, its brackets plain.
func sent(m *Method, req proto.Message) (string, error) {
	pairs, err := m.Query.encode(req.ProtoReflect())
	return strings.NewReplacer("%5B", "[", "%5D", "]").Replace(joined(pairs)), err
}

// TestNewValuesInAQuery go beside those that have a field, in one parameter.
func TestNewValuesInAQuery(t *testing.T) {
	m := method(t, "builds_getCollection")
	for _, c := range []struct{ name, in, want string }{
		{"a filter's new value", "filter[processingState]=VALID,TELEPORTED", "filter[processingState]=VALID,TELEPORTED"},
		{"on purpose", "extra_query[filter[processingState]]=TELEPORTED", "filter[processingState]=TELEPORTED"},
		{"both", "extra_query[filter[processingState]]=A_NEW_ONE&filter[processingState]=VALID,TELEPORTED", "filter[processingState]=VALID,A_NEW_ONE,TELEPORTED"},
		{"one that is near", "extra_query[filter[processingState]]=VALLID", "filter[processingState]=VALLID"},
		{"include", "include=app&extra_query[include]=teleporter", "include=app,teleporter"},
		{"include alone", "extra_query[include]=teleporter", "include=teleporter"},
		{"fields", "fields[builds]=version&extra_query[fields[builds]]=hue,mood", "fields[builds]=version,hue,mood"},
		{"fields alone", "extra_query[fields[builds]]=hue", "fields[builds]=hue"},
		{"fields of a new type", "extra_query[fields[unicorns]]=hue", "fields[unicorns]=hue"},
		{"sort in its order", "extra_query[sort]=-hue,version", "sort=-hue,version"},
		{"sort after the field's", "sort=-version&extra_query[sort]=hue", "sort=-version,hue"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := m.Input.New()
			if err := m.ParseQuery(c.in, req); err != nil {
				t.Fatal(err)
			}
			if got, err := sent(m, req.Interface()); err != nil || got != c.want {
				t.Errorf("got  %s %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestUnknownInAFilterStandsForItsText(t *testing.T) {
	m := method(t, "builds_getCollection")
	states := []enumsv1.BuildProcessingStateEnum_BuildProcessingState{enumsv1.BuildProcessingStateEnum_UNKNOWN, enumsv1.BuildProcessingStateEnum_VALID}
	req := &testflightv1.ListBuildsRequest{Filter: &testflightv1.ListBuildsRequest_Filter{ProcessingState: states}}
	if _, err := sent(m, req); err == nil || !strings.Contains(err.Error(), `extra_query["filter[processingState]"]`) {
		t.Errorf("UNKNOWN alone: %v", err)
	}
	req.ExtraQuery = map[string]string{"filter[processingState]": "TELEPORTED"}
	if got, err := sent(m, req); err != nil || got != "filter[processingState]=VALID,TELEPORTED" {
		t.Errorf("%s %v", got, err)
	}
}

// TestExtraQueryIsNoSecondWay to send what has a field.
func TestExtraQueryIsNoSecondWay(t *testing.T) {
	m := method(t, "builds_getCollection")
	for name, value := range map[string]string{"include": "app", "filter[processingState]": "VALID", "filter[version]": "42", "fields[builds]": "version,app",
		"sort": "-version", "limit": "3", "cursor": "x", "limit[betaGroups]": "7", "exists[usesNonExemptEncryption]": "true"} {
		if _, err := sent(m, &testflightv1.ListBuildsRequest{ExtraQuery: map[string]string{name: value}}); err == nil {
			t.Errorf("%s=%s passes", name, value)
		}
	}
	for name, value := range map[string]string{"include": "a,,b", "sort": "a\nb", "filter[processingState]": strings.Repeat("x", 2000), "fields[builds]": strings.Repeat("a,", 400) + "a"} {
		if _, err := sent(m, &testflightv1.ListBuildsRequest{ExtraQuery: map[string]string{name: value}}); err == nil {
			t.Errorf("%s with a bad list passes", name)
		}
	}
}

func TestNewer(t *testing.T) {
	known := []string{"IOS_APP_STORE", "APP_IPHONE_67", "DEVELOPER_ID_APPLICATION", "VALID", "TVOS", "READY_FOR_SALE", "P1D"}
	for _, s := range []string{"MARZIPAN", "APP_IPHONE_69", "DEVELOPER_ID_APPLICATION_G2", "XROS", "INVALID", "VALID2", "READY_FOR_REVIEW", "P1Y"} {
		if why := Newer(s, known, "X"); why != "" {
			t.Errorf("%s is new: %s", s, why)
		}
	}
	for s, near := range map[string]string{"ios_app_store": "IOS_APP_STORE", "IOS_APPSTORE": "IOS_APP_STORE", "READY_FOR_SALES": "READY_FOR_SALE", "VALLID": "VALID",
		"Valid": "VALID", "a b": "", "": "", "hologram": "", strings.Repeat("A", 101): ""} {
		why := Newer(s, known, "X")
		if why == "" || !strings.Contains(why, near) || strings.Contains(why, "did you mean") != (near != "") {
			t.Errorf("%q: %q, want %q", s, why, near)
		}
	}
	if why := Newer("com.apple.new", []string{"com.apple.ipa", "com.apple.pkg"}, "X"); why != "" {
		t.Error(why)
	}
}

func TestHint(t *testing.T) {
	params := []string{"cursor", "filter[app]", "filter[version]", "include", "limit"}
	for _, c := range []struct {
		wrong string
		right []string
		want  string
	}{
		{"versoin", []string{"version", "expired"}, "version"},
		{"bundleid", []string{"bundleId"}, "bundleId"},
		{"filter[versoin]", params, "filter[version]"},
		{"filters[version]", params, "filter[version]"},
		{"version", params, "filter[version]"},
		{"sort", params, ""},
		{"filter[foo]", params, ""},
		{"filter[hue]", params, ""},
		{"BRAND_NEW", []string{"IN_REVIEW", "ACCEPTED"}, ""},
		{"x", nil, ""},
		{strings.Repeat("x", 1000), []string{"a"}, ""},
	} {
		want := c.want
		if want != "" {
			want = "; did you mean " + want + "?"
		}
		if got := Hint(c.wrong, c.right); got != want {
			t.Errorf("%s: %q, want %q", c.wrong, got, want)
		}
	}
}

// TestTheNextPagesParameterHasAllItsNames: the one of the answer, of the message
// and of Apple.
func TestTheNextPagesParameterHasAllItsNames(t *testing.T) {
	m := method(t, "builds_getCollection")
	for _, name := range []string{"cursor", "nextPageToken", "next_page_token", "pageToken", "page_token"} {
		req := m.Input.New()
		if err := m.ParseQuery("pageSize=7&"+name+"=abc", req); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := req.Interface().(*testflightv1.ListBuildsRequest); got.GetPageToken() != "abc" || got.GetPageSize() != 7 {
			t.Errorf("%s: %v", name, got)
		}
		if err := m.ParseQuery("cursor=x&"+name+"=y", m.Input.New()); err == nil {
			t.Errorf("cursor and %s are one parameter", name)
		}
	}
	if err := method(t, "builds_getInstance").ParseQuery("pageToken=x", method(t, "builds_getInstance").Input.New()); err == nil {
		t.Error("one resource has no pages")
	}
}

// TestARequiredValueMayBeTold by extra alone, or beside UNKNOWN.
func TestARequiredValueMayBeTold(t *testing.T) {
	e, err := New(nil, nil, nil, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	m := e.Lookup("/asc.provisioning.v1.BundleIdCapabilitiesService/CreateBundleIdCapability")
	request := func(text string, typ *enumsv1.CapabilityTypeEnum_CapabilityType) *provisioningv1.CreateBundleIdCapabilityRequest {
		return &provisioningv1.CreateBundleIdCapabilityRequest{CapabilityType: typ, BundleId: &typesv1.ToOne{Id: proto.String("B")},
			Extra: map[string]string{"capabilityType": text}}
	}
	for name, req := range map[string]proto.Message{"alone": request(`"HOLOGRAMS"`, nil), "beside": request(`"HOLOGRAMS"`, enumsv1.CapabilityTypeEnum_UNKNOWN.Enum())} {
		if err := e.Check(m, req); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, req := range map[string]proto.Message{"a value that has a number": request(`"MAPS"`, nil), "no text": &provisioningv1.CreateBundleIdCapabilityRequest{
		CapabilityType: enumsv1.CapabilityTypeEnum_UNKNOWN.Enum(), BundleId: &typesv1.ToOne{Id: proto.String("B")}},
		"nothing": &provisioningv1.CreateBundleIdCapabilityRequest{BundleId: &typesv1.ToOne{Id: proto.String("B")}}} {
		if err := e.Check(m, req); err == nil || !slices.ContainsFunc(fault.As(err).Violations, func(v fault.Violation) bool { return v.Field == "capability_type" || v.Field == "extra" }) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestApplesPointersAreTheCallersFields: what Apple says about 175 prices names
// each by its place in the request; details stay small, bodies hold all.
func TestApplesPointersAreTheCallersFields(t *testing.T) {
	e, err := New(nil, nil, nil, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	req := &commercev1.UpdateSubscriptionRequest{Id: "9", Prices: &typesv1.SubscriptionPriceInlineToMany{}}
	f := fault.New(fault.InvalidArgument, "ENTITY_ERROR.RELATIONSHIP.INVALID", "'${subscriptionPrices-1}' is wrong")
	f.Upstream = &fault.Upstream{HTTPStatus: 409}
	for i := range 175 {
		req.Prices.Create = append(req.Prices.Create, &typesv1.SubscriptionPriceInlineCreate{})
		f.Upstream.Errors = append(f.Upstream.Errors, fault.APIError{Code: "ENTITY_ERROR.RELATIONSHIP.INVALID", Title: "t",
			Detail:  fmt.Sprintf("The price '${subscriptionPrices-%d}' is of another territory.", i+1),
			Pointer: fmt.Sprintf("/included/%d/relationships/subscriptionPricePoint/data/id", i)})
	}
	m := e.Lookup("/asc.commerce.v1.SubscriptionsService/UpdateSubscription")
	got := fault.As(e.inFields(m, req, f))
	if len(got.Violations) != 175 || got.Message != "'prices.create[0]' is wrong" {
		t.Fatalf("%d violations: %s", len(got.Violations), got.Message)
	}
	for i, v := range got.Violations {
		if at := fmt.Sprintf("prices.create[%d]", i); v.Field != at+".subscription_price_point" || !strings.Contains(v.Description, "'"+at+"'") {
			t.Errorf("%d: %+v", i, v)
		}
	}
	size := 0
	for _, d := range Status(got).Proto().GetDetails() {
		size += len(d.GetValue())
	}
	if size > maxDetailsBytes || !strings.Contains(Status(got).Proto().String(), "prices.create[0].subscription_price_point") {
		t.Errorf("%d bytes of details", size)
	}
	if full := FullStatus(got).Proto().String(); !strings.Contains(full, "prices.create[174].subscription_price_point") || strings.Contains(full, "${") {
		t.Errorf("a body has all: %.300s", full)
	}
}

func TestApplesParametersAreTheCallersFields(t *testing.T) {
	e, err := New(nil, nil, nil, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	f := fault.New(fault.InvalidArgument, "PARAMETER_ERROR.INVALID", "m")
	f.Upstream = &fault.Upstream{HTTPStatus: 400, Errors: []fault.APIError{{Parameter: "filter[bundleId]"}, {Parameter: "limit"}, {Parameter: "cursor"}, {Parameter: "fields[builds]"}, {Parameter: "hue"}, {Pointer: "/data/x"}}}
	var fields []string
	for _, v := range fault.As(e.inFields(e.Lookup("/asc.metadata.v1.AppsService/ListApps"), &metadatav1.ListAppsRequest{}, f)).Violations {
		fields = append(fields, v.Field)
	}
	if got := strings.Join(fields, " "); got != `filter.bundle_id page_size page_token fields["builds"] hue /data/x` {
		t.Error(got)
	}
}
