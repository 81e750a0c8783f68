package inspect

import (
	"fmt"
	"slices"
	"strings"
)

// size is a width and a height in pixels.
type size struct{ width, height int }

func (s size) String() string { return fmt.Sprintf("%d×%d", s.width, s.height) }

// sizes are those that something takes. None at all: they are not known.
type sizes struct {
	list   []size
	turned bool // width and height may be exchanged
	wide   bool // any of 16:9, instead of a list
}

func exactly(list ...size) sizes { return sizes{list: list} }

func either(list ...size) sizes { return sizes{list: list, turned: true} }

func (s sizes) known() bool { return s.wide || len(s.list) > 0 }

func (s sizes) take(width, height int) bool {
	if s.wide {
		return width > 0 && width*9 == height*16
	}
	return slices.Contains(s.list, size{width, height}) || s.turned && slices.Contains(s.list, size{height, width})
}

// String lists them, such as "640×960, 640×920 or 960×600".
func (s sizes) String() string {
	if s.wide {
		return "any size of 16:9"
	}
	text := orOf(s.list)
	if s.turned {
		text += " (or turned)"
	}
	return text
}

// display is a class of devices, and what its screenshots and previews measure.
type display struct {
	name        string // as in PreviewType; with APP_ before it in ScreenshotDisplayType
	screenshots sizes
	previews    sizes
}

// displays are in the order in which a picture that fits several is most likely
// meant. Apple: screenshot specifications, app preview specifications; the figures
// as fastlane and asc have them. Screenshots of the oldest displays may lack the
// status bar, so that their turned sizes are others.
var displays = []display{
	{"IPHONE_67", either(size{1260, 2736}, size{1290, 2796}, size{1320, 2868}), phone}, // 6.9 inches
	{"IPHONE_65", either(size{1242, 2688}, size{1284, 2778}), phone},
	{"IPHONE_61", either(size{1179, 2556}, size{1206, 2622}), phone},                   // 6.3 inches
	{"IPHONE_58", either(size{1080, 2340}, size{1125, 2436}, size{1170, 2532}), phone}, // 6.1 inches
	{"IPHONE_55", either(size{1242, 2208}), either(size{1080, 1920})},
	{"IPHONE_47", either(size{750, 1334}), either(size{750, 1334})},
	{
		"IPHONE_40",
		exactly(size{640, 1096}, size{640, 1136}, size{1136, 600}, size{1136, 640}),
		either(size{1080, 1920}),
	},
	{"IPHONE_35", exactly(size{640, 920}, size{640, 960}, size{960, 600}, size{960, 640}), sizes{}},
	{"IPAD_PRO_3GEN_129", either(size{2048, 2732}, size{2064, 2752}), tablet}, // 13 inches
	{
		"IPAD_PRO_3GEN_11",
		either(size{1488, 2266}, size{1640, 2360}, size{1668, 2388}, size{1668, 2420}),
		tablet,
	},
	{"IPAD_PRO_129", either(size{2048, 2732}), either(size{900, 1200}, size{1200, 1600})},
	{"IPAD_105", either(size{1668, 2224}), tablet},
	{
		"IPAD_97",
		exactly(size{768, 1004}, size{768, 1024}, size{1024, 748}, size{1024, 768},
			size{1536, 2008}, size{1536, 2048}, size{2048, 1496}, size{2048, 1536}),
		either(size{900, 1200}),
	},
	{"DESKTOP", exactly(size{1280, 800}, size{1440, 900}, size{2560, 1600}, size{2880, 1800}), sizes{wide: true}},
	{"APPLE_TV", exactly(size{1920, 1080}, size{3840, 2160}), sizes{wide: true}},
	{"APPLE_VISION_PRO", exactly(size{3840, 2160}), sizes{wide: true}},
	{"WATCH_ULTRA", exactly(size{410, 502}, size{422, 514}), sizes{}},
	{"WATCH_SERIES_10", exactly(size{416, 496}), sizes{}},
	{"WATCH_SERIES_7", exactly(size{396, 484}), sizes{}},
	{"WATCH_SERIES_4", exactly(size{368, 448}), sizes{}},
	{"WATCH_SERIES_3", exactly(size{312, 390}), sizes{}},
}

// Sizes of previews: of phones without a home button, and of most tablets.
var (
	phone  = either(size{886, 1920})
	tablet = either(size{1200, 1600})
)

// Prefixes of ScreenshotDisplayType. iMessage apps have the sizes of the device.
const (
	appPrefix     = "APP_"
	messagePrefix = "IMESSAGE_APP_"
)

// hasMessages says whether iMessage apps have screenshots of the display.
func (d display) hasMessages() bool {
	return d.name != "IPHONE_35" && (strings.HasPrefix(d.name, "IPHONE_") || strings.HasPrefix(d.name, "IPAD_"))
}

// DisplayTypes are the values of ScreenshotDisplayType that take a screenshot of
// this size in pixels: first those of apps, the likeliest first, then those of
// iMessage apps.
func DisplayTypes(width, height int) []string {
	var apps, messages []string
	for _, d := range displays {
		if !d.screenshots.take(width, height) {
			continue
		}
		apps = append(apps, appPrefix+d.name)
		if d.hasMessages() {
			messages = append(messages, messagePrefix+d.name)
		}
	}
	return append(apps, messages...)
}

// Fits says whether a ScreenshotDisplayType takes a size in pixels. One that is not
// known takes none.
func Fits(displayType string, width, height int) bool {
	s, _ := screenshotSizes(displayType)
	return s.take(width, height)
}

func screenshotSizes(displayType string) (s sizes, ok bool) {
	name, message := strings.CutPrefix(displayType, messagePrefix)
	if !message {
		name, ok = strings.CutPrefix(displayType, appPrefix)
	}
	for _, d := range displays {
		if d.name == name && (ok || message && d.hasMessages()) {
			return d.screenshots, true
		}
	}
	return sizes{}, false
}

// PreviewTypes are the values of PreviewType that take a video of this size in
// pixels, the likeliest first.
func PreviewTypes(width, height int) []string {
	var types []string
	for _, d := range displays {
		if d.previews.take(width, height) {
			types = append(types, d.name)
		}
	}
	return types
}

// PreviewFits says whether a PreviewType takes a size in pixels. One whose sizes
// are not known takes none.
func PreviewFits(previewType string, width, height int) bool {
	return previewSizes(previewType).take(width, height)
}

func previewSizes(previewType string) sizes {
	for _, d := range displays {
		if d.name == previewType {
			return d.previews
		}
	}
	return sizes{}
}
