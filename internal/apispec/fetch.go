package apispec

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// SpecURL is where Apple publishes the document.
const SpecURL = "https://developer.apple.com/sample-code/app-store-connect/app-store-connect-openapi-specification.zip"

const maxZipBytes = 64 << 20

// CachePath is where the document is kept: below XDG_CACHE_HOME, else ~/.cache.
func CachePath(getenv func(string) string) (string, error) {
	dir := getenv("XDG_CACHE_HOME")
	if dir == "" {
		home := getenv("HOME")
		if home == "" {
			return "", errors.New("neither XDG_CACHE_HOME nor HOME is set")
		}
		dir = filepath.Join(home, ".cache")
	}
	return filepath.Join(dir, "asc-openapi", "openapi.oas.json"), nil
}

// Fetch downloads Apple's zip from url and stores the document in file,
// replacing it only when the new one can be read.
func Fetch(ctx context.Context, client *http.Client, url, file string) (*Document, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, res.Status)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxZipBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxZipBytes {
		return nil, fmt.Errorf("%s: larger than %d bytes", url, maxZipBytes)
	}
	text, err := unzip(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	doc, _, err := Read(text, nil)
	if err != nil {
		return nil, err
	}
	return doc, replace(file, text)
}

// unzip finds the one JSON file in a zip.
func unzip(b []byte) ([]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, ".json") || strings.Contains(f.Name, "__MACOSX") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(io.LimitReader(r, maxDocumentBytes+1))
	}
	return nil, errors.New("no JSON file in the zip")
}

func replace(file string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), "openapi-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(b); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
