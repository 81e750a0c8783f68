package asc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/transfer"
)

// File is an answer that passes through untouched.
type File struct {
	ContentType string
	Disposition string // Content-Disposition, "" if none
	Encoding    string // the Content-Encoding that is still on Body, "" if none
	Length      int64  // bytes, -1: not known
	Header      http.Header
	Body        io.ReadCloser // at most MaxFileBytes; more is an error
}

// Open sends a call whose answer is a file. The caller closes its body.
func (c *Client) Open(ctx context.Context, call *Call) (*File, error) {
	var out *File
	asFile := *call
	asFile.file = true
	_, err := c.retry(ctx, &asFile, func(res *http.Response) error {
		body, err := openFile(res)
		if err != nil {
			return err
		}
		out = c.file(res, body)
		return errKeepBody
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// file is an answer whose body the caller reads.
func (c *Client) file(res *http.Response, body content) *File {
	h := res.Header
	return &File{ContentType: h.Get("Content-Type"), Disposition: h.Get("Content-Disposition"), Encoding: body.left,
		Length: body.length(res), Header: h, Body: c.boundedFile(body.r, res.Body)}
}

// length is the length of what is read, -1: not known.
func (c *content) length(res *http.Response) int64 {
	if !c.as {
		return -1
	}
	return res.ContentLength
}

// Raw is an answer as Apple gave it, whatever its status.
type Raw struct {
	Status int
	Header http.Header   // Content-Encoding names what is still on Body
	Body   io.ReadCloser // of a JSON answer it is in memory
	Length int64         // bytes, -1: not known
}

// Raw sends a call, by the same rules as every other, and returns what Apple
// answered in the end. Its error says why there is no answer. The caller closes
// the body. file says that the answer may be large, and no JSON.
func (c *Client) Raw(ctx context.Context, call *Call, file bool) (*Raw, error) {
	var out *Raw
	asIs := *call
	asIs.raw, asIs.file = true, file
	_, err := c.retry(ctx, &asIs, func(res *http.Response) error {
		out = &Raw{Status: res.StatusCode, Header: res.Header, Length: -1}
		if media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); file && media != "application/json" {
			body, err := openFile(res)
			if err != nil {
				return err
			}
			encoded(res.Header, body.left)
			out.Length, out.Body = body.length(res), c.boundedFile(body.r, res.Body)
			return errKeepBody
		}
		body, left, err := readBounded(res, c.cfg.MaxResponseBytes)
		if err != nil {
			return err
		}
		encoded(res.Header, left)
		out.Body, out.Length = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return nil
	})
	var refused *answered
	if errors.As(err, &refused) {
		return &Raw{
			Status: refused.status,
			Header: refused.header,
			Body:   io.NopCloser(bytes.NewReader(refused.body)),
			Length: int64(len(refused.body)),
		}, nil
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// encoded says which encodings a body still has.
func encoded(h http.Header, left string) {
	h.Del("Content-Encoding")
	if left != "" {
		h.Set("Content-Encoding", left)
	}
}

// answered is an error of Apple's, as it came.
type answered struct {
	status int
	header http.Header
	body   []byte
	fault  error
}

func (a *answered) Error() string { return a.fault.Error() }
func (a *answered) Unwrap() error { return a.fault }

// OpenURL reads a file that an answer of Apple's points to. The token never goes
// there, and what the answer says is not trusted further than https, or the
// origin of the base URL. The caller closes the body.
func (c *Client) OpenURL(ctx context.Context, link string) (*File, error) {
	if _, err := (transfer.Hosts{Own: c.base, Any: true}).Allow(link); err != nil {
		return nil, fault.New(fault.Unavailable, fault.ReasonUpstreamMalformed, "App Store Connect points to no valid file")
	}
	x := c.begin(ctx, c.cfg.AttemptTimeout)
	req, err := http.NewRequestWithContext(x.ctx, http.MethodGet, link, nil)
	if err != nil {
		x.end()
		return nil, noAnswer(err)
	}
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	res, err := c.send.RoundTrip(req)
	if err != nil {
		err = x.why(err)
		x.end()
		return nil, noAnswer(err)
	}
	res.Body = x.body(res.Body, c.cfg.MaxFileBytes)
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, c.errorOf(res)
	}
	x.keep(c.cfg.FileTimeout)
	return c.file(res, openStored(res)), nil
}
