package reports

import (
	"context"
	"slices"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/usecase/reports/table"
	"google.golang.org/protobuf/proto"
)

// Owners says whose rows a caller may read.
type Owners interface {
	// Kept are the apps that the caller is kept to, nil: it is kept to none. With the
	// context, files that tell of every app can be read for it.
	Kept(ctx context.Context) (inner context.Context, apps []string)
	// SKUs are those of the caller's apps.
	SKUs(ctx context.Context) ([]string, error)
}

// ownRows leaves out the rows of other apps, and counts them. A nil one keeps all.
type ownRows struct {
	owners  Owners
	apps    []string
	skus    []string // of the apps, once they are needed
	asked   bool
	leftOut int64 // since a message told of it
}

// keptTo makes one for the caller, nil if it may read all rows.
func (s *Service) keptTo(ctx context.Context) (context.Context, *ownRows) {
	if s.Owners == nil {
		return ctx, nil
	}
	inner, apps := s.Owners.Kept(ctx)
	if apps == nil {
		return ctx, nil
	}
	return inner, &ownRows{owners: s.Owners, apps: apps}
}

// appColumns hold Apple's id of what was sold: of its app, or of a purchase in it.
var appColumns = []string{"app_apple_id", "app_apple_identifier", "apple_identifier"}

// rows says which rows of a file are wanted, nil: all.
func (k *ownRows) rows(ctx context.Context, columns []string) (func([][]byte) (bool, error), error) {
	if k == nil {
		return nil, nil
	}
	find := func(names ...string) int {
		return slices.IndexFunc(columns, func(c string) bool { return slices.Contains(names, table.Name(c)) })
	}
	id, parent := find(appColumns...), find("parent_identifier")
	if id < 0 {
		return nil, fault.New(fault.PermissionDenied, ReasonNoApps,
			"the rows of this report do not say whose they are, and the caller is kept to apps")
	}
	if parent >= 0 && !k.asked {
		var err error
		if k.skus, err = k.owners.SKUs(ctx); err != nil {
			return nil, err
		}
		k.asked = true
	}
	return func(cells [][]byte) (bool, error) {
		if slices.Contains(k.apps, string(table.Trim(cells[id]))) {
			return true, nil
		}
		// Apple: of an in-app purchase, the parent identifier is the SKU of its app.
		if parent >= 0 && slices.Contains(k.skus, string(table.Trim(cells[parent]))) {
			return true, nil
		}
		k.leftOut++
		return false, nil
	}, nil
}

// take is how many rows were left out since it was asked before.
func (k *ownRows) take() (n int64) {
	if k != nil {
		n, k.leftOut = k.leftOut, 0
	}
	return n
}

// rest makes a message go out, even one without rows, if it has something to tell.
func (k *ownRows) rest() func(proto.Message) {
	if k == nil || k.leftOut == 0 {
		return nil
	}
	return func(proto.Message) {}
}
