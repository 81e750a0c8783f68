package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// TestCompose reads the compose file with the parser of Docker Compose.
func TestCompose(t *testing.T) {
	o, err := cli.NewProjectOptions([]string{"../compose/compose.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if names := strings.Join(p.ServiceNames(), " "); names != "gateway prometheus redis" {
		t.Errorf("services %s", names)
	}
	for _, s := range p.Services {
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open to others", s.Name, port.Published)
			}
		}
		for _, v := range s.Volumes {
			if _, err := os.Stat(v.Source); v.Type == "bind" && err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
		}
	}
	// promtool wants the rules beside the configuration, as the container has them.
	dir := t.TempDir()
	for to, from := range map[string]string{"prometheus.yml": "../compose/prometheus.yml", "alerts.yaml": "../helm/asc-gateway/files/alerts.yaml"} {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tool(t, dir, "promtool", "check", "config", "prometheus.yml")
}

// TestUnit lets systemd read the unit, and judge how far the service is confined.
func TestUnit(t *testing.T) {
	unit, err := os.ReadFile("../systemd/asc-gateway.service")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "gateway")
	text := strings.Replace(string(unit), "ExecStart=/usr/local/bin/gateway ", "ExecStart="+program+" ", 1)
	if text == string(unit) {
		t.Fatal("the unit starts another program")
	}
	name := filepath.Join(dir, "asc-gateway.service")
	for file, body := range map[string]string{program: "#!/bin/sh\n", name: text} {
		if err := os.WriteFile(file, []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", name)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "asc-gateway") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	tool(t, dir, "systemd-analyze", "security", "--offline=yes", "--threshold=20", name) // 2.0 of 10: OK
}

// TestWorkflows lets actionlint read the workflows. It is a program of its own
// here: as a library it needs another release of a module than compose-go.
func TestWorkflows(t *testing.T) {
	files, err := filepath.Glob("../../.github/workflows/*.yaml")
	if err != nil || len(files) != 2 {
		t.Fatalf("%v %v", files, err)
	}
	tool(t, ".", "go", append([]string{"run", "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"}, files...)...)
}

// TestGoInstall holds what `go install …/cmd/gateway@VERSION` needs: a module
// that a proxy can zip, without directives that go install refuses, and with all
// that the program embeds. Nothing is compiled.
func TestGoInstall(t *testing.T) {
	b, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m, err := modfile.Parse("go.mod", b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Replace) > 0 || len(m.Exclude) > 0 {
		t.Errorf("go install …@VERSION refuses a go.mod with replace or exclude: %v %v", m.Replace, m.Exclude)
	}
	v := module.Version{Path: m.Module.Mod.Path, Version: "v0.0.1"}
	tree, proxy := t.TempDir(), t.TempDir()
	tool(t, "../..", "sh", "-c", `git archive HEAD | tar -x -C "$0"`, tree) // the commit, as a proxy sees it
	at := filepath.Join(proxy, v.Path, "@v", v.Version)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := create(at+".zip", func(w io.Writer) error { return modzip.CreateFromDir(w, v, tree) }); err != nil {
		t.Fatalf("the module cannot be zipped: %v", err)
	}
	for name, text := range map[string]string{"v0.0.1.mod": string(b), "v0.0.1.info": `{"Version": "v0.0.1"}`, "list": "v0.0.1\n"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(at), name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cache, err := goEnv(t.Context(), "GOMODCACHE")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "install", "-n", v.Path+"/cmd/gateway@"+v.Version)
	cmd.Dir = proxy
	cmd.Env = append(os.Environ(), "GOFLAGS=-modcacherw", "GOMODCACHE="+t.TempDir(), "GONOSUMDB=*", "GOWORK=off",
		"GOPROXY=file://"+proxy+",file://"+cache+"/cache/download")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "/cmd/gateway") {
		t.Errorf("go install: %v\n%.3000s", err, out)
	}
}
