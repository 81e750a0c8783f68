package sandbox

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"howett.net/plist"
)

// profiles: provisioning profiles, signed property lists.
func profiles() map[string]behavior {
	return map[string]behavior{"profiles": {
		unique:   [][]string{{"name"}},
		outlives: []string{"bundleId"},
		seed: each(
			cycle("profileState", "ACTIVE"),
			cycle("profileType", "IOS_APP_STORE", "IOS_APP_DEVELOPMENT", "IOS_APP_ADHOC"),
			cycle("platform", "IOS"),
			func(o *object, _ int) { delete(o.attrs, "profileContent") },
		),
		placed: []string{"devices"}, settled: profileSettled,
		allowed: profileAllowed, created: profileCreated, show: profileShown,
	}}
}

// profileSettled gives a profile of a new sandbox all devices of its platform, if it
// takes any.
func profileSettled(st *store, o *object) {
	if !profileFits(o.text("profileType")).withDevices {
		return
	}
	for _, d := range st.all("devices") {
		if d.text("platform") == o.text("platform") {
			st.link(o, "devices", d.id)
		}
	}
}

// fits says what a kind of profile is made of. Apple: provisioning profiles.
type fits struct {
	certificates, devices []string
	withDevices           bool
}

func profileFits(kind string) (f fits) {
	mac := strings.HasPrefix(kind, "MAC")
	f.withDevices = strings.HasSuffix(kind, "DEVELOPMENT") || strings.HasSuffix(kind, "ADHOC")
	switch {
	case mac:
		f.devices = []string{"MAC"}
	case strings.HasPrefix(kind, "TVOS"):
		f.devices = []string{"APPLE_TV"}
	default:
		f.devices = []string{"IPHONE", "IPAD", "IPOD", "APPLE_WATCH", "APPLE_VISION_PRO", "MAC"}
	}
	switch {
	case strings.HasSuffix(kind, "DEVELOPMENT") && mac:
		f.certificates = []string{"DEVELOPMENT", "MAC_APP_DEVELOPMENT"}
	case strings.HasSuffix(kind, "DEVELOPMENT"):
		f.certificates = []string{"DEVELOPMENT", "IOS_DEVELOPMENT"}
	case strings.HasSuffix(kind, "DIRECT"):
		f.certificates = []string{"DEVELOPER_ID_APPLICATION", "DEVELOPER_ID_APPLICATION_G2"}
	case mac:
		f.certificates = []string{"DISTRIBUTION", "MAC_APP_DISTRIBUTION"}
	default:
		f.certificates = []string{"DISTRIBUTION", "IOS_DISTRIBUTION"}
	}
	return f
}

// profileAllowed refuses parts that do not fit the kind of the profile.
func profileAllowed(c *call, o, old *object) (errs []apiError) {
	if old != nil {
		return nil
	}
	refuse := func(rel, detail string) {
		errs = append(
			errs,
			apiError{
				Status:  409,
				Code:    "ENTITY_ERROR.RELATIONSHIP.INVALID",
				Title:   "There is a problem with the request entity",
				Detail:  detail,
				Pointer: "/data/relationships/" + rel,
			},
		)
	}
	kind := o.text("profileType")
	f := profileFits(kind)
	if len(o.rels["certificates"]) == 0 {
		refuse("certificates", "There are no certificates.")
	}
	for _, x := range c.s.store.related(o, "certificates") {
		if !slices.Contains(f.certificates, x.text("certificateType")) || c.ended(x) {
			refuse(
				"certificates",
				fmt.Sprintf(
					"Certificate '%s' of type %s cannot be used for a profile of type %s.",
					x.id,
					x.text("certificateType"),
					kind,
				),
			)
		}
	}
	switch devices := c.s.store.related(o, "devices"); {
	case f.withDevices && len(devices) == 0:
		refuse("devices", "A profile of type "+kind+" needs devices.")
	case !f.withDevices && len(devices) > 0:
		refuse("devices", "A profile of type "+kind+" takes no devices.")
	default:
		for _, x := range devices {
			if !slices.Contains(f.devices, x.text("deviceClass")) || x.text("status") == "DISABLED" {
				refuse(
					"devices",
					fmt.Sprintf(
						"Device '%s' (%s, %s) does not fit a profile of type %s.",
						x.id,
						x.text("deviceClass"),
						x.text("status"),
						kind,
					),
				)
			}
		}
	}
	if id := c.s.store.one(o, "bundleId"); id != nil && strings.HasPrefix(kind, "MAC_APP") &&
		id.text("platform") == "IOS" {
		refuse("bundleId", "The bundle id is for IOS, the profile for MAC_OS.")
	}
	return errs
}

func profileCreated(c *call, o *object) {
	setting(
		map[string]any{
			"profileState":   "ACTIVE",
			"uuid":           c.s.store.newID(""),
			"platform":       "IOS",
			"expirationDate": c.inAYear(),
		},
	)(
		c,
		o,
	)
	if strings.HasPrefix(o.text("profileType"), "MAC") {
		o.attrs["platform"] = "MAC_OS"
	}
	o.attrs["profileContent"] = c.profileContent(o)
}

// profileShown: a profile ends with its time, and is invalid without one of its
// parts. That of a new sandbox is signed when it is first read.
func profileShown(c *call, o *object) map[string]any {
	out := map[string]any{}
	if o.text("profileContent") == "" {
		out = maps.Clone(
			c.s.once(o, func() map[string]any { return map[string]any{"profileContent": c.profileContent(o)} }),
		)
	}
	end, ok := parseTime(o.text("expirationDate"))
	ended := slices.ContainsFunc(c.s.store.related(o, "certificates"), c.ended)
	disabled := slices.ContainsFunc(
		c.s.store.related(o, "devices"),
		func(d *object) bool { return d.text("status") == "DISABLED" },
	)
	switch {
	case ok && !end.After(c.now):
		out["profileState"] = "EXPIRED"
	case len(c.s.store.ids(o, "bundleId")) == 0 || len(c.s.store.ids(o, "certificates")) == 0 || disabled || ended:
		out["profileState"] = "INVALID"
	}
	return out
}

// invalidate makes the profiles of a bundle id invalid: they must be made anew.
func (c *call) invalidate(bundleID *object) {
	for _, p := range c.s.store.related(bundleID, "profiles") {
		p.attrs["profileState"] = "INVALID"
	}
}

// profileContent is the signed property list of a profile, in base64.
func (c *call) profileContent(o *object) string {
	prefix, identifier := teamID, "*"
	bundleID := c.s.store.one(o, "bundleId")
	if bundleID != nil {
		identifier = bundleID.text("identifier")
	}
	end, _ := parseTime(o.text("expirationDate"))
	development := strings.HasSuffix(o.text("profileType"), "DEVELOPMENT")
	entitlements := map[string]any{
		"application-identifier":              prefix + "." + identifier,
		"com.apple.developer.team-identifier": teamID,
		"get-task-allow":                      development,
		"keychain-access-groups":              []string{prefix + ".*", "com.apple.token"},
	}
	c.entitle(entitlements, bundleID, development)
	doc := map[string]any{
		"AppIDName": o.text(
			"name",
		), "ApplicationIdentifierPrefix": []string{prefix}, "CreationDate": c.now.UTC(), "ExpirationDate": end.UTC(),
		"Entitlements": entitlements, "Name": o.text("name"),
		"Platform": platformNames(o.text("profileType")), "TeamIdentifier": []string{teamID},
		"TeamName": teamName, "TimeToLive": 365, "UUID": o.text("uuid"), "Version": 1, "IsXcodeManaged": false,
	}
	if bundleID != nil {
		doc["AppIDName"] = bundleID.text("name")
	}
	var certs [][]byte
	for _, x := range c.s.store.related(o, "certificates") {
		text := x.attrs["certificateContent"]
		if shown := certificateShown(c, x); shown != nil {
			text = shown["certificateContent"]
		}
		if der, err := base64.StdEncoding.DecodeString(fmt.Sprint(text)); err == nil {
			certs = append(certs, der)
		}
	}
	doc["DeveloperCertificates"] = certs
	if profileFits(o.text("profileType")).withDevices {
		list := []string{}
		for _, d := range c.s.store.related(o, "devices") {
			list = append(list, d.text("udid"))
		}
		doc["ProvisionedDevices"] = list
	} else if strings.HasSuffix(o.text("profileType"), "INHOUSE") {
		doc["ProvisionsAllDevices"] = true
	}
	text, err := plist.MarshalIndent(doc, plist.XMLFormat, "\t")
	if err == nil {
		text, err = c.s.authority().Sign(text)
	}
	if err != nil {
		panic("sandbox: a profile cannot be signed: " + err.Error()) // it is made of plain values
	}
	return base64.StdEncoding.EncodeToString(text)
}

// entitle adds what the capabilities of a bundle id allow.
func (c *call) entitle(entitlements map[string]any, bundleID *object, development bool) {
	if bundleID == nil {
		return
	}
	for _, capability := range c.s.store.related(bundleID, "bundleIdCapabilities") {
		switch capability.text("capabilityType") {
		case "PUSH_NOTIFICATIONS":
			entitlements["aps-environment"] = map[bool]string{true: "development", false: "production"}[development]
		case "ASSOCIATED_DOMAINS":
			entitlements["com.apple.developer.associated-domains"] = "*"
		case "APP_GROUPS":
			entitlements["com.apple.security.application-groups"] = []string{}
		case "GAME_CENTER":
			entitlements["com.apple.developer.game-center"] = true
		case "HEALTHKIT":
			entitlements["com.apple.developer.healthkit"] = true
		case "HOMEKIT":
			entitlements["com.apple.developer.homekit"] = true
		case "SIRIKIT":
			entitlements["com.apple.developer.siri"] = true
		case "APPLE_ID_AUTH":
			entitlements["com.apple.developer.applesignin"] = []string{"Default"}
		case "ICLOUD":
			entitlements["com.apple.developer.icloud-services"] = "*"
		case "NETWORK_EXTENSIONS":
			entitlements["com.apple.developer.networking.networkextension"] = []string{}
		}
	}
}

func platformNames(kind string) []string {
	switch {
	case strings.HasPrefix(kind, "TVOS"):
		return []string{"tvOS"}
	case strings.HasPrefix(kind, "MAC"):
		return []string{"OSX"}
	}
	return []string{"iOS", "xrOS", "visionOS"}
}
