package rest

import (
	"net/http"
	"strconv"

	filesv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/proto"
)

// download serves the file behind a field of a resource.
func (h *Handler) download(w http.ResponseWriter, r *http.Request, _ []byte) error {
	const method = filesv1.FileService_DownloadFile_FullMethodName
	req := &filesv1.DownloadFileRequest{Type: r.PathValue("type"), Id: r.PathValue("id"), Field: r.PathValue("field")}
	for name, values := range r.URL.Query() {
		n, err := strconv.ParseInt(values[0], 10, 32)
		switch {
		case name != "index":
			return fault.Invalid(name, "no such parameter")
		case err != nil || len(values) > 1:
			return fault.Invalid(name, "want one whole number")
		}
		req.Index = int32(n)
	}
	ctx, _, err := h.context(r, method)
	if err != nil {
		return err
	}
	begun := false
	err = h.backend.Stream(ctx, method, req, func(m proto.Message) error {
		p := m.(*filesv1.DownloadFileResponse)
		info := p.GetInfo()
		if info == nil {
			_, err := w.Write(p.GetData())
			return err
		}
		begun = true
		describe(w, service.FileOf(info))
		return nil
	})
	if err != nil && begun {
		h.broke(ctx, method, err)
	}
	return err
}
