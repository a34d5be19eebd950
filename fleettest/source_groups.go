package fleettest

import (
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
