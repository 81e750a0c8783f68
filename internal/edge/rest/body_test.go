package rest

import (
	"math"
	"reflect"
	"strings"
	"testing"

	commercev1 "github.com/asc-gateway/asc-gateway/gen/asc/commerce/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	provisioningv1 "github.com/asc-gateway/asc-gateway/gen/asc/provisioning/v1"
	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func read(t *testing.T, body string, into proto.Message) error {
	t.Helper()
	return newSpeller().unmarshal([]byte(body), into.ProtoReflect())
}

// TestAWrongBodyIsToldByFieldAndHint: the first mistakes of someone who has
// Apple's documentation open.
func TestAWrongBodyIsToldByFieldAndHint(t *testing.T) {
	group, linkage := &testflightv1.CreateBetaGroupRequest{}, &testflightv1.AddBuildBetaGroupsRequest{}
	profile, price := &provisioningv1.CreateProfileRequest{}, &commercev1.UpdateSubscriptionRequest{}
	for _, c := range []struct {
		name  string
		body  string
		into  proto.Message
		field string
		says  string
	}{
		{"Apple's own document", `{"data":{"type":"betaGroups","attributes":{"name":"Night"}}}`, group, "data", `flat here, such as {"name": "…", "app": {"id": "…"}}; the passthrough (setting passthrough.listen)`},
		{"its attributes", `{"attributes":{"name":"Night"}}`, group, "attributes", "passthrough"},
		{"Apple's own linkage", `{"data":[{"type":"betaGroups","id":"g"}]}`, linkage, "data", `such as {"betaGroups": {"ids": ["…"]}}`},
		{"ids without their field", `{"ids":["g"]}`, linkage, "ids", `the body is {"betaGroups": {"ids": ["…"]}}`},
		{"a list for a linkage", `{"betaGroups":["g"]}`, linkage, "betaGroups", `takes {"ids": ["…"]}, not a list`},
		{"an id for a linkage", `{"betaGroups":{"ids":"g"}}`, linkage, "betaGroups.ids", `takes a list, such as ["…"]`},
		{"an id for a relationship", `{"name":"x","app":"1500004000"}`, group, "app", `takes {"id": "…"}, not a string`},
		{"Apple's relationship", `{"app":{"data":{"type":"apps","id":"1"}}}`, group, "app.data", `it takes {"id": "…"}`},
		{"ids for a to-one", `{"app":{"ids":["1"]}}`, group, "app.ids", `it takes {"id": "…"}`},
		{"children", `{"prices":[{"startDate":"2026-01-01"}]}`, price, "prices", `takes {"ids": ["…"], "create": [{…}]}, not a list`},
		{"a child's member", `{"prices":{"create":[{},{"startDate":7}]}}`, price, "prices.create[1].startDate", "takes a string, not a number"},
		{"a child's slip", `{"prices":{"create":[{"startdate":"2026-01-01"}]}}`, price, "prices.create[0].startdate", "did you mean startDate?"},
		{"a number for a string", `{"name":7}`, group, "name", "takes a string, not a number"},
		{"a string for a truth", `{"isInternalGroup":"yes"}`, group, "isInternalGroup", "takes true or false, not a string"},
		{"a string for a number", `{"publicLinkLimit":"many"}`, group, "publicLinkLimit", "takes a whole number"},
		{"a part of a number", `{"publicLinkLimit":1.5}`, group, "publicLinkLimit", "takes a whole number"},
		{"too much for 32 bits", `{"publicLinkLimit":3000000000}`, group, "publicLinkLimit", "takes a whole number"},
		{"a slip in an enum", `{"profileType":"ios_app_store"}`, profile, "profileType", "did you mean IOS_APP_STORE?"},
		{"a truth for an enum", `{"profileType":true}`, profile, "profileType", `takes a string such as "`},
		{"a slip in a name", `{"nmae":"x"}`, group, "nmae", "did you mean name?"},
		{"nonsense", `{"unicorn":"x"}`, group, "unicorn", "is no field of it"},
		{"two names of one", `{"profileType":"IOS_APP_STORE","profile_type":"IOS_APP_STORE"}`, profile, "profile_type", "twice"},
		{"no time", `{"earliestReleaseDate":"tomorrow"}`, &metadatav1.UpdateAppStoreVersionRequest{}, "earliestReleaseDate", `takes a date-time such as "2026-`},
		{"extra that is no text", `{"extra":{"x":7}}`, group, "extra", `"x" takes JSON text in a string`},
		{"extra for a new value", `{"profileType":"BRAND_NEW","extra":{"profileType":"\"OTHER\""}}`, profile, "extra", "has a value in its field already"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := read(t, c.body, c.into.ProtoReflect().New().Interface())
			if err == nil {
				t.Fatal("it is taken")
			}
			f := fault.As(err)
			if f.Kind != fault.InvalidArgument || len(f.Violations) != 1 || f.Violations[0].Field != c.field || !strings.Contains(f.Violations[0].Description, c.says) ||
				f.Message != c.field+": "+f.Violations[0].Description {
				t.Errorf("%s: %+v\nwant %s: %s", f.Message, f.Violations, c.field, c.says)
			}
		})
	}
	for body, says := range map[string]string{`[]`: `a JSON object, such as {"betaGroups": {"ids": ["…"]}}`, `{"betaGroups":`: "not valid JSON", `{"a" 1}`: "at byte 6", `{} {}`: "not valid JSON"} {
		if err := read(t, body, &testflightv1.AddBuildBetaGroupsRequest{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %s", body, err, says)
		}
	}
	if err := read(t, `{"a":1,"name":2,"app":3}`, &testflightv1.CreateBetaGroupRequest{}); len(fault.As(err).Violations) != 3 {
		t.Errorf("all mistakes are told at once: %v", fault.As(err).Violations)
	}
}

// TestNewValuesAreTakenPlain: over REST a value that is newer than the document is
// written like any other.
func TestNewValuesAreTakenPlain(t *testing.T) {
	for _, c := range []struct {
		name, body, want string
		into             proto.Message
	}{
		{"attribute", `{"capabilityType":"HOLOGRAMS"}`, `{"capabilityType":"UNKNOWN","extra":{"capabilityType":"\"HOLOGRAMS\""}}`, &provisioningv1.CreateBundleIdCapabilityRequest{}},
		{"within a value", `{"settings":[{"key":"ICLOUD_VERSION"},{"key":"BEAM","options":[{"key":"WIDE"}]}]}`,
			`{"settings":[{"key":"ICLOUD_VERSION"},{"key":"UNKNOWN","options":[{"key":"UNKNOWN"}]}],"extra":{"settings.1.key":"\"BEAM\"","settings.1.options.0.key":"\"WIDE\""}}`,
			&provisioningv1.UpdateBundleIdCapabilityRequest{}},
		{"child", `{"prices":{"create":[{"planType":"DECADE"}]}}`, `{"prices":{"create":[{"planType":"UNKNOWN","extra":{"planType":"\"DECADE\""}}]}}`, &commercev1.UpdateSubscriptionRequest{}},
		{"list", `{"marketSettings":["MOON"]}`, `{"marketSettings":["UNKNOWN"],"extra":{"marketSettings.0":"\"MOON\""}}`, &commercev1.UpdateSubscriptionRequest{}},
		{"beside other extra", `{"capabilityType":"HOLOGRAMS","extra":{"hue":"7"}}`, `{"capabilityType":"UNKNOWN","extra":{"capabilityType":"\"HOLOGRAMS\"","hue":"7"}}`, &provisioningv1.CreateBundleIdCapabilityRequest{}},
		{"as it was read", `{"capabilityType":"UNKNOWN","extra":{"capabilityType":"\"HOLOGRAMS\""}}`, `{"capabilityType":"UNKNOWN","extra":{"capabilityType":"\"HOLOGRAMS\""}}`, &provisioningv1.CreateBundleIdCapabilityRequest{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := read(t, c.body, c.into); err != nil {
				t.Fatal(err)
			}
			if got, err := newSpeller().marshal(c.into); err != nil || string(got) != c.want {
				t.Errorf("got  %s %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestNullInAChildClears(t *testing.T) {
	m := &commercev1.UpdateSubscriptionRequest{}
	if err := read(t, `{"reviewNote":null,"prices":{"create":[{"startDate":null}]},"extra":null}`, m); err != nil ||
		strings.Join(m.GetClear(), ",") != "review_note" || strings.Join(m.GetPrices().GetCreate()[0].GetClear(), ",") != "start_date" {
		t.Errorf("%v %v", m, err)
	}
}

// TestAnswersAreWrittenAsApples in what is a number, and what is there.
func TestAnswersAreWrittenAsApples(t *testing.T) {
	big := int64(1 << 53)
	file := func(n int64) *metadatav1.GetAppPreviewResponse {
		return &metadatav1.GetAppPreviewResponse{AppPreview: &resourcesv1.AppPreview{FileSize: &n}}
	}
	for _, c := range []struct {
		name string
		msg  proto.Message
		want string
	}{
		{"empty page", &testflightv1.ListBuildsResponse{}, `{"builds":[]}`},
		{"empty linkages", &provisioningv1.ListBundleIdProfileIdsResponse{}, `{"ids":[]}`},
		{"empty relationship", &testflightv1.GetBuildResponse{Build: &resourcesv1.Build{Id: "1", BetaGroups: &typesv1.ToMany{}, App: &typesv1.ToOne{}}},
			`{"build":{"id":"1","betaGroups":{"ids":[]},"app":{}}}`},
		{"a relationship of which only the number is known", &testflightv1.GetBuildResponse{Build: &resourcesv1.Build{BetaGroups: &typesv1.ToMany{Total: proto.Int32(7)}}},
			`{"build":{"betaGroups":{"total":7}}}`},
		{"own empty list", &catalogv1.SearchOperationsResponse{}, `{"operations":[],"unknownWords":[]}`},
		{"long", file(5 << 30), `{"appPreview":{"fileSize":5368709120}}`},
		{"greatest exact", file(big), `{"appPreview":{"fileSize":9007199254740992}}`},
		{"too long", file(big + 1), `{"appPreview":{"fileSize":"9007199254740993"}}`},
		{"too low", file(-big - 1), `{"appPreview":{"fileSize":"-9007199254740993"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := newSpeller().marshal(c.msg)
			if err != nil || !sameMembers(string(got), c.want) {
				t.Fatalf("got  %s %v\nwant %s", got, err, c.want)
			}
			back := c.msg.ProtoReflect().New()
			if err := newSpeller().unmarshal(got, back); err != nil || !proto.Equal(back.Interface(), c.msg) {
				t.Errorf("read again: %v %v", back, err)
			}
		})
	}
}

// sameMembers compares objects whose order of members is of no account here.
func sameMembers(got, want string) bool {
	a, errA := decodeAny([]byte(got))
	b, errB := decodeAny([]byte(want))
	return errA == nil && errB == nil && reflect.DeepEqual(a, b)
}

// TestMarshalIsProtoJSON but for what is told in [speller.marshal]: protojson reads
// it as the same message.
func TestMarshalIsProtoJSON(t *testing.T) {
	numbers := &typesv1.FileInfo{ContentType: "a\"\\\n\u2028é😀<&>"}
	for name, m := range map[string]proto.Message{
		"strings": numbers,
		"times": &testflightv1.GetBuildResponse{Build: &resourcesv1.Build{UploadedDate: &timestamppb.Timestamp{Seconds: 1, Nanos: 5e8},
			ExpirationDate: &timestamppb.Timestamp{Seconds: -62135596800}}, Extra: map[string]string{"b": "1", "a": `"x"`}},
		"nanos":                                 &testflightv1.GetBuildResponse{Build: &resourcesv1.Build{UploadedDate: &timestamppb.Timestamp{Nanos: 1}, ExpirationDate: &timestamppb.Timestamp{Nanos: 1000}}},
		"a number of an enum that nobody knows": &provisioningv1.UpdateBundleIdRequest{Id: "x"},
	} {
		got, err := newSpeller().marshal(m)
		back := m.ProtoReflect().New().Interface()
		if err == nil {
			err = protojson.Unmarshal(got, back)
		}
		if err != nil || !proto.Equal(m, back) {
			t.Errorf("%s: %s %v", name, got, err)
		}
	}
	w := &writer{}
	for _, n := range []float64{0, 1, -1.5, 1e-7, 1e21, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		w.float(n, 64)
		w.buf = append(w.buf, ' ')
	}
	if got := string(w.buf); got != "0 1 -1.5 1e-07 1e+21 1.7976931348623157e+308 5e-324 " {
		t.Error(got)
	}
}

// TestErrorsAreSpelledAsOverREST: fields by their JSON names, parameters as Apple
// writes them; the error itself, which others may have too, stays as it is.
func TestErrorsAreSpelledAsOverREST(t *testing.T) {
	of := func(m proto.Message) *route { return &route{input: m.ProtoReflect().Descriptor, apples: true} }
	for _, c := range []struct {
		name       string
		into       *route
		path, want string
	}{
		{"attribute", of(&testflightv1.UpdateBuildRequest{}), "uses_non_exempt_encryption", "usesNonExemptEncryption"},
		{"child", of(&commercev1.UpdateSubscriptionRequest{}), "prices.create[17].subscription_price_point", "prices.create[17].subscriptionPricePoint"},
		{"linkage", of(&testflightv1.AddBetaGroupBetaTestersRequest{}), "beta_testers.ids[1]", "betaTesters.ids[1]"},
		{"filter", of(&testflightv1.ListBuildsRequest{}), "filter.pre_release_version_platform", "filter[preReleaseVersion.platform]"},
		{"page", of(&testflightv1.ListBuildsRequest{}), "page_size", "limit"},
		{"cursor", of(&testflightv1.ListBuildsRequest{}), "page_token", "cursor"},
		{"fields", of(&testflightv1.ListBuildsRequest{}), `fields["builds"]`, "fields[builds]"},
		{"extra", of(&testflightv1.UpdateBuildRequest{}), `extra["brand.new"]`, `extra["brand.new"]`},
		{"no field", of(&testflightv1.UpdateBuildRequest{}), "/data/hue", "/data/hue"},
	} {
		if got := c.into.fieldName(c.path); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	f := fault.Invalid("app_custom_product_page_versions.create[0].deep_link", "'app_custom_product_page_versions.create[0]' is odd")
	f.Upstream = &fault.Upstream{Errors: []fault.APIError{{Detail: "at app_custom_product_page_versions.create[0]"}}}
	got := fault.As(of(&metadatav1.CreateAppCustomProductPageRequest{}).spelled(f))
	if got.Violations[0].Field != "appCustomProductPageVersions.create[0].deepLink" || got.Upstream.Errors[0].Detail != "at appCustomProductPageVersions.create[0]" ||
		got.Message != "appCustomProductPageVersions.create[0].deepLink: 'appCustomProductPageVersions.create[0]' is odd" {
		t.Errorf("%+v %+v", got, got.Upstream)
	}
	if strings.Contains(f.Message, "Custom") || strings.Contains(f.Upstream.Errors[0].Detail, "Custom") {
		t.Errorf("the error was changed: %+v", f)
	}
}

func BenchmarkMarshal(b *testing.B) {
	one := &provisioningv1.GetBundleIdResponse{BundleId: &resourcesv1.BundleId{Id: "1", Name: proto.String("Trail Mix"), Identifier: proto.String("com.example.trailmix"), SeedId: proto.String("A1")}}
	page := &testflightv1.ListBuildsResponse{}
	for range 200 {
		page.Builds = append(page.Builds, &resourcesv1.Build{Id: "8f3b", Version: proto.String("42"), UploadedDate: &timestamppb.Timestamp{Seconds: 1611842492},
			Expired: proto.Bool(false), App: &typesv1.ToOne{Id: proto.String("1")}})
	}
	for name, m := range map[string]proto.Message{"one": one, "page-of-200": page} {
		b.Run(name, func(b *testing.B) {
			s := newSpeller()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.marshal(m); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"-protojson", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := protojson.Marshal(m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	body := []byte(`{"name":"P","profileType":"IOS_APP_STORE","bundleId":{"id":"b"},"certificates":{"ids":["c1","c2"]},"devices":{"ids":["d1","d2"]}}`)
	s, b0 := newSpeller(), &provisioningv1.CreateProfileRequest{}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.unmarshal(body, b0.ProtoReflect().New()); err != nil {
			b.Fatal(err)
		}
	}
}
