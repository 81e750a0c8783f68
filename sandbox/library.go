package sandbox

import (
	"slices"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/picture"
)

// Types of the assets of the App Asset Library.
const (
	libraryImages = "appAssetLibraryImages"
	libraryVideos = "appAssetLibraryVideos"
)

// library: assets that are uploaded once, and shown in many places.
func library() map[string]behavior {
	all := placements()
	all["appAssetLibraryRefData"] = refData()
	return all
}

// libraryAsset gives an image or a video its rules, beside those of App Review. Its
// state follows its upload.
func libraryAsset(b *behavior) {
	allowed, removable := b.allowed, b.removable
	b.allowed = func(c *call, o, old *object) []apiError {
		if errs := allowed(c, o, old); errs != nil {
			return errs
		}
		return assetAllowed(c, o, old)
	}
	b.removable = func(c *call, o *object) []apiError {
		if errs := removable(c, o); errs != nil {
			return errs
		}
		if len(c.s.store.ids(o, "placements")) > 0 {
			return stateError("", "The asset has placements: delete them first.")
		}
		return nil
	}
	b.created = func(c *call, o *object) { o.attrs["lastModifiedDate"] = c.stamp() }
	b.updated = assetUpdated
	b.delivered = func(_ *call, o *object) {
		shown, _ := o.attrs["imageAsset"].(map[string]any)
		width, isWidth := shown["width"].(int)
		height, isHeight := shown["height"].(int)
		if spec := specOf(o, picture.Size{Width: width, Height: height}); isWidth && isHeight && spec != "" {
			o.attrs["specId"] = spec
		}
	}
	b.seed = each(b.seed, func(o *object, _ int) {
		o.attrs["specId"] = "IMAGE_2064x2752"
		if o.typ == libraryVideos {
			o.attrs["specId"] = "VIDEO_1200x1600"
		}
	})
}

// settledStates are those in which an asset is not part of a submission, and whole: it
// can be archived.
var settledStates = []string{prepared, "APPROVED", "REJECTED", archived}

const archived = "ARCHIVED"

// assetAllowed: what is whole and in no submission can be archived, and is not changed
// then but to come back. An asset that is shown somewhere cannot go to the archive.
func assetAllowed(c *call, o, old *object) []apiError {
	if old == nil {
		return nil
	}
	at := "/data/attributes/archived"
	switch state := old.text("state"); {
	case o.attrs["archived"] == true && !slices.Contains(settledStates, state):
		return stateError(at, "An asset that is "+state+" cannot be archived.")
	case o.attrs["archived"] == true && len(c.s.store.ids(old, "placements")) > 0:
		return stateError(at, "The asset has placements: delete them first.")
	case state == archived && o.attrs["archived"] == nil:
		return unchangeable(o, old, nil)
	}
	return nil
}

// assetUpdated does what {archived: true} and {archived: false} ask for. It is no
// attribute that stays.
func assetUpdated(c *call, o *object) {
	asked := o.attrs["archived"]
	delete(o.attrs, "archived")
	switch was := o.text("state"); {
	case asked == true && was != archived:
		o.attrs["state"] = archived
		c.moved(o, "state", was, archived)
	case asked == false && was == archived:
		o.attrs["state"] = prepared
		c.moved(o, "state", was, prepared)
	}
	o.attrs["lastModifiedDate"] = c.stamp()
}

// addLibrary gives an app of a seed its library, which no request can make. Seen live:
// it has the id of the app.
func (s *Sandbox) addLibrary(st *store, app *object) {
	const typ = "appAssetLibraries"
	if st.one(app, "assetLibrary") != nil {
		return
	}
	if st.get(typ, app.id) == nil {
		st.add(s.sample(typ, app.id, len(st.all(typ)), s.clock.shown))
	}
	st.link(app, "assetLibrary", app.id)
}
