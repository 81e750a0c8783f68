package uploads

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads/inspect"
)

// referenceLife is how long what Apple says of sizes and limits is believed.
const referenceLife = 24 * time.Hour

// references is what Apple says that the asset library takes, by who has read it.
type references struct {
	mu  sync.Mutex
	all map[string]reference
}

type reference struct {
	when time.Time
	data *resourcesv1.AppAssetLibraryRefDatum
}

// reference reads what the asset library takes, once a day. nil: it cannot be read,
// and nothing is checked by it.
func (c *caller) reference(ctx context.Context) *resourcesv1.AppAssetLibraryRefDatum {
	key := c.place(ctx)
	c.refs.mu.Lock()
	known := c.refs.all[key]
	c.refs.mu.Unlock()
	if time.Since(known.when) < referenceLife {
		return known.data
	}
	res := &metadatav1.ListAppAssetLibraryRefDataResponse{}
	err := c.invoke(ctx, metadatav1.AppAssetLibraryRefDataService_ListAppAssetLibraryRefData_FullMethodName,
		&metadatav1.ListAppAssetLibraryRefDataRequest{}, res)
	if err != nil || len(res.GetAppAssetLibraryRefData()) == 0 {
		return nil
	}
	c.refs.mu.Lock()
	defer c.refs.mu.Unlock()
	if c.refs.all == nil || len(c.refs.all) > looksMost {
		c.refs.all = map[string]reference{}
	}
	c.refs.all[key] = reference{time.Now(), res.GetAppAssetLibraryRefData()[0]}
	return res.GetAppAssetLibraryRefData()[0]
}

// libraryProblems says what is wrong with a file for a group of placements; typ and
// group are empty where it is for the library alone.
func libraryProblems(d *resourcesv1.AppAssetLibraryRefDatum, c inspect.Content, typ, group string) []inspect.Problem {
	if d == nil || c.Width == 0 || c.Type != inspect.PNG && c.Type != inspect.JPEG {
		return nil // of videos the beginning often does not tell the size
	}
	var wanted []string // specs; nil: any
	for _, t := range d.GetPlacementTypes() {
		for _, m := range t.GetSpecMappings() {
			if typ != "" && t.GetPlacementTypeId().String() == typ && m.GetPlacementGroupId() == group {
				wanted = append(wanted, m.GetSpecs()...)
			}
		}
	}
	var sizes []string
	for _, s := range d.GetImageSpecs() {
		if typ != "" && !slices.Contains(wanted, s.GetSpecId()) {
			continue
		}
		dim := s.GetDimensions()
		fits := int32(c.Width) >= dim.GetMinWidth() && int32(c.Width) <= dim.GetMaxWidth() &&
			int32(c.Height) >= dim.GetMinHeight() && int32(c.Height) <= dim.GetMaxHeight()
		if fits {
			return specProblems(s, c)
		}
		sizes = append(sizes, sizeOf(dim))
	}
	if len(sizes) == 0 { // nothing is known of the group
		return nil
	}
	where := "the asset library"
	if group != "" {
		where = group
	}
	slices.Sort(sizes)
	return []inspect.Problem{{Code: inspect.WrongDimensions, Message: fmt.Sprintf("%d×%d is no size of %s: want %s", c.Width, c.Height,
		where, strings.Join(slices.Compact(sizes), ", "))}}
}

func sizeOf(d *resourcesv1.AppAssetLibraryRefDatum_ImageSpec_Dimension) string {
	if d.GetMinWidth() == d.GetMaxWidth() && d.GetMinHeight() == d.GetMaxHeight() {
		return fmt.Sprintf("%d×%d", d.GetMinWidth(), d.GetMinHeight())
	}
	return fmt.Sprintf("%d×%d to %d×%d", d.GetMinWidth(), d.GetMinHeight(), d.GetMaxWidth(), d.GetMaxHeight())
}

// specProblems says what else a picture of the right size must be.
func specProblems(s *resourcesv1.AppAssetLibraryRefDatum_ImageSpec, c inspect.Content) (list []inspect.Problem) {
	if c.Alpha && s.AlphaAllowed != nil && !s.GetAlphaAllowed() {
		list = append(list, inspect.Problem{Code: inspect.HasAlpha, Message: "the picture can be transparent: Apple wants none"})
	}
	if most := s.GetMaxFileSize(); most > 0 && c.Size > most {
		list = append(list, inspect.Problem{Code: inspect.TooLarge, Message: fmt.Sprintf("%d bytes are more than %d", c.Size, most)})
	}
	return list
}

// roomOf is how many placements of a type a group takes, 0: nobody says.
func roomOf(d *resourcesv1.AppAssetLibraryRefDatum, typ, group string) (most int) {
	for _, f := range d.GetFeatures() {
		for _, p := range f.GetPlacementPolicies() {
			for _, l := range p.GetGroupLimits() {
				if p.GetPlacementType().String() == typ && slices.Contains(l.GetGroupIds(), group) {
					most = max(most, int(l.GetMaxCount()))
				}
			}
		}
	}
	return most
}
