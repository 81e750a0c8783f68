package sandbox

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// mostDevices are how many devices of a class a team may register in a membership
// year; disabling one frees nothing. Apple: registering devices.
const mostDevices = 100

// provisioning: identifiers, capabilities and devices. Certificates and profiles
// have files of their own.
func provisioning() map[string]behavior {
	return map[string]behavior{
		"bundleIds": {
			unique:  [][]string{{"identifier"}},
			filters: map[string]func(string, string) bool{"identifier": contains, "name": contains},
			listed:  longestFirst("identifier"),
			seed: each(cycle("identifier", "com.example.trailmix", "com.example.nightsky", "com.example.fieldnotes"),
				cycle("name", appNames()...), cycle("platform", "IOS"), cycle("seedId", teamID)),
			allowed: bundleIDAllowed, removable: bundleIDRemovable,
			created: setting(map[string]any{"seedId": teamID}),
		},
		"bundleIdCapabilities": {
			unique: [][]string{{"bundleId", "capabilityType"}},
			seed: each(
				cycle(
					"capabilityType",
					"PUSH_NOTIFICATIONS",
					"GAME_CENTER",
					"IN_APP_PURCHASE",
					"ASSOCIATED_DOMAINS",
					"APP_GROUPS",
					"HEALTHKIT",
				),
				cycle("settings", []any{}), // these take none
			),
			count:   6,
			allowed: capabilityAllowed, created: capabilityChanged, updated: capabilityChanged,
			removable: func(c *call, o *object) []apiError { capabilityChanged(c, o); return nil },
		},
		"devices": {
			unique: [][]string{{"udid"}},
			count:  6,
			seed: each(
				cycle("udid", udids()...),
				cycle("name", "Ada's iPhone", "Test iPad", "Mac mini in the rack"),
				cycle("deviceClass", "IPHONE", "IPAD", "MAC"),
				cycle(
					"model",
					"iPhone 15 Pro",
					"iPad Air",
					"Mac mini",
				),
				cycle("platform", "IOS", "IOS", "MAC_OS"),
				cycle("status", "ENABLED"),
			),
			allowed: deviceAllowed, created: deviceCreated,
			machines: []machine{{attr: "status", moves: []move{
				{"enable", []string{"PROCESSING"}, "ENABLED", "Apple: Device, status"},
			}}},
			acts: map[string]act{"enable": moving("enable", "Apple has processed the device")},
		},
	}
}

func appNames() []any { return []any{"Trail Mix", "Night Sky", "Field Notes"} }

func udids() (list []any) {
	for i := range 6 {
		list = append(list, fmt.Sprintf("00008120-%016X", 0x1A2B3C4D5E6F+i))
	}
	return list
}

// identifierForm is a bundle id, whose last part may be a wildcard.
var identifierForm = regexp.MustCompile(`^(\*|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(\.\*)?)$`)

func bundleIDAllowed(_ *call, o, old *object) []apiError {
	if old == nil && !identifierForm.MatchString(o.text("identifier")) {
		return []apiError{
			{
				Status: 409,
				Code:   "ENTITY_ERROR.ATTRIBUTE.INVALID",
				Title:  "The provided entity includes an attribute with an invalid value",
				Detail: "An App ID Identifier may hold letters, digits, hyphens and dots, and a '*' at its end: '" +
					o.text("identifier") + "'",
				Pointer: "/data/attributes/identifier",
			},
		}
	}
	return nil
}

// bundleIDRemovable keeps what an app or a profile is made of.
func bundleIDRemovable(c *call, o *object) []apiError {
	used := len(c.s.store.ids(o, "profiles")) > 0 ||
		slices.ContainsFunc(
			c.s.store.all("apps"),
			func(app *object) bool { return app.text("bundleId") == o.text("identifier") },
		)
	if used {
		return []apiError{
			{Status: 409, Code: "ENTITY_ERROR.INVALID", Title: "There is a problem with the request entity",
				Detail: "The App ID '" + o.text(
					"identifier",
				) + "' appears to be in use by the App Store or a profile, so it can not be removed at this time."},
		}
	}
	return nil
}

// wildcardTakes are the capabilities that a wildcard identifier may have. Apple:
// register an App ID.
var wildcardTakes = []string{
	"DATA_PROTECTION",
	"INTER_APP_AUDIO",
	"WIRELESS_ACCESSORY_CONFIGURATION",
	"NETWORK_EXTENSIONS",
	"PERSONAL_VPN",
	"ACCESS_WIFI_INFORMATION",
}

// settings are what each capability can be set to; others take none. Apple:
// CapabilitySetting, CapabilityOption.
var settings = map[string]struct {
	key     string
	options []string
}{
	"ICLOUD": {"ICLOUD_VERSION", []string{"XCODE_5", "XCODE_6"}},
	"DATA_PROTECTION": {
		"DATA_PROTECTION_PERMISSION_LEVEL",
		[]string{"COMPLETE_PROTECTION", "PROTECTED_UNLESS_OPEN", "PROTECTED_UNTIL_FIRST_USER_AUTH"},
	},
	"APPLE_ID_AUTH": {"APPLE_ID_AUTH_APP_CONSENT", []string{"PRIMARY_APP_CONSENT"}},
	"MARZIPAN":      {"ENABLED_FOR_MAC_APP_SETUP", []string{"USE_IOS_APPID"}},
}

func capabilityAllowed(c *call, o, _ *object) (errs []apiError) {
	kind := o.text("capabilityType")
	refuse := func(detail, pointer string) {
		errs = append(
			errs,
			apiError{
				Status:  409,
				Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
				Title:   "There is a problem with the request entity",
				Detail:  detail,
				Pointer: "/data/attributes/" + pointer,
			},
		)
	}
	id := c.s.store.one(o, "bundleId")
	if id != nil && strings.HasSuffix(id.text("identifier"), "*") && !slices.Contains(wildcardTakes, kind) {
		refuse("A wildcard App ID cannot have the capability "+kind+".", "capabilityType")
	}
	list, _ := o.attrs["settings"].([]any)
	for i, x := range list {
		m, _ := x.(map[string]any)
		if key, _ := m["key"].(string); key != settings[kind].key {
			refuse(fmt.Sprintf("The capability %s has no setting '%s'.", kind, key), fmt.Sprintf("settings/%d/key", i))
		}
		options, _ := m["options"].([]any)
		for n, y := range options {
			option, _ := y.(map[string]any)
			if key, _ := option["key"].(string); !slices.Contains(settings[kind].options, key) {
				refuse(
					fmt.Sprintf("The capability %s has no option '%s'.", kind, key),
					fmt.Sprintf("settings/%d/options/%d/key", i, n),
				)
			}
		}
	}
	return errs
}

// capabilityChanged makes the profiles of the bundle id invalid.
func capabilityChanged(c *call, o *object) {
	if id := c.s.store.one(o, "bundleId"); id != nil {
		c.invalidate(id)
	}
}

// Forms of UDIDs: of today's devices, of older phones and tablets, of Intel Macs.
const (
	todays = `[0-9a-fA-F]{8}-[0-9a-fA-F]{16}`
	phones = `[0-9a-fA-F]{40}`
	macs   = `[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`
)

// udidForms are those of each platform.
var udidForms = map[string]*regexp.Regexp{
	"IOS":       regexp.MustCompile(`^(` + todays + `|` + phones + `)$`),
	"MAC_OS":    regexp.MustCompile(`^(` + todays + `|` + macs + `)$`),
	"UNIVERSAL": regexp.MustCompile(`^(` + todays + `|` + phones + `|` + macs + `)$`),
}

func deviceAllowed(c *call, o, old *object) []apiError {
	if old != nil {
		return nil
	}
	if form := udidForms[o.text("platform")]; form != nil && !form.MatchString(o.text("udid")) {
		return []apiError{
			{Status: 409, Code: "ENTITY_ERROR.ATTRIBUTE.INVALID", Title: "There is a problem with the request entity",
				Detail: "An invalid value '" + o.text(
					"udid",
				) + "' was provided for the parameter 'udid'.", Pointer: "/data/attributes/udid"},
		}
	}
	have, class := 0, classOf(o)
	for _, x := range c.s.store.all(o.typ) {
		if strings.EqualFold(x.text("udid"), o.text("udid")) && x.text("udid") != o.text("udid") {
			return []apiError{
				{
					Status: 409,
					Code:   "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE",
					Title:  "There is a problem with the request entity",
					Detail: "A device with number '" + o.text(
						"udid",
					) + "' already exists on this team.",
					Pointer: "/data/attributes/udid",
				},
			}
		}
		if x.text("deviceClass") == class && x.at.After(c.now.AddDate(-1, 0, 0)) {
			have++
		}
	}
	if have >= mostDevices {
		return []apiError{{Status: 409, Code: "ENTITY_ERROR", Title: "There is a problem with the request entity",
			Detail: fmt.Sprintf(
				"You have reached the maximum of %d registered devices of class %s.",
				mostDevices,
				class,
			)}}
	}
	return nil
}

// classOf is what a device of a platform is taken for.
func classOf(o *object) string {
	if o.text("platform") == "MAC_OS" {
		return "MAC"
	}
	return "IPHONE"
}

// deviceCreated: a device is processed at first, and enabled after a while.
func deviceCreated(c *call, o *object) {
	o.attrs["status"], o.attrs["deviceClass"], o.attrs["model"], o.attrs["addedDate"] = "PROCESSING", classOf(
		o,
	), "iPhone 15 Pro", c.stamp()
	if o.text("deviceClass") == "MAC" {
		o.attrs["model"] = "Mac mini"
	}
	if c.s.cfg.Processing == 0 && c.s.cfg.Times.Device == 0 {
		o.attrs["status"] = "ENABLED"
		return
	}
	c.after(c.s.cfg.Times.Device, o, "enable", nil)
}
