package uploads

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/transfer"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Bounds of what Apple asks for.
const (
	operationsMost = 100_000
	// partBuffered is the largest part that is kept until Apple has it, so that it
	// can be sent again. A larger one passes through, and is sent once.
	partBuffered = 16 << 20
)

// operation is one part of a file, and where it is sent.
type operation struct {
	transfer.Part
	offset int64
}

func (o *operation) end() int64 { return o.offset + o.Length }

// operationsOf reads the parts that Apple wants, in the order of the file, and when
// the first of them expires. They must be the file, each byte once.
func operationsOf(r protoreflect.Message, size int64) (list []operation, expires time.Time, err error) {
	fd := r.Descriptor().Fields().ByName("upload_operations")
	l := r.Get(fd).List()
	if l.Len() > operationsMost {
		return nil, expires, failed(ReasonOperations, "Apple wants %d parts: more than %d", l.Len(), operationsMost)
	}
	for i := range l.Len() {
		m := l.Get(i).Message()
		o := operation{offset: number(m, "offset"), Part: transfer.Part{Method: text(m, "method"), URL: text(m, "url"),
			Length: number(m, "length")}}
		headers := m.Get(m.Descriptor().Fields().ByName("request_headers")).List()
		for j := range headers.Len() {
			h := headers.Get(j).Message()
			o.Headers = append(o.Headers, transfer.Header{Name: text(h, "name"), Value: text(h, "value")})
		}
		list = append(list, o)
		if t := expiryOf(m, o.URL); !t.IsZero() && (expires.IsZero() || t.Before(expires)) {
			expires = t
		}
	}
	slices.SortFunc(list, func(a, b operation) int { return cmp.Compare(a.offset, b.offset) })
	end := int64(0)
	for _, o := range list {
		if o.offset != end || o.Length <= 0 {
			return nil, expires, failed(ReasonOperations, "Apple's parts do not follow each other: one begins at byte %d, want %d",
				o.offset, end)
		}
		end = o.end()
	}
	if end != size {
		return nil, expires, failed(ReasonOperations, "Apple wants %d bytes of a file of %d", end, size)
	}
	return list, expires, nil
}

// expiryOf is when an operation ends: it says so, or its URL does, in seconds of
// Unix time. The zero time: it is not told.
func expiryOf(m protoreflect.Message, link string) time.Time {
	if fd := m.Descriptor().Fields().ByName("expiration"); fd != nil && m.Has(fd) {
		if t, ok := m.Get(fd).Message().Interface().(*timestamppb.Timestamp); ok {
			return t.AsTime()
		}
	}
	u, err := url.Parse(link)
	if err != nil {
		return time.Time{}
	}
	if n, err := strconv.ParseInt(u.Query().Get("Expires"), 10, 64); err == nil && n > 0 {
		return time.Unix(n, 0)
	}
	return time.Time{}
}
