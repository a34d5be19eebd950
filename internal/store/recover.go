package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// recover brings the files to what leanfleet.db says, after a crash between a
// commit and its renames, and deletes what a crash left unfinished. Every step
// can be repeated, so that a crash in the middle of it does no harm.
func (s *Store) recover(ctx context.Context) error {
	var todo []pendingOp
	for i := range s.pending {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := &s.pending[i]
		if p.Staged == "" {
			todo = append(todo, *p)
			continue
		}
		where, err := s.locate(p)
		if err != nil {
			return fmt.Errorf("finish the write before: %w", err)
		}
		if where != "" { // also of one that is done the name may not be durable
			todo = append(todo, *p)
		} else if err := s.keepDamaged(p); err != nil {
			return err
		}
	}
	had := len(s.pending) > 0
	if s.pending = todo; had {
		if err := s.carryOut(); err != nil {
			return fmt.Errorf("finish the write before: %w", err)
		}
		s.pending = nil
	}
	for _, dir := range []string{s.dir, s.daysDir(), s.dirOf(groupsName), s.headDir()} {
		if err := s.removeUnfinished(dir); err != nil {
			return err
		}
	}
	return nil
}

// keepDamaged is for a file that was committed and that the disk lost or
// damaged. Its day stays listed and is reported as damaged, everything else is
// served; what there is of the staged file is kept under another name, which
// status shows.
func (s *Store) keepDamaged(p *pendingOp) error {
	staged := filepath.Join(s.dirOf(p.dir()), p.Staged)
	if _, err := s.fs.Stat(staged); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := s.fs.Rename(staged, staged+damagedSuffix); err != nil {
		return fmt.Errorf("keep damaged file %s: %w", staged, err)
	}
	return nil
}

// damagedSuffix is added to the name of a staged file that is not what was
// committed.
const damagedSuffix = ".damaged"

// locate says under which of its two names the file of a pending rename is;
// "" when under neither.
func (s *Store) locate(p *pendingOp) (string, error) {
	for _, name := range []string{p.Staged, p.Target} {
		ok, err := s.holds(filepath.Join(s.dirOf(p.dir()), name), p.fileSum)
		if err != nil {
			return "", err
		}
		if ok {
			return name, nil
		}
	}
	return "", nil
}

// holds says whether a file is there and has the content of a checksum.
func (s *Store) holds(path string, sum fileSum) (bool, error) {
	f, err := s.fs.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { _ = f.Close() }()
	return sum.verify(f) == nil, nil
}

// removeUnfinished deletes the temporary files of a directory: those that are
// listed were renamed before.
func (s *Store) removeUnfinished(dir string) error {
	entries, err := s.fs.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list directory %s: %w", dir, err)
	}
	for _, e := range entries {
		if e.IsDir() || !isTmp(e.Name()) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if err := s.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete unfinished file %s: %w", path, err)
		}
	}
	return nil
}

// pathOf says where a reader finds a day's file: under its staged name while a
// rename is pending and the file is there.
func (s *Store) pathOf(k kind, d *day) string {
	for i := range s.pending {
		p := &s.pending[i]
		if p.Staged == "" || p.dir() != k.dir() || p.Target != (target{k, d.Day}).name() {
			continue
		}
		if where, err := s.locate(p); err == nil && where != "" {
			return filepath.Join(s.dirOf(k.dir()), where)
		}
	}
	return d.path
}
