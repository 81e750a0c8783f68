package service

import (
	"os"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/apispec"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/reflect/protoregistry"
)

func method(t testing.TB, operation string) *Method {
	t.Helper()
	methods, err := Compile(protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range methods {
		if m.Options.GetOperationId() == operation {
			return m
		}
	}
	t.Fatalf("no %s among %d methods", operation, len(methods))
	return nil
}

func TestEveryOperationHasAPlan(t *testing.T) {
	methods, err := Compile(protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("../../spec/asc.lock.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := apispec.ParseLock(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := Document(); d.GetVersion() != lock.Version || d.GetSha256() != lock.SHA256 {
		t.Errorf("%v, the lock: %s", d, lock.Version)
	}
	if len(methods) != len(lock.RPCs) {
		t.Errorf("%d methods, %d in the lock", len(methods), len(lock.RPCs))
	}
}

// TestApplesQueryComesOutAsItWentIn reads queries in Apple's syntax and writes
// them again.
func TestApplesQueryComesOutAsItWentIn(t *testing.T) {
	m := method(t, "builds_getCollection")
	for in, want := range map[string]string{
		"filter[version]=42&include=app&fields[builds]=version,uploadedDate&sort=-uploadedDate": "filter[version]=42&include=app&fields[builds]=version,uploadedDate&sort=-uploadedDate",
		"filter%5BpreReleaseVersion.platform%5D=IOS%2CMAC_OS":                                   "filter[preReleaseVersion.platform]=IOS,MAC_OS",
		"include=build_beta_detail&fields[apps]=bundle_id":                                      "include=buildBetaDetail&fields[apps]=bundleId",
		"exists[usesNonExemptEncryption]=true&limit[betaGroups]=5":                              "exists[usesNonExemptEncryption]=true&limit[betaGroups]=5",
		"filter[app]=a%26b%3Dc":      "filter[app]=a%26b%3Dc",
		"extra_query[filter[new]]=x": "filter[new]=x",
		"limit=7&cursor=abc":         "",
	} {
		req := m.Input.New()
		if err := m.ParseQuery(in, req); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		pairs, err := m.Query.encode(req)
		got := strings.NewReplacer("%5B", "[", "%5D", "]").Replace(joined(pairs))
		if err != nil || got != want {
			t.Errorf("%s\ngot  %s %v\nwant %s", in, got, err, want)
		}
	}
}

func TestTrailersStaySmall(t *testing.T) {
	f := fault.New(fault.InvalidArgument, "ENTITY_ERROR", "m")
	f.Upstream = &fault.Upstream{HTTPStatus: 409}
	for range 100 {
		f.Upstream.Errors = append(f.Upstream.Errors, fault.APIError{Code: "ENTITY_ERROR", Title: strings.Repeat("t", 200)})
		f.Violations = append(f.Violations, fault.Violation{Field: "name", Description: strings.Repeat("d", 100)})
	}
	size := 0
	for _, d := range Status(f).Proto().GetDetails() {
		size += len(d.GetValue())
	}
	if size > maxDetailsBytes || size == 0 {
		t.Errorf("%d bytes", size)
	}
	if n := len(FullStatus(f).Details()); n < 100 {
		t.Errorf("a body carries all: %d", n)
	}
}

func FuzzParseQuery(f *testing.F) {
	f.Add("filter[version]=42&include=app&fields[builds]=version&limit=3&cursor=x&extra_query[a]=b")
	m := method(f, "builds_getCollection")
	f.Fuzz(func(t *testing.T, raw string) {
		req := m.Input.New()
		if err := m.ParseQuery(raw, req); err != nil {
			if fault.As(err).Kind != fault.InvalidArgument {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		_, _ = m.Query.encode(req)
	})
}

func FuzzPageToken(f *testing.F) {
	f.Add("eyJjIjoiWVhRNk1nIiwibCI6MiwiaCI6Ilc1eFBScG9STy9rPSJ9")
	f.Fuzz(func(t *testing.T, s string) {
		if token, err := parseToken(s, []byte("12345678")); err == nil && s != "" && string(token.Hash) != "12345678" {
			t.Errorf("%q passes", s)
		}
	})
}
