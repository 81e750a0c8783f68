package jsonapi

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	provisioningv1 "github.com/asc-gateway/asc-gateway/gen/asc/provisioning/v1"
	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/timestamppb"

	_ "github.com/asc-gateway/asc-gateway/gen/asc/appclips/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/commerce/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/distribution/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/gamecenter/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/users/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/webhooks/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/xcodecloud/v1"
)

func decode[M proto.Message](t *testing.T, body string, into M) (M, Page) {
	t.Helper()
	page, err := (&Codec{}).Decode([]byte(body), into)
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return into, page
}

func TestDecodeReadsEveryShape(t *testing.T) {
	t.Run("single resource with linkage and included", func(t *testing.T) {
		got, page := decode(t, `{"data":{"type":"builds","id":"b1","attributes":{"version":"42","uploadedDate":"2021-01-28T06:01:32-08:00",
			"expired":false,"iconAssetToken":{"templateUrl":"u","width":1,"height":2},"minOsVersion":null,"processingState":"VALID"},
			"relationships":{"app":{"data":{"type":"apps","id":"a1"},"links":{}},"betaGroups":{"meta":{"paging":{"total":348,"limit":10}},"data":[{"type":"betaGroups","id":"g1"}]},
			"buildBundles":{"links":{"self":"x"}},"appStoreVersion":{"data":null}},"links":{"self":"x"}},
			"included":[{"type":"apps","id":"a1","attributes":{"name":"A \"q\" \u00e9 \ud83d\ude00"}}],"links":{"self":"x"}}`, &testflightv1.GetBuildResponse{})
		b := got.GetBuild()
		if b.GetVersion() != "42" || b.Expired == nil || b.GetExpired() || b.MinOsVersion != nil || b.GetIconAssetToken().GetHeight() != 2 {
			t.Errorf("attributes: %v", b)
		}
		if b.GetUploadedDate().AsTime().Unix() != 1611842492 || b.GetProcessingState() != enumsv1.BuildProcessingStateEnum_VALID {
			t.Errorf("date or enum: %v", b)
		}
		if b.GetApp().GetId() != "a1" || b.GetBetaGroups().GetTotal() != 348 || b.GetBetaGroups().GetIds()[0] != "g1" {
			t.Errorf("relationships: %v", b)
		}
		if b.BuildBundles != nil || b.AppStoreVersion == nil || b.AppStoreVersion.Id != nil {
			t.Errorf("unset and null must differ: %v", b)
		}
		if got.GetIncluded().GetApps()[0].GetName() != `A "q" é 😀` || page.Extra != 0 {
			t.Errorf("included: %v, extra %d", got.GetIncluded(), page.Extra)
		}
	})
	t.Run("list with paging", func(t *testing.T) {
		got, page := decode(t, `{"data":[{"type":"apps","id":"1"},{"type":"apps","id":"2"},{"type":"apps","id":"1"}],"links":{"next":"https://x?cursor=c&limit=2"},"meta":{"paging":{"total":9,"limit":2}}}`, &metadatav1.ListAppsResponse{})
		if len(got.GetApps()) != 2 || got.GetTotalSize() != 9 || page.Next == "" || page.Items != 3 {
			t.Errorf("%v %+v", got, page)
		}
	})
	t.Run("next may be null", func(t *testing.T) {
		if _, page := decode(t, `{"data":[],"links":{"self":"s","next":null}}`, &metadatav1.ListAppsResponse{}); page.Next != "" {
			t.Error(page.Next)
		}
	})
	t.Run("data null", func(t *testing.T) {
		if got, _ := decode(t, `{"data":null,"links":{}}`, &testflightv1.GetBuildAppResponse{}); got.GetApp() != nil {
			t.Error(got)
		}
	})
	t.Run("to-many linkage", func(t *testing.T) {
		got, _ := decode(t, `{"data":[{"type":"profiles","id":"p1"},{"type":"profiles","id":"p2"}],"links":{},"meta":{"paging":{"total":2,"limit":50}}}`, &provisioningv1.ListBundleIdProfileIdsResponse{})
		if strings.Join(got.GetIds(), ",") != "p1,p2" || got.GetTotalSize() != 2 {
			t.Error(got)
		}
	})
	t.Run("to-one linkage", func(t *testing.T) {
		got, _ := decode(t, `{"data":{"type":"apps","id":"a"},"links":{}}`, &provisioningv1.GetBundleIdAppIdResponse{})
		if got.GetId() != "a" {
			t.Error(got)
		}
	})
	t.Run("metrics", func(t *testing.T) {
		got, page := decode(t, `{"data":[{"dataPoints":[{"start":"2021-01-01","end":"2021-01-02","values":{"crashCount":3}}],"hue":7,"dimensions":{"betaTesters":{"data":{"type":"betaTesters","id":"t"}}}}],"links":{},"meta":{"paging":{"limit":5}}}`, &metadatav1.GetAppBetaTesterUsagesResponse{})
		dimension := got.GetData()[0].GetDimensions().GetBetaTesters().GetData().GetStructValue().GetFields()["id"].GetStringValue()
		if got.GetData()[0].GetDataPoints()[0].GetValues().GetCrashCount() != 3 || page.Items != 1 || dimension != "t" || got.GetExtra()["data.0.hue"] != "7" {
			t.Error(got)
		}
	})
	t.Run("names that do not round-trip", func(t *testing.T) {
		c, m := &Codec{}, &resourcesv1.BuildBundle{}
		d := &decoder{scanner: scanner{s: `{"type":"buildBundles","id":"1","attributes":{"dSYMUrl":"https://x"}}`}}
		if err := d.resource(c.plan(m.ProtoReflect().Descriptor()), m.ProtoReflect()); err != nil || m.GetDSymUrl() != "https://x" {
			t.Error(m, err)
		}
	})
}

func TestDecodeLosesNothing(t *testing.T) {
	got, page := decode(t, `{"data":{"type":"builds","id":"b","attributes":{"brandNew":{"n":9007199254740993.10},"processingState":"TELEPORTED","expired":"yes",
		"iconAssetToken":{"templateUrl":"u","hue":7}},"relationships":{"teleporter":{"data":{"type":"teleporters","id":"1"}},"app":{"data":{"type":"unicorns","id":"u"}},"quiet":{"links":{}}}},
		"included":[{"type":"unicorns","id":"u"},{"type":"unicorns","id":"v"}],"meta":{"mood":"fine"},"links":{}}`, &testflightv1.GetBuildResponse{})
	want := map[string]string{
		"brandNew": `{"n":9007199254740993.10}`, "processingState": `"TELEPORTED"`, "expired": `"yes"`, "iconAssetToken.hue": "7",
		"relationships.teleporter": `{"data":{"type":"teleporters","id":"1"}}`, "relationships.app": `{"data":{"type":"unicorns","id":"u"}}`,
	}
	for k, v := range want {
		if got.GetBuild().GetExtra()[k] != v {
			t.Errorf("extra[%s] = %s, want %s", k, got.GetBuild().GetExtra()[k], v)
		}
	}
	if len(got.GetBuild().GetExtra()) != len(want) {
		t.Errorf("extra: %v", got.GetBuild().GetExtra())
	}
	if got.GetExtra()["included.unicorns"] != `[{"type":"unicorns","id":"u"},{"type":"unicorns","id":"v"}]` || got.GetExtra()["meta.mood"] != `"fine"` {
		t.Errorf("response extra: %v", got.GetExtra())
	}
	if got.GetBuild().GetProcessingState() != enumsv1.BuildProcessingStateEnum_UNKNOWN || got.GetBuild().Expired != nil || page.Extra == 0 {
		t.Errorf("%v %+v", got.GetBuild(), page)
	}
}

// TestADateIsNoInstant: a date in a date-time member keeps its text.
func TestADateIsNoInstant(t *testing.T) {
	var got metadatav1.GetAppStoreVersionResponse
	const body = `{"data":{"type":"appStoreVersions","id":"v","attributes":{
		"earliestReleaseDate":"2026-02-01","createdDate":"2026-01-31T23:00:00-08:00"}}}`
	page, err := (&Codec{}).Decode([]byte(body), &got)
	v := got.GetAppStoreVersion()
	if err != nil || page.Extra != 1 || v.EarliestReleaseDate != nil ||
		v.GetExtra()["earliestReleaseDate"] != `"2026-02-01"` || v.GetCreatedDate().GetSeconds() != 1769929200 {
		t.Errorf("%v %v %+v", v, err, page)
	}
}

func TestDecodeReadsAllFormsOfDates(t *testing.T) {
	for _, s := range []string{"2020-08-04T11:44:12.000+0000", "2020-08-04T04:44:12-07:00", "2020-08-04T11:44:12.000Z", "2020-08-04T11:44:12.000+00:00", "2020-08-04T11:44:12"} {
		ts, ok := parseTime(s)
		if !ok || ts.AsTime().Unix() != 1596541452 {
			t.Errorf("%s: %v %v", s, ts, ok)
		}
	}
	for _, s := range []string{"", "yesterday", "2020-08-04", "2020-13-04T11:44:12Z", strings.Repeat("2", 100)} {
		if _, ok := parseTime(s); ok {
			t.Errorf("%q is no date", s)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":         "",
		"cut":             `{"data":[{"type":"apps"`,
		"two values":      `{"data":[]}{}`,
		"depth":           `{"data":[],"x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
		"bad escape":      `{"data":[{"type":"apps","id":"\q"}]}`,
		"control":         "{\"data\":[{\"type\":\"apps\",\"id\":\"\n\"}]}",
		"leading zero":    `{"data":[{"type":"apps","id":"1","attributes":{"n":01}}]}`,
		"html":            "<html>",
		"too many":        `{"data":[` + strings.Repeat("{},", maxItems) + `{}]}`,
		"too much extra":  `{"data":[],"new":"` + strings.Repeat("x", maxExtra+1) + `"}`,
		"unclosed string": `{"data`,
	} {
		if _, err := (&Codec{}).Decode([]byte(body), &metadatav1.ListAppsResponse{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestEncodeWritesThreeStates(t *testing.T) {
	for _, c := range []struct {
		name string
		msg  proto.Message
		typ  string
		want string
	}{
		{"create", &provisioningv1.CreateProfileRequest{Name: proto.String("P"), ProfileType: enumsv1.ProfileTypeEnum_IOS_APP_STORE.Enum(),
			BundleId: &typesv1.ToOne{Id: proto.String("b")}, Certificates: &typesv1.ToMany{Ids: []string{"c1", "c2"}}, Devices: &typesv1.ToMany{}}, "profiles",
			`{"data":{"type":"profiles","attributes":{"name":"P","profileType":"IOS_APP_STORE"},"relationships":{"bundleId":{"data":{"type":"bundleIds","id":"b"}},"devices":{"data":[]},"certificates":{"data":[{"type":"certificates","id":"c1"},{"type":"certificates","id":"c2"}]}}}}`},
		{"update that clears", &testflightv1.UpdateBuildRequest{Id: "b", Expired: proto.Bool(false), Clear: []string{"uses_non_exempt_encryption"}, AppEncryptionDeclaration: &typesv1.ToOne{}}, "builds",
			`{"data":{"type":"builds","id":"b","attributes":{"expired":false,"usesNonExemptEncryption":null},"relationships":{"appEncryptionDeclaration":{"data":null}}}}`},
		{"linkage", &metadatav1.SetAppStoreVersionBuildRequest{Id: "v", Build: &typesv1.ToOne{Id: proto.String("b")}}, "builds", `{"data":{"type":"builds","id":"b"}}`},
		{"detach", &metadatav1.SetAppStoreVersionBuildRequest{Id: "v", Build: &typesv1.ToOne{}}, "builds", `{"data":null}`},
		{"extra", &provisioningv1.UpdateBundleIdRequest{Id: "b", Extra: map[string]string{"mood": "1.50"}}, "bundleIds", `{"data":{"type":"bundleIds","id":"b","attributes":{"mood":1.50}}}`},
		{"inline create, nested", &metadatav1.CreateAppCustomProductPageRequest{Name: proto.String("N"), App: &typesv1.ToOne{Id: proto.String("a")},
			AppCustomProductPageVersions: &typesv1.AppCustomProductPageVersionInlineToMany{Create: []*typesv1.AppCustomProductPageVersionInlineCreate{{
				AppCustomProductPageLocalizations: &typesv1.AppCustomProductPageLocalizationInlineToMany{Create: []*typesv1.AppCustomProductPageLocalizationInlineCreate{{Locale: proto.String("en-US")}}}}}}}, "appCustomProductPages",
			`{"data":{"type":"appCustomProductPages","attributes":{"name":"N"},"relationships":{"app":{"data":{"type":"apps","id":"a"}},"appCustomProductPageVersions":{"data":[{"type":"appCustomProductPageVersions","id":"${appCustomProductPageVersions-1}"}]}}},"included":[{"type":"appCustomProductPageVersions","id":"${appCustomProductPageVersions-1}","relationships":{"appCustomProductPageLocalizations":{"data":[{"type":"appCustomProductPageLocalizations","id":"${appCustomProductPageLocalizations-2}"}]}}},{"type":"appCustomProductPageLocalizations","id":"${appCustomProductPageLocalizations-2}","attributes":{"locale":"en-US"}}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := (&Codec{}).Encode(c.msg, c.typ)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestEncodeReportsAllViolationsAtOnce(t *testing.T) {
	_, err := (&Codec{}).Encode(&provisioningv1.CreateProfileRequest{ProfileType: enumsv1.ProfileTypeEnum_UNKNOWN.Enum(),
		BundleId: &typesv1.ToOne{Id: proto.String("")}, Certificates: &typesv1.ToMany{Ids: []string{"a/b"}}, Extra: map[string]string{"name": `"x"`}, Clear: []string{"nonsense"}}, "profiles")
	fields := map[string]bool{}
	for _, v := range fault.As(err).Violations {
		fields[v.Field] = true
	}
	for _, want := range []string{"name", "profile_type", "bundle_id.id", "certificates.ids[0]", "extra", "clear"} {
		if !fields[want] {
			t.Errorf("no violation of %s in %v", want, fields)
		}
	}
}

func TestCheckID(t *testing.T) {
	for _, bad := range []string{"", ".", "..", "a/b", `a\b`, "a?b", "a#b", "%2E%2E", "a b", "a\x00", "\x7f", strings.Repeat("a", 513)} {
		if CheckID(bad) == "" {
			t.Errorf("%q passes", bad)
		}
	}
	for _, good := range []string{"1", "6a7b-…", strings.Repeat("a", 512), "a.b", "..."} {
		if what := CheckID(good); what != "" {
			t.Errorf("%q: %s", good, what)
		}
	}
}

// TestRoundTrip writes and reads every message that has attributes or
// relationships, filled with generated values.
func TestRoundTrip(t *testing.T) {
	c, n := &Codec{}, 0
	rng := rand.New(rand.NewPCG(1, 2))
	protoregistry.GlobalTypes.RangeMessages(func(mt protoreflect.MessageType) bool {
		p := c.plan0(mt.Descriptor())
		if p == nil {
			return true
		}
		n++
		for range 3 {
			m := mt.New()
			fill(rng, p, m, 0)
			body, err := c.Encode(m.Interface(), p.typ)
			if err != nil {
				t.Errorf("%s: %v", mt.Descriptor().FullName(), err)
				return true
			}
			if !json.Valid(body) {
				t.Errorf("%s: not JSON: %s", mt.Descriptor().FullName(), body)
				return true
			}
			back := mt.New()
			d := &decoder{scanner: scanner{s: strings.TrimSuffix(strings.TrimPrefix(string(body), `{"data":`), "}")}}
			if err := d.resource(p, back); err != nil {
				t.Errorf("%s: %v", mt.Descriptor().FullName(), err)
			}
			if !proto.Equal(m.Interface(), back.Interface()) {
				t.Errorf("%s:\nwrote %v\nread  %v\n%s", mt.Descriptor().FullName(), m, back, body)
				return true
			}
		}
		return true
	})
	t.Logf("%d messages", n)
	if n < 500 {
		t.Errorf("only %d messages", n)
	}
}

// plan0 is the plan of a message of resources, nil for others.
func (c *Codec) plan0(md protoreflect.MessageDescriptor) *messagePlan {
	if !strings.HasPrefix(string(md.FullName()), "asc.") || md.ParentFile().Package() == "asc.options.v1" || md.IsMapEntry() {
		return nil
	}
	for i := range md.Fields().Len() {
		o, _ := proto.GetExtension(md.Fields().Get(i).Options(), optionsv1.E_Field).(*optionsv1.Field)
		if r := o.GetRole(); r == optionsv1.Role_ROLE_ATTRIBUTE || r == optionsv1.Role_ROLE_RELATIONSHIP {
			return c.plan(md)
		}
	}
	return nil
}

func fill(rng *rand.Rand, p *messagePlan, m protoreflect.Message, depth int) {
	for _, f := range p.fields {
		query := f.role >= optionsv1.Role_ROLE_FILTER && f.role <= optionsv1.Role_ROLE_PARAMETER // of a POST
		if !f.required && rng.IntN(4) == 0 || f.kind == kindOther || depth > 5 || query {
			continue
		}
		if f.role == optionsv1.Role_ROLE_INCLUDE || f.role == optionsv1.Role_ROLE_SORT {
			continue // of the query, not of the document
		}
		switch {
		case f.kind == kindToOne:
			rel := m.Mutable(f.fd).Message()
			if rng.IntN(3) > 0 {
				rel.Set(rel.Descriptor().Fields().ByName("id"), protoreflect.ValueOfString("id-"+f.name))
			}
		case f.kind == kindToMany:
			rel := m.Mutable(f.fd).Message()
			ids := rel.Mutable(rel.Descriptor().Fields().ByName("ids")).List()
			for range rng.IntN(3) {
				ids.Append(protoreflect.ValueOfString("id-" + f.name))
			}
		case f.kind == kindMap:
			m.Mutable(f.fd).Map().Set(protoreflect.ValueOfString("k\"é").MapKey(), protoreflect.ValueOfString("v\n"))
		case f.fd.IsList():
			list := m.Mutable(f.fd).List()
			for range 1 + rng.IntN(2) {
				appendTo(rng, f, list, depth)
			}
		case f.kind == kindObject:
			fill(rng, f.message, m.Mutable(f.fd).Message(), depth+1)
		default:
			m.Set(f.fd, generated(rng, f))
		}
	}
}

func appendTo(rng *rand.Rand, f *fieldPlan, list protoreflect.List, depth int) {
	if f.message == nil {
		list.Append(generated(rng, f))
		return
	}
	el := list.NewElement()
	fill(rng, f.message, el.Message(), depth+1)
	list.Append(el)
}

func generated(rng *rand.Rand, f *fieldPlan) protoreflect.Value {
	switch f.kind {
	case kindBool:
		return protoreflect.ValueOfBool(rng.IntN(2) == 0)
	case kindInt32:
		return protoreflect.ValueOfInt32(int32(rng.Uint32()))
	case kindInt64:
		return protoreflect.ValueOfInt64(int64(rng.Uint64()))
	case kindDouble:
		return protoreflect.ValueOfFloat64(rng.NormFloat64())
	case kindEnum:
		for n := range f.enum.byNumber {
			if n > unknown {
				return protoreflect.ValueOfEnum(n)
			}
		}
	case kindTime:
		return protoreflect.ValueOfMessage((&timestamppb.Timestamp{Seconds: rng.Int64N(4e9), Nanos: int32(rng.IntN(1e9))}).ProtoReflect())
	}
	texts := []string{"", "plain", "\"\\\x00\u2028 é 😀\n", "<&>", strings.Repeat("x", 300)}
	return protoreflect.ValueOfString(texts[rng.IntN(len(texts))])
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"data":[{"type":"builds","id":"b","attributes":{"version":"42","x":[1,{"a":null}]},"relationships":{"app":{"data":null}}}],"included":[{"type":"apps","id":"1"}],"links":{"next":"n"},"meta":{"paging":{"total":1}}}`))
	f.Add([]byte(`{"data":{"type":"builds"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, err := (&Codec{}).Decode(body, &testflightv1.ListBuildsResponse{})
		if err == nil && !json.Valid(body) {
			t.Errorf("accepted what encoding/json refuses: %q", body)
		}
	})
}

func FuzzEncode(f *testing.F) {
	f.Add("name", "id", `{"a":1}`, "key", "clear")
	f.Fuzz(func(t *testing.T, name, id, raw, key, clear string) {
		body, err := (&Codec{}).Encode(&provisioningv1.CreateProfileRequest{Name: &name, ProfileType: enumsv1.ProfileTypeEnum_IOS_APP_STORE.Enum(), BundleId: &typesv1.ToOne{Id: &id},
			Certificates: &typesv1.ToMany{}, Extra: map[string]string{key: raw}, Clear: []string{clear}}, "profiles")
		if err == nil && !json.Valid(body) {
			t.Errorf("not JSON: %s", body)
		}
	})
}

func page200(b *testing.B) []byte {
	one := `{"type":"builds","id":"8f3b%d","attributes":{"version":"42","uploadedDate":"2021-01-28T06:01:32-08:00","expirationDate":"2021-04-28T06:01:32-08:00","expired":false,"minOsVersion":"15.0","lsMinimumSystemVersion":null,"computedMinMacOsVersion":"12.0","iconAssetToken":{"templateUrl":"https://is1-ssl.example.com/image/thumb/{w}x{h}bb.{f}","width":167,"height":167},"processingState":"VALID","buildAudienceType":"APP_STORE_ELIGIBLE","usesNonExemptEncryption":false},"relationships":{`
	for i, r := range []string{"preReleaseVersion", "individualTesters", "betaGroups", "betaBuildLocalizations", "appEncryptionDeclaration", "betaAppReviewSubmission", "app", "buildBetaDetail", "appStoreVersion", "icons", "buildBundles", "perfPowerMetrics", "diagnosticSignatures"} {
		if i > 0 {
			one += ","
		}
		one += `"` + r + `":{"links":{"self":"https://api.appstoreconnect.apple.com/v1/builds/8f3b/relationships/` + r + `","related":"https://api.appstoreconnect.apple.com/v1/builds/8f3b/` + r + `"}}`
	}
	one += `},"links":{"self":"https://api.appstoreconnect.apple.com/v1/builds/8f3b"}}`
	rows := make([]string, 200)
	for i := range rows {
		rows[i] = strings.Replace(one, "%d", string(rune('a'+i%26))+string(rune('a'+i/26)), 1)
	}
	body := []byte(`{"data":[` + strings.Join(rows, ",") + `],"links":{"self":"x","next":"y"},"meta":{"paging":{"total":1000,"limit":200}}}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	return body
}

// The goal: at least 3 times faster than encoding/json into map[string]any,
// with at most a quarter of its allocations.
func BenchmarkDecode200Builds(b *testing.B) {
	b.Run("messages", func(b *testing.B) {
		body, c := page200(b), &Codec{}
		for b.Loop() {
			if _, err := c.Decode(body, &testflightv1.ListBuildsResponse{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("protojson-of-the-same", func(b *testing.B) {
		m := &testflightv1.ListBuildsResponse{}
		if _, err := (&Codec{}).Decode(page200(b), m); err != nil {
			b.Fatal(err)
		}
		text, err := protojson.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(text))) // smaller: links are not in it
		for b.Loop() {
			if err := protojson.Unmarshal(text, &testflightv1.ListBuildsResponse{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json-map", func(b *testing.B) {
		body := page200(b)
		for b.Loop() {
			var m map[string]any
			if err := json.Unmarshal(body, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
