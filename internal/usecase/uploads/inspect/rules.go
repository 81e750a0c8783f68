package inspect

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Rule is what Apple takes for a purpose. A limit that is zero is none. Apple adds
// sizes and formats before anyone here knows: what does not obey is worth a
// warning, not more.
type Rule struct {
	Purpose     string // for sentences, such as APP_IPHONE_67
	Types       []Type
	Opaque      bool // no alpha channel
	MaxBytes    int64
	MinDuration time.Duration
	MaxDuration time.Duration

	sizes sizes
	least size // each side, whichever way it is turned
}

var (
	pictures = []Type{PNG, JPEG}
	videos   = []Type{MP4, MOV, M4V}
)

// Rules for what is no screenshot and no preview. Apple: App Store Connect help,
// the reference pages of each.
var (
	EventCardImage    = picture("the event's card", exactly(size{1920, 1080}))
	EventDetailsImage = picture("the event's details page", exactly(size{1080, 1920}))
	EventCardVideo    = eventVideo("the event's card", exactly(size{1920, 1080}))
	EventDetailsVideo = eventVideo("the event's details page", exactly(size{1080, 1920}))

	AppClipHeader    = picture("an App Clip's header", exactly(size{1800, 1200}))
	PromotionalImage = picture("an in-app purchase or subscription", exactly(size{1024, 1024}))
	// ReviewScreenshot is of an in-app purchase or a subscription, for App Review.
	ReviewScreenshot = Rule{Purpose: "a review screenshot", Types: pictures, least: size{640, 920}}

	// GameCenterImage is of an achievement, a leaderboard or a set of leaderboards.
	GameCenterImage = picture("a Game Center image", exactly(size{512, 512}, size{1024, 1024}))
	// GameCenterWideImage is of a challenge or an activity.
	GameCenterWideImage = picture("a Game Center challenge or activity", exactly(size{3840, 2160}))

	RoutingCoverage = Rule{Purpose: "a routing coverage", Types: []Type{GeoJSON}}
	AssetPack       = Rule{Purpose: "an asset pack", Types: []Type{AAR}}
	// AnyFile is for what Apple takes in many formats, such as review attachments.
	AnyFile = Rule{Purpose: "an upload"}
)

func picture(purpose string, s sizes) Rule {
	return Rule{Purpose: purpose, Types: pictures, Opaque: true, sizes: s}
}

func eventVideo(purpose string, s sizes) Rule {
	return Rule{Purpose: purpose, Types: videos, MaxDuration: 30 * time.Second, sizes: s}
}

// ScreenshotRule is for a value of ScreenshotDisplayType. One that is not known
// takes any size.
func ScreenshotRule(displayType string) Rule {
	s, _ := screenshotSizes(displayType)
	return picture(displayType, s)
}

// PreviewRule is for a value of PreviewType. One whose sizes are not known takes
// any.
func PreviewRule(previewType string) Rule {
	return Rule{
		Purpose:     previewType,
		Types:       videos,
		MaxBytes:    500 << 20,
		MinDuration: 15 * time.Second,
		MaxDuration: 30 * time.Second,
		sizes:       previewSizes(previewType),
	}
}

// Codes of problems.
const (
	EmptyFile       = "EMPTY_FILE"
	TooLarge        = "FILE_TOO_LARGE"
	WrongType       = "WRONG_TYPE"
	WrongExtension  = "WRONG_EXTENSION"
	WrongDimensions = "WRONG_DIMENSIONS"
	HasAlpha        = "HAS_ALPHA"
	TooShort        = "VIDEO_TOO_SHORT"
	TooLong         = "VIDEO_TOO_LONG"
)

// Problem is why Apple will probably refuse a file.
type Problem struct {
	Code    string
	Message string // a sentence with the figures; it does not name the file
}

// Problems are what a file has against a rule. What is not known of it, such as a
// duration, is no problem.
func Problems(rule Rule, c Content) []Problem {
	if c.Size == 0 {
		return []Problem{{EmptyFile, "the file is empty"}}
	}
	var problems []Problem
	add := func(code, format string, args ...any) {
		problems = append(problems, Problem{code, fmt.Sprintf(format, args...)})
	}
	if rule.MaxBytes > 0 && c.Size > rule.MaxBytes {
		add(TooLarge, "the file has %d bytes: %s takes at most %d", c.Size, rule.Purpose, rule.MaxBytes)
	}
	if len(rule.Types) > 0 && !slices.Contains(rule.Types, c.Type) {
		add(WrongType, "%s is no format of %s: want %s", c.Type.what(), rule.Purpose, orOf(rule.Types))
		return problems // its size is not what is wrong with it
	}
	if want := extensions[c.Type]; len(want) > 0 && !slices.Contains(want, extension(c.Name)) {
		add(WrongExtension, "the name of %s ends in %s", c.Type.what(), orOf(want))
	}
	if is := (size{c.Width, c.Height}); c.Width > 0 && c.Height > 0 {
		if rule.sizes.known() && !rule.sizes.take(c.Width, c.Height) {
			add(WrongDimensions, "%v is no size of %s: want %v", is, rule.Purpose, rule.sizes)
		}
		if min(c.Width, c.Height) < rule.least.width || max(c.Width, c.Height) < rule.least.height {
			add(WrongDimensions, "%v is too small for %s: want at least %v", is, rule.Purpose, rule.least)
		}
	}
	if rule.Opaque && c.Alpha {
		add(HasAlpha, "the picture has an alpha channel: %s takes opaque pictures", rule.Purpose)
	}
	if rule.MinDuration > 0 && c.Duration > 0 && c.Duration < rule.MinDuration {
		add(TooShort, "the video lasts %v: %s takes at least %v", c.Duration, rule.Purpose, rule.MinDuration)
	}
	if rule.MaxDuration > 0 && c.Duration > rule.MaxDuration {
		add(TooLong, "the video lasts %v: %s takes at most %v", c.Duration, rule.Purpose, rule.MaxDuration)
	}
	return problems
}

// extensions are those that Apple knows files by, of the types where it matters.
// Editors write M4V files as MP4 and the reverse.
var extensions = map[Type][]string{
	PNG:  {".png"},
	JPEG: {".jpg", ".jpeg"},
	MP4:  {".mp4", ".m4v"},
	M4V:  {".m4v", ".mp4"},
	MOV:  {".mov"},
}

func extension(name string) string { return strings.ToLower(path.Ext(name)) }

func (t Type) what() string {
	switch t {
	case Unknown:
		return "this file"
	case RTF, MP4, M4V, AAR:
		return "an " + string(t) + " file"
	}
	return "a " + string(t) + " file"
}

// orOf is a list in words: a, b or c.
func orOf[T any](list []T) string {
	var b strings.Builder
	for i, w := range list {
		switch {
		case i == 0:
		case i == len(list)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		fmt.Fprint(&b, w)
	}
	return b.String()
}
