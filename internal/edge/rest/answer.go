package rest

import (
	"compress/gzip"
	"context"
	"io"
	"maps"
	"mime"
	"net/http"
	"strconv"

	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// gzipFrom is the size from which answers are packed, if the caller can unpack.
const gzipFrom = 1 << 10

// answer writes a message as JSON. What Apple answers with 204 has no body,
// unless the message says something all the same.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, stream *headers, res proto.Message, status int) error {
	if status == http.StatusNoContent {
		if proto.Size(res) == 0 {
			stream.copyTo(w.Header())
			w.WriteHeader(status)
			return nil
		}
		status = http.StatusOK
	}
	b, err := h.spell.marshal(res)
	if err != nil {
		return err
	}
	stream.copyTo(w.Header())
	w.Header()["Content-Type"] = jsonType
	h.write(w, r, status, b)
	return nil
}

// write sends a body, packed where it pays.
func (h *Handler) write(w http.ResponseWriter, r *http.Request, status int, b []byte) {
	w.Header()["X-Content-Type-Options"] = nosniff
	if len(w.Header()["Vary"]) == 0 {
		w.Header()["Vary"] = varies
	} else { // by origin too
		w.Header().Add("Vary", varies[0])
	}
	if len(b) < gzipFrom || !door.Gzip(r) {
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		w.WriteHeader(status)
		_, _ = w.Write(b) // a caller that went away needs no answer
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	z, ok := h.gzips.Get().(*gzip.Writer)
	if !ok {
		z, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	}
	z.Reset(w)
	_, _ = z.Write(b)
	_ = z.Close()
	h.gzips.Put(z)
}

// file passes a file on, byte for byte.
func (h *Handler) file(ctx context.Context, w http.ResponseWriter, method string, f *service.File) {
	defer f.Body.Close()
	describe(w, f)
	if _, err := io.Copy(w, f.Body); err != nil {
		h.broke(ctx, method, err)
	}
}

// broke cuts the connection in the middle of a file: the caller must not take it for
// whole.
func (h *Handler) broke(ctx context.Context, method string, err error) {
	h.log.WarnContext(ctx, "a file broke off", "method", method, "reason", fault.As(err).Reason)
	panic(http.ErrAbortHandler)
}

// describe writes what is known of a file before its bytes.
func describe(w http.ResponseWriter, f *service.File) {
	w.Header().Set("Content-Type", f.ContentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Disposition", disposition(f))
	maps.Copy(w.Header(), f.Told())
	if f.Encoding != "" {
		w.Header().Set("Content-Encoding", f.Encoding)
	}
	if f.Length >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(f.Length, 10))
	}
	w.WriteHeader(http.StatusOK)
}

// disposition is Apple's, where it has a name that a file may be stored under.
func disposition(f *service.File) string {
	if _, params, err := mime.ParseMediaType(f.Disposition); err == nil && params["filename"] == f.Filename {
		return f.Disposition
	}
	return mime.FormatMediaType("attachment", map[string]string{"filename": f.Filename})
}

// fail writes an error as JSON: a google.rpc.Status with all details.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	h.backend.Refused(err)
	f := service.AsFault(err)
	status := httpStatus(f)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="asc-gateway"`)
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.RetryAfter.Seconds() + 0.999))))
	}
	b, merr := protojson.Marshal(once(service.FullStatus(err).Proto()))
	if merr != nil {
		b = []byte(`{"code":13,"message":"internal error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	h.write(w, r, status, b)
}

// httpStatus is Apple's status where it is about the request, else the one that
// grpc-gateway gives the code.
func httpStatus(f *fault.Error) int {
	if f.Upstream != nil {
		switch s := f.Upstream.HTTPStatus; {
		case s == http.StatusUnauthorized:
			return http.StatusBadGateway // the gateway's key is refused, not the caller
		case f.Reason == fault.ReasonOutcomeUnknown:
		case s >= 400 && s < 500, s > 500 && s < 505:
			return s
		default:
			return http.StatusBadGateway
		}
	}
	if status, ok := door.Status(f.Reason); ok {
		return status
	}
	if status := tusStatus(f.Reason); status != 0 {
		return status
	}
	switch {
	case f.Reason == fault.ReasonOutcomeUnknown:
		return http.StatusGatewayTimeout
	case f.Reason == fault.ReasonKeyUnusable, f.Reason == fault.ReasonExecutedUnread:
		return http.StatusBadGateway
	}
	return runtime.HTTPStatusFromCode(service.Status(f).Code())
}
