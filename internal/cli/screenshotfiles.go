package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads/inspect"
)

// Bounds of a folder of screenshots: Apple has 40 locales, and ten screenshots of a
// display.
const (
	maxPictures = 10000
	folderDepth = 8
)

// picture is a screenshot on this computer.
type picture struct {
	path    string
	display string // such as APP_IPHONE_67
	file    *uploadsv1.AssetFile
}

// readPicture looks at a screenshot: its display type, by its size in pixels, and
// what Apple will have against it.
func readPicture(ctx context.Context, path, display string, messages bool) (*picture, []string, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	content, err := f.look()
	if err != nil {
		return nil, nil, err
	}
	var notes []string
	if display == "" {
		all := displaysOf(content, messages)
		if len(all) == 0 {
			return nil, nil, wrongPicture(path, content)
		}
		display = all[0]
		if named := namedIn(path, all); named != "" {
			display = named
		} else if len(all) > 1 {
			notes = append(notes, fmt.Sprintf("it fits %s: taken as the first; a name or folder that has one of them decides",
				strings.Join(all, ", ")))
		}
	}
	for _, p := range inspect.Problems(inspect.ScreenshotRule(display), content) {
		notes = append(notes, p.Message)
	}
	_, sum, err := f.sums(ctx)
	return &picture{path: path, display: display,
		file: &uploadsv1.AssetFile{FileName: f.base(), FileSize: f.size(), Md5: sum}}, notes, err
}

// displaysOf are the display types that take a picture, of apps or of iMessage apps.
func displaysOf(c inspect.Content, messages bool) (list []string) {
	for _, d := range inspect.DisplayTypes(c.Width, c.Height) {
		if strings.HasPrefix(d, "IMESSAGE_") == messages {
			list = append(list, d)
		}
	}
	return list
}

// namedIn is the display type that stands in a path, "" if none does. One name can
// be the beginning of another: the longest counts.
func namedIn(path string, all []string) (best string) {
	upper := strings.ToUpper(filepath.ToSlash(path))
	for _, d := range all {
		if strings.Contains(upper, d) && len(d) > len(best) {
			best = d
		}
	}
	return best
}

func wrongPicture(path string, c inspect.Content) error {
	text := "it is neither a PNG nor a JPEG"
	if c.Width > 0 {
		text = fmt.Sprintf("no display takes a screenshot of %d×%d pixels", c.Width, c.Height)
	}
	return &ended{clip(path) + ": " + text, ExitInvalid}
}

// folder are the pictures of one locale.
type folder struct {
	locale   string
	messages bool // of an iMessage app
	paths    []string
}

// readLayout finds the pictures of a folder in fastlane's layout: LOCALE/*.png,
// with folders below where somebody likes them, and the same below iMessage and
// appleTV. unused are folders that are not used.
func readLayout(dir string) (list []*folder, unused []string, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, usagef("%s: there is no such folder", clip(dir))
	case err != nil:
		return nil, nil, usagef("%s: want a folder with one folder for each locale", clip(dir))
	}
	for _, e := range entries {
		name, at := e.Name(), filepath.Join(dir, e.Name())
		switch {
		case !e.IsDir() || strings.HasPrefix(name, "."):
		case name == "default":
			unused = append(unused, at)
		case name == "iMessage", name == "appleTV":
			below, more, err := readLayout(at)
			if err != nil {
				return nil, nil, err
			}
			for _, f := range below {
				f.messages = name == "iMessage"
			}
			list, unused = append(list, below...), append(unused, more...)
		default:
			paths, err := picturesIn(at)
			if err != nil {
				return nil, nil, err
			}
			paths, bare := framed(paths)
			unused = append(unused, bare...)
			if len(paths) > 0 {
				list = append(list, &folder{locale: name, paths: paths})
			}
		}
	}
	return list, unused, nil
}

// picturesIn are the paths of all pictures in a folder and below.
func picturesIn(dir string) (paths []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return usagef("%s cannot be read", clip(path))
		case strings.HasPrefix(e.Name(), ".") && path != dir && e.IsDir():
			return filepath.SkipDir
		case e.IsDir() && strings.Count(strings.TrimPrefix(path, dir), string(filepath.Separator)) > folderDepth:
			return usagef("%s: the folders are nested too deep", clip(path))
		case e.IsDir() || strings.HasPrefix(e.Name(), ".") || !isPicture(path):
			return nil
		case len(paths) == maxPictures:
			return usagef("%s has more than %d pictures", clip(dir), maxPictures)
		}
		paths = append(paths, path)
		return nil
	})
	sortByName(paths)
	return paths, err
}

// framed leaves out pictures that have a framed one beside them, as fastlane's
// frameit makes: of a.png and a_framed.png, the latter is used.
func framed(paths []string) (used, bare []string) {
	for _, path := range paths {
		ext := filepath.Ext(path)
		if slices.Contains(paths, strings.TrimSuffix(path, ext)+"_framed"+ext) {
			bare = append(bare, path)
			continue
		}
		used = append(used, path)
	}
	return used, bare
}

func isPicture(path string) bool {
	return slices.Contains([]string{".png", ".jpg", ".jpeg"}, strings.ToLower(filepath.Ext(path)))
}

// sortByName puts pictures in the order of their file names, which is their order in
// the App Store.
func sortByName(paths []string) {
	slices.SortFunc(paths, func(a, b string) int {
		return cmp.Or(strings.Compare(filepath.Base(a), filepath.Base(b)), strings.Compare(a, b))
	})
}
