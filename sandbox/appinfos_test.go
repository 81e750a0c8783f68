package sandbox

import (
	"fmt"
	"strings"
	"testing"
)

func TestAnAppHasInformationToEdit(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	states := func() (list []string) {
		_, _, doc := c.send("GET", "/v1/apps/"+trailMix+"/appInfos", "")
		for _, info := range doc["data"].([]any) {
			list = append(list, at(info, "attributes", "state").(string))
		}
		return list
	}
	if got := fmt.Sprint(states()); got != "[READY_FOR_DISTRIBUTION]" {
		t.Errorf("before: %s", got)
	}
	version := c.data(t, "POST", "/v1/appStoreVersions", resource("appStoreVersions", "", `"platform":"IOS","versionString":"7.0"`, to("app", "apps", trailMix)))["id"].(string)
	if got := fmt.Sprint(states()); got != "[READY_FOR_DISTRIBUTION PREPARE_FOR_SUBMISSION]" {
		t.Errorf("beside a version: %s", got)
	}
	if status, _, doc := c.send("DELETE", "/v1/appStoreVersions/"+version, ""); status != 204 {
		t.Fatal(status, doc)
	}
	if got := fmt.Sprint(states()); got != "[READY_FOR_DISTRIBUTION]" {
		t.Errorf("afterwards: %s", got)
	}
}

// TestAnswersAboutAgeGoTogether: some answers need others.
func TestAnswersAboutAgeGoTogether(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	rating := at(c.data(t, "GET", "/v1/appInfos/"+c.editable(t)+"/ageRatingDeclaration", ""), "id").(string)
	for _, x := range []struct {
		attributes, refused string
	}{
		{`"userGeneratedContent":false,"socialMedia":false,"socialMediaAgeRestricted":false,"ageAssurance":false`, ""},
		{`"socialMedia":true`, "'userGeneratedContent'"},
		{`"socialMedia":true,"userGeneratedContent":true`, ""},
		{`"socialMediaAgeRestricted":true`, "'ageAssurance'"},
		{`"socialMediaAgeRestricted":true,"ageAssurance":true`, ""},
		{`"socialMedia":false`, "'socialMedia'"},
		{`"lootBox":null`, ""},
	} {
		body := resource("ageRatingDeclarations", rating, x.attributes, "")
		status, _, doc := c.send("PATCH", "/v1/ageRatingDeclarations/"+rating, body)
		if text := fmt.Sprint(doc["errors"]); (status == 200) != (x.refused == "") ||
			!strings.Contains(text, x.refused) {
			t.Errorf("%s: %d %v", x.attributes, status, doc)
		}
	}
}

// TestAVersionTakesOverWhatWasBefore, but for what was new then.
func TestAVersionTakesOverWhatWasBefore(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	version := c.data(t, "POST", "/v1/appStoreVersions", resource("appStoreVersions", "",
		`"platform":"IOS","versionString":"3.0"`, to("app", "apps", trailMix)))["id"].(string)
	old := c.store.one(c.store.one(c.store.get("apps", trailMix), "appStoreVersions"), "appStoreVersionLocalizations")
	is := c.store.one(c.store.get("appStoreVersions", version), "appStoreVersionLocalizations")
	for _, name := range []string{"locale", "description", "keywords", "supportUrl", "marketingUrl", "promotionalText"} {
		if is.attrs[name] == nil || is.attrs[name] != old.attrs[name] {
			t.Errorf("%s is %v, was %v", name, is.attrs[name], old.attrs[name])
		}
	}
	if old.text("whatsNew") == "" || is.attrs["whatsNew"] != nil {
		t.Errorf("whatsNew is %v, was %v", is.attrs["whatsNew"], old.attrs["whatsNew"])
	}
	for _, rels := range [][]string{{"appScreenshotSets", "appScreenshots"}, {"appPreviewSets", "appPreviews"}} {
		set, before := c.store.one(is, rels[0]), c.store.one(old, rels[0])
		if set == nil || set == before || len(c.store.ids(set, rels[1])) != len(c.store.ids(before, rels[1])) {
			t.Errorf("%s: %v, were %v", rels[0], set, before)
		}
	}
}
