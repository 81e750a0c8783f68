package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads/inspect"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
)

const uploadBuildHelp = `Upload a build: an .ipa or a .pkg. Which app it is, its version, number and platform are read from the file.

--wait waits until Apple has taken the upload, --processed until the build can be used. A build with the same number
that is on its way is joined. Ctrl-C and the same command again goes on where it was.

` + uploadExitHelp

const uploadBuildExamples = `  gateway upload build App.ipa --wait
  gateway upload build App.pkg --processed --json
  gateway upload build App.ipa --app 1500004000 --platform IOS`

// buildUploader is one run of the command.
type buildUploader struct {
	uploader
	processed bool
	target    uploadsv1.BuildTarget
}

func uploadBuildCommand(d Deps) *cobra.Command {
	b := &buildUploader{uploader: uploader{asker: asker{deps: d}}}
	cmd := &cobra.Command{Use: "build FILE", Short: "Upload an .ipa or a .pkg", Long: uploadBuildHelp,
		Example: uploadBuildExamples, Args: cobra.ExactArgs(1)}
	cmd.RunE = b.reached(func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		return b.run(ctx, conn, args[0])
	})
	b.flags(cmd, false, "wait until Apple has taken the upload")
	f := cmd.Flags()
	f.BoolVar(&b.processed, "processed", false, "wait until the build is processed, and can be used")
	f.StringVar(&b.target.App, "app", "", "the app: its bundle id, or its id; default: as the file says")
	f.StringVar(&b.target.Version, "version", "", "the version, such as 1.2; default: as the file says")
	f.StringVar(&b.target.Number, "number", "", "the number of the build, such as 42; default: as the file says")
	f.StringVar(&b.target.Platform, "platform", "", strings.Join(platforms, ", ")+"; default: as the file says")
	completeFlag(cmd, "platform", platforms...)
	return cmd
}

func (b *buildUploader) run(ctx context.Context, conn *grpc.ClientConn, name string) error {
	b.target.Platform = strings.ToUpper(b.target.Platform)
	if b.target.Platform != "" && !slices.Contains(platforms, b.target.Platform) {
		return usagef("--platform: want %s, not %q", strings.Join(platforms, ", "), clip(b.target.Platform))
	}
	f, err := openFile(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := b.which(f); err != nil {
		return err
	}
	if !b.json {
		fmt.Fprintf(b.stdout, "%s: %s %s (%s), %s, %s\n", printable(f.base()), printable(b.target.App),
			printable(b.target.Version), printable(b.target.Number), printable(b.target.Platform), bytesText(f.size()))
	}
	start := &uploadsv1.UploadStart{Strict: b.strict, WaitFor: uploadsv1.WaitForEnum_COMMITTED,
		Target: &uploadsv1.Target{What: &uploadsv1.Target_Build{Build: &b.target}}}
	switch {
	case b.processed:
		start.WaitFor = uploadsv1.WaitForEnum_PROCESSED
	case b.wait:
		start.WaitFor = uploadsv1.WaitForEnum_UNSPECIFIED
	}
	res, err := b.upload(ctx, conn, f, start)
	if err != nil || b.json {
		return err
	}
	return b.ends(res)
}

// which says which build the file is: as the flags say, and as the file says.
func (b *buildUploader) which(f *sendFile) error {
	t := &b.target
	t.FileName, t.FileSize = f.base(), f.size()
	found, err := inspect.ReadBuild(f, f.size())
	named := t.GetApp() != "" && t.GetVersion() != "" && t.GetNumber() != "" && t.GetPlatform() != ""
	switch {
	case err != nil && named: // the gateway warns
		return nil
	case err != nil:
		return &ended{clip(f.path) + ": " + printable(err.Error()) +
			"\n  hint    --app, --version, --number and --platform say which build it is", ExitInvalid}
	}
	for _, v := range []struct {
		flag        string
		said        *string
		found       string
		mustBeEqual bool
	}{
		{"--app", &t.App, found.BundleID, false}, // it may be the app's id
		{"--version", &t.Version, found.Version, true},
		{"--number", &t.Number, found.Number, true},
		{"--platform", &t.Platform, found.Platform, true},
	} {
		switch {
		case *v.said == "":
			*v.said = v.found
		case v.mustBeEqual && v.found != "" && *v.said != v.found:
			return &ended{
				fmt.Sprintf("%s: %s is %s, but the file says %s", clip(f.path), v.flag, clip(*v.said), clip(v.found)),
				ExitInvalid,
			}
		}
	}
	if t.GetPlatform() == "" {
		return &ended{clip(f.path) + " does not say its platform: --platform does", ExitInvalid}
	}
	return nil
}

// ends tells what is at App Store Connect.
func (b *buildUploader) ends(res *uploadsv1.UploadResult) error {
	up := res.GetBuild().GetBuildUpload()
	rows := [][]string{}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{"  " + name, value})
		}
	}
	word := "uploaded"
	if res.GetExisted() {
		word = "it was there already: nothing was uploaded"
	}
	add("app", res.GetBuild().GetApp())
	add("build upload", up.GetId())
	switch {
	case b.wait || b.processed:
		add("state", up.GetState().GetState().String())
	default:
		add("state", "sent: Apple looks at it now; --wait waits for that")
	}
	if one := res.GetBuild().GetBuild(); one != nil {
		add("build", one.GetId())
		add("processing state", one.GetProcessingState().String())
	}
	add("sha256", res.GetSha256())
	add("requests", fmt.Sprint(res.GetRequests()))
	fmt.Fprintln(b.stdout, word)
	return grid(b.stdout, rows...)
}
