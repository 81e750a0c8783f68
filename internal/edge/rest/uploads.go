package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
)

// UploadsPath takes a plain file.
const UploadsPath = "/ascgateway/v1/uploads"

// Of a body that is a file.
const (
	chunkBytes = 64 << 10    // each upload holds so much, those that wait included
	bodyStall  = time.Minute // without a byte
)

// Uploads serves the upload of a plain file. start makes the first message of a
// request's query, and of the length of its body (-1: not told).
func (h *Handler) Uploads(start func(query url.Values, length int64) (*uploadsv1.UploadStart, error)) {
	full := uploadsv1.UploadService_Upload_FullMethodName
	rt := route{verb: "POST", pattern: UploadsPath, method: full, streamed: true, produces: []string{ndjson.contentType, events.contentType}}
	rt.serve = func(w http.ResponseWriter, r *http.Request, _ []byte) error {
		first, err := start(r.URL.Query(), r.ContentLength)
		if err != nil {
			return err
		}
		told := rt.fileType(r) != ""
		first.Once = first.Once || !told
		ctx, stream, err := h.context(r, full)
		if err != nil {
			return err
		}
		if told { // over HTTP/1.1 the connection is of no use after an answer that began before its request ended
			_ = http.NewResponseController(w).EnableFullDuplex()
			w.Header().Set("Connection", "close")
		}
		call := func(send func(proto.Message) error) error {
			b := newBody(w, r)
			b.at = offsetOf(r)
			return h.backend.Duplex(ctx, full, &uploadsv1.UploadRequest{Part: &uploadsv1.UploadRequest_Start{Start: first}},
				b.receive, send)
		}
		if told {
			return h.lines(w, formOf(r), call)
		}
		return h.uploaded(ctx, w, r, stream, call)
	}
	h.route(rt)
}

// uploaded answers with the result alone.
func (h *Handler) uploaded(
	ctx context.Context, w http.ResponseWriter, r *http.Request, stream *headers, call func(func(proto.Message) error) error,
) error {
	var result *uploadsv1.UploadResult
	err := call(func(m proto.Message) error {
		if res, ok := m.(*uploadsv1.UploadResponse); ok && res.GetResult() != nil {
			result = res.GetResult()
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if result.GetExisted() {
		status = http.StatusOK
	}
	return h.answer(w, r, stream, result, status)
}

// offsetOf is where the body begins in the file.
func offsetOf(r *http.Request) (n int64) {
	for _, c := range r.URL.Query().Get("offset") {
		if c < '0' || c > '9' || n > 1<<50 {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// body is a file on its way: each piece of it is a message.
type body struct {
	w   http.ResponseWriter
	r   *http.Request
	at  int64
	buf []byte
}

func newBody(w http.ResponseWriter, r *http.Request) *body {
	return &body{w: w, r: r, buf: make([]byte, chunkBytes)}
}

// receive reads the next piece. The message is of use until the next one is read.
func (b *body) receive(into proto.Message) error {
	control := http.NewResponseController(b.w)
	_ = control.SetReadDeadline(time.Now().Add(bodyStall)) // not every writer can
	n, err := io.ReadFull(b.r.Body, b.buf)
	switch {
	case errors.Is(err, io.EOF):
		_ = control.SetReadDeadline(time.Time{})
		return io.EOF
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return goneAway(err)
	}
	m, ok := into.(*uploadsv1.UploadRequest)
	if !ok {
		return fault.New(fault.Internal, "INTERNAL", "internal error")
	}
	m.Part = &uploadsv1.UploadRequest_Data{Data: &uploadsv1.Data{WriteOffset: b.at, Data: b.buf[:n]}}
	b.at += int64(n)
	return nil
}

// goneAway is the fault of a body that does not go on.
func goneAway(err error) error {
	if strings.Contains(err.Error(), "i/o timeout") {
		return fault.New(fault.DeadlineExceeded, fault.ReasonPeerTooSlow, "no byte came within %v", bodyStall).WithCause(err)
	}
	return fault.New(fault.Canceled, "CANCELED", "the caller went away").WithCause(err)
}
