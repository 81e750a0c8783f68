package rest

import (
	"net/http"

	"github.com/asc-gateway/asc-gateway/internal/edge/conns"
	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/overload"
)

// Pages serves GET on the patterns ("/docs/{name}") without asking who calls:
// what is served must be public. It shares the room of health probes, by
// address, and takes no body. It is called before the handler serves.
func (h *Handler) Pages(pages http.Handler, patterns ...string) {
	for _, pattern := range patterns {
		h.pages["GET "+pattern] = true
		h.mux.Handle("GET "+pattern, pages)
	}
}

func (h *Handler) isPage(r *http.Request) bool {
	_, pattern := h.mux.Handler(r)
	return h.pages[pattern]
}

// page serves a page. It is refused only for where it comes from, for what it
// brings, and when there is no room.
func (h *Handler) page(w http.ResponseWriter, r *http.Request) {
	slot, err := h.enterPage(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	defer slot.Leave()
	w, end := door.Patient(w, r)
	defer end()
	_, pattern := h.mux.Handler(r)
	Name(w, r, "GET", pattern[len("GET "):])
	h.mux.ServeHTTP(w, r)
}

func (h *Handler) enterPage(r *http.Request) (overload.Slot, error) {
	if err := door.CheckPath(r); err != nil {
		return overload.Slot{}, err
	}
	if err := door.CheckPage(r, h.backend.Anonymous()); err != nil {
		return overload.Slot{}, err
	}
	if r.ContentLength != 0 {
		return overload.Slot{}, fault.New(
			fault.InvalidArgument,
			fault.ReasonInvalidRequest,
			"%s takes no body here",
			r.Method,
		)
	}
	return h.limits.Enter(overload.Probes, conns.Host(r.Context()), 1)
}
