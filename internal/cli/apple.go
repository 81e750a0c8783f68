package cli

import (
	"net/url"
	"strings"
)

// queryArgs makes arguments of a query in Apple's own syntax:
// filter[app]=1&limit=5.
func queryArgs(query string) (args []string, err error) {
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(k)
		if err != nil || name == "" {
			return nil, usagef("%s: the query is malformed", clip(part))
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return nil, usagef("%s: the value is malformed", clip(name))
		}
		args = append(args, name+"="+value)
	}
	return args, nil
}
