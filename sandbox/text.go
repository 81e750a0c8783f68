package sandbox

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// locales are those in which the App Store and TestFlight show texts. Apple: "App
// Store localizations". Their case does not matter in requests.
var locales = strings.Fields(
	"ar-SA bn-BD ca cs da de-DE el en-AU en-CA en-GB en-US es-ES es-MX fi fr-CA fr-FR gu-IN he hi hr hu id it ja " +
		"kn-IN ko ml-IN mr-IN ms nl-NL no or-IN pa-IN pl pt-BR pt-PT ro ru sk sl-SI sv ta-IN " +
		"te-IN th tr uk ur-PK vi zh-Hans zh-Hant",
)

// longest are the most characters that texts may have. Apple: "Required,
// localizable, and editable properties".
var longest = map[string]map[string]int{
	"appStoreVersionLocalizations": {
		"description":     4000,
		"keywords":        100,
		"promotionalText": 170,
		"whatsNew":        4000,
	},
	"appInfoLocalizations":              {"name": 30, "subtitle": 30},
	"appCustomProductPageLocalizations": {"promotionalText": 170},
	"betaBuildLocalizations":            {"whatsNew": 4000},
	"betaAppLocalizations":              {"description": 4000},
	"customerReviewResponses":           {"responseBody": 5970},
	"appStoreReviewDetails":             {"notes": 4000},
	"betaAppReviewDetails":              {"notes": 4000},
	"inAppPurchaseLocalizations":        {"name": 30, "description": 45},
	"subscriptionLocalizations":         {"name": 30, "description": 45},
	"subscriptionGroupLocalizations":    {"name": 30},
	"appEventLocalizations":             {"name": 30, "shortDescription": 50, "longDescription": 120},
	"gameCenterAchievementLocalizations": {
		"name":                    30,
		"beforeEarnedDescription": 200,
		"afterEarnedDescription":  200,
	},
	"appClipDefaultExperienceLocalizations": {"subtitle": 56},
}

// texts refuses texts that are too long, of characters that Apple does not take,
// or in a locale that is none. change holds what a request sets.
func (w *writer) texts(change *object, at string) {
	for _, name := range sortedKeys(change.attrs) {
		text, is := change.attrs[name].(string)
		if !is {
			continue
		}
		pointer, most := at+"/attributes/"+name, longest[change.typ][name]
		switch {
		case name == "locale" && strings.HasSuffix(change.typ, "Localizations") && localeOf(text) == "":
			w.invalid("ENTITY_ERROR.ATTRIBUTE.INVALID", fmt.Sprintf("'%s' is not a valid locale", text), pointer)
		case text != "" && strings.HasSuffix(name, "Url") && strings.HasSuffix(change.typ, "Localizations") &&
			!webURL(text):
			w.invalid("ENTITY_ERROR.ATTRIBUTE.INVALID", fmt.Sprintf("'%s' is not a valid URL", text), pointer)
		case most > 0 && utf8.RuneCountInString(text) > most:
			w.invalid(
				"ENTITY_ERROR.ATTRIBUTE.INVALID.TOO_LONG",
				fmt.Sprintf(
					"The attribute '%s' has %d characters; at most %d are allowed",
					name,
					utf8.RuneCountInString(text),
					most,
				),
				pointer,
			)
		case most > 0 && strings.ContainsFunc(text, refusedRune):
			w.invalid(
				"ENTITY_ERROR.ATTRIBUTE.INVALID.INVALID_CHARACTERS",
				fmt.Sprintf("The attribute '%s' contains invalid characters", name),
				pointer,
			)
		}
	}
}

func (w *writer) invalid(code, detail, pointer string) {
	w.errs = append(
		w.errs,
		apiError{
			Status:  409,
			Code:    code,
			Title:   "The provided entity includes an attribute with an invalid value",
			Detail:  detail,
			Pointer: pointer,
		},
	)
}

// webURL says whether a text is the address of a web page.
func webURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// localeOf is a locale in Apple's spelling; "" if it is none.
func localeOf(text string) string {
	if i := slices.IndexFunc(locales, func(l string) bool { return strings.EqualFold(l, text) }); i >= 0 {
		return locales[i]
	}
	return ""
}

// refusedRune says whether Apple refuses a character in texts of the store: "<",
// emoji, dingbats, and controls but for line breaks and tabs.
func refusedRune(r rune) bool {
	switch {
	case r == '<' || r == '\uFE0F' || r == '\u200D':
		return true
	case r >= 0x2700 && r <= 0x27BF, r >= 0x2600 && r <= 0x26FF, r >= 0x1F000:
		return r < 0x20000 // ideographs of later planes are letters
	}
	return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t'
}
