package sandbox

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowedModules are those that a consumer of the package has to build.
var allowedModules = []string{
	"github.com/asc-gateway/asc-gateway",
	"github.com/golang-jwt/jwt/v5",
	"github.com/smallstep/pkcs7",
	"go.yaml.in/yaml/v2",
	"golang.org/x/crypto",
	"howett.net/plist",
	"sigs.k8s.io/yaml",
}

// TestDependencies keeps small what a consumer of the package has to build.
func TestDependencies(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".").
		Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Fields(string(out))
	if len(modules) == 0 {
		t.Fatal("go list told nothing")
	}
	slices.Sort(modules)
	for _, m := range slices.Compact(modules) {
		if !slices.Contains(allowedModules, m) {
			t.Errorf("the sandbox depends on %s", m)
		}
	}
}
