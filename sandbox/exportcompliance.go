package sandbox

import "slices"

// exportCompliance: declarations about encryption, by Apple's reviewers.
func exportCompliance() map[string]behavior {
	const source = "Apple: AppEncryptionDeclarationState"
	const attr = "appEncryptionDeclarationState"
	open := []string{"CREATED", "IN_REVIEW"}
	return map[string]behavior{
		"appEncryptionDeclarations": {
			seed: each(cycle(attr, "APPROVED"), cycle("platform", "IOS"), cycle("usesEncryption", true)),
			created: func(_ *call, o *object) {
				o.attrs[attr], o.attrs["usesEncryption"], o.attrs["exempt"] = "CREATED", true, false
			},
			machines: []machine{{attr: attr, moves: []move{
				{"submit", []string{"CREATED"}, "IN_REVIEW", source},
				{"approve", open, "APPROVED", source},
				{"reject", open, "REJECTED", source},
				{"invalidate", []string{"CREATED", "IN_REVIEW", "APPROVED"}, "INVALID", source},
				{"expire", []string{"APPROVED"}, "EXPIRED", source},
			}}},
			moved: func(c *call, o *object, _, _, _ string) {
				for _, build := range c.s.store.related(o, "builds") {
					c.answerExport(build)
				}
			},
			acts: map[string]act{
				"approve":    moving("approve", "Apple approves the declaration"),
				"reject":     moving("reject", "Apple rejects the declaration"),
				"invalidate": moving("invalidate", "Apple finds the declaration invalid"),
				"expire":     moving("expire", "the declaration has expired"),
			},
			relating: func(c *call, o *object, w relWrite) []apiError {
				if w.rel != "builds" || w.how == "remove" {
					return nil
				}
				return declarable(o)
			},
			related: func(c *call, o *object, w relWrite) {
				for _, build := range c.s.store.related(o, "builds") {
					c.answerExport(build)
				}
			},
		},
		"appEncryptionDeclarationDocuments": {delivered: func(c *call, o *object) {
			if declaration := c.s.store.one(o, "appEncryptionDeclaration"); declaration != nil {
				_ = c.move(declaration, "submit") // one that was decided meanwhile stays so
			}
		}},
	}
}

// declarable refuses a declaration that a build cannot have.
func declarable(declaration *object) []apiError {
	state := declaration.text("appEncryptionDeclarationState")
	if slices.Contains([]string{"REJECTED", "INVALID", "EXPIRED"}, state) {
		return stateError("/data", "The declaration "+declaration.id+" is "+state+".")
	}
	return nil
}

// newDeclaration refuses a declaration that a build is to have, and cannot.
func (c *call) newDeclaration(o, old *object) []apiError {
	if old != nil && slices.Equal(old.rels["appEncryptionDeclaration"], o.rels["appEncryptionDeclaration"]) {
		return nil
	}
	if declaration := c.s.store.one(o, "appEncryptionDeclaration"); declaration != nil {
		return declarable(declaration)
	}
	return nil
}

// answerExport moves the states of a processed build once it is known what it
// encrypts: non-exempt encryption wants a declaration that Apple has approved.
func (c *call) answerExport(build *object) {
	if build.text("processingState") != "VALID" || build.attrs["expired"] == true {
		return
	}
	detail := c.betaDetail(build)
	on := "ask"
	if uses, answered := build.attrs["usesNonExemptEncryption"].(bool); answered && !uses {
		on = "ready"
	} else if declaration := c.s.store.one(build, "appEncryptionDeclaration"); answered && declaration != nil {
		switch declaration.text("appEncryptionDeclarationState") {
		case "APPROVED":
			on = "ready"
		case "CREATED", "IN_REVIEW":
			on = "review compliance"
		}
	}
	_ = c.move(detail, on) // it may be there already, or past that
	if on == "ready" {
		c.offer(build)
	}
}
