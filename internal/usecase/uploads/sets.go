package uploads

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// shelfOf finds the place that a request names.
func (c *caller) shelfOf(p *uploadsv1.AssetPlace) (shelf, error) {
	switch at := p.GetPlace().(type) {
	case *uploadsv1.AssetPlace_AppScreenshotSet:
		return c.setOf("AppScreenshot", at.AppScreenshotSet)
	case *uploadsv1.AssetPlace_AppPreviewSet:
		return c.setOf("AppPreview", at.AppPreviewSet)
	case *uploadsv1.AssetPlace_DisplaySet:
		return c.displaySet(at.DisplaySet)
	case *uploadsv1.AssetPlace_PlacementGroup:
		return c.placements(at.PlacementGroup)
	}
	return nil, fault.Invalid("place", "say where the files are to be")
}

// fileSet is a set of screenshots or of previews.
type fileSet struct {
	*caller
	kind    *kind
	id      string // "": it is not there yet
	display string // type, where the set is named by it
	owner   string // relationship that names what it belongs to
	ownerID string
}

func (c *caller) setOf(schema, id string) (*fileSet, error) {
	if err := checkID("place", id); err != nil {
		return nil, err
	}
	return &fileSet{caller: c, kind: c.kinds().bySchema[schema], id: id}, nil
}

// checkID says whether an id can be one.
func checkID(at, id string) error {
	if id == "" || len(id) > 512 || id == "." || id == ".." || strings.ContainsAny(id, "/\\?#%,\x00") {
		return fault.Invalid(at, `want an id: 1 to 512 bytes without / \ ? # %% and ,`)
	}
	return nil
}

func (c *caller) displaySet(d *uploadsv1.DisplaySet) (*fileSet, error) {
	s := &fileSet{caller: c, kind: c.kinds().bySchema["AppScreenshot"], display: d.GetDisplayType()}
	if d.GetPreviews() {
		s.kind = c.kinds().bySchema["AppPreview"]
	}
	m := d.ProtoReflect()
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("owner"))
	if fd == nil {
		return nil, fault.Invalid("place.display_set", "say what the set belongs to")
	}
	s.owner, s.ownerID = string(fd.Name()), m.Get(fd).String()
	if err := checkID("place.display_set."+s.owner, s.ownerID); err != nil {
		return nil, err
	}
	if _, err := s.displayValue(); err != nil {
		return nil, err
	}
	return s, nil
}

// find is a method of the metadata area.
func find(service, name string) (*method, error) {
	full := protoreflect.FullName("asc.metadata.v1." + service + "." + name)
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(full)
	if err != nil {
		return nil, fmt.Errorf("uploads: %s: %w", full, err)
	}
	md := d.(protoreflect.MethodDescriptor)
	return methodOf(md, dataOf(md.Output()))
}

func (s *fileSet) service() string { return s.kind.schema + "SetsService" }

// display_type of screenshots, preview_type of previews.
func (s *fileSet) displayField() protoreflect.Name {
	if s.kind.schema == "AppPreview" {
		return "preview_type"
	}
	return "screenshot_display_type"
}

func (s *fileSet) displayValue() (protoreflect.EnumNumber, error) {
	m, err := find(s.service(), "Create"+s.kind.schema+"Set")
	if err != nil {
		return 0, err
	}
	fd := m.in.Descriptor().Fields().ByName(s.displayField())
	v := fd.Enum().Values().ByName(protoreflect.Name(s.display))
	if v == nil || v.Number() < 2 {
		return 0, fault.Invalid("place.display_set.display_type", "%q is no display type of Apple's", clip(s.display))
	}
	return v.Number(), nil
}

// read implements [shelf].
func (s *fileSet) read(ctx context.Context) (list []holding, err error) {
	if s.id == "" && s.display != "" {
		return s.readByDisplay(ctx)
	}
	m := s.kind.siblings[s.kind.needs[0]]
	files, err := s.siblings(fresh(ctx), m, s.id)
	if err != nil {
		return nil, err
	}
	return s.holdings(files), nil
}

func (s *fileSet) holdings(files []protoreflect.Message) (list []holding) {
	for _, f := range files {
		cond := s.kind.conditionOf(f)
		list = append(list, holding{id: text(f, "id"), asset: f, sum: text(f, "source_file_checksum"), word: cond.word,
			good: !cond.failed && cond.word != awaiting})
	}
	return list
}

// readByDisplay finds the set of a display type with its files, by one read.
func (s *fileSet) readByDisplay(ctx context.Context) ([]holding, error) {
	owner := camel(s.owner)
	m, err := find(owner+"sService", "List"+owner+s.kind.schema+"Sets")
	if err != nil {
		return nil, err
	}
	value, err := s.displayValue()
	if err != nil {
		return nil, err
	}
	files := snake(s.kind.schema) + "s" // app_screenshots
	jsonName := lowerFirst(s.kind.schema) + "s"
	req := m.byID(s.ownerID)
	filter := req.Mutable(m.in.Descriptor().Fields().ByName("filter")).Message()
	filter.Mutable(filter.Descriptor().Fields().ByName(s.displayField())).List().Append(protoreflect.ValueOfEnum(value))
	req.Mutable(m.in.Descriptor().Fields().ByName("include")).List().Append(protoreflect.ValueOfString(jsonName))
	req.Mutable(m.in.Descriptor().Fields().ByName("limit")).Map().Set(
		protoreflect.ValueOfString(jsonName).MapKey(), protoreflect.ValueOfInt32(50))
	res, err := s.call(fresh(ctx), m, req.Interface())
	if err != nil {
		return nil, err
	}
	for _, set := range m.resources(res) {
		if set.Get(set.Descriptor().Fields().ByName(s.displayField())).Enum() != value {
			continue
		}
		s.id = text(set, "id")
		in := res.Get(res.Descriptor().Fields().ByName("included")).Message()
		byID := map[string]protoreflect.Message{}
		l := in.Get(in.Descriptor().Fields().ByName(protoreflect.Name(files))).List()
		for i := range l.Len() {
			byID[text(l.Get(i).Message(), "id")] = l.Get(i).Message()
		}
		var ordered []protoreflect.Message
		many, _ := set.Get(set.Descriptor().Fields().ByName(protoreflect.Name(files))).Message().Interface().(*typesv1.ToMany)
		for _, id := range many.GetIds() {
			if f := byID[id]; f != nil {
				ordered = append(ordered, f)
			}
		}
		return s.holdings(ordered), nil
	}
	return nil, nil
}

// have implements [shelf]: a set has no library.
func (s *fileSet) have(context.Context, []*uploadsv1.AssetFile) (map[string]string, error) {
	return nil, nil
}

// cost implements [shelf].
func (s *fileSet) cost() (what string, requests int32) {
	if s.id != "" {
		return "", 0
	}
	return s.name(), 1
}

// ready implements [shelf].
func (s *fileSet) ready(ctx context.Context) error {
	if s.id != "" {
		return nil
	}
	m, err := find(s.service(), "Create"+s.kind.schema+"Set")
	if err != nil {
		return err
	}
	value, err := s.displayValue()
	if err != nil {
		return err
	}
	req := m.in.New()
	req.Set(m.in.Descriptor().Fields().ByName(s.displayField()), protoreflect.ValueOfEnum(value))
	req.Set(m.in.Descriptor().Fields().ByName(protoreflect.Name(s.owner)), one(s.ownerID))
	set(req, "request_id", "upload/"+rand.Text())
	res, err := s.call(ctx, m, req.Interface())
	if err != nil && unclear(err) { // it may be there now
		if _, rerr := s.readByDisplay(ctx); rerr == nil && s.id != "" {
			return nil
		}
	}
	if err != nil {
		return err
	}
	s.id = text(m.resource(res), "id")
	return nil
}

func one(id string) protoreflect.Value {
	return protoreflect.ValueOfMessage((&typesv1.ToOne{Id: proto.String(id)}).ProtoReflect())
}

// of implements [shelf].
func (s *fileSet) of(f *uploadsv1.AssetFile) (*kind, protoreflect.Message) {
	req := s.kind.create.in.New()
	set(req, "file_name", f.GetFileName())
	set(req, "file_size", f.GetFileSize())
	if f.GetPreviewFrameTimeCode() != "" {
		set(req, "preview_frame_time_code", f.GetPreviewFrameTimeCode())
	}
	req.Set(req.Descriptor().Fields().ByName(protoreflect.Name(s.kind.needs[0])), one(s.id))
	return s.kind, req
}

// put implements [shelf]: what is uploaded into a set is in it.
func (s *fileSet) put(_ context.Context, asset string) (string, error) { return asset, nil }

// puts implements [shelf].
func (s *fileSet) puts() int32 { return 0 }

// remove implements [shelf].
func (s *fileSet) remove(ctx context.Context, h holding) error {
	_, err := s.call(ctx, s.kind.remove, s.kind.remove.byID(h.id).Interface())
	return err
}

// droppable implements [shelf]: a set that is named by its id keeps it.
func (s *fileSet) droppable() bool { return s.display != "" && s.id != "" }

// drop implements [shelf].
func (s *fileSet) drop(ctx context.Context) error {
	m, err := find(s.service(), "Delete"+s.kind.schema+"Set")
	if err != nil {
		return err
	}
	_, err = s.call(ctx, m, m.byID(s.id).Interface())
	s.id = ""
	return err
}

// order implements [shelf].
func (s *fileSet) order(ctx context.Context, ids []string) error {
	m, err := find(s.service(), "Replace"+s.kind.schema+"Set"+s.kind.schema+"s")
	if err != nil {
		return err
	}
	req := m.byID(s.id)
	req.Set(req.Descriptor().Fields().ByName(protoreflect.Name(snake(s.kind.schema)+"s")),
		protoreflect.ValueOfMessage((&typesv1.ToMany{Ids: ids}).ProtoReflect()))
	_, err = s.call(ctx, m, req.Interface())
	return err
}

// purpose implements [shelf].
func (s *fileSet) purpose() (display, placementType, placementGroup string) { return s.display, "", "" }

// room implements [shelf].
func (s *fileSet) room(context.Context) int { return s.kind.most }

// set implements [shelf].
func (s *fileSet) set() string { return s.id }

// name implements [shelf].
func (s *fileSet) name() string {
	what := "screenshots"
	if s.kind.schema == "AppPreview" {
		what = "previews"
	}
	if s.display != "" {
		return fmt.Sprintf("the %s of %s of %s", s.display, what, s.ownerID)
	}
	return fmt.Sprintf("the set %s of %s", s.id, what)
}

// camel makes a message's name of a field's: AppStoreVersionLocalization.
func camel(field string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(field, "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// snake makes a field's name of a message's.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(string(r)))
	}
	return b.String()
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
