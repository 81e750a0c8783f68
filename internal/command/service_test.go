package command

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/internal/keys/vaulttest"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

func TestMain(m *testing.M) {
	if listen := os.Getenv("SERVE_VAULT_FOR_TEST"); listen != "" {
		serveVault(listen)
	}
	if os.Getenv(runEnv) != "" {
		runCommand()
	}
	os.Exit(m.Run())
}

// place is a folder with a sandbox to call.
type place struct {
	dir      string
	sandbox  *sandbox.Sandbox
	upstream string
	log      *output
}

func newPlace(t *testing.T) *place {
	t.Helper()
	s, err := sandbox.Open(sandbox.World{HourLimit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return &place{t.TempDir(), s, h.URL, &output{}}
}

func (p *place) write(t *testing.T, name, text string) string {
	t.Helper()
	full := filepath.Join(p.dir, name)
	if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return full
}

// key lets openssl make a .p8 file, and tells the sandbox its public half.
func (p *place) key(t *testing.T, id string) string {
	t.Helper()
	name := filepath.Join(p.dir, "AuthKey_"+id+".p8")
	if out, err := exec.Command("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", name).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	p.sandbox.RegisterKey(id, p.public(t, name))
	return name
}

func (p *place) public(t *testing.T, p8 string) *ecdsa.PublicKey {
	t.Helper()
	out, err := exec.Command("openssl", "pkey", "-in", p8, "-pubout").Output()
	if err != nil {
		t.Fatal(err)
	}
	k, err := keys.ReadPublic(p.write(t, "public.pem", string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (p *place) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := Run(t.Context(), args, &out, io.Discard)
	return out.String(), err
}

func (p *place) service(t *testing.T) *service {
	t.Helper()
	file := filepath.Join(p.dir, "gateway.yaml")
	cfg, err := config.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newService(t.Context(), file, cfg, nil, &logging{slog.NewTextHandler(p.log, nil), nil})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

const faces = "listen: {rest: '127.0.0.1:0', grpc: '127.0.0.1:0', ops: '127.0.0.1:0'}\n"

func (p *place) config(keys ...string) string {
	return fmt.Sprintf("%supstream: {base_url: %q}\nteams: [{name: main, keys: [%s]}]\n", faces, p.upstream, strings.Join(keys, ", "))
}

func entry(id, state string) string {
	return fmt.Sprintf("{id: %s, issuer_id: %s, uri: 'file:AuthKey_%s.p8', state: %s}", id, sandbox.DefaultIssuer, id, state)
}

// get reads the apps through the REST face, in process.
func get(s *service) int {
	w := httptest.NewRecorder()
	s.gateway.REST.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/v1/apps?limit=1", nil))
	return w.Code
}

// TestKeysFromAFileToAVault imports a key of a file, and lists, checks and
// prints it.
func TestKeysFromAFileToAVault(t *testing.T) {
	p := newPlace(t)
	v := vaulttest.New(time.Now, time.Hour)
	h := httptest.NewServer(v)
	t.Cleanup(h.Close)
	p8 := p.key(t, "ABC123DEF4")
	p.write(t, "vault-token", v.RootToken)
	file := p.write(t, "gateway.yaml", p.config(
		"{id: ABC123DEF4, issuer_id: "+sandbox.DefaultIssuer+", uri: 'vault:asc-main', roles: [ADMIN]}")+
		"vault: {address: '"+h.URL+"', auth: {method: token, token_file: vault-token}}\n")
	out, err := p.run(t, "keys", "import", "--to", "vault:asc-main", "--config", file, p8)
	if err != nil || !strings.Contains(out, "uri: vault:asc-main") || !strings.Contains(out, "verifies") {
		t.Fatalf("%v %s", err, out)
	}
	if _, err := p.run(t, "keys", "import", "--to", "vault:asc-main", "--config", file, p8); err == nil {
		t.Error("a key is imported over another")
	}
	if _, err := p.run(t, "keys", "import", "--to", "file:x", "--config", file, p8); err == nil {
		t.Error("a file takes keys in")
	}
	if out, err := p.run(t, "keys", "list", "--config", file); err != nil || !strings.Contains(out, "ABC123DEF4  active  team  ADMIN  vault:asc-main") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := p.run(t, "keys", "check", "--config", file); err != nil || !strings.Contains(out, "App Store Connect takes it") || !strings.Contains(out, "user-hour-rem") {
		t.Errorf("%v %s", err, out)
	}
	out, err = p.run(t, "keys", "public", "--config", file, "ABC123DEF4")
	block, _ := pem.Decode([]byte(out))
	want, _ := exec.Command("openssl", "pkey", "-in", p8, "-pubout", "-outform", "DER").Output()
	if err != nil || block == nil || !bytes.Equal(block.Bytes, want) {
		t.Errorf("%v %s", err, out)
	}
	v.Set(vaulttest.Sealed)
	if out, err := p.run(t, "keys", "check", "--config", file); err == nil || !strings.Contains(out, "FAILED") || !strings.Contains(out, "sealed") {
		t.Errorf("%v %s", err, out)
	}
}

func TestAKeyThatAppleDoesNotKnow(t *testing.T) {
	p := newPlace(t)
	p.key(t, "KNOWN12345")
	file := p.write(t, "gateway.yaml", p.config("{id: UNKNOWN123, issuer_id: "+sandbox.DefaultIssuer+", uri: 'file:AuthKey_KNOWN12345.p8'}"))
	if out, err := p.run(t, "keys", "check", "--config", file); err == nil || !strings.Contains(out, "refuses it") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := p.run(t, "keys", "check", "--offline", "--config", file); err != nil {
		t.Errorf("%v %s", err, out)
	}
}

// TestRotationByReload takes a gateway from one key to another by its
// configuration alone, while it is called: no call may fail.
func TestRotationByReload(t *testing.T) {
	p := newPlace(t)
	p.key(t, "ONE1234567")
	p.key(t, "TWO1234567")
	p.write(t, "gateway.yaml", p.config(entry("ONE1234567", "active")))
	s := p.service(t)
	var calls, failed atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if code := get(s); code != http.StatusOK {
					failed.Add(1)
				}
				calls.Add(1)
			}
		})
	}
	some := func() {
		for before := calls.Load(); calls.Load() < before+100; {
			time.Sleep(time.Millisecond)
		}
	}
	for _, states := range [][2]string{{"active", "pending"}, {"active", "canary"}, {"active", "active"}, {"draining", "active"}, {"retired", "active"}} {
		some()
		p.write(t, "gateway.yaml", p.config(entry("ONE1234567", states[0]), entry("TWO1234567", states[1])))
		s.reload(t.Context(), "test")
	}
	some()
	cancel()
	wg.Wait()
	if got := s.ring.Status(); len(got) != 2 || got[0].State != keys.Retired || got[1].State != keys.Active {
		t.Errorf("got %+v", got)
	}
	t.Logf("%d calls while the key was rotated by reloads, %d failed", calls.Load(), failed.Load())
	if failed.Load() > 0 {
		t.Errorf("%d of %d calls failed\n%s", failed.Load(), calls.Load(), p.log)
	}
}

func TestReloadKeepsWhatWasGood(t *testing.T) {
	p := newPlace(t)
	name := p.key(t, "ONE1234567")
	const policy = "version: 1\nrules:\n- {name: all, principals: [anonymous], methods: [read], teams: [main], apps: all}\n"
	p.write(t, "policy.yaml", policy)
	good := p.config(entry("ONE1234567", "active")) + "policy: {file: policy.yaml}\n"
	p.write(t, "gateway.yaml", good)
	s := p.service(t)
	reload := func(says string) {
		t.Helper()
		s.reload(t.Context(), "test")
		if !strings.Contains(p.log.String(), says) {
			t.Errorf("the log does not say %q:\n%s", says, p.log)
		}
		if code := get(s); code != http.StatusOK {
			t.Errorf("after %q: %d", says, code)
		}
	}
	p.write(t, "policy.yaml", strings.Replace(policy, "[read]", "[raed]", 1))
	reload("policy.yaml:3: methods: ")
	p.write(t, "policy.yaml", policy[:strings.Index(policy, ", apps")])
	reload("policy.yaml:3: ")
	p.write(t, "policy.yaml", strings.Replace(policy, ", apps: all", "", 1))
	reload(`policy.yaml:3: rule \"all\": apps: want the ids`)
	p.write(t, "policy.yaml", strings.Replace(policy, "[read]", "[write]", 1)+
		"tests:\n- {name: everybody reads, principal: anonymous, method: asc.metadata.v1.AppsService/ListApps, team: main, expect: allow}\n")
	reload(`policy.yaml:5: test \"everybody reads\" fails: want allow, got deny`)
	p.write(t, "policy.yaml", policy)
	p.write(t, "gateway.yaml", strings.Replace(good, "policy: {file: policy.yaml}\n", "", 1))
	for range 2 { // also when it is no news
		reload("policy.file: it is not set any more")
	}
	if s.gateway.Guard.HasPolicy() == false {
		t.Error("the policy is gone with its setting")
	}
	p.write(t, "gateway.yaml", good)
	p.write(t, "gateway.yaml", good+"colour: red\n")
	reload("colour")
	p.write(t, "gateway.yaml", strings.Replace(good, "grpc: '127.0.0.1:0'", "grpc: '127.0.0.1:1'", 1))
	reload("need a restart")
	p.write(t, "gateway.yaml", good+"jobs: {workers: 3}\nstore: {retention: 24h}\n")
	reload("need a restart; nothing of the new configuration was taken: [jobs store]")
	p.write(t, "gateway.yaml", good)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, filepath.Base(name), "-----BEGIN PRIVATE KEY-----\nnot a key\n-----END PRIVATE KEY-----\n")
	reload("key ONE1234567")
	p.write(t, filepath.Base(name), string(text))
	p.write(t, "policy.yaml", strings.Replace(policy, "anonymous", "token:nobody", 1))
	s.reload(t.Context(), "test")
	if code := get(s); code != http.StatusForbidden {
		t.Errorf("a new policy is not taken: %d", code)
	}
}

// serveVault is the child of TestVaultIsKilled.
func serveVault(listen string) {
	v := vaulttest.New(time.Now, time.Hour)
	key, err := filekey.Private(os.Getenv("VAULT_KEY_FILE"))
	if err != nil {
		os.Exit(2)
	}
	v.Put("asc", key)
	l, err := net.Listen("tcp", listen)
	if err != nil {
		os.Exit(3)
	}
	fmt.Println("http://" + l.Addr().String())
	_ = http.Serve(l, v)
}

// TestVaultIsKilled kills the custody with signal 9 while the gateway is called.
func TestVaultIsKilled(t *testing.T) {
	p := newPlace(t)
	p8 := p.key(t, "ONE1234567")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SERVE_VAULT_FOR_TEST=127.0.0.1:0", "VAULT_KEY_FILE="+p8)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64)
	n, err := stdout.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "vault-token", "root-token")
	p.write(t, "gateway.yaml", p.config("{id: ONE1234567, issuer_id: "+sandbox.DefaultIssuer+", uri: 'vault:asc'}")+
		"vault: {address: '"+strings.TrimSpace(string(line[:n]))+"', auth: {method: token, token_file: vault-token}}\n")
	s := p.service(t)
	if code := get(s); code != http.StatusOK {
		t.Fatal(code)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for range 100 {
		if code := get(s); code != http.StatusOK {
			t.Fatalf("%d although a token is at hand", code)
		}
	}
	s.reload(t.Context(), "while Vault is away")
	if code := get(s); code != http.StatusOK {
		t.Errorf("a reload without Vault loses the key: %d\n%s", code, p.log)
	}
}

func TestServeWithEverything(t *testing.T) {
	p := newPlace(t)
	p.key(t, "ONE1234567")
	p.write(t, "policy.yaml", "version: 1\nrules:\n- {name: all, principals: ['token:*'], methods: [read, write], teams: [main], apps: all}\n")
	file := p.write(t, "gateway.yaml", p.config(entry("ONE1234567", "active"))+
		"policy: {file: policy.yaml}\naudit: {path: audit.log}\nauthn: {first_token_file: state/token}\npassthrough: {listen: '127.0.0.1:0'}\ntokens: {enabled: true}\n")
	ctx, cancel := context.WithCancel(t.Context())
	out, done := &output{}, make(chan error, 1)
	go func() { done <- Run(ctx, []string{"serve", "--config", file}, out, io.Discard) }()
	apple := regexp.MustCompile(`apple +(http://\S+)`)
	for deadline := time.Now().Add(20 * time.Second); !apple.MatchString(out.String()) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	token, err := os.ReadFile(filepath.Join(p.dir, "state", "token"))
	if err != nil || strings.Contains(out.String(), strings.TrimSpace(string(token))) {
		t.Fatalf("%v: the token is printed, or there is none:\n%s", err, out)
	}
	r, _ := http.NewRequestWithContext(t.Context(), "GET", apple.FindStringSubmatch(out.String())[1]+"/v1/apps?limit=1", nil)
	for want, header := range map[int]string{200: "Bearer " + strings.TrimSpace(string(token)), 401: "Bearer other"} {
		r.Header.Set("Authorization", header)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d, want %d", res.StatusCode, want)
		}
	}
	ops := regexp.MustCompile(`ops +(http://\S+)/readyz`).FindStringSubmatch(out.String())[1]
	res, err := http.Get(ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, _ := io.ReadAll(res.Body)
	res.Body.Close()
	for _, want := range []string{"ascgateway_audit_sequence ", "ascgateway_audit_up 1", `ascgateway_keys{condition="ok",state="active",team="main"} 1`, "ascgateway_denials_total 0", "ascgateway_reads_total 1"} {
		if !strings.Contains(string(metrics), want) {
			t.Errorf("%s is missing in:\n%s", want, metrics)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	log := filepath.Join(p.dir, "audit.log")
	if text, err := p.run(t, "audit", "verify", log); err != nil || !strings.Contains(text, "it ended with a stop") {
		t.Errorf("%v %s", err, text)
	}
	if text, err := p.run(t, "audit", "show", "--event", "signing", log); err != nil || !strings.Contains(text, "main") {
		t.Errorf("%v %s", err, text)
	}
	if text, err := p.run(t, "audit", "show", "--event", "denial", log); err != nil || !strings.Contains(text, "UNAUTHENTICATED") {
		t.Errorf("%v %s", err, text)
	}
	b, _ := os.ReadFile(log)
	p.write(t, "audit.log", strings.Replace(string(b), "ONE1234567", "TWO1234567", 1))
	if text, err := p.run(t, "audit", "verify", log); err == nil || !strings.Contains(text, "PROBLEM") {
		t.Errorf("%v %s", err, text)
	}
}

// TestServeWarnsWithoutAuthn holds that a gateway with keys and without authn says
// so in one line, and one with authn does not.
func TestServeWarnsWithoutAuthn(t *testing.T) {
	for name, c := range map[string]struct {
		more string
		want int
	}{
		"teams only": {"", 1},
		"with authn": {"authn: {first_token_file: token}\npolicy: {file: policy.yaml}\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			p.key(t, "ONE1234567")
			p.write(t, "policy.yaml",
				"version: 1\nrules:\n- {name: all, principals: ['token:*'], methods: [read], teams: [main], apps: all}\n")
			file := p.write(t, "gateway.yaml", p.config(entry("ONE1234567", "active"))+c.more)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out, done := &output{}, make(chan error, 1)
			go func() { done <- Run(ctx, []string{"serve", "--config", file}, out, p.log) }()
			for deadline := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), "\nops "); {
				if time.Now().After(deadline) {
					t.Fatalf("not ready: %s %s", out, p.log)
				}
				time.Sleep(time.Millisecond)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			warned := 0
			for line := range strings.Lines(p.log.String()) {
				if strings.Contains(line, "WARN") && strings.Contains(line, "authn is not set") {
					warned++
				}
			}
			if warned != c.want {
				t.Errorf("%d warnings, want %d:\n%s", warned, c.want, p.log)
			}
		})
	}
}

// TestNoStartWithAFailingPolicy holds that the first start needs a policy whose
// own tests pass.
func TestNoStartWithAFailingPolicy(t *testing.T) {
	p := newPlace(t)
	p.key(t, "ONE1234567")
	file := p.write(t, "gateway.yaml", p.config(entry("ONE1234567", "active"))+"policy: {file: policy.yaml}\n")
	const rule = "version: 1\nrules:\n- {name: all, principals: [anonymous], methods: [read], teams: [main], apps: all}\n"
	for text, want := range map[string]string{
		rule + "tests:\n- {name: nobody reads, principal: anonymous, method: asc.metadata.v1.AppsService/ListApps, team: main, expect: deny}\n": `policy.yaml:5: test "nobody reads" fails: want deny, got allow by all`,
		strings.Replace(rule, ", apps: all", "", 1): `policy.yaml:3: rule "all": apps: want the ids`,
		rule[:len(rule)/2]:                          "policy.yaml:2: ",
		"":                                          "policy.yaml:1: the file is empty",
	} {
		p.write(t, "policy.yaml", text)
		err := Run(t.Context(), []string{"serve", "--config", file}, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestPolicyCommands(t *testing.T) {
	p := newPlace(t)
	text, err := p.run(t, "policy", "example")
	if err != nil {
		t.Fatal(err)
	}
	file := p.write(t, "policy.yaml", text)
	if out, err := p.run(t, "policy", "test", file); err != nil || !strings.Contains(out, "4 tests passed") {
		t.Errorf("%v %s", err, out)
	}
	wrong := p.write(t, "wrong.yaml", strings.Replace(text, "expect: deny", "expect: allow", 1))
	if out, err := p.run(t, "policy", "test", wrong); err == nil || !strings.Contains(out, "FAILED") {
		t.Errorf("%v %s", err, out)
	}
	out, err := p.run(t, "policy", "explain", file, "--principal", "spiffe://example.org/ns/ci/sa/release", "--method", "asc.testflight.v1.BuildsService/ListBuilds", "--team", "main", "--app", "1234567890")
	if err != nil || !strings.Contains(out, "allowed by release-train, kept to the apps 1234567890") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := p.run(t, "policy", "explain", file, "--principal", "token:x", "--method", "asc.testflight.v1.BuildsService/ListBuild"); err == nil || !strings.Contains(err.Error(), "did you mean asc.testflight.v1.BuildsService/ListBuilds?") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := p.run(t, "policy", "sets"); err != nil || !strings.Contains(out, "destructive") ||
		!strings.Contains(out, "\njob:DistributeBuild ") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := p.run(t, "policy", "sets", "job:DistributeBuild"); err != nil || !strings.Contains(out, "/AddBuildBetaGroups") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := p.run(t, "policy", "sets", "access"); err != nil || !strings.Contains(out, "TokenService/MintToken") {
		t.Errorf("%v %s", err, out)
	}
	out, err = p.run(t, "token", "key", "--out", p.dir, "fastlane")
	made, _ := filepath.Glob(filepath.Join(p.dir, "AuthKey_GW*.p8"))
	if err != nil || len(made) != 1 || !strings.Contains(out, "{name: fastlane, key_id: GW") || strings.Contains(out, "PRIVATE") {
		t.Errorf("%v %v %s", made, err, out)
	} else if _, err := filekey.Private(made[0]); err != nil {
		t.Error(err)
	}
	if out, err := p.run(t, "token", "new"); err != nil || !regexp.MustCompile(`^ascgw_\S{43}\nsha256: [0-9a-f]{64}\n$`).MatchString(out) {
		t.Errorf("%v %s", err, out)
	}
}
