package sandbox

import "regexp"

// reasons are errors by the path of what they are about.
type reasons map[string][]apiError

func (r reasons) add(o *object, e apiError) {
	at := "/v1/" + o.typ + "/" + o.id
	r[at] = append(r[at], e)
}

// want tells attributes that are not set.
func (r reasons) want(o *object, names ...string) {
	for _, name := range names {
		if v := o.attrs[name]; v == nil || v == "" {
			r.add(
				o,
				apiError{
					Status:  409,
					Code:    "ENTITY_ERROR.ATTRIBUTE.REQUIRED",
					Title:   "The provided entity is missing a required attribute",
					Detail:  "You must provide a value for the attribute '" + name + "' with this request",
					Pointer: "/data/attributes/" + name,
				},
			)
		}
	}
}

func (r reasons) missing(o *object, rel string) {
	r.add(
		o,
		apiError{
			Status:  409,
			Code:    "ENTITY_ERROR.RELATIONSHIP.REQUIRED",
			Title:   "The provided entity is missing a required relationship",
			Detail:  "You must provide a value for the relationship '" + rel + "' with this request",
			Pointer: "/data/relationships/" + rel,
		},
	)
}

func (r reasons) state(o *object, detail string) { r.add(o, stateError("", detail)[0]) }

// phoneForm is how App Review takes a phone number (seen live): "+1 555 010 0199".
var phoneForm = regexp.MustCompile(`^\+[0-9][0-9 ().-]{4,30}$`)

// contact checks whom App Review may ask.
func (r reasons) contact(detail *object) {
	r.want(detail, "contactFirstName", "contactLastName", "contactEmail", "contactPhone")
	if phone := detail.text("contactPhone"); phone != "" && !phoneForm.MatchString(phone) {
		r.add(
			detail,
			apiError{
				Status:  409,
				Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
				Title:   "The provided entity includes an attribute with an invalid value",
				Detail:  "The phone number must begin with a plus sign and the country code.",
				Pointer: "/data/attributes/contactPhone",
			},
		)
	}
	if detail.attrs["demoAccountRequired"] == true {
		r.want(detail, "demoAccountName", "demoAccountPassword")
	}
}
