package inspect

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"howett.net/plist"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// run runs a program that makes archives, in a folder.
func run(t testing.TB, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v (is it missing? `make setup` installs it)\n%s", program, err, out)
	}
}

// tree writes files into a new folder: paths to contents.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// values are those of an Info.plist as Xcode writes it, with changes: nil removes.
func values(changes map[string]any) map[string]any {
	all := map[string]any{
		"CFBundleIdentifier":         "com.example.demo",
		"CFBundleShortVersionString": "1.4.2",
		"CFBundleVersion":            "341",
		"CFBundleName":               "Démo ünïcode", // the library writes it as UTF-16
		"CFBundleSupportedPlatforms": []string{"iPhoneOS"},
		"DTPlatformName":             "iphoneos",
		"UIDeviceFamily":             []int{1, 2},
		"CFBundleIcons":              map[string]any{"CFBundleIdentifier": "com.example.wrong", "x": []any{true, 1.5}},
		"Long":                       strings.Repeat("x", 70_000),
	}
	for key, value := range changes {
		if all[key] = value; value == nil {
			delete(all, key)
		}
	}
	return all
}

func plistOf(t testing.TB, format int, changes map[string]any) string {
	t.Helper()
	b, err := plist.MarshalIndent(values(changes), format, "\t")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var demo = Build{
	BundleID: "com.example.demo", Version: "1.4.2", Number: "341", Platform: "IOS", Format: "ipa", UTI: "com.apple.ipa",
}

// appFiles are those of an app with what Apple nests in one.
func appFiles(t testing.TB, format int, changes map[string]any) map[string]string {
	nested := func(id string) string { return plistOf(t, format, map[string]any{"CFBundleIdentifier": id}) }
	return map[string]string{
		"Payload/Demo.app/Demo": strings.Repeat("\xca\xfe\xba\xbe code ", 20_000),
		"Payload/Demo.app/Another.zip": string(
			zipOf(t, zip.Deflate, "Payload/X.app/Info.plist", "x", "y", ""),
		),
		"Payload/Demo.app/Info.plist":                             plistOf(t, format, changes),
		"Payload/Demo.app/PlugIns/Share.appex/Info.plist":         nested("com.example.demo.share"),
		"Payload/Demo.app/Watch/DemoWatch.app/Info.plist":         nested("com.example.demo.watch"),
		"Payload/Demo.app/AppClips/Clip.app/Info.plist":           nested("com.example.demo.clip"),
		"Payload/Demo.app/Frameworks/Kit.framework/Info.plist":    nested("com.example.kit"),
		"Payload/Demo.app/de.lproj/InfoPlist.strings":             "\"CFBundleName\" = \"Demo\";",
		"SwiftSupport/iphoneos/libswiftCore.dylib":                "swift",
		"Symbols/0A1B.symbols":                                    strings.Repeat("symbol", 1000),
		"WatchKitSupport2/Payload/Other.app/Info.plist":           nested("com.example.other"),
		"Payload/Demo.app/SC_Info/" + strings.Repeat("n", 200):    "",
		"Payload/Demo.app/Assets.car":                             strings.Repeat("\x00\x01\x02\x03", 50_000),
		"Payload/Demo.app/Base.lproj/Main.storyboardc/Info.plist": nested("com.example.storyboard"),
	}
}

// pythonZip makes a zip of all files below the folder. Its arguments are the zip's
// name, and the way: deflated, stored, or streamed (to a pipe: with descriptors).
const pythonZip = `
import os, sys, zipfile
class Pipe:
    def __init__(self, f): self.f = f
    def write(self, b): return self.f.write(b)
    def flush(self): self.f.flush()
name, way = sys.argv[1:]
files = sorted(os.path.join(d, f)[2:] for d, _, fs in os.walk('.') for f in fs if f != name)
with open(name, 'wb') as f:
    method = zipfile.ZIP_STORED if way.startswith('stored') else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(Pipe(f) if way.endswith('streamed') else f, 'w', method) as z:
        for n in files:
            if way.endswith('zip64'):
                with z.open(zipfile.ZipInfo(n), 'w', force_zip64=True) as m, open(n, 'rb') as src: m.write(src.read())
            else: z.write(n)
`

func python(program, way string) func(testing.TB, string) {
	return func(t testing.TB, dir string) { run(t, dir, "python3", "-c", program, "App.ipa", way) }
}

func bsdtar(args ...string) func(testing.TB, string) {
	return func(t testing.TB, dir string) {
		run(t, dir, "bsdtar", append([]string{"--format=zip", "-cf", "App.ipa"}, args...)...)
	}
}

// zippers make App.ipa of a folder's files.
var zippers = map[string]func(testing.TB, string){
	"Info-ZIP":           func(t testing.TB, dir string) { run(t, dir, "zip", "-q", "-r", "App.ipa", ".") },
	"Info-ZIP, stored":   func(t testing.TB, dir string) { run(t, dir, "zip", "-q", "-0", "-r", "App.ipa", ".") },
	"Info-ZIP, zip64":    func(t testing.TB, dir string) { run(t, dir, "zip", "-q", "-fz", "-r", "App.ipa", ".") },
	"Info-ZIP, streamed": func(t testing.TB, dir string) { run(t, dir, "sh", "-c", "zip -q -r - . | cat > App.ipa") },
	"Info-ZIP, descriptors": func(t testing.TB, dir string) {
		run(t, dir, "zip", "-q", "-fd", "-r", "App.ipa", ".")
	},
	"bsdtar":         bsdtar("Payload", "Symbols"),
	"bsdtar, stored": bsdtar("--options", "zip:compression=store", "Payload"),
	"bsdtar, streamed": func(t testing.TB, dir string) {
		run(t, dir, "sh", "-c", "bsdtar --format=zip -cf - Payload Symbols | cat > App.ipa")
	},
	"bsdtar, dot names":           bsdtar("./Payload"),
	"Python":                      python(pythonZip, "deflated"),
	"Python, stored":              python(pythonZip, "stored"),
	"Python, zip64":               python(pythonZip, "deflated zip64"),
	"Python, streamed":            python(pythonZip, "deflated streamed"),
	"Python, stored and streamed": python(pythonZip, "stored streamed"),
	"Python, zip64 and streamed": python(
		strings.ReplaceAll(pythonZip, "way.endswith('zip64')", "True"),
		"deflated streamed",
	),
}

func TestAppsOfRealTools(t *testing.T) {
	for name, pack := range zippers {
		t.Run(name, func(t *testing.T) {
			dir := tree(t, appFiles(t, plist.BinaryFormat, nil))
			pack(t, dir)
			b := load(t, dir, "App.ipa")
			if got, err := ReadBuild(bytes.NewReader(b), int64(len(b))); got != demo || err != nil {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// TestPropertyListsOfPython reads what plistlib writes, in both forms.
func TestPropertyListsOfPython(t *testing.T) {
	dir := t.TempDir()
	const program = `
import plistlib, sys, datetime
d = {'CFBundleIdentifier': 'com.example.demo', 'CFBundleShortVersionString': '1.4.2', 'CFBundleVersion': '341',
     'CFBundleSupportedPlatforms': ['iPhoneOS'], 'Date': datetime.datetime(2026, 1, 2), 'Data': b'x' * 9000,
     'Ü': 'ä & <b>',
     'Deep': {'CFBundleVersion': '9', 'a': [{'CFBundleIdentifier': 'no'}] * 3}, 'Big': 1 << 40,
     'Yes': True, 'Real': -0.5}
d.update(('key%d' % n, 'value %d' % n) for n in range(70000 if 'wide' in sys.argv[1] else 300))
plistlib.dump(d, open(sys.argv[1], 'wb'), fmt=plistlib.FMT_XML if 'xml' in sys.argv[1] else plistlib.FMT_BINARY)
`
	for _, name := range []string{"xml", "binary", "binary wide"} {
		run(t, dir, "python3", "-c", program, name)
		if got, err := buildOfInfo(load(t, dir, name)); got != demo || err != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	if f := (*fault.Error)(nil); !errors.As(err, &f) {
		return "untyped: " + err.Error()
	}
	return fault.As(err).Reason
}

func TestPlatforms(t *testing.T) {
	for _, c := range []struct {
		name, reason, want string
		changes            map[string]any
	}{
		{"tvOS", "", "TV_OS", map[string]any{
			"DTPlatformName": "appletvos", "CFBundleSupportedPlatforms": []string{"AppleTVOS"},
		}},
		{"visionOS", "", "VISION_OS", map[string]any{
			"DTPlatformName": "xros", "CFBundleSupportedPlatforms": []string{"XROS"},
		}},
		{"macOS", "", "MAC_OS", map[string]any{"DTPlatformName": "macosx"}},
		{"only the list", "", "IOS", map[string]any{"DTPlatformName": nil}},
		{"only the name", "", "IOS", map[string]any{"CFBundleSupportedPlatforms": nil}},
		{"neither", "", "", map[string]any{"DTPlatformName": nil, "CFBundleSupportedPlatforms": nil}},
		{"a simulator", ReasonNoApp, "", map[string]any{"DTPlatformName": "iphonesimulator"}},
		{"a watch", ReasonNoApp, "", map[string]any{"DTPlatformName": "watchos"}},
		{"two", ReasonNoApp, "", map[string]any{
			"DTPlatformName": nil, "CFBundleSupportedPlatforms": []string{"iPhoneOS", "AppleTVOS"},
		}},
		{"no id", ReasonNoApp, "", map[string]any{"CFBundleIdentifier": nil}},
		{"an empty version", ReasonNoApp, "", map[string]any{"CFBundleShortVersionString": "  "}},
		{"a number that is no text", ReasonNoApp, "", map[string]any{"CFBundleVersion": 7}},
		{"an id with a line break", ReasonNoApp, "", map[string]any{"CFBundleIdentifier": "com\nexample"}},
		{"an id that is too long", ReasonNoApp, "", map[string]any{"CFBundleIdentifier": strings.Repeat("x", 256)}},
		{"a list without end", ReasonUnreadable, "", map[string]any{
			"CFBundleSupportedPlatforms": strings.Split(strings.Repeat("iPhoneOS ", 17), " "),
		}},
	} {
		for form, format := range map[string]int{"XML": plist.XMLFormat, "binary": plist.BinaryFormat} {
			got, err := buildOfInfo([]byte(plistOf(t, format, c.changes)))
			if got.Platform != c.want || reasonOf(err) != c.reason {
				t.Errorf("%s, %s: %+v, %v", c.name, form, got, err)
			}
		}
	}
}

// distributionOf is as productbuild writes it, for an app with a framework, a
// helper in it, and a second app.
func distributionOf(product string, bundles ...string) string {
	return fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?>
<installer-gui-script minSpecVersion="2">
    <pkg-ref id=%[1]q><bundle-version>%[2]s</bundle-version></pkg-ref>
    <product id=%[1]q version="1.4.2"/>
    <title>Demo &amp; more</title>
    <options customize="never" require-scripts="false" hostArchitectures="x86_64,arm64"/>
    <script><![CDATA[ function f(a) { return a < 3 && a <b; } ]]></script>
    <choice id="default"/><pkg-ref id=%[1]q version="1.4.2" onConclusion="none">#demo.pkg</pkg-ref>
</installer-gui-script>`, product, strings.Join(bundles, "\n"))
}

func bundle(path, id, version, number string) string {
	return fmt.Sprintf(
		`<bundle CFBundleShortVersionString=%q CFBundleVersion=%q id=%q path=%q/>`,
		version,
		number,
		id,
		path,
	)
}

// packageInfoOf is as pkgbuild writes it.
func packageInfoOf(id string, bundles ...string) string {
	return fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?>
<pkg-info overwrite-permissions="true" identifier=%q version="1.4.2" format-version="2"
    install-location="/Applications">
    <payload numberOfFiles="27" installKBytes="306"/>%s
    <bundle-version><bundle id=%[1]q/></bundle-version><upgrade-bundle/><relocate><bundle id=%[1]q/></relocate>
</pkg-info>`, id, strings.Join(bundles, "\n"))
}

var (
	demoPackage = Build{
		BundleID: "com.example.demo", Version: "1.4.2", Number: "341",
		Platform: "MAC_OS", Format: "pkg", UTI: "com.apple.pkg",
	}
	demoBundle   = bundle("Demo.app", "com.example.demo", "1.4.2", "341")
	nestedBundle = bundle("Demo.app/Contents/Helpers/Demo.app", "com.example.demo", "1.0", "1")
	kitBundle    = bundle("Demo.app/Contents/Frameworks/Kit.framework", "com.example.kit", "3.0", "30")
	otherBundle  = bundle("Other.app", "com.example.other", "2.0", "20")
)

// installers are files of packages, and what comes of them.
var installers = []struct {
	name, reason string
	files        map[string]string
}{
	{"a product archive", "", map[string]string{
		"Distribution":          distributionOf("com.example.demo", nestedBundle, kitBundle, demoBundle),
		"demo.pkg/PackageInfo":  packageInfoOf("com.example.demo", otherBundle),
		"demo.pkg/Payload":      strings.Repeat("cpio", 50_000),
		"Resources/de.lproj/li": "license",
	}},
	{"several apps: the product's", "", map[string]string{
		"Distribution": distributionOf("com.example.demo", otherBundle, demoBundle),
	}},
	{"an app of another id than the product", "", map[string]string{
		"Distribution": distributionOf("com.example.installer", demoBundle, kitBundle),
	}},
	{"versions in the package only", "", map[string]string{
		"Distribution": distributionOf("com.example.demo", `<bundle id="com.example.demo"/>`),
		"demo.pkg/PackageInfo": packageInfoOf(
			"demo.component",
			bundle("./Demo.app", "com.example.demo", "1.4.2", "341"),
		),
		"kit.pkg/PackageInfo": packageInfoOf(
			"kit.component",
			bundle("./Applications/Other.app", "com.example.other", "2", "2"),
		),
	}},
	{"a component package", "", map[string]string{
		"PackageInfo": packageInfoOf(
			"com.example.demo",
			otherBundle,
			bundle("./Demo.app", "com.example.demo", "1.4.2", "341"),
		),
		"Bom":     "BOMStore",
		"Payload": strings.Repeat("cpio", 1000),
	}},
	{"several apps of other ids", ReasonSeveralApps, map[string]string{
		"Distribution": distributionOf("com.example.suite", otherBundle, demoBundle),
	}},
	{"one app in two versions", ReasonSeveralApps, map[string]string{
		"Distribution": distributionOf(
			"com.example.demo",
			demoBundle,
			bundle("Old/Demo.app", "com.example.demo", "1", "1"),
		),
	}},
	{"no app", ReasonNoApp, map[string]string{
		"Distribution": distributionOf(
			"com.example.demo",
			kitBundle,
		), "demo.pkg/PackageInfo": packageInfoOf("com.example.demo"),
	}},
	{"an app without a number", ReasonNoApp, map[string]string{
		"Distribution": distributionOf("com.example.demo", bundle("Demo.app", "com.example.demo", "1.4.2", "")),
	}},
	{
		"neither description",
		ReasonNoApp,
		map[string]string{"Deep/demo.pkg/PackageInfo": packageInfoOf("x", demoBundle)},
	},
	{"no XML", ReasonUnreadable, map[string]string{"Distribution": "<installer-gui-script>"}},
	{"entities", ReasonUnreadable, map[string]string{
		"Distribution": `<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>` + distributionOf(
			"com.example.demo",
			"&b;",
		),
	}},
	{"too deep", ReasonUnreadable, map[string]string{"Distribution": strings.Repeat("<a>", 100_000)}},
	{"too large", ReasonUnreadable, map[string]string{"Distribution": strings.Repeat("<a></a>\n", 1<<20)}},
	{"a tag that is too long", ReasonUnreadable, map[string]string{
		"Distribution": "<a " + strings.Repeat(`b="" `, 100_000) + "/>",
	}},
	{"too many apps", ReasonUnreadable, map[string]string{"Distribution": func() string {
		var many []string
		for n := range 2000 {
			many = append(many, bundle(fmt.Sprintf("%d.app", n), "com.example.demo", "1", "1"))
		}
		return distributionOf("com.example.demo", many...)
	}()}},
}

func xarOf(t testing.TB, compression string, files map[string]string) []byte {
	t.Helper()
	dir := tree(t, files)
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--format=xar", "--options", "xar:compression=" + compression, "-cf", "App.pkg"}
	for _, name := range names {
		args = append(args, name.Name())
	}
	run(t, dir, "bsdtar", args...)
	return load(t, dir, "App.pkg")
}

func TestInstallerPackages(t *testing.T) {
	for _, compression := range []string{"none", "gzip", "bzip2"} {
		for _, c := range installers {
			b := xarOf(t, compression, c.files)
			got, err := ReadBuild(bytes.NewReader(b), int64(len(b)))
			if reasonOf(err) != c.reason || c.reason == "" && got != demoPackage {
				t.Errorf("%s, %s: %+v, %v", c.name, compression, got, err)
			}
		}
	}
	b := xarOf(t, "xz", installers[0].files)
	if _, err := ReadBuild(bytes.NewReader(b), int64(len(b))); reasonOf(err) != ReasonUnreadable {
		t.Errorf("an encoding that is not known: %v", err)
	}
}
