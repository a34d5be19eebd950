package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// repairable stores a sample on each of three days.
func repairable(t *testing.T, dir string) *Store {
	t.Helper()
	s := open(t, dir)
	b := fleet.Batch{Host: "a", Origin: fleet.OriginImport, Step: 60000, Columns: []fleet.Column{{Metric: fleet.CPUUsage}}}
	for day := range 3 {
		b.Start = append(b.Start, time.Date(2024, 1, 1+day, 12, 0, 0, 0, time.UTC).UnixMilli())
		b.Columns[0].Values = append(b.Columns[0].Values, int32(100*day))
	}
	if _, err := s.Append(t.Context(), []fleet.Batch{b}); err != nil {
		t.Fatal(err)
	}
	must(t, s.Seal(t.Context()))
	return s
}

func samplesOf(t *testing.T, s *Store) int64 {
	t.Helper()
	var n int64
	w := fleet.Window{Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2024, 1, 4, 0, 0, 0, 0, time.UTC)}
	for p, err := range s.Profiles(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: w}) {
		if err != nil {
			t.Fatal(err)
		}
		n += p.Count
	}
	return n
}

// TestDropDamaged: damaged days are listed, and dropped only when that is asked;
// afterwards questions are answered again, and the day can be imported again.
func TestDropDamaged(t *testing.T) {
	dir := t.TempDir()
	must(t, repairable(t, dir).Close())
	must(t, os.Remove(filepath.Join(dir, daysName, "2024-01-02.parquet")))
	must(t, os.WriteFile(filepath.Join(dir, daysName, "2024-01-03.parquet"), []byte("nonsense"), 0o644))
	s := open(t, dir)
	for _, dry := range []bool{true, false} {
		found, err := s.DropDamaged(t.Context(), dry, false)
		if err != nil || len(found) != 2 {
			t.Fatalf("dry %v: %v, %v", dry, found, err)
		}
	}
	if n := samplesOf(t, s); n != 1 {
		t.Errorf("%d samples are left, want 1", n)
	}
	if found, err := s.DropDamaged(t.Context(), false, true); err != nil || len(found) != 0 {
		t.Errorf("afterwards: %v, %v", found, err)
	}
	must(t, s.Close())
	s = repairable(t, dir)
	if n := samplesOf(t, s); n != 3 {
		t.Errorf("%d samples after importing again, want 3", n)
	}
}

// TestUnavailable: a file that cannot be opened for want of permission or of
// descriptors is an error and no damage, which would be left out or dropped.
func TestUnavailable(t *testing.T) {
	dir := t.TempDir()
	must(t, repairable(t, dir).Close())
	refused := errors.New("too many open files")
	s := open(t, dir, func(o *Options) { o.FS = refusing{osFS{}, refused} })
	w := fleet.Window{Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2024, 1, 4, 0, 0, 0, 0, time.UTC)}
	var damaged *fleet.DamagedError
	for _, err := range s.Profiles(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: w}) {
		if !errors.Is(err, refused) || errors.As(err, &damaged) {
			t.Errorf("profiles: %v", err)
		}
	}
	for _, err := range s.Series(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: w}) {
		if !errors.Is(err, refused) || errors.As(err, &damaged) {
			t.Errorf("series: %v", err)
		}
	}
	if found, err := s.DropDamaged(t.Context(), false, false); !errors.Is(err, refused) || len(found) != 0 {
		t.Errorf("repair: %v, %v", found, err)
	}
}

// refusing is the real file layer, but it opens no day file.
type refusing struct {
	FS
	err error
}

func (r refusing) Open(path string) (File, error) {
	if filepath.Ext(path) == dayFileSuffix {
		return nil, &fs.PathError{Op: "open", Path: path, Err: r.err}
	}
	return r.FS.Open(path)
}
