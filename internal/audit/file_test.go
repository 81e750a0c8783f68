package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fifotest"
)

// TestTheLogsFileIsOurs: what stands at the path is checked, and that beside it.
func TestTheLogsFileIsOurs(t *testing.T) {
	write := func(mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, mode)); err != nil {
				t.Fatal(err)
			}
		}
	}
	link := func(t *testing.T, path string) {
		write(0o600)(t, path+"-target")
		if err := os.Symlink(path+"-target", path); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		suffix string // of the file that is not right
		make   func(t *testing.T, path string)
		want   string // "": it is taken
	}{
		{"0600", "", write(0o600), ""},
		{"0640", "", write(0o640), ""},
		{"the group may write: that is taken away", "", write(0o660), ""},
		{"everybody may read", "", write(0o644), "chmod it to 0600 or 0640"},
		{"everybody may write", "", write(0o602), "chmod it to 0600 or 0640"},
		{"a symbolic link", "", link, "is a symbolic link"},
		{"a symbolic link to nothing", "", func(t *testing.T, path string) {
			if err := os.Symlink(path+"-none", path); err != nil {
				t.Fatal(err)
			}
		}, "is a symbolic link"},
		{"a second name", "", func(t *testing.T, path string) {
			write(0o600)(t, path)
			if err := os.Link(path, path+"-too"); err != nil {
				t.Fatal(err)
			}
		}, "has 2 names"},
		{"a FIFO", "", func(t *testing.T, path string) {
			fifotest.Make(t, path)
		}, "is not a regular file"},
		{"a folder", "", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is not a regular file"},
		{"another's", "", func(t *testing.T, path string) {
			write(0o600)(t, path)
			if os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			if err := os.Chown(path, 65534, -1); err != nil {
				t.Fatal(err)
			}
		}, "belongs to user 65534"},
		{"the lock is a symbolic link", lockSuffix, link, "is a symbolic link"},
		{"the reserve is a symbolic link", reserveSuffix, link, "is a symbolic link"},
		{"the reserve is open to everybody", reserveSuffix, write(0o666), "chmod it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			c.make(t, path+c.suffix)
			l, err := Open(t.Context(), Config{Path: path}, time.Now, slog.New(slog.DiscardHandler))
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path+c.suffix) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o037 != 0 {
				t.Errorf("%v %v", info.Mode(), err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestALogRotatedByOthersLosesNothing: logrotate moves the file, somebody removes
// it, a tool empties it after a copy. Lines go to the new file, and the chain
// goes on.
func TestALogRotatedByOthersLosesNothing(t *testing.T) {
	move := func(path string) error { return os.Rename(path, path+".1") }
	for _, c := range []struct {
		name   string
		rotate func(path string) error
		lost   bool // what was before
	}{
		{"moved", move, false},
		{"moved, and made anew", func(path string) error {
			return errors.Join(move(path), os.WriteFile(path, nil, 0o640))
		}, false},
		{"copied, and emptied", func(path string) error {
			b, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path+".1", b, 0o600), os.Truncate(path, 0))
		}, false},
		{"removed", os.Remove, true},
		{"its lock removed too", func(path string) error { return errors.Join(move(path), os.Remove(path+lockSuffix)) }, false},
		{"its reserve removed too", func(path string) error { return errors.Join(move(path), os.Remove(path+reserveSuffix)) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			l := open(t, Config{Path: path})
			var before Position
			for i := range 20 {
				if i == 10 {
					before = l.Last()
					if err := c.rotate(path); err != nil {
						t.Fatal(err)
					}
				}
				if err := l.Append(t.Context(), Record{Event: Intent, Call: fmt.Sprint(i)}); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			v, names := Verifier{From: before.Hash}, []string{path}
			if !c.lost {
				v.From, names = "", []string{path + ".1", path}
			}
			if r := verifyWith(t, &v, names...); len(r.Problems) > 0 || !r.Ended || c.lost != (r.Lines == 11) {
				t.Errorf("%+v", r)
			}
			// The next start names the end of this chain, wherever the files are.
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := open(t, Config{Path: path}).Close(); err != nil {
				t.Fatal(err)
			}
			v = Verifier{From: l.Last().Hash}
			if r := verifyWith(t, &v, path); len(r.Problems) > 0 || len(r.Notes) != 1 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestWritersWhileTheLogIsRotatedByOthers: each record is in one of the files.
func TestWritersWhileTheLogIsRotatedByOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, Config{Path: path, NoSync: true})
	var names []string
	for i := range 50 {
		done := make(chan error, 1)
		go func() { done <- l.Append(context.Background(), Record{Event: Intent}) }()
		name := fmt.Sprintf("%s.%03d", path, i)
		if err := os.Rename(path, name); err == nil {
			names = append(names, name)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, append(names, path)...); len(r.Problems) > 0 || r.Lines != 52 {
		t.Errorf("%+v", r)
	}
}

// TestHalfALineOfOthersTearsNoneOfOurs: what somebody else wrote is told, and no
// record is lost.
func TestHalfALineOfOthersTearsNoneOfOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, Config{Path: path})
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(`{"seq":`)
	if err := errors.Join(err, f.Close(), l.Append(t.Context(), Record{Event: Intent}), l.Close()); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, path); len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "audit.log:2: is no line") || r.Lines != 3 {
		t.Errorf("%+v", r)
	}
}

// TestWhatTakesThePlaceOfTheLogIsChecked: nothing is written to it, and the log
// recovers.
func TestWhatTakesThePlaceOfTheLogIsChecked(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "audit.log"), filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, Config{Path: path})
	if err := errors.Join(os.Remove(path), os.Symlink(other, path)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); l.Healthy() == nil; { // before a record comes
		if time.Now().After(deadline) {
			t.Fatal("it is not noticed")
		}
	}
	if err := l.Append(t.Context(), Record{Event: Intent}); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("got %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); l.Healthy() != nil; {
		if time.Now().After(deadline) {
			t.Fatal(l.Healthy())
		}
	}
	if err := errors.Join(l.Append(t.Context(), Record{Event: Intent}), l.Close()); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(other); err != nil || string(b) != "precious" {
		t.Errorf("%v: a file that is not the log's was written: %q", err, b)
	}
}
