package asc

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// codeRow says what an error of Apple's means. The row with the longest prefix of
// the error's code decides, among those whose conditions hold; of rows with one
// prefix, the one with conditions.
type codeRow struct {
	prefix    string
	status    int  // of the error, 0: any
	noPointer bool // only of an error that names no field and no parameter
	kind      fault.Kind
	source    string // where it was seen
}

// codeRows is the table. docs/errors.md shows it; a test holds the two together.
var codeRows = []codeRow{
	{"NOT_AUTHORIZED", 0, false, fault.FailedPrecondition, "Apple: generating tokens; it is the gateway's key"},
	{"FORBIDDEN", 0, false, fault.PermissionDenied, "AvdLee/appstoreconnect-swift-sdk #101"},
	{"FORBIDDEN.REQUIRED_AGREEMENTS", 0, false, fault.FailedPrecondition,
		"rorkai/App-Store-Connect-CLI #2124; SharezoneApp #1981"},
	{"FORBIDDEN_ERROR", 0, false, fault.PermissionDenied, "Apple: about the HTTP status codes"},
	{"FORBIDDEN_ERROR.PLA_NOT_ACCEPTED", 0, false, fault.FailedPrecondition, "Cap-go/capgo.app #2541"},
	{"NOT_FOUND", 0, false, fault.NotFound, "Apple: about the HTTP status codes"},
	{"PATH_ERROR", 0, false, fault.NotFound, "public recordings"},
	{"METHOD_NOT_ALLOWED", 0, false, fault.Unimplemented, "public recordings"},
	{"PARAMETER_ERROR", 0, false, fault.InvalidArgument, "Apple: parsing the error response code"},
	{"PARAMETER_ERROR.DUPLICATE", 0, false, fault.InvalidArgument, "a next link whose parameters were sent again"},
	{"ENTITY_ERROR", 0, false, fault.InvalidArgument, "Apple: parsing the error response code"},
	{"ENTITY_ERROR", http.StatusConflict, true, fault.FailedPrecondition, "a conflict that names no field"},
	{"ENTITY_ERROR.ALREADY_EXISTS", 0, false, fault.AlreadyExists, "sibling of the attribute's"},
	{"ENTITY_ERROR.DUPLICATE", 0, false, fault.AlreadyExists, "sibling of the attribute's"},
	{"ENTITY_ERROR.INCLUDED", 0, false, fault.InvalidArgument, "public recordings: INVALID_ID"},
	{"ENTITY_ERROR.ATTRIBUTE", 0, false, fault.InvalidArgument,
		"Apple: REQUIRED, INVALID, TYPE; public recordings: TOO_LONG, UNKNOWN"},
	{"ENTITY_ERROR.ATTRIBUTE.ALREADY_EXISTS", 0, false, fault.AlreadyExists, "sibling of the next"},
	{"ENTITY_ERROR.ATTRIBUTE.DUPLICATE", 0, false, fault.AlreadyExists, "sibling of the next"},
	{"ENTITY_ERROR.ATTRIBUTE.INVALID.ALREADY_EXISTS", 0, false, fault.AlreadyExists, "public recordings"},
	{"ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE", 0, false, fault.AlreadyExists,
		"rorkai/App-Store-Connect-CLI #2579; also DIFFERENT_ACCOUNT, SAME_ACCOUNT"},
	{"ENTITY_ERROR.ATTRIBUTE.INVALID.INVALID_STATE", 0, false, fault.FailedPrecondition,
		"seen live: a name changed while the version is pending release"},
	{"ENTITY_ERROR.RELATIONSHIP", 0, false, fault.InvalidArgument,
		"rorkai/App-Store-Connect-CLI #2579: INVALID; public recordings: UNKNOWN, REQUIRED"},
	{"ENTITY_ERROR.RELATIONSHIP.ALREADY_EXISTS", 0, false, fault.AlreadyExists, "sibling of the attribute's"},
	{"ENTITY_ERROR.RELATIONSHIP.DUPLICATE", 0, false, fault.AlreadyExists, "sibling of the attribute's"},
	{"ENTITY_ERROR.RELATIONSHIP.INVALID.ALREADY_EXISTS", 0, false, fault.AlreadyExists, "sibling of the attribute's"},
	{"ENTITY_ERROR.RELATIONSHIP.INVALID.DUPLICATE", 0, false, fault.AlreadyExists, "sibling of the attribute's"},
	{"ENTITY_ERROR.RELATIONSHIP.INVALID.INVALID_STATE", 0, false, fault.FailedPrecondition, "sibling of the attribute's"},
	{"ENTITY_ERROR.RELATIONSHIP.REQUIRED", http.StatusConflict, true, fault.FailedPrecondition,
		"an empty review submission that is submitted"},
	{"ENTITY_UNPROCESSABLE", 0, false, fault.FailedPrecondition,
		"metasequoiaime/MSIME-Apple #518; codemagic-ci-cd/cli-tools #347; rorkai/App-Store-Connect-CLI #2595"},
	{"ENTITY_UNPROCESSABLE.ANOTHER_BUILD_IN_REVIEW", 0, false, fault.FailedPrecondition, "public scripts that match it"},
	{"ENTITY_UNPROCESSABLE.BETA_CONTRACT_MISSING", 0, false, fault.FailedPrecondition, "Apple's forum, thread 814565"},
	{"ENTITY_UNPROCESSABLE.BUILD_SDK_NOT_ALLOWED_FOR_EXTERNAL_TESTING", 0, false, fault.FailedPrecondition,
		"public notes of a release"},
	{"IAP_SUBMISSION_NOT_ALLOWED", 0, false, fault.FailedPrecondition, "public notes: MISSING_PRICING_DATA"},
	{"STATE_ERROR", 0, false, fault.FailedPrecondition, "cidertool/cider #30; codemagic-ci-cd/cli-tools #85"},
	{"STATE_ERROR.ENTITY_STATE_INVALID", 0, false, fault.FailedPrecondition, "public recordings, with 409 and 422"},
	{"STATE_ERROR.ITEM_PART_OF_ANOTHER_SUBMISSION", 0, false, fault.FailedPrecondition,
		"reviewSubmissionItems, in associatedErrors"},
	{"STATE_ERROR.SCREENSHOT_REQUIRED", 0, false, fault.FailedPrecondition,
		"codemagic-ci-cd/cli-tools #85, in associatedErrors"},
	{"RATE_LIMIT", 0, false, fault.ResourceExhausted, "Apple: identifying rate limits"},
	{"UNEXPECTED_ERROR", 0, false, fault.Unavailable, "Apple: about the HTTP status codes"},
	{"", http.StatusUnprocessableEntity, true, fault.FailedPrecondition, "a 422 that names no field"},
}

// statusKinds are for errors whose code has no row, and answers without errors.
var statusKinds = map[int]fault.Kind{
	400: fault.InvalidArgument, 401: fault.FailedPrecondition, 402: fault.FailedPrecondition, 403: fault.PermissionDenied,
	404: fault.NotFound,
	405: fault.Unimplemented,
	406: fault.InvalidArgument,
	408: fault.Unavailable,
	409: fault.FailedPrecondition,
	410: fault.NotFound, 412: fault.FailedPrecondition, 413: fault.InvalidArgument, 414: fault.InvalidArgument,
	415: fault.InvalidArgument, 422: fault.InvalidArgument, 429: fault.ResourceExhausted,
}

// importance orders the kinds of an answer's errors: the first that one of them
// has is the answer's. What stands earlier must be settled first, or tells the
// caller more: a wrong field beside a duplicate often is wrong because of it.
var importance = []fault.Kind{
	fault.ResourceExhausted, fault.PermissionDenied, fault.AlreadyExists, fault.FailedPrecondition, fault.NotFound,
	fault.InvalidArgument, fault.Unimplemented, fault.Unavailable, fault.Internal,
}

func kindOfStatus(status int) fault.Kind {
	kind, ok := statusKinds[status]
	switch {
	case ok:
		return kind
	case status >= 500, status >= 300 && status < 400: // a redirect is not followed
		return fault.Unavailable
	}
	return fault.Internal
}

// fits says whether the row is about an error of that HTTP status.
func (r *codeRow) fits(e *fault.APIError, status int) bool {
	return strings.HasPrefix(e.Code, r.prefix) &&
		(r.status == 0 || r.status == status) &&
		!(r.noPointer && e.Pointer+e.Parameter != "")
}

// kindOf is what an error of an answer means by itself.
func kindOf(e *fault.APIError, status int) fault.Kind {
	if own, err := strconv.Atoi(e.Status); err == nil && own >= 400 && own < 600 {
		status = own
	}
	kind, best := kindOfStatus(status), -1
	for _, row := range codeRows {
		conditional := row.status != 0 || row.noPointer // wins over a row of the same prefix
		if row.fits(e, status) && (len(row.prefix) > best || len(row.prefix) == best && conditional) {
			kind, best = row.kind, len(row.prefix)
		}
	}
	return kind
}

// kinds notes the kind of every error. One that is due to others, of other
// resources, is about their state: the same request is right once they are
// mended.
func kinds(errs []fault.APIError, status int) {
	for i := range errs {
		e := &errs[i]
		e.Kind = kindOf(e, status)
		for _, others := range e.Associated {
			kinds(others, status)
			if len(others) > 0 && e.Kind == fault.InvalidArgument {
				e.Kind = fault.FailedPrecondition
			}
		}
	}
}

// classify finds the kind of an error answer by all of its errors, else by the
// HTTP status.
func classify(up *fault.Upstream) *fault.Error {
	status := up.HTTPStatus
	kinds(up.Errors, status)
	kind := kindOfStatus(status)
	reason, message := defaultReason(status), "App Store Connect answered with HTTP status "+http.StatusText(status)
	if len(up.Errors) > 0 {
		rank := func(e fault.APIError) int { return slices.Index(importance, e.Kind) }
		for i, e := range up.Errors {
			if rank(e) < rank(up.Errors[up.Primary]) {
				up.Primary = i
			}
		}
		primary := up.Errors[up.Primary]
		kind = primary.Kind
		if primary.Code != "" {
			reason, message = primary.Code, describe(primary)
		}
	}
	switch status {
	case http.StatusTooManyRequests:
		kind = fault.ResourceExhausted
	case http.StatusUnauthorized:
		kind, reason = fault.FailedPrecondition, fault.ReasonUpstreamCredentials
		message = "App Store Connect refuses the gateway's key: whoever runs the gateway must look"
	}
	f := fault.New(kind, reason, "%s", message)
	f.Upstream = up
	return f
}
