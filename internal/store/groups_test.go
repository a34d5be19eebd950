package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// TestGroups: process groups are sealed into files of their own, resealed when
// late rows come, verified, and deleted with their days.
func TestGroups(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir, func(o *Options) { o.noSync = true })
	want := model{}
	put := func(batches ...fleet.Batch) {
		t.Helper()
		var n counts
		for _, b := range batches {
			n.add(want.apply(b))
		}
		got, err := s.Append(ctx, batches)
		must(t, err)
		if diff := cmp.Diff(n.appended(), got); diff != "" {
			t.Errorf("counts (-model +store):\n%s", diff)
		}
	}
	check := func(what string) {
		t.Helper()
		if diff := cmp.Diff(want, dumpOf(t, s, ofGroups)); diff != "" {
			t.Errorf("%s (-model +store):\n%s", what, diff)
		}
		if got := dump(t, s); len(got) != 0 {
			t.Errorf("%s: hosts have rows: %v", what, got)
		}
	}
	put(group("nginx", crashBatch("a", 0, 3, 100)), group("postgres", crashBatch("a", 1, 1, 200)), group("nginx", crashBatch("b", 0, 1, 300)))
	check("in the head")
	must(t, s.Seal(ctx))
	check("sealed")
	files, err := filepath.Glob(filepath.Join(dir, groupsName, "*"))
	must(t, err)
	if len(files) != 3 || filepath.Base(files[0]) != "2024-02-01.parquet" {
		t.Errorf("%v", files)
	}
	if st, err := s.Status(); err != nil || st.GroupDays != 3 || st.GroupBytes == 0 || st.Days != 0 || st.Rows != 0 || st.Head != nil {
		t.Errorf("%+v, %v", st, err)
	}
	put(group("nginx", crashBatch("a", 0, 1, 150)), group("apache", crashBatch("a", 0, 1, 500)))
	check("late")
	must(t, s.Close())
	s = open(t, dir, func(o *Options) { o.noSync = true })
	check("late, opened again")
	must(t, s.Seal(ctx))
	check("resealed")
	if problems, err := s.Verify(ctx); err != nil || len(problems) != 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if n, err := s.Retain(24 * time.Hour); err != nil || n != 2 {
		t.Errorf("%d days deleted, %v", n, err)
	}
	for key := range want {
		if key.Start < dayStart+2*dayMillis {
			delete(want, key)
		}
	}
	check("after retention")
	must(t, os.Truncate(filepath.Join(dir, groupsName, "2024-02-03.parquet"), 50))
	must(t, s.Close())
	s = open(t, dir)
	st, err := s.Status()
	must(t, err)
	if len(st.Damaged) != 1 || filepath.Dir(st.Damaged[0].Path) != filepath.Join(dir, groupsName) {
		t.Errorf("damaged %v", st.Damaged)
	}
	if found, err := s.DropDamaged(ctx, false, false); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
	want = model{}
	check("repaired")
}

// TestManyGroups: ever more process groups of a host are refused by name, and
// other hosts are not.
func TestManyGroups(t *testing.T) {
	ctx := t.Context()
	s := open(t, t.TempDir(), func(o *Options) { o.noSync = true })
	many := func(host fleet.HostID, n int) (out []fleet.Batch) {
		for i := range n {
			out = append(out, group(fmt.Sprintf("worker-%05d", i), crashBatch(host, 0, 1, 1)))
		}
		return out
	}
	if _, err := s.Append(ctx, many("a", MaxGroups)); err != nil {
		t.Fatal(err)
	}
	_, err := s.Append(ctx, []fleet.Batch{group("one more", crashBatch("a", 0, 1, 1))})
	if err == nil || !strings.Contains(err.Error(), "host a has 10000 process groups on 2024-02-01") || !strings.Contains(err.Error(), `"one more"`) {
		t.Errorf("%v", err)
	}
	for _, b := range []fleet.Batch{group("worker-00007", crashBatch("a", 0, 1, 2)), group("one more", crashBatch("a", 1, 1, 1)), group("one more", crashBatch("b", 0, 1, 1)), crashBatch("a", 0, 1, 1)} {
		if _, err := s.Append(ctx, []fleet.Batch{b}); err != nil {
			t.Errorf("%s/%s: %v", b.Host, b.Group, err)
		}
	}
	must(t, s.Seal(ctx))
	_, err = s.Append(ctx, []fleet.Batch{group("one more", crashBatch("a", 0, 1, 1))})
	if err == nil || !strings.Contains(err.Error(), "10000 process groups") {
		t.Errorf("once they are sealed: %v", err)
	}
	if got := len(dumpOf(t, s, ofGroups)); got != 3*(MaxGroups+2) {
		t.Errorf("%d rows", got)
	}
}

// TestGroupsOfBadNames are refused.
func TestGroupsOfBadNames(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.noSync = true })
	for name, b := range map[string]fleet.Batch{
		"zero byte":    group("a\x00b", crashBatch("a", 0, 1, 1)),
		"not UTF-8":    group("\xff", crashBatch("a", 0, 1, 1)),
		"too long":     group(strings.Repeat("x", MaxHostID+1), crashBatch("a", 0, 1, 1)),
		"host's bytes": group("nginx", crashBatch("a\x00", 0, 1, 1)),
	} {
		if _, err := s.Append(t.Context(), []fleet.Batch{b}); err == nil || !strings.Contains(err.Error(), "process group") {
			t.Errorf("%s: %v", name, err)
		}
	}
	l, err := s.Begin(t.Context())
	must(t, err)
	if err := l.Add(t.Context(), []fleet.Batch{group("nginx", crashBatch("a", 0, 1, 1))}); err == nil || !strings.Contains(err.Error(), "groups are appended, not loaded") {
		t.Errorf("a load: %v", err)
	}
	must(t, l.Abort())
	if got := dayfile.DayOf(dayStart).String(); got != "2024-02-01" {
		t.Error(got)
	}
	if st, err := s.Status(); err != nil || st.Head != nil || st.Hosts != 0 {
		t.Errorf("%+v, %v", st, err)
	}
}
