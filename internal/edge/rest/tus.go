package rest

import (
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/internal/edge/tus"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/server"
)

// TusPath takes uploads of tus 1.0.
const TusPath = UploadsPath + "/tus"

// Of tus 1.0.
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,creation-with-upload,expiration,termination"
	tusType       = "application/offset+octet-stream"
	tusMetadata   = 8 << 10 // bytes of Upload-Metadata
)

// Reasons.
const reasonTusVersion = "TUS_VERSION" // 412

// ResourceHeader tells what a file became, StorageHeader that an upload ends with
// this process.
const (
	ResourceHeader = "Asc-Upload-Resource"
	StorageHeader  = "Asc-Upload-Storage"
)

// tusFace speaks tus.
type tusFace struct {
	*Handler
	uploads *tus.Uploads
}

// Tus serves uploads of tus 1.0. All its requests need the right to call Upload.
func (h *Handler) Tus(u *tus.Uploads) {
	t := tusFace{h, u}
	one := TusPath + "/{upload}"
	for _, rt := range []route{
		{verb: "OPTIONS", pattern: TusPath, serve: t.options},
		{verb: "OPTIONS", pattern: one, serve: t.options},
		{verb: "POST", pattern: TusPath, serve: t.create},
		{verb: "HEAD", pattern: one, serve: t.short(t.look)},
		{verb: "PATCH", pattern: one, serve: t.patch},
		{verb: "DELETE", pattern: one, serve: t.short(t.remove)},
		{verb: "GET", pattern: one, serve: t.short(t.outcome)},
	} {
		rt.method, rt.streamed = uploadsv1.UploadService_Upload_FullMethodName, true
		if rt.verb != "OPTIONS" && rt.verb != "GET" { // GET is none of tus's
			rt.serve = versioned(rt.serve)
		}
		h.route(rt)
	}
}

type serve = func(w http.ResponseWriter, r *http.Request, body []byte) error

// isTus says whether a path is one of tus's.
func isTus(path string) bool { return path == TusPath || strings.HasPrefix(path, TusPath+"/") }

// asTus is a request with the method that it means: some clients can send GET and
// POST only. Its answer says which version is spoken.
func asTus(w http.ResponseWriter, r *http.Request) *http.Request {
	w.Header().Set("Tus-Resumable", tusVersion)
	if method := r.Header.Get("X-HTTP-Method-Override"); method != "" {
		other := *r
		other.Method = method
		return &other
	}
	return r
}

// versioned refuses other versions.
func versioned(next serve) serve {
	return func(w http.ResponseWriter, r *http.Request, body []byte) error {
		if r.Header.Get("Tus-Resumable") != tusVersion {
			w.Header().Set("Tus-Version", tusVersion)
			return fault.New(
				fault.FailedPrecondition,
				reasonTusVersion,
				"want the header Tus-Resumable: %s",
				tusVersion,
			)
		}
		return next(w, r, body)
	}
}

// short is a request that is no longer than a call.
func (t tusFace) short(next serve) serve {
	return func(w http.ResponseWriter, r *http.Request, body []byte) error {
		slot, err := t.limits.Enter(overload.Calls, t.backend.Caller(r.Context()), 1)
		if err != nil {
			return err
		}
		defer slot.Leave()
		return next(w, r, body)
	}
}

func (t tusFace) options(w http.ResponseWriter, _ *http.Request, _ []byte) error {
	w.Header().Set("Tus-Version", tusVersion)
	w.Header().Set("Tus-Extension", tusExtensions)
	w.Header().Set("Tus-Max-Size", strconv.FormatInt(tus.MaxSize, 10))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// owner is whose uploads a request may see.
func (t tusFace) owner(r *http.Request) tus.Owner {
	return tus.Owner{Team: r.Header.Get(server.TeamHeader), Caller: t.backend.Caller(r.Context())}
}

// create makes an upload. A body of tus's type is its beginning.
func (t tusFace) create(w http.ResponseWriter, r *http.Request, _ []byte) error {
	ctx, _, err := t.context(r, uploadsv1.UploadService_Upload_FullMethodName)
	if err != nil {
		return err
	}
	var rec *tus.Record
	err = t.short(func(http.ResponseWriter, *http.Request, []byte) error {
		length, words, err := creation(r)
		if err != nil {
			return err
		}
		rec, err = t.uploads.Create(ctx, t.owner(r), r.Header.Get("Upload-Metadata"), words, length)
		return err
	})(w, r, nil)
	if err != nil {
		return err
	}
	w.Header().Set("Location", TusPath+"/"+rec.ID)
	if r.ContentLength != 0 {
		if rec, err = t.uploads.Append(ctx, rec.Owner, rec.ID, 0, newFlow(w, r)); err != nil {
			return err
		}
	}
	t.tell(w, rec, http.StatusCreated)
	return nil
}

// creation reads the headers of a new upload.
func creation(r *http.Request) (length int64, words url.Values, err error) {
	switch {
	case r.ContentLength != 0 && !isPart(r):
		return 0, nil, notAPart()
	case r.Header.Get("Upload-Defer-Length") != "":
		return 0, nil, fault.Invalid("Upload-Defer-Length", "Apple wants to know the length first: send Upload-Length")
	case r.Header.Get("Upload-Concat") != "":
		return 0, nil, fault.Invalid("Upload-Concat", "is not served: see Tus-Extension")
	}
	if length, err = whole(r, "Upload-Length"); err != nil {
		return 0, nil, err
	}
	if words, err = metadataWords(r.Header.Get("Upload-Metadata")); err != nil {
		return 0, nil, err
	}
	if said := words.Get("fileSize"); said != "" && said != strconv.FormatInt(length, 10) {
		return 0, nil, fault.Invalid("fileSize", "is not Upload-Length")
	}
	return length, words, nil
}

func isPart(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == tusType
}

func notAPart() error {
	return fault.New(
		fault.InvalidArgument,
		door.ReasonMediaType,
		"the body must be sent with Content-Type: %s",
		tusType,
	)
}

// whole reads a header that is a number of bytes.
func whole(r *http.Request, name string) (int64, error) {
	n, err := strconv.ParseUint(r.Header.Get(name), 10, 63)
	if err != nil {
		return 0, fault.Invalid(name, "want a number of bytes")
	}
	return int64(n), nil
}

// metadataWords reads Upload-Metadata: pairs of a key and its value in base64. The
// usual filename is fileName, and filetype is found out by the gateway.
func metadataWords(header string) (url.Values, error) {
	const name = "Upload-Metadata"
	if len(header) > tusMetadata {
		return nil, fault.Invalid(name, "is longer than %d bytes", tusMetadata)
	}
	words := url.Values{}
	for pair := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		text, err := base64.StdEncoding.DecodeString(value)
		switch {
		case key == "" && header != "" || err != nil:
			return nil, fault.Invalid(name, "want keys, each with its value in base64, and commas between them")
		case key == "" || key == "filetype":
			continue
		case key == "filename":
			key = "fileName"
		}
		words.Add(key, string(text))
	}
	return words, nil
}

// look tells the offset.
func (t tusFace) look(w http.ResponseWriter, r *http.Request, _ []byte) error {
	rec, err := t.uploads.Look(r.Context(), t.owner(r), r.PathValue("upload"))
	if err != nil {
		return err
	}
	w.Header().Set("Upload-Length", strconv.FormatInt(rec.Length, 10))
	if rec.Metadata != "" {
		w.Header().Set("Upload-Metadata", rec.Metadata)
	}
	t.tell(w, rec, http.StatusOK)
	return nil
}

// patch takes the bytes that come next.
func (t tusFace) patch(w http.ResponseWriter, r *http.Request, _ []byte) error {
	if !isPart(r) {
		return notAPart()
	}
	offset, err := whole(r, "Upload-Offset")
	if err != nil {
		return err
	}
	ctx, _, err := t.context(r, uploadsv1.UploadService_Upload_FullMethodName)
	if err != nil {
		return err
	}
	rec, err := t.uploads.Append(ctx, t.owner(r), r.PathValue("upload"), offset, newFlow(w, r))
	if err != nil {
		return err
	}
	t.tell(w, rec, http.StatusNoContent)
	return nil
}

// remove ends an upload.
func (t tusFace) remove(w http.ResponseWriter, r *http.Request, _ []byte) error {
	ctx, _, err := t.context(r, uploadsv1.UploadService_Upload_FullMethodName)
	if err != nil {
		return err
	}
	if err := t.uploads.Delete(ctx, t.owner(r), r.PathValue("upload")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// outcome answers with the result; 202 while there is none.
func (t tusFace) outcome(w http.ResponseWriter, r *http.Request, _ []byte) error {
	ctx, stream, err := t.context(r, uploadsv1.UploadService_Upload_FullMethodName)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	res, progress, err := t.uploads.Outcome(ctx, t.owner(r), r.PathValue("upload"))
	switch {
	case err != nil:
		return err
	case res != nil:
		return t.answer(w, r, stream, res, http.StatusOK)
	}
	w.Header().Set("Retry-After", "2")
	return t.answer(w, r, stream, progress, http.StatusAccepted)
}

// tell answers with how far an upload is.
func (t tusFace) tell(w http.ResponseWriter, rec *tus.Record, status int) {
	h := w.Header()
	h.Set("Upload-Offset", strconv.FormatInt(rec.Offset, 10))
	h.Set("Upload-Expires", rec.Expires.UTC().Format(http.TimeFormat))
	h.Set("Cache-Control", "no-store")
	if rec.Resource != "" {
		h.Set(ResourceHeader, rec.Resource)
	}
	if t.uploads.InMemory() {
		h.Set(StorageHeader, "memory")
	}
	w.WriteHeader(status)
}

// tusStatus is the HTTP status of a reason of tus's, 0 if it is none.
func tusStatus(reason string) int {
	switch reason {
	case tus.ReasonConflict, tus.ReasonElsewhere:
		return http.StatusConflict
	case tus.ReasonEnded:
		return http.StatusGone
	case tus.ReasonLocked:
		return http.StatusLocked
	case reasonTusVersion:
		return http.StatusPreconditionFailed
	}
	return 0
}
