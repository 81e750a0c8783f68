package sandbox

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// versionForm is how Apple numbers versions.
var versionForm = regexp.MustCompile(`^\d{1,9}(\.\d{1,9}){0,2}$`)

// versionAllowed: an app has one version a platform that is not on sale yet; its
// number is new, and higher than the one on sale.
func versionAllowed(c *call, o, old *object) []apiError {
	errs := unscheduled(o, old)
	if old != nil {
		errs = append(errs, lockedAllowed(c, o, old)...)
		if o.text("versionString") == old.text("versionString") {
			return errs
		}
	} else if c.unfinished(o) {
		errs = append(errs, apiError{
			Status:  409,
			Code:    "ENTITY_ERROR.RELATIONSHIP.INVALID",
			Title:   "The provided entity includes a relationship with an invalid value",
			Detail:  "You cannot create a new version of the App in the current state.",
			Pointer: "/data/relationships/app",
		})
	}
	return append(errs, c.numberRefused(o, old)...)
}

// unfinished says whether a version's app has another on its way to the store.
func (c *call) unfinished(o *object) bool {
	return slices.ContainsFunc(c.siblings(o, nil), func(x *object) bool {
		return !slices.Contains(onSale, x.text("appVersionState"))
	})
}

// numberRefused are the reasons against the number of a version. That it is there
// already comes last (seen live).
func (c *call) numberRefused(o, old *object) (errs []apiError) {
	number := o.text("versionString")
	refuse := func(code, title, detail string) {
		errs = append(errs, apiError{
			Status: 409, Code: code, Title: title, Detail: detail, Pointer: "/data/attributes/versionString",
		})
	}
	const invalid = "The provided entity includes an attribute with an invalid value"
	if !versionForm.MatchString(number) {
		refuse("ENTITY_ERROR.ATTRIBUTE.INVALID", invalid, "The version '"+number+"' has not the form 1.2.3.")
		return errs
	}
	highest, used := "", false
	for _, x := range c.siblings(o, old) {
		other := x.text("versionString")
		used = used || compareVersions(other, number) == 0
		if slices.Contains(onSale, x.text("appVersionState")) && compareVersions(other, highest) > 0 {
			highest = other
		}
	}
	if highest != "" && compareVersions(highest, number) >= 0 && (!used || !c.unfinished(o)) {
		refuse("ENTITY_ERROR.ATTRIBUTE.INVALID", invalid,
			"The version must be higher than '"+highest+"', which is on sale.")
	}
	if used {
		refuse("ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE",
			"The provided entity includes an attribute with a value that has already been used",
			"The version number has been previously used.")
	}
	return errs
}

// siblings are the other versions of a version's app and platform.
func (c *call) siblings(o, old *object) (list []*object) {
	for _, x := range c.s.store.all("appStoreVersions") {
		if x != old && x.id != o.id && x.text("platform") == o.text("platform") &&
			slices.Equal(c.s.store.ids(x, "app"), c.s.store.ids(o, "app")) {
			list = append(list, x)
		}
	}
	return list
}

// compareVersions compares numbers part by part: 1.2 is 1.2.0.
func compareVersions(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(x), len(y)) {
		var m, n int
		if i < len(x) {
			m, _ = strconv.Atoi(x[i])
		}
		if i < len(y) {
			n, _ = strconv.Atoi(y[i])
		}
		if m != n {
			return m - n
		}
	}
	return 0
}
