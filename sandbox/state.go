package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// stateFile is the name of a world's snapshot in the directory World.State.
const stateFile = "world.json"

// saveDelay is how long changes gather before they are saved.
const saveDelay = time.Second

// loadState restores the world of the state directory, if there is one.
func (s *Sandbox) loadState() error {
	if s.cfg.State == "" {
		return nil
	}
	if err := os.MkdirAll(s.cfg.State, 0o700); err != nil {
		return fmt.Errorf("sandbox: state: %w", err)
	}
	file := filepath.Join(s.cfg.State, stateFile)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = s.Restore(data)
	}
	if err != nil {
		return fmt.Errorf("sandbox: state: %s: %w; mend the file or move it away", file, err)
	}
	return nil
}

// Save writes the worlds to the directory World.State, if there is one: each whole
// or not at all. [Sandbox.Run] does so a second after a change.
func (s *Sandbox) Save() error {
	err := s.saveOwn()
	for _, w := range s.allWorlds() {
		err = errors.Join(err, w.saveOwn())
	}
	return err
}

func (s *Sandbox) saveOwn() error {
	if s.cfg.State == "" {
		return nil
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	s.changed = time.Time{}
	data, err := s.snapshot()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(s.cfg.State, stateFile), data)
}

// writeWhole replaces a file by way of another in the same directory.
func writeWhole(file string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("sandbox: state: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("sandbox: state: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// change notes that the world differs from what was saved. The sandbox is locked.
func (s *Sandbox) change() {
	if s.changed.IsZero() {
		s.changed = s.cfg.Now()
	}
}

// saveDue saves if a change is old enough.
func (s *Sandbox) saveDue() {
	s.mu.Lock()
	due := s.cfg.State != "" && !s.changed.IsZero() && s.cfg.Now().Sub(s.changed) >= saveDelay
	s.mu.Unlock()
	if !due {
		return
	}
	if err := s.saveOwn(); err != nil {
		s.cfg.Logger.Error("sandbox: the world was not saved", "error", err)
	}
}
