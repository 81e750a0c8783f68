package sandbox

import "slices"

// file refuses files that are empty, or too big.
func (w *writer) file(o *object, at string) {
	if w.c.s.facts.attr(o.typ, "uploadOperations") == nil {
		return
	}
	if size := fileSize(o); size < 1 || size > maxUploadBytes {
		w.refuse("ENTITY_ERROR.ATTRIBUTE.INVALID",
			"The provided entity includes an attribute with a value out of range", at+"/attributes/fileSize")
	}
}

// fileAllowed refuses what the rule of a file's resource does not allow: an owner
// too many or too few, a second commit, one that comes too late.
func (w *writer) fileAllowed(o, old, change *object, at string) {
	rule := w.c.s.uploadRule(o.typ, w.c.op.Schema)
	if rule == nil {
		return
	}
	if old == nil {
		w.fileOwners(rule, o, at)
		return
	}
	if change.attrs["uploaded"] != true || old.upload != nil {
		return
	}
	detail := "The upload has expired: reserve the file anew."
	if old.attrs["uploadOperations"] == nil {
		detail = "The file was committed already."
	}
	w.errs = append(w.errs, stateError(at+"/attributes/uploaded", detail)...)
}

func (w *writer) fileOwners(rule *uploadRule, o *object, at string) {
	var owners []string
	for _, rel := range rule.oneOf {
		if len(o.rels[rel]) > 0 {
			owners = append(owners, rel)
		}
	}
	switch {
	case len(rule.oneOf) > 0 && len(owners) == 0:
		w.refuse("ENTITY_ERROR.RELATIONSHIP.REQUIRED",
			"The provided entity is missing a required relationship", at+"/relationships/"+rule.oneOf[0])
	case len(owners) > 1:
		w.refuse("ENTITY_ERROR.RELATIONSHIP.INVALID",
			"Only one of these relationships can be given", at+"/relationships/"+owners[1])
	}
	st := w.c.s.store
	if owner := st.one(o, rule.of); rule.alone && owner != nil && len(st.pointing(owner, o.typ, rule.of)) > 0 {
		w.errs = append(w.errs, stateError(at+"/relationships/"+rule.of,
			"There is a file already: delete it first.")...)
	}
}

// fileUpdated follows a change of something that has a file.
func (c *call) fileUpdated(o, change *object) {
	if change.attrs["uploaded"] == true {
		c.commit(o)
	}
	frame, _ := o.attrs["previewFrameImage"].(map[string]any)
	if change.attrs["previewFrameTimeCode"] != nil && frame != nil {
		o.attrs["previewFrameImage"] = map[string]any{"state": stateObject("PROCESSING", nil)}
		c.after(c.s.cfg.Times.Upload, o, "frame is made", nil)
	}
}

// commit follows {uploaded: true}: the delivery ends after a while; it fails at
// once if not all bytes are there, or not those of the checksum said.
func (c *call) commit(o *object) {
	u := o.upload
	if u == nil {
		return
	}
	c.release(o)
	delete(o.attrs, "uploadOperations")
	if code := u.problem(checksum(o)); code != "" {
		c.fileState(o, "FAILED", fileErrors(code))
		return
	}
	with := map[string]any{}
	code, size := c.look(o, u)
	if code != "" {
		with["errors"] = fileErrors(code)
	} else if size.Width > 0 {
		with["width"], with["height"] = size.Width, size.Height
	}
	c.fileState(o, "UPLOAD_COMPLETE", nil)
	c.after(c.s.cfg.Times.Upload, o, "delivered", with)
}

func fileErrors(code string) []any {
	description := map[string]string{
		"FILE_INCOMPLETE":            "Fewer bytes arrived than the file has.",
		"FILE_CHECKSUM_MISMATCH":     "The bytes that arrived are not those of the checksum.",
		"IMAGE_INCORRECT_DIMENSIONS": "The image has dimensions that are not allowed here.",
		"IMAGE_ALPHA_NOT_ALLOWED":    "The image has an alpha channel or transparency.",
		"IMG_APPEARS_CORRUPT":        "The image cannot be read to its end.",
		"IMG_BAD_FORMAT":             "The file is no PNG and no JPEG.",
	}[code]
	if description == "" {
		description = "The file could not be processed."
	}
	return []any{map[string]any{"code": code, "description": description}}
}

// fileDelivered ends the delivery of a file: well, or with errors. Videos, and what
// is in the asset library, are processed further.
func fileDelivered(c *call, o *object, with map[string]any) error {
	if errs, _ := with["errors"].([]any); len(errs) > 0 {
		c.fileState(o, "FAILED", errs)
		return nil
	}
	if c.s.facts.attr(o.typ, "imageAsset") != nil && with["width"] != nil {
		o.attrs["imageAsset"] = imageAsset(o, with["width"], with["height"])
	}
	if c.s.facts.attr(o.typ, "downloadUrl") != nil {
		o.attrs["downloadUrl"] = c.base + "/" + o.typ + "/" + o.id
	}
	if c.fileState(o, "COMPLETE", nil) {
		c.after(c.s.cfg.Times.Upload, o, "processed", nil)
	}
	if b := c.s.behaviors[o.typ]; b.delivered != nil {
		b.delivered(c, o)
	}
	return nil
}

// fileProcessed ends what comes after the delivery.
func fileProcessed(c *call, o *object, _ map[string]any) error {
	for _, name := range []string{"videoUrl", "videoAsset"} {
		if c.s.facts.attr(o.typ, name) != nil {
			o.attrs[name] = "https://is1-ssl.mzstatic.com/video/" + o.id + ".m3u8"
		}
	}
	if c.s.facts.attr(o.typ, "previewFrameTimeCode") != nil {
		if o.text("previewFrameTimeCode") == "" {
			o.attrs["previewFrameTimeCode"] = "00:00:05:00"
		}
		_ = frameMade(c, o, nil) // which never fails
	}
	for _, name := range c.s.stateAttributes(o.typ) {
		switch name {
		case videoState:
			c.setFileState(o, name, "COMPLETE", nil)
		case ownState:
			c.setFileState(o, name, prepared, nil)
		}
	}
	return nil
}

// frameMade shows the poster frame of a video.
func frameMade(_ *call, o *object, _ map[string]any) error {
	o.attrs["previewFrameImage"] = map[string]any{
		"image": imageAsset(o, 886, 1920), "state": stateObject("COMPLETE", nil)}
	return nil
}

// imageAsset is how a picture is shown in the sizes that a caller wants.
func imageAsset(o *object, width, height any) map[string]any {
	return map[string]any{
		"templateUrl": "https://is1-ssl.mzstatic.com/image/thumb/" + o.id + "/{w}x{h}bb.{f}",
		"width":       width, "height": height,
	}
}

// stateAttributes are those in which views of a type tell the state of its file.
func (s *Sandbox) stateAttributes(typ string) (names []string) {
	for _, schema := range s.facts.schemas[typ] {
		for _, name := range s.uploads[schema].state {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// fileState sets the state of a file in all attributes that tell it. COMPLETE means
// that it was delivered; more says that it is processed further.
func (c *call) fileState(o *object, state string, errs []any) (more bool) {
	for _, name := range c.s.stateAttributes(o.typ) {
		is := state
		switch {
		case state != "COMPLETE" || name == assetState:
		case name == videoState:
			is, more = "PROCESSING", true
		case slices.Contains(c.s.facts.enum(c.s.facts.resolve(c.s.facts.attr(o.typ, name)).Enum), state):
			more = true
		default:
			is = prepared
		}
		c.setFileState(o, name, is, errs)
	}
	return more
}

func (c *call) setFileState(o *object, name, state string, errs []any) {
	was := (machine{attr: name, inside: "state"}).state(o)
	if name == ownState {
		was, o.attrs[name] = o.text(name), state
		if c.s.facts.attr(o.typ, "stateDetails") != nil {
			o.attrs["stateDetails"] = append([]any{}, errs...)
		}
	} else {
		o.attrs[name] = stateObject(state, errs)
	}
	c.moved(o, name, was, state)
}

func stateObject(state string, errs []any) map[string]any {
	return map[string]any{"state": state, "errors": append([]any{}, errs...), "warnings": []any{}}
}

// checksum is the MD5 sum that was said for a file, in one of two ways.
func checksum(o *object) string {
	if sum := o.text("sourceFileChecksum"); sum != "" {
		return sum
	}
	sums, _ := o.attrs["sourceFileChecksums"].(map[string]any)
	file, _ := sums["file"].(map[string]any)
	sum, _ := file["hash"].(string)
	return sum
}

// refuseSHA refuses checksums at the commit that are not MD5.
func refuseSHA(_ *call, o, old *object) []apiError {
	sums, _ := o.attrs["sourceFileChecksums"].(map[string]any)
	file, _ := sums["file"].(map[string]any)
	if old == nil || file["algorithm"] != "SHA_256" {
		return nil
	}
	return []apiError{
		{
			Status:  409,
			Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
			Title:   "The provided entity includes an attribute with an invalid value",
			Detail:  "'SHA_256' is not a valid value for the attribute 'algorithm'",
			Pointer: "/data/attributes/sourceFileChecksums",
		},
	}
}
