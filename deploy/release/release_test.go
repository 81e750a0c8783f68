package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// tool runs a program of others, which judges what was made.
func tool(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// release makes a release of this test itself: a Go program, too.
func release(t *testing.T) (out string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	bin, out := t.TempDir(), t.TempDir()
	for _, p := range []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"windows", "amd64"}} {
		dir := filepath.Join(bin, p.String())
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, body := range map[string][]byte{p.program(): program, "sbom.json": []byte("{}\n")} {
			if err := os.WriteFile(filepath.Join(dir, name), body, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := run(t.Context(), []string{"--version", "v1.2.3", "--time", "1700000000", "--bin", bin, "--out", out}, io.Discard); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRelease(t *testing.T) {
	out := release(t)
	sums, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(filepath.Join(release(t), "SHA256SUMS"))
	if err != nil || !bytes.Equal(sums, again) {
		t.Errorf("two releases of the same programs differ: %v\n%s\n%s", err, sums, again)
	}
	if said := tool(t, out, "sha256sum", "-c", "SHA256SUMS"); strings.Count(said, ": OK") != 4 {
		t.Errorf("sha256sum: %s", said)
	}

	t.Run("archives", func(t *testing.T) {
		want := []string{"/NOTICE", "/sbom.json", "/LICENSE", "/README.md", "/CHANGELOG.md", "/gateway.example.yaml", "/asc-gateway.service"}
		list := tool(t, out, "tar", "-tzvf", "asc-gateway_v1.2.3_linux_amd64.tar.gz")
		zip := tool(t, out, "python3", "-m", "zipfile", "-l", "asc-gateway_v1.2.3_windows_amd64.zip")
		for _, name := range want {
			if !strings.Contains(list, "asc-gateway_v1.2.3_linux_amd64"+name+"\n") || !strings.Contains(zip, "asc-gateway_v1.2.3_windows_amd64"+name+" ") {
				t.Errorf("%s is missing:\n%s\n%s", name, list, zip)
			}
		}
		if !strings.Contains(list, "-rwxr-xr-x 0/0") || !strings.Contains(list, "/gateway\n") || !strings.Contains(zip, "/gateway.exe ") {
			t.Errorf("%s\n%s", list, zip)
		}
	})

	t.Run("notice", func(t *testing.T) {
		text := tool(t, out, "tar", "-xzOf", "asc-gateway_v1.2.3_linux_amd64.tar.gz", "asc-gateway_v1.2.3_linux_amd64/NOTICE")
		for _, part := range []string{"Go's standard library go1.", "Copyright 2009 The Go Authors", "github.com/google/go-containerregistry@v", "Apache License"} {
			if !strings.Contains(text, part) {
				t.Errorf("NOTICE does not hold %q", part)
			}
		}
	})

	t.Run("image", func(t *testing.T) { testImage(t, out) })
}

// testImage lets skopeo and umoci read the image.
func testImage(t *testing.T, out string) {
	for _, arch := range []string{"amd64", "arm64"} {
		config := struct {
			Architecture string
			OS           string
			Config       struct {
				User       string
				Entrypoint []string
				Labels     map[string]string
			}
		}{}
		for _, ref := range []string{"oci:image:v1.2.3", "oci-archive:asc-gateway_v1.2.3_image.oci.tar:v1.2.3"} {
			said := tool(t, out, "skopeo", "--override-os", "linux", "--override-arch", arch, "inspect", "--config", ref)
			if err := json.Unmarshal([]byte(said), &config); err != nil {
				t.Fatal(err)
			}
			c := config.Config
			if config.OS != "linux" || config.Architecture != arch || c.User != nonRoot || c.Entrypoint[0] != "/gateway" || c.Labels["org.opencontainers.image.version"] != "v1.2.3" {
				t.Errorf("%s: %s", ref, said)
			}
		}
	}
	// umoci reads no index in an index: skopeo copies one platform out of it.
	tool(t, out, "skopeo", "--override-os", "linux", "--override-arch", runtime.GOARCH, "copy", "oci:image:v1.2.3", "oci:one:v1.2.3")
	tool(t, out, "umoci", "unpack", "--rootless", "--image", "one:v1.2.3", "unpacked")
	root := filepath.Join(out, "unpacked", "rootfs")
	if info, err := os.Stat(filepath.Join(root, "gateway")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("gateway: %v %v", info, err)
	}
	if info, err := os.Stat(filepath.Join(root, "var/lib/asc-gateway")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("state: %v %v", info, err)
	}
	// Authorities that OpenSSL takes, among them one that Apple's servers lean on.
	said := tool(t, root, "openssl", "crl2pkcs7", "-nocrl", "-certfile", "etc/ssl/certs/ca-certificates.crt", "-out", filepath.Join(out, "all.p7"))
	said += tool(t, out, "openssl", "pkcs7", "-in", "all.p7", "-print_certs", "-noout")
	if strings.Count(said, "subject=") < 100 || !strings.Contains(said, "DigiCert Global Root G2") {
		t.Errorf("%d authorities", strings.Count(said, "subject="))
	}
}

func TestNoProgramIsAnError(t *testing.T) {
	if err := run(t.Context(), []string{"--version", "v1", "--bin", t.TempDir(), "--out", t.TempDir()}, io.Discard); err == nil {
		t.Error("an empty release")
	}
}

func TestLicencesIn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"LICENSE", "LICENCE.txt", "sub/COPYING", "NOTICE.md", "license.go", "testdata/LICENSE", "README.md"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	names, err := licencesIn(dir)
	if got := strings.Join(names, " "); err != nil || got != "LICENCE.txt LICENSE NOTICE.md sub/COPYING" {
		t.Errorf("%q %v", got, err)
	}
}
