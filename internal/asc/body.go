package asc

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

func malformed(message string) *fault.Error {
	return fault.New(fault.Unavailable, fault.ReasonUpstreamMalformed, "App Store Connect: %s", message)
}

// readBounded reads a whole document of at most limit bytes. left names the
// encodings that could not be undone.
func readBounded(res *http.Response, limit int64) (body []byte, left string, err error) {
	var b bytes.Buffer
	var n int64
	c, err := openText(res)
	if err == nil {
		if res.ContentLength > 0 && res.ContentLength <= limit {
			b.Grow(int(res.ContentLength) + bytes.MinRead)
		}
		n, err = b.ReadFrom(io.LimitReader(c.r, limit+1))
	}
	switch {
	case n > limit, errors.Is(err, errTooLong):
		return nil, "", tooLarge(limit)
	case err != nil:
		return nil, "", broken(err, "the answer broke off")
	}
	return b.Bytes(), c.left, nil
}

// tooLarge is the fault of an answer that the request asked too much for. It is
// of a kind that no client repeats by itself.
func tooLarge(limit int64) error {
	return fault.New(
		fault.InvalidArgument,
		fault.ReasonUpstreamTooLarge,
		"the answer is larger than %d bytes: ask for less at once",
		limit,
	)
}

// broken is the fault of a body that could not be read to its end.
func broken(err error, message string) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f // the gateway ended it, and says why
	}
	return malformed(message).WithCause(err)
}

// errUnreadable is the cause of a fault that a repeated request would meet again.
var errUnreadable = errors.New("asc: the answer's encoding is not known")

// unreadable is the fault of a document in an encoding that cannot be undone.
func unreadable(left string) error {
	return malformed(
		"the answer has the Content-Encoding " + clip(left, 100) + ", which the gateway cannot undo",
	).WithCause(
		errUnreadable,
	)
}

// checkJSON refuses a success that is no JSON: a proxy's page. A write may be
// answered with nothing: its caller knows whether a document was due.
func checkJSON(res *http.Response, body []byte) error {
	empty := len(bytes.TrimSpace(body)) == 0
	noneDue := res.StatusCode == http.StatusNoContent || res.StatusCode == http.StatusAccepted
	if empty && (noneDue || res.Request.Method != http.MethodGet) {
		return nil
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if empty || media != "" && !strings.HasSuffix(media, "json") {
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
		return 0, fault.New(
			fault.FailedPrecondition,
			fault.ReasonUpstreamTooLarge,
			"the file is larger than the gateway passes on: at most %d bytes",
			f.most,
		)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = broken(err, "the file broke off")
	}
	return n, err
}

func (f *boundedFile) Close() error { return f.body.Close() }
