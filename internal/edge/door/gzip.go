package door

import (
	"net/http"
	"strconv"
	"strings"
)

// Gzip says whether the caller takes gzip: it is named, and not with weight 0
// (RFC 9110, 12.5.3).
func Gzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		_, q, given := strings.Cut(weight, "=")
		n, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
		return !given || err == nil && n > 0
	}
	return false
}
