package service

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
)

// TestVersionIsThatOfTheLock: the program serves the document that the lock names.
func TestVersionIsThatOfTheLock(t *testing.T) {
	lock, err := os.ReadFile("../../spec/asc.lock.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e, _ := engine(t)
	begun := time.Now()
	v := Version("v1.2.3")
	t.Logf("%v in %v", v, time.Since(begun))
	for name, want := range map[string]string{"version": v.GetDocumentVersion(), "sha256": v.GetDocumentSha256()} {
		if got := regexp.MustCompile(`(?m)^` + name + `: (\S+)$`).FindSubmatch(lock); got == nil || string(got[1]) != want {
			t.Errorf("%s: %q, the lock says %s", name, want, got)
		}
	}
	sum := int32(0)
	for _, a := range v.GetAreas() {
		sum += a.GetOperationCount()
	}
	resources, _ := NewCatalog(e).ListResources(t.Context(), &catalogv1.ListResourcesRequest{})
	if int(v.GetOperationCount()) != len(e.Methods()) || sum != v.GetOperationCount() || int(v.GetResourceCount()) != len(resources.GetResources()) ||
		v.GetGatewayVersion() != "v1.2.3" || len(v.GetProtosSha256()) != 64 || strings.Trim(v.GetProtosSha256(), "0123456789abcdef") != "" {
		t.Errorf("%v", v)
	}
	if again := Version("v1.2.3"); again.GetProtosSha256() != v.GetProtosSha256() {
		t.Errorf("two fingerprints: %s %s", v.GetProtosSha256(), again.GetProtosSha256())
	}
}
