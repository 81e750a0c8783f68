package rest

import (
	"maps"

	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

// once leaves each error of Apple's in a status one time. The status begins with
// an ErrorInfo of what decided the code; the same error's own ErrorInfo becomes
// part of it. Equal details are told one time.
func once(s *spb.Status) *spb.Status {
	var head *errdetails.ErrorInfo
	seen := map[string]bool{}
	kept := make([]*anypb.Any, 0, len(s.GetDetails()))
	for _, d := range s.GetDetails() {
		info := &errdetails.ErrorInfo{}
		switch err := d.UnmarshalTo(info); {
		case err != nil: // another kind of detail
		case head == nil:
			head = info
		case head.GetDomain() == service.AppleDomain && info.GetReason() == head.GetReason() &&
			info.GetMetadata()["primary"] == "true":
			metadata := info.GetMetadata()
			delete(metadata, "primary")
			maps.Copy(metadata, head.GetMetadata())
			head.Metadata = metadata
			if joined, err := anypb.New(head); err == nil {
				kept[0] = joined
				continue
			}
		}
		if key := d.GetTypeUrl() + " " + string(d.GetValue()); !seen[key] {
			seen[key] = true
			kept = append(kept, d)
		}
	}
	s.Details = kept
	return s
}
