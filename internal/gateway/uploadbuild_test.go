package gateway

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// ipa is an app of a bundle id, with so many bytes before and after its Info.plist.
func ipa(t testing.TB, bundleID, version, number string, before, after int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	noise := rand.NewChaCha8([32]byte{byte(before), byte(after)})
	add := func(name string, content []byte) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	bulk := func(n int) []byte { p := make([]byte, n); _, _ = noise.Read(p); return p }
	add("Payload/Shop.app/Assets.car", bulk(before))
	add("Payload/Shop.app/Info.plist", fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict><key>CFBundleIdentifier</key><string>%s</string>
<key>CFBundleShortVersionString</key><string>%s</string><key>CFBundleVersion</key><string>%s</string>
<key>DTPlatformName</key><string>iphoneos</string></dict></plist>`, bundleID, version, number))
	add("Payload/Shop.app/Shop", bulk(after))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// appOf is an app's id and bundle id.
func (w *world) appOf(t testing.TB) (id, bundle string) {
	t.Helper()
	res, err := metadatav1.NewAppsServiceClient(w.conn).ListApps(t.Context(), &metadatav1.ListAppsRequest{PageSize: 1})
	if err != nil || len(res.GetApps()) == 0 {
		t.Fatal(err)
	}
	return res.GetApps()[0].GetId(), res.GetApps()[0].GetBundleId()
}

func buildStart(file []byte, b *uploadsv1.BuildTarget) *uploadsv1.UploadStart {
	b.FileName, b.FileSize = "App.ipa", int64(len(file))
	return &uploadsv1.UploadStart{Target: &uploadsv1.Target{What: &uploadsv1.Target_Build{Build: b}}}
}

// TestUploadABuild: the file alone tells which build it is. The same number is
// joined, a failed one frees it, and another file with it is refused.
func TestUploadABuild(t *testing.T) {
	d := newDepot(t, sandbox.World{PartBytes: 100_000})
	app, bundle := d.appOf(t)
	file := ipa(t, bundle, "9.1", "77", 300_000, 500_000)
	sum := sha256.Sum256(file)
	code, b := d.post(t, url.Values{"type": {"builds"}, "fileName": {"App.ipa"}, "waitFor": {"PROCESSED"}}, file)
	var got struct {
		SHA256   string
		Resource struct{ BuildUploadFile struct{ ID string } }
		Build    struct {
			App         string
			Build       struct{ Version, ProcessingState string }
			BuildUpload struct {
				ID, CfBundleVersion, Platform string
				State                         struct{ State string }
			}
		}
	}
	if err := json.Unmarshal(b, &got); err != nil || code != 201 || got.SHA256 != hex.EncodeToString(sum[:]) ||
		got.Build.App != app || got.Build.BuildUpload.State.State != "COMPLETE" || got.Build.BuildUpload.Platform != "IOS" ||
		got.Build.Build.Version != "77" || got.Build.Build.ProcessingState != "VALID" {
		t.Fatalf("%d %s", code, b)
	}
	parts := d.parts.Load()
	res, _, err := d.send(
		t,
		buildStart(file, &uploadsv1.BuildTarget{App: bundle, Version: "9.1", Number: "77", Platform: "IOS"}),
		file,
		1<<18,
	)
	if err != nil || !res.GetExisted() || res.GetBuild().GetBuildUpload().GetId() != got.Build.BuildUpload.ID ||
		d.parts.Load() != parts {
		t.Errorf("the same build again: %v %v", res, err)
	}
	for name, x := range map[string]struct {
		target *uploadsv1.BuildTarget
		file   []byte
		reason string
	}{
		"another number is named": {&uploadsv1.BuildTarget{App: app, Version: "9.1", Number: "78", Platform: "IOS"}, file, uploads.ReasonOtherBuild},
		"no app of this name":     {&uploadsv1.BuildTarget{}, ipa(t, "com.example.nobody", "1", "1", 0, 0), uploads.ReasonNoApp},
		"no archive":              {&uploadsv1.BuildTarget{}, []byte("hello"), "BUILD_FILE_UNKNOWN"},
		"Info.plist comes late":   {&uploadsv1.BuildTarget{}, ipa(t, bundle, "9.2", "1", 17<<20, 0), "BUILD_INFO_TOO_LATE"},
		"an id with a slash":      {&uploadsv1.BuildTarget{App: "a/b", Version: "1", Number: "1", Platform: "IOS"}, file, "INVALID_REQUEST"},
		"no platform of Apple's":  {&uploadsv1.BuildTarget{App: app, Version: "1", Number: "1", Platform: "PALM"}, file, "INVALID_REQUEST"},
	} {
		_, _, err := d.send(t, buildStart(x.file, x.target), x.file, 1<<18)
		if reason, _ := infoOf(err); reason != x.reason {
			t.Errorf("%s: %v, want %s", name, err, x.reason)
		}
	}
	uploadsNow := d.sandbox.IDs("buildUploads")
	for _, id := range uploadsNow {
		if _, _, b := d.do(t, "GET", "/v1/buildUploads/"+id, ""); strings.Contains(string(b), `"AWAITING_UPLOAD"`) {
			t.Errorf("an upload is left behind: %s", b)
		}
	}
}

// TestUploadABuildTwiceAtOnce: the second joins the first, and sends nothing.
func TestUploadABuildTwiceAtOnce(t *testing.T) {
	d := newDepot(t, sandbox.World{PartBytes: 100_000})
	app, bundle := d.appOf(t)
	file := ipa(t, bundle, "9.3", "5", 1000, 150_000)
	begun, goOn := make(chan struct{}), make(chan struct{})
	d.spoil = func(_ http.ResponseWriter, _ *http.Request, n int32) bool {
		if n == 1 {
			close(begun)
			<-goOn
		}
		return false
	}
	existed := make(chan bool, 2)
	one := func() {
		target := &uploadsv1.BuildTarget{App: app, Version: "9.3", Number: "5", Platform: "IOS"}
		res, _, err := d.send(t, buildStart(file, target), file, 1<<16)
		if err != nil {
			t.Error(err)
		}
		existed <- res.GetExisted()
	}
	go one()
	<-begun
	go one()
	time.Sleep(100 * time.Millisecond) // it has found the first
	close(goOn)
	if a, b := <-existed, <-existed; a == b || len(d.sandbox.IDs("buildUploadFiles")) == 0 || d.parts.Load() != 2 {
		t.Errorf("%v, %v: %d parts", a, b, d.parts.Load())
	}
}

// TestUploadABuildThatFails: its errors are Apple's words, and its number
// is free again.
func TestUploadABuildThatFails(t *testing.T) {
	d := newDepot(t, sandbox.World{PartBytes: 100_000, Times: sandbox.Times{Build: time.Hour, Upload: time.Hour}})
	app, bundle := d.appOf(t)
	file := ipa(t, bundle, "9.1", "77", 1000, 1000)
	target := func() *uploadsv1.BuildTarget {
		return &uploadsv1.BuildTarget{App: app, Version: "9.1", Number: "77", Platform: "IOS"}
	}
	fail := make(chan string)
	go func() {
		for {
			for _, id := range d.sandbox.IDs("buildUploads") {
				if _, _, b := d.do(t, "GET", "/v1/buildUploads/"+id+"/buildUploadFiles", ""); !strings.Contains(
					string(b),
					`"UPLOAD_COMPLETE"`,
				) {
					continue // its file is still on its way
				}
				if err := d.sandbox.Act(sandbox.Act{Type: "buildUploads", ID: id, Do: "fail", With: map[string]any{"errors": []any{
					map[string]any{"code": "90478", "description": "Invalid Version."}}}}); err == nil {
					fail <- id
					return
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	_, _, err := d.send(t, buildStart(file, target()), file, 1<<18)
	id := <-fail
	if reason, _ := infoOf(err); reason != uploads.ReasonFailed ||
		!strings.Contains(err.Error(), "90478 Invalid Version.") {
		t.Errorf("%s: %v", id, err)
	}
	start := buildStart(file, target())
	start.WaitFor = uploadsv1.WaitForEnum_COMMITTED
	if res, _, err := d.send(t, start, file, 1<<18); err != nil || res.GetExisted() {
		t.Errorf("the number is not free: %v %v", res, err)
	}
}
