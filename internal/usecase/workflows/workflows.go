// Package workflows does whole jobs: programs against the gateway's own API, with
// the rights of who asked. A job reads what is there, compares, and writes only
// the difference, so that it can be made again at any time.
package workflows

import (
	"context"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	workflowsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/workflows/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Operations starts jobs that take long.
type Operations interface {
	// Start begins an operation for the caller of ctx.
	Start(ctx context.Context, o Operation) (*longrunningpb.Operation, error)
	// Begun finds the operation that an equal request of the caller with the same id
	// began before, nil if there is none.
	Begun(ctx context.Context, o Operation) (*longrunningpb.Operation, error)
	// Approval is who must let an operation of the caller go, empty: nobody.
	Approval(ctx context.Context) []string
}

// Operation is what an operation is started with.
type Operation struct {
	Kind      string
	App       string // id, where the request has it
	Subject   string // in words
	About     string // what two operations must not be about at once
	RequestID string
	Request   proto.Message
	Plan      *operationsv1.Plan // what is to be done, where somebody must let it go
}

// Run is one run of an operation.
type Run struct {
	ID          string
	Request     proto.Message
	App         string // id, "": not known yet
	AwaitingKey string // of the run before
	Plan        *operationsv1.Plan
	Actions     []*operationsv1.Action
	Failures    int
	Created     time.Time
	// Did puts an action on record before the next is begun. Its error ends the run.
	Did func(ctx context.Context, a *operationsv1.Action) error
	// Look says whether this operation should look at what key names: of all that
	// wait for the same, one does.
	Look func(ctx context.Context, key string, every time.Duration) (now bool, again time.Duration, err error)
	// Seen wakes all that wait for what key names.
	Seen func(ctx context.Context, key string) error
}

// Step is how a run ended.
type Step struct {
	Response    proto.Message // not nil: the job is done
	App         string
	Wait        time.Duration
	Awaiting    string
	AwaitingKey string
	Idle        bool // it was not this run's turn to look
}

// Reasons.
const (
	ReasonPlanStale    = "PLAN_STALE"                // what is there has changed since the plan was made
	ReasonNoBuild      = "BUILD_NOT_FOUND"           // and nothing says that it will come
	ReasonAmbiguous    = "BUILD_AMBIGUOUS"           // several platforms have such a build
	ReasonUploadFailed = "BUILD_UPLOAD_FAILED"       // Apple refused what was uploaded
	ReasonInvalidBuild = "BUILD_INVALID"             // it cannot be tested: invalid, failed or expired
	ReasonCompliance   = "EXPORT_COMPLIANCE_MISSING" // somebody must answer
	ReasonNoGroup      = "BETA_GROUP_NOT_FOUND"
	ReasonTexts        = "BETA_TEXTS_MISSING" // what beta review and testers must know of the app
	ReasonRejected     = "BETA_REVIEW_REJECTED"
	ReasonNoApp        = "APP_NOT_FOUND"
)

// Config is how often jobs look.
type Config struct {
	BuildEvery  time.Duration // at a build that is processed; 0: 30 s
	ReviewEvery time.Duration // at a beta review; 0: 2 min
}

// Defaults of [Config].
const (
	DefaultBuildEvery  = 30 * time.Second
	DefaultReviewEvery = 2 * time.Minute
)

// Service implements ascgateway.workflows.v1.WorkflowService.
type Service struct {
	workflowsv1.UnimplementedWorkflowServiceServer
	cfg  Config
	conn grpc.ClientConnInterface
	ops  Operations
}

// New makes the service. conn is the connection by which it calls the gateway.
func New(cfg Config, conn grpc.ClientConnInterface, ops Operations) *Service {
	if cfg.BuildEvery <= 0 {
		cfg.BuildEvery = DefaultBuildEvery
	}
	if cfg.ReviewEvery <= 0 {
		cfg.ReviewEvery = DefaultReviewEvery
	}
	return &Service{cfg: cfg, conn: conn, ops: ops}
}

// Jobs are what each job needs the right to call, by its RPC. A test runs every
// job with exactly these.
var Jobs = map[string][]string{
	"DistributeBuild": {
		"ascgateway.workflows.v1.WorkflowService/PlanDistributeBuild",
		"ascgateway.workflows.v1.WorkflowService/DistributeBuild",
		"ascgateway.operations.v1.OperationService/GetOperation",
		"ascgateway.operations.v1.OperationService/ListOperations",
		"ascgateway.operations.v1.OperationService/WatchOperation",
		"ascgateway.operations.v1.OperationService/CancelOperation",
		"asc.metadata.v1.AppsService/ListApps",
		"asc.metadata.v1.AppsService/ListAppBuildUploads",
		"asc.metadata.v1.AppsService/ListAppBetaAppLocalizations",
		"asc.metadata.v1.AppsService/GetAppBetaAppReviewDetail",
		"asc.testflight.v1.BuildsService/ListBuilds",
		"asc.testflight.v1.BuildsService/UpdateBuild",
		"asc.testflight.v1.BuildsService/AddBuildBetaGroups",
		"asc.testflight.v1.BetaGroupsService/ListBetaGroups",
		"asc.testflight.v1.BetaGroupsService/CreateBetaGroup",
		"asc.testflight.v1.BetaBuildLocalizationsService/CreateBetaBuildLocalization",
		"asc.testflight.v1.BetaBuildLocalizationsService/UpdateBetaBuildLocalization",
		"asc.testflight.v1.BetaAppReviewSubmissionsService/CreateBetaAppReviewSubmission",
		"asc.testflight.v1.BuildBetaNotificationsService/CreateBuildBetaNotification",
	},
}

func failed(reason, format string, args ...any) error {
	return fault.New(fault.FailedPrecondition, reason, format, args...)
}
