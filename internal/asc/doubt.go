package asc

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// maxDoubts is how often a read is sent again whose 404 is not believed.
const maxDoubts = 2

// doubtful are the resources whose reads Apple answers now and then with a 404
// that names another one, which is there (fastlane #29908, rorkai
// App-Store-Connect-CLI #2544).
var doubtful = []string{"buildUploads", "buildUploadFiles"}

// missing reads the detail of a NOT_FOUND error.
var missing = regexp.MustCompile(`There is no resource of type '([A-Za-z0-9]{1,64})' with id '([A-Za-z0-9._-]{1,128})'`)

// doubts are what has become of a call's 404s.
type doubts struct {
	n     int
	there bool // the resource that the first one named was found
}

// again says whether a 404 is of the random kind: the resource that it says is
// missing is another than the one asked for, and a read of that one finds it.
// The read is made once a call.
func (d *doubts) again(ctx context.Context, c *Client, call *Call, o outcome, spent *Spent) bool {
	kind, id := d.named(call, o)
	if kind == "" || d.n == maxDoubts {
		return false
	}
	if d.n++; d.there {
		return true
	}
	_, err := c.Do(ctx, &Call{Team: call.Team, Operation: "parent of " + call.Operation, Method: http.MethodGet,
		Template: "/v1/" + kind + "/{id}", Path: "/v1/" + kind + "/" + url.PathEscape(id), Spent: spent})
	d.there = err == nil
	return d.there
}

// named is the resource that a 404 says is missing, "" where the 404 is to be
// believed.
func (*doubts) named(call *Call, o outcome) (kind, id string) {
	if o.status != http.StatusNotFound || call.Method != http.MethodGet {
		return "", ""
	}
	segments := strings.Split(call.Template, "/")
	if !slices.ContainsFunc(doubtful, func(s string) bool { return slices.Contains(segments, s) }) {
		return "", ""
	}
	up := fault.As(o.err).Upstream
	if up == nil || len(up.Errors) != 1 {
		return "", ""
	}
	found := missing.FindStringSubmatch(up.Errors[0].Detail)
	if found == nil || slices.Contains(doubtful, found[1]) || found[2] == "." || found[2] == ".." {
		return "", ""
	}
	return found[1], found[2]
}
