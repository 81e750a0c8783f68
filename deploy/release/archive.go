package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// file is an entry of an archive. A name that ends in a slash is a folder's.
type file struct {
	name  string
	mode  int64
	body  []byte
	owner int // user and group; 0: root
}

// archive packs a platform's program and what belongs beside it. It returns the
// name of the archive in options.out.
func (o options) archive(ctx context.Context, p platform) (string, error) {
	files, err := o.contents(ctx, p)
	if err != nil {
		return "", err
	}
	base := "asc-gateway_" + o.version + "_" + p.os + "_" + p.arch
	for i := range files {
		files[i].name = base + "/" + files[i].name
	}
	name, pack := base+".tar.gz", packTarGz
	if p.os == "windows" {
		name, pack = base+".zip", packZip
	}
	return name, create(filepath.Join(o.out, name), func(w io.Writer) error { return pack(w, files, o.at) })
}

// contents are the files of an archive, in the order in which they stand there.
func (o options) contents(ctx context.Context, p platform) ([]file, error) {
	program := filepath.Join(o.bin, p.String(), p.program())
	notice, err := notices(ctx, program)
	if err != nil {
		return nil, err
	}
	files := []file{{name: "NOTICE", mode: 0o644, body: notice}}
	for _, f := range []struct {
		name, from string
		mode       int64
	}{
		{p.program(), program, 0o755},
		{"sbom.json", filepath.Join(o.bin, p.String(), "sbom.json"), 0o644},
		{"LICENSE", filepath.Join(o.root, "LICENSE"), 0o644},
		{"README.md", filepath.Join(o.root, "README.md"), 0o644},
		{"CHANGELOG.md", filepath.Join(o.root, "CHANGELOG.md"), 0o644},
		{"gateway.example.yaml", filepath.Join(o.root, "docs/gateway.example.yaml"), 0o644},
		{"asc-gateway.service", filepath.Join(o.root, "deploy/systemd/asc-gateway.service"), 0o644},
	} {
		body, err := os.ReadFile(f.from)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: f.name, mode: f.mode, body: body})
	}
	return files, nil
}

// packTarGz writes files as root's, all of one time.
func packTarGz(w io.Writer, files []file, at time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	return errors.Join(packTar(z, files, at), z.Close())
}

func packTar(w io.Writer, files []file, at time.Time) error {
	t := tar.NewWriter(w)
	for _, f := range files {
		h := &tar.Header{
			Typeflag: tar.TypeReg,
			Name:     f.name,
			Mode:     f.mode,
			Size:     int64(len(f.body)),
			Uid:      f.owner,
			Gid:      f.owner,
			ModTime:  at,
			Format:   tar.FormatPAX,
		}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(f.body); err != nil {
			return err
		}
	}
	return t.Close()
}

func packZip(w io.Writer, files []file, at time.Time) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at}
		h.SetMode(os.FileMode(f.mode))
		entry, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := entry.Write(f.body); err != nil {
			return err
		}
	}
	return z.Close()
}

// create writes a new file.
func create(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// sumOf is the SHA-256 of a file, in hexadecimal digits.
func sumOf(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}
