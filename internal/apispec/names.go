package apispec

import (
	"regexp"
	"strings"
	"unicode"
)

// snake turns Apple's lowerCamelCase into protobuf's lower_snake_case:
// "dSYMUrl" → "d_sym_url", "preReleaseVersion.platform" →
// "pre_release_version_platform".
func snake(s string) string {
	var b strings.Builder
	rs := []rune(s)
	for i, r := range rs {
		switch {
		case r == '.' || r == '-' || r == ' ' || r == '_':
			b.WriteByte('_')
			continue
		case unicode.IsUpper(r) && i > 0 && rs[i-1] != '.' && rs[i-1] != '-' && rs[i-1] != '_':
			prevLower := !unicode.IsUpper(rs[i-1])
			nextLower := i+1 < len(rs) && unicode.IsLower(rs[i+1])
			if prevLower || nextLower {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// jsonName is what protobuf makes of a field name by itself.
func jsonName(field string) string {
	var b strings.Builder
	up := false
	for _, r := range field {
		if r == '_' {
			up = true
			continue
		}
		if up {
			r = unicode.ToUpper(r)
			up = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// pascal makes a message or RPC name: "preReleaseVersions" →
// "PreReleaseVersions", "a.b" → "AB".
func pascal(s string) string {
	var b strings.Builder
	up := true
	for _, r := range s {
		if r == '.' || r == '-' || r == '_' || r == ' ' {
			up = true
			continue
		}
		if up {
			r = unicode.ToUpper(r)
			up = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

var versionSuffix = regexp.MustCompile(`V\d+$`)

// irregular plurals among Apple's words.
var irregular = map[string]string{"Criteria": "Criterion", "criteria": "criterion", "RefData": "RefDatum"}

// singular of a plural camelCase noun. A version suffix stays where it is:
// "inAppPurchasesV2" → "inAppPurchaseV2".
func singular(s string) string {
	version := versionSuffix.FindString(s)
	s = strings.TrimSuffix(s, version)
	for plural, one := range irregular {
		if base, ok := strings.CutSuffix(s, plural); ok {
			return base + one + version
		}
	}
	switch {
	case strings.HasSuffix(s, "ies"):
		s = strings.TrimSuffix(s, "ies") + "y"
	case strings.HasSuffix(s, "sses"),
		strings.HasSuffix(s, "tuses"),
		strings.HasSuffix(s, "xes"),
		strings.HasSuffix(s, "ches"):
		s = strings.TrimSuffix(s, "es")
	case strings.HasSuffix(s, "ss"), strings.HasSuffix(s, "us"), strings.HasSuffix(s, "is"):
	default:
		s = strings.TrimSuffix(s, "s")
	}
	return s + version
}

var notUpperSnake = regexp.MustCompile(`[^A-Z0-9]+`)

// enumValueName makes an enum value's name of Apple's spelling:
// "com.apple.ipa" → "COM_APPLE_IPA", "gameCenterDetail" → "GAME_CENTER_DETAIL".
func enumValueName(s string) string {
	up := s
	if strings.ToUpper(s) != s {
		up = strings.ToUpper(snake(s))
	}
	up = strings.Trim(notUpperSnake.ReplaceAllString(up, "_"), "_")
	if up == "" || up[0] >= '0' && up[0] <= '9' {
		up = "VALUE_" + up
	}
	return up
}
