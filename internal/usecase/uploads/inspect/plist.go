package inspect

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
)

// info is what is read of an Info.plist.
type info struct {
	text map[string]string   // values of infoTexts
	list map[string][]string // values of infoLists
}

var (
	infoTexts = []string{"CFBundleIdentifier", "CFBundleShortVersionString", "CFBundleVersion", "DTPlatformName"}
	infoLists = []string{"CFBundleSupportedPlatforms"}
)

// maxList bounds the elements of a list.
const maxList = 16

// readInfo reads the few values wanted of a property list, in Apple's XML or
// binary form. It reads no others, builds no tree and follows no reference twice:
// general readers can be made to take memory without end by a few bytes, such as
// many lists of the same elements.
func readInfo(b []byte) (info, error) {
	i := info{text: map[string]string{}, list: map[string][]string{}}
	if bytes.HasPrefix(b, []byte(plistMagic)) {
		return i, i.readBinary(b)
	}
	return i, i.readXML(b)
}

func (i info) readXML(b []byte) error {
	x := newXMLReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff"))))
	var key string
	for seen := false; ; {
		token, err := x.next()
		if errors.Is(err, io.EOF) && seen {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return noPlist()
		}
		if err != nil {
			return err
		}
		e, ok := token.(xml.StartElement)
		switch {
		case !ok:
		case len(x.stack) < 3:
			if !(x.within("plist") || x.within("plist", "dict") && !seen) {
				return noPlist()
			}
			seen = len(x.stack) == 2
		case e.Name.Local == "key":
			if key, err = x.text(); err != nil {
				return err
			}
		default:
			if err := i.readXMLValue(x, e.Name.Local, key); err != nil {
				return err
			}
			key = ""
		}
	}
}

// readXMLValue reads the value whose element was opened last.
func (i info) readXMLValue(x *xmlReader, element, key string) error {
	switch {
	case element == "string" && slices.Contains(infoTexts, key):
		s, err := x.text()
		if err != nil {
			return err
		}
		return i.setText(key, s)
	case element == "array" && slices.Contains(infoLists, key):
		return i.readXMLList(x, key)
	}
	return x.skip()
}

func (i info) readXMLList(x *xmlReader, key string) error {
	list := []string{}
	for depth := len(x.stack); len(x.stack) >= depth; {
		token, err := x.next()
		if err != nil {
			return err
		}
		if _, ok := token.(xml.StartElement); !ok {
			continue
		}
		s, err := x.text()
		if err != nil {
			return err
		}
		list = append(list, s)
		if len(list) > maxList {
			return longList()
		}
	}
	return i.setList(key, list)
}

func (i info) setText(key, value string) error {
	if _, ok := i.text[key]; ok {
		return twice()
	}
	i.text[key] = strings.TrimSpace(value)
	return nil
}

func (i info) setList(key string, value []string) error {
	if _, ok := i.list[key]; ok {
		return twice()
	}
	i.list[key] = value
	return nil
}

func noPlist() error { return unreadable("its Info.plist is no property list with a dictionary") }
func twice() error   { return unreadable("its Info.plist has a value twice") }
func longList() error {
	return unreadable("a list in its Info.plist has more than %d elements", maxList)
}

// platforms are Apple's names of SDKs by what App Store Connect calls the platform.
var platforms = map[string]string{
	"iphoneos":  "IOS",
	"macosx":    "MAC_OS",
	"appletvos": "TV_OS",
	"xros":      "VISION_OS",
}

// platform is "" if the property list does not say. Xcode writes both values; other
// tools one or none.
func (i info) platform() (string, error) {
	names := i.list["CFBundleSupportedPlatforms"]
	if name := i.text["DTPlatformName"]; name != "" {
		names = []string{name}
	}
	var found string
	for _, name := range names {
		name = strings.ToLower(name)
		platform, ok := platforms[name]
		switch {
		case strings.HasSuffix(name, "simulator"):
			return "", noApp("the app was built for a simulator; Apple takes builds for devices")
		case !ok:
			return "", noApp("the app is for a platform that Apple takes no builds for by itself")
		case found != "" && platform != found:
			return "", noApp("the app is for several platforms")
		}
		found = platform
	}
	return found, nil
}
