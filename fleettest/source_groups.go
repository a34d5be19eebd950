package fleettest

import (
	"fmt"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

func groupScenarios() []scenario {
	return []scenario{
		{"GroupsApartFromTheirHost", groupsApartFromTheirHost},
		{"GroupsByHostThenName", groupsByHostThenName},
		{"GroupsCutAndSelected", groupsCutAndSelected},
		{"GroupsMergeAsHostsDo", groupsMergeAsHostsDo},
		{"GroupsOfMergedHosts", groupsOfMergedHosts},
		{"GroupsOfHostsThatToldTheirSize", groupsOfHostsThatToldTheirSize},
		{"GroupsOfHostsThatToldItLast", groupsOfHostsThatToldItLast},
		{"GroupsOfMergedHostsWithSizes", groupsOfMergedHostsWithSizes},
		{"GroupsRefused", groupsRefused},
		{"GroupsAreDurable", groupsAreDurable},
	}
}

// in says that rows are of a process group.
func in(group string, b fleet.Batch) fleet.Batch {
	b.Group = group
	return b
}

// ofGroups asks for process groups.
func ofGroups(q fleet.Query) fleet.Query {
	q.Groups = true
	return q
}

// wantWithout asks how many samples of each process group have an absolute
// figure, and how many have none.
func (f *fixture) wantWithout(q fleet.Query, want string) {
	f.Helper()
	var got []string
	for _, p := range f.profiles(q) {
		got = append(got, fmt.Sprintf("%s/%s n=%d without=%d", p.Record.Host, p.Group, p.Count, p.WithoutCapacity))
	}
	f.equalLines(q.Metric.Name+" of process groups", want, got)
}

func groupsApartFromTheirHost(f *fixture) {
	f.wantCounts("host and groups", 6, 0, 0, 0,
		batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", 0.5, 0.6),
		in("nginx", batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", 0.1, 0.2)),
		in("postgres", batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", 0.3, 0.4)))
	q := query(fleet.CPUUsage, day("2024-01-01"), "")
	f.wantSeries(q, `a@- 1h 2024-01-01=0.5 2024-01-01T01:00=0.6`)
	f.wantSeries(ofGroups(q), `
		a@-/nginx 1h 2024-01-01=0.1 2024-01-01T01:00=0.2
		a@-/postgres 1h 2024-01-01=0.3 2024-01-01T01:00=0.4`)
	f.wantProfiles(q, `a@- 2024-01-01 n=2 covered=2h expected=2h 0.5:1h 0.6:1h`)
	f.wantProfiles(ofGroups(q), `
		a@-/nginx 2024-01-01 n=2 covered=2h expected=2h 0.1:1h 0.2:1h
		a@-/postgres 2024-01-01 n=2 covered=2h expected=2h 0.3:1h 0.4:1h`)
	// Groups are no evidence that the host ran, and bring it nevertheless.
	f.append(in("nginx", batch("b", fleet.CPUUsage, time.Hour, "2024-01-02", 0.7)))
	f.wantRecords("host=b", fleet.Window{}, func(r *fleet.Record) string { return showRecord(r) + " " + showWindow(r.Seen) }, `b@- -..-`)
}

func groupsByHostThenName(f *fixture) {
	for _, host := range []string{"b", "a", "a-1", "a1"} {
		for _, group := range []string{"web", "db", "web-2"} {
			f.append(in(group, batch(host, fleet.MemoryUsage, time.Hour, "2024-01-01T23:00", 0.1, 0.2)))
		}
	}
	var want strings.Builder
	for _, host := range []string{"a", "a-1", "a1", "b"} {
		for _, group := range []string{"db", "web", "web-2"} {
			want.WriteString(host + "@-/" + group + " 2024-01-01 n=1 covered=1h expected=0h 0.1:1h\n")
			want.WriteString(host + "@-/" + group + " 2024-01-02 n=1 covered=1h expected=0h 0.2:1h\n")
		}
	}
	f.wantProfiles(ofGroups(query(fleet.MemoryUsage, window("2024-01-01", "2024-01-03"), fleet.StepDay)), want.String())
	f.wantProfiles(ofGroups(query(fleet.CPUUsage, window("2024-01-01", "2024-01-03"), fleet.StepDay)), ``)
}

func groupsCutAndSelected(f *fixture) {
	f.put(typed(says("a", "dept", "eng"), "m5.large"))
	f.change("2024-01-01T01:00", says("a", "dept", "data"))
	f.append(in("nginx", batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", 0.1, 0.2, 0.3)), batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", 0.5, 0.5, 0.5))
	q := ofGroups(query(fleet.CPUUsage, day("2024-01-01"), ""))
	f.wantProfiles(q, `
		a@-/nginx 2024-01-01 n=1 covered=1h expected=1h 0.1:1h
		a@2024-01-01T01:00/nginx 2024-01-01 n=2 covered=2h expected=2h 0.2:1h 0.3:1h`)
	q.Hosts = fleet.MustSelector("dept=eng")
	f.wantSeries(q, `a@-/nginx 1h 2024-01-01=0.1`)
	q.Hosts = fleet.Selector{}
	q.Metric = fleet.CPUCoresUsed // of the record's 2 vCPUs
	f.wantSeries(q, `
		a@-/nginx 1h 2024-01-01=0.2
		a@2024-01-01T01:00/nginx 1h 2024-01-01T01:00=0.4 2024-01-01T02:00=0.6`)
}

func groupsMergeAsHostsDo(f *fixture) {
	one := func(o fleet.Origin, group string, values ...float64) fleet.Batch {
		return from(o, in(group, batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", values...)))
	}
	f.wantCounts("an agent", 2, 0, 0, 0, one(fleet.OriginAgent, "nginx", 0.1, 0.2))
	f.wantCounts("the same and others", 1, 1, 1, 0, one(fleet.OriginAgent, "nginx", 0.1, 0.3, 0.4))
	f.wantCounts("outranked", 0, 0, 1, 1, one(fleet.OriginCloud, "nginx", 0.9, 0.3))
	f.wantCounts("another group", 1, 0, 0, 0, one(fleet.OriginCloud, "apache", 0.9))
	f.wantCounts("memory of the same rows", 1, 0, 0, 0, from(fleet.OriginAgent, in("nginx", batch("a", fleet.MemoryUsage, time.Hour, "2024-01-01T01:00", 0.5))))
	f.wantSeries(ofGroups(query(fleet.CPUUsage, day("2024-01-01"), "")), `
		a@-/apache 1h 2024-01-01=0.9
		a@-/nginx 1h 2024-01-01=0.1 2024-01-01T01:00=0.3 2024-01-01T02:00=0.4`)
}

func groupsOfMergedHosts(f *fixture) {
	f.put(says("a"), says("b"))
	f.append(
		in("nginx", batch("a", fleet.CPUUsage, time.Hour, "2024-01-01T02:00", 0.1, 0.2)),
		in("nginx", batch("b", fleet.CPUUsage, time.Hour, "2024-01-01", 0.7, 0.8, 0.9)),
		in("other", batch("b", fleet.CPUUsage, time.Hour, "2024-01-01", 0.3)))
	f.merge("a", "b")
	f.wantSeries(ofGroups(query(fleet.CPUUsage, day("2024-01-01"), "")), `
		a@-/nginx 1h 2024-01-01=0.7 2024-01-01T01:00=0.8 2024-01-01T02:00=0.1 2024-01-01T03:00=0.2
		a@-/other 1h 2024-01-01=0.3`)
}

// groupsOfHostsThatToldTheirSize: rows of groups have no capacity, so absolute
// figures are of the size that the host itself told, whatever an inventory says,
// and of the inventory's where it told none.
func groupsOfHostsThatToldTheirSize(f *fixture) {
	f.append(
		with(with(batch("a", fleet.CPUUsage, 6*time.Hour, "2024-01-01", 0.5, 0.5, 0.5, 0.5), fleet.CapacityVCPUs, 4, 4, 8, 8), fleet.CapacityMemory, 8*gib, 8*gib, 8*gib, 8*gib),
		in("nginx", with(batch("a", fleet.CPUUsage, 6*time.Hour, "2024-01-01", 0.1, 0.2, 0.3, 0.4), fleet.MemoryUsage, 0.25, 0.25, 0.5, gap)),
		in("nginx", batch("b", fleet.CPUUsage, 6*time.Hour, "2024-01-01", 0.5)),
		batch("b", fleet.CPUUsage, 6*time.Hour, "2024-01-01", 0.5))
	cores := ofGroups(query(fleet.CPUCoresUsed, day("2024-01-01"), ""))
	f.wantSeries(cores, `a@-/nginx 6h 2024-01-01=0.4 2024-01-01T06:00=0.8 2024-01-01T12:00=2.4 2024-01-01T18:00=3.2`)
	f.wantSeries(ofGroups(query(fleet.MemoryUsedBytes, day("2024-01-01"), "")), fmt.Sprintf(
		`a@-/nginx 6h 2024-01-01=%[1]d 2024-01-01T06:00=%[1]d 2024-01-01T12:00=%[2]d`, 2*gib, 4*gib))
	f.wantWithout(cores, `
		a/nginx n=4 without=0
		b/nginx n=0 without=1`)
	f.put(typed(says("a"), "m5.large"), typed(says("b"), "m5.large"))
	f.wantSeries(cores, `
		a@-/nginx 6h 2024-01-01=0.4 2024-01-01T06:00=0.8 2024-01-01T12:00=2.4 2024-01-01T18:00=3.2
		b@-/nginx 6h 2024-01-01=1`)
}

// groupsOfHostsThatToldItLast: where the host told nothing at the time, what it
// told last in the 24 hours before holds.
func groupsOfHostsThatToldItLast(f *fixture) {
	f.append(
		with(batch("a", fleet.CPUUsage, time.Hour, "2024-01-01T20:00", 0.5), fleet.CapacityVCPUs, 2),
		with(batch("a", fleet.CPUUsage, time.Hour, "2024-01-02T08:00", 0.5, 0.5), fleet.CapacityVCPUs, 4, gap),
		in("nginx", batch("a", fleet.CPUUsage, time.Hour, "2024-01-01T19:00", 0.5, 0.5)),
		in("nginx", batch("a", fleet.CPUUsage, time.Hour, "2024-01-02T07:00", 0.5, 0.5, 0.5)),
		in("nginx", batch("a", fleet.CPUUsage, time.Hour, "2024-01-03T07:00", 0.5, 0.5)))
	all := ofGroups(query(fleet.CPUCoresUsed, window("2024-01-01", "2024-01-04"), ""))
	f.wantSeries(all, `
		a@-/nginx 1h 2024-01-01T20:00=1 2024-01-02T07:00=1 2024-01-02T08:00=2 2024-01-02T09:00=2 2024-01-03T07:00=2`)
	f.wantWithout(all, `a/nginx n=5 without=2`)
	// It holds where it was told before the window, too.
	f.wantSeries(ofGroups(query(fleet.CPUCoresUsed, day("2024-01-02"), "")), `
		a@-/nginx 1h 2024-01-02T07:00=1 2024-01-02T08:00=2 2024-01-02T09:00=2`)
	f.wantSeries(ofGroups(query(fleet.CPUCoresUsed, window("2024-01-02T09:00", "2024-01-03T08:00"), "")), `
		a@-/nginx 1h 2024-01-02T09:00=2 2024-01-03T07:00=2`)
	f.reopen()
	f.wantWithout(ofGroups(query(fleet.CPUCoresUsed, day("2024-01-03"), "")), `a/nginx n=1 without=1`)
}

func groupsOfMergedHostsWithSizes(f *fixture) {
	f.put(says("a"), says("b"))
	f.append(
		with(batch("a", fleet.CPUUsage, time.Hour, "2024-01-01T01:00", 0.5), fleet.CapacityVCPUs, 2),
		with(batch("b", fleet.CPUUsage, time.Hour, "2024-01-01", 0.5, 0.5, 0.5), fleet.CapacityVCPUs, 4, 6, 8),
		in("nginx", batch("b", fleet.CPUUsage, time.Hour, "2024-01-01", 0.5, 0.5, 0.5)))
	f.merge("a", "b")
	f.wantSeries(ofGroups(query(fleet.CPUCoresUsed, day("2024-01-01"), "")), `a@-/nginx 1h 2024-01-01=2 2024-01-01T01:00=1 2024-01-01T02:00=4`)
}

func groupsRefused(f *fixture) {
	bad := in("nginx", batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", 0.1))
	bad.Columns[0].Metric = fleet.CapacityVCPUs
	_, err := f.engine.Append(f.ctx, []fleet.Batch{batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", 0.5), bad})
	if err == nil || !strings.Contains(err.Error(), "nginx") || !strings.Contains(err.Error(), "capacity_vcpus") {
		f.Errorf("a group with the capacity of its host: %v", err)
	}
	f.wantRecords("", fleet.Window{}, showRecord, ``)
}

func groupsAreDurable(f *fixture) {
	f.append(in("nginx", batch("a", fleet.CPUUsage, time.Hour, "2024-01-01T22:00", 0.1, gap, 0.3)), in("nginx", batch("a", fleet.MemoryUsage, time.Hour, "2024-01-01T22:00", 0.4, 0.5, 0.6)))
	f.reopen()
	want := `a@-/nginx 1h 2024-01-01T22:00=0.1 2024-01-02=0.3`
	f.wantSeries(ofGroups(query(fleet.CPUUsage, window("2024-01-01", "2024-01-03"), "")), want)
	f.wantCounts("again", 0, 0, 2, 0, in("nginx", batch("a", fleet.CPUUsage, time.Hour, "2024-01-01T22:00", 0.1, gap, 0.3)))
	f.reopen()
	f.wantSeries(ofGroups(query(fleet.CPUUsage, window("2024-01-01", "2024-01-03"), "")), want)
}
