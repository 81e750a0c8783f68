package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// uploadLife is how long upload operations work. Apple: uploading assets to App
// Store Connect.
const uploadLife = 7 * 24 * time.Hour

// reserve gives an object that has a file its upload operations, on the sandbox
// itself. Which types have one is known by their attribute uploadOperations.
func (c *call) reserve(o *object) {
	spec := c.s.facts.attr(o.typ, "uploadOperations")
	if spec == nil {
		return
	}
	length := fileSize(o)
	end := c.now.Add(uploadLife)
	o.upload = &upload{secret: c.s.store.newID("")}
	item := c.s.facts.resolve(spec.Items)
	var operations []any
	for offset := int64(0); offset < length; offset += c.s.cfg.PartBytes {
		p := part{offset: offset, length: min(c.s.cfg.PartBytes, length-offset)}
		o.upload.parts = append(o.upload.parts, p)
		n := len(o.upload.parts)
		operation := map[string]any{
			"method": http.MethodPut, "offset": p.offset, "length": p.length,
			"url": fmt.Sprintf("%s/_sandbox/upload/%s/%s/%d?Expires=%d&signature=%s",
				c.base, o.typ, o.id, n, end.Unix(), o.upload.secret),
			"requestHeaders": []any{map[string]any{"name": "Content-Type", "value": "application/octet-stream"}},
		}
		if item.field("partNumber") != nil {
			operation["partNumber"], operation["expiration"] = n, stamp(end)
		}
		operations = append(operations, operation)
	}
	o.attrs["uploadOperations"] = operations
	c.fileState(o, "AWAITING_UPLOAD", nil)
	c.at(end, o, "upload expires", nil)
}

// uploadExpires ends an upload that nobody has committed in time.
func uploadExpires(c *call, o *object, _ map[string]any) error {
	c.release(o)
	return nil
}

// release forgets the bytes of an object's upload.
func (c *call) release(o *object) {
	if o.upload != nil {
		c.s.store.bytes -= o.upload.size()
		o.upload = nil
	}
}

// fileSize is that of an object's file in bytes, 0 if it has none.
func fileSize(o *object) int64 {
	size, _ := o.attrs["fileSize"].(json.Number)
	n, err := size.Int64()
	if err != nil {
		return 0
	}
	return n
}

// putPart takes a part of an upload. It wants no token: as with Apple's hosts,
// one that is sent all the same is an error.
func (s *Sandbox) putPart(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.happen(s.clock.now(s.cfg.Now()))
	_, i, ok := s.part(r)
	length := int64(0)
	if ok {
		length = s.store.get(r.PathValue("type"), r.PathValue("id")).upload.parts[i].length
	}
	s.mu.Unlock()
	switch {
	case !ok:
		http.Error(w, "no such upload, or none any more", http.StatusForbidden)
		return
	case r.Header.Get("Authorization") != "":
		http.Error(w, "the URL is signed already: send no Authorization", http.StatusBadRequest)
		return
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, length)); err != nil || int64(b.Len()) != length {
		http.Error(w, fmt.Sprintf("want %d bytes", length), http.StatusBadRequest)
		return
	}
	if status, err := s.keepPart(r, b.Bytes()); err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	w.Header().Set("ETag", `"`+md5Of(b.Bytes())+`"`)
	w.WriteHeader(http.StatusOK)
}

// keepPart puts a part in its place, unless the upload has ended meanwhile.
func (s *Sandbox) keepPart(r *http.Request, data []byte) (status int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, i, ok := s.part(r)
	if !ok {
		return http.StatusForbidden, errors.New("no such upload any more")
	}
	if s.store.bytes+int64(len(data)) > maxUploadsBytes {
		return http.StatusServiceUnavailable, errors.New("no room")
	}
	s.store.bytes -= o.upload.size()
	err = o.upload.take(i, data)
	s.store.bytes += o.upload.size()
	if err != nil {
		return http.StatusConflict, err
	}
	if operations, _ := o.attrs["uploadOperations"].([]any); i < len(operations) {
		if operation, _ := operations[i].(map[string]any); operation["partNumber"] != nil {
			operation["entityTag"] = md5Of(data)
		}
	}
	return 0, nil
}

// part finds what an upload's URL names: the object, and the index of its part.
func (s *Sandbox) part(r *http.Request) (o *object, i int, ok bool) {
	o = s.store.get(r.PathValue("type"), r.PathValue("id"))
	n, err := strconv.Atoi(r.PathValue("part"))
	if o == nil || o.upload == nil || err != nil || n < 1 || n > len(o.upload.parts) ||
		r.URL.Query().Get("signature") != o.upload.secret {
		return nil, 0, false
	}
	return o, n - 1, true
}
