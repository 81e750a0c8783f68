package uploads

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads/inspect"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// rules are what the files of a kind should be, by Apple's schema. What is not here
// may be anything.
var rules = map[string]func(create protoreflect.Message, display string) inspect.Rule{
	"AppScreenshot":                         func(_ protoreflect.Message, d string) inspect.Rule { return inspect.ScreenshotRule(d) },
	"AppPreview":                            func(_ protoreflect.Message, d string) inspect.Rule { return inspect.PreviewRule(d) },
	"AppEventScreenshot":                    event(inspect.EventCardImage, inspect.EventDetailsImage),
	"AppEventVideoClip":                     event(inspect.EventCardVideo, inspect.EventDetailsVideo),
	"AppClipHeaderImage":                    always(inspect.AppClipHeader),
	"AppClipAdvancedExperienceImage":        always(inspect.AppClipHeader),
	"InAppPurchaseAppStoreReviewScreenshot": always(inspect.ReviewScreenshot),
	"SubscriptionAppStoreReviewScreenshot":  always(inspect.ReviewScreenshot),
	"InAppPurchaseImage":                    always(inspect.PromotionalImage),
	"InAppPurchaseImageV2":                  always(inspect.PromotionalImage),
	"SubscriptionImage":                     always(inspect.PromotionalImage),
	"SubscriptionImageV2":                   always(inspect.PromotionalImage),
	"GameCenterAchievementImage":            always(inspect.GameCenterImage),
	"GameCenterAchievementImageV2":          always(inspect.GameCenterImage),
	"GameCenterLeaderboardImage":            always(inspect.GameCenterImage),
	"GameCenterLeaderboardImageV2":          always(inspect.GameCenterImage),
	"GameCenterLeaderboardSetImage":         always(inspect.GameCenterImage),
	"GameCenterLeaderboardSetImageV2":       always(inspect.GameCenterImage),
	"GameCenterActivityImage":               always(inspect.GameCenterWideImage),
	"GameCenterChallengeImage":              always(inspect.GameCenterWideImage),
	"RoutingAppCoverage":                    always(inspect.RoutingCoverage),
}

func always(r inspect.Rule) func(protoreflect.Message, string) inspect.Rule {
	return func(protoreflect.Message, string) inspect.Rule { return r }
}

func event(card, details inspect.Rule) func(protoreflect.Message, string) inspect.Rule {
	return func(create protoreflect.Message, _ string) inspect.Rule {
		if fd := create.Descriptor().Fields().ByName("app_event_asset_type"); enumWord(create, fd) == "EVENT_CARD" {
			return card
		}
		return details
	}
}

// inspect looks at the beginning of the file. What is not as its resource takes it
// is a warning, or with strict the end.
func (u *upload) inspect(ctx context.Context, k *kind, create protoreflect.Message) error {
	if u.noBytes {
		return nil
	}
	head, err := u.ahead(inspect.HeadSize)
	if err != nil {
		return err
	}
	content := inspect.Look(u.token.Name, head, u.token.Size)
	if k.schema == "AppAssetLibraryImage" {
		return u.complain(libraryProblems(u.reference(ctx), content, u.placementType, u.placementGroup))
	}
	rule := rules[k.schema]
	if rule == nil {
		return nil
	}
	problems := inspect.Problems(rule(create, u.display), content)
	if u.display == "" && k.schema == "AppScreenshot" && content.Width > 0 &&
		len(inspect.DisplayTypes(content.Width, content.Height)) == 0 {
		problems = append(problems, inspect.Problem{Code: inspect.WrongDimensions, Message: "no display takes a screenshot of this size"})
	}
	return u.complain(problems)
}

// complain notes what is wrong with the file.
func (u *upload) complain(problems []inspect.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	var texts []string
	for _, p := range problems {
		texts = append(texts, p.Message)
		u.warnings = append(u.warnings, &uploadsv1.Warning{Code: p.Code, Message: p.Message})
	}
	if u.start.GetStrict() {
		return fault.New(fault.InvalidArgument, ReasonContent, "%s: %s", clip(u.token.Name), strings.Join(texts, "; "))
	}
	return nil
}

// ahead reads the first bytes of the file, and puts them back.
func (u *upload) ahead(most int64) ([]byte, error) {
	head := make([]byte, min(most, u.token.Size))
	n, err := io.ReadFull(u.file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	if n < len(head) {
		return nil, truncated(int64(n), u.token.Size)
	}
	u.file = io.MultiReader(bytes.NewReader(head), u.file)
	return head, nil
}

// A build's file is read to find out which build it is, before anything is reserved.
const (
	scanWindow = 16 << 20 // bytes that are read at most; one file at a time reads more than its first piece
	headPiece  = 64 << 10
	briefsMost = 64 // files at once whose first piece is held
)

// whichBuild is the build that the caller names. What it does not name is read from
// the file, and what the file says otherwise is an error.
func (u *upload) whichBuild(ctx context.Context, t *uploadsv1.BuildTarget) (buildOf, error) {
	b := buildOf{app: t.GetApp(), version: t.GetVersion(), number: t.GetNumber(), platform: t.GetPlatform(), uti: "com.apple.ipa"}
	if strings.HasSuffix(strings.ToLower(t.GetFileName()), ".pkg") {
		b.uti = "com.apple.pkg"
	}
	named := b.app != "" && b.version != "" && b.number != "" && b.platform != ""
	switch {
	case u.noBytes && !named:
		return b, errNoBytes
	case u.noBytes:
		return b, nil
	case named: // it is read on the way, and compared before the commit
		u.scan = inspect.NewScanner(scanWindow)
		u.file = io.TeeReader(u.file, u.scan)
		u.named = b
		return b, nil
	}
	found, err := u.scanAhead(ctx)
	if err != nil {
		return b, err
	}
	if err := b.same(found); err != nil {
		return b, err
	}
	or := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	or(&b.app, found.BundleID)
	or(&b.version, found.Version)
	or(&b.number, found.Number)
	or(&b.platform, found.Platform)
	b.uti = found.UTI
	return b, nil
}

// same says whether a file is the build that its caller names.
func (b buildOf) same(found inspect.Build) error {
	for _, c := range []struct{ what, named, found string }{
		{"version", b.version, found.Version},
		{"number", b.number, found.Number},
		{"platform", b.platform, found.Platform},
	} {
		if c.named != "" && c.found != "" && c.named != c.found {
			return failed(ReasonOtherBuild, "the file is a build of %s %s, not %s", c.what, clip(c.found), clip(c.named))
		}
	}
	return nil
}

// scanAhead reads the file until it tells which build it is, and puts back what it
// has read.
func (u *upload) scanAhead(ctx context.Context) (found inspect.Build, err error) {
	window := min(int64(scanWindow), u.token.Size)
	if err := u.briefs.Acquire(ctx, 1); err != nil {
		return found, err
	}
	free := sync.OnceFunc(func() { u.briefs.Release(1) })
	u.free = append(u.free, func() { free() })
	scan := inspect.NewScanner(window)
	var head []io.Reader
	for read := int64(0); ; {
		if read == headPiece { // the file does not begin with what is looked for
			if err := u.heads.Acquire(ctx, 1); err != nil {
				return found, err
			}
			first := free
			free = sync.OnceFunc(func() { first(); u.heads.Release(1) })
		}
		piece := make([]byte, min(headPiece, window-read))
		n, rerr := io.ReadFull(u.file, piece)
		if rerr != nil && !errors.Is(rerr, io.EOF) && !errors.Is(rerr, io.ErrUnexpectedEOF) {
			return found, rerr
		}
		read += int64(n)
		if n < len(piece) {
			return found, truncated(read, u.token.Size)
		}
		_, _ = scan.Write(piece)
		head = append(head, bytes.NewReader(piece))
		if read == u.token.Size {
			scan.End()
		}
		b, ok, err := scan.Build()
		if err != nil {
			return found, err
		}
		if ok {
			u.file = io.MultiReader(append(head, atEnd(free), u.file)...)
			return b, nil
		}
	}
}

// atEnd is an empty reader that is told when all before it was read.
type atEnd func()

// Read implements [io.Reader].
func (f atEnd) Read([]byte) (int, error) { f(); return 0, io.EOF }
