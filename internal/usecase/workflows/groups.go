package workflows

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
)

// readGroups finds the groups that are asked for, by id or by name.
func (d *distribution) readGroups(ctx context.Context) error {
	d.seen.groups, d.seen.missing = nil, nil
	if len(d.req.GetGroups()) == 0 {
		return nil
	}
	list, err := d.listGroups(ctx, &testflightv1.ListBetaGroupsRequest_Filter{App: []string{d.appID}})
	if err != nil {
		return err
	}
	for _, want := range d.req.GetGroups() {
		g, err := groupNamed(list, want)
		if err != nil {
			return err
		}
		switch {
		case g == nil && !slices.Contains(d.seen.missing, want):
			d.seen.missing = append(d.seen.missing, want)
		case g != nil && !slices.Contains(d.seen.groups, g):
			d.seen.groups = append(d.seen.groups, g)
		}
	}
	return nil
}

// groupNamed finds a group by its id or its name, nil if there is none.
func groupNamed(list []*resourcesv1.BetaGroup, want string) (found *resourcesv1.BetaGroup, err error) {
	named := 0
	for _, g := range list {
		switch want {
		case g.GetId():
			return g, nil
		case g.GetName():
			found, named = g, named+1
		}
	}
	if named > 1 {
		return nil, failed(ReasonNoGroup, "several groups are named %s: say which by its id", want)
	}
	return found, nil
}

// groupIDs are the groups that have the build.
func (s *seen) groupIDs() []string {
	ids := slices.Clone(s.holders)
	for _, g := range s.groups {
		if !slices.Contains(ids, g.GetId()) {
			ids = append(ids, g.GetId())
		}
	}
	return ids
}

// readTexts reads what beta review and testers must know of the app, where the
// build must be submitted.
func (d *distribution) readTexts(ctx context.Context) error {
	d.seen.lacks = nil
	if !d.needsReview() {
		return nil
	}
	apps := metadatav1.NewAppsServiceClient(d.conn)
	texts, err := apps.ListAppBetaAppLocalizations(
		ctx,
		&metadatav1.ListAppBetaAppLocalizationsRequest{Id: d.appID, PageSize: 200},
	)
	if err != nil {
		return err
	}
	review, err := apps.GetAppBetaAppReviewDetail(ctx, &metadatav1.GetAppBetaAppReviewDetailRequest{Id: d.appID})
	if err != nil {
		return err
	}
	lack := func(what, text string) {
		if strings.TrimSpace(text) == "" {
			d.seen.lacks = append(d.seen.lacks, what)
		}
	}
	var primary *resourcesv1.BetaAppLocalization
	for _, l := range texts.GetBetaAppLocalizations() {
		if primary == nil || strings.EqualFold(l.GetLocale(), d.seen.locale) {
			primary = l
		}
	}
	lack(fmt.Sprintf("betaAppLocalizations %s: description", d.seen.locale), primary.GetDescription())
	lack(fmt.Sprintf("betaAppLocalizations %s: feedbackEmail", d.seen.locale), primary.GetFeedbackEmail())
	detail := review.GetBetaAppReviewDetail()
	lack("betaAppReviewDetail: contactFirstName", detail.GetContactFirstName())
	lack("betaAppReviewDetail: contactLastName", detail.GetContactLastName())
	lack("betaAppReviewDetail: contactPhone", detail.GetContactPhone())
	lack("betaAppReviewDetail: contactEmail", detail.GetContactEmail())
	if detail.GetDemoAccountRequired() {
		lack("betaAppReviewDetail: demoAccountName", detail.GetDemoAccountName())
		lack("betaAppReviewDetail: demoAccountPassword", detail.GetDemoAccountPassword())
	}
	return nil
}
