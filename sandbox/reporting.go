package sandbox

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"
)

// reporting: analytics, from the request of a report to its segments.
func reporting() map[string]behavior {
	return map[string]behavior{
		"analyticsReportRequests": {
			unique:  [][]string{{"app", "accessType"}},
			seed:    cycle("accessType", "ONGOING"),
			created: reportsCreated,
		},
		"analyticsReports": {
			seed: each(
				cycle(
					"name",
					"App Downloads Standard",
					"App Sessions Standard",
					"App Store Discovery and Engagement Standard",
				),
				cycle("category", "COMMERCE", "APP_USAGE", "APP_STORE_ENGAGEMENT"),
			),
		},
		"analyticsReportSegments": {show: segmentShown},
	}
}

// reportsCreated gives a request its reports, each with an instance of one
// segment.
func reportsCreated(c *call, o *object) {
	o.attrs["stoppedDueToInactivity"] = false
	for range perType {
		report, instance, segment := c.s.spawn(
			"analyticsReports",
			c.now,
		), c.s.spawn(
			"analyticsReportInstances",
			c.now,
		), c.s.spawn(
			"analyticsReportSegments",
			c.now,
		)
		instance.attrs["granularity"], instance.attrs["processingDate"] = "DAILY", c.now.UTC().Format(time.DateOnly)
		c.s.store.link(o, "reports", report.id)
		c.s.store.link(report, "instances", instance.id)
		c.s.store.link(instance, "segments", segment.id)
	}
}

// segmentShown points to the segment's file on the sandbox itself, by a URL that
// is signed and needs no token.
func segmentShown(c *call, o *object) map[string]any {
	file := segmentFile(o.id)
	sum := md5.Sum(file)
	return map[string]any{"checksum": hex.EncodeToString(sum[:]), "sizeInBytes": len(file),
		"url": fmt.Sprintf("%s/_sandbox/files/%s?signature=%s", c.base, o.id, signature(o.id))}
}

func signature(id string) string {
	sum := md5.Sum([]byte("sandbox file " + id))
	return hex.EncodeToString(sum[:])
}

// segmentFile is a segment's table: tab-separated, compressed.
func segmentFile(id string) []byte {
	return compressed("Date\tApp Name\tApp Apple Identifier\tDownload Type\tCounts\n" +
		"2026-01-01\tTrail Mix\t1500004000\tFirst-time download\t" + fmt.Sprint(len(id)) +
		"\n2026-01-01\tTrail Mix\t1500004000\tRedownload\t7\n")
}

func compressed(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // a buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

// getFile serves a segment's file.
func (s *Sandbox) getFile(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s.mu.Lock()
	o := s.store.get("analyticsReportSegments", id)
	s.mu.Unlock()
	switch {
	case o == nil || r.URL.Query().Get("signature") != signature(id):
		http.Error(w, "no such file", http.StatusForbidden)
		return
	case r.Header.Get("Authorization") != "":
		http.Error(w, "the URL is signed already: send no Authorization", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/gzip")
	_, _ = w.Write(segmentFile(id)) // a caller that went away needs no answer
}
