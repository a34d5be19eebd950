package local_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/collect/local"
	"github.com/leanfleet/leanfleet/collect/local/proctree"
)

const (
	mib     = 1 << 20
	seconds = 100 // ticks
)

// run lets processes use CPU time.
func run(w *world, ticks map[int]uint64) {
	for pid, n := range ticks {
		w.host.Processes[pid].Ticks += n
	}
}

// TestGroups has 2 CPUs and 1 GiB: a minute is 120 s of CPU time.
func TestGroups(t *testing.T) {
	w := newWorld(t, proctree.Machine{
		CPUs: 2, MemoryBytes: 1024 * mib, Files: map[string]string{"etc/passwd": "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n"},
		Processes: map[int]*proctree.Process{
			10: {Name: "postgres", Ticks: 5000, Resident: 300 * mib, Shared: 256 * mib},
			11: {Name: "postgres", Ticks: 100, Resident: 266 * mib, Shared: 256 * mib},
			12: {Name: "java", User: 1000, Ticks: 100, Resident: 102 * mib},
			13: {Name: "bash (odd) x", User: 1000, Ticks: 100},
			14: {Name: "a-very-long-nam", Command: "/usr/bin/a-very-long-name-indeed -x", Ticks: 1},
			15: {Name: "sshd", Ticks: 1},
			16: {Name: "java", User: 77, Ticks: 1},
		},
	}, func(o *local.Options) {
		o.Groups = []local.GroupRule{{Group: "db", Name: "postgres|mysqld"}, {Group: "long", Name: "a-very-long-name-indeed"},
			{Group: "user $1", User: "(a.*)"}, {Name: "java", User: "[0-9]+"}}
	})
	w.collect()
	run(w, map[int]uint64{10: 24 * seconds, 11: 6 * seconds, 12: 12 * seconds, 13: 6 * seconds, 14: 3 * seconds, 15: 60 * seconds, 16: 12 * seconds})
	w.pass(time.Minute, proctree.Load{CPU: 0.5})
	w.wants("12:00:00/db cpu_usage=0.25 memory_usage=0.3027\n12:00:00/long cpu_usage=0.025\n12:00:00/java cpu_usage=0.1\n12:00:00/other cpu_usage=0.5")
	if got := w.collectAfter(time.Minute); !strings.Contains(got, "/user ann cpu_usage=0 memory_usage=0.0996") {
		t.Errorf("no group of a user in\n%s", got)
	}
}

func (w *world) collectAfter(d time.Duration) string {
	w.pass(d, proctree.Load{})
	return w.collect()
}

// TestProcessesComeAndGo: what started counts from its start, what ended is
// lost, a number used again is another process.
func TestProcessesComeAndGo(t *testing.T) {
	w := newWorld(t, proctree.Machine{CPUs: 1, Processes: map[int]*proctree.Process{
		10: {Name: "work", Start: 100, Ticks: 9000}, 11: {Name: "work", Start: 200, Ticks: 9000},
	}}, func(o *local.Options) { o.Groups = []local.GroupRule{{Group: "work", Name: "work"}} })
	w.collect()
	run(w, map[int]uint64{10: 6 * seconds})
	delete(w.host.Processes, 11)
	w.host.Processes[12] = &proctree.Process{Name: "work", Start: 101000, Ticks: 3 * seconds}
	w.pass(time.Minute, proctree.Load{})
	w.wants("12:00:00/work cpu_usage=0.15")
	w.host.Processes[12] = &proctree.Process{Name: "work", Start: 108000, Ticks: 12 * seconds} // the number again, and less time than before
	w.pass(time.Minute, proctree.Load{})
	w.wants("12:01:00/work cpu_usage=0.2")
	// A process that was there but could not be read has no known past.
	w.host.Processes[13] = &proctree.Process{Name: "work", Start: 50, Ticks: 5000 * seconds}
	w.pass(time.Minute, proctree.Load{})
	w.wants("12:02:00/work cpu_usage=0")
	w.host.Processes = nil
	w.pass(time.Minute, proctree.Load{})
	w.wants("12:03:00/work cpu_usage=0 memory_usage=0")
	w.host.Reboot("new")
	w.pass(time.Minute, proctree.Load{})
	if got := w.collect(); strings.Contains(got, "/") {
		t.Errorf("after a reboot\n%s", got)
	}
}

// TestControlGroups: their own counters keep what ended processes used, minus
// what processes of other groups in them used.
func TestControlGroups(t *testing.T) {
	const base = "sys/fs/cgroup/"
	stat := func(s float64) string { return fmt.Sprintf("usage_usec %d\n", int64(s*1e6)) }
	w := newWorld(t, proctree.Machine{CPUs: 1, Files: map[string]string{
		base + "cgroup.controllers": "cpu\n", base + "system.slice/db.service/cpu.stat": stat(10), base + "system.slice/web.service/cpu.stat": stat(20),
		base + "system.slice/web.service/batch/cpu.stat": stat(5), base + "user.slice/cpu.stat": stat(1),
	}, Processes: map[int]*proctree.Process{
		10: {Name: "postgres", CGroup: "/system.slice/db.service"}, 11: {Name: "nginx", CGroup: "/system.slice/web.service"},
		12: {Name: "cron", CGroup: "/system.slice/web.service"}, 13: {Name: "job", CGroup: "/system.slice/web.service/batch"}, 14: {Name: "bash", CGroup: "/user.slice/1"},
	}}, func(o *local.Options) {
		o.Groups = []local.GroupRule{{Group: "cron", Name: "cron"}, {Group: "batch", CGroup: ".*/batch"}, {Group: "$1", CGroup: `/system\.slice/(.*)\.service`}}
	})
	w.collect()
	run(w, map[int]uint64{10: 1 * seconds, 11: 6 * seconds, 12: 3 * seconds, 13: 1 * seconds, 14: 6 * seconds})
	w.host.Files[base+"system.slice/db.service/cpu.stat"] = stat(16) // 5 s of processes that ended
	w.host.Files[base+"system.slice/web.service/cpu.stat"] = stat(50)
	w.host.Files[base+"system.slice/web.service/batch/cpu.stat"] = stat(17)
	w.pass(time.Minute, proctree.Load{})
	// web.service used 30 s: 12 s are batch's, 3 s cron's.
	w.wants("12:00:00/db cpu_usage=0.1\n12:00:00/web cpu_usage=0.25\n12:00:00/batch cpu_usage=0.2\n12:00:00/cron cpu_usage=0.05\n12:00:00/other cpu_usage=0.1")
	// A group made anew counts from its start.
	w.host.Files[base+"system.slice/db.service/cpu.stat"] = stat(3)
	w.pass(time.Minute, proctree.Load{})
	w.wants("12:01:00/db cpu_usage=0.05\n12:01:00/web cpu_usage=0")
}

func TestManyGroups(t *testing.T) {
	m := proctree.Machine{CPUs: 1, Processes: map[int]*proctree.Process{}}
	for i := range 50 {
		m.Processes[100+i] = &proctree.Process{Name: fmt.Sprintf("p%02d", i)}
	}
	w := newWorld(t, m, func(o *local.Options) { o.Groups, o.MaxGroups = []local.GroupRule{{Name: "p.*"}}, 3 })
	w.collect()
	for pid := range m.Processes {
		w.host.Processes[pid].Ticks += 60 // 0.6 s
	}
	w.pass(time.Minute, proctree.Load{})
	got := w.collect()
	if n := strings.Count(got, "/"); n != 4 || strings.Count(got, "cpu_usage=0.01 ") != 3 || !strings.Contains(got, "/other cpu_usage=0.47") {
		t.Errorf("%d groups:\n%s", n, got)
	}
	if notes := w.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "47 process groups beyond the 3") {
		t.Errorf("notes %q", notes)
	}
}
