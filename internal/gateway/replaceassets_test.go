package gateway

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"strings"
	"testing"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/protobuf/proto"
)

// gallery are files that are to be in a place.
type gallery struct {
	names []string
	files [][]byte
}

func galleryOf(t testing.TB, n int) (g gallery) {
	t.Helper()
	for i := range n {
		g.names = append(g.names, string(rune('a'+i))+".png")
		g.files = append(g.files, shot(t, color.RGBA{uint8(i), uint8(n), 7, 255}))
	}
	return g
}

func (g gallery) pick(order ...int) (out gallery) {
	for _, i := range order {
		out.names, out.files = append(out.names, g.names[i]), append(out.files, g.files[i])
	}
	return out
}

func (g gallery) assets() (list []*uploadsv1.AssetFile) {
	for i, f := range g.files {
		list = append(list, &uploadsv1.AssetFile{FileName: g.names[i], FileSize: int64(len(f)), Md5: md5Of(f)})
	}
	return list
}

// replace makes a place hold exactly these files.
func (w *world) replace(t testing.TB, place *uploadsv1.AssetPlace, g gallery, etag string) (*uploadsv1.ReplaceAssetsResult, error) {
	t.Helper()
	stream, err := uploadsv1.NewUploadServiceClient(w.conn).ReplaceAssets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	start := &uploadsv1.ReplaceAssetsStart{Place: place, Files: g.assets(), PlanEtag: etag}
	if err := stream.Send(&uploadsv1.ReplaceAssetsRequest{Part: &uploadsv1.ReplaceAssetsRequest_Start{Start: start}}); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := stream.Recv()
		switch {
		case err != nil:
			return nil, err
		case m.GetResult() != nil:
			if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("after the result: %v", err)
			}
			return m.GetResult(), nil
		case m.GetPlan() != nil:
			go func() {
				for _, i := range m.GetPlan().GetWanted() {
					for at := 0; at < len(g.files[i]); at += 5000 {
						d := &uploadsv1.AssetData{File: i, WriteOffset: int64(at), Data: g.files[i][at:min(at+5000, len(g.files[i]))]}
						if stream.Send(&uploadsv1.ReplaceAssetsRequest{Part: &uploadsv1.ReplaceAssetsRequest_Data{Data: d}}) != nil {
							return
						}
					}
				}
				_ = stream.CloseSend()
			}()
		}
	}
}

// names are those of the files of the set, in their order.
func (d *depot) names(t testing.TB) (list []string) {
	t.Helper()
	res, err := metadatav1.NewAppScreenshotSetsServiceClient(d.conn).ListAppScreenshotSetAppScreenshots(t.Context(),
		&metadatav1.ListAppScreenshotSetAppScreenshotsRequest{Id: d.set})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range res.GetAppScreenshots() {
		list = append(list, s.GetFileName())
	}
	return list
}

// TestReplaceAssets: a set becomes exactly the files, with as few requests as can
// be. The counts are those of the issue: 10 screenshots in at most 24 requests, and
// again in one.
func TestReplaceAssets(t *testing.T) {
	d := newDepot(t, sandbox.World{})
	ten := galleryOf(t, 10)
	place := &uploadsv1.AssetPlace{Place: &uploadsv1.AssetPlace_AppScreenshotSet{AppScreenshotSet: d.set}}
	if _, err := d.replace(t, place, gallery{}, ""); err != nil || d.count(t) != 0 {
		t.Fatal(err, d.count(t))
	}
	for _, x := range []struct {
		name                      string
		files                     gallery
		requests, uploads, remove int32
		ordered                   bool
	}{
		{"ten new ones", ten, 24, 10, 0, false},
		{"the same again", ten, 1, 0, 0, false},
		{"two change places", ten.pick(1, 0, 2, 3, 4, 5, 6, 7, 8, 9), 2, 0, 0, true},
		{"one goes", ten.pick(1, 0, 2, 3, 4, 5, 6, 7, 8), 2, 0, 1, false},
		{"one comes in front", ten.pick(9, 1, 0, 2, 3, 4, 5, 6, 7, 8), 6, 1, 0, true},
		{"all others, of a full set", galleryOf(t, 9), 9*2 + 10 + 3, 9, 10, false},
		{"none", gallery{}, 10, 0, 9, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			plan, err := uploadsv1.NewUploadServiceClient(d.conn).PlanReplaceAssets(t.Context(),
				&uploadsv1.PlanReplaceAssetsRequest{Place: place, Files: x.files.assets()})
			if err != nil {
				t.Fatal(err)
			}
			res, err := d.replace(t, place, x.files, plan.GetPlan().GetEtag())
			if err != nil {
				t.Fatal(err)
			}
			if res.GetRequests() > x.requests || res.GetUploaded() != x.uploads || res.GetDeleted() != x.remove || res.GetReordered() != x.ordered {
				t.Errorf("%d requests (at most %d), %d uploaded, %d deleted, ordered %v", res.GetRequests(), x.requests,
					res.GetUploaded(), res.GetDeleted(), res.GetReordered())
			}
			if len(plan.GetWanted()) != int(x.uploads) || plan.GetPlan().GetRequests() > res.GetRequests() {
				t.Errorf("the plan wants %v, and %d requests", plan.GetWanted(), plan.GetPlan().GetRequests())
			}
			got := d.names(t)
			if len(got) != len(x.files.names) {
				t.Fatalf("%v, want %v", got, x.files.names)
			}
			for i, name := range x.files.names {
				if got[i] != name || res.GetAssets()[i].GetAppScreenshot().GetFileName() != name {
					t.Errorf("%v, want %v", got, x.files.names)
				}
			}
			t.Logf("%d requests", res.GetRequests())
			if x.name == "ten new ones" {
				if _, err := d.replace(t, place, x.files.pick(0), plan.GetPlan().GetEtag()); err == nil {
					t.Error("a stale plan was carried out")
				} else if reason, _ := infoOf(err); reason != uploads.ReasonPlanStale {
					t.Error(err)
				}
			}
		})
	}
}

// localizations are so many of the version that the set belongs to.
func (d *depot) localizations(t testing.TB, n int) (ids []string) {
	t.Helper()
	ctx, locs := t.Context(), metadatav1.NewAppStoreVersionLocalizationsServiceClient(d.conn)
	version, _ := d.draft(t)
	for _, locale := range []string{"ar-SA", "ca", "cs", "da", "de-DE", "el", "en-AU", "en-CA", "en-GB", "en-US", "es-ES", "es-MX", "fi",
		"fr-CA", "fr-FR", "he", "hi", "hr", "hu", "id", "it", "ja", "ko", "ms", "nl-NL", "no", "pl", "pt-BR", "pt-PT", "ro", "ru", "sk",
		"sv", "th", "tr", "uk", "vi", "zh-Hans", "zh-Hant", "bn-BD", "gu-IN", "kn-IN", "ml-IN", "mr-IN", "or-IN", "pa-IN", "sl-SI", "ta-IN"} {
		if len(ids) == n {
			return ids
		}
		res, err := locs.CreateAppStoreVersionLocalization(ctx, &metadatav1.CreateAppStoreVersionLocalizationRequest{
			Locale: proto.String(locale), AppStoreVersion: &typesv1.ToOne{Id: proto.String(version)}})
		if err == nil { // else it is there already
			ids = append(ids, res.GetAppStoreVersionLocalization().GetId())
		}
	}
	if len(ids) < n {
		t.Fatalf("only %d localizations", len(ids))
	}
	return ids
}

// TestReplaceAssetsOfManyLocales: 40 locales with ten screenshots each take
// L × (2 + 2 × N) requests, and the looks at what Apple processes.
func TestReplaceAssetsOfManyLocales(t *testing.T) {
	d := newDepot(t, sandbox.World{})
	const locales, shots = 40, 10
	ten := galleryOf(t, shots)
	total, looks := int32(0), int32(0)
	ids := d.localizations(t, locales)
	for _, id := range ids {
		place := placeOfDisplay(id)
		res, err := d.replace(t, place, ten, "")
		if err != nil {
			t.Fatal(err)
		}
		total += res.GetRequests()
		looks += res.GetRequests() - (2 + 2*shots)
		again, err := d.replace(t, place, ten, "")
		if err != nil || again.GetRequests() != 1 {
			t.Fatalf("again: %v %v", again, err)
		}
	}
	last := placeOfDisplay(ids[0])
	if res, err := d.replace(t, last, galleryOf(t, 2), ""); err != nil || res.GetRequests() > 1+1+1+2*2+2 || res.GetDeleted() != shots {
		t.Errorf("all others: %v %v", res, err)
	}
	if res, err := d.replace(t, last, gallery{}, ""); err != nil || res.GetRequests() != 2 || res.GetDeleted() != 2 {
		t.Errorf("none: %v %v", res, err)
	}
	t.Logf("%d locales × %d: %d requests = %d × (1 read + 1 set + 2 × %d) + %d looks", locales, shots, total, locales, shots, looks)
	if looks > 2*locales || looks < locales {
		t.Errorf("%d looks", looks)
	}
}

// placeOfDisplay is the set of a display type of a localization.
func placeOfDisplay(localization string) *uploadsv1.AssetPlace {
	return &uploadsv1.AssetPlace{Place: &uploadsv1.AssetPlace_DisplaySet{DisplaySet: &uploadsv1.DisplaySet{
		DisplayType: display,
		Owner:       &uploadsv1.DisplaySet_AppStoreVersionLocalization{AppStoreVersionLocalization: localization}}}}
}

// TestReplacePlacements: the pictures of a group are uploaded once, whatever number
// of localizations shows them.
func TestReplacePlacements(t *testing.T) {
	d := newDepot(t, sandbox.World{})
	locs := d.localizations(t, 3)
	_, app := d.draft(t)
	three := gallery{}
	for i := range 3 {
		three.names = append(three.names, string(rune('x'+i))+".png")
		three.files = append(three.files, picture(t, 2007, 2853, color.RGBA{uint8(i), 1, 7, 255}))
	}
	placeOf := func(loc string) *uploadsv1.AssetPlace {
		return &uploadsv1.AssetPlace{Place: &uploadsv1.AssetPlace_PlacementGroup{PlacementGroup: &uploadsv1.PlacementGroup{
			App: app, PlacementType: "APP_SCREENSHOT", PlacementGroup: "IPHONE_DUO_PROFILE",
			Owner: &uploadsv1.PlacementGroup_AppStoreVersionLocalization{AppStoreVersionLocalization: loc}}}}
	}
	for _, x := range []struct {
		name              string
		loc               string
		files             gallery
		requests, uploads int32
		ordered           bool
	}{
		{"three new ones", locs[0], three, 3 + 3*3 + 2, 3, false}, // with the reference data, once a day
		{"again", locs[0], three, 1, 0, false},
		{"another locale", locs[1], three, 2 + 3, 0, false},
		{"one more, in another order", locs[2], three.pick(2, 0, 1), 2 + 3, 0, false},
		{"turned", locs[0], three.pick(2, 1, 0), 2, 0, true},
		{"one goes", locs[0], three.pick(2, 0), 2, 0, false},
	} {
		res, err := d.replace(t, placeOf(x.loc), x.files, "")
		if err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		if res.GetRequests() > x.requests || res.GetUploaded() != x.uploads || res.GetReordered() != x.ordered {
			t.Errorf("%s: %d requests, %d uploaded, ordered %v", x.name, res.GetRequests(), res.GetUploaded(), res.GetReordered())
		}
		for i, a := range res.GetAssets() {
			if a.GetAppAssetLibraryImage().GetFileName() != x.files.names[i] {
				t.Errorf("%s: %v", x.name, a)
			}
		}
		t.Logf("%s: %d requests", x.name, res.GetRequests())
	}
	wrong := gallery{names: []string{"w.png"}, files: [][]byte{picture(t, 100, 100, color.Black)}}
	res, err := d.replace(t, placeOf(locs[1]), wrong, "")
	if err == nil && (len(res.GetWarnings()) == 0 || !strings.Contains(res.GetWarnings()[0].GetMessage(), "100×100 is no size of IPHONE_DUO_PROFILE")) {
		t.Errorf("the wrong size: %v", res)
	}
	eleven := gallery{}
	for i := range 11 {
		eleven.names = append(eleven.names, fmt.Sprint(i, ".png"))
		eleven.files = append(eleven.files, picture(t, 2007, 2853, color.RGBA{uint8(i), 9, 7, 255}))
	}
	if _, err := d.replace(t, placeOf(locs[2]), eleven, ""); err == nil || !strings.Contains(err.Error(), "at most 10") {
		t.Errorf("eleven: %v", err)
	}
}

// draft is a version that can be changed, and its app: one for all of a test.
func (d *depot) draft(t testing.TB) (version, app string) {
	t.Helper()
	if d.version != "" {
		return d.version, d.app
	}
	var err error
	for _, d.app = range d.sandbox.IDs("apps") {
		var res *metadatav1.CreateAppStoreVersionResponse
		res, err = metadatav1.NewAppStoreVersionsServiceClient(d.conn).CreateAppStoreVersion(t.Context(),
			&metadatav1.CreateAppStoreVersionRequest{Platform: enumsv1.PlatformEnum_IOS.Enum(), VersionString: proto.String("99.0"),
				App: &typesv1.ToOne{Id: proto.String(d.app)}})
		if err == nil {
			d.version = res.GetAppStoreVersion().GetId()
			return d.version, d.app
		}
	}
	t.Fatal(err)
	return "", ""
}
