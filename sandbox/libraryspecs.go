package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/picture"
)

// libraryGroup is a placement group of screenshots and previews: a display class, and
// how the older sets name it. Where a group was seen in a public tool its name is
// Apple's; the others are made in the same way of the name of their display class.
type libraryGroup struct {
	id, class, family, platform string
	display                     string       // as the sets name it, without APP_; "" if no set takes it
	preview                     picture.Size // upright or wide, turned ones are taken too
}

func libraryGroups() []libraryGroup {
	tall, wide := picture.Size{Width: 886, Height: 1920}, picture.Size{Width: 1920, Height: 1080}
	old, small := picture.Size{Width: 1080, Height: 1920}, picture.Size{Width: 750, Height: 1334}
	pad, none := picture.Size{Width: 1200, Height: 1600}, picture.Size{}
	phone := func(id, display string, preview picture.Size) libraryGroup {
		return libraryGroup{id + "_PROFILE", id + "_DISPLAY", "IPHONE", "IPHONE_APP_STORE", display, preview}
	}
	tablet := func(size, display string) libraryGroup {
		return libraryGroup{"IPAD_" + size + "_PROFILE", "IPAD_" + size + "_DISPLAY", "IPAD", "IPAD_APP_STORE",
			display, pad}
	}
	watch := func(id string) libraryGroup {
		return libraryGroup{id + "_PROFILE", id, "APPLE_WATCH", "WATCH_APP_STORE", id, none}
	}
	return []libraryGroup{
		{"IPHONE_DUO_PROFILE", "IPHONE_DUO", "IPHONE", "IPHONE_APP_STORE", "", picture.DuoSizes()[3]},
		phone("IPHONE_DYNAMIC_ISLAND_LARGE", "IPHONE_67", tall),
		phone("IPHONE_DYNAMIC_ISLAND_MEDIUM", "IPHONE_61", tall),
		phone("IPHONE_FACE_ID_LARGE", "IPHONE_65", tall),
		phone("IPHONE_FACE_ID_MEDIUM", "IPHONE_58", tall),
		phone("IPHONE_HOME_BUTTON_LARGE", "IPHONE_55", old),
		phone("IPHONE_HOME_BUTTON_MEDIUM", "IPHONE_47", small),
		phone("IPHONE_HOME_BUTTON_40", "IPHONE_40", old),
		phone("IPHONE_HOME_BUTTON_35", "IPHONE_35", none),
		tablet("13", "IPAD_PRO_3GEN_129"),
		tablet("129", "IPAD_PRO_129"),
		tablet("11", "IPAD_PRO_3GEN_11"),
		tablet("105", "IPAD_105"),
		tablet("97", "IPAD_97"),
		watch("WATCH_ULTRA"), watch("WATCH_SERIES_10"), watch("WATCH_SERIES_7"),
		watch("WATCH_SERIES_4"), watch("WATCH_SERIES_3"),
		{"MAC_PROFILE", "DEFAULT", "MAC", "MAC_APP_STORE", "DESKTOP", wide},
		{"TV_PROFILE", "DEFAULT", "APPLE_TV", "TV_APP_STORE", "APPLE_TV", wide},
		{"VISION_PRO_PROFILE", "DEFAULT", "VISION", "VISION_PRO_APP_STORE", "APPLE_VISION_PRO", wide},
	}
}

// sizes are those of a group's screenshots.
func (g libraryGroup) sizes() []picture.Size {
	if g.display == "" {
		return picture.DuoSizes()
	}
	return picture.Sizes("APP_" + g.display)
}

// Names of the placement types that the sandbox takes.
const (
	shotPlacement    = "APP_SCREENSHOT"
	messagePlacement = "IMESSAGE_APP_SCREENSHOT"
	previewPlacement = "APP_PREVIEW"
	anyGroup         = "ANY_PROFILE" // of creative assets; the sandbox's own name
)

// Categories of assets.
const (
	shotCategory     = "APP_SCREENSHOTS_AND_PREVIEWS"
	creativeCategory = "CREATIVE_ASSETS"
)

// placementKind is what a placement type takes, and how many of it a group has.
// Apple: reference data of the App Asset Library; 10 screenshots were seen live, the
// other numbers are those of the sets, or of what there is one of on a page.
type placementKind struct {
	name     string
	category string
	most     int
	images   bool
	videos   bool
	event    bool // of in-app events; of product pages otherwise
}

func placementKinds() []placementKind {
	return []placementKind{
		{name: shotPlacement, category: shotCategory, most: mostScreenshots, images: true},
		{name: messagePlacement, category: shotCategory, most: mostScreenshots, images: true},
		{name: previewPlacement, category: shotCategory, most: mostPreviews, videos: true},
		{name: "PRODUCT_PAGE_HEADER_ASSET", category: creativeCategory, most: 1, images: true, videos: true},
		{name: "APP_STORE_SEARCH_RESULTS_ASSET", category: creativeCategory, most: 1, images: true, videos: true},
		{name: "EVENT_CARD_ASSET", category: creativeCategory, most: 1, images: true, videos: true, event: true},
		{
			name:     "EVENT_DETAILS_PAGE_ASSET",
			category: creativeCategory,
			most:     1,
			images:   true,
			videos:   true,
			event:    true,
		},
	}
}

// kindOfPlacement finds a placement type; ok is false if the sandbox has it not.
func kindOfPlacement(name string) (k placementKind, ok bool) {
	for _, k := range placementKinds() {
		if k.name == name {
			return k, true
		}
	}
	return placementKind{}, false
}

// groups are the placement groups of a placement type.
func (k placementKind) groups() (ids []string) {
	if k.category == creativeCategory {
		return []string{anyGroup}
	}
	for _, g := range libraryGroups() {
		if k.takes(g) {
			ids = append(ids, g.id)
		}
	}
	return ids
}

// takes says whether a group has placements of a type: watches have no previews, and
// iMessage is of phones and tablets.
func (k placementKind) takes(g libraryGroup) bool {
	switch k.name {
	case previewPlacement:
		return g.preview.Width > 0
	case messagePlacement:
		return g.family == "IPHONE" || g.family == "IPAD"
	}
	return k.category == shotCategory
}

// librarySpec is a size, or a range of sizes, that assets may have.
type librarySpec struct {
	least, most picture.Size
	aspect      string
	video       bool
	types       []string // placement types
	groups      []string
}

// id is made of what the spec says: "IMAGE_1290x2796".
func (s librarySpec) id() string {
	kind := "IMAGE"
	if s.video {
		kind = "VIDEO"
	}
	if s.least != s.most {
		return kind + "_" + strings.ReplaceAll(s.aspect, ":", "x")
	}
	return fmt.Sprintf("%s_%dx%d", kind, s.most.Width, s.most.Height)
}

// specOf is the id of the spec under which an asset of a size is taken; "" if there is
// none.
func specOf(o *object, size picture.Size) string {
	for _, s := range librarySpecs() {
		creative := slices.Contains(s.groups, anyGroup)
		if s.fits(size) && s.video == (o.typ == libraryVideos) && creative == (o.text("category") == creativeCategory) {
			return s.id()
		}
	}
	return ""
}

// fits says whether the spec takes a size.
func (s librarySpec) fits(size picture.Size) bool {
	if s.least == s.most {
		return size == s.most
	}
	return size.Width >= s.least.Width && size.Width <= s.most.Width &&
		size.Width*s.most.Height == size.Height*s.most.Width
}

// librarySpecs are all specs, each once: those of groups first. Nobody changes them.
var librarySpecs = sync.OnceValue(makeLibrarySpecs)

func makeLibrarySpecs() (list []librarySpec) {
	at := map[string]int{}
	add := func(s librarySpec) {
		i, known := at[s.id()]
		if !known {
			i = len(list)
			at[s.id()] = i
			list = append(list, librarySpec{least: s.least, most: s.most, aspect: s.aspect, video: s.video})
		}
		list[i].types = appendNew(list[i].types, s.types...)
		list[i].groups = appendNew(list[i].groups, s.groups...)
	}
	for _, g := range libraryGroups() {
		for _, k := range placementKinds() {
			if k.category != shotCategory || !k.takes(g) {
				continue
			}
			sizes := g.sizes()
			if k.videos {
				sizes = []picture.Size{g.preview, {Width: g.preview.Height, Height: g.preview.Width}}
			}
			for _, size := range sizes {
				add(exactly(size, k.videos, k.name, g.id))
			}
		}
	}
	for _, s := range creativeSpecs() {
		add(s)
	}
	return list
}

// creativeSpecs: headers, search results (three by two), cards and pages of events.
func creativeSpecs() (list []librarySpec) {
	for _, video := range []bool{false, true} {
		for _, s := range picture.Headers() {
			list = append(list, exactly(s, video, "PRODUCT_PAGE_HEADER_ASSET", anyGroup))
		}
		least, most := picture.SearchResults()
		list = append(list,
			librarySpec{least, most, "3:2", video, []string{"APP_STORE_SEARCH_RESULTS_ASSET"}, []string{anyGroup}},
			exactly(eventCard, video, "EVENT_CARD_ASSET", anyGroup),
			exactly(eventPage, video, "EVENT_DETAILS_PAGE_ASSET", anyGroup))
	}
	return list
}

// Sizes of pictures of in-app events. Apple: in-app events.
var (
	eventCard = picture.Size{Width: 1920, Height: 1080}
	eventPage = picture.Size{Width: 1080, Height: 1920}
)

func exactly(size picture.Size, video bool, placement, group string) librarySpec {
	a, b := size.Width, size.Height
	for b > 0 {
		a, b = b, a%b
	}
	return librarySpec{size, size, fmt.Sprintf("%d:%d", size.Width/a, size.Height/a), video,
		[]string{placement}, []string{group}}
}
