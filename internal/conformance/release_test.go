package conformance

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/client"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// release is one release of an app, played through the gateway's REST face before
// a sandbox, with a webhook that hears of it.
type release struct {
	t    *testing.T
	box  *sandbox.Sandbox
	edge string // URL of the gateway
	dir  string // files of openssl
	hook string // id of the webhook

	mu    sync.Mutex
	heard []string // states that the webhook was told of, in order of arrival
}

// secret is that of the webhook.
const secret = "known to the receiver"

func newRelease(t *testing.T) *release {
	t.Helper()
	r := &release{
		t:   t,
		dir: t.TempDir(),
		box: sandbox.New(t, sandbox.World{Times: sandbox.Times{Build: time.Minute, Device: time.Minute}}),
	}
	log := slog.New(slog.DiscardHandler)
	credential := keys.Credential{
		ID:     r.box.Key.ID,
		Key:    filekey.FromPrivate(r.box.Key.ID, r.box.Key.Private),
		Issuer: r.box.Key.Issuer,
	}
	ring := keys.NewRing(map[string][]keys.Credential{"team": {credential}}, time.Now, log, nil)
	t.Cleanup(ring.Close)
	g, err := gateway.New(gateway.Deps{BaseURL: r.box.URL, Ring: ring, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	edge := httptest.NewServer(g.REST)
	t.Cleanup(edge.Close)
	r.edge = edge.URL
	return r
}

// listen sets up the webhook of an app; what is not signed right fails the test.
func (r *release) listen(app string) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		if err := client.VerifyWebhook(req.Header.Get(client.SignatureHeader), body, secret); err != nil {
			r.t.Errorf("a webhook's signature: %v", err)
		}
		var doc struct {
			Data struct {
				Attributes map[string]string `json:"attributes"`
			} `json:"data"`
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			r.t.Errorf("a webhook's body: %v", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, name := range []string{"newValue", "newState", "newExternalBuildState"} {
			if state := doc.Data.Attributes[name]; state != "" {
				r.heard = append(r.heard, state)
			}
		}
	}))
	r.t.Cleanup(receiver.Close)
	r.hook = r.must("POST", "/v1/webhooks", map[string]any{"name": "ci", "url": receiver.URL, "secret": secret, "enabled": true, "app": id(app), "eventTypes": []string{
		"APP_STORE_VERSION_APP_VERSION_STATE_UPDATED", "BUILD_UPLOAD_STATE_UPDATED", "BUILD_BETA_DETAIL_EXTERNAL_BUILD_STATE_UPDATED"}})["id"].(string)
}

// send makes a call, and gives the status and the first member of the answer.
func (r *release) send(method, path string, body any) (int, map[string]any) {
	r.t.Helper()
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			r.t.Fatal(err)
		}
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, r.edge+path, sent)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	doc := map[string]any{}
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil && err != io.EOF {
		r.t.Fatal(err)
	}
	return res.StatusCode, doc
}

// must makes a call that succeeds, and gives the resource of its answer, or the
// first of its list.
func (r *release) must(method, path string, body any) map[string]any {
	r.t.Helper()
	status, doc := r.send(method, path, body)
	if status/100 != 2 {
		r.t.Fatalf("%s %s: %d %v", method, path, status, doc)
	}
	for _, v := range doc {
		switch v := v.(type) {
		case map[string]any:
			return v
		case []any:
			if len(v) > 0 {
				return v[0].(map[string]any)
			}
		}
	}
	return nil
}

func id(of string) map[string]any { return map[string]any{"id": of} }

func ids(of ...string) map[string]any { return map[string]any{"ids": of} }

// state reads a member of a resource, and compares it.
func (r *release) state(path, member, want string) {
	r.t.Helper()
	if got := r.must("GET", path, nil)[member]; got != want {
		r.t.Fatalf("%s: %s is %v, want %s", path, member, got, want)
	}
}

func (r *release) act(typ, id, do string) {
	r.t.Helper()
	if err := r.box.Act(sandbox.Act{Type: typ, ID: id, Do: do}); err != nil {
		r.t.Fatal(err)
	}
}

// file reserves a file, sends its parts, and commits it.
func (r *release) file(path string, reserve map[string]any, content []byte, commit map[string]any) string {
	r.t.Helper()
	reserve["fileSize"] = len(content)
	made := r.must("POST", path, reserve)
	for _, v := range made["uploadOperations"].([]any) {
		op := v.(map[string]any)
		from, n := number(op["offset"]), number(op["length"])
		req, err := http.NewRequest(op["method"].(string), op["url"].(string), bytes.NewReader(content[from:from+n]))
		if err != nil {
			r.t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != http.StatusOK {
			r.t.Fatal(res, err)
		}
		res.Body.Close()
	}
	commit["uploaded"] = true
	r.must("PATCH", path+"/"+made["id"].(string), commit)
	return made["id"].(string)
}

// number reads an integer, which may stand as a string: proto3 writes 64 bits so.
func number(v any) (n int) {
	_, _ = fmt.Sscan(fmt.Sprint(v), &n) // 0 if it is missing
	return n
}

// openssl runs the judge of certificates.
func (r *release) openssl(args ...string) {
	r.t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = r.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (r *release) save(name string, content []byte) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), content, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// TestARelease plays what a team does from a new device to the answer to a review.
func TestARelease(t *testing.T) {
	const app = "1500004000"
	r := newRelease(t)
	r.listen(app)
	r.provision()
	build := r.build(app)
	r.testers(build)
	version := r.version(app, build)
	r.review(app, version)
	r.answer(app)
	r.settle()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, want := range []string{"PROCESSING", "COMPLETE", "MISSING_EXPORT_COMPLIANCE", "READY_FOR_BETA_SUBMISSION", "WAITING_FOR_BETA_REVIEW", "BETA_APPROVED",
		"READY_FOR_REVIEW", "WAITING_FOR_REVIEW", "IN_REVIEW", "REJECTED", "PENDING_DEVELOPER_RELEASE", "READY_FOR_DISTRIBUTION"} {
		if !slices.Contains(r.heard, want) {
			t.Errorf("the webhook was not told of %s, only of %v", want, r.heard)
		}
	}
	for _, wrong := range r.box.Check() {
		t.Error(wrong)
	}
}

// settle returns when no delivery of the webhook is on its way.
func (r *release) settle() {
	for r.t.Context().Err() == nil {
		_, doc := r.send("GET", "/v1/webhooks/"+r.hook+"/deliveries?filter[deliveryState]=PENDING", nil)
		if list, _ := doc["webhookDeliveries"].([]any); len(list) == 0 {
			return
		}
	}
}

// provision makes a device, a bundle id, a certificate and a profile; openssl
// verifies both of the latter.
func (r *release) provision() {
	device := r.must("POST", "/v1/devices", map[string]any{"name": "Phone", "platform": "IOS", "udid": "00008120-000A1B2C3D4E5F99"})["id"].(string)
	r.state("/v1/devices/"+device, "status", "PROCESSING")
	r.box.SetClock(time.Minute, 0)
	r.state("/v1/devices/"+device, "status", "ENABLED")
	bundle := r.must("POST", "/v1/bundleIds", map[string]any{"identifier": "com.example.release", "name": "Release", "platform": "IOS"})["id"].(string)
	r.openssl(
		"req",
		"-new",
		"-newkey",
		"rsa:2048",
		"-nodes",
		"-keyout",
		"key.pem",
		"-out",
		"request.pem",
		"-subj",
		"/CN=Ada/C=US",
	)
	request, err := os.ReadFile(filepath.Join(r.dir, "request.pem"))
	if err != nil {
		r.t.Fatal(err)
	}
	cert := r.must(
		"POST",
		"/v1/certificates",
		map[string]any{"certificateType": "DEVELOPMENT", "csrContent": string(request)},
	)
	profile := r.must(
		"POST",
		"/v1/profiles",
		map[string]any{"name": "Dev", "profileType": "IOS_APP_DEVELOPMENT", "bundleId": id(bundle),
			"certificates": ids(cert["id"].(string)), "devices": ids(device)},
	)
	res, err := http.Get(r.box.URL + "/_sandbox/ca")
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	authority, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	r.save("ca.pem", authority)
	r.save("cert.der", r.bytes(cert["certificateContent"]))
	r.save("dev.mobileprovision", r.bytes(profile["profileContent"]))
	r.openssl("x509", "-inform", "DER", "-in", "cert.der", "-out", "cert.pem")
	r.openssl("verify", "-no_check_time", "-CAfile", "ca.pem", "cert.pem")
	r.openssl(
		"cms",
		"-verify",
		"-inform",
		"DER",
		"-in",
		"dev.mobileprovision",
		"-CAfile",
		"ca.pem",
		"-out",
		"dev.plist",
	)
	if list, err := os.ReadFile(filepath.Join(r.dir, "dev.plist")); err != nil ||
		!strings.Contains(string(list), "com.example.release") ||
		!strings.Contains(string(list), "00008120-000A1B2C3D4E5F99") {
		r.t.Errorf("the profile holds %s %v", list, err)
	}
}

// bytes are those of base64.
func (r *release) bytes(v any) []byte {
	r.t.Helper()
	b, err := base64.StdEncoding.DecodeString(fmt.Sprint(v))
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// build uploads a build, and answers about its encryption.
func (r *release) build(app string) string {
	upload := r.must("POST", "/v1/buildUploads", map[string]any{"cfBundleShortVersionString": "3.0", "cfBundleVersion": "300", "platform": "IOS", "app": id(app)})["id"].(string)
	r.file(
		"/v1/buildUploadFiles",
		map[string]any{"assetType": "ASSET", "fileName": "a.ipa", "uti": "com.apple.ipa", "buildUpload": id(upload)},
		[]byte("not yet an app"),
		map[string]any{},
	)
	build := r.must("GET", "/v1/builds?filter[app]="+app+"&filter[version]=300", nil)["id"].(string)
	r.state("/v1/builds/"+build, "processingState", "PROCESSING")
	r.box.SetClock(time.Minute, 0)
	r.state("/v1/builds/"+build, "processingState", "VALID")
	r.must("PATCH", "/v1/builds/"+build, map[string]any{"usesNonExemptEncryption": false})
	return build
}

// testers brings the build through Beta App Review to a group.
func (r *release) testers(build string) {
	group := r.must("GET", "/v1/betaGroups?filter[name]=Friends", nil)["id"].(string)
	r.must("POST", "/v1/betaGroups/"+group+"/relationships/builds", map[string]any{"builds": ids(build)})
	r.must("POST", "/v1/betaTesters", map[string]any{"email": "qa@example.com", "betaGroups": ids(group)})
	submission := r.must("POST", "/v1/betaAppReviewSubmissions", map[string]any{"build": id(build)})["id"].(string)
	r.act("betaAppReviewSubmissions", submission, "start")
	r.act("betaAppReviewSubmissions", submission, "approve")
	r.state("/v1/builds/"+build+"/buildBetaDetail", "externalBuildState", "READY_FOR_BETA_TESTING")
	r.must("POST", "/v1/buildBetaNotifications", map[string]any{"build": id(build)})
	r.state("/v1/builds/"+build+"/buildBetaDetail", "externalBuildState", "IN_BETA_TESTING")
}

// version makes the version with its texts and a picture.
func (r *release) version(app, build string) string {
	version := r.must("POST", "/v1/appStoreVersions", map[string]any{"platform": "IOS", "versionString": "3.0", "releaseType": "MANUAL", "app": id(app)})["id"].(string)
	localization := r.must("GET", "/v1/appStoreVersions/"+version+"/appStoreVersionLocalizations", nil)["id"].(string)
	r.must(
		"PATCH",
		"/v1/appStoreVersionLocalizations/"+localization,
		map[string]any{"whatsNew": "Maps", "description": "Trails", "keywords": "hiking"},
	)
	set := r.must("GET", "/v1/appStoreVersionLocalizations/"+localization+"/appScreenshotSets", nil)["id"].(string)
	var picture bytes.Buffer
	if err := png.Encode(&picture, opaque(1290, 2796)); err != nil {
		r.t.Fatal(err)
	}
	sum := md5.Sum(picture.Bytes())
	shot := r.file(
		"/v1/appScreenshots",
		map[string]any{"fileName": "1.png", "appScreenshotSet": id(set)},
		picture.Bytes(),
		map[string]any{"sourceFileChecksum": hex.EncodeToString(sum[:])},
	)
	if delivery, _ := r.must("GET", "/v1/appScreenshots/"+shot, nil)["assetDeliveryState"].(map[string]any); delivery["state"] != "COMPLETE" {
		r.t.Fatalf("the picture: %v", delivery)
	}
	submission := r.draft(app)
	status, doc := r.send(
		"POST",
		"/v1/reviewSubmissionItems",
		map[string]any{"reviewSubmission": id(submission), "appStoreVersion": id(version)},
	)
	if text := fmt.Sprint(doc); status != http.StatusConflict || !strings.Contains(text, "build") {
		r.t.Fatalf("without its build: %d %v", status, doc)
	}
	r.must("PATCH", "/v1/appStoreVersions/"+version+"/relationships/build", map[string]any{"build": id(build)})
	return version
}

// opaque is a black picture without an alpha channel.
func opaque(w, h int) image.Image { return image.NewGray(image.Rect(0, 0, w, h)) }

// draft is the app's submission that is not sent yet.
func (r *release) draft(app string) string {
	status, doc := r.send("GET", "/v1/reviewSubmissions?filter[app]="+app+"&filter[state]=READY_FOR_REVIEW", nil)
	if list, _ := doc["reviewSubmissions"].([]any); status == http.StatusOK && len(list) > 0 {
		return list[0].(map[string]any)["id"].(string)
	}
	return r.must("POST", "/v1/reviewSubmissions", map[string]any{"platform": "IOS", "app": id(app)})["id"].(string)
}

// review submits the version, has it rejected, mends it, and releases it.
func (r *release) review(app, version string) {
	submission := r.draft(app)
	item := r.must("POST", "/v1/reviewSubmissionItems", map[string]any{"reviewSubmission": id(submission), "appStoreVersion": id(version)})["id"].(string)
	at := "/v1/appStoreVersions/" + version
	r.state(at, "appVersionState", "READY_FOR_REVIEW")
	r.must("PATCH", "/v1/reviewSubmissions/"+submission, map[string]any{"submitted": true})
	r.act("reviewSubmissions", submission, "start")
	r.act("reviewSubmissions", submission, "reject")
	r.state(at, "appVersionState", "REJECTED")
	r.must("PATCH", "/v1/reviewSubmissionItems/"+item, map[string]any{"resolved": true})
	r.must("PATCH", "/v1/reviewSubmissions/"+submission, map[string]any{"submitted": true})
	r.must(
		"POST",
		"/v1/appStoreVersionPhasedReleases",
		map[string]any{"phasedReleaseState": "INACTIVE", "appStoreVersion": id(version)},
	)
	r.act("reviewSubmissions", submission, "approve")
	r.state(at, "appVersionState", "PENDING_DEVELOPER_RELEASE")
	r.must("POST", "/v1/appStoreVersionReleaseRequests", map[string]any{"appStoreVersion": id(version)})
	r.state(at, "appVersionState", "READY_FOR_DISTRIBUTION")
	r.state("/v1/appStoreVersions/"+version+"/appStoreVersionPhasedRelease", "phasedReleaseState", "ACTIVE")
	r.box.SetClock(8*24*time.Hour, 0)
	r.state("/v1/appStoreVersions/"+version+"/appStoreVersionPhasedRelease", "phasedReleaseState", "COMPLETE")
}

// answer replies to what a customer says.
func (r *release) answer(app string) {
	review := r.must("GET", "/v1/apps/"+app+"/customerReviews", nil)["id"].(string)
	reply := r.must("POST", "/v1/customerReviewResponses", map[string]any{"responseBody": "Thank you.", "review": id(review)})["id"].(string)
	r.state("/v1/customerReviewResponses/"+reply, "state", "PUBLISHED")
}
