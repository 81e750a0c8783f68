package sandbox

import (
	"slices"
	"strings"
)

// topCategories are those of the App Store, and subcategories those that some of
// them have. Apple: app categories.
var (
	topCategories = strings.Fields("TRAVEL UTILITIES GAMES BOOKS BUSINESS DEVELOPER_TOOLS EDUCATION ENTERTAINMENT " +
		"FINANCE FOOD_AND_DRINK GRAPHICS_AND_DESIGN HEALTH_AND_FITNESS LIFESTYLE MAGAZINES_AND_NEWSPAPERS MEDICAL " +
		"MUSIC NAVIGATION NEWS PHOTO_AND_VIDEO PRODUCTIVITY REFERENCE SHOPPING SOCIAL_NETWORKING SPORTS " +
		"STICKERS WEATHER")
	subcategories = strings.Fields("GAMES_ACTION GAMES_ADVENTURE GAMES_BOARD GAMES_CARD GAMES_CASINO GAMES_CASUAL " +
		"GAMES_FAMILY GAMES_MUSIC GAMES_PUZZLE GAMES_RACING GAMES_ROLE_PLAYING GAMES_SIMULATION GAMES_SPORTS " +
		"GAMES_STRATEGY GAMES_TRIVIA GAMES_WORD STICKERS_ANIMALS STICKERS_ART STICKERS_CELEBRATIONS " +
		"STICKERS_CELEBRITIES " +
		"STICKERS_CHARACTERS STICKERS_EMOJI_AND_EXPRESSIONS STICKERS_FASHION STICKERS_FOOD_AND_DRINK STICKERS_GAMING " +
		"STICKERS_MOVIES_AND_TV STICKERS_MUSIC STICKERS_PEOPLE STICKERS_PLACES_AND_OBJECTS " +
		"STICKERS_SPORTS_AND_ACTIVITIES")
	categories = slices.Concat(topCategories, subcategories)
)

// appCategories: all that Apple has, for every app the same.
func appCategories() behavior {
	return behavior{count: len(categories), placed: []string{"parent", "subcategories"}, seed: func(o *object, _ int) {
		o.attrs["platforms"] = []any{"IOS", "MAC_OS", "TV_OS"}
		if slices.Contains(subcategories, o.id) {
			top, _, _ := strings.Cut(o.id, "_")
			o.rels["parent"] = []string{top}
		}
	}}
}

// parts are the relationships of an app's information to categories: a category has
// two subcategories.
var parts = map[string][]string{
	"primaryCategory":   {"primarySubcategoryOne", "primarySubcategoryTwo"},
	"secondaryCategory": {"secondarySubcategoryOne", "secondarySubcategoryTwo"},
}

// placedCategories are all relationships to categories.
func placedCategories() (list []string) {
	for _, category := range sortedKeys(parts) {
		list = append(append(list, category), parts[category]...)
	}
	return list
}

// seedCategories gives the apps of a new sandbox a category each: the last is a game.
func seedCategories(o *object, i int) {
	o.rels["primaryCategory"] = []string{topCategories[i%perType]}
	o.rels["secondaryCategory"] = []string{"EDUCATION"}
	if o.rels["primaryCategory"][0] == "GAMES" {
		o.rels["primarySubcategoryOne"], o.rels["primarySubcategoryTwo"] = []string{
			"GAMES_BOARD",
		}, []string{
			"GAMES_WORD",
		}
	}
}

// misplaced refuses categories that do not go together, as far as a change sets them.
func (c *call) misplaced(o, old *object) (errs []apiError) {
	id := func(o *object, rel string) string { return strings.Join(c.s.store.ids(o, rel), "") }
	refuse := func(rel, detail string) {
		if id(o, rel) != id(old, rel) {
			errs = append(errs, apiError{
				Status:  409,
				Code:    "ENTITY_ERROR.RELATIONSHIP.INVALID",
				Title:   "The provided entity includes a relationship with an invalid value",
				Detail:  detail,
				Pointer: "/data/relationships/" + rel,
			})
		}
	}
	for _, rel := range sortedKeys(parts) {
		category := id(o, rel)
		if slices.Contains(subcategories, category) {
			refuse(rel, category+" is a subcategory.")
		}
		for i, part := range parts[rel] {
			switch sub := id(o, part); {
			case sub == "":
			case !c.belongs(sub, category):
				refuse(part, sub+" is no subcategory of "+category+".")
			case i > 0 && sub == id(o, parts[rel][0]):
				refuse(part, sub+" is the first subcategory already.")
			}
		}
	}
	if second := id(o, "secondaryCategory"); second != "" && second == id(o, "primaryCategory") {
		refuse("secondaryCategory", second+" is the primary category already.")
	}
	return errs
}

func (c *call) belongs(sub, category string) bool {
	o := c.s.store.get("appCategories", sub)
	return o != nil && slices.Contains(c.s.store.ids(o, "parent"), category)
}

// recategorized takes away subcategories of a category that is no longer there.
func recategorized(c *call, o *object) {
	for rel, subs := range parts {
		category := strings.Join(c.s.store.ids(o, rel), "")
		for _, sub := range subs {
			for _, id := range c.s.store.ids(o, sub) {
				if !c.belongs(id, category) {
					c.s.store.set(o, sub, nil)
				}
			}
		}
	}
}
