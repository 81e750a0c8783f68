package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

const uploadScreenshotsHelp = `Make the screenshots of an App Store version those of your files, in the order of their names.

With --version-localization, the files are those of one localization. With --version, DIR has a folder for each
locale, as fastlane's deliver has it: en-US/*.png, or en-US with folders below, and iMessage/en-US for an iMessage app.
Which display a file is for follows from its size in pixels; where several take it, a file or folder name that holds
the display type decides, such as APP_IPAD_PRO_129, or --display-type does.

A set becomes exactly the files of its display: what is there and not among them is deleted. You are asked before
that, unless --yes. Displays and locales without files are left alone. --plan shows what would be done.

` + uploadExitHelp

const uploadScreenshotsExamples = `  gateway upload screenshots --version-localization ID shots/*.png --plan
  gateway upload screenshots --version ID fastlane/screenshots
  gateway upload screenshots --version ID fastlane/screenshots --yes --json`

// localesAtOnce is how many locales are worked on at a time.
const localesAtOnce = 4

// shotUploader is one run of the command.
type shotUploader struct {
	asker
	version, localization, display string
	plan, dryRun, yes, strict      bool

	places []*shotPlace
}

// shotPlace is the set of one display type of one localization.
type shotPlace struct {
	locale   string
	display  string
	owner    string // id of the localization
	pictures []*picture
	planned  *uploadsv1.PlanReplaceAssetsResponse // nil: nobody asked
	begun    bool                                 // the gateway has answered
	result   *uploadsv1.ReplaceAssetsResult
	err      error
}

func (p *shotPlace) String() string {
	return strings.TrimSpace(p.locale + " " + p.display)
}

// place is where the files go.
func (p *shotPlace) place() *uploadsv1.AssetPlace {
	return &uploadsv1.AssetPlace{Place: &uploadsv1.AssetPlace_DisplaySet{DisplaySet: &uploadsv1.DisplaySet{
		DisplayType: p.display,
		Owner:       &uploadsv1.DisplaySet_AppStoreVersionLocalization{AppStoreVersionLocalization: p.owner}}}}
}

func (p *shotPlace) files() (list []*uploadsv1.AssetFile) {
	for _, one := range p.pictures {
		list = append(list, one.file)
	}
	return list
}

func uploadScreenshotsCommand(d Deps) *cobra.Command {
	c := &shotUploader{asker: asker{deps: d}}
	cmd := &cobra.Command{
		Use:     "screenshots FILE… | DIR",
		Short:   "Make the screenshots of a version those of your files",
		Long:    uploadScreenshotsHelp,
		Example: uploadScreenshotsExamples,
		Args:    cobra.MinimumNArgs(1),
	}
	cmd.RunE = c.reached(c.run)
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&c.version, "version", "", "id of the App Store version; DIR has a folder for each locale")
	f.StringVar(&c.localization, "version-localization", "", "id of the localization that the files are for")
	f.StringVar(
		&c.display,
		"display-type",
		"",
		"what all files are for, such as APP_IPHONE_67; default: by their sizes",
	)
	f.BoolVar(&c.plan, "plan", false, "show what would be done, and do nothing")
	f.BoolVar(&c.dryRun, "dry-run", false, "the same as --plan")
	f.BoolVar(&c.yes, "yes", false, "do not ask before screenshots are deleted")
	f.BoolVar(&c.strict, "strict", false, "a file that is not as Apple wants it is an error, not a warning")
	return cmd
}

func (c *shotUploader) run(ctx context.Context, conn *grpc.ClientConn, args []string) error {
	c.plan = c.plan || c.dryRun
	if (c.version == "") == (c.localization == "") {
		return usagef(
			"say where the screenshots go: --version ID with a folder, or --version-localization ID with files",
		)
	}
	if err := c.find(ctx, conn, args); err != nil {
		return err
	}
	if c.plan || !c.yes {
		if err := c.planAll(ctx, conn); err != nil {
			return err
		}
	}
	switch {
	case c.plan:
		return c.showPlans()
	case !c.yes:
		if err := c.ask(ctx); err != nil {
			return err
		}
	}
	return c.replaceAll(ctx, conn)
}

// find finds the files, and where each goes.
func (c *shotUploader) find(ctx context.Context, conn *grpc.ClientConn, args []string) error {
	if c.localization != "" {
		paths, err := expanded(args)
		if err != nil {
			return err
		}
		return c.sort(ctx, []*folder{{paths: paths}}, map[string]string{"": c.localization})
	}
	if len(args) != 1 {
		return usagef("--version takes one folder: for files, --version-localization")
	}
	folders, unused, err := readLayout(args[0])
	if err != nil {
		return err
	}
	for _, name := range unused {
		why := "each locale says what it has"
		if isPicture(name) {
			why = "the framed one is"
		}
		fmt.Fprintf(c.stderr, "%s is not used: %s\n", clip(name), why)
	}
	if len(folders) == 0 {
		return usagef("%s has no pictures: want %s/en-US/*.png", clip(args[0]), clip(args[0]))
	}
	owners, err := c.localizations(ctx, conn)
	if err != nil {
		return err
	}
	var missing []string
	for _, f := range folders {
		if owners[f.locale] == "" && !slices.Contains(missing, f.locale) {
			missing = append(missing, f.locale)
		}
	}
	if len(missing) > 0 {
		return &ended{fmt.Sprintf("the version has no localization %s: it has %s", clip(strings.Join(missing, ", ")),
			clip(strings.Join(sortedKeys(owners), ", "))), ExitNotFound}
	}
	return c.sort(ctx, folders, owners)
}

// expanded are the files that are named, and the pictures of folders that are named.
func expanded(args []string) (paths []string, err error) {
	for _, arg := range args {
		if info, err := os.Stat(arg); err != nil || !info.IsDir() {
			paths = append(paths, arg)
			continue
		}
		more, err := picturesIn(arg)
		switch {
		case err != nil:
			return nil, err
		case len(more) == 0:
			return nil, usagef("%s has no pictures", clip(arg))
		}
		paths = append(paths, more...)
	}
	sortByName(paths)
	return paths, nil
}

// localizations are the ids of the version's localizations, by locale.
func (c *shotUploader) localizations(ctx context.Context, conn *grpc.ClientConn) (map[string]string, error) {
	res, err := metadatav1.NewAppStoreVersionsServiceClient(conn).ListAppStoreVersionAppStoreVersionLocalizations(ctx,
		&metadatav1.ListAppStoreVersionAppStoreVersionLocalizationsRequest{
			Id:       c.version,
			PageSize: 200,
		})
	// Apple has fewer
	if err != nil {
		return nil, answered(
			metadatav1.AppStoreVersionsService_ListAppStoreVersionAppStoreVersionLocalizations_FullMethodName,
			err,
		)
	}
	owners := map[string]string{}
	for _, l := range res.GetAppStoreVersionLocalizations() {
		owners[l.GetLocale()] = l.GetId()
	}
	return owners, nil
}

// sort looks at all files, and makes a place for each locale and display type. All
// files that are wrong are told at once.
func (c *shotUploader) sort(ctx context.Context, folders []*folder, owners map[string]string) error {
	var wrong []string
	byName := map[string]*shotPlace{}
	seen := map[string]int{} // a warning of many files is told of the first
	for _, f := range folders {
		for _, path := range f.paths {
			one, notes, err := readPicture(ctx, path, c.display, f.messages)
			if ctx.Err() != nil {
				return &ended{"interrupted: nothing was sent", ExitInterrupted}
			}
			if err != nil {
				wrong = append(wrong, err.Error())
				continue
			}
			for _, text := range notes {
				if seen[text]++; seen[text] == 1 {
					fmt.Fprintf(c.stderr, "warning  %s: %s\n", clip(path), printable(text))
				}
			}
			key := f.locale + " " + one.display
			if byName[key] == nil {
				byName[key] = &shotPlace{locale: f.locale, display: one.display, owner: owners[f.locale]}
			}
			byName[key].pictures = append(byName[key].pictures, one)
		}
	}
	if len(wrong) > 0 {
		return &ended{strings.Join(wrong, "\n"), ExitInvalid}
	}
	for _, key := range sortedKeys(byName) {
		c.places = append(c.places, byName[key])
	}
	return nil
}

// each does something for all places, several locales at once.
func (c *shotUploader) each(ctx context.Context, do func(context.Context, *shotPlace) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(localesAtOnce)
	for first := 0; first < len(c.places); {
		end := first
		for end < len(c.places) && c.places[end].owner == c.places[first].owner {
			end++
		}
		locale := c.places[first:end]
		group.Go(func() error {
			for _, p := range locale {
				if err := do(ctx, p); err != nil {
					return err
				}
			}
			return nil
		})
		first = end
	}
	return group.Wait()
}

func (c *shotUploader) planAll(ctx context.Context, conn *grpc.ClientConn) error {
	return c.each(ctx, func(ctx context.Context, p *shotPlace) (err error) {
		p.planned, err = uploadsv1.NewUploadServiceClient(conn).PlanReplaceAssets(ctx,
			&uploadsv1.PlanReplaceAssetsRequest{Place: p.place(), Files: p.files()})
		if err != nil {
			return answered(uploadsv1.UploadService_PlanReplaceAssets_FullMethodName, err)
		}
		return nil
	})
}

// showPlans writes the plans of all places.
func (c *shotUploader) showPlans() error {
	for _, p := range c.places {
		var err error
		if c.json {
			err = c.line(p, "plan", p.planned.ProtoReflect())
		} else {
			err = p.writePlan(c.stdout)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// deletes is how many screenshots would be deleted.
func (p *shotPlace) deletes() (n int) {
	for _, change := range p.planned.GetPlan().GetChanges() {
		if change.GetName() == "removeAsset" {
			n++
		}
	}
	return n
}

// ask shows the plans and asks, if something would be deleted.
func (c *shotUploader) ask(ctx context.Context) error {
	n := 0
	for _, p := range c.places {
		n += p.deletes()
	}
	switch {
	case n == 0:
		return nil
	case !c.asks():
		return usagef("screenshots that would be deleted: %d; --plan shows which, --yes does it", n)
	}
	for _, p := range c.places {
		if err := p.writePlan(c.stderr); err != nil {
			return err
		}
	}
	ok, err := c.confirm(ctx, fmt.Sprintf("Carry it out, and delete %d?", n))
	if err == nil && !ok {
		err = &ended{"nothing was done", ExitFailed}
	}
	return err
}
