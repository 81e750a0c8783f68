package sandbox

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// uploadLife is how long upload operations work.
const uploadLife = 4 * time.Hour

// upload is a file on its way: parts arrive in any order, without a token.
type upload struct {
	secret string // in the URLs
	parts  []part
}

type part struct {
	offset, length int64
	data           []byte // nil until it is there
}

func (u *upload) size() (n int64) {
	for _, p := range u.parts {
		n += int64(len(p.data))
	}
	return n
}

// reserve gives an object that has a file its upload operations, on the sandbox
// itself. Which types have one is known by their attribute uploadOperations.
func (c *call) reserve(o *object) {
	spec := c.s.facts.attr(o.typ, "uploadOperations")
	if spec == nil {
		return
	}
	length := fileSize(o)
	o.upload = &upload{secret: c.s.store.newID("")}
	item := c.s.facts.resolve(spec.Items)
	var operations []any
	for offset := int64(0); offset < length; offset += c.s.cfg.PartBytes {
		p := part{offset: offset, length: min(c.s.cfg.PartBytes, length-offset)}
		o.upload.parts = append(o.upload.parts, p)
		n := len(o.upload.parts)
		operation := map[string]any{
			"method": http.MethodPut, "offset": p.offset, "length": p.length,
			"url": fmt.Sprintf(
				"%s/_sandbox/upload/%s/%s/%d?signature=%s",
				c.base,
				o.typ,
				o.id,
				n,
				o.upload.secret,
			),
			"requestHeaders": []any{map[string]any{"name": "Content-Type", "value": "application/octet-stream"}},
		}
		if item.field("partNumber") != nil {
			operation["partNumber"], operation["expiration"] = n, stamp(c.now.Add(uploadLife))
		}
		operations = append(operations, operation)
	}
	o.attrs["uploadOperations"] = operations
	c.s.deliver(o, "AWAITING_UPLOAD", nil)
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
	p, ok := s.part(r)
	s.mu.Unlock()
	switch {
	case !ok:
		http.Error(w, "no such upload", http.StatusForbidden)
		return
	case r.Header.Get("Authorization") != "":
		http.Error(w, "the URL is signed already: send no Authorization", http.StatusBadRequest)
		return
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, p.length)); err != nil || int64(b.Len()) != p.length {
		http.Error(w, fmt.Sprintf("want %d bytes", p.length), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.store.get(r.PathValue("type"), r.PathValue("id"))
	if o == nil || o.upload == nil || s.store.bytes+p.length > maxUploadsBytes {
		http.Error(w, "no room", http.StatusServiceUnavailable)
		return
	}
	n, _ := strconv.Atoi(r.PathValue("part")) // part has read it
	at := &o.upload.parts[n-1]
	s.store.bytes += p.length - int64(len(at.data))
	at.data = b.Bytes()
	sum := md5.Sum(at.data)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
	w.WriteHeader(http.StatusOK)
}

// part finds what an upload's URL names.
func (s *Sandbox) part(r *http.Request) (part, bool) {
	o := s.store.get(r.PathValue("type"), r.PathValue("id"))
	n, err := strconv.Atoi(r.PathValue("part"))
	if o == nil || o.upload == nil || err != nil || n < 1 || n > len(o.upload.parts) ||
		r.URL.Query().Get("signature") != o.upload.secret {
		return part{}, false
	}
	return o.upload.parts[n-1], true
}

// commit follows {uploaded: true}: the delivery completes after a while, if all
// is there and has the checksum said.
func (c *call) commit(o *object) {
	u := o.upload
	if u == nil {
		return
	}
	o.upload = nil
	c.s.store.bytes -= u.size()
	delete(o.attrs, "uploadOperations")
	if problem := u.problem(checksum(o)); problem != "" {
		c.s.deliver(o, "FAILED", []any{map[string]any{"code": problem, "description": "The file could not be taken."}})
		return
	}
	c.s.deliver(o, "UPLOAD_COMPLETE", nil)
	c.after(c.s.cfg.Times.Upload, o, "delivered", nil)
}

// delivered ends the upload of a file.
func (c *call) delivered(o *object) {
	c.s.deliver(o, "COMPLETE", nil)
	if b := c.s.behaviors[o.typ]; b.delivered != nil {
		b.delivered(c, o)
	}
}

// problem is Apple's code for what is wrong with the bytes, "" if nothing is.
func (u *upload) problem(want string) string {
	h := md5.New()
	for _, p := range u.parts {
		if p.data == nil {
			return "FILE_INCOMPLETE"
		}
		h.Write(p.data)
	}
	if want != "" && !strings.EqualFold(want, hex.EncodeToString(h.Sum(nil))) {
		return "FILE_CHECKSUM_MISMATCH"
	}
	return ""
}

// checksum is the MD5 sum that was said for a file, in one of two ways.
func checksum(o *object) string {
	if sum := o.text("sourceFileChecksum"); sum != "" {
		return sum
	}
	sums, _ := o.attrs["sourceFileChecksums"].(map[string]any)
	file, _ := sums["file"].(map[string]any)
	sum, _ := file["hash"].(string)
	return sum
}

// refuseSHA refuses checksums at the commit that are not MD5.
func refuseSHA(_ *call, o, old *object) []apiError {
	sums, _ := o.attrs["sourceFileChecksums"].(map[string]any)
	file, _ := sums["file"].(map[string]any)
	if old == nil || file["algorithm"] != "SHA_256" {
		return nil
	}
	return []apiError{
		{
			Status:  409,
			Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
			Title:   "The provided entity includes an attribute with an invalid value",
			Detail:  "SHA_256 is not supported here",
			Pointer: "/data/attributes/sourceFileChecksums",
		},
	}
}

// deliver sets the state of a file in all the ways in which views show it.
func (s *Sandbox) deliver(o *object, state string, errs []any) {
	for _, name := range []string{"assetDeliveryState", "videoDeliveryState"} {
		if s.facts.attr(o.typ, name) != nil {
			o.attrs[name] = map[string]any{"state": state, "errors": append([]any{}, errs...), "warnings": []any{}}
		}
	}
	a := s.facts.attr(o.typ, "state")
	if a == nil {
		return
	}
	states := s.facts.enum(s.facts.resolve(a).Enum)
	if state == "COMPLETE" { // of images: what comes next is their review
		state = "PREPARE_FOR_SUBMISSION"
	}
	if slices.Contains(states, "AWAITING_UPLOAD") && slices.Contains(states, state) {
		o.attrs["state"] = state
	}
}
