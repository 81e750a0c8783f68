package asc

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// unpacked removes the gzip that Content-Encoding names. A body that is itself
// a gzip file (application/a-gzip) has no such header and stays as it is.
func unpacked(res *http.Response) (io.Reader, error) {
	switch strings.ToLower(res.Header.Get("Content-Encoding")) {
	case "", "identity":
		return res.Body, nil
	case "gzip":
		z, err := gzip.NewReader(res.Body)
		if err != nil {
			return nil, broken(err, "the answer is no valid gzip")
		}
		return z, nil
	}
	return nil, malformed("the answer has an unknown Content-Encoding")
}

func malformed(message string) *fault.Error {
	return fault.New(fault.Unavailable, fault.ReasonUpstreamMalformed, "App Store Connect: %s", message)
}

// readBounded reads a whole body of at most limit bytes.
func readBounded(res *http.Response, limit int64) ([]byte, error) {
	r, err := unpacked(res)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if res.ContentLength > 0 && res.ContentLength <= limit {
		b.Grow(int(res.ContentLength) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(r, limit+1))
	switch {
	case n > limit, errors.Is(err, errTooLong):
		return nil, tooLarge(limit)
	case err != nil:
		return nil, broken(err, "the answer broke off")
	}
	return b.Bytes(), nil
}

// tooLarge is the fault of an answer that the request asked too much for. It is
// of a kind that no client repeats by itself.
func tooLarge(limit int64) error {
	return fault.New(fault.InvalidArgument, fault.ReasonUpstreamTooLarge, "the answer is larger than %d bytes: ask for less at once", limit)
}

// broken is the fault of a body that could not be read to its end.
func broken(err error, message string) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f // the gateway ended it, and says why
	}
	return malformed(message).WithCause(err)
}

// checkJSON refuses a success that is no JSON: a proxy's page, or nothing.
func checkJSON(res *http.Response, body []byte) error {
	if res.StatusCode == http.StatusNoContent || res.StatusCode == http.StatusAccepted && len(body) == 0 {
		return nil
	}
	if len(body) == 0 && res.Request.Method == http.MethodDelete {
		return nil
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if len(body) == 0 || media != "" && !strings.HasSuffix(media, "json") {
		return malformed("success without a JSON document")
	}
	return nil
}

// boundedFile ends a file with a typed error when it is longer than allowed or
// breaks off.
type boundedFile struct {
	r    io.Reader
	body io.Closer
	most int64
	left int64
}

func (c *Client) boundedFile(r io.Reader, body io.Closer) *boundedFile {
	return &boundedFile{r, body, c.cfg.MaxFileBytes, c.cfg.MaxFileBytes}
}

func (f *boundedFile) Read(p []byte) (int, error) {
	if int64(len(p)) > f.left+1 {
		p = p[:f.left+1]
	}
	n, err := f.r.Read(p)
	if f.left -= int64(n); f.left < 0 || errors.Is(err, errTooLong) {
		return 0, fault.New(fault.FailedPrecondition, fault.ReasonUpstreamTooLarge, "the file is larger than the gateway passes on: at most %d bytes", f.most)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = broken(err, "the file broke off")
	}
	return n, err
}

func (f *boundedFile) Close() error { return f.body.Close() }
