package jsonapi

import (
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
	"google.golang.org/protobuf/types/known/timestamppb"
)

// TestWhatWasReadCanBeWrittenBack reads a resource with values that no document
// names, and sends its fields and its extra again.
func TestWhatWasReadCanBeWrittenBack(t *testing.T) {
	const attributes = `{"capabilityType":"HOLOGRAMS","settings":[` +
		`{"key":"DATA_PROTECTION_PERMISSION_LEVEL","options":[{"key":"COMPLETE_PROTECTION","enabled":true}]},` +
		`{"key":"BEAM_WIDTH","minInstances":2,"options":[{"key":"WIDE","enabled":true,"hue":[7,1.50]}],"mood":{"x":1}}],"brandNew":9007199254740993}`
	read, page := decode(t, `{"data":{"type":"bundleIdCapabilities","id":"C","attributes":`+attributes+`}}`,
		&provisioningv1.UpdateBundleIdCapabilityResponse{})
	got := read.GetBundleIdCapability()
	if page.Extra == 0 || got.GetCapabilityType() != enumsv1.CapabilityTypeEnum_UNKNOWN {
		t.Fatalf("nothing is new in it: %v", got)
	}
	body, err := (&Codec{}).Encode(&provisioningv1.CreateBundleIdCapabilityRequest{CapabilityType: got.CapabilityType,
		Settings: got.GetSettings(), BundleId: &typesv1.ToOne{Id: proto.String("B")}, Extra: got.GetExtra()}, "bundleIdCapabilities")
	if err != nil {
		t.Fatal(err)
	}
	const rest = `,"relationships":{"bundleId":{"data":{"type":"bundleIds","id":"B"}}}}}`
	if want := `{"data":{"type":"bundleIdCapabilities","attributes":` + attributes + rest; string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
}

// TestNewerValuesAreSent by their text in extra, wherever they stand.
func TestNewerValuesAreSent(t *testing.T) {
	unknown := enumsv1.AppStoreVersionReleaseTypeEnum_UNKNOWN.Enum()
	when := &timestamppb.Timestamp{Seconds: 1596541452}
	version := func(x map[string]string) *metadatav1.UpdateAppStoreVersionRequest {
		return &metadatav1.UpdateAppStoreVersionRequest{Id: "v", Extra: x}
	}
	set := func(m *metadatav1.UpdateAppStoreVersionRequest) *metadatav1.UpdateAppStoreVersionRequest {
		m.ReleaseType = unknown
		return m
	}
	for _, c := range []struct {
		name string
		msg  proto.Message
		want string // within the document
	}{
		{"beside UNKNOWN", set(version(map[string]string{"releaseType": `"ON_FULL_MOON"`})), `"attributes":{"releaseType":"ON_FULL_MOON"}`},
		{"under the proto name", set(version(map[string]string{"release_type": `"ON_FULL_MOON"`})), `{"releaseType":"ON_FULL_MOON"}`},
		{"known by now", set(version(map[string]string{"releaseType": `"MANUAL"`})), `{"releaseType":"MANUAL"}`},
		{"alone", version(map[string]string{"releaseType": `"ON_FULL_MOON"`}), `{"releaseType":"ON_FULL_MOON"}`},
		{"of another kind", version(map[string]string{"downloadable": `"later"`}), `{"downloadable":"later"}`},
		{"in a list", &commercev1.UpdateSubscriptionRequest{Id: "s", Extra: map[string]string{"marketSettings.1": `"MOON"`},
			MarketSettings: []enumsv1.SubscriptionMarketSettingsEnum_SubscriptionMarketSettings{2, 1}}, `"MOON"]`},
		{"in a child", &commercev1.UpdateSubscriptionRequest{Id: "s", Prices: &typesv1.SubscriptionPriceInlineToMany{
			Create: []*typesv1.SubscriptionPriceInlineCreate{{}, {PlanType: enumsv1.SubscriptionPlanTypeEnum_UNKNOWN.Enum(),
				Extra: map[string]string{"planType": `"DECADE"`}}}}},
			`{"type":"subscriptionPrices","id":"${subscriptionPrices-2}","attributes":{"planType":"DECADE"}}`},
		{"a date with Apple's own text", &metadatav1.UpdateAppStoreVersionRequest{Id: "v", EarliestReleaseDate: when,
			Extra: map[string]string{"earliestReleaseDate": `"2020-08-04T11:44:12.000+0000"`}},
			`{"earliestReleaseDate":"2020-08-04T11:44:12.000+0000"}`},
		{"meta of a relationship", &metadatav1.UpdateAppStoreVersionRequest{Id: "v", Build: &typesv1.ToOne{Id: proto.String("b")},
			Extra: map[string]string{"relationships.build.meta.zz": `"x"`}},
			`"relationships":{"build":{"data":{"type":"builds","id":"b"},"meta":{"zz":"x"}}}`},
		{"a relationship of another kind", version(map[string]string{"relationships.build": `{"data":[{"type":"builds","id":"b"}]}`}),
			`"relationships":{"build":{"data":[{"type":"builds","id":"b"}]}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, err := (&Codec{}).Encode(c.msg, "things")
			if err != nil || !strings.Contains(string(body), c.want) {
				t.Errorf("got  %s %v\nwant %s", body, err, c.want)
			}
		})
	}
}

// TestExtraSaysOnlyWhatNoFieldCan: it is no second way to send what has a field.
func TestExtraSaysOnlyWhatNoFieldCan(t *testing.T) {
	settings := []*typesv1.CapabilitySetting{{Key: enumsv1.CapabilitySettingKeyEnum_ICLOUD_VERSION.Enum()}, {Key: enumsv1.CapabilitySettingKeyEnum_UNKNOWN.Enum()}}
	for _, c := range []struct {
		name, key, text, want string
	}{
		{"a value of the enum", "capabilityType", `"MAPS"`, "extra"},
		{"null", "capabilityType", `null`, "extra"},
		{"beside a value that is set", "settings.0.key", `"BEAM"`, "extra"},
		{"no element", "settings.7.key", `"BEAM"`, "extra"},
		{"no index", "settings.x", `"BEAM"`, "extra"},
		{"a member that has a field", "settings.0.min_instances", `2`, "extra"},
		{"no string beside UNKNOWN", "settings.1.key", `7`, "settings[1].key"},
		{"no text beside UNKNOWN", "mood", `7`, "settings[1].key"},
		{"no JSON", "settings.1.key", `BEAM`, "extra"},
		{"a relationship", "relationships.bundle_id", `{"data":{"type":"bundleIds","id":"x"}}`, "extra"},
		{"data of a relationship", "relationships.bundleId.data", `null`, "extra"},
		{"a relationship as an attribute", "bundleId", `"x"`, "extra"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := (&Codec{}).Encode(&provisioningv1.CreateBundleIdCapabilityRequest{CapabilityType: nil, Settings: settings,
				BundleId: &typesv1.ToOne{Id: proto.String("B")}, Extra: map[string]string{c.key: c.text}}, "bundleIdCapabilities")
			var fields []string
			if err != nil {
				for _, v := range fault.As(err).Violations {
					fields = append(fields, v.Field)
				}
			}
			if !strings.Contains(strings.Join(fields, " "), c.want) {
				t.Errorf("violations of %q, want %s", fields, c.want)
			}
		})
	}
}

func TestMetaOfARelationshipIsKept(t *testing.T) {
	got, page := decode(t, `{"data":{"type":"appStoreVersions","id":"9","relationships":{
		"build":{"data":{"type":"builds","id":"7"},"meta":{"mood":"fine","paging":{"total":1}},"hue":3,"links":{}},
		"app":{"meta":{"since":2020}},
		"appStoreVersionLocalizations":{"data":[],"meta":{"paging":{"total":2,"limit":50},"mood":"dull"}},
		"appStoreReviewDetail":{"meta":{"mood":"lost"},"data":{"type":"unicorns","id":"u"}}}}}`, &metadatav1.GetAppStoreVersionResponse{})
	v := got.GetAppStoreVersion()
	want := map[string]string{"relationships.build.meta.mood": `"fine"`, "relationships.build.meta.paging": `{"total":1}`,
		"relationships.build.hue": "3", "relationships.app.meta.since": "2020", "relationships.appStoreVersionLocalizations.meta.mood": `"dull"`,
		"relationships.appStoreReviewDetail": `{"meta":{"mood":"lost"},"data":{"type":"unicorns","id":"u"}}`}
	for k, text := range want {
		if v.GetExtra()[k] != text {
			t.Errorf("extra[%s] = %s, want %s", k, v.GetExtra()[k], text)
		}
	}
	if len(v.GetExtra()) != len(want) || page.Extra == 0 || v.GetBuild().GetId() != "7" || v.GetAppStoreVersionLocalizations().GetTotal() != 2 {
		t.Errorf("%v", v)
	}
}

func TestPointers(t *testing.T) {
	point := func(id string) *typesv1.SubscriptionPriceInlineCreate {
		return &typesv1.SubscriptionPriceInlineCreate{SubscriptionPricePoint: &typesv1.ToOne{Id: &id}}
	}
	subscription := &commercev1.UpdateSubscriptionRequest{Id: "9", Extra: map[string]string{"brandNew": "1"},
		IntroductoryOffers: &typesv1.SubscriptionIntroductoryOfferInlineToMany{Create: []*typesv1.SubscriptionIntroductoryOfferInlineCreate{{}}},
		Prices: &typesv1.SubscriptionPriceInlineToMany{Ids: []string{"old"},
			Create: []*typesv1.SubscriptionPriceInlineCreate{point("a"), point("b"), point("c")}}}
	page := &metadatav1.CreateAppCustomProductPageRequest{AppCustomProductPageVersions: &typesv1.AppCustomProductPageVersionInlineToMany{
		Create: []*typesv1.AppCustomProductPageVersionInlineCreate{{AppCustomProductPageLocalizations: &typesv1.AppCustomProductPageLocalizationInlineToMany{
			Create: []*typesv1.AppCustomProductPageLocalizationInlineCreate{{Locale: proto.String("en-US")}}}}}}}
	testers := &testflightv1.AddBetaGroupBetaTestersRequest{BetaTesters: &typesv1.ToMany{Ids: []string{"a", "b"}}}
	for _, c := range []struct {
		name          string
		msg           proto.Message
		pointer, want string
	}{
		{"attribute", subscription, "/data/attributes/reviewNote", "review_note"},
		{"without a slash", subscription, "data/attributes/reviewNote", "review_note"},
		{"within an attribute", &provisioningv1.UpdateBundleIdCapabilityRequest{}, "/data/attributes/settings/1/options/0/enabled", "settings[1].options[0].enabled"},
		{"to-one", &provisioningv1.CreateProfileRequest{}, "/data/relationships/bundleId/data/id", "bundle_id"},
		{"to-many", &provisioningv1.CreateProfileRequest{Devices: &typesv1.ToMany{Ids: []string{"a", "b"}}}, "/data/relationships/devices/data/1/id", "devices.ids[1]"},
		{"existing among new", subscription, "/data/relationships/prices/data/0", "prices.ids[0]"},
		{"new among existing", subscription, "/data/relationships/prices/data/2/id", "prices.create[1]"},
		{"created", subscription, "/included/2/relationships/subscriptionPricePoint/data/id", "prices.create[1].subscription_price_point"},
		{"attribute of a created one", subscription, "/included/1/attributes/startDate", "prices.create[0].start_date"},
		{"of another relationship", subscription, "/included/0/id", "introductory_offers.create[0]"},
		{"child of a child", page, "/included/1/attributes/locale", "app_custom_product_page_versions.create[0].app_custom_product_page_localizations.create[0].locale"},
		{"linkage", testers, "/data/1/id", "beta_testers.ids[1]"},
		{"all of a linkage", testers, "/data", "beta_testers"},
		{"to-one linkage", &metadatav1.SetAppStoreVersionBuildRequest{}, "/data/id", "build"},
		{"id", subscription, "/data/id", "id"},
		{"extra", subscription, "/data/attributes/brandNew", `extra["brandNew"]`},
		{"nothing", subscription, "/data/nothing", ""},
		{"no such child", subscription, "/included/99/id", ""},
		{"empty", subscription, "", ""},
	} {
		if got := (&Codec{}).Pointers(c.msg).Field(c.pointer); got != c.want {
			t.Errorf("%s: %s: %q, want %q", c.name, c.pointer, got, c.want)
		}
	}
	if got := (&Codec{}).Pointers(subscription).Text("id '${subscriptionPrices-4}' of ${other-1}"); got != "id 'prices.create[2]' of ${other-1}" {
		t.Error(got)
	}
}

// TestADateInADateTimeGoesBackAsItCame: Apple's text is kept in extra, and sent
// as long as the field says the same time.
func TestADateInADateTimeGoesBackAsItCame(t *testing.T) {
	got, _ := decode(t, `{"data":{"type":"appStoreVersions","id":"v","attributes":{"earliestReleaseDate":"2026-01-31"}}}`, &metadatav1.GetAppStoreVersionResponse{})
	v := got.GetAppStoreVersion()
	req := &metadatav1.UpdateAppStoreVersionRequest{Id: "v", EarliestReleaseDate: v.EarliestReleaseDate, Extra: v.GetExtra()}
	body, err := (&Codec{}).Encode(req, "appStoreVersions")
	if err != nil || !strings.Contains(string(body), `"earliestReleaseDate":"2026-01-31"}`) {
		t.Errorf("%s %v", body, err)
	}
	req.EarliestReleaseDate = &timestamppb.Timestamp{Seconds: v.GetEarliestReleaseDate().GetSeconds() + 3600}
	if body, err := (&Codec{}).Encode(req, "appStoreVersions"); err == nil {
		t.Errorf("two times are told at once: %s", body)
	}
}
