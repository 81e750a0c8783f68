package sandbox

import (
	"fmt"
	"strings"
	"time"
)

// feedback: what testers send, by themselves or after a crash.
func feedback() map[string]behavior {
	pictures := func(o *object, _ int) { o.attrs["screenshots"] = feedbackScreenshots(o, o.at) }
	return map[string]behavior{
		"betaFeedbackScreenshotSubmissions": {
			seed: each(aDevice, pictures, cycle("comment", "The map is empty.", "I like the dark mode.", "Too small.")),
			acts: map[string]act{"arrive": arrival("a tester sends feedback with screenshots")},
		},
		"betaFeedbackCrashSubmissions": {
			seed: each(aDevice, cycle("comment", "It closed.", "After the start.", "While saving.")),
			acts: map[string]act{"arrive": arrival("a tester sends feedback after a crash")},
			owns: []string{"crashLog"},
		},
		"betaCrashLogs": {
			seed: func(o *object, i int) { o.attrs["logText"] = crashLog("com.example.trailmix", 41+i, o.at) },
		},
	}
}

// aDevice seeds what a tester's device tells of itself.
func aDevice(o *object, i int) {
	for name, values := range map[string][]any{
		"appPlatform":             {"IOS"},
		"appUptimeInMilliseconds": {61_000, 4_200},
		"architecture":            {"arm64e"},
		"batteryPercentage":       {80, 35},
		"connectionType":          {"WIFI", "MOBILE_DATA"},
		"deviceFamily":            {"IPHONE", "IPHONE", "IPAD"},
		"deviceModel":             {"iPhone17,1", "iPhone16,2", "iPad16,3"},
		"devicePlatform":          {"IOS"},
		"diskBytesAvailable":      {81_000_000_000},
		"diskBytesTotal":          {256_000_000_000},
		"osVersion":               {"26.1", "26.0.1", "18.7"},
		"pairedAppleWatch":        {"Watch7,4"},
		"screenHeightInPoints":    {874, 932, 1210},
		"screenWidthInPoints":     {402, 430, 834},
		"timeZone":                {"Europe/Berlin", "Asia/Tokyo"},
	} {
		o.attrs[name] = values[i%len(values)]
	}
}

// feedbackScreenshots is where a tester's screenshots are, for a while.
func feedbackScreenshots(o *object, at time.Time) []any {
	return []any{map[string]any{
		"url":   "https://is1-ssl.mzstatic.com/feedback/" + o.id + ".jpg",
		"width": 1206, "height": 2622, "expirationDate": stamp(at.AddDate(0, 0, 90)),
	}}
}

// crashLog is a short log in the form of Apple's.
func crashLog(bundleID string, build any, at time.Time) string {
	return strings.Join([]string{
		"Incident Identifier: " + strings.ToUpper(uuid([16]byte([]byte(fmt.Sprintf("%016d", at.UnixNano()%1e16))))),
		"Hardware Model:      iPhone17,1",
		"Process:             App [1042]",
		"Identifier:          " + bundleID,
		fmt.Sprintf("Version:             1.0 (%v)", build),
		"Date/Time:           " + at.UTC().Format("2006-01-02 15:04:05.0000 -0700"),
		"OS Version:          iPhone OS 26.1 (23B85)",
		"",
		"Exception Type:  EXC_BREAKPOINT (SIGTRAP)",
		"Exception Codes: 0x0000000000000001, 0x00000001a2b3c4d8",
		"Triggered by Thread:  0",
		"",
		"Thread 0 Crashed:",
		"0   libswiftCore.dylib  0x00000001a2b3c4d8 _assertionFailure + 248",
		"1   App                 0x0000000104b1e0f4 0x104b18000 + 24820",
		"",
	}, "\n")
}

// arrival is something that a tester sends about a build.
func arrival(does string) act {
	return act{does: does, made: true, with: []string{"build", "tester", "comment"}, do: arrived}
}

func arrived(c *call, _ *object, with map[string]any) error {
	id, _ := with["build"].(string)
	build := c.s.store.get("builds", id)
	if build == nil {
		return fmt.Errorf("build: there is no build %q", id)
	}
	name, _ := with["tester"].(string)
	tester := c.s.store.get("betaTesters", name)
	if tester == nil && name != "" {
		return fmt.Errorf("tester: there is no tester %q", name)
	}
	o := c.spawn(c.acting)
	o.attrs["comment"], o.attrs["createdDate"] = with["comment"], c.stamp()
	app := c.s.store.one(build, "app")
	if app != nil {
		o.attrs["buildBundleId"] = app.text("bundleId")
	}
	c.s.store.link(o, "build", id)
	delete(o.attrs, "email")
	if tester != nil {
		c.s.store.link(o, "tester", tester.id)
		o.attrs["email"] = tester.attrs["email"]
	}
	switch c.acting {
	case "betaFeedbackScreenshotSubmissions":
		o.attrs["screenshots"] = feedbackScreenshots(o, c.now)
	case "betaFeedbackCrashSubmissions":
		log := c.spawn("betaCrashLogs")
		log.attrs["logText"] = crashLog(o.text("buildBundleId"), build.attrs["version"], c.now)
		c.s.store.link(o, "crashLog", log.id)
	}
	c.created(o)
	c.announce(o, "", "", "")
	return nil
}
