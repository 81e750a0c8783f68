package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/kept"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
)

// Reports are files of reports that are kept on disk.
type Reports struct {
	CacheDir   string // "": nothing is kept
	CacheBytes int64  // at most; 0: 1 GiB
}

// openKept puts the files that are kept between the engine and Apple. A call comes
// here after policy, app restriction and team were decided.
func (g *Gateway) openKept(d Deps, sealing *secrets.Secrets) (keeping, error) {
	if d.Reports.CacheDir == "" {
		return keeping{Client: g.Client}, nil
	}
	most := d.Reports.CacheBytes
	if most <= 0 {
		most = kept.DefaultBytes
	}
	files, err := kept.Open(d.Reports.CacheDir, most, sealer{sealing})
	return keeping{g.Client, files}, err
}

// sealer seals what is kept.
type sealer struct{ secrets *secrets.Secrets }

// Seal implements [kept.Sealer].
func (s sealer) Seal(place string, data []byte) []byte {
	return s.secrets.Seal(secrets.Reports, place, data)
}

// Unseal implements [kept.Sealer].
func (s sealer) Unseal(place string, sealed []byte) ([]byte, error) {
	return s.secrets.Unseal(secrets.Reports, place, sealed)
}

// keeping is the client of Apple's with files that are kept. It implements
// [service.Upstream].
type keeping struct {
	*asc.Client
	files *kept.Store // nil: none
}

// told is what is known of a file that is kept.
type told struct {
	ContentType, Disposition, Encoding string
	Length                             int64
	Header                             http.Header
	Absent                             bool // Apple has none
}

// Open reads a file from disk, where it is kept; else from Apple, and keeps it where
// the context says that it may be.
func (k keeping) Open(ctx context.Context, call *asc.Call) (*asc.File, error) {
	mark := kept.FromContext(ctx)
	if k.files == nil || mark == nil {
		return k.Client.Open(ctx, call)
	}
	place := call.Team + "\x00" + call.Path + "\x00" + call.Query + "\x00" + call.Accept
	if r := k.files.Get(mark, place); r != nil {
		var t told
		if json.Unmarshal(r.Head, &t) == nil {
			if !t.Absent {
				return &asc.File{ContentType: t.ContentType, Disposition: t.Disposition, Encoding: t.Encoding,
					Length: t.Length, Header: t.Header, Body: r}, nil
			}
			_ = r.Close() // nothing was written
			return nil, fault.New(fault.NotFound, "NOT_FOUND", "Apple had no such report when it was asked last")
		}
		_ = r.Close()
	}
	f, err := k.Client.Open(ctx, call)
	t := told{}
	switch {
	case err == nil:
		t = told{f.ContentType, f.Disposition, f.Encoding, f.Length, f.Header.Clone(), false}
		t.Header.Del("Set-Cookie")
	case mark.Absent && fault.As(err).Kind == fault.NotFound:
		t.Absent = true
	default:
		return nil, err
	}
	head, merr := json.Marshal(t)
	if merr != nil { // of strings
		panic(merr)
	}
	w := k.files.Put(mark, place, head, t.Length)
	if w == nil {
		return f, err
	}
	if err != nil {
		w.End()
		return nil, err
	}
	f.Body = &copied{f.Body, w}
	return f, nil
}

// copied is a body that is kept while it is read.
type copied struct {
	io.ReadCloser
	to *kept.Writer
}

// Read implements [io.Reader].
func (c *copied) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.to.Write(p[:n])
	if errors.Is(err, io.EOF) {
		c.to.End()
	}
	return n, err
}
