package dayfile

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/leanfleet/leanfleet/fleet"
)

// groupRow is a row of a file of process groups as other tools read it.
type groupRow struct {
	Host   string    `parquet:"host"`
	Group  string    `parquet:"group"`
	Time   time.Time `parquet:"time,timestamp(millisecond)"`
	Origin string    `parquet:"origin"`
	CPU    *int32    `parquet:"cpu_usage,optional,decimal(4:9)"`
}

// groupFile has two hosts with some process groups, an hour each.
func groupFile(t *testing.T, from int32) ([]byte, Day) {
	t.Helper()
	day := DayOf(time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	var b bytes.Buffer
	w, err := NewWriter(&b, day, []fleet.Metric{fleet.CPUUsage, fleet.MemoryUsage}, Options{Groups: true, GroupRows: 8, PageRows: 4})
	if err != nil {
		t.Fatal(err)
	}
	for h, host := range []string{"a", "ab", "b"} {
		for g, group := range []string{"nginx", "postgres"} {
			rows := Rows{Default: "agent", Columns: []fleet.Column{{Metric: fleet.CPUUsage}}}
			for i := range 6 {
				rows.Start = append(rows.Start, day.Start()+int64(i)*600_000)
				rows.Columns[0].Values = append(rows.Columns[0].Values, from+int32(100*h+10*g+i))
			}
			if err := w.Add(Run{Host: fleet.HostID(host + "\x00" + group), Step: 600_000}, rows); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), day
}

// TestGroups: a file of process groups has their names in a column that other
// tools read, is of a version that older programs refuse, and is copied and
// checked as others are.
func TestGroups(t *testing.T) {
	data, day := groupFile(t, 1)
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if !f.Grouped() || f.Version() != 2 {
		t.Errorf("grouped %v, version %d", f.Grouped(), f.Version())
	}
	if err := f.Check(new(Scratch)); err != nil {
		t.Error(err)
	}
	var want, got []string
	for _, run := range f.Runs() {
		host, group := splitHost(run.Host, true)
		for range run.Rows {
			want = append(want, fmt.Sprintf("%q %s", host, group))
		}
	}
	rows, err := parquet.Read[groupRow](bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		got = append(got, fmt.Sprintf("%q %s", r.Host, r.Group))
		if r.CPU == nil || r.Origin != "agent" || !day.Contains(r.Time.UnixMilli()) {
			t.Errorf("row %d: %+v", i, r)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 36 {
		t.Errorf("%d rows (-index +columns):\n%s", len(got), diff)
	}

	var b bytes.Buffer
	w, err := NewWriter(&b, day, []fleet.Metric{fleet.MemoryUsage, fleet.CPUUsage, fleet.CPUUsagePeak}, Options{Groups: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, seg := range f.Segments() {
		if copied, err := w.Copy(f, seg, new(Scratch)); err != nil || !copied {
			t.Fatalf("copied %v, %v", copied, err)
		}
	}
	sum, err := w.Close()
	if err != nil || sum.Samples["cpu_usage"] != 36 || sum.Samples["memory_usage"] != 0 {
		t.Fatalf("%+v, %v", sum, err)
	}
	again, err := Open(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f.Runs(), again.Runs()); diff != "" {
		t.Errorf("(-file +copy):\n%s", diff)
	}
	if err := again.Check(new(Scratch)); err != nil {
		t.Error(err)
	}
	if rows, err = parquet.Read[groupRow](bytes.NewReader(b.Bytes()), int64(b.Len())); err != nil || len(rows) != 36 || rows[35].Group != "postgres" {
		t.Errorf("%d rows of the copy, %v", len(rows), err)
	}

	hosts, err := NewWriter(&b, day, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hosts.Copy(f, f.Segments()[0], new(Scratch)); err == nil {
		t.Error("process groups were copied into a file of hosts")
	}
}

// TestGroupNameDamaged: the names of groups are checked against the index.
func TestGroupNameDamaged(t *testing.T) {
	data, _ := groupFile(t, 1)
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	f.index.runs[1].Host = "a\x00apache"
	if err := f.Check(new(Scratch)); err == nil {
		t.Error("another name in the index was not found")
	}
}
