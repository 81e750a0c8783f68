package sandbox

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// provisioning: identifiers, devices, certificates, profiles.
func provisioning() map[string]behavior {
	return map[string]behavior{
		"bundleIds": {
			unique:  [][]string{{"identifier"}},
			filters: map[string]func(string, string) bool{"identifier": contains, "name": contains},
			listed:  longestFirst("identifier"),
			seed: each(cycle("identifier", "com.example.trailmix", "com.example.nightsky", "com.example.fieldnotes"),
				cycle("name", appNames()...), cycle("platform", "IOS"), cycle("seedId", teamID)),
			created: setting(map[string]any{"seedId": teamID}),
		},
		"bundleIdCapabilities": {
			unique: [][]string{{"bundleId", "capabilityType"}},
			seed:   cycle("capabilityType", "PUSH_NOTIFICATIONS", "GAME_CENTER", "IN_APP_PURCHASE", "ASSOCIATED_DOMAINS", "APP_GROUPS", "HEALTHKIT"),
			count:  6,
		},
		"devices": {
			unique:  [][]string{{"udid"}},
			count:   6,
			seed:    each(cycle("udid", udids()...), cycle("name", "Ada's iPhone", "Test iPad", "Mac mini in the rack"), cycle("deviceClass", "IPHONE", "IPAD", "MAC"), cycle("model", "iPhone 15 Pro", "iPad Air", "Mac mini"), cycle("platform", "IOS", "IOS", "MAC_OS"), cycle("status", "ENABLED")),
			created: deviceCreated,
			machines: []machine{{attr: "status", moves: []move{
				{"enable", []string{"PROCESSING"}, "ENABLED", "Apple: Device status"},
			}}},
			acts: map[string]act{"enable": moving("enable", "Apple has processed the device")},
		},
		"certificates": {
			seed:    each(cycle("certificateType", "DISTRIBUTION", "DEVELOPMENT", "IOS_DISTRIBUTION"), cycle("activated", true), cycle("displayName", "Example Inc."), cycle("certificateContent", content("certificate"))),
			created: certificateCreated,
		},
		"profiles": {
			unique:   [][]string{{"name"}},
			outlives: []string{"bundleId"},
			seed:     each(cycle("profileState", "ACTIVE"), cycle("profileType", "IOS_APP_STORE", "IOS_APP_DEVELOPMENT", "IOS_APP_ADHOC"), cycle("profileContent", content("profile"))),
			created:  profileCreated,
			show:     profileShown,
		},
	}
}

const teamID = "A1B2C3D4E5"

func appNames() []any { return []any{"Trail Mix", "Night Sky", "Field Notes"} }

func udids() (list []any) {
	for i := range 6 {
		list = append(list, fmt.Sprintf("00008120-%016X", 0x1A2B3C4D5E6F+i))
	}
	return list
}

// content stands for the bytes of a certificate or profile.
func content(of string) string { return base64.StdEncoding.EncodeToString([]byte("sandbox " + of)) }

// deviceCreated: a device is processed at first, and enabled after a while.
func deviceCreated(c *call, o *object) {
	o.attrs["status"], o.attrs["deviceClass"], o.attrs["model"], o.attrs["addedDate"] = "PROCESSING", "IPHONE", "iPhone 15 Pro", c.stamp()
	if o.text("platform") == "MAC_OS" {
		o.attrs["deviceClass"], o.attrs["model"] = "MAC", "Mac mini"
	}
	if c.s.cfg.Processing == 0 && c.s.cfg.Times.Device == 0 {
		o.attrs["status"] = "ENABLED"
		return
	}
	c.after(c.s.cfg.Times.Device, o, "enable", nil)
}

func certificateCreated(c *call, o *object) {
	serial := strings.ToUpper(strings.ReplaceAll(c.s.store.newID(""), "-", ""))
	setting(map[string]any{"name": title(strings.ToLower(o.text("certificateType"))) + ": Example Inc.", "displayName": "Example Inc.", "serialNumber": serial,
		"activated": true, "platform": "IOS", "expirationDate": c.inAYear(), "certificateContent": content("certificate " + serial)})(c, o)
}

func profileCreated(c *call, o *object) {
	setting(map[string]any{"profileState": "ACTIVE", "uuid": c.s.store.newID(""), "platform": "IOS", "expirationDate": c.inAYear()})(c, o)
	o.attrs["profileContent"] = content("profile " + o.text("uuid"))
	if strings.HasPrefix(o.text("profileType"), "MAC") {
		o.attrs["platform"] = "MAC_OS"
	}
}

// profileShown: a profile ends with its time, and is invalid without its bundle
// id or any certificate.
func profileShown(c *call, o *object) map[string]any {
	end, ok := parseTime(o.text("expirationDate"))
	switch {
	case ok && end.Before(c.now):
		return map[string]any{"profileState": "EXPIRED"}
	case len(c.s.store.ids(o, "bundleId")) == 0 || len(c.s.store.ids(o, "certificates")) == 0:
		return map[string]any{"profileState": "INVALID"}
	}
	return nil
}
