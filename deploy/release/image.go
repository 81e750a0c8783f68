package main

import (
	"bytes"
	"encoding/pem"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// The user that an image runs as: neither root nor anybody of the machine.
const (
	nonRoot   = "65532:65532"
	nonRootID = 65532
)

// image writes the images of all Linux platforms as one OCI layout, in the
// folder image and packed as a file whose name it returns.
func (o options) image(platforms []platform) (string, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range platforms {
		if p.os != "linux" {
			continue
		}
		image, err := o.imageOf(p)
		if err != nil {
			return "", err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.os, Architecture: p.arch}},
		})
	}
	dir := filepath.Join(o.out, "image")
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return "", err
	}
	named := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": o.version})
	if err := path.AppendIndex(index, named); err != nil {
		return "", err
	}
	name := "asc-gateway_" + o.version + "_image.oci.tar"
	files, err := filesOf(dir)
	if err != nil {
		return "", err
	}
	return name, create(filepath.Join(o.out, name), func(w io.Writer) error { return packTar(w, files, o.at) })
}

// imageOf is the image of one platform: certificates in a layer that hardly ever
// changes, and the program.
func (o options) imageOf(p platform) (v1.Image, error) {
	program, err := os.ReadFile(filepath.Join(o.bin, p.String(), p.program()))
	if err != nil {
		return nil, err
	}
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	for _, layer := range [][]file{system(), {{name: "gateway", mode: 0o755, body: program}}} {
		l, err := layerOf(layer, o.at)
		if err != nil {
			return nil, err
		}
		if image, err = mutate.Append(image, mutate.Addendum{Layer: l, History: v1.History{Created: v1.Time{Time: o.at}, CreatedBy: "deploy/release"}}); err != nil {
			return nil, err
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = p.os, p.arch, v1.Time{Time: o.at}
	config.Config = v1.Config{
		User:         nonRoot,
		Entrypoint:   []string{"/gateway"},
		Cmd:          []string{"serve", "--config", "/etc/asc-gateway/config/gateway.yaml"},
		Env:          []string{"PATH=/", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}, "8081/tcp": {}, "8085/tcp": {}, "9090/tcp": {}},
		Labels:       o.labels(),
	}
	return mutate.ConfigFile(image, config)
}

func (o options) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":       "asc-gateway",
		"org.opencontainers.image.description": "Apple's App Store Connect API as typed gRPC and REST, behind one key store",
		"org.opencontainers.image.source":      "https://github.com/asc-gateway/asc-gateway",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     o.version,
		"org.opencontainers.image.created":     o.at.Format(time.RFC3339),
	}
}

// system is what a static program needs of a system: certificate authorities,
// the name of its user, and a folder for the audit log and the secret.
func system() []file {
	return []file{
		{
			name: "etc/passwd",
			mode: 0o644,
			body: []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"),
		},
		{name: "etc/group", mode: 0o644, body: []byte("root:x:0:\nnonroot:x:65532:\n")},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, body: authorities()},
		{name: "var/lib/asc-gateway/", mode: 0o700, owner: nonRootID},
	}
}

// authorities are Mozilla's, as Go's module x509roots has them. Those that are
// trusted only for certificates up to a date are left out: a file of
// certificates cannot say so.
func authorities() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // never fails: into memory
		}
	}
	return b.Bytes()
}

func layerOf(files []file, at time.Time) (v1.Layer, error) {
	var b bytes.Buffer
	if err := packTar(&b, files, at); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}

// filesOf reads a folder, sorted by name.
func filesOf(dir string) (files []file, err error) {
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		body, err := os.ReadFile(name)
		files = append(files, file{name: filepath.ToSlash(rel), mode: 0o644, body: body})
		return err
	})
	return files, err
}
