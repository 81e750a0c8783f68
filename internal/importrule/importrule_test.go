// Package importrule holds the rule of which package may import which: data
// flows one way.
package importrule

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/asc-gateway/asc-gateway/"

// allowed lists, for each package, which of ours it may import; gen is allowed
// to those that name it.
var allowed = map[string]struct {
	imports string
	reason  string
}{
	"internal/fault":                 {"", "the vocabulary of errors is a leaf"},
	"internal/near":                  {"", "a leaf: how like two words are"},
	"internal/watch":                 {"", "a leaf: looks at files"},
	"internal/signals":               {"", "a leaf: it must be initialised before all others"},
	"internal/secrets":               {"internal/files", "a leaf: the secret that replicas share"},
	"internal/files":                 {"", "a leaf: reads and makes small files"},
	"internal/outbound":              {"internal/files", "asks other servers; knows none of them"},
	"internal/apispec":               {"", "makes files at development time; nothing at run time may lean on it"},
	"internal/comments":              {"gen", "a leaf: the comments of the .proto files"},
	"internal/comments/plugin":       {"", "a plugin of buf"},
	"internal/protofiles":            {"internal/comments", "prints descriptors given to it"},
	"sandbox":                        {"sandbox/internal/ca sandbox/internal/picture sandbox/internal/sales internal/edge/web/assets", "shares no code with what it tests but the look of its page, and reads no descriptors: else the tests would prove the program by itself"},
	"internal/jsonapi":               {"gen internal/fault", "descriptors in, bytes out: no HTTP, no Apple"},
	"internal/transfer":              {"internal/fault", "a leaf: bytes to and from the URLs that Apple gives"},
	"internal/asc":                   {"internal/fault internal/transfer", "knows HTTP and Apple's errors, not protobuf"},
	"internal/keys":                  {"internal/asc internal/fault internal/files", "makes the tokens that asc asks for; knows no custody"},
	"internal/keys/filekey":          {"internal/files internal/keys", "a custody"},
	"internal/keys/vaultkey":         {"internal/files internal/keys internal/keys/keywrap internal/outbound", "a custody"},
	"internal/keys/keywrap":          {"", "wraps keys on their way into a custody"},
	"internal/keys/keystest":         {"internal/fault internal/keys", "the contract of custodies"},
	"internal/keys/vaulttest":        {"", "a Vault for tests: shares no code with what it tests"},
	"internal/keys/vaulttest/dev":    {"internal/keys/vaulttest", "a program around it"},
	"internal/tokens":                {"gen internal/access internal/fault internal/keys", "gives out tokens"},
	"internal/quota":                 {"gen internal/asc internal/fault", "admits what asc is about to send; knows neither keys nor callers' rights"},
	"internal/quota/memory":          {"internal/quota", "a ledger"},
	"internal/redisdb":               {"internal/files", "a leaf: the Redis that replicas share, and its names"},
	"internal/quota/redisledger":     {"internal/quota internal/quota/memory internal/redisdb", "a ledger, with another for while it is away"},
	"internal/quota/quotatest":       {"internal/asc internal/quota", "the contract of ledgers"},
	"internal/quota/redistest":       {"", "a Redis for tests"},
	"internal/fifotest":              {"", "named pipes for tests"},
	"internal/cache":                 {"internal/fault", "keeps answers; knows neither callers nor Apple"},
	"internal/cache/spread":          {"internal/cache internal/redisdb", "tells other replicas what was written"},
	"internal/store":                 {"internal/fault internal/files", "the database; knows no operation's meaning"},
	"internal/store/pgtest":          {"", "a PostgreSQL for tests"},
	"internal/replay":                {"internal/fault internal/redisdb internal/secrets internal/store", "remembers what creates named themselves"},
	"internal/overload":              {"internal/fault", "counts calls"},
	"internal/telemetry/dev":         {"", "a program that receives what is told"},
	"internal/telemetry":             {"internal/files internal/outbound", "values come from who owns them"},
	"internal/tlsfiles":              {"internal/files", "certificates from files"},
	"internal/audit":                 {"internal/fault internal/files", "writes records that it is given"},
	"internal/access":                {"gen", "who calls and what can be called; knows no transport"},
	"internal/access/authn":          {"internal/access internal/fault internal/files internal/outbound", "who calls; knows no method"},
	"internal/access/policy":         {"gen internal/access internal/fault internal/files internal/near", "what a caller may do; knows no transport and no ids"},
	"internal/access/restrict":       {"gen internal/access internal/asc internal/fault", "keeps callers to their apps; asks Apple whose things are"},
	"internal/guard":                 {"internal/access internal/access/authn internal/access/policy internal/access/restrict internal/asc internal/audit internal/fault internal/overload", "puts access and audit in order; decides nothing"},
	"internal/service":               {"gen internal/asc internal/cache internal/fault internal/jsonapi internal/near internal/replay internal/secrets", "the engine; no transport, and no caller"},
	"internal/server":                {"gen internal/access internal/access/authn internal/asc internal/edge/conns internal/fault internal/guard internal/overload internal/service", "assembles; knows no method of Apple's"},
	"internal/edge/conns":            {"", "a leaf: connections; knows no call"},
	"internal/edge/door":             {"internal/fault", "what every HTTP face does first"},
	"internal/edge/tus":              {"gen internal/fault", "keeps uploads between requests; knows no HTTP"},
	"internal/edge/rest":             {"gen internal/edge/conns internal/edge/door internal/edge/openapi internal/edge/tus internal/fault internal/jsonapi internal/overload internal/server internal/service internal/rows", "an edge of the server"},
	"internal/edge/openapi":          {"gen internal/comments internal/edge/door internal/fault internal/jsonapi internal/service", "describes what rest serves; serves no call"},
	"internal/edge/passthrough":      {"internal/access internal/access/authn internal/asc internal/cache internal/edge/conns internal/edge/door internal/edge/rest internal/fault internal/guard internal/jsonapi internal/overload internal/service", "an edge of its own: bytes in, bytes out"},
	"internal/jobs":                  {"gen internal/fault internal/secrets internal/store", "runs operations; knows no job's meaning, and no transport"},
	"internal/usecase/inprocess":     {"internal/access internal/asc internal/guard internal/server internal/service", "the connection of use cases"},
	"internal/usecase/workflows":     {"gen internal/fault", "a use case: a client of the gateway's own API"},
	"internal/usecase/uploads":       {"gen internal/fault internal/transfer internal/usecase/uploads/inspect", "a use case: a client of the gateway's own API"},
	"internal/rows":                  {"gen", "a leaf: writes messages as NDJSON, CSV and Parquet"},
	"internal/usecase/reports/table": {"internal/fault", "a leaf: the grammars of Apple's reports"},
	"internal/usecase/reports":       {"gen internal/fault internal/kept internal/usecase/reports/table", "a use case: a client of the gateway's own API"},
	"internal/kept":                  {"", "a leaf: files on disk; knows no Apple"},
	"internal/usecase/files":         {"gen internal/fault internal/transfer", "a use case: a client of the gateway's own API"},
	"internal/config":                {"internal/store internal/access/authn internal/asc internal/edge/door internal/files internal/keys internal/quota/redisledger internal/redisdb internal/tlsfiles internal/transfer", "reads settings; each package checks its own"},
	"internal/gateway":               {"gen internal/access internal/access/authn internal/asc internal/audit internal/edge/door internal/edge/passthrough internal/edge/rest internal/edge/tus internal/edge/web internal/edge/web/status internal/fault internal/guard internal/access/policy internal/access/restrict internal/jobs internal/keys internal/overload internal/quota internal/replay internal/secrets internal/server internal/service internal/store internal/telemetry internal/tokens internal/transfer internal/usecase/inprocess internal/usecase/uploads internal/usecase/workflows internal/usecase/reports internal/usecase/files internal/kept", "puts the parts together"},
	"internal/command":               {"gen internal/access internal/access/authn internal/access/policy internal/asc internal/audit internal/cache internal/cache/spread internal/cli internal/comments internal/config internal/edge/conns internal/fault internal/files internal/gateway internal/jobs internal/kept internal/keys internal/keys/filekey internal/keys/vaultkey internal/overload internal/protofiles internal/quota internal/quota/memory internal/quota/redisledger internal/redisdb internal/replay sandbox internal/secrets internal/server internal/service internal/store internal/telemetry internal/tlsfiles internal/tokens internal/usecase/uploads internal/usecase/workflows internal/watch", "commands"},
	"internal/cli":                   {"client gen internal/files internal/jsonapi internal/usecase/uploads internal/usecase/uploads/inspect internal/rows", "a client like any other: it reaches the gateway over gRPC; of its parts it knows only what makes the request of an upload and looks at its file"},
	"internal/edge/web/assets":       {"", "a leaf: what the pages of the gateway and of the sandbox share"},
	"internal/edge/web":              {"gen internal/access internal/access/policy internal/access/restrict internal/comments internal/edge/web/assets internal/jsonapi internal/service", "pages that are open to everyone: they see no caller"},
	"internal/edge/web/status":       {"internal/edge/web/assets", "a page of what it is given"},
	"cmd/gateway":                    {"internal/command internal/signals", "the program"},
	"client":                         {"", "for the callers' programs: it may use what is generated, nothing internal"},
	"sandbox/internal/ca":            {"", "a leaf: certificates and signed profiles"},
	"sandbox/internal/picture":       {"", "a leaf: pictures are decoded and measured"},
	"sandbox/internal/sales":         {"", "a leaf: what a world sells, and the reports of it"},
	"cmd/ascspec":                    {"internal/apispec internal/protofiles", "commands"},
	"internal/attack":                {"", "a bench: it holds tests only"},
	"internal/importrule":            {"", "this test"},
	"internal/conformance":           {"", "a bench: it holds tests only"},
	"internal/conformance/sink":      {"", "a program for tests: it shares no code with what it tests"},

	"internal/usecase/uploads/inspect": {"internal/fault", "a leaf: what is inside files"},
}

func TestImportRule(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"internal/...", module+"cmd/...", module+"sandbox/...", module+"client/...").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], module)
		rule, ok := allowed[pkg]
		if !ok {
			t.Errorf("%s has no rule: say here what it may import, and why", pkg)
			continue
		}
		for _, imp := range words[1:] {
			ours, is := strings.CutPrefix(imp, module)
			if !is {
				continue
			}
			if strings.HasPrefix(ours, "gen/") {
				ours = "gen"
			}
			if !strings.Contains(" "+rule.imports+" ", " "+ours+" ") {
				t.Errorf("%s imports %s: %s", pkg, ours, rule.reason)
			}
		}
	}
}
