package jsonapi

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// timeLayouts are the forms of date-times seen in live answers, the common
// ones first. Fractions of a second are accepted by all of them.
var timeLayouts = [...]string{
	time.RFC3339,               // 2021-01-28T06:01:32-08:00, …745Z
	"2006-01-02T15:04:05Z0700", // 2020-08-04T11:44:12.000+0000
	"2006-01-02T15:04:05",      // no zone: UTC
	"2006-01-02T15:04Z07:00",
}

// parseDate reads a date as its midnight in UTC.
func parseDate(s string) (*timestamppb.Timestamp, bool) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return nil, false
	}
	ts := timestamppb.New(t)
	return ts, ts.IsValid()
}

// parseTime reads a date-time in any of Apple's forms. A date alone is none: it
// names no instant.
func parseTime(s string) (*timestamppb.Timestamp, bool) {
	if len(s) > 40 {
		return nil, false
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			ts := timestamppb.New(t)
			return ts, ts.IsValid()
		}
	}
	return nil, false
}

// appendTime writes a date-time as Apple takes it.
func appendTime(b []byte, ts *timestamppb.Timestamp) []byte {
	b = append(b, '"')
	b = ts.AsTime().UTC().AppendFormat(b, "2006-01-02T15:04:05.999999999Z07:00")
	return append(b, '"')
}
