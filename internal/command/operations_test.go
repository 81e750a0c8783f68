package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/cli"
)

// reviewSeed is a build that beta review has not seen.
const reviewSeed = `resources:
  - type: preReleaseVersions
    name: v3
    attributes: {version: "3.0", platform: IOS}
    relationships: {app: "1500004000"}
  - type: buildBetaDetails
    name: d300
    attributes: {externalBuildState: READY_FOR_BETA_SUBMISSION, internalBuildState: READY_FOR_BETA_TESTING}
  - type: builds
    name: b300
    attributes: {version: "300", processingState: VALID, usesNonExemptEncryption: false}
    relationships: {app: "1500004000", preReleaseVersion: v3, buildBetaDetail: d300}
`

// distributing serves a sandbox, and points commands to it.
func distributing(t *testing.T, args ...string) *output {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	out := started(t, append(args, "--sandbox", "--rest", anywhere, "--grpc", anywhere, "--ops", anywhere)...)
	t.Setenv("ASC_GATEWAY_ADDRESS", said(t, out, `(?m)^grpc +(\S+)`))
	return out
}

// reviewing serves a sandbox with the build of reviewSeed, and says where the
// sandbox is.
func reviewing(t *testing.T) string {
	t.Helper()
	seed := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(seed, []byte(reviewSeed), 0o600); err != nil {
		t.Fatal(err)
	}
	return said(t, distributing(t, "--sandbox-seed", seed), `(?m)^sandbox +(\S+)`)
}

// ran is what a command printed, and its error.
type ran struct {
	stdout string
	err    error
}

func (r ran) exit() int { return ExitCode(r.err) }

// fails says whether the error has a word.
func (r ran) fails(word string) bool { return r.err != nil && strings.Contains(r.err.Error(), word) }

// gw runs a command of words; ~ stands for a space in a word.
func gw(t *testing.T, line string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return gwUntil(ctx, &output{}, line)
}

func gwUntil(ctx context.Context, out *output, line string) ran {
	args := strings.Fields(line)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "~", " ")
	}
	err := Run(ctx, args, out, io.Discard)
	return ran{out.String(), err}
}

const newest = "distribute --app com.example.trailmix --build newest "

// idIn is the id of the operation that a command printed.
func idIn(t *testing.T, text string) string {
	t.Helper()
	id := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).FindString(text)
	if id == "" {
		t.Fatalf("no operation in: %s", text)
	}
	return id
}

// lines are those of NDJSON.
func lines(t *testing.T, text string) (list []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("not JSON: %v in %q", err, line)
		}
		list = append(list, m)
	}
	if len(list) == 0 {
		t.Fatal("no line")
	}
	return list
}

func TestDistribute(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(notes, []byte("Essayez\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rest := said(t, distributing(t), `(?m)^rest +(\S+)`)
	request := newest + "--group New --create-groups --notes en-US=Try~it,~all~of~it --notes-file fr-FR=" + notes + " "
	plan := gw(t, request+"--plan")
	for _, want := range []string{"WHAT ", "updateNotes ", "locale fr-FR", "Essayez ", "Try it, all of it ",
		"createGroup  group New", "takes  at least 4 requests", "etag "} {
		if !strings.Contains(plan.stdout, want) {
			t.Errorf("the plan does not say %q:\n%s %v", want, plan.stdout, plan.err)
		}
	}
	var doc struct{ Plan struct{ Etag string } }
	if again := gw(t, request+"--plan -o json"); json.Unmarshal([]byte(again.stdout), &doc) != nil ||
		!strings.Contains(plan.stdout, "etag   "+doc.Plan.Etag) {
		t.Errorf("planning has changed something, or is no JSON: %s", again.stdout)
	}
	if r := gw(t, request+"--plan-etag no-plan"); r.exit() != cli.ExitStale || !r.fails("--plan shows") {
		t.Errorf("another plan: exit code %d: %v", r.exit(), r.err)
	}
	done := gw(t, request+"--plan-etag "+doc.Plan.Etag)
	for _, want := range []string{"done       createGroup: group New (id ", "done       addToGroups: groups New",
		"succeeded  the newest build", "external_build_state  IN_BETA_TESTING"} {
		if done.exit() != 0 || strings.Count(done.stdout, want) != 1 {
			t.Errorf("want %q once: %d %v\n%s", want, done.exit(), done.err, done.stdout)
		}
	}
	if p := gw(t, request+"--plan"); !strings.Contains(p.stdout, "nothing is to be done") {
		t.Errorf("afterwards: %s", p.stdout)
	}
	a, b := gw(t, request+"--request-id mine"), gw(t, request+"--request-id mine")
	if idIn(t, a.stdout) != idIn(t, b.stdout) {
		t.Errorf("the same name is another operation: %s %v", b.stdout, b.err)
	}
	ops := lines(t, gw(t, request+"--json").stdout)
	if last := ops[len(ops)-1]; last["done"] != true || last["response"] == nil {
		t.Errorf("the last line: %v", last)
	}
	sameAsREST(t, rest, idIn(t, done.stdout))
}

// sameAsREST compares the JSON of an operation with that of the REST face.
func sameAsREST(t *testing.T, rest, id string) {
	t.Helper()
	res, err := http.Get(rest + "/ascgateway/v1/operations/" + id)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got, want any
	if err := json.NewDecoder(res.Body).Decode(&want); err != nil {
		t.Fatal(err)
	}
	r := gw(t, "operations get "+id+" --json")
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("not the JSON of REST: %v\n%v\n%v", err, got, want)
	}
}

func TestDistributeExitCodes(t *testing.T) {
	distributing(t)
	for _, c := range []struct {
		args string
		exit int
		want string // of the error
	}{
		{"--group Nobody", cli.ExitOperation, "BETA_GROUP_NOT_FOUND"},
		{"--group Nobody", cli.ExitOperation, "hint    --create-groups"},
		{"--group Nobody --json", cli.ExitOperation, "BETA_GROUP_NOT_FOUND"},
		{"--group Company --no-follow", 0, ""},
		{"--group Friends --request-id one", 0, ""},
		{"--group Beta --request-id one", cli.ExitInvalid, "REQUEST_ID_REUSED"},
		{"--group Friends --team nobody", cli.ExitInvalid, "UNKNOWN_TEAM"},
		{"", cli.ExitUsage, "missing --group"},
		{"--group a --number 7", cli.ExitUsage, "drop --version and --number"},
		{"--group a --wait forever", cli.ExitUsage, "want review or submission"},
		{"--group a --platform WATCH", cli.ExitUsage, "want IOS"},
		{"--group a --notes Hello", cli.ExitUsage, "want LOCALE=TEXT"},
		{"--notes en-US=a --notes en-US=b", cli.ExitUsage, "stands twice"},
		{"--notes-file en-US=/nowhere", cli.ExitUsage, "cannot be read"},
		{"--group a --plan --plan-etag x", cli.ExitUsage, "--plan does nothing"},
		{"--group a -o yaml", cli.ExitUsage, "want table or json"},
		{"--group a --address 127.0.0.1:1", cli.ExitUnavailable, "--request-id"},
		{"--group a --uses-non-exempt-encryption=perhaps", cli.ExitUsage, "no true or false"},
	} {
		r := gw(t, newest+c.args)
		if r.exit() != c.exit || c.want != "" && !r.fails(c.want) {
			t.Errorf("%s: exit code %d, want %d and %q: %v", c.args, r.exit(), c.exit, c.want, r.err)
		}
	}
	for line, want := range map[string]string{
		"distribute --build newest --group a":               "missing --app",
		"distribute --app 1 --version 1.2 --group a":        "name the build",
		"operations list --state gone":                      "want waiting_for_approval",
		"operations list --limit 0":                         "--limit",
		"operations watch":                                  "missing ID",
		"operations approve 01a2124f-8e97-7973-959e-000000": "--yes",
	} {
		if r := gw(t, line); r.exit() != cli.ExitUsage || !r.fails(want) {
			t.Errorf("%s: exit code %d: %v", line, r.exit(), r.err)
		}
	}
	for _, verb := range []string{"get", "watch", "cancel", "approve --yes"} {
		if r := gw(t, "operations "+verb+" 01a2124f"); r.exit() != cli.ExitNotFound {
			t.Errorf("%s of what is not there: exit code %d: %v", verb, r.exit(), r.err)
		}
	}
}

// TestOperations lists, watches and cancels an operation that waits for a build.
func TestOperations(t *testing.T) {
	distributing(t)
	waiting := "distribute --app com.example.trailmix --version 9 --number 1 --group Friends --no-follow"
	first := gw(t, waiting)
	id := idIn(t, first.stdout)
	if r := gw(t, waiting); r.exit() != cli.ExitConflict || !r.fails("gateway operations watch "+id) {
		t.Errorf("a second one: exit code %d: %v", r.exit(), r.err)
	}
	gw(t, newest+"--group Friends")
	gw(t, newest+"--group Nobody")
	watch, ended := &output{}, make(chan ran, 1)
	go func() { ended <- gwUntil(t.Context(), watch, "operations watch operations/"+id) }()
	wait(t, func() bool { return strings.Contains(watch.String(), "waiting    build 9 (1)") })
	for line, want := range map[string]int{"--state waiting": 1, "--state failed": 1, "": 3, "--limit 2": 2,
		"--state succeeded --kind DistributeBuild": 1, "--kind Other": 0, "--app 1500004000": 3, "--app 1": 0} {
		table, doc := gw(t, "operations list "+line), struct{ Operations []any }{}
		r := gw(t, "operations list --json "+line)
		if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || len(doc.Operations) != want {
			t.Errorf("list %s: %d operations, want %d: %v %v", line, len(doc.Operations), want, err, r.err)
		}
		if n := strings.Count(table.stdout, "DistributeBuild"); n != want {
			t.Errorf("list %s: %d rows, want %d\n%s", line, n, want, table.stdout)
		}
	}
	if r := gw(t, "operations cancel "+id); r.exit() != 0 {
		t.Errorf("cancel: %v", r.err)
	}
	if r := <-ended; r.exit() != cli.ExitCancelled || strings.Count(r.stdout, "waiting ") > 2 ||
		!strings.Contains(r.stdout, "cancelled  build 9 (1)") {
		t.Errorf("the watch: exit code %d: %v\n%s", r.exit(), r.err, r.stdout)
	}
	if r := gw(t, "operations get "+id); !strings.Contains(r.stdout, "cancelled by  anonymous") {
		t.Errorf("get: %s", r.stdout)
	}
	done := idIn(t, gw(t, newest+"--group Friends").stdout)
	if r := gw(t, "operations cancel "+done); r.exit() != cli.ExitConflict {
		t.Errorf("cancel of what is done: exit code %d: %v", r.exit(), r.err)
	}
}

// TestDistributeWaitsForReview follows a build through beta review.
func TestDistributeWaitsForReview(t *testing.T) {
	box := reviewing(t)
	line := "distribute --app 1500004000 --version 3.0 --number 300 --group Friends "
	if p := gw(t, line+"--plan"); !strings.Contains(p.stdout, "submitForReview ") ||
		!strings.Contains(p.stdout, "warning  Apple's beta review") {
		t.Errorf("the plan: %s", p.stdout)
	}
	out, ended := &output{}, make(chan ran, 1)
	go func() { ended <- gwUntil(t.Context(), out, line) }()
	wait(t, func() bool {
		return strings.Contains(out.String(), "waiting    beta review: WAITING_FOR_BETA_REVIEW\n")
	})
	approve(t, box)
	r := <-ended
	for _, want := range []string{"done       submitForReview: ", "WAITING_FOR_BETA_REVIEW\n", "awaited    awaitReview: ",
		"succeeded  build 3.0 (300)"} {
		if r.exit() != 0 || strings.Count(r.stdout, want) != 1 {
			t.Errorf("want %q once: %v\n%s", want, r.err, r.stdout)
		}
	}
}

// approve approves the newest beta review.
func approve(t *testing.T, box string) {
	t.Helper()
	newest := func(line string) string {
		ids := strings.Fields(gw(t, "call -o table --columns id "+line).stdout)
		return ids[len(ids)-1]
	}
	review := newest("ListBetaAppReviewSubmissions filter.build=" + newest("ListBuilds filter.version=300"))
	body := fmt.Sprintf(`{"type": "betaAppReviewSubmissions", "id": %q, "do": "approve"}`, review)
	res, err := http.Post(box+"/_sandbox/act", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", res.Status, b)
	}
}

func wait(t *testing.T, what func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !what(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come")
		}
	}
}

// TestApproval needs two principals: one asks, the other lets it go.
func TestApproval(t *testing.T) {
	dir := t.TempDir()
	dev, devSum := authn.NewToken()
	lead, leadSum := authn.NewToken()
	const all = "methods: ['asc.*.v1.*/*', 'ascgateway.*.v1.*/*'], teams: [sandbox], apps: all, org: true"
	policy := "version: 1\nrules:\n" +
		"  - {name: dev, principals: ['token:dev'], " + all + ", approval: {of: ['token:lead']}}\n" +
		"  - {name: lead, principals: ['token:lead'], " + all + "}\n"
	config := faces + "policy: {file: policy.yaml}\n" +
		fmt.Sprintf("authn: {tokens: [{name: dev, sha256: %s}, {name: lead, sha256: %s}]}\n", devSum, leadSum)
	for name, text := range map[string]string{"policy.yaml": policy, "gateway.yaml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	distributing(t, "--config", filepath.Join(dir, "gateway.yaml"))
	as := func(token, line string) ran {
		t.Helper()
		t.Setenv("ASC_GATEWAY_TOKEN", token)
		return gw(t, line)
	}
	request := newest + "--group New --create-groups "
	if p := as(dev, request+"--plan"); !strings.Contains(p.stdout, "approval  by token:lead") {
		t.Errorf("the plan: %s %v", p.stdout, p.err)
	}
	asked := as(dev, request+"--no-follow")
	if asked.exit() != cli.ExitApproval || !asked.fails("token:lead") {
		t.Fatalf("exit code %d: %v\n%s", asked.exit(), asked.err, asked.stdout)
	}
	id := idIn(t, asked.stdout)
	ctx, cancel := context.WithCancel(t.Context())
	out, ended := &output{}, make(chan ran, 1)
	go func() { ended <- gwUntil(ctx, out, "operations watch "+id) }()
	wait(t, func() bool { return strings.Contains(out.String(), "waiting    approval by token:lead") })
	cancel()
	if r := <-ended; r.exit() != cli.ExitApproval || !r.fails("gateway operations watch "+id) {
		t.Errorf("an interrupted watch: exit code %d: %v", r.exit(), r.err)
	}
	if r := as(dev, "operations approve --yes "+id); r.exit() != cli.ExitDenied {
		t.Errorf("by who asked for it: exit code %d: %v", r.exit(), r.err)
	}
	if r := as(lead, "operations get "+id); !strings.Contains(r.stdout, "createGroup  group New") ||
		!strings.Contains(r.stdout, "waiting for approval") {
		t.Errorf("what the lead sees: %s %v", r.stdout, r.err)
	}
	if r := as(lead, "operations list --state waiting-for-approval"); !strings.Contains(r.stdout, id) {
		t.Errorf("the lead's list: %s %v", r.stdout, r.err)
	}
	if r := as(lead, "operations approve --yes "+id); r.exit() != 0 {
		t.Errorf("approve: %v", r.err)
	}
	if r := as(dev, "operations watch "+id); r.exit() != 0 ||
		!strings.Contains(r.stdout, "done       addToGroups: groups New") {
		t.Errorf("exit code %d: %v\n%s", r.exit(), r.err, r.stdout)
	}
	if r := as(lead, "operations approve --yes "+id); r.exit() != cli.ExitConflict {
		t.Errorf("approved twice: exit code %d: %v", r.exit(), r.err)
	}

	id = idIn(t, as(dev, newest+"--group New --notes en-US=Late --no-follow").stdout)
	notes := as(lead, "call ListBetaBuildLocalizations -o json")
	for _, m := range regexp.MustCompile(`"id": ?"([^"]+)"`).FindAllStringSubmatch(notes.stdout, -1) {
		if r := as(lead, "call UpdateBetaBuildLocalization id="+m[1]+" whatsNew=Meanwhile"); r.err != nil {
			t.Fatal(r.err)
		}
	}
	as(lead, "operations approve --yes "+id)
	if r := as(dev, "operations watch --json "+id); r.exit() != cli.ExitStale {
		t.Errorf("the world has changed since the plan: exit code %d: %v", r.exit(), r.err)
	}
	id = idIn(t, as(dev, newest+"--group Later --create-groups --no-follow").stdout)
	if r := as(dev, "operations cancel "+id); r.exit() != 0 || !strings.Contains(r.stdout, "cancelled  ") {
		t.Errorf("cancel before the approval: %v %s", r.err, r.stdout)
	}
}

// wire stands between a command and a gateway, and can be cut.
type wire struct {
	net.Listener
	to    string
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", anywhere)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l, to: to}
	t.Cleanup(func() { l.Close(); w.set(true) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.carry(c)
		}
	}()
	return w
}

func (w *wire) carry(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		c.Close()
		return
	}
	other, err := net.Dial("tcp", w.to)
	if err != nil {
		c.Close()
		return
	}
	w.conns = append(w.conns, c, other)
	go func() { _, _ = io.Copy(other, c); other.Close() }()
	go func() { _, _ = io.Copy(c, other); c.Close() }()
}

// set cuts the wire, or mends it.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

// TestALostConnection is lost while a build is in review, and comes back.
func TestALostConnection(t *testing.T) {
	box := reviewing(t)
	w := newWire(t, os.Getenv("ASC_GATEWAY_ADDRESS"))
	out, stderr, ended := &output{}, &output{}, make(chan error, 1)
	go func() {
		args := strings.Fields("distribute --app 1500004000 --version 3.0 --number 300 --group Friends --address")
		ended <- Run(t.Context(), append(args, w.Addr().String()), out, stderr)
	}()
	wait(t, func() bool { return strings.Contains(out.String(), "WAITING_FOR_BETA_REVIEW\n") })
	w.set(true)
	wait(t, func() bool { return strings.Contains(stderr.String(), "the connection is lost: trying again") })
	approve(t, box)
	time.Sleep(time.Second) // a try or two that fail
	w.set(false)
	if err := <-ended; err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"done       addToGroups: ", "done       submitForReview: ", "awaited    awaitReview: ",
		"succeeded  "} {
		if n := strings.Count(out.String(), want); n != 1 {
			t.Errorf("%q stands there %d times:\n%s", want, n, out)
		}
	}
}

func TestDistributeCompletes(t *testing.T) {
	for line, want := range map[string]string{"distribute --wait ": "submission", "distribute --platform ": "VISION_OS",
		"operations list --state ": "waiting_for_approval", "operations ": "approve", "distribute --output ": "json",
		"distribute --priority ": "batch"} {
		var out bytes.Buffer
		args := append([]string{"__complete"}, strings.Split(line, " ")...)
		if err := Run(t.Context(), args, &out, io.Discard); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: no %s in %s: %v", line, want, &out, err)
		}
	}
}
