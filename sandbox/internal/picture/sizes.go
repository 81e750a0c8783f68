package picture

import (
	"slices"
	"strings"
)

// screenshots are the sizes that each display type takes. Most can be turned; see
// fixed. Apple: screenshot specifications.
var screenshots = map[string][]Size{
	"APP_IPHONE_67":         {{1290, 2796}, {1320, 2868}, {1260, 2736}},
	"APP_IPHONE_65":         {{1242, 2688}, {1284, 2778}},
	"APP_IPHONE_61":         {{1179, 2556}, {1206, 2622}},
	"APP_IPHONE_58":         {{1125, 2436}, {1080, 2340}, {1170, 2532}},
	"APP_IPHONE_55":         {{1242, 2208}},
	"APP_IPHONE_47":         {{750, 1334}},
	"APP_IPHONE_40":         {{640, 1136}, {640, 1096}, {1136, 600}},
	"APP_IPHONE_35":         {{640, 960}, {640, 920}, {960, 600}},
	"APP_IPAD_PRO_3GEN_129": {{2064, 2752}, {2048, 2732}},
	"APP_IPAD_PRO_129":      {{2048, 2732}},
	"APP_IPAD_PRO_3GEN_11":  {{1668, 2388}, {1488, 2266}, {1640, 2360}, {1668, 2420}},
	"APP_IPAD_105":          {{1668, 2224}},
	"APP_IPAD_97":           {{1536, 2048}, {768, 1024}, {1536, 2008}, {768, 1004}, {2048, 1496}, {1024, 748}},
	"APP_DESKTOP":           {{2880, 1800}, {1280, 800}, {1440, 900}, {2560, 1600}},
	"APP_APPLE_TV":          {{1920, 1080}, {3840, 2160}},
	"APP_APPLE_VISION_PRO":  {{3840, 2160}},
	"APP_WATCH_ULTRA":       {{410, 502}, {422, 514}},
	"APP_WATCH_SERIES_10":   {{416, 496}},
	"APP_WATCH_SERIES_7":    {{396, 484}},
	"APP_WATCH_SERIES_4":    {{368, 448}},
	"APP_WATCH_SERIES_3":    {{312, 390}},
}

// fixed are the display types whose sizes cannot be turned.
var fixed = []string{"APP_DESKTOP", "APP_APPLE_TV", "APP_APPLE_VISION_PRO", "APP_WATCH_"}

// duo are the sizes of a display class that only the asset library has. Apple: App
// Asset Library, reference data.
var duo = []Size{{2853, 2007}, {2034, 1398}}

// Screenshot says whether a display type of the API takes a size. Those of iMessage
// apps are those of the device.
func Screenshot(displayType string, s Size) bool {
	displayType = strings.TrimPrefix(displayType, "IMESSAGE_")
	sizes := screenshots[displayType]
	if slices.Contains(sizes, s) {
		return true
	}
	still := slices.ContainsFunc(fixed, func(start string) bool { return strings.HasPrefix(displayType, start) })
	return !still && slices.Contains(sizes, s.turned())
}

// AnyScreenshot says whether some display type takes a size.
func AnyScreenshot(s Size) bool {
	if slices.Contains(duo, s) || slices.Contains(duo, s.turned()) {
		return true
	}
	for displayType := range screenshots {
		if Screenshot(displayType, s) {
			return true
		}
	}
	return false
}

// Natural is the size that most screenshots of a display type have; zero if the
// type is not known.
func Natural(displayType string) Size {
	if sizes := screenshots[strings.TrimPrefix(displayType, "IMESSAGE_")]; len(sizes) > 0 {
		return sizes[0]
	}
	return Size{}
}

// Sizes of creative assets of the asset library. Apple: App Asset Library,
// reference data.
var headers = []Size{{3840, 1646}, {5244, 2950}}

const searchLeast, searchMost = 1920, 3840 // widths of pictures for search results, three by two

// Creative says whether the asset library takes a size for the top of a product
// page or for search results.
func Creative(s Size) bool {
	return slices.Contains(headers, s) ||
		s.Width*2 == s.Height*3 && s.Width >= searchLeast && s.Width <= searchMost
}

// Sizes are all sizes that a display type takes, turned ones too.
func Sizes(displayType string) (list []Size) {
	for _, s := range screenshots[displayType] {
		for _, s := range []Size{s, s.turned()} {
			if Screenshot(displayType, s) && !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	return list
}

// DuoSizes are those of the display class that only the asset library has.
func DuoSizes() (list []Size) {
	for _, s := range duo {
		list = append(list, s, s.turned())
	}
	return list
}

// Headers are the sizes for the top of a product page.
func Headers() []Size { return slices.Clone(headers) }

// SearchResults are the least and the largest size for search results.
func SearchResults() (least, most Size) {
	return Size{searchLeast, searchLeast * 2 / 3}, Size{searchMost, searchMost * 2 / 3}
}
