package inspect

import (
	"slices"
	"strings"
	"testing"
	"time"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
)

// named are the values of an enum that Apple sends.
func named(values map[int32]string) []string {
	var names []string
	for n, name := range values {
		if n > 1 { // UNSPECIFIED, UNKNOWN
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestEveryDisplayTypeHasSizes holds the table to Apple's document, both ways.
func TestEveryDisplayTypeHasSizes(t *testing.T) {
	var without, ours []string
	for _, name := range named(enumsv1.ScreenshotDisplayTypeEnum_ScreenshotDisplayType_name) {
		if s, ok := screenshotSizes(name); !ok || !s.known() {
			without = append(without, name)
		}
	}
	if len(without) > 0 { // name a new one here only if Apple nowhere says its sizes
		t.Errorf("display types without sizes: %v", without)
	}
	for _, d := range displays {
		ours = append(ours, appPrefix+d.name)
		if d.hasMessages() {
			ours = append(ours, messagePrefix+d.name)
		}
	}
	slices.Sort(ours)
	if theirs := named(enumsv1.ScreenshotDisplayTypeEnum_ScreenshotDisplayType_name); !slices.Equal(ours, theirs) {
		t.Errorf("ours are\n%v\nApple's\n%v", ours, theirs)
	}
}

func TestEveryPreviewTypeHasSizes(t *testing.T) {
	var without []string
	theirs := named(enumsv1.PreviewTypeEnum_PreviewType_name)
	for _, name := range theirs {
		if !previewSizes(name).known() {
			without = append(without, name)
		}
	}
	if want := []string{"IPHONE_35"}; !slices.Equal(without, want) { // Apple takes no new ones for it
		t.Errorf("preview types without sizes: %v, want %v", without, want)
	}
	for _, d := range displays {
		if d.previews.known() && !slices.Contains(theirs, d.name) {
			t.Errorf("Apple has no preview type %s", d.name)
		}
	}
}

func TestDisplayTypes(t *testing.T) {
	for _, c := range []struct {
		width, height int
		want          string
	}{
		{1290, 2796, "APP_IPHONE_67 IMESSAGE_APP_IPHONE_67"},
		{2868, 1320, "APP_IPHONE_67 IMESSAGE_APP_IPHONE_67"},
		{2048, 2732, "APP_IPAD_PRO_3GEN_129 APP_IPAD_PRO_129 IMESSAGE_APP_IPAD_PRO_3GEN_129 IMESSAGE_APP_IPAD_PRO_129"},
		{2752, 2064, "APP_IPAD_PRO_3GEN_129 IMESSAGE_APP_IPAD_PRO_3GEN_129"},
		{3840, 2160, "APP_APPLE_TV APP_APPLE_VISION_PRO"},
		{2160, 3840, ""},
		{1920, 1080, "APP_APPLE_TV"},
		{1080, 1920, ""},
		{640, 1096, "APP_IPHONE_40 IMESSAGE_APP_IPHONE_40"},
		{1096, 640, ""}, // without the status bar it is 1136×600
		{1136, 600, "APP_IPHONE_40 IMESSAGE_APP_IPHONE_40"},
		{600, 1136, ""},
		{960, 600, "APP_IPHONE_35"},
		{2048, 1496, "APP_IPAD_97 IMESSAGE_APP_IPAD_97"},
		{2008, 1536, ""},
		{2560, 1600, "APP_DESKTOP"},
		{1600, 2560, ""},
		{410, 502, "APP_WATCH_ULTRA"},
		{502, 410, ""},
		{0, 0, ""},
	} {
		got := DisplayTypes(c.width, c.height)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%d×%d: %v", c.width, c.height, got)
		}
		for _, name := range named(enumsv1.ScreenshotDisplayTypeEnum_ScreenshotDisplayType_name) {
			if Fits(name, c.width, c.height) != slices.Contains(got, name) {
				t.Errorf("%s, %d×%d: another answer", name, c.width, c.height)
			}
		}
	}
	for _, name := range strings.Fields("APP_ APP_IPHONE_69 IPHONE_67 IMESSAGE_APP_DESKTOP IMESSAGE_APP_IPHONE_35") {
		if _, ok := screenshotSizes(name); ok || Fits(name, 1290, 2796) || Fits(name, 2880, 1800) ||
			Fits(name, 640, 960) {
			t.Errorf("%s is no display type", name)
		}
	}
}

func TestPreviewTypes(t *testing.T) {
	for _, c := range []struct {
		width, height int
		want          string
	}{
		{886, 1920, "IPHONE_67 IPHONE_65 IPHONE_61 IPHONE_58"},
		{1920, 886, "IPHONE_67 IPHONE_65 IPHONE_61 IPHONE_58"},
		{1080, 1920, "IPHONE_55 IPHONE_40"},
		{1920, 1080, "IPHONE_55 IPHONE_40 DESKTOP APPLE_TV APPLE_VISION_PRO"},
		{3840, 2160, "DESKTOP APPLE_TV APPLE_VISION_PRO"},
		{750, 1334, "IPHONE_47"},
		{1200, 1600, "IPAD_PRO_3GEN_129 IPAD_PRO_3GEN_11 IPAD_PRO_129 IPAD_105"},
		{1200, 900, "IPAD_PRO_129 IPAD_97"},
		{0, 0, ""},
	} {
		got := PreviewTypes(c.width, c.height)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%d×%d: %v", c.width, c.height, got)
		}
		for _, name := range named(enumsv1.PreviewTypeEnum_PreviewType_name) {
			if PreviewFits(name, c.width, c.height) != slices.Contains(got, name) {
				t.Errorf("%s, %d×%d: another answer", name, c.width, c.height)
			}
		}
	}
	if PreviewFits("IPHONE_69", 886, 1920) {
		t.Error("there is no such type")
	}
}

// judged is a file, and its problems by a rule.
type judged struct {
	rule Rule
	c    Content
	want string // code: message; code: message
}

func judge(t *testing.T, cases []judged) {
	t.Helper()
	for _, c := range cases {
		var got []string
		for _, p := range Problems(c.rule, c.c) {
			got = append(got, p.Code+": "+p.Message)
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%+v\ngot  %s\nwant %s", c.c, text, c.want)
		}
	}
}

func shot(width, height int) Content {
	return Content{Name: "a.png", Size: 1000, Type: PNG, Width: width, Height: height}
}

var video = Content{Name: "a.mp4", Size: 1 << 20, Type: MP4, Width: 886, Height: 1920, Duration: 20 * time.Second}

func with(c Content, change func(*Content)) Content {
	change(&c)
	return c
}

func TestProblemsOfScreenshots(t *testing.T) {
	phone67 := ScreenshotRule("APP_IPHONE_67")
	judge(t, []judged{
		{phone67, shot(1290, 2796), ""},
		{phone67, shot(2796, 1290), ""},
		{phone67, shot(0, 0), ""}, // not known
		{ScreenshotRule("APP_IPHONE_90"), shot(1, 2), ""},
		{phone67, shot(1000, 1000), "WRONG_DIMENSIONS: 1000×1000 is no size of APP_IPHONE_67: " +
			"want 1260×2736, 1290×2796 or 1320×2868 (or turned)"},
		{ScreenshotRule("APP_WATCH_SERIES_3"), shot(390, 312), "WRONG_DIMENSIONS: 390×312 is no size of " +
			"APP_WATCH_SERIES_3: want 312×390"},
		{phone67, with(shot(1290, 2796), func(c *Content) { c.Alpha = true }),
			"HAS_ALPHA: the picture has an alpha channel: APP_IPHONE_67 takes opaque pictures"},
		{phone67, with(shot(1290, 2796), func(c *Content) { c.Name = "a.JPG" }),
			"WRONG_EXTENSION: the name of a PNG file ends in .png"},
		{phone67, with(shot(1290, 2796), func(c *Content) { c.Name, c.Type = "A.JPEG", JPEG }), ""},
		{phone67, with(shot(1290, 2796), func(c *Content) { c.Name, c.Type = "a", JPEG }),
			"WRONG_EXTENSION: the name of a JPEG file ends in .jpg or .jpeg"},
		{phone67, Content{Name: "a.png"}, "EMPTY_FILE: the file is empty"},
		{
			phone67, video,
			"WRONG_TYPE: an MP4 file is no format of APP_IPHONE_67: want PNG or JPEG",
		},
		{
			phone67, Content{Name: "a.png", Size: 9},
			"WRONG_TYPE: this file is no format of APP_IPHONE_67: want PNG or JPEG",
		},
	})
}

func TestProblemsOfPreviews(t *testing.T) {
	preview := PreviewRule("IPHONE_67")
	judge(t, []judged{
		{preview, video, ""},
		{preview, with(video, func(c *Content) { c.Name, c.Type = "a.m4v", MP4 }), ""},
		{preview, with(video, func(c *Content) { c.Duration = 0 }), ""},
		{preview, with(video, func(c *Content) { c.Duration = 14 * time.Second }),
			"VIDEO_TOO_SHORT: the video lasts 14s: IPHONE_67 takes at least 15s"},
		{preview, with(video, func(c *Content) { c.Duration, c.Size = 31*time.Second, 501<<20 }),
			"FILE_TOO_LARGE: the file has 525336576 bytes: IPHONE_67 takes at most 524288000; " +
				"VIDEO_TOO_LONG: the video lasts 31s: IPHONE_67 takes at most 30s"},
		{PreviewRule("DESKTOP"), video, "WRONG_DIMENSIONS: 886×1920 is no size of DESKTOP: want any size of 16:9"},
		{preview, shot(886, 1920), "WRONG_TYPE: a PNG file is no format of IPHONE_67: want MP4, QuickTime or M4V"},
		{PreviewRule("IPHONE_35"), video, ""},
	})
}

func TestProblemsOfOthers(t *testing.T) {
	judge(t, []judged{
		{EventCardImage, shot(1920, 1080), ""},
		{
			EventCardImage, shot(1080, 1920),
			"WRONG_DIMENSIONS: 1080×1920 is no size of the event's card: want 1920×1080",
		},
		{EventDetailsVideo, with(video, func(c *Content) { c.Width, c.Duration = 1080, 29*time.Second }), ""},
		{AppClipHeader, shot(1800, 1200), ""},
		{PromotionalImage, shot(1024, 1024), ""},
		{GameCenterImage, shot(512, 512), ""},
		{
			GameCenterImage, shot(512, 513),
			"WRONG_DIMENSIONS: 512×513 is no size of a Game Center image: want 512×512 or 1024×1024",
		},
		{GameCenterWideImage, shot(3840, 2160), ""},
		{ReviewScreenshot, with(shot(920, 640), func(c *Content) { c.Alpha = true }), ""},
		{
			ReviewScreenshot, shot(640, 800),
			"WRONG_DIMENSIONS: 640×800 is too small for a review screenshot: want at least 640×920",
		},
		{RoutingCoverage, Content{Name: "a.geojson", Size: 9, Type: GeoJSON}, ""},
		{RoutingCoverage, Content{Name: "a.geojson", Size: 9, Type: JSON},
			"WRONG_TYPE: a JSON file is no format of a routing coverage: want GeoJSON"},
		{
			AssetPack, Content{Name: "a.aar", Size: 9, Type: ZIP},
			"WRONG_TYPE: a ZIP file is no format of an asset pack: want Apple Archive",
		},
		{AnyFile, Content{Name: "a.crash", Size: 9}, ""},
	})
}
