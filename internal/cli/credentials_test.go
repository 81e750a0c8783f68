package cli

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// depsOf are those of a test with an environment of its own.
func depsOf(t *testing.T, env map[string]string) Deps {
	t.Helper()
	dir := t.TempDir()
	return Deps{Getenv: func(name string) string { return env[name] }, ConfigDir: func() (string, error) { return dir, nil }}
}

// tokenOf is the token of a call after settling, "" if it brings none.
func tokenOf(t *testing.T, d Deps, c *connection) (string, error) {
	t.Helper()
	if err := c.settle(d); err != nil {
		return "", err
	}
	s := credentialOf(d, &c.login)
	if s == nil {
		return "", nil
	}
	return s(t.Context())
}

func TestWhichCredential(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		env  map[string]string
		conn connection
		want string
		says string
	}{
		{"none", map[string]string{"ASC_GATEWAY_ADDRESS": "a:1"}, connection{}, "", ""},
		{"the login's", nil, connection{}, "kept", ""},
		{"a flag", nil, connection{login: login{TokenFile: file}}, "from-file", ""},
		{"a variable before the login", map[string]string{"ASC_GATEWAY_TOKEN": "v"}, connection{}, "v", ""},
		{"a login that is named before the variable", map[string]string{"ASC_GATEWAY_TOKEN": "v"}, connection{context: "main"}, "kept", ""},
		{"the variable of a file", map[string]string{"ASC_GATEWAY_TOKEN_FILE": file}, connection{}, "from-file", ""},
		{"a login's token goes to its own address only", map[string]string{"ASC_GATEWAY_ADDRESS": "other:1"}, connection{}, "", ""},
		{"the same with a flag", nil, connection{login: login{Address: "other:1"}}, "", ""},
		{"GitLab's", map[string]string{"ASC_GATEWAY_ADDRESS": "a:1", "CI_TOKEN": "g"}, connection{login: login{IDTokenEnv: "CI_TOKEN"}}, "g", ""},
		{"GitLab's without a flag", map[string]string{"ASC_GATEWAY_ADDRESS": "a:1", "ASC_GATEWAY_ID_TOKEN": "g"}, connection{}, "g", ""},
		{"an empty variable", map[string]string{"ASC_GATEWAY_ADDRESS": "a:1"}, connection{login: login{IDTokenEnv: "NONE"}}, "", "NONE holds no token"},
		{"two words", map[string]string{"ASC_GATEWAY_TOKEN": "a b"}, connection{}, "", "something else than one token"},
		{"no such login", nil, connection{context: "mai"}, "", "did you mean main?"},
		{"two gateways", nil, connection{context: "main", login: login{Address: "other:1"}}, "", "different gateways"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := depsOf(t, c.env)
			k := &kept{Current: "main", Contexts: map[string]login{"main": {Address: "gw.example.org:443", Token: "kept"}}}
			if err := k.write(d); err != nil {
				t.Fatal(err)
			}
			got, err := tokenOf(t, d, &c.conn)
			if got != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// TestTokenFilesAreReadForEachCall rotates one between two calls.
func TestTokenFilesAreReadForEachCall(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	s := credentialOf(depsOf(t, map[string]string{"ASC_GATEWAY_TOKEN_FILE": file}), &login{})
	for _, want := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s(t.Context()); err != nil || got != want {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

// jwt is a token that says when it ends; nobody checks its signature here.
func jwt(n int, exp time.Time) string {
	claims := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d,"n":%d}`, exp.Unix(), n))
	return "e30." + claims + ".c2ln"
}

func TestGitHubsIDTokens(t *testing.T) {
	asked := 0
	now := time.Unix(1_800_000_000, 0)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer request-token" || r.URL.Query().Get("audience") != "gw" || r.URL.Query().Get("api") != "2" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		asked++
		fmt.Fprintf(w, `{"value":%q}`, jwt(asked, now.Add(5*time.Minute)))
	}))
	defer srv.Close()
	env := map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": srv.URL + "/x?api=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token"}
	g := &github{deps: depsOf(t, env), audience: "gw", now: func() time.Time { return now }}
	for _, step := range []struct {
		after time.Duration
		asked int
	}{{0, 1}, {time.Minute, 1}, {4 * time.Minute, 2}} {
		now = now.Add(step.after)
		if got, err := g.token(t.Context()); err != nil || got == "" || asked != step.asked {
			t.Errorf("after %v: asked %d times, want %d: %v", step.after, asked, step.asked, err)
		}
	}
	env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "wrong"
	g.kept = ""
	if _, err := g.token(t.Context()); err == nil || !strings.Contains(err.Error(), "id-token: write") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("got %v", err)
	}
	env["ACTIONS_ID_TOKEN_REQUEST_URL"] = "http://example.org/x"
	if _, err := g.token(t.Context()); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("a token is asked for without TLS: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		in        connection
		want      string
		plaintext bool
		says      string
	}{
		{connection{login: login{Address: "gw.example.org"}}, "gw.example.org:9090", false, ""},
		{connection{login: login{Address: "gw.example.org:443"}}, "gw.example.org:443", false, ""},
		{connection{login: login{Address: "https://gw.example.org/"}}, "gw.example.org:443", false, ""},
		{connection{login: login{Address: "http://gw.example.org"}}, "gw.example.org:80", true, ""},
		{connection{login: login{Address: "127.0.0.1:9090"}}, "127.0.0.1:9090", true, ""},
		{connection{login: login{Address: "[::1]:9090"}}, "[::1]:9090", true, ""},
		{connection{login: login{Address: "[::1]"}}, "[::1]:9090", true, ""},
		{connection{login: login{Address: "localhost:9090"}, tls: true}, "localhost:9090", false, ""},
		{connection{login: login{Address: "gw:9090", Plaintext: true}}, "gw:9090", true, ""},
		{connection{login: login{Address: "gw:9090", Plaintext: true}, tls: true}, "", false, "do not agree"},
		{connection{login: login{Address: "http://gw"}, tls: true}, "", false, "do not agree"},
		{connection{login: login{Address: "a b:1"}}, "", false, "want HOST:PORT"},
		{connection{login: login{Address: "https://a@b:1"}}, "", false, "want HOST:PORT"},
		{connection{login: login{Address: "127.0.0.1:1", CAFile: "x"}}, "", false, "without TLS"},
	} {
		in := c.in.Address
		err := c.in.transport()
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want %q", in, err, c.says)
			}
			continue
		}
		if err != nil || c.in.Address != c.want || c.in.Plaintext != c.plaintext {
			t.Errorf("%s: got %s, plaintext %v, %v", in, c.in.Address, c.in.Plaintext, err)
		}
	}
}

func TestLogins(t *testing.T) {
	d := depsOf(t, nil)
	run := func(stdin string, args ...string) (string, error) {
		cmd := loginCommand(d)
		var out bytes.Buffer
		cmd.SetArgs(args)
		cmd.SetIn(strings.NewReader(stdin))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	for _, args := range [][]string{{"gw.example.org", "--no-check"}, {"127.0.0.1:1", "--no-check", "--name", "here"}} {
		if out, err := run("secret-token\n", args...); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	name, err := contextsFile(d)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	out, err := run("", "list", "--output", "json")
	if err != nil || strings.Contains(out, "secret") || !strings.Contains(out, `"name": "here"`) {
		t.Errorf("%v %s", err, out)
	}
	for _, c := range []struct {
		args []string
		want string
	}{{[]string{"use", "gw.example.org"}, "using gw.example.org"}, {[]string{"remove", "here"}, "removed here"}} {
		if out, err := run("", c.args...); err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%v: %v %s", c.args, err, out)
		}
	}
	if _, err := run("", "remove", "here"); ExitCode(err) != ExitUsage {
		t.Errorf("got %v", err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := run("", "list"); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others can read is used: %v", err)
	}
}
