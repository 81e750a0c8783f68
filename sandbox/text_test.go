package sandbox

import (
	"strings"
	"testing"
)

func TestTexts(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	build := to("build", "builds", c.IDs("builds")[0])
	for _, x := range []struct{ name, locale, text, code string }{
		{"plain", "fr-FR", "Corrections et améliorations\n- vitesse", ""},
		{"the same locale in another case", "fr-fr", "x", "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE"},
		{"no locale", "xx-ZZ-nonsense", "x", "ENTITY_ERROR.ATTRIBUTE.INVALID"},
		{"markup", "it", "<b>bold</b>", "ENTITY_ERROR.ATTRIBUTE.INVALID.INVALID_CHARACTERS"},
		{"emoji", "it", "grazie \U0001F600", "ENTITY_ERROR.ATTRIBUTE.INVALID.INVALID_CHARACTERS"},
		{"dingbat", "it", "we ❤ you", "ENTITY_ERROR.ATTRIBUTE.INVALID.INVALID_CHARACTERS"},
		{"as long as may be", "it", strings.Repeat("ü", 4000), ""},
		{"too long", "ko", strings.Repeat("ü", 4001), "ENTITY_ERROR.ATTRIBUTE.INVALID.TOO_LONG"},
		{"a rare ideograph", "ja", "\U00020BB7野家", ""},
	} {
		_, _, doc := c.send(
			"POST",
			"/v1/betaBuildLocalizations",
			resource(
				"betaBuildLocalizations",
				"",
				`"locale":"`+x.locale+`","whatsNew":"`+strings.ReplaceAll(x.text, "\n", `\n`)+`"`,
				build,
			),
		)
		if code(doc) != x.code {
			t.Errorf("%s: %v, want %s", x.name, doc, x.code)
		}
	}
}

func TestSubstringFilters(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for _, id := range []string{"com.acme.app", "com.acme.app.widget"} {
		c.data(
			t,
			"POST",
			"/v1/bundleIds",
			resource("bundleIds", "", `"identifier":"`+id+`","name":"`+id+`","platform":"IOS"`, ""),
		)
	}
	_, _, doc := c.send("GET", "/v1/bundleIds?filter[identifier]=com.acme.app", "")
	if first := at(doc, "data", 0, "attributes", "identifier"); first != "com.acme.app.widget" {
		t.Errorf("the first is %v", first)
	}
	if _, _, doc := c.send("GET", "/v1/apps?filter[bundleId]=com.example.trail", ""); at(
		doc,
		"data",
		0,
		"attributes",
		"bundleId",
	) != "com.example.trailmix" {
		t.Errorf("%v", doc)
	}
	if _, _, doc := c.send("GET", "/v1/betaAppLocalizations?filter[locale]=EN-us", ""); at(doc, "data", 0) == nil {
		t.Errorf("%v", doc)
	}
}

func TestAWrongEnumNamesTheRightOnes(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	_, _, doc := c.send(
		"POST",
		"/v1/bundleIds",
		resource("bundleIds", "", `"identifier":"com.x","name":"x","platform":"WINDOWS"`, ""),
	)
	if detail, _ := at(doc, "errors", 0, "detail").(string); code(doc) != "ENTITY_ERROR.ATTRIBUTE.TYPE" ||
		!strings.Contains(detail, "MAC_OS") {
		t.Errorf("%v", doc)
	}
}
