package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/near"
)

// Set is a built-in named set of methods, derived from the descriptors.
type Set struct {
	Name, About string
	has         func(*access.Method) bool
}

// Sets are the built-in sets. Every method is in read or in write.
var Sets = []Set{
	{"read", "changes nothing", func(m *access.Method) bool { return m.Verb == "GET" }},
	{"write", "all the others", func(m *access.Method) bool { return m.Verb != "GET" }},
	{"destructive", "deletes, removes or replaces what is there", destructive},
	{"revenue", "prices, purchases, subscriptions, offers, and what was earned", revenue},
	{"reports", "reports of sales, finance, analytics, performance and diagnostics, but no personal ones", reporting},
	{"personal", "what tells of single people: reports of subscribers, and the feedback of testers", personal},
	{"access", "users, invitations, webhooks, and tokens of Apple's: ways in and out", entry},
}

func destructive(m *access.Method) bool {
	if m.Verb == "DELETE" {
		return true
	}
	switch m.Shape {
	case optionsv1.Shape_SHAPE_REPLACE_TO_MANY_RELATIONSHIP, optionsv1.Shape_SHAPE_UPDATE_TO_ONE_RELATIONSHIP:
		return true
	}
	switch m.Type {
	case "endAppAvailabilityPreOrders", "sandboxTestersClearPurchaseHistoryRequest":
		return m.Verb != "GET"
	}
	return false
}

func revenue(m *access.Method) bool {
	if m.Area == "commerce" {
		return true
	}
	return root(m) == "salesReports" || root(m) == "financeReports" || m.Own && m.Area == "reports" &&
		slices.ContainsFunc([]string{"/StreamSalesReport", "/StreamFinanceReport", subscribers},
			func(name string) bool { return strings.HasSuffix(m.FullName, name) })
}

func reporting(m *access.Method) bool {
	switch root(m) {
	case "salesReports", "financeReports", "analyticsReportRequests", "analyticsReports", "analyticsReportInstances",
		"analyticsReportSegments", "diagnosticSignatures":
		return true
	}
	return m.Type == "analyticsReportRequests" || m.Type == "diagnosticSignatures" ||
		strings.HasSuffix(m.Template, "/perfPowerMetrics") ||
		m.Own && (m.Area == "reports" || m.Area == "files") && !personal(m)
}

// subscribers ends the name of the method for reports that tell of single people.
// Raw requests for them are decided as it.
const subscribers = "/StreamSubscriberReport"

func personal(m *access.Method) bool {
	if m.Own {
		return m.Area == "reports" && strings.HasSuffix(m.FullName, subscribers)
	}
	for part := range strings.SplitSeq(m.Template, "/") {
		switch part {
		case "betaFeedbackCrashSubmissions", "betaFeedbackScreenshotSubmissions", "betaCrashLogs":
			return true
		}
	}
	return false
}

// root is the first segment of a path after its version.
func root(m *access.Method) string {
	if parts := strings.Split(m.Template, "/"); len(parts) > 2 {
		return parts[2]
	}
	return ""
}

func entry(m *access.Method) bool {
	return m.Area == "users" || m.Area == "webhooks" || m.Type == "marketplaceWebhooks" || m.Area == "tokens"
}

// jobPrefix begins the name of a set that holds all that a job needs.
const jobPrefix = "job:"

// catalog is all methods and sets that a policy can name.
type catalog struct {
	methods []*access.Method
	index   map[string]int // by full name
	sets    map[string]bits
}

func newCatalog(methods []*access.Method) *catalog {
	c := &catalog{methods: methods, index: make(map[string]int, len(methods)), sets: map[string]bits{}}
	for i, m := range methods {
		c.index[m.FullName] = i
	}
	for _, s := range Sets {
		c.sets[s.Name] = c.where(s.has)
	}
	for i, m := range methods {
		for _, job := range m.Jobs {
			name := jobPrefix + job
			if c.sets[name] == nil {
				c.sets[name] = newBits(len(methods))
			}
			c.sets[name].add(i)
		}
	}
	return c
}

func (c *catalog) where(has func(*access.Method) bool) bits {
	b := newBits(len(c.methods))
	for i, m := range c.methods {
		if has(m) {
			b.add(i)
		}
	}
	return b
}

// members are the names of a set's methods.
func (c *catalog) members(b bits) (names []string) {
	for i, m := range c.methods {
		if b.has(i) {
			names = append(names, m.Name())
		}
	}
	return names
}

// Members lists the methods of each built-in set.
func Members(methods []*access.Method) map[string][]string {
	c, out := newCatalog(methods), map[string][]string{}
	for name, b := range c.sets {
		out[name] = c.members(b)
	}
	return out
}

// nearest is the known word that is most like s, "" if none is near.
func nearest(s string, words []string) string {
	best, distance := "", len(s)/3+2
	for _, w := range words {
		if apart := len(s) - len(w); apart >= distance || -apart >= distance {
			continue
		}
		if d := near.Distance(s, w); d < distance {
			best, distance = w, d
		}
	}
	return best
}

// unknown is the error of a method that there is not.
func (c *catalog) unknown(name string) error {
	if n := nearest(name, c.words()); n != "" {
		return fmt.Errorf("there is no method %q: did you mean %s?", name, n)
	}
	return fmt.Errorf("there is no method %q", name)
}

func (c *catalog) words() []string {
	words := slices.Collect(maps.Keys(c.sets))
	for _, m := range c.methods {
		words = append(words, m.Name())
	}
	return words
}
