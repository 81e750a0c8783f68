package door

import (
	"net/http"
	"time"
)

// writeTime is how long a reader may stand still.
const writeTime = 30 * time.Second

// Patient is a writer whose reader must not stand still: HTTP/2 has windows of
// its own for each stream, of which the connection's deadline knows nothing. end
// is called after the last write.
func Patient(w http.ResponseWriter, r *http.Request) (_ http.ResponseWriter, end func()) {
	if r.ProtoMajor < 2 { // the connection bounds each write
		return w, func() {}
	}
	p := &patient{ResponseWriter: w, control: http.NewResponseController(w)}
	return p, func() { _ = p.control.SetWriteDeadline(time.Time{}) }
}

type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements [http.ResponseWriter].
func (p *patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}

// Unwrap lets [http.ResponseController] through.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
