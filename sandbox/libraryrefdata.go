package sandbox

import (
	"fmt"
	"slices"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/picture"
)

// Largest files of the library in bytes, and extensions. Apple: screenshot and app
// preview specifications.
const (
	mostImageBytes = 50 << 20
	mostVideoBytes = 500 << 20
)

// refData: what the library takes, in one resource.
func refData() behavior {
	b := behavior{count: 1, show: shownRefData, tests: map[string]test{}}
	for _, key := range []string{"placementTypes", "placementProfileGroups", "features", "specs"} {
		b.tests[key] = func(*store, *object, string) bool { return true } // they thin out what the resource says
	}
	return b
}

// refFilter is what a call wants of the reference data. Nothing is all.
type refFilter struct{ types, groups, features, specs []string }

func wants(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }

func wantsAny(list, names []string) bool {
	return len(list) == 0 || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(list, n) })
}

// shownRefData is the reference data, of which filters leave what they name.
func shownRefData(c *call, _ *object) map[string]any {
	f := refFilter{c.query["filter[placementTypes]"], c.query["filter[placementProfileGroups]"],
		c.query["filter[features]"], c.query["filter[specs]"]}
	images, videos := []any{}, []any{}
	for _, s := range librarySpecs() {
		if !f.wantsSpec(s) {
			continue
		}
		if s.video {
			videos = append(videos, s.videoSpec())
		} else {
			images = append(images, s.imageSpec())
		}
	}
	groups, classes := f.profileGroups()
	return map[string]any{
		"features": f.shownFeatures(), "placementTypes": f.placementTypes(),
		"placementProfileGroups": groups, "displayClasses": classes,
		"imageSpecs": images, "videoSpecs": videos,
	}
}

func (f refFilter) wantsSpec(s librarySpec) bool {
	return wants(f.specs, s.id()) && wantsAny(f.types, s.types) && wantsAny(f.groups, s.groups)
}

// featureKinds are the features that show assets, and which placement types.
func featureKinds() (names []string, of map[string][]placementKind) {
	names = []string{"APP_STORE_VERSIONS", "CUSTOM_PRODUCT_PAGES", "PRODUCT_PAGE_OPTIMIZATIONS", "IN_APP_EVENTS"}
	of = map[string][]placementKind{}
	for _, k := range placementKinds() {
		if k.event {
			of[names[3]] = append(of[names[3]], k)
			continue
		}
		for _, name := range names[:3] {
			of[name] = append(of[name], k)
		}
	}
	return names, of
}

func (f refFilter) shownFeatures() []any {
	list := []any{}
	names, of := featureKinds()
	for _, name := range names {
		policies := []any{}
		for _, k := range of[name] {
			limits := []any{}
			for _, g := range k.groups() {
				if wants(f.groups, g) {
					limits = append(limits, map[string]any{"groupIds": []any{g}, "maxCount": k.most})
				}
			}
			if wants(f.types, k.name) && len(limits) > 0 {
				policies = append(policies, map[string]any{"placementType": k.name, "groupLimits": limits})
			}
		}
		if wants(f.features, name) && len(policies) > 0 {
			list = append(list, map[string]any{"featureId": name, "placementPolicies": policies})
		}
	}
	return list
}

func (f refFilter) placementTypes() []any {
	list := []any{}
	specs := librarySpecs()
	for _, k := range placementKinds() {
		mappings := []any{}
		for _, g := range k.groups() {
			ids := []any{}
			for _, s := range specs {
				if slices.Contains(s.types, k.name) && slices.Contains(s.groups, g) && wants(f.specs, s.id()) {
					ids = append(ids, s.id())
				}
			}
			if wants(f.groups, g) && len(ids) > 0 {
				mappings = append(mappings, map[string]any{"placementGroupId": g, "specs": ids})
			}
		}
		if wants(f.types, k.name) && len(mappings) > 0 {
			list = append(list, map[string]any{"placementTypeId": k.name,
				"acceptsAssetCategories": []any{k.category}, "specMappings": mappings})
		}
	}
	return list
}

// profileGroups are the groups, and the display classes that these are of.
func (f refFilter) profileGroups() (groups, classes []any) {
	groups, classes = []any{}, []any{}
	for _, g := range libraryGroups() {
		if !wants(f.groups, g.id) {
			continue
		}
		groups = append(groups, map[string]any{"placementProfileGroupId": g.id, "platform": g.platform,
			"displayClassId": g.class})
		screens := []any{}
		for _, s := range g.sizes() {
			screens = append(screens, dimensions(s))
		}
		classes = append(classes, map[string]any{"displayClassId": g.class, "deviceFamily": g.family,
			"screenDimensions": screens})
	}
	if wants(f.groups, anyGroup) {
		groups = append(groups, map[string]any{"placementProfileGroupId": anyGroup, "platform": "ANY",
			"displayClassId": "DEFAULT"})
	}
	return groups, classes
}

// spec is what pictures and videos have in common.
func (s librarySpec) shown() map[string]any {
	types := []any{}
	for _, name := range s.types {
		types = append(types, name)
	}
	return map[string]any{
		"specId": s.id(), "shortName": dimensions(s.most), "aspectRatio": s.aspect,
		"dimensions": map[string]any{"minWidth": s.least.Width, "maxWidth": s.most.Width,
			"minHeight": s.least.Height, "maxHeight": s.most.Height},
		"compatiblePlacementTypes": types, "universalAsset": slices.Contains(s.groups, anyGroup),
	}
}

func (s librarySpec) imageSpec() map[string]any {
	m := s.shown()
	m["alphaAllowed"], m["maxFileSize"] = false, mostImageBytes
	m["fileExtensions"], m["mimeTypes"] = []any{"png", "jpg", "jpeg"}, []any{"image/png", "image/jpeg"}
	return m
}

func (s librarySpec) videoSpec() map[string]any {
	m := s.shown()
	m["audioRequired"], m["maxFileSize"] = false, mostVideoBytes
	m["fileExtensions"] = []any{"mp4", "mov", "m4v"}
	m["mimeTypes"] = []any{"video/mp4", "video/quicktime", "video/x-m4v"}
	m["frameRates"] = []any{map[string]any{"minFps": 1, "maxFps": 30}}
	m["duration"] = map[string]any{"min": "PT15S", "max": "PT30S"}
	return m
}

func dimensions(s picture.Size) string { return fmt.Sprintf("%dx%d", s.Width, s.Height) }

// appendNew adds what a list lacks.
func appendNew(list []string, names ...string) []string {
	for _, n := range names {
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}
