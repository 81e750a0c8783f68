package inspect

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
)

// descriptions are what a .pkg's files say: the Distribution, and each PackageInfo,
// which counts if the Distribution names no app.
type descriptions struct{ product, packages installer }

func (d *descriptions) add(f heapFile, packed []byte) error {
	if f.name == distributionFile {
		return d.product.add(f, packed)
	}
	return d.packages.add(f, packed)
}

// enough says whether the Distribution tells all.
func (d *descriptions) enough() bool { return len(d.product.apps) > 0 }

func (d *descriptions) build() (Build, error) {
	if d.enough() {
		return d.product.build()
	}
	packages := d.packages
	if d.product.product != "" {
		packages.product = d.product.product
	}
	return packages.build()
}

// installer is what a Distribution says, or the packages together.
type installer struct {
	product string // the product's id, or a single component's
	apps    []app
}

// app is a bundle that a description names.
type app struct{ path, id, version, number string }

// add reads a Distribution (of productbuild) or a PackageInfo (of pkgbuild). Both
// have `bundle` elements with a path, an id and versions, and others that only
// refer to them by id.
func (p *installer) add(f heapFile, packed []byte) error {
	b, err := f.unpack(packed)
	if err != nil {
		return err
	}
	x := newXMLReader(bytes.NewReader(b))
	for {
		token, err := x.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "product":
			p.name(attribute(e, "id"))
		case "pkg-info":
			p.name(attribute(e, "identifier"))
		case "bundle":
			p.bundle(e)
		}
		if len(p.apps) > maxBundles {
			return unreadable("it names more than %d apps", maxBundles)
		}
	}
}

// name keeps the first id.
func (p *installer) name(id string) {
	if p.product == "" {
		p.product = id
	}
}

func (p *installer) bundle(e xml.StartElement) {
	a := app{
		path:    strings.TrimPrefix(attribute(e, "path"), "./"),
		id:      attribute(e, "id"),
		version: attribute(e, "CFBundleShortVersionString"),
		number:  attribute(e, "CFBundleVersion"),
	}
	if a.id == "" {
		a.id = attribute(e, "CFBundleIdentifier")
	}
	name, is := strings.CutSuffix(strings.TrimSuffix(a.path, "/"), ".app")
	if !is || strings.Contains(name, ".app/") || a.number == "" && a.version == "" {
		return // no app, one within another, or a mere reference
	}
	if !slices.Contains(p.apps, a) {
		p.apps = append(p.apps, a)
	}
}

// build is that of the app with the product's id, or of the only one.
func (p *installer) build() (Build, error) {
	apps := slices.DeleteFunc(slices.Clone(p.apps), func(a app) bool { return a.id != p.product })
	if len(apps) == 0 {
		apps = p.apps
	}
	switch len(apps) {
	case 0:
		return Build{}, noApp(
			"the package names no app with its version: it has no Distribution and no PackageInfo that does",
		)
	case 1:
		return Build{
			BundleID: apps[0].id,
			Version:  apps[0].version,
			Number:   apps[0].number,
			Platform: "MAC_OS",
			Format:   FormatPKG,
			UTI:      "com.apple.pkg",
		}.checked()
	}
	return Build{}, severalApps("the package has several apps, and its product's id does not tell which is meant")
}
