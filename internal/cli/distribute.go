package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	workflowsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/workflows/v1"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const distributeHelp = `Get a build to testers: wait until it is processed, answer export compliance, write the notes,
add the groups, ask for beta review where that is needed, and tell the testers.

--plan shows what would be done, and does nothing. Else the operation is started and followed until it is done. On a
terminal the plan is shown first, and you are asked, unless --yes. The operation is on the gateway: Ctrl-C leaves it
running, and ` + "`gateway operations watch ID`" + ` follows it again.

` + operationExitHelp

const distributeExamples = `  gateway distribute --app com.example.trailmix --build newest --group Friends --plan
  gateway distribute --app com.example.trailmix --version 1.2 --number 42 --group Friends --group QA \
    --notes en-US='The new login' --notify
  gateway distribute --app 1500004000 --build newest --group QA --wait submission --json`

// distributor is one run of the command.
type distributor struct {
	asker
	req       workflowsv1.PlanDistributeBuildRequest
	notes     []string
	noteFiles []string
	exempt    bool
	exemptSet func() bool
	wait      string
	plan      bool
	etag      string
	requestID string
	noFollow  bool
	yes       bool
}

// The values of flags.
var (
	waits     = []string{"review", "submission"}
	platforms = []string{"IOS", "MAC_OS", "TV_OS", "VISION_OS"}
)

// newest names the build that was uploaded last.
const newest = "newest"

func distributeCommand(d Deps) *cobra.Command {
	c := &distributor{asker: asker{deps: d}}
	cmd := &cobra.Command{Use: "distribute", Short: "Get a build to testers", Long: distributeHelp,
		Example: distributeExamples, Args: cobra.NoArgs}
	cmd.RunE = c.reached(func(ctx context.Context, conn *grpc.ClientConn, _ []string) error {
		return advised(c.run(ctx, conn))
	})
	c.asker.flags(cmd)
	c.what(cmd)
	f := cmd.Flags()
	f.StringVar(&c.wait, "wait", "review", "when it is done: review, with the decision of beta review, or submission")
	f.BoolVar(&c.plan, "plan", false, "show what would be done, and do nothing")
	f.StringVar(&c.etag, "plan-etag", "", "carry out this plan and no other")
	f.StringVar(&c.requestID, "request-id", "", "name of the job: an equal command with the same one joins it")
	f.BoolVar(&c.noFollow, "no-follow", false, "start it, and do not wait")
	f.BoolVar(&c.yes, "yes", false, "do not ask")
	completeFlag(cmd, "wait", waits...)
	_ = cmd.MarkFlagRequired("app") // the flag exists
	return cmd
}

// what are the flags that say what is to be done.
func (c *distributor) what(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.req.App, "app", "", "the app: its bundle id, or its id")
	f.StringVar(&c.req.Build, "build", "", "the build: its id, or newest")
	f.StringVar(&c.req.Version, "version", "", "the version, such as 1.2")
	f.StringVar(&c.req.Number, "number", "", "the number of the build, such as 42")
	f.StringVar(&c.req.Platform, "platform", "", "IOS, MAC_OS, TV_OS or VISION_OS; default the only one with such a build")
	f.StringArrayVar(&c.req.Groups, "group", nil, "a group of testers: its name, or its id; may be given again")
	f.BoolVar(&c.req.CreateGroups, "create-groups", false, "make groups that are not there, as external ones")
	f.StringArrayVar(&c.notes, "notes", nil, "LOCALE=TEXT: what to test; may be given again")
	f.StringArrayVar(&c.noteFiles, "notes-file", nil, "LOCALE=FILE: what to test, from a file; may be given again")
	f.BoolVar(&c.exempt, "uses-non-exempt-encryption", false, "the answer to export compliance; default none")
	f.BoolVar(&c.req.Notify, "notify", false, "tell the testers, if Apple does not do so by itself")
	c.exemptSet = func() bool { return f.Changed("uses-non-exempt-encryption") }
	completeFlag(cmd, "platform", platforms...)
	completeFlag(cmd, "build", newest)
}

// flagsFor are the flags that help, by the reason of an error.
var flagsFor = map[string]string{
	"BETA_GROUP_NOT_FOUND":      "--create-groups makes groups that are not there",
	"EXPORT_COMPLIANCE_MISSING": "--uses-non-exempt-encryption=true or =false answers it",
	"BUILD_AMBIGUOUS":           "--platform says which",
	reasonPlanStale:             "--plan shows what is to be done now",
}

// advised adds to an error which flag helps.
func advised(err error) error {
	var e *callError
	if errors.As(err, &e) && flagsFor[e.Reason] != "" {
		e.Hints = append(e.Hints, flagsFor[e.Reason])
	}
	return err
}

func (c *distributor) run(ctx context.Context, conn *grpc.ClientConn) error {
	if err := c.request(); err != nil {
		return err
	}
	if c.plan {
		return c.showPlan(ctx, conn)
	}
	if !c.yes && c.etag == "" && c.asks() {
		if err := c.ask(ctx, conn); err != nil {
			return err
		}
	}
	o, err := c.start(ctx, conn)
	switch {
	case err != nil:
		return err
	case c.noFollow:
		return c.started(o)
	}
	if !c.json {
		fmt.Fprintln(c.stdout, "operation", o.id())
	}
	return c.follow(ctx, conn, o.id(), o)
}

// request checks the flags, and completes the request.
func (c *distributor) request() error {
	c.req.Platform = strings.ToUpper(c.req.GetPlatform())
	if c.exemptSet() {
		c.req.UsesNonExemptEncryption = &c.exempt
	}
	named := c.req.GetVersion() != "" && c.req.GetNumber() != ""
	switch {
	case !slices.Contains(waits, c.wait):
		return usagef("--wait: want review or submission, not %q", clip(c.wait))
	case c.req.GetPlatform() != "" && !slices.Contains(platforms, c.req.GetPlatform()):
		return usagef("--platform: want %s, not %q", strings.Join(platforms, ", "), clip(c.req.GetPlatform()))
	case c.req.GetBuild() == "" && !named:
		return usagef("name the build: --build ID, --build newest, or --version and --number")
	case c.req.GetBuild() != "" && c.req.GetNumber() != "",
		c.req.GetBuild() != "" && c.req.GetBuild() != newest && c.req.GetVersion() != "":
		return usagef("--build names the build: drop --version and --number")
	case c.plan && (c.etag != "" || c.requestID != "" || c.noFollow):
		return usagef("--plan does nothing: drop --plan-etag, --request-id and --no-follow")
	}
	if c.wait == "submission" {
		c.req.WaitFor = workflowsv1.WaitForEnum_SUBMISSION
	}
	if err := c.readNotes(); err != nil {
		return err
	}
	if len(c.req.GetGroups()) == 0 && len(c.req.GetNotes()) == 0 && c.req.UsesNonExemptEncryption == nil {
		return usagef("missing --group")
	}
	return nil
}

// readNotes takes the notes from flags and files.
func (c *distributor) readNotes() error {
	c.req.Notes = map[string]string{}
	for _, pair := range c.notes {
		if err := c.note("--notes", "TEXT", pair, func(text string) (string, error) { return text, nil }); err != nil {
			return err
		}
	}
	for _, pair := range c.noteFiles {
		if err := c.note("--notes-file", "FILE", pair, noteFile); err != nil {
			return err
		}
	}
	return nil
}

func (c *distributor) note(flag, want, pair string, read func(string) (string, error)) error {
	locale, value, ok := strings.Cut(pair, "=")
	if !ok || locale == "" {
		return usagef("%s: want LOCALE=%s, such as en-US=…, not %q", flag, want, clip(pair))
	}
	if _, there := c.req.Notes[locale]; there {
		return usagef("%s: %s stands twice", flag, clip(locale))
	}
	text, err := read(value)
	c.req.Notes[locale] = text
	return err
}

// maxNoteBytes bounds a file of notes: Apple takes 4000 characters.
const maxNoteBytes = 16 << 10

func noteFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", usagef("--notes-file: %s cannot be read", clip(name))
	}
	defer f.Close()
	b, err := readMost(f, maxNoteBytes, name)
	return strings.TrimRight(string(b), "\r\n"), err
}

func (c *distributor) readPlan(
	ctx context.Context, conn *grpc.ClientConn,
) (*workflowsv1.PlanDistributeBuildResponse, error) {
	res, err := workflowsv1.NewWorkflowServiceClient(conn).PlanDistributeBuild(ctx, &c.req)
	if err != nil {
		return nil, answered(workflowsv1.WorkflowService_PlanDistributeBuild_FullMethodName, err)
	}
	return res, nil
}

func (c *distributor) showPlan(ctx context.Context, conn *grpc.ClientConn) error {
	res, err := c.readPlan(ctx, conn)
	switch {
	case err != nil:
		return err
	case c.json:
		return c.document(res)
	}
	return writePlan(c.stdout, res.GetPlan())
}

// ask shows the plan and asks. What is carried out is what was shown.
func (c *distributor) ask(ctx context.Context, conn *grpc.ClientConn) error {
	res, err := c.readPlan(ctx, conn)
	if err != nil {
		return err
	}
	if err := writePlan(c.stderr, res.GetPlan()); err != nil {
		return err
	}
	ok, err := c.confirm(ctx, "Carry it out?")
	if err == nil && !ok {
		err = &ended{"nothing was done", ExitFailed}
	}
	c.etag = res.GetPlan().GetEtag()
	return err
}

// start starts the operation. It has a name, so that the command can be given
// again where its outcome is not known.
func (c *distributor) start(ctx context.Context, conn *grpc.ClientConn) (*operation, error) {
	b, err := proto.Marshal(&c.req)
	if err != nil {
		return nil, err
	}
	req := &workflowsv1.DistributeBuildRequest{} // its fields have the numbers of those of a plan's
	if err := proto.Unmarshal(b, req); err != nil {
		return nil, err
	}
	req.PlanEtag, req.RequestId = c.etag, cmpOr(c.requestID, uuid.NewString())
	op, err := workflowsv1.NewWorkflowServiceClient(conn).DistributeBuild(ctx, req)
	if err == nil {
		return readOperation(op)
	}
	failed := answered(workflowsv1.WorkflowService_DistributeBuild_FullMethodName, err)
	if e, ok := failed.(*callError); ok && e.Reason == "" && uncertain(err) {
		e.Hints = append(e.Hints, "it may have been started: with --request-id "+req.GetRequestId()+
			" the same command joins it")
	}
	return nil, failed
}

// uncertain says whether a request may have arrived.
func uncertain(err error) bool {
	c := status.Code(err)
	return c == codes.Unavailable || c == codes.DeadlineExceeded || c == codes.Canceled
}

// started tells how an operation stands that is not followed.
func (c *distributor) started(o *operation) error {
	err := c.steered(o, "`gateway operations watch "+o.id()+"` follows it")
	switch {
	case err != nil:
		return err
	case o.waitsForApproval():
		return &ended{"the operation waits for " + printable(o.md.GetAwaiting()), ExitApproval}
	}
	return o.failure()
}
