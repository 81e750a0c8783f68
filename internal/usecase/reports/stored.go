package reports

import (
	"context"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/kept"
)

// settled is how long after its publication a report that Apple does not have is
// taken not to come any more: Apple publishes late at times.
const settled = 7 * 24 * time.Hour

// fetch fetches the file of a span. That of what is published never changes, and may
// be kept; and so may that there is none.
func (r *series) fetch(ctx context.Context, of span) *download {
	now := r.service.Now()
	if !r.keep || now.Before(of.due) {
		return fetch(ctx, r.open(of))
	}
	mark := &kept.Mark{Absent: now.After(of.due.Add(settled))}
	d := fetch(kept.NewContext(ctx, mark), r.open(of))
	d.mark = mark
	return d
}
