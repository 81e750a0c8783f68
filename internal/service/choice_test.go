package service

import (
	"strings"
	"testing"

	commercev1 "github.com/asc-gateway/asc-gateway/gen/asc/commerce/v1"
	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestWhatGoesTogether sends placements to the engine: Apple's anyOf is checked
// before a request is spent.
func TestWhatGoesTogether(t *testing.T) {
	m := method(t, "appAssetLibraryPlacements_createInstance")
	screenshot := enumsv1.AppAssetLibraryPlacementTypeEnum_APP_SCREENSHOT.Enum()
	one := &typesv1.ToOne{Id: proto.String("1")}
	for _, c := range []struct {
		name, field string
		req         *metadatav1.CreateAppAssetLibraryPlacementRequest
	}{
		{"nothing", "placement_type", &metadatav1.CreateAppAssetLibraryPlacementRequest{}},
		{"an image nowhere", "app_event_localization",
			&metadatav1.CreateAppAssetLibraryPlacementRequest{PlacementType: screenshot, Image: one}},
		{"a place without a picture", "image",
			&metadatav1.CreateAppAssetLibraryPlacementRequest{PlacementType: screenshot, AppStoreVersionLocalization: one}},
		{"no type", "placement_type",
			&metadatav1.CreateAppAssetLibraryPlacementRequest{Video: one, AppEventLocalization: one}},
		{"an image for a version", "",
			&metadatav1.CreateAppAssetLibraryPlacementRequest{PlacementType: screenshot, Image: one, AppStoreVersionLocalization: one}},
		{"a video for an event", "",
			&metadatav1.CreateAppAssetLibraryPlacementRequest{PlacementType: screenshot, Video: one, AppEventLocalization: one}},
		{"a type of null", "",
			&metadatav1.CreateAppAssetLibraryPlacementRequest{Clear: []string{"placementType"}, Video: one, AppEventLocalization: one}},
		{"what the document does not know", "",
			&metadatav1.CreateAppAssetLibraryPlacementRequest{Image: one, Extra: map[string]string{"attributes.swap": "true"}}},
	} {
		err := m.together.check(c.req.ProtoReflect(), "")
		if c.field == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		f := fault.As(err)
		if err == nil || f.Kind != fault.InvalidArgument || len(f.Violations) != 1 || f.Violations[0].Field != c.field {
			t.Errorf("%s: %v", c.name, err)
		} else if !strings.Contains(f.Violations[0].Description, "placement_type + image + app_event_localization; ") {
			t.Errorf("%s: %s", c.name, f.Violations[0].Description)
		}
	}
	for _, id := range []string{"profiles_createInstance", "builds_getCollection"} {
		if method(t, id).together != nil {
			t.Errorf("%s: there is nothing to check", id)
		}
	}
}

// TestWhatGoesTogetherInline checks the objects that a request creates inline,
// and names the place.
func TestWhatGoesTogetherInline(t *testing.T) {
	req := &commercev1.CreateWinBackOfferRequest{Prices: &typesv1.WinBackOfferPriceInlineToMany{Create: []*typesv1.WinBackOfferPriceInlineCreate{
		{Territory: &typesv1.ToOne{Id: proto.String("USA")}, SubscriptionPricePoint: &typesv1.ToOne{Id: proto.String("1")}},
		{Territory: &typesv1.ToOne{Id: proto.String("FRA")}},
	}}}
	msg := req.ProtoReflect()
	prices := msg.Descriptor().Fields().ByName("prices")
	plan := &together{created: map[protoreflect.FieldDescriptor]*together{prices: {choices: []*optionsv1.Choice{{AnyOf: []*optionsv1.Combination{
		{Fields: []string{"territory", "subscription_price_point"}}}}}}}}
	f := fault.As(plan.check(msg, ""))
	if f == nil || len(f.Violations) != 1 || f.Violations[0].Field != "prices.create[1].subscription_price_point" {
		t.Errorf("%v", f)
	}
	req.Prices.Create = req.Prices.Create[:1]
	if err := plan.check(msg, ""); err != nil {
		t.Error(err)
	}
}
