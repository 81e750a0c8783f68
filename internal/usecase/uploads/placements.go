package uploads

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// placed is a group of placements of one owner. The assets are in the library of
// the app, and may have other placements too.
type placed struct {
	*caller
	app, owner, ownerID string
	group               string
	typ                 enumsv1.AppAssetLibraryPlacementTypeEnum_AppAssetLibraryPlacementType
	video               bool
	kind                *kind
}

func (c *caller) placements(p *uploadsv1.PlacementGroup) (*placed, error) {
	m := p.ProtoReflect()
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("owner"))
	if fd == nil {
		return nil, fault.Invalid("place.placement_group", "say what the placements belong to")
	}
	s := &placed{caller: c, app: p.GetApp(), owner: string(fd.Name()), ownerID: m.Get(fd).String(), group: p.GetPlacementGroup()}
	n, ok := enumsv1.AppAssetLibraryPlacementTypeEnum_AppAssetLibraryPlacementType_value[p.GetPlacementType()]
	if !ok || n < 2 {
		return nil, fault.Invalid("place.placement_group.placement_type", "%q is no placement type of Apple's",
			clip(p.GetPlacementType()))
	}
	s.typ = enumsv1.AppAssetLibraryPlacementTypeEnum_AppAssetLibraryPlacementType(n)
	s.video = strings.Contains(p.GetPlacementType(), "PREVIEW") || strings.Contains(p.GetPlacementType(), "VIDEO")
	s.kind = c.kinds().bySchema["AppAssetLibraryImage"]
	if s.video {
		s.kind = c.kinds().bySchema["AppAssetLibraryVideo"]
	}
	for at, id := range map[string]string{"app": s.app, s.owner: s.ownerID, "placement_group": s.group} {
		if err := checkID("place.placement_group."+at, id); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// sumIn is the MD5 that an asset's reference name ends with: the library tells no
// checksum, so what is uploaded here has it in its name.
func sumIn(reference string) string {
	i := strings.LastIndex(reference, " md5:")
	if sum := reference[i+1:]; i >= 0 && len(sum) == len("md5:")+32 {
		return sum[len("md5:"):]
	}
	return ""
}

func referenceOf(f *uploadsv1.AssetFile) string {
	return f.GetFileName() + " md5:" + strings.ToLower(f.GetMd5())
}

func (s *placed) asset() string {
	if s.video {
		return "video"
	}
	return "image"
}

// read implements [shelf].
func (s *placed) read(ctx context.Context) (list []holding, err error) {
	owner := camel(s.owner)
	m, err := find(owner+"sService", "List"+owner+"Placements")
	if err != nil {
		return nil, err
	}
	fields := m.in.Descriptor().Fields()
	req := m.byID(s.ownerID)
	set(req, "page_size", int32(200))
	filter := req.Mutable(fields.ByName("filter")).Message()
	in := filter.Descriptor().Fields()
	filter.Mutable(in.ByName("placement_type")).List().Append(protoreflect.ValueOfEnum(protoreflect.EnumNumber(s.typ)))
	filter.Mutable(in.ByName("placement_group")).List().Append(protoreflect.ValueOfString(s.group))
	req.Mutable(fields.ByName("include")).List().Append(protoreflect.ValueOfString(s.asset()))
	if fd := fields.ByName("sort"); fd != nil {
		req.Mutable(fd).List().Append(protoreflect.ValueOfString("placementGroupPosition"))
	}
	res, err := s.call(fresh(ctx), m, req.Interface())
	if err != nil {
		return nil, err
	}
	included := res.Get(res.Descriptor().Fields().ByName("included")).Message()
	assets := map[string]protoreflect.Message{}
	l := included.Get(included.Descriptor().Fields().ByName(protoreflect.Name("app_asset_library_" + s.asset() + "s"))).List()
	for i := range l.Len() {
		assets[text(l.Get(i).Message(), "id")] = l.Get(i).Message()
	}
	for _, p := range m.resources(res) {
		one, _ := p.Get(p.Descriptor().Fields().ByName(protoreflect.Name(s.asset()))).Message().Interface().(*typesv1.ToOne)
		a := assets[one.GetId()]
		if a == nil {
			a = s.kind.get.out.New().NewField(s.kind.get.data).Message()
			set(a, "id", one.GetId())
		}
		cond := s.kind.conditionOf(a)
		list = append(list, holding{id: text(p, "id"), asset: a, sum: sumIn(text(a, "reference_name")), word: cond.word,
			good: cond.done})
	}
	return list, nil
}

// have implements [shelf]: what is in the library of the app needs no upload.
func (s *placed) have(ctx context.Context, files []*uploadsv1.AssetFile) (map[string]string, error) {
	m := s.kind.siblings["asset_library"]
	req := m.byID(s.app)
	set(req, "page_size", int32(200))
	filter := req.Mutable(m.in.Descriptor().Fields().ByName("filter")).Message()
	names := filter.Mutable(filter.Descriptor().Fields().ByName("reference_name")).List()
	for _, f := range files {
		if !strings.Contains(f.GetFileName(), ",") {
			names.Append(protoreflect.ValueOfString(referenceOf(f)))
		}
	}
	if names.Len() == 0 {
		return nil, nil
	}
	res, err := s.call(fresh(ctx), m, req.Interface())
	if err != nil {
		return nil, err
	}
	known := map[string]string{}
	for _, a := range m.resources(res) {
		if sum := sumIn(text(a, "reference_name")); sum != "" && s.kind.conditionOf(a).done {
			known[sum] = text(a, "id")
		}
	}
	return known, nil
}

// cost implements [shelf]: a group needs not be made.
func (s *placed) cost() (string, int32) { return "", 0 }

// ready implements [shelf].
func (s *placed) ready(context.Context) error { return nil }

// of implements [shelf].
func (s *placed) of(f *uploadsv1.AssetFile) (*kind, protoreflect.Message) {
	req := s.kind.create.in.New()
	set(req, "file_name", f.GetFileName())
	set(req, "file_size", f.GetFileSize())
	set(req, "reference_name", referenceOf(f))
	category := enumsv1.AppAssetLibraryAssetCategoryEnum_CREATIVE_ASSETS
	if s.typ == enumsv1.AppAssetLibraryPlacementTypeEnum_APP_SCREENSHOT || s.typ == enumsv1.AppAssetLibraryPlacementTypeEnum_APP_PREVIEW {
		category = enumsv1.AppAssetLibraryAssetCategoryEnum_APP_SCREENSHOTS_AND_PREVIEWS
	}
	req.Set(req.Descriptor().Fields().ByName("category"), protoreflect.ValueOfEnum(category.Number()))
	req.Set(req.Descriptor().Fields().ByName("asset_library"), one(s.app))
	if f.GetPreviewFrameTimeCode() != "" {
		set(req, "preview_frame_time_code", f.GetPreviewFrameTimeCode())
	}
	return s.kind, req
}

// put implements [shelf].
func (s *placed) put(ctx context.Context, asset string) (string, error) {
	req := &metadatav1.CreateAppAssetLibraryPlacementRequest{PlacementType: &s.typ, PlacementGroup: proto.String(s.group),
		RequestId: "upload/" + rand.Text()}
	m := req.ProtoReflect()
	m.Set(m.Descriptor().Fields().ByName(protoreflect.Name(s.asset())), one(asset))
	m.Set(m.Descriptor().Fields().ByName(protoreflect.Name(s.owner)), one(s.ownerID))
	res := &metadatav1.CreateAppAssetLibraryPlacementResponse{}
	err := s.invoke(ctx, metadatav1.AppAssetLibraryPlacementsService_CreateAppAssetLibraryPlacement_FullMethodName, req, res)
	return res.GetAppAssetLibraryPlacement().GetId(), err
}

// puts implements [shelf].
func (s *placed) puts() int32 { return 1 }

// remove implements [shelf]: the placement goes, the asset stays in the library.
func (s *placed) remove(ctx context.Context, h holding) error {
	return s.invoke(ctx, metadatav1.AppAssetLibraryPlacementsService_DeleteAppAssetLibraryPlacement_FullMethodName,
		&metadatav1.DeleteAppAssetLibraryPlacementRequest{Id: h.id}, &metadatav1.DeleteAppAssetLibraryPlacementResponse{})
}

// droppable implements [shelf]: a group cannot be deleted.
func (s *placed) droppable() bool { return false }

// drop implements [shelf].
func (s *placed) drop(context.Context) error { return nil }

// order implements [shelf].
func (s *placed) order(ctx context.Context, ids []string) error {
	req := &metadatav1.CreateAppAssetLibraryPlacementOrderingRequestRequest{PlacementGroup: proto.String(s.group),
		OrderedPlacements: &typesv1.ToMany{Ids: ids}, RequestId: "upload/" + rand.Text()}
	m := req.ProtoReflect()
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(s.owner))
	if fd == nil {
		return failed(ReasonOperations, "Apple orders no placements of %s", s.owner)
	}
	m.Set(fd, one(s.ownerID))
	return s.invoke(ctx,
		metadatav1.AppAssetLibraryPlacementOrderingRequestsService_CreateAppAssetLibraryPlacementOrderingRequest_FullMethodName,
		req, &metadatav1.CreateAppAssetLibraryPlacementOrderingRequestResponse{})
}

// purpose implements [shelf].
func (s *placed) purpose() (display, placementType, placementGroup string) {
	return "", s.typ.String(), s.group
}

// room implements [shelf].
func (s *placed) room(ctx context.Context) int {
	return roomOf(s.reference(ctx), s.typ.String(), s.group)
}

// set implements [shelf].
func (s *placed) set() string { return "" }

// name implements [shelf].
func (s *placed) name() string {
	return fmt.Sprintf("the placements %s %s of %s", s.typ, s.group, s.ownerID)
}
