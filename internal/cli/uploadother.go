package cli

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

const uploadFileHelp = `Upload a file of any kind: --type is Apple's name of it, --set says what the new resource has, such as what it
belongs to. An equal file that is there already is not uploaded again, where Apple tells checksums.

` + uploadExitHelp

const uploadFileExamples = `  gateway upload file notes.pdf --type appStoreReviewAttachments --set appStoreReviewDetail=ID
  gateway upload file card.png --type appEventScreenshots --set appEventLocalization=ID --set appEventAssetType=EVENT_CARD
  gateway upload file promo.png --type inAppPurchaseImages --set version=ID`

// fileUploader is one run of the command.
type fileUploader struct {
	uploader
	kind string
	set  []string
}

func uploadFileCommand(d Deps) *cobra.Command {
	c := &fileUploader{uploader: uploader{asker: asker{deps: d}}}
	cmd := &cobra.Command{Use: "file FILE", Short: "Upload a file of any kind", Long: uploadFileHelp,
		Example: uploadFileExamples, Args: cobra.ExactArgs(1)}
	cmd.RunE = c.reached(func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		return c.run(ctx, conn, args[0])
	})
	c.flags(cmd, true, "wait until Apple has taken the file")
	f := cmd.Flags()
	f.StringVar(&c.kind, "type", "", "what it becomes, such as appScreenshots")
	f.StringArrayVar(&c.set, "set", nil, "NAME=VALUE: an attribute, or a relationship with an id; may be given again")
	completeFlag(cmd, "type", fileTypes()...)
	_ = cmd.MarkFlagRequired("type") // the flag exists
	return cmd
}

// fileTypes are Apple's names of all resources that have a file.
func fileTypes() (list []string) {
	fields := (&uploadsv1.Uploaded{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		r, _ := proto.GetExtension(fields.Get(i).Message().Options(), optionsv1.E_Resource).(*optionsv1.Resource)
		if !slices.Contains(list, r.GetType()) {
			list = append(list, r.GetType())
		}
	}
	return list
}

func (c *fileUploader) run(ctx context.Context, conn *grpc.ClientConn, name string) error {
	if !slices.Contains(fileTypes(), c.kind) {
		return usagef("--type: %q has no file%s", clip(c.kind), hint(c.kind, fileTypes()))
	}
	f, err := openFile(name)
	if err != nil {
		return err
	}
	defer f.Close()
	start, err := c.startOf(f)
	if err != nil {
		return err
	}
	res, err := c.upload(ctx, conn, f, start)
	if err != nil || c.json {
		return err
	}
	return c.ends(res)
}

// startOf makes the start of what the flags say.
func (c *fileUploader) startOf(f *sendFile) (*uploadsv1.UploadStart, error) {
	words := url.Values{"fileName": {f.base()}}
	for _, pair := range c.set {
		k, v, ok := strings.Cut(pair, "=")
		switch {
		case !ok || k == "":
			return nil, usagef("--set: want NAME=VALUE, such as appStoreVersion=ID, not %q", clip(pair))
		case slices.Contains([]string{"type", "resumeToken", "offset", "sha256", "md5", "waitFor", "strict", "fileSize"}, k):
			return nil, usagef("--set: %s is no attribute", k)
		case k == "fileName":
			words.Set(k, v)
		default:
			words.Add(k, v)
		}
	}
	words.Set("type", c.kind)
	start, err := uploads.StartOf(words, f.size())
	if err != nil {
		return nil, usagef("--set: %s", printable(fieldOnly(err)))
	}
	start.Strict = c.strict
	if !c.wait {
		start.WaitFor = uploadsv1.WaitForEnum_COMMITTED
	}
	return start, nil
}

// fieldOnly is an error about a field without its reason and the field's path:
// REASON: start.target.app_screenshot.file_name: text.
func fieldOnly(err error) string {
	_, text, _ := strings.Cut(err.Error(), ": ")
	path, says, ok := strings.Cut(text, ": ")
	if !ok {
		return text
	}
	return path[strings.LastIndex(path, ".")+1:] + ": " + says
}

// ends tells what is at App Store Connect.
func (c *fileUploader) ends(res *uploadsv1.UploadResult) error {
	word := "uploaded"
	if res.GetExisted() {
		word = "an equal file was there already: nothing was uploaded"
	}
	fmt.Fprintln(c.stdout, word)
	m := res.GetResource().ProtoReflect()
	w := tabwriter.NewWriter(c.stdout, 0, 4, 2, ' ', 0)
	if what := m.WhichOneof(m.Descriptor().Oneofs().ByName("what")); what != nil {
		(&caller{stdout: c.stdout}).record(w, m.Get(what).Message())
	}
	fmt.Fprintf(w, "requests\t%d\n", res.GetRequests())
	return w.Flush()
}
