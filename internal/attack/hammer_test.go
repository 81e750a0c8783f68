package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// verdict is what a caller was told of a create.
type verdict int

const (
	made    verdict = iota
	refused         // surely not made
	unknown         // the caller was told that nobody knows, or went away itself
)

// TestHammer lets twelve callers create groups over all faces, through faults of
// Apple's, cancels and reloads. Then what the sandbox holds is compared with what
// the callers were told: nothing is lost, doubled, or made although it was refused.
func TestHammer(t *testing.T) {
	x := start(t, "")
	for _, f := range []sandbox.Fault{
		{Method: "POST", Path: "/v1/betaGroups", Status: 503, Every: 5}, {Method: "POST", Path: "/v1/betaGroups", Status: 502, HTML: true, Applied: true, Every: 11},
		{Method: "POST", Path: "/v1/betaGroups", Lose: true, Every: 13}, {Method: "POST", Path: "/v1/betaGroups", Status: 429, RetryAfter: "1", Every: 17},
		{Method: "POST", Path: "/v1/betaGroups", LatencyMS: 60, Every: 3}, {Method: "POST", Path: "/v1/betaGroups", Status: 409, Every: 7}, {Path: "/v1/apps*", Status: 500, Every: 4}, {Status: 401, Every: 29},
	} {
		x.sandbox.AddFault(f)
	}
	ctx, cancel := context.WithTimeout(t.Context(), hammerTime())
	defer cancel()
	var mu sync.Mutex
	told := map[string]verdict{}
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			create := []func(context.Context, string) verdict{x.createGRPC(t), x.createREST(x.rest, typedGroup(x.apps[0])), x.createREST(x.apple, applesGroup(x.apps[0]))}[i%3]
			for n := 0; ctx.Err() == nil; n++ {
				name := fmt.Sprintf("hammer-%d-%d", i, n)
				limit := 20 * time.Second
				if n%6 == 0 {
					limit = time.Duration(10+rand.IntN(100)) * time.Millisecond // goes away in the middle
				}
				one, done := context.WithTimeout(context.WithoutCancel(ctx), limit)
				v := create(one, name)
				done()
				mu.Lock()
				told[name] = v
				mu.Unlock()
			}
		})
	}
	reloads := 0
	for ctx.Err() == nil {
		if err := x.process.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		reloads++
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
	wg.Wait()
	x.judge(t, told, reloads)
	x.checkRecord(t)
}

func hammerTime() time.Duration {
	if long() {
		return 3 * time.Minute
	}
	return 4 * time.Second
}

// judge compares what the sandbox holds with what callers were told.
func (x *target) judge(t *testing.T, told map[string]verdict, reloads int) {
	t.Helper()
	rec := httpGet(t, x.sandbox, "/_sandbox/state/betaGroups")
	held := map[string]int{}
	for name := range told {
		held[name] = bytes.Count(rec, []byte(`"`+name+`"`))
	}
	counts := map[verdict]int{}
	lost, doubled, refusedYetMade, unknownMade := 0, 0, 0, 0
	for name, v := range told {
		counts[v]++
		switch n := held[name]; {
		case n > 1:
			doubled++
		case v == made && n == 0:
			lost++
		case v == refused && n == 1:
			refusedYetMade++
		case v == unknown && n == 1:
			unknownMade++
		}
	}
	t.Logf("%d creates by 12 callers over three faces, %d reloads: %d made, %d refused, %d not known (%d of them made); %d lost, %d doubled, %d refused yet made",
		len(told), reloads, counts[made], counts[refused], counts[unknown], unknownMade, lost, doubled, refusedYetMade)
	if lost+doubled+refusedYetMade > 0 || counts[made] == 0 || counts[unknown] == 0 || counts[refused] == 0 {
		t.Error("what callers were told is not what was done")
	}
}

// checkRecord holds that every intent has exactly one outcome, and that the chain
// is whole.
func (x *target) checkRecord(t *testing.T) {
	t.Helper()
	if code, _ := x.end(t, 40*time.Second); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	name := filepath.Join(x.dir, "audit.log")
	if out, err := exec.Command(program, "audit", "verify", name).CombinedOutput(); err != nil {
		t.Errorf("audit verify: %v\n%s", err, out)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	intents, outcomes := map[string]int{}, map[string]int{}
	for line := range strings.Lines(string(b)) {
		var r struct{ Event, Call string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		switch r.Event {
		case "intent":
			intents[r.Call]++
		case "outcome":
			outcomes[r.Call]++
		}
	}
	missing := 0
	for call := range intents {
		if outcomes[call] != 1 {
			missing++
		}
	}
	t.Logf("%d intents on record, %d without exactly one outcome", len(intents), missing)
	if missing > 0 || len(outcomes) != len(intents) || len(intents) == 0 {
		t.Errorf("%d intents, %d outcomes, %d missing or doubled", len(intents), len(outcomes), missing)
	}
}

func (x *target) createGRPC(t *testing.T) func(context.Context, string) verdict {
	groups := testflightv1.NewBetaGroupsServiceClient(x.dial(t))
	return func(ctx context.Context, name string) verdict {
		req := &testflightv1.CreateBetaGroupRequest{Name: proto.String(name), App: &typesv1.ToOne{Id: proto.String(x.apps[0])}, RequestId: name}
		for range 3 { // the same request_id: it is carried out once
			_, err := groups.CreateBetaGroup(x.as(ctx, "known"), req)
			switch {
			case err == nil:
				return made
			case reasonOf(err) == "OUTCOME_UNKNOWN", ctx.Err() != nil, status.Code(err) == codes.Canceled, status.Code(err) == codes.DeadlineExceeded:
				return unknown
			case status.Code(err) != codes.Unavailable:
				return refused
			}
		}
		return refused
	}
}

func typedGroup(app string) func(string) string {
	return func(name string) string { return fmt.Sprintf(`{"name":%q,"app":{"id":%q}}`, name, app) }
}

func applesGroup(app string) func(string) string {
	return func(name string) string {
		return fmt.Sprintf(`{"data":{"type":"betaGroups","attributes":{"name":%q},"relationships":{"app":{"data":{"type":"apps","id":%q}}}}}`, name, app)
	}
}

func (x *target) createREST(address string, body func(string) string) func(context.Context, string) verdict {
	client := &http.Client{}
	return func(ctx context.Context, name string) verdict {
		r, _ := http.NewRequestWithContext(ctx, "POST", "http://"+address+"/v1/betaGroups", strings.NewReader(body(name)))
		r.Header.Set("Authorization", "Bearer "+x.token["known"])
		r.Header.Set("Content-Type", "application/json")
		res, err := client.Do(r)
		if err != nil {
			return unknown // it went away
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		switch {
		case res.StatusCode == http.StatusCreated:
			return made
		case err != nil, res.Header.Get("Asc-Gateway-Reason") == "OUTCOME_UNKNOWN", bytes.Contains(b, []byte("OUTCOME_UNKNOWN")),
			res.StatusCode == http.StatusGatewayTimeout, res.StatusCode == 499:
			return unknown
		}
		return refused
	}
}
