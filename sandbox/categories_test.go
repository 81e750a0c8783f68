package sandbox

import (
	"fmt"
	"strings"
	"testing"
)

// TestCategoriesGoTogether: a subcategory is one of its category's, and none comes
// twice.
func TestCategoriesGoTogether(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	info := c.editable(t)
	category := func(rel, id string) string { return to(rel, "appCategories", id) }
	for _, x := range []struct {
		name, relationships, refused string
	}{
		{"a category", category("primaryCategory", "BUSINESS"), ""},
		{"with subcategories", category("primaryCategory", "GAMES") + "," +
			category("primarySubcategoryOne", "GAMES_WORD") + "," + category("primarySubcategoryTwo", "GAMES_BOARD"), ""},
		{"another subcategory", category("primarySubcategoryOne", "GAMES_CARD"), ""},
		{"the same one twice", category("primarySubcategoryTwo", "GAMES_CARD"), "primarySubcategoryTwo"},
		{"another category's", category("primarySubcategoryOne", "STICKERS_ART"), "primarySubcategoryOne"},
		{"one for a category without", category("secondarySubcategoryOne", "GAMES_CARD"), "secondarySubcategoryOne"},
		{"a subcategory as a category", category("primaryCategory", "GAMES_CARD"), "primaryCategory"},
		{"the primary one again", category("secondaryCategory", "GAMES"), "secondaryCategory"},
	} {
		status, _, doc := c.send("PATCH", "/v1/appInfos/"+info, resource("appInfos", info, "", x.relationships))
		pointer := fmt.Sprint(at(doc, "errors", 0, "source", "pointer"))
		right := status == 200
		if x.refused != "" {
			right = status == 409 && strings.HasSuffix(pointer, "/"+x.refused)
		}
		if !right {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
	c.data(t, "PATCH", "/v1/appInfos/"+info, resource("appInfos", info, "", category("primaryCategory", "BUSINESS")))
	if _, _, doc := c.send("GET", "/v1/appInfos/"+info+"/primarySubcategoryOne", ""); doc["data"] != nil {
		t.Errorf("a subcategory of a category that went: %v", doc)
	}
}

// TestCategoriesAreApples: 26 of them, those of games with 16 subcategories.
func TestCategoriesAreApples(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	_, _, doc := c.send("GET", "/v1/appCategories?exists[parent]=false&limit=200", "")
	if got := len(doc["data"].([]any)); got != 26 {
		t.Errorf("%d categories, want 26", got)
	}
	_, _, doc = c.send("GET", "/v1/appCategories/GAMES/subcategories", "")
	if got := len(doc["data"].([]any)); got != 16 {
		t.Errorf("%d kinds of games, want 16", got)
	}
	if parent := c.data(t, "GET", "/v1/appCategories/GAMES_WORD/parent", ""); parent["id"] != "GAMES" {
		t.Errorf("the parent of GAMES_WORD: %v", parent)
	}
}

// editable makes a version of the first app, and tells the id of the information
// that can be edited with it.
func (c *client) editable(t *testing.T) string {
	t.Helper()
	c.data(t, "POST", "/v1/appStoreVersions", resource("appStoreVersions", "", `"platform":"IOS","versionString":"7.0"`,
		to("app", "apps", trailMix)))
	_, _, doc := c.send("GET", "/v1/apps/"+trailMix+"/appInfos", "")
	return at(doc, "data", 1, "id").(string)
}
