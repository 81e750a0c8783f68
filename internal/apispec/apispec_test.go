package apispec

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// document is a small one in Apple's manner.
func document(version string, attributes, values string) string {
	return fmt.Sprintf(`{"openapi":"3.0.1","info":{"version":%q},"paths":{
	"/v1/things":{"get":{"tags":["Things"],"operationId":"things_getCollection","parameters":[
		{"name":"filter[color]","in":"query","schema":{"type":"array","items":{"type":"string","enum":["RED"]}}},
		{"name":"limit","in":"query","schema":{"type":"integer","maximum":200}}],
		"responses":{"200":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/ThingsResponse"}}}}}}}},
	"components":{"schemas":{
	"Thing":{"type":"object","properties":{"type":{"type":"string","enum":["things"]},"id":{"type":"string"},"attributes":{"type":"object","properties":{%s}}}},
	"Color":{"type":"string","enum":[%s]},
	"ThingsResponse":{"type":"object","properties":{"data":{"type":"array","items":{"$ref":"#/components/schemas/Thing"}}}}}}}`, version, attributes, values)
}

var areas = &Areas{Areas: map[string][]string{"toys": {"Things"}}}

func build(t *testing.T, text string, lock *Lock) (*Model, *Lock, Problems) {
	t.Helper()
	doc, _, err := Read([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Build(doc, areas, lock)
	if err != nil {
		t.Fatal(err)
	}
	next, notices := lock.Merge(m, doc.Version, doc.SHA256)
	b, err := next.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if next, err = ParseLock(b); err != nil {
		t.Fatal(err)
	}
	return m, next, notices
}

func TestLock(t *testing.T) {
	const color = `"color":{"$ref":"#/components/schemas/Color"}`
	_, first, _ := build(t, document("1", `"name":{"type":"string"},"old":{"type":"string"},`+color, `"RED","GREEN"`), &Lock{})
	m, second, notices := build(t, document("2", `"newer":{"type":"boolean"},"name":{"type":"integer"},`+color, `"BLUE","RED"`), first)
	keeps(t, first, second)
	text := string(Emit(m)["asc/resources/v1/thing.proto"])
	for _, want := range []string{"optional string name = 2", "optional string old = 3 [\n    deprecated = true", "optional bool newer = 5"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	enum := string(Emit(m)["asc/enums/v1/color.proto"])
	for _, want := range []string{"RED = 2;", "GREEN = 3 [deprecated = true];", "BLUE = 4;"} {
		if !strings.Contains(enum, want) {
			t.Errorf("no %q in\n%s", want, enum)
		}
	}
	if len(notices) != 1 || !strings.Contains(notices[0].What, "the old kind stays") {
		t.Errorf("%v", notices)
	}
	gone := strings.Replace(document("3", color, `"RED"`), `"/v1/things"`, `"/v1/other"`, 1)
	gone = strings.Replace(gone, "things_getCollection", "others_getCollection", 1)
	m, third, _ := build(t, gone, second)
	keeps(t, second, third)
	service := string(Emit(m)["asc/toys/v1/things.proto"])
	if !strings.Contains(service, "rpc ListThings(") || !strings.Contains(service, "option deprecated = true;") || !strings.Contains(service, "rpc ListOthers(") {
		t.Errorf("what vanished must stay:\n%s", service)
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	text := document("1", `"a":{"type":"string"},"extra":{"type":"string"}`, `"A-B","A.B"`)
	text = strings.Replace(text, `"tags":["Things"]`, `"tags":["Nowhere"]`, 1)
	text = strings.Replace(text, `"extra":`, `"b":{"$ref":"#/components/schemas/Color"},"extra":`, 1)
	doc, _, err := Read([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Build(doc, areas, nil)
	for _, want := range []string{"tag Nowhere", "two values named A_B", "field name extra"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestPatches(t *testing.T) {
	text := document("1", `"name":{"type":"string"},"color":{"$ref":"#/components/schemas/Color"}`, `"RED"`)
	patches := func(version, body string) *Patches {
		p, err := ParsePatches([]byte("document: '" + version + "'\npatches:\n- name: n\n  reason: r\n  " + body))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct{ name, body, want string }{
		{"append", `{at: [/components/schemas/Color/enum], append: [BLUE]}`, `"enum":["RED","BLUE"]`},
		{"set", `{at: [/components/schemas/Thing/properties/attributes/properties/name], set: {format: date}}`, `"name":{"type":"string","format":"date"}`},
		{"remove", `{at: [/components/schemas/Thing/properties/attributes/properties], remove: [name]}`, `"properties":{"color"`},
		{"nullable wraps a reference", `{at: ["/components/schemas/*/properties/attributes/properties/color"], nullable: true}`, `"color":{"allOf":[{"$ref":"#/components/schemas/Color"}],"nullable":true}`},
		{"parameter by name", `{at: ["/paths/*/get/parameters/name=filter[color]/schema/items/enum"], append: [BLUE]}`, `"enum":["RED","BLUE"]}}},{"name":"limit"`},
	} {
		body := strings.TrimSuffix(strings.TrimPrefix(c.body, "{"), "}")
		body = strings.Replace(body, "], ", "]\n  ", 1)
		doc, _, err := Read([]byte(text), patches("1", body))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if b, _ := doc.Patched(); !strings.Contains(string(b), c.want) {
			t.Errorf("%s: no %s in %s", c.name, c.want, b)
		}
	}
	useless := "at: [/components/schemas/Color/enum]\n  append: [RED]"
	if _, _, err := Read([]byte(text), patches("1", useless)); err == nil || !strings.Contains(err.Error(), "no longer needed") {
		t.Errorf("a patch that Apple made unnecessary: %v", err)
	}
	if _, notices, err := Read([]byte(text), patches("2", useless)); err != nil || len(notices) != 1 {
		t.Errorf("for another version it is a notice: %v %v", notices, err)
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{"dSYMUrl": "d_sym_url", "preReleaseVersion.platform": "pre_release_version_platform", "md5": "md5", "isIPhone": "is_i_phone", "binaryUUID": "binary_uuid"} {
		if got := snake(in); got != want {
			t.Errorf("snake(%s) = %s", in, got)
		}
	}
	for in, want := range map[string]string{"inAppPurchasesV2": "inAppPurchaseV2", "territories": "territory", "betaRecruitmentCriteria": "betaRecruitmentCriterion", "appClipDomainStatus": "appClipDomainStatus", "betaAppLocalizations": "betaAppLocalization"} {
		if got := singular(in); got != want {
			t.Errorf("singular(%s) = %s", in, got)
		}
	}
	for in, want := range map[string]string{"com.apple.ipa": "COM_APPLE_IPA", "gameCenterDetail": "GAME_CENTER_DETAIL", "EN-US": "EN_US", "IOS": "IOS", "11_INCH": "VALUE_11_INCH"} {
		if got := enumValueName(in); got != want {
			t.Errorf("enumValueName(%s) = %s", in, got)
		}
	}
}

func TestFetch(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, _ := z.Create("openapi.oas.json")
	_, _ = f.Write([]byte(document("9", `"a":{"type":"string"}`, `"A"`)))
	_ = z.Close()
	good := true
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if good {
			_, _ = w.Write(b.Bytes())
		} else {
			_, _ = w.Write([]byte("no zip"))
		}
	}))
	defer s.Close()
	file, err := CachePath(func(k string) string { return map[string]string{"XDG_CACHE_HOME": t.TempDir()}[k] })
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := Fetch(t.Context(), s.Client(), s.URL, file); err != nil || doc.Version != "9" {
		t.Fatal(err)
	}
	good = false
	if _, err := Fetch(t.Context(), s.Client(), s.URL, file); err == nil {
		t.Error("no zip, no error")
	}
	if doc, _, err := ReadFile(file, nil); err != nil || doc.Version != "9" {
		t.Errorf("a failed download must leave the old document: %v", err)
	}
}

func TestDiffAndSearch(t *testing.T) {
	before, _, err := Read([]byte(document("1", `"a":{"type":"string"}`, `"A"`)), nil)
	if err != nil {
		t.Fatal(err)
	}
	after, _, err := Read([]byte(document("2", `"b":{"type":"string"}`, `"A","B"`)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(Diff(before, after)); text != "[{- true member Thing.attributes.a} {+ false member Thing.attributes.b: string} {+ false value Color: B}]" {
		t.Error(text)
	}
	if len(after.Search("GET things")) != 1 || len(after.Show("thing")) != 1 || len(after.ListResources()) != 1 {
		t.Error("not found")
	}
}

// TestCommittedIsWhatIsGenerated compares the tree with what the pinned
// document makes, where that is at hand.
func TestCommittedIsWhatIsGenerated(t *testing.T) {
	dir := specDir()
	if dir == "" {
		t.Log("no document of Apple's here: `make check` compares where there is one")
		return
	}
	g := Generation{Root: "../..", Spec: filepath.Join(dir, committed(t).Version+".json")}
	r, err := g.Run()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Check(r); err != nil {
		t.Error(err)
	}
	if lock := committed(t); r.Counts.RPCs != len(lock.RPCs) || r.Counts.Messages != len(lock.Messages) || r.Counts.Enums != len(lock.Enums) {
		t.Errorf("%+v, the lock: %d RPCs", r.Counts, len(lock.RPCs))
	}
}

// committed is the lock of this tree.
func committed(t *testing.T) *Lock {
	t.Helper()
	b, err := os.ReadFile("../../" + lockFile)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ParseLock(b)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
