package gateway

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"image/color"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/transfer"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// depot stands before a sandbox, and lets a test spoil what passes.
type depot struct {
	*world
	version, app string // of the set
	set          string
	parts        atomic.Int32 // that were sent
	spoil        func(w http.ResponseWriter, r *http.Request, n int32) bool
	rewrite      func(body []byte) []byte // of answers to POST and GET
}

func newDepot(t *testing.T, like sandbox.World) *depot {
	t.Helper()
	box, err := sandbox.Open(like)
	if err != nil {
		t.Fatal(err)
	}
	private, err := box.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	d := &depot{}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/_sandbox/upload/") {
			if n := d.parts.Add(1); d.spoil != nil && d.spoil(w, r, n) {
				return
			}
			box.ServeHTTP(w, r)
			return
		}
		if d.rewrite == nil {
			box.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		box.ServeHTTP(rec, r)
		body := d.rewrite(rec.Body.Bytes())
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.Header().Del("Content-Length")
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body)
	}))
	d.world = serveWorld(t, box, upstream, ringOf(private), quick())
	d.set = d.open(t)
	return d
}

// open is a new set of a version that can be changed.
func (d *depot) open(t *testing.T) string {
	t.Helper()
	version, _ := d.draft(t)
	locs, err := metadatav1.NewAppStoreVersionsServiceClient(d.conn).ListAppStoreVersionAppStoreVersionLocalizations(t.Context(),
		&metadatav1.ListAppStoreVersionAppStoreVersionLocalizationsRequest{Id: version})
	if err != nil || len(locs.GetAppStoreVersionLocalizations()) == 0 {
		t.Fatal(locs, err)
	}
	set, err := metadatav1.NewAppScreenshotSetsServiceClient(d.conn).CreateAppScreenshotSet(t.Context(),
		&metadatav1.CreateAppScreenshotSetRequest{
			ScreenshotDisplayType:       enumsv1.ScreenshotDisplayTypeEnum_APP_WATCH_SERIES_3.Enum(),
			AppStoreVersionLocalization: &typesv1.ToOne{Id: proto.String(locs.GetAppStoreVersionLocalizations()[0].GetId())}})
	if err != nil {
		t.Fatal(err)
	}
	return set.GetAppScreenshotSet().GetId()
}

// start is of a screenshot of the set.
func (d *depot) start(file []byte) *uploadsv1.UploadStart {
	return &uploadsv1.UploadStart{Target: &uploadsv1.Target{What: &uploadsv1.Target_AppScreenshot{
		AppScreenshot: &metadatav1.CreateAppScreenshotRequest{FileName: proto.String("shot.png"), FileSize: proto.Int64(int64(len(file))),
			AppScreenshotSet: &typesv1.ToOne{Id: proto.String(d.set)}}}}}
}

// count is how many screenshots the set has.
func (d *depot) count(t *testing.T) int {
	t.Helper()
	res, err := metadatav1.NewAppScreenshotSetsServiceClient(d.conn).ListAppScreenshotSetAppScreenshots(t.Context(),
		&metadatav1.ListAppScreenshotSetAppScreenshotsRequest{Id: d.set})
	if err != nil {
		t.Fatal(err)
	}
	return len(res.GetAppScreenshots())
}

// infoOf is the reason of an error with its metadata.
func infoOf(err error) (reason string, metadata map[string]string) {
	for _, d := range status.Convert(err).Details() {
		if i, ok := d.(*errdetails.ErrorInfo); ok {
			return i.GetReason(), i.GetMetadata()
		}
	}
	return "", nil
}

func md5Of(b []byte) string { sum := md5.Sum(b); return hex.EncodeToString(sum[:]) }

// TestUploadGoesWrong: each thing that can go wrong has its error, and leaves
// nothing behind that is of no use.
func TestUploadGoesWrong(t *testing.T) {
	file := shot(t, color.Black)
	answer := func(code int) func(http.ResponseWriter, *http.Request, int32) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ int32) bool { w.WriteHeader(code); return true }
	}
	for _, x := range []struct {
		name   string
		world  sandbox.World
		bend   func(d *depot, s *uploadsv1.UploadStart)
		file   []byte // if not the one that is announced
		reason string
		left   int // screenshots in the set at the end, beside those that were there
	}{
		{name: "another SHA-256", bend: func(_ *depot, s *uploadsv1.UploadStart) { s.Sha256 = strings.Repeat("0", 64) },
			reason: uploads.ReasonChecksum},
		{name: "another MD5", bend: func(_ *depot, s *uploadsv1.UploadStart) { s.Md5 = strings.Repeat("0", 32) },
			reason: uploads.ReasonChecksum},
		{name: "a URL on another host", bend: func(d *depot, _ *uploadsv1.UploadStart) {
			d.rewrite = func(b []byte) []byte {
				return bytes.ReplaceAll(b, []byte(d.address+"/_sandbox"), []byte("https://attacker.example/_sandbox"))
			}
		}, reason: transfer.ReasonForeignHost},
		{name: "a redirect", bend: func(d *depot, _ *uploadsv1.UploadStart) {
			d.spoil = func(w http.ResponseWriter, r *http.Request, _ int32) bool {
				http.Redirect(w, r, "https://attacker.example/", http.StatusTemporaryRedirect)
				return true
			}
		}, reason: transfer.ReasonRedirected},
		{name: "the operation has expired", bend: func(d *depot, _ *uploadsv1.UploadStart) { d.spoil = answer(403) },
			reason: transfer.ReasonExpired},
		{name: "a part is refused", bend: func(d *depot, _ *uploadsv1.UploadStart) { d.spoil = answer(400) },
			reason: transfer.ReasonRefused},
		{name: "operations with a gap", bend: func(d *depot, _ *uploadsv1.UploadStart) {
			d.rewrite = func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`"offset":4000`), []byte(`"offset":4001`)) }
		}, reason: uploads.ReasonOperations},
		{name: "Apple refuses the file", bend: func(*depot, *uploadsv1.UploadStart) {}, file: picture(t, 100, 100, color.Black),
			reason: uploads.ReasonFailed},
		{name: "strict, and the wrong size", bend: func(_ *depot, s *uploadsv1.UploadStart) { s.Strict = true },
			file: picture(t, 100, 100, color.Black), reason: uploads.ReasonContent},
		{name: "more bytes than announced", bend: func(_ *depot, s *uploadsv1.UploadStart) {
			s.GetTarget().GetAppScreenshot().FileSize = proto.Int64(int64(len(file) - 10))
		}, reason: uploads.ReasonTooLong},
		{name: "fewer bytes than announced", bend: func(_ *depot, s *uploadsv1.UploadStart) {
			s.GetTarget().GetAppScreenshot().FileSize = proto.Int64(int64(len(file) + 300<<10))
		}, reason: uploads.ReasonTruncated},
		{name: "an empty file", bend: func(_ *depot, s *uploadsv1.UploadStart) { s.GetTarget().GetAppScreenshot().FileSize = proto.Int64(0) },
			reason: "INVALID_REQUEST"},
		{name: "parts fail twice, and then work", bend: func(d *depot, _ *uploadsv1.UploadStart) {
			d.spoil = func(w http.ResponseWriter, _ *http.Request, n int32) bool {
				if n <= 2 {
					w.WriteHeader(503)
				}
				return n <= 2
			}
		}, left: 1},
		{name: "the reservation is lost, but was made", bend: func(d *depot, _ *uploadsv1.UploadStart) {
			d.sandbox.AddFault(sandbox.Fault{Method: "POST", Path: "/v1/appScreenshots", Status: 503, Applied: true, Count: 1})
		}, left: 1},
		{name: "the reservation fails, and was not made", bend: func(d *depot, _ *uploadsv1.UploadStart) {
			d.sandbox.AddFault(sandbox.Fault{Method: "POST", Path: "/v1/appScreenshots", Status: 503, Count: 1})
		}, left: 1},
		{name: "the commit is lost, but was made", bend: func(d *depot, _ *uploadsv1.UploadStart) {
			d.sandbox.AddFault(sandbox.Fault{Method: "PATCH", Path: "/v1/appScreenshots/*", Status: 504, Applied: true, Count: 1})
		}, left: 1},
		{name: "the commit fails once", bend: func(d *depot, _ *uploadsv1.UploadStart) {
			d.sandbox.AddFault(sandbox.Fault{Method: "PATCH", Path: "/v1/appScreenshots/*", Status: 502, Count: 1})
		}, left: 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			x.world.PartBytes = 4000
			d := newDepot(t, x.world)
			was := d.count(t)
			content := file
			if x.file != nil {
				content = x.file
			}
			start := d.start(content)
			x.bend(d, start)
			_, _, err := d.send(t, start, content, 3000)
			d.rewrite = nil
			reason, _ := infoOf(err)
			if reason != x.reason || (err == nil) != (x.reason == "") {
				t.Errorf("%v: want %q", err, x.reason)
			}
			if err != nil && strings.Contains(err.Error(), "signature=") {
				t.Errorf("the error has a secret URL: %v", err)
			}
			if got := d.count(t) - was; got != x.left {
				t.Errorf("%d screenshots are left behind, want %d", got, x.left)
			}
		})
	}
}

// TestUploadIntoAFullSet: nothing is reserved where there is no room, and an equal
// file is not uploaded again.
func TestUploadIntoAFullSet(t *testing.T) {
	d := newDepot(t, sandbox.World{})
	var last []byte
	for n := d.count(t); n < 10; n++ {
		last = shot(t, color.Gray{uint8(n)})
		if _, _, err := d.send(t, d.start(last), last, 1<<18); err != nil {
			t.Fatal(err)
		}
	}
	again := d.start(last)
	again.Md5 = strings.ToUpper(md5Of(last))
	res, _, err := d.send(t, again, nil, 1)
	if err != nil || !res.GetExisted() || res.GetRequests() != 1 {
		t.Errorf("an equal file: %v %v", res, err)
	}
	one := shot(t, color.White)
	if _, _, err := d.send(t, d.start(one), one, 1<<18); err == nil {
		t.Error("an eleventh screenshot was taken")
	} else if reason, _ := infoOf(err); reason != uploads.ReasonSetFull {
		t.Error(err)
	}
}

// TestUploadResumes: a stream that breaks goes on where Apple's bytes end, by the
// token of the last progress; and so does one after a failure of Apple's host.
func TestUploadResumes(t *testing.T) {
	d := newDepot(t, sandbox.World{PartBytes: 40_000})
	file := append(shot(t, color.Black), make([]byte, 1<<20)...)
	was := d.count(t)
	client := uploadsv1.NewUploadServiceClient(d.conn)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := client.Upload(ctx)
	if err != nil {
		t.Fatal(err)
	}
	send := func(m *uploadsv1.UploadRequest) {
		if err := stream.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	send(&uploadsv1.UploadRequest{Part: &uploadsv1.UploadRequest_Start{Start: d.start(file)}})
	half := 0
	for half < len(file)/2 {
		send(&uploadsv1.UploadRequest{Part: &uploadsv1.UploadRequest_Data{
			Data: &uploadsv1.Data{WriteOffset: int64(half), Data: file[half : half+10_000]}}})
		half += 10_000
	}
	var p *uploadsv1.UploadProgress
	for p.GetCommittedSize() == 0 {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		p = m.GetProgress()
	}
	cancel() // the connection is cut
	if p.GetResumeToken() == "" || p.GetCommittedSize()%40_000 != 0 || p.GetExpireTime() == nil {
		t.Fatalf("%v", p)
	}
	rest := func(token string, from int64) (*uploadsv1.UploadResult, []*uploadsv1.UploadProgress, error) {
		s, err := client.Upload(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Send(&uploadsv1.UploadRequest{Part: &uploadsv1.UploadRequest_Start{Start: &uploadsv1.UploadStart{ResumeToken: token}}})
		go func() {
			for at := from; at < int64(len(file)); at += 30_000 {
				if s.Send(&uploadsv1.UploadRequest{Part: &uploadsv1.UploadRequest_Data{
					Data: &uploadsv1.Data{WriteOffset: at, Data: file[at:min(at+30_000, int64(len(file)))]}}}) != nil {
					return
				}
			}
			_ = s.CloseSend()
		}()
		var all []*uploadsv1.UploadProgress
		for {
			m, err := s.Recv()
			if err != nil || m.GetResult() != nil {
				return m.GetResult(), all, err
			}
			all = append(all, m.GetProgress())
		}
	}
	if _, _, err := rest(p.GetResumeToken(), p.GetCommittedSize()+1); err == nil {
		t.Error("bytes from the wrong place were taken")
	} else if reason, meta := infoOf(err); reason != uploads.ReasonOffset || meta["resume_token"] == "" {
		t.Errorf("%v %v", err, meta)
	}
	res, all, err := rest(p.GetResumeToken(), p.GetCommittedSize())
	if err != nil {
		t.Fatal(err)
	}
	shot := res.GetResource().GetAppScreenshot()
	if all[0].GetCommittedSize() != p.GetCommittedSize() || shot.GetSourceFileChecksum() != md5Of(file) || d.count(t) != was+1 {
		t.Errorf("%v, %v, %d", all[0], res, d.count(t))
	}
	// After the end the token still finds the file. Its digest was not seen to the end.
	res, _, err = rest(all[0].GetResumeToken(), int64(len(file)))
	if err != nil || res.GetResource().GetAppScreenshot().GetId() != shot.GetId() || res.GetSha256() != "" {
		t.Errorf("%v %v", res, err)
	}
	if _, _, err := rest("AAAA", 0); err == nil {
		t.Error("a token of nobody was taken")
	}
}

// TestUploadOverRESTIsDeletedWithItsCaller: without progress nobody can go on.
func TestUploadOverRESTIsDeletedWithItsCaller(t *testing.T) {
	d := newDepot(t, sandbox.World{PartBytes: 4000})
	was := d.count(t)
	file := shot(t, color.Black)
	words := url.Values{"type": {"appScreenshots"}, "appScreenshotSet": {d.set}, "fileName": {"shot.png"}}
	pr, pw := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "POST", d.rest+"/ascgateway/v1/uploads?"+words.Encode(), pr)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(len(file)) + 300<<10
	done := make(chan struct{})
	go func() {
		defer close(done)
		if res, err := d.http.Do(r); err == nil {
			res.Body.Close()
		}
	}()
	big := append(bytes.Clone(file), make([]byte, 300<<10)...)
	_, _ = pw.Write(big[:270<<10])
	for d.parts.Load() == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	if d.count(t) != was+1 {
		t.Errorf("%d screenshots while it is sent", d.count(t)-was)
	}
	cancel()
	_ = pw.CloseWithError(context.Canceled)
	<-done
	for end := time.Now().Add(10 * time.Second); d.count(t) != was; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the reservation is still there")
		}
	}
}

// TestUploadTellsProgressOverREST: each line is one message.
func TestUploadTellsProgressOverREST(t *testing.T) {
	d := newDepot(t, sandbox.World{PartBytes: 4000})
	file := shot(t, color.Black)
	words := url.Values{"type": {"appScreenshots"}, "appScreenshotSet": {d.set}, "fileName": {"shot.png"}}
	code, b := d.post(t, words, file, "Accept", "application/x-ndjson")
	var phases []string
	var result map[string]any
	for line := range strings.Lines(string(b)) {
		var m struct {
			Progress struct{ Phase, ResumeToken string }
			Result   map[string]any
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err, line)
		}
		if len(phases) == 0 || phases[len(phases)-1] != m.Progress.Phase {
			phases = append(phases, m.Progress.Phase)
		}
		result = m.Result
	}
	if code != 200 || strings.Join(phases, " ") != "CHECKING RESERVED SENDING COMMITTED PROCESSING " || result == nil {
		t.Errorf("%d %v\n%s", code, phases, b)
	}
}
