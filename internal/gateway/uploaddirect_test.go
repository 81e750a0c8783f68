package gateway

import (
	"bytes"
	"image/color"
	"net/http"
	"testing"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/protobuf/proto"
)

// carry sends a file to the operations of a direct upload.
func (d *depot) carry(t *testing.T, begun *uploadsv1.BeginDirectUploadResponse, file []byte) {
	t.Helper()
	for _, o := range begun.GetOperations() {
		r, err := http.NewRequest(o.GetMethod(), o.GetUrl(), bytes.NewReader(file[o.GetOffset():o.GetOffset()+o.GetLength()]))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range o.GetHeaders() {
			r.Header.Set(name, value)
		}
		res, err := d.http.Do(r)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		res.Body.Close()
	}
}

// TestDirectUpload: the caller sends the bytes to Apple itself; the gateway reserves
// and commits.
func TestDirectUpload(t *testing.T) {
	d := newDepot(t, sandbox.World{PartBytes: 4000})
	client := uploadsv1.NewUploadServiceClient(d.conn)
	file, was := shot(t, color.Black), d.count(t)
	begin := func() *uploadsv1.BeginDirectUploadResponse {
		res, err := client.BeginDirectUpload(t.Context(), &uploadsv1.BeginDirectUploadRequest{Target: d.start(file).GetTarget()})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	begun := begin()
	d.carry(t, begun, file)
	done, err := client.CommitDirectUpload(t.Context(), &uploadsv1.CommitDirectUploadRequest{Token: begun.GetToken(), Md5: md5Of(file)})
	if err != nil || done.GetResult().GetResource().GetAppScreenshot().GetId() != begun.GetId() || d.count(t) != was+1 {
		t.Errorf("%v %v", done, err)
	}
	if again, err := client.CommitDirectUpload(t.Context(), &uploadsv1.CommitDirectUploadRequest{Token: begun.GetToken()}); err != nil {
		t.Errorf("committed twice: %v %v", again, err)
	}
	begun = begin() // nothing is sent
	_, err = client.CommitDirectUpload(t.Context(), &uploadsv1.CommitDirectUploadRequest{Token: begun.GetToken()})
	if reason, _ := infoOf(err); reason != uploads.ReasonFailed || d.count(t) != was+1 {
		t.Errorf("without bytes: %v, %d left", err, d.count(t)-was)
	}
	begun = begin()
	_, _, err = d.send(t, &uploadsv1.UploadStart{ResumeToken: begun.GetToken()}, file, 1<<18)
	if reason, _ := infoOf(err); reason != uploads.ReasonToken {
		t.Errorf("a direct token for Upload: %v", err)
	}
	app, _ := d.appOf(t)
	for name, x := range map[string]struct {
		target *uploadsv1.BuildTarget
		reason string
	}{
		"all is named":        {&uploadsv1.BuildTarget{App: app, Version: "9.5", Number: "1", Platform: "IOS"}, ""},
		"something is not":    {&uploadsv1.BuildTarget{App: app, Version: "9.5", Number: "2"}, uploads.ReasonNoBuild},
		"no target":           {nil, "INVALID_REQUEST"},
		"the same once again": {&uploadsv1.BuildTarget{App: app, Version: "9.6", Number: "1", Platform: "IOS"}, ""},
	} {
		req := &uploadsv1.BeginDirectUploadRequest{Target: &uploadsv1.Target{}}
		if x.target != nil {
			req = &uploadsv1.BeginDirectUploadRequest{Target: proto.CloneOf(buildStart(file, x.target).GetTarget())}
		}
		res, err := client.BeginDirectUpload(t.Context(), req)
		if reason, _ := infoOf(err); reason != x.reason || err == nil && len(res.GetOperations()) == 0 {
			t.Errorf("%s: %v %v", name, res, err)
		}
	}
}
