package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/asc-gateway/asc-gateway/client"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
)

func operationsCommand(d Deps) *cobra.Command {
	cmd := &cobra.Command{Use: "operations", Short: "Show and steer jobs that take long",
		Long: "Show and steer operations: jobs that go on after the command that asked for them has ended.\n\n" +
			"You see those that you asked for, those that wait for your approval, and, where policy says\n" +
			"`operations: all`, those of others.\n\n" + operationExitHelp}
	cmd.AddCommand(operationsListCommand(d), operationsGetCommand(d), operationsWatchCommand(d),
		operationsCancelCommand(d), operationsApproveCommand(d))
	return cmd
}

// operationCommand is a command about one operation.
func operationCommand(
	d Deps, name, short string, do func(ctx context.Context, a *asker, conn *grpc.ClientConn, id string) error,
) *cobra.Command {
	a := &asker{deps: d}
	cmd := &cobra.Command{Use: name + " ID", Short: short, Args: cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions}
	cmd.RunE = a.reached(func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		return do(ctx, a, conn, operationID(args[0]))
	})
	a.flags(cmd)
	return cmd
}

// states are the states of operations, as they are written here.
func states() (names []string) {
	for n := range int32(len(operationsv1.OperationStateEnum_OperationState_name)) {
		if n > 0 {
			names = append(names, strings.ToLower(operationsv1.OperationStateEnum_OperationState(n).String()))
		}
	}
	return names
}

func stateNamed(text string) (operationsv1.OperationStateEnum_OperationState, error) {
	word := strings.ToUpper(strings.ReplaceAll(text, "-", "_"))
	n, ok := operationsv1.OperationStateEnum_OperationState_value[word]
	if text != "" && (!ok || n == 0) {
		return 0, usagef("--state: want %s, not %q", strings.Join(states(), ", "), clip(text))
	}
	return operationsv1.OperationStateEnum_OperationState(n), nil
}

// maxPageSize is the largest page of operations.
const maxPageSize = 200

func operationsListCommand(d Deps) *cobra.Command {
	a, req := &asker{deps: d}, &operationsv1.ListOperationsRequest{}
	var state string
	var limit int
	cmd := &cobra.Command{Use: "list", Short: "List operations, the newest first", Args: cobra.NoArgs}
	cmd.RunE = a.reached(func(ctx context.Context, conn *grpc.ClientConn, _ []string) (err error) {
		if limit < 1 {
			return usagef("--limit: want a number from 1")
		}
		if req.State, err = stateNamed(state); err != nil {
			return err
		}
		return a.list(ctx, conn, req, limit)
	})
	a.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&req.App, "app", "", "only those of this app, by its id")
	f.StringVar(&req.Kind, "kind", "", "only those of this kind, such as DistributeBuild")
	f.StringVar(&state, "state", "", "only those in this state: "+strings.Join(states(), ", "))
	f.IntVar(&limit, "limit", 50, "how many at most")
	completeFlag(cmd, "state", states()...)
	completeFlag(cmd, "kind", "DistributeBuild")
	return cmd
}

// list follows pages up to the limit.
func (a *asker) list(
	ctx context.Context, conn *grpc.ClientConn, req *operationsv1.ListOperationsRequest, limit int,
) error {
	all := &operationsv1.ListOperationsResponse{}
	req.PageSize = int32(min(limit, maxPageSize))
	list := operationsv1.NewOperationServiceClient(conn).ListOperations
	for page, err := range client.Pages(ctx, req, list) {
		if err != nil {
			return answered(operationsv1.OperationService_ListOperations_FullMethodName, err)
		}
		all.Operations = append(all.Operations, page.GetOperations()...)
		if len(all.GetOperations()) >= limit {
			all.Operations = all.Operations[:limit]
			break
		}
	}
	if a.json {
		return a.document(all)
	}
	rows := [][]string{{"ID", "KIND", "STATE", "BEGUN", "CALLER", "APP", "SUBJECT"}}
	for _, op := range all.GetOperations() {
		o, err := readOperation(op)
		if err != nil {
			return err
		}
		rows = append(rows, []string{o.id(), o.md.GetKind(), o.state(), moment(o.md.GetCreateTime()), o.md.GetCaller(),
			o.md.GetApp(), o.md.GetSubject()})
	}
	return grid(a.stdout, rows...)
}

func getOperation(ctx context.Context, conn *grpc.ClientConn, id string) (*operation, error) {
	op, err := operationsv1.NewOperationServiceClient(conn).GetOperation(ctx, &operationsv1.GetOperationRequest{Id: id})
	if err != nil {
		return nil, answered(operationsv1.OperationService_GetOperation_FullMethodName, err)
	}
	return readOperation(op)
}

func operationsGetCommand(d Deps) *cobra.Command {
	return operationCommand(d, "get", "Show an operation as it is now",
		func(ctx context.Context, a *asker, conn *grpc.ClientConn, id string) error {
			o, err := getOperation(ctx, conn, id)
			if err != nil {
				return err
			}
			if a.json {
				return a.document(o)
			}
			return o.describe(a.stdout)
		})
}

func operationsWatchCommand(d Deps) *cobra.Command {
	cmd := operationCommand(d, "watch", "Follow an operation until it is done",
		func(ctx context.Context, a *asker, conn *grpc.ClientConn, id string) error {
			return a.follow(ctx, conn, id, nil)
		})
	cmd.Long = "Follow an operation until it is done. The exit code says how it ended.\n\n" + operationExitHelp
	return cmd
}

func operationsCancelCommand(d Deps) *cobra.Command {
	cmd := operationCommand(d, "cancel", "Ask an operation to end before its next action",
		func(ctx context.Context, a *asker, conn *grpc.ClientConn, id string) error {
			op, err := operationsv1.NewOperationServiceClient(conn).CancelOperation(ctx,
				&operationsv1.CancelOperationRequest{Id: id})
			if err != nil {
				return answered(operationsv1.OperationService_CancelOperation_FullMethodName, err)
			}
			o, err := readOperation(op)
			if err != nil {
				return err
			}
			if o.GetDone() && o.md.GetState() != operationsv1.OperationStateEnum_CANCELLED {
				return &ended{
					fmt.Sprintf("operation %s has ended before (%s): there is nothing to cancel", id, o.state()),
					ExitConflict,
				}
			}
			if o.GetDone() {
				return a.steered(o, "what was done stays done")
			}
			return a.steered(o, "it ends before its next action; what was done stays done")
		})
	cmd.Long = "Ask an operation to end before its next action. What was done stays done. The command does not wait\n" +
		"for the end: `gateway operations watch ID` does.\n\n" + exitHelp
	return cmd
}

func operationsApproveCommand(d Deps) *cobra.Command {
	yes := false
	cmd := operationCommand(d, "approve", "Let an operation go that waits for a second person",
		func(ctx context.Context, a *asker, conn *grpc.ClientConn, id string) error {
			if !yes {
				if err := a.askApproval(ctx, conn, id); err != nil {
					return err
				}
			}
			op, err := operationsv1.NewOperationServiceClient(conn).ApproveOperation(ctx,
				&operationsv1.ApproveOperationRequest{Id: id})
			if err != nil {
				return answered(operationsv1.OperationService_ApproveOperation_FullMethodName, err)
			}
			o, err := readOperation(op)
			if err != nil {
				return err
			}
			return a.steered(o, "it is approved: `gateway operations watch "+o.id()+"` follows it")
		})
	cmd.Long = "Show what an operation is going to do, ask, and let it go. Policy says who may do so; it is never who\n" +
		"asked for the operation.\n\n" + exitHelp
	cmd.Flags().BoolVar(&yes, "yes", false, "approve without asking")
	return cmd
}

// askApproval shows the plan of an operation and asks.
func (a *asker) askApproval(ctx context.Context, conn *grpc.ClientConn, id string) error {
	if !a.asks() {
		return usagef("operations approve: nobody can be asked here: look at it with `gateway operations get %s`, "+
			"then approve it with --yes", clip(id))
	}
	o, err := getOperation(ctx, conn, id)
	if err != nil || !o.waitsForApproval() { // then the gateway says why it cannot be approved
		return err
	}
	if err := o.describe(a.stderr); err != nil {
		return err
	}
	ok, err := a.confirm(ctx, "Approve it?")
	if err == nil && !ok {
		err = &ended{"nothing was approved", ExitFailed}
	}
	return err
}

// steered tells how an operation stands after it was steered.
func (a *asker) steered(o *operation, what string) error {
	if a.json {
		return a.document(o)
	}
	_, err := fmt.Fprintf(a.stdout, "%s\n%s\n", o.summary(), what)
	return err
}
