package workflows

import (
	"fmt"
	"slices"
	"strings"

	workflowsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/workflows/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
)

// bounds of a request that its descriptor does not have.
const (
	groupsMost = 100
	notesMost  = 100
	noteMost   = 4000 // characters: Apple's limit of whatsNew
)

// newest names the build that was uploaded last.
const newest = "newest"

// asDistribute makes a request of one for a plan: their fields have the same
// numbers.
func asDistribute(req *workflowsv1.PlanDistributeBuildRequest) (*workflowsv1.DistributeBuildRequest, error) {
	b, err := proto.Marshal(req)
	if err != nil {
		return nil, err
	}
	full := &workflowsv1.DistributeBuildRequest{}
	return full, proto.Unmarshal(b, full)
}

// checkDistribute says what is wrong with a request by itself.
func checkDistribute(req *workflowsv1.DistributeBuildRequest) error {
	named := req.GetVersion() != "" && req.GetNumber() != ""
	switch {
	case req.GetApp() == "" && (req.GetBuild() == "" || req.GetBuild() == newest):
		return fault.Invalid("app", "name the app by its id or bundle id")
	case len(req.GetApp()) > 256:
		return fault.Invalid("app", "must be at most 256 bytes")
	case req.GetBuild() == "" && !named:
		return fault.Invalid("build", `name the build: its id, "newest", or version and number`)
	case req.GetBuild() != "" && req.GetBuild() != newest && (req.GetVersion() != "" || req.GetNumber() != ""):
		return fault.Invalid("build", "an id names a build alone: leave version and number out")
	case strings.ContainsAny(req.GetApp()+req.GetBuild()+req.GetVersion()+req.GetNumber(), ",/\\?#%\x00"):
		return fault.Invalid("build", `must have none of , / \ ? # %%`)
	case len(req.GetBuild())+len(req.GetVersion())+len(req.GetNumber()) > 256:
		return fault.Invalid("build", "is too long")
	case req.GetPlatform() != "" && !slices.Contains([]string{"IOS", "MAC_OS", "TV_OS", "VISION_OS"}, req.GetPlatform()):
		return fault.Invalid("platform", "want IOS, MAC_OS, TV_OS or VISION_OS")
	case len(req.GetGroups()) == 0 && len(req.GetNotes()) == 0 && req.UsesNonExemptEncryption == nil:
		return fault.Invalid("groups", "name at least one group of testers")
	case len(req.GetGroups()) > groupsMost:
		return fault.Invalid("groups", "must be at most %d", groupsMost)
	case len(req.GetNotes()) > notesMost:
		return fault.Invalid("notes", "must be at most %d", notesMost)
	case len(req.GetRequestId()) > 128:
		return fault.Invalid("request_id", "must be at most 128 bytes")
	}
	for _, g := range req.GetGroups() {
		if g == "" || len(g) > 256 {
			return fault.Invalid("groups", "a name has 1 to 256 bytes")
		}
	}
	seen := map[string]bool{}
	for locale, text := range req.GetNotes() {
		switch lower := strings.ToLower(locale); {
		case len(locale) < 2 || len(locale) > 16:
			return fault.Invalid("notes", "%q is no locale such as en-US", locale)
		case len([]rune(text)) > noteMost:
			return fault.Invalid("notes", "%s: must be at most %d characters", locale, noteMost)
		case seen[lower]:
			return fault.Invalid("notes", "%s stands twice", locale)
		default:
			seen[lower] = true
		}
	}
	return nil
}

// subjectOf is what a request is about, in words.
func subjectOf(req *workflowsv1.DistributeBuildRequest) string {
	of := ""
	if req.GetApp() != "" {
		of = " of " + req.GetApp()
	}
	switch {
	case req.GetBuild() == newest && req.GetVersion() != "":
		return "the newest build of version " + req.GetVersion() + of
	case req.GetBuild() == newest:
		return "the newest build" + of
	case req.GetBuild() != "":
		return "build " + req.GetBuild() + of
	}
	return fmt.Sprintf("build %s (%s)%s", req.GetVersion(), req.GetNumber(), of)
}

// selector names the build that a request is about, in one spelling.
func selector(req *workflowsv1.DistributeBuildRequest) string {
	return strings.Join(
		[]string{req.GetBuild(), canonical(req.GetVersion()), canonical(req.GetNumber()), req.GetPlatform()},
		"/",
	)
}
