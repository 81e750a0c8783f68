package rest

import (
	"net/http"
	"strings"
	"testing"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
)

func TestKeysAreTheStatesOfAWrite(t *testing.T) {
	m := &testflightv1.UpdateBuildRequest{}
	if err := newSpeller().unmarshal([]byte(`{"expired":false,"usesNonExemptEncryption":null,"app_encryption_declaration":{}}`), m.ProtoReflect()); err != nil {
		t.Fatal(err)
	}
	if m.Expired == nil || m.GetExpired() || strings.Join(m.GetClear(), ",") != "uses_non_exempt_encryption" || m.AppEncryptionDeclaration == nil {
		t.Errorf("%v", m)
	}
	link := &metadatav1.SetAppStoreVersionBuildRequest{}
	if err := newSpeller().unmarshal([]byte(`{"build":null}`), link.ProtoReflect()); err != nil || link.Build == nil || link.Build.Id != nil {
		t.Errorf("%v %v", link, err)
	}
}

func TestEnumValuesAreSpelledAsAppleSpells(t *testing.T) {
	m := &testflightv1.CreateBuildUploadFileRequest{}
	s := newSpeller()
	if err := s.unmarshal([]byte(`{"fileName":"a.ipa","fileSize":5,"assetType":"ASSET","uti":"com.apple.ipa","buildUpload":{"id":"1"}}`), m.ProtoReflect()); err != nil {
		t.Fatal(err)
	}
	b, err := s.marshal(m)
	if err != nil || !strings.Contains(string(b), `"com.apple.ipa"`) {
		t.Errorf("%s %v", b, err)
	}
	back := &testflightv1.CreateBuildUploadFileRequest{}
	if err := s.unmarshal(b, back.ProtoReflect()); err != nil || !proto.Equal(m, back) {
		t.Errorf("%v %v", back, err)
	}
}

func TestHTTPStatus(t *testing.T) {
	up := func(status int, reason string) *fault.Error {
		return &fault.Error{Reason: reason, Upstream: &fault.Upstream{HTTPStatus: status}}
	}
	for want, f := range map[int]*fault.Error{
		http.StatusConflict:           up(409, "X"),
		http.StatusTooManyRequests:    up(429, "X"),
		http.StatusBadGateway:         up(401, "X"),
		http.StatusGatewayTimeout:     up(500, fault.ReasonOutcomeUnknown),
		http.StatusServiceUnavailable: up(503, "X"),
		http.StatusMethodNotAllowed:   {Kind: fault.Unimplemented, Reason: door.ReasonNotAllowed},
		http.StatusBadRequest:         fault.Invalid("f", "x"),
	} {
		if got := httpStatus(f); got != want {
			t.Errorf("%v: %d, want %d", f, got, want)
		}
	}
	if got := httpStatus(up(500, "X")); got != http.StatusBadGateway {
		t.Errorf("500: %d", got)
	}
}

func FuzzBody(f *testing.F) {
	f.Add([]byte(`{"name":"x","platform":"IOS","devices":null,"clear":["a"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &testflightv1.UpdateBuildRequest{}
		if err := newSpeller().unmarshal(b, m.ProtoReflect()); err != nil && fault.As(err).Kind == fault.Internal {
			t.Errorf("an internal error for %q: %v", b, err)
		}
	})
}
