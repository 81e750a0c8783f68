package command

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/cli"
)

// buildFile makes an .ipa with a program of random bytes. sum is its SHA-256.
func buildFile(t *testing.T, number string, size int) (path, sum string) {
	t.Helper()
	const plist = `<plist version="1.0"><dict><key>CFBundleIdentifier</key><string>com.example.trailmix</string>` +
		`<key>CFBundleShortVersionString</key><string>9.1</string><key>CFBundleVersion</key><string>%s</string>` +
		`<key>DTPlatformName</key><string>iphoneos</string></dict></plist>`
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range map[string][]byte{"Info.plist": fmt.Appendf(nil, plist, number), "Trail": random(size)} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: "Payload/Trail.app/" + name, Method: zip.Store})
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return written(t, filepath.Join(t.TempDir(), "Trail.ipa"), b.Bytes())
}

func random(size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(size)})
	_, _ = r.Read(b)
	return b
}

// written writes a file. sum is its SHA-256.
func written(t *testing.T, path string, content []byte) (_, sum string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(content)
	return path, hex.EncodeToString(s[:])
}

// shot writes a screenshot of a size. Each shade has other bytes.
func shot(t *testing.T, path string, width, height int, shade uint8) {
	t.Helper()
	var b bytes.Buffer
	m := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Gray{shade}})
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	written(t, path, b.Bytes())
}

// uploading serves a sandbox for commands whose cache is their own.
func uploading(t *testing.T) (cache string) {
	t.Helper()
	distributing(t)
	cache = t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	return filepath.Join(cache, "asc-gateway", "uploads")
}

// says runs a command of words, with what it tells beside its answer.
func says(t *testing.T, words ...string) (_ ran, stderr string) {
	t.Helper()
	out, tells := &output{}, &output{}
	err := Run(t.Context(), words, out, tells)
	return ran{out.String(), err}, tells.String()
}

// idOf is the id in the JSON that a call answers with.
func idOf(t *testing.T, line string) string {
	t.Helper()
	var doc map[string]json.RawMessage
	r := gw(t, "call -o json "+line)
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || r.err != nil {
		t.Fatalf("%s: %v %v %s", line, err, r.err, r.stdout)
	}
	for _, raw := range doc {
		var one struct{ ID string }
		if json.Unmarshal(raw, &one) == nil && one.ID != "" {
			return one.ID
		}
	}
	t.Fatalf("%s: no id in %s", line, r.stdout)
	return ""
}

// nextVersion makes a version that waits for its submission, and tells its en-US
// localization.
func nextVersion(t *testing.T) (id, localization string) {
	t.Helper()
	id = idOf(t, "CreateAppStoreVersion app=1500004000 platform=IOS version_string=2.0")
	list := gw(t, "call ListAppStoreVersionAppStoreVersionLocalizations "+id+" -o table --columns id")
	ids := strings.Fields(list.stdout)
	if len(ids) != 2 {
		t.Fatalf("want one localization: %s %v", list.stdout, list.err)
	}
	return id, ids[1]
}

// empty says that nothing is left for an upload that could go on.
func empty(t *testing.T, kept string) {
	t.Helper()
	if left, _ := os.ReadDir(kept); len(left) != 0 {
		t.Errorf("left in the cache: %v", left)
	}
}

// squeezed are lines with single spaces between their words.
func squeezed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return b.String()
}

func TestUploadBuild(t *testing.T) {
	kept := uploading(t)
	file, sum := buildFile(t, "900", 9<<20)
	r, told := says(t, "upload", "build", file, "--wait")
	for _, want := range []string{"Trail.ipa: com.example.trailmix 9.1 (900), IOS, 9.0 MiB\nuploaded\n",
		"\nstate COMPLETE\n", "\napp 1500004000\n", "\nsha256 " + sum} {
		if r.err != nil || !strings.Contains(squeezed(r.stdout), want) {
			t.Fatalf("want %q: %v\n%s", want, r.err, r.stdout)
		}
	}
	if !strings.Contains(told, "Trail.ipa: committed\n") || strings.Contains(told, "\x1b") {
		t.Errorf("without a terminal: %q", told)
	}
	if r := gw(t, "upload build "+file); r.err != nil || !strings.Contains(r.stdout, "nothing was uploaded") {
		t.Errorf("again: %v %s", r.err, r.stdout)
	}
	other, sum := buildFile(t, "901", 100)
	r = gw(t, "upload build --processed --json "+other)
	list := lines(t, r.stdout)
	result, _ := list[len(list)-1]["result"].(map[string]any)
	build, _ := result["build"].(map[string]any)["build"].(map[string]any)
	if r.err != nil || result["sha256"] != sum || build["processingState"] != "VALID" ||
		strings.Contains(r.stdout, "resumeToken") || len(list) < 3 {
		t.Errorf("JSON: %v\n%s", r.err, r.stdout)
	}
	third, _ := buildFile(t, "902", 100)
	if r := gw(t, "upload build "+third); r.err != nil || !strings.Contains(r.stdout, "--wait waits") {
		t.Errorf("without --wait: %v %s", r.err, r.stdout)
	}
	empty(t, kept)
}

// TestUploadWithoutACache is on a computer where nothing can be kept.
func TestUploadWithoutACache(t *testing.T) {
	uploading(t)
	file, _ := buildFile(t, "900", 100)
	other, _ := buildFile(t, "901", 100)
	t.Setenv("XDG_CACHE_HOME", file) // no folder
	r, told := says(t, "upload", "build", file)
	if r.err != nil || strings.Count(told, "after an interruption it will begin anew") != 1 {
		t.Errorf("%v\n%s", r.err, told)
	}
	t.Setenv("XDG_CACHE_HOME", "relative") // none
	r, told = says(t, "upload", "build", other)
	if r.err != nil || strings.Count(told, "after an interruption it will begin anew") != 1 {
		t.Errorf("%v\n%s", r.err, told)
	}
}

func TestUploadBuildExitCodes(t *testing.T) {
	uploading(t)
	file, _ := buildFile(t, "900", 100)
	text, _ := written(t, filepath.Join(t.TempDir(), "a.ipa"), []byte("no archive"))
	none, _ := written(t, filepath.Join(t.TempDir(), "b.ipa"), nil)
	for line, want := range map[string]struct {
		exit int
		says string
	}{
		"/nowhere.ipa":                   {cli.ExitUsage, "there is no such file"},
		t.TempDir():                      {cli.ExitUsage, "cannot be read"},
		none:                             {cli.ExitUsage, "is empty"},
		text:                             {cli.ExitInvalid, "BUILD_FILE_UNKNOWN"},
		file + " --number 7":             {cli.ExitInvalid, "--number is 7, but the file says 900"},
		file + " --platform MAC_OS":      {cli.ExitInvalid, "--platform is MAC_OS"},
		file + " --platform WATCH":       {cli.ExitUsage, "want IOS"},
		file + " --app com.example.gone": {cli.ExitNotFound, "APP_NOT_FOUND"},
		file + " --address 127.0.0.1:1 ": {cli.ExitUnavailable, "nothing listens"},
	} {
		if r := gwLong(t, "upload build "+line); r.exit() != want.exit || !r.fails(want.says) {
			t.Errorf("%s: exit code %d, want %d and %q: %v", line, r.exit(), want.exit, want.says, r.err)
		}
	}
}

// gwLong is [gw] for what may take longer.
func gwLong(t *testing.T, line string) ran {
	t.Helper()
	return gwUntil(t.Context(), &output{}, line)
}

func TestUploadScreenshots(t *testing.T) {
	uploading(t)
	v, localization := nextVersion(t)
	dir := t.TempDir()
	for i, name := range []string{"b", "a", "c"} {
		shot(t, filepath.Join(dir, "en-US", name+".png"), 1290, 2796, uint8(i))
		shot(t, filepath.Join(dir, "de-DE", "phones", name+".PNG"), 1290, 2796, uint8(i)+9)
	}
	shot(t, filepath.Join(dir, "en-US", "APP_IPAD_PRO_129-a.png"), 2048, 2732, 1)
	shot(t, filepath.Join(dir, "iMessage", "en-US", "m.png"), 1290, 2796, 1)
	shot(t, filepath.Join(dir, "default", "x.png"), 1290, 2796, 1)
	shot(t, filepath.Join(dir, "en-US", "c_framed.png"), 1290, 2796, 99)
	line := "upload screenshots --version " + v + " " + dir
	if r := gw(t, line+" --plan"); r.exit() != cli.ExitNotFound || !r.fails("no localization de-DE") {
		t.Errorf("an unknown locale: %v", r.err)
	}
	idOf(t, "CreateAppStoreVersionLocalization app_store_version="+v+" locale=de-DE")
	plan, told := says(t, strings.Fields(line+" --dry-run")...)
	for _, want := range []string{"default is not used: each locale", "c.png is not used: the framed one is"} {
		if !strings.Contains(told, want) {
			t.Errorf("want %q in %s", want, told)
		}
	}
	for _, want := range []string{"de-DE APP_IPHONE_67: plan for", "en-US APP_IPAD_PRO_129: plan", "en-US IMESSAGE_APP_IPHONE_67: plan",
		"removeAsset  picture.png", "uploadAsset  a.PNG"} {
		if plan.err != nil || !strings.Contains(plan.stdout, want) {
			t.Errorf("the plan has no %q: %v\n%s", want, plan.err, plan.stdout)
		}
	}
	if r := gw(t, line); r.exit() != cli.ExitUsage || !r.fails("would be deleted: 1; ") {
		t.Errorf("without --yes: exit code %d: %v", r.exit(), r.err)
	}
	r := gw(t, line+" --yes")
	if got := columns(r.stdout, 6); r.err != nil ||
		got != "de-DE APP_IPHONE_67 3 3 0 0|en-US APP_IPAD_PRO_129 1 1 0 0|"+
			"en-US APP_IPHONE_67 3 3 1 0|en-US IMESSAGE_APP_IPHONE_67 1 1 0 0" {
		t.Fatalf("the summary: %v %s\n%s", r.err, got, r.stdout)
	}
	if r := gw(t, line); r.err != nil || !strings.Contains(columns(r.stdout, 6), "en-US APP_IPHONE_67 3 0 0 3") {
		t.Errorf("again: %v %s", r.err, r.stdout)
	}
	sets := gw(
		t,
		"call ListAppStoreVersionLocalizationAppScreenshotSets "+localization+" -o table --columns id,screenshot_display_type",
	)
	for row := range strings.Lines(sets.stdout) {
		if words := strings.Fields(row); words[1] == "APP_IPHONE_67" {
			names := gw(t, "call ListAppScreenshotSetAppScreenshots "+words[0]+" -o table --columns file_name")
			if got := strings.Join(strings.Fields(names.stdout)[1:], " "); got != "a.png b.png c_framed.png" {
				t.Errorf("the order: %s", got)
			}
		}
	}
}

// columns are the first words of each row of a summary.
func columns(table string, most int) string {
	var rows []string
	for row := range strings.Lines(table) {
		words := strings.Fields(row)
		rows = append(rows, strings.Join(words[:min(most, len(words))], " "))
	}
	return strings.Join(rows[1:], "|")
}

func TestUploadScreenshotsOfOneLocalization(t *testing.T) {
	uploading(t)
	_, localization := nextVersion(t)
	dir := t.TempDir()
	var files []string
	for i := range 11 {
		files = append(files, filepath.Join(dir, fmt.Sprintf("%02d.png", i)))
		shot(t, files[i], 1290, 2796, uint8(i))
	}
	odd, text := filepath.Join(dir, "odd.png"), filepath.Join(dir, "text.png")
	shot(t, odd, 100, 100, 1)
	written(t, text, []byte("text"))
	line := "upload screenshots --yes --version-localization " + localization + " "
	for args, want := range map[string]struct {
		exit int
		says string
	}{
		odd + " " + text:                          {cli.ExitInvalid, "no display takes a screenshot of 100×100 pixels"},
		text + " " + files[0]:                     {cli.ExitInvalid, "text.png: it is neither a PNG nor a JPEG"},
		strings.Join(files, " "):                  {cli.ExitInvalid, "1 of 1 sets failed"},
		files[0] + " --version 7":                 {cli.ExitUsage, "say where the screenshots go"},
		odd + " --display-type NO_SUCH":           {cli.ExitInvalid, "1 of 1 sets failed"},
		odd + " --display-type APP_IPHONE_67":     {cli.ExitOperation, "1 of 1 sets failed"},
		dir + " " + files[0]:                      {cli.ExitInvalid, "no display takes"},
		t.TempDir():                               {cli.ExitUsage, "has no pictures"},
		strings.Join(files[:10], " "):             {0, ""},
		"--json " + strings.Join(files[1:3], " "): {0, ""},
	} {
		r := gwLong(t, line+args)
		if r.exit() != want.exit || want.says != "" && !r.fails(want.says) {
			t.Errorf("%s: exit code %d, want %d and %q: %v\n%s", args, r.exit(), want.exit, want.says, r.err, r.stdout)
		}
	}
}

func TestUploadFile(t *testing.T) {
	kept := uploading(t)
	v, localization := nextVersion(t)
	detail := idOf(t, "GetAppStoreVersionAppStoreReviewDetail "+v)
	dir := t.TempDir()
	notes, _ := written(t, filepath.Join(dir, "notes.pdf"), append([]byte("%PDF-1.7\n"), random(1000)...))
	attach := "upload file " + notes + " --type appStoreReviewAttachments --set appStoreReviewDetail=" + detail
	if r := gw(t, attach); r.err != nil || !strings.Contains(squeezed(r.stdout), "\nfile_name notes.pdf\n") {
		t.Errorf("%v\n%s", r.err, r.stdout)
	}
	if r := gw(t, attach); r.err != nil || !strings.Contains(r.stdout, "nothing was uploaded") {
		t.Errorf("an equal file: %v\n%s", r.err, r.stdout)
	}
	if r := gw(t, attach+" --set fileName=other.pdf --wait=false --json"); r.err != nil {
		t.Errorf("%v\n%s", r.err, r.stdout)
	}
	var files []string
	for i := range 11 {
		files = append(files, filepath.Join(dir, fmt.Sprintf("%02d.png", i)))
		shot(t, files[i], 1290, 2796, uint8(i))
	}
	if r := gwLong(t, "upload screenshots --yes --version-localization "+localization+" "+strings.Join(files[:10], " ")); r.err != nil {
		t.Fatal(r.err)
	}
	set := strings.Fields(
		gw(t, "call ListAppStoreVersionLocalizationAppScreenshotSets "+localization+" -o table --columns id").stdout,
	)
	for args, want := range map[string]struct {
		exit int
		says string
	}{
		files[10] + " --type appScreenshots --set appScreenshotSet=" + set[1]:     {cli.ExitConflict, "UPLOAD_SET_FULL"},
		notes + " --type routingAppCoverages --set appStoreVersion=" + v:          {cli.ExitOperation, "Apple refused the file"},
		notes + " --type routingAppCoverages --strict --set appStoreVersion=" + v: {cli.ExitInvalid, "UPLOAD_CONTENT"},
		notes + " --type routingAppCoverages":                                     {cli.ExitUsage, "app_store_version: is required"},
		notes + " --type routingAppCoverages --set appStoreVersion":               {cli.ExitUsage, "want NAME=VALUE"},
		notes + " --type routingAppCoverages --set resumeToken=x":                 {cli.ExitUsage, "is no attribute"},
		notes + " --type appScreenshot":                                           {cli.ExitUsage, "did you mean appScreenshots"},
		notes:                                                                     {cli.ExitUsage, "missing --type"},
	} {
		if r := gw(t, "upload file "+args); r.exit() != want.exit || !r.fails(want.says) {
			t.Errorf("%s: exit code %d, want %d and %q: %v", args, r.exit(), want.exit, want.says, r.err)
		}
	}
	empty(t, kept)
}

func TestUploadCompletes(t *testing.T) {
	for line, want := range map[string]string{"upload ": "screenshots", "upload file --type ": "routingAppCoverages",
		"upload build --platform ": "VISION_OS"} {
		var out bytes.Buffer
		args := append([]string{"__complete"}, strings.Split(line, " ")...)
		if err := Run(context.Background(), args, &out, io.Discard); err != nil ||
			!strings.Contains(out.String(), want) {
			t.Errorf("%s: no %s in %s: %v", line, want, &out, err)
		}
	}
}
