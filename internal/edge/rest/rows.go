package rest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/rows"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// rowsOf is the format of rows that a caller asks for.
func rowsOf(r *http.Request) rows.Format {
	accept := r.Header.Get("Accept")
	for _, f := range rows.Formats {
		if strings.Contains(accept, f.ContentType) {
			return f
		}
	}
	return rows.NDJSON
}

// leftOutTrailer tells after the rows how many of other apps are not among them.
const leftOutTrailer = "Asc-Left-Out"

// report writes each row of a stream of reports. An error that comes later is a last
// line with the member error; where the format has no place for one, the connection
// is cut.
func (h *Handler) report(
	ctx context.Context, w http.ResponseWriter, fullMethod string, req proto.Message, as rows.Format,
) error {
	begun := false
	begin := func() {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", as.ContentType)
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusOK)
		}
	}
	out := rows.New(as, w)
	err := h.backend.Stream(ctx, fullMethod, req, func(m proto.Message) error {
		begin()
		if err := out.Write(m); err != nil {
			return err
		}
		return http.NewResponseController(w).Flush()
	})
	if err != nil && !begun {
		return err
	}
	begin()
	if err == nil {
		err = out.Close()
	}
	if err == nil {
		if n := out.LeftOut(); n > 0 {
			w.Header().Set(http.TrailerPrefix+leftOutTrailer, strconv.FormatInt(n, 10))
		}
		return nil
	}
	h.log.WarnContext(ctx, "a report broke off", "method", fullMethod, "reason", fault.As(err).Reason)
	if as == rows.NDJSON {
		if b, merr := protojson.Marshal(once(service.FullStatus(err).Proto())); merr == nil {
			_, _ = w.Write(slices.Concat([]byte(`{"error":`), b, []byte("}\n"))) // a caller that went away needs none
		}
		return nil
	}
	panic(http.ErrAbortHandler) // the caller must not take it for whole
}
