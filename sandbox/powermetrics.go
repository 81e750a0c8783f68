package sandbox

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Power and performance metrics and diagnostic logs, in the forms of Xcode Organizer
// (seen live). The numbers follow from app, version and device: the same every time.

// powerMetric is a metric and its believable size on an iPhone, half of all and one in
// ten.
type powerMetric struct {
	category, name, unit, shown string
	typical, top                float64
	fair, poor                  int // from where on a value is no longer good
}

var powerMetrics = []powerMetric{
	{"HANG", "hangRate", "hangTime", "seconds/hour", 1.6, 9, 5, 15},
	{"LAUNCH", "launchTime", "milliseconds", "ms", 620, 1400, 400, 1000},
	{"MEMORY", "peakMemory", "megabytes", "MB", 190, 420, 250, 500},
	{"DISK", "diskWrites", "megabytes", "MB", 34, 150, 100, 500},
	{"BATTERY", "batteryUsage", "percentPerDay", "%/day", 0.9, 4, 3, 8},
	{"TERMINATION", "onScreenTerminations", "terminationsPerDay", "/day", 0.02, 0.2, 1, 2},
	{"ANIMATION", "scrollHitchRate", "scrollHitchRate", "ms/s", 2.4, 8, 5, 10},
	{"STORAGE", "documentsAndData", "megabytes", "MB", 85, 610, 500, 2000},
}

// powerDevices are the devices of the metrics, and how much slower they are.
var powerDevices = []struct {
	id, name string
	slower   float64
}{
	{"all_iphones", "All iPhones", 1}, {"iPhone17,1", "iPhone 16 Pro", 0.7}, {"iPhone14,5", "iPhone 13", 1.2},
	{"all_ipads", "All iPads", 0.9},
}

// share is a number from 0 to 1 that follows from what it is about.
func share(about ...string) float64 {
	sum := md5.Sum([]byte(strings.Join(about, "\x00")))
	return float64(binary.BigEndian.Uint32(sum[:])) / math.MaxUint32
}

// measuredVersions are those of an app in the store, or that of a build; oldest first.
func (c *call) measuredVersions(o *object) (list []string) {
	if o.typ == "builds" {
		for _, v := range c.s.store.related(o, "preReleaseVersion") {
			list = append(list, v.text("version"))
		}
		return list
	}
	for _, v := range c.s.store.released(o) {
		if number := v.text("versionString"); !slices.Contains(list, number) {
			list = append(list, number)
		}
	}
	slices.SortFunc(list, compareVersions)
	return list
}

// asked says whether a filter takes a value: it does if it is not given.
func (c *call) asked(filter, value string) bool {
	want := c.query["filter["+filter+"]"]
	return len(want) == 0 || slices.Contains(want, value)
}

// xcodeMetrics are the metrics of an app or a build. Apple: Get Power and Performance
// Metrics.
func (c *call) xcodeMetrics(o *object) map[string]any {
	versions, app := c.measuredVersions(o), c.s.store.appOf(o)
	categories, regressions := []any{}, []any{}
	for _, m := range powerMetrics {
		if !c.asked("metricType", m.category) || len(versions) == 0 || app == nil {
			continue
		}
		datasets := []any{}
		for _, device := range powerDevices {
			if !c.asked("deviceType", device.id) {
				continue
			}
			for percentile, size := range map[string]float64{"fifty": m.typical, "ninety": m.top} {
				datasets = append(datasets, m.dataset(app.id, device.id, device.name, percentile, size*device.slower,
					versions))
			}
		}
		if len(datasets) == 0 {
			continue
		}
		slices.SortStableFunc(datasets, byFilter)
		goals := []any{
			map[string]any{"goalKey": "good", "lowerBound": 0, "upperBound": m.fair},
			map[string]any{"goalKey": "fair", "lowerBound": m.fair, "upperBound": m.poor},
			map[string]any{"goalKey": "poor", "lowerBound": m.poor},
		}
		categories = append(categories, map[string]any{"identifier": m.category, "metrics": []any{map[string]any{
			"identifier": m.name, "goalKeys": goals, "datasets": datasets,
			"unit": map[string]any{"identifier": m.unit, "displayName": m.shown},
		}}})
		regressions = append(regressions, m.regression(app.id, versions)...)
	}
	products := []any{}
	if len(categories) > 0 && c.asked("platform", "IOS") {
		products = append(products, map[string]any{"platform": "iOS", "metricCategories": categories})
	}
	return map[string]any{"version": "1.0.0", "productData": products,
		"insights": map[string]any{"trendingUp": []any{}, "regressions": regressions}}
}

// byFilter orders datasets by device and percentile.
func byFilter(a, b any) int {
	of := func(x any) string {
		criteria := x.(map[string]any)["filterCriteria"].(map[string]any)
		return fmt.Sprint(criteria["device"], criteria["percentile"])
	}
	return strings.Compare(of(a), of(b))
}

// value is what was measured in a version, around a size.
func (m powerMetric) value(app, device, percentile, version string, size float64) float64 {
	return math.Round(size*(0.75+0.5*share(app, m.name, device, percentile, version))*100) / 100
}

// dataset is a metric on one device over the versions.
func (m powerMetric) dataset(app, device, name, percentile string, size float64, versions []string) map[string]any {
	var points []any
	for _, v := range versions {
		value, goal := m.value(app, device, percentile, v, size), "good"
		switch {
		case value >= float64(m.poor):
			goal = "poor"
		case value >= float64(m.fair):
			goal = "fair"
		}
		points = append(points, map[string]any{"version": v, "value": value, "goal": goal,
			"errorMargin": math.Round(value*4) / 100})
	}
	return map[string]any{"points": points,
		"filterCriteria": map[string]any{"percentile": "percentile." + percentile, "device": device,
			"deviceMarketingName": name},
		"recommendedMetricGoal": map[string]any{"value": float64(m.fair),
			"detail": fmt.Sprintf("Below %d %s", m.fair, m.shown)}}
}

// regression tells that the newest version is a tenth worse than those before it.
func (m powerMetric) regression(app string, versions []string) []any {
	const worse, device, percentile = 1.1, "all_iphones", "ninety"
	last := len(versions) - 1
	if last < 1 {
		return nil
	}
	before := 0.0
	for _, v := range versions[:last] {
		before += m.value(app, device, percentile, v, m.top) / float64(last)
	}
	now := m.value(app, device, percentile, versions[last], m.top)
	if now < before*worse {
		return nil
	}
	summary := fmt.Sprintf("Increased %.0f%% across iPhone (All)", (now/before-1)*100)
	return []any{map[string]any{"metricCategory": m.category, "metric": m.name, "latestVersion": versions[last],
		"maxLatestVersionValue": now, "highImpact": now > before*1.25, "summaryString": summary,
		"populations": []any{map[string]any{"device": device, "percentile": "percentile." + percentile,
			"latestVersionValue": now, "referenceAverageValue": math.Round(before*100) / 100,
			"deltaPercentage": math.Round((now/before-1)*1000) / 10, "summaryString": summary}}}}
}

// signatures are what a build's diagnostics are about.
var signatures = []struct{ kind, frame, detail string }{
	{"HANGS", "MapView.layoutSubviews()", "Hang 2.31 s"},
	{"DISK_WRITES", "TileCache.store(_:)", "1.07 GB of file backed memory dirtied over 6 h"},
	{"LAUNCHES", "AppDelegate.application(_:didFinishLaunchingWithOptions:)", "Launch 4.20 s"},
}

// signatureSeed makes the i-th signature of a build's diagnostics.
func signatureSeed(o *object, i int) {
	x := signatures[i%len(signatures)]
	o.attrs["diagnosticType"], o.attrs["signature"] = x.kind, x.frame
	o.attrs["weight"] = []any{62.5, 24.25, 13.25}[i%3] // percent of a build's reports
	o.attrs["insight"] = map[string]any{"insightType": "TREND", "direction": "UP",
		"referenceVersions": []any{map[string]any{"version": "1.0", "value": 12.5}}}
}

// diagnosticLogs are the logs of a signature. Apple: Get Logs.
func (c *call) diagnosticLogs(o *object) map[string]any {
	bundle, version, build := "com.example.app", "1.0", "1"
	for _, b := range c.s.store.pointing(o, "builds", "diagnosticSignatures") {
		build = b.text("version")
		for _, v := range c.s.store.related(b, "preReleaseVersion") {
			version = v.text("version")
		}
		if app := c.s.store.appOf(b); app != nil {
			bundle = app.text("bundleId")
		}
	}
	kind, detail := strings.ToLower(o.text("diagnosticType")), ""
	for _, x := range signatures {
		if x.kind == o.text("diagnosticType") {
			detail = x.detail
		}
	}
	logs := []any{}
	for i := range min(c.query.int("limit", 5), 5) {
		meta := map[string]any{"bundleId": bundle, "appVersion": version, "buildVersion": build, "event": kind,
			"eventDetail": detail, "osVersion": []string{"iPhone OS 26.1", "iPhone OS 18.7"}[i%2],
			"deviceType": powerDevices[1+i%2].id, "platformArchitecture": "arm64e"}
		if kind == "disk_writes" {
			meta["writesCaused"] = fmt.Sprintf("%d MB", 1024+i*37)
		}
		logs = append(logs, map[string]any{"diagnosticMetaData": meta, "callStackTree": []any{map[string]any{
			"callStackPerThread": true, "callStacks": []any{map[string]any{"callStackRootFrames": []any{c.stack(o, i)}}},
		}}})
	}
	return map[string]any{"version": "1.0", "productData": []any{map[string]any{"signatureId": o.id,
		"diagnosticInsights": []any{}, "diagnosticLogs": logs}}}
}

// stack is a call stack from the start of the app to the frame to blame.
func (c *call) stack(o *object, i int) map[string]any {
	frame := func(binary, symbol string, offset int, blame bool, below ...any) map[string]any {
		address := fmt.Sprintf("0x%x", 0x1_0240_0000+offset*4+i)
		return map[string]any{"binaryName": binary, "symbolName": symbol, "sampleCount": 20 + i, "isBlameFrame": blame,
			"offsetIntoSymbol": fmt.Sprint(offset), "binaryUUID": strings.ToUpper(uuid(md5.Sum([]byte(binary)))),
			"address": address, "offsetIntoBinaryTextSegment": fmt.Sprint(offset * 64),
			"rawFrame": fmt.Sprintf(
				"%s %s %s + %d",
				binary,
				address,
				symbol,
				offset,
			), "subFrames": append([]any{}, below...)}
	}
	blamed := frame("App", o.text("signature"), 420, true)
	return frame("dyld", "start", 2544, false, frame("UIKitCore", "UIApplicationMain", 340, false, blamed))
}
