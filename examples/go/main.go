// Command go invites testers to a beta group: addresses that are known already
// are left alone, and a second run changes nothing.
//
//	go run ./examples/go --gateway 127.0.0.1:9090 --group "Nightly" ada@example.org grace@example.org
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/asc-gateway/asc-gateway/client"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
)

func main() {
	address := flag.String("gateway", "127.0.0.1:9090", "the gateway's gRPC address")
	group := flag.String("group", "Nightly", "name of the beta group")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	conn, err := client.Dial(*address, client.Plaintext(), client.Priority("batch"))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	j := job{
		metadatav1.NewAppsServiceClient(conn),
		testflightv1.NewBetaGroupsServiceClient(conn),
		testflightv1.NewBetaTestersServiceClient(conn),
	}
	if err := j.invite(ctx, *group, flag.Args()); err != nil {
		log.Fatalf("%s: %v", client.Reason(err), err)
	}
}

type job struct {
	apps    metadatav1.AppsServiceClient
	groups  testflightv1.BetaGroupsServiceClient
	testers testflightv1.BetaTestersServiceClient
}

// invite puts everybody into the group of the first app, and makes it if there
// is none.
func (j job) invite(ctx context.Context, name string, emails []string) error {
	apps, err := j.apps.ListApps(ctx, &metadatav1.ListAppsRequest{PageSize: 1})
	if err != nil {
		return err
	}
	app := apps.GetApps()[0]
	group, err := j.group(ctx, app.GetId(), name)
	if err != nil {
		return err
	}
	fmt.Printf("%s: group %s (%s)\n", app.GetName(), group.GetName(), group.GetId())
	known := map[string]bool{}
	in := &testflightv1.ListBetaTestersRequest{
		Filter:   &testflightv1.ListBetaTestersRequest_Filter{BetaGroups: []string{group.GetId()}},
		PageSize: 200,
	}
	for tester, err := range client.Items(ctx, in, j.testers.ListBetaTesters, (*testflightv1.ListBetaTestersResponse).GetBetaTesters) {
		if err != nil {
			return err
		}
		known[tester.GetEmail()] = true
	}
	for _, email := range emails {
		if known[email] {
			fmt.Println("is there    ", email)
			continue
		}
		_, err := j.testers.CreateBetaTester(ctx, &testflightv1.CreateBetaTesterRequest{
			Email: &email, BetaGroups: &typesv1.ToMany{Ids: []string{group.GetId()}}, RequestId: requestID(group.GetId(), email)})
		if err != nil {
			return err
		}
		fmt.Println("invited     ", email)
	}
	return nil
}

func (j job) group(ctx context.Context, app, name string) (*resourcesv1.BetaGroup, error) {
	res, err := j.groups.ListBetaGroups(ctx, &testflightv1.ListBetaGroupsRequest{
		Filter: &testflightv1.ListBetaGroupsRequest_Filter{App: []string{app}, Name: []string{name}}})
	if err != nil {
		return nil, err
	}
	if list := res.GetBetaGroups(); len(list) > 0 {
		return list[0], nil
	}
	made, err := j.groups.CreateBetaGroup(
		ctx,
		&testflightv1.CreateBetaGroupRequest{Name: &name, App: &typesv1.ToOne{Id: &app}, RequestId: requestID(app, name)},
	)
	return made.GetBetaGroup(), err
}

// requestID names a create: sent twice, it is carried out once.
func requestID(parts ...string) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(parts)))
	return hex.EncodeToString(sum[:16])
}
