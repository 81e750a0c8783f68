package gateway

import (
	"errors"
	"image/color"
	"io"
	"testing"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
	"github.com/asc-gateway/asc-gateway/sandbox"
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
		g.files = append(g.files, picture(t, 1290, 2796, color.RGBA{uint8(i), uint8(n), 7, 255}))
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
