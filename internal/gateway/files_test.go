package gateway

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	filesv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/grpc/codes"
)

// TestFilesOfTheSandbox: what its resources point to is read whole, with a name, by
// what the field is called.
func TestFilesOfTheSandbox(t *testing.T) {
	w := newWorldOf(t, sandbox.World{NoRules: true})
	first := func(typ string) string { return w.sandbox.IDs(typ)[0] }
	status, header, body := w.do(t, "GET", "/ascgateway/v1/files/ciArtifacts/"+first("ciArtifacts")+"/downloadUrl", "")
	_, _, told := w.do(t, "GET", "/v1/ciArtifacts/"+first("ciArtifacts"), "")
	var artifact struct {
		CiArtifact struct {
			FileName string
			FileSize json.Number
		}
	}
	if err := json.Unmarshal(told, &artifact); err != nil {
		t.Fatal(err)
	}
	if _, err := zip.NewReader(bytes.NewReader(body), int64(len(body))); status != 200 || err != nil ||
		fmt.Sprint(
			len(body),
		) != artifact.CiArtifact.FileSize.String() || header.Get("Content-Type") != "application/zip" ||
		!strings.Contains(header.Get("Content-Disposition"), artifact.CiArtifact.FileName) {
		t.Errorf("artifact: %d %v %v %d bytes of %s", status, header, err, len(body), told)
	}
	segment := "/ascgateway/v1/files/analyticsReportSegments/" + first("analyticsReportSegments") + "/url"
	status, header, body = w.do(t, "GET", segment, "")
	if _, err := gzip.NewReader(bytes.NewReader(body)); status != 200 || err != nil {
		t.Errorf("segment: %d %v %v", status, header, err)
	}
	log := "/ascgateway/v1/files/betaCrashLogs/" + first("betaCrashLogs") + "/log_text"
	status, header, body = w.do(t, "GET", log, "")
	if status != 200 || !strings.HasPrefix(string(body), "Incident Identifier: ") ||
		!strings.HasPrefix(header.Get("Content-Type"), "text/plain") ||
		!strings.Contains(header.Get("Content-Disposition"), ".txt") {
		t.Errorf("crash log: %d %v %s", status, header, body)
	}
	stream, err := filesv1.NewFileServiceClient(w.conn).DownloadFile(t.Context(),
		&filesv1.DownloadFileRequest{Type: "betaCrashLogs", Id: first("betaCrashLogs"), Field: "logText"})
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Recv()
	if err != nil || info.GetInfo().GetSize() != int64(len(body)) {
		t.Fatalf("%v %v", info, err)
	}
	if data, err := stream.Recv(); err != nil || !bytes.Equal(data.GetData(), body) {
		t.Errorf("%v %v", data, err)
	}
}

// pictures answers one feedback with screenshots at these URLs, and what they point to.
func pictures(links ...string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/v1/betaFeedbackScreenshotSubmissions/1":
			list := []map[string]any{}
			for _, l := range links {
				if strings.HasPrefix(l, "/") {
					l = "http://" + r.Host + l
				}
				list = append(list, map[string]any{"url": l, "width": 10, "height": 20})
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"links": map[string]any{"self": "x"}, "data": map[string]any{
				"type": "betaFeedbackScreenshotSubmissions", "id": "1", "attributes": map[string]any{"screenshots": list}}})
		case "/picture":
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = fmt.Fprintf(w, "%s %s", r.URL.RawQuery, r.Header.Get("Authorization"))
		case "/cut":
			w.Header().Set("Content-Length", "200000")
			_, _ = w.Write(make([]byte, 100_000))
		case "/gone":
			http.Error(w, "expired", http.StatusForbidden)
		case "/elsewhere":
			http.Redirect(w, r, "/picture", http.StatusFound)
		default:
			return false
		}
		return true
	}
}

// TestFilesOfAList: each is read by its index, and without the gateway's token.
func TestFilesOfAList(t *testing.T) {
	b := newBureau(t, pictures("/picture?0", "/picture?size={w}x{h}.{f}"))
	const path = "/ascgateway/v1/files/betaFeedbackScreenshotSubmissions/1/screenshots"
	for query, want := range map[string]string{"": "0 ", "?index=0": "0 ", "?index=1": "size=10x20.png "} {
		status, header, body := b.do(t, "GET", path+query, "")
		if status != 200 || string(body) != want || header.Get("Content-Type") != "image/jpeg" ||
			!strings.Contains(
				header.Get("Content-Disposition"),
				"betaFeedbackScreenshotSubmissions-1-screenshots.jpg",
			) {
			t.Errorf("%s: %d %s %v", query, status, body, header)
		}
	}
}

// TestNoFile: what is no file is told as what it is, and no host is asked that is not
// Apple's.
func TestNoFile(t *testing.T) {
	shots := "betaFeedbackScreenshotSubmissions/1/screenshots"
	for _, c := range []struct {
		links        []string
		path, reason string
		status       int
	}{
		{nil, "noSuchThings/1/url", "NO_SUCH_FILE", 400},
		{nil, "betaFeedbackScreenshotSubmissions/1/comment", "NO_SUCH_FILE", 400},
		{nil, "appScreenshots/1/uploadOperations", "NO_SUCH_FILE", 400},
		{nil, "webhooks/1/url", "FILE_NOT_APPLES", 400},
		{nil, "appStoreVersionLocalizations/1/supportUrl", "FILE_NOT_APPLES", 400},
		{nil, "ciArtifacts/none/downloadUrl", "NOT_FOUND", 404},
		{nil, shots, "NO_FILE", 400},
		{[]string{""}, shots, "NO_FILE", 400},
		{[]string{"/picture"}, shots + "?index=1", "INVALID_REQUEST", 400},
		{[]string{"/picture"}, shots + "?index=-1", "INVALID_REQUEST", 400},
		{[]string{"/picture"}, shots + "?index=x", "INVALID_REQUEST", 400},
		{[]string{"/picture"}, shots + "?other=1", "INVALID_REQUEST", 400},
		{[]string{"https://evil.example/x"}, shots, "UPLOAD_HOST_REFUSED", 503},
		{[]string{"http://is1-ssl.mzstatic.com/x"}, shots, "UPLOAD_HOST_REFUSED", 503},
		{[]string{"::"}, shots, "UPLOAD_URL_MALFORMED", 503},
		{[]string{"/elsewhere"}, shots, "UPLOAD_REDIRECTED", 503},
		{[]string{"/gone"}, shots, "UPLOAD_EXPIRED", 400},
	} {
		b := newBureau(t, pictures(c.links...))
		status, _, body := b.do(t, "GET", "/ascgateway/v1/files/"+c.path, "")
		if status != c.status || !strings.Contains(string(body), `"`+c.reason) {
			t.Errorf("%s %q: %d %s", c.path, c.links, status, body)
		}
	}
}

// TestAFileBreaksOff: the caller does not take it for whole.
func TestAFileBreaksOff(t *testing.T) {
	b := newBureau(t, pictures("/cut"))
	res, err := http.Get(b.rest + "/ascgateway/v1/files/betaFeedbackScreenshotSubmissions/1/screenshots")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Errorf("%d bytes, and no error", n)
	}
	stream, err := filesv1.NewFileServiceClient(b.conn).DownloadFile(t.Context(),
		&filesv1.DownloadFileRequest{Type: "betaFeedbackScreenshotSubmissions", Id: "1", Field: "screenshots"})
	for err == nil {
		_, err = stream.Recv()
	}
	if codeOf(err) != codes.Unavailable || !strings.Contains(fmt.Sprint(err), "broke off") {
		t.Errorf("%v", err)
	}
}

// TestFilesAreKeptToApps: the resource is read with the rights of who asks.
func TestFilesAreKeptToApps(t *testing.T) {
	g := newGuarded(
		t,
		sandbox.World{NoRules: true},
		fmt.Sprintf(jobRule, "all", "root", "read", "all"),
		"root",
		"ci",
		"half",
	)
	logs := g.sandbox.IDs("betaCrashLogs")
	seen := map[string]int{}
	for _, app := range g.sandbox.IDs("apps")[:2] {
		g.policy(fmt.Sprintf(jobRule, "all", "root", "read", "all") +
			fmt.Sprintf(jobRule, "one", "ci", "read", `["`+app+`"]`) +
			fmt.Sprintf(jobRule, "half", "half", `"ascgateway.files.v1.FileService/DownloadFile"`, "all"))
		for _, id := range logs {
			path := "/ascgateway/v1/files/betaCrashLogs/" + id + "/logText"
			direct, _, _ := g.do(t, "GET", "/v1/betaCrashLogs/"+id, "", g.as("ci")...)
			status, _, body := g.do(t, "GET", path, "", g.as("ci")...)
			if status != direct {
				t.Errorf("%s: %d, and the resource itself %d: %s", id, status, direct, body)
			}
			seen[fmt.Sprint(status)]++
			if status, _, _ := g.do(t, "GET", path, "", g.as("root")...); status != 200 {
				t.Errorf("root: %d", status)
			}
			if status, _, _ := g.do(t, "GET", path, "", g.as("half")...); status != 403 {
				t.Errorf("half: %d", status)
			}
		}
	}
	if seen["200"] == 0 || len(seen) < 2 {
		t.Errorf("%v", seen)
	}
}
