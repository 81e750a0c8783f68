package uploads

import "github.com/asc-gateway/asc-gateway/internal/fault"

// Final says whether an upload that ended with this error can never go on.
func Final(err error) bool {
	reason := fault.As(err).Reason
	return useless[reason] || reason == ReasonGone || reason == ReasonToken
}
