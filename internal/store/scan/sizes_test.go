package scan

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// TestSizes: what a host told of its size holds for a day, or until it tells
// another.
func TestSizes(t *testing.T) {
	told := []sample{{0, 4, 60000}, {hour, 4, 60000}, {2 * hour, 0, 60000}, {3 * hour, 8, 60000}, {3*hour + 2*day, 8, 60000}}
	got := sizesOf(slices.Values(told))
	if want := []size{{0, 3 * hour, 4}, {3 * hour, 3*hour + day, 8}, {3*hour + 2*day, 3*hour + 3*day, 8}}; !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	for at, want := range map[int64]int64{-1: 0, 0: 4, 3*hour - 1: 4, 3 * hour: 8, 3*hour + day - 1: 8, 3*hour + day: 0, 3*hour + 2*day: 8, 3*hour + 3*day: 0} {
		if v := holding(got, at); v != want {
			t.Errorf("at %d: %d, not %d", at, v, want)
		}
	}
	if v := holding(nil, 0); v != 0 {
		t.Errorf("%d of nothing", v)
	}
}

// groupDays makes a view of the process groups of a world: its days become those
// of the hosts, and each has a process group nginx of a at 0:30 and 23:30.
func (w *world) groupDays() {
	w.Helper()
	w.view.Hosts, w.view.Days = w.view.Days, nil
	for _, d := range w.view.Hosts {
		var out bytes.Buffer
		file, err := dayfile.NewWriter(&out, d.Day, []fleet.Metric{fleet.CPUUsage}, dayfile.Options{Groups: true})
		w.must(err)
		starts := []int64{d.Day.Start() + hour/2, d.Day.Start() + day - hour/2}
		rows := dayfile.Rows{Default: "agent", Start: starts, Columns: []fleet.Column{{Metric: fleet.CPUUsage, Values: []int32{1000, 2000}}}}
		w.must(file.Add(dayfile.Run{Host: "a\x00nginx", Step: int32(minute)}, rows))
		_, err = file.Close()
		w.must(err)
		w.view.Days = append(w.view.Days, DayView{Day: d.Day, File: w.open(out.Bytes()), Path: d.Path})
	}
}

// TestSizesOfDamagedDays: a day of hosts that cannot be read is named where the
// sizes in it are needed, that before the window too, and not otherwise.
func TestSizesOfDamagedDays(t *testing.T) {
	begin := func(early int32) *world {
		w := newWorld(t, 10)
		w.seal(0, run{host: "a", step: minute, rows: []row{{start: 12 * hour, value: 1, capacity: 2}}})
		w.seal(1, run{host: "a", step: minute, rows: []row{{start: day + hour/2, value: 1, capacity: early}, {start: day + 2*hour, value: 1, capacity: 4}}})
		w.groupDays()
		return w
	}
	ask := func(w *world) (out []string) {
		q := w.query(fleet.CPUCoresUsed, day, 2*day, "", "")
		q.Groups = true
		for p, err := range Profiles(w.Context(), w.view, q, 1) {
			var bad *fleet.DamagedError
			switch {
			case errors.As(err, &bad):
				out = append(out, "damaged "+bad.Day)
			case err != nil:
				t.Fatal(err)
			default:
				out = append(out, fmt.Sprintf("%s n=%d without=%d %d..%d", p.Group, p.Count, p.WithoutCapacity, p.Min, p.Max))
			}
		}
		var series []string
		for s, err := range Series(w.Context(), w.view, q) {
			var bad *fleet.DamagedError
			if errors.As(err, &bad) {
				series = append(series, "damaged "+bad.Day)
			} else if err != nil {
				t.Fatal(err)
			} else {
				series = append(series, fmt.Sprint(s.Group, len(s.Values)))
			}
		}
		return append(out, strings.Join(series, " "))
	}
	broken := func(w *world, i int) *world {
		w.view.Hosts[i].File, w.view.Hosts[i].Err = nil, errors.New("broken")
		return w
	}
	f := func(what string, w *world, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, ask(w)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	f("told at the time", begin(3), "nginx n=2 without=0 3000..8000", "nginx2")
	f("told the day before", begin(none), "nginx n=2 without=0 2000..8000", "nginx2")
	f("a day before the window that nobody needs", broken(begin(3), 0), "nginx n=2 without=0 3000..8000", "nginx2")
	f("one that somebody needs", broken(begin(none), 0), "damaged 2024-01-01", "nginx n=1 without=1 8000..8000", "damaged 2024-01-01 nginx1")
	f("the day itself", broken(begin(none), 1), "damaged 2024-01-02", "nginx n=1 without=1 2000..2000", "damaged 2024-01-02 nginx1")
}
