package local_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/collect/local"
	"github.com/leanfleet/leanfleet/collect/local/proctree"
)

// control are files of control groups below sys/fs/cgroup, and the groups of the
// first process.
func control(first string, files map[string]string) map[string]string {
	out := map[string]string{"proc/1/cgroup": first}
	for name, text := range files {
		out["sys/fs/cgroup/"+name] = text
	}
	return out
}

// TestControlGroupTrees reads the trees of control groups that containers see, as
// recorded: of version 1 and 2, in name spaces of their own and without.
func TestControlGroupTrees(t *testing.T) {
	const gib = "1073741824\n"
	docker1 := "12:pids:/docker/8a1f\n11:cpuset:/docker/8a1f\n5:memory:/docker/8a1f\n4:cpu,cpuacct:/docker/8a1f\n1:name=systemd:/docker/8a1f\n0::/system.slice/containerd.service\n"
	for name, c := range map[string]struct {
		files, later map[string]string
		want         string
		note         string
	}{
		// The container's own group is the root that it sees.
		"Docker, version 2": {control("0::/\n", map[string]string{
			"cgroup.controllers": "cpuset cpu io memory pids\n", "cpu.max": "150000 100000\n", "cpu.stat": "usage_usec 5000000\nuser_usec 1\n",
			"cpuset.cpus": "\n", "cpuset.cpus.effective": "0-3\n", "memory.max": gib, "memory.current": "805306368\n", "memory.stat": "anon 1\ninactive_file 268435456\n",
			"memory.swap.max": gib, "memory.swap.current": "268435456\n"}),
			map[string]string{"cpu.stat": "usage_usec 50000000\nuser_usec 1\n"},
			"capacity_vcpus=1.5 capacity_memory_bytes=1.073741824e+09 cpu_usage=0.5 memory_usage=0.5 swap_usage=0.25",
			"container_limited: 1.5 CPUs and 1024 MiB of memory by its control group"},
		// Name spaces are not of version 1: paths are the host's, folders the container's.
		"Docker, version 1": {control(docker1, map[string]string{
			"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n", "cpuacct/cpuacct.usage": "5000000000\n", "cpuset/cpuset.cpus": "0-3\n", "cpuset/cpuset.effective_cpus": "0-3\n",
			"memory/memory.limit_in_bytes": gib, "memory/memory.usage_in_bytes": "536870912\n", "memory/memory.stat": "cache 3\ntotal_inactive_file 0\n",
			"memory/memory.memsw.limit_in_bytes": "2147483648\n", "memory/memory.memsw.usage_in_bytes": "1073741824\n"}),
			map[string]string{"cpuacct/cpuacct.usage": "20000000000\n"},
			"capacity_vcpus=1 capacity_memory_bytes=1.073741824e+09 cpu_usage=0.25 memory_usage=0.5 swap_usage=0.5",
			"container_limited: 1 CPUs and 1024 MiB of memory by its control group"},
		// One folder for both controllers, without links by their names.
		"Version 1, joint folder": {control(docker1, map[string]string{
			"cpu,cpuacct/cpu.cfs_quota_us": "200000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n", "cpu,cpuacct/cpuacct.usage": "5000000000\n"}),
			map[string]string{"cpu,cpuacct/cpuacct.usage": "35000000000\n"},
			"capacity_vcpus=2 cpu_usage=0.25", "container_limited: 2 CPUs by its control group"},
		// Version 1 with a tree of version 2 beside it, as systemd's hybrid mode has it.
		"Hybrid": {control(docker1, map[string]string{
			"unified/cgroup.controllers": "\n", "cpu/docker/8a1f/cpu.cfs_quota_us": "-1\n", "cpu/docker/8a1f/cpu.cfs_period_us": "100000\n",
			"memory/docker/8a1f/memory.limit_in_bytes": "536870912\n", "memory/docker/8a1f/memory.usage_in_bytes": "268435456\n", "memory/docker/8a1f/memory.stat": "total_inactive_file 0\n"}),
			nil, "capacity_vcpus=4 capacity_memory_bytes=5.36870912e+08 cpu_usage=0.2 memory_usage=0.5 !swap_usage", "container_limited: 512 MiB of memory by its control group"},
		// The smallest of the limits around it counts, each where it is set.
		"Nested": {control("0::/kubepods.slice/pod.slice/box.scope\n", map[string]string{
			"cgroup.controllers":                                     "cpu memory\n",
			"kubepods.slice/cpu.max":                                 "390000 100000\n",
			"kubepods.slice/memory.max":                              "8589934592\n",
			"kubepods.slice/pod.slice/cpu.max":                       "50000 100000\n",
			"kubepods.slice/pod.slice/cpu.stat":                      "usage_usec 1000000\n",
			"kubepods.slice/pod.slice/memory.max":                    "max\n",
			"kubepods.slice/pod.slice/box.scope/cpu.max":             "100000 100000\n",
			"kubepods.slice/pod.slice/box.scope/memory.max":          "2147483648\n",
			"kubepods.slice/pod.slice/box.scope/memory.current":      "1073741824\n",
			"kubepods.slice/pod.slice/box.scope/memory.stat":         "inactive_file 0\n",
			"kubepods.slice/pod.slice/box.scope/memory.swap.max":     "0\n",
			"kubepods.slice/pod.slice/box.scope/memory.swap.current": "0\n"}),
			map[string]string{"kubepods.slice/pod.slice/cpu.stat": "usage_usec 16000000\n"},
			"capacity_vcpus=0.5 capacity_memory_bytes=2.147483648e+09 cpu_usage=0.5 memory_usage=0.5 !swap_usage",
			"container_limited: 0.5 CPUs and 2048 MiB of memory by its control group"},
		"Pinned, version 2": {control("0::/\n", map[string]string{
			"cgroup.controllers": "cpuset cpu\n", "cpu.max": "max 100000\n", "cpu.stat": "usage_usec 0\n", "cpuset.cpus": "0,2\n", "cpuset.cpus.effective": "0,2\n"}),
			map[string]string{"cpu.stat": "usage_usec 30000000\n"},
			"capacity_vcpus=2 cpu_usage=0.25", "container_limited: 2 CPUs by its control group"},
		"Pinned, version 1": {control(docker1, map[string]string{
			"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n", "cpuset/cpuset.cpus": "1\n", "cpuacct/cpuacct.usage": "0\n"}),
			map[string]string{"cpuacct/cpuacct.usage": "30000000000\n"},
			"capacity_vcpus=1 cpu_usage=0.5", "container_limited: 1 CPUs by its control group"},
		"A quota below what it is pinned to": {control("0::/\n", map[string]string{
			"cgroup.controllers": "cpuset cpu\n", "cpu.max": "50000 100000\n", "cpu.stat": "usage_usec 0\n", "cpuset.cpus": "0-1\n", "cpuset.cpus.effective": "0-1\n"}),
			map[string]string{"cpu.stat": "usage_usec 15000000\n"},
			"capacity_vcpus=0.5 cpu_usage=0.5", "container_limited: 0.5 CPUs by its control group"},
		// A machine's own root has effective CPUs, too; those it isolated are its own.
		"Machine, version 2": {control("0::/init.scope\n", map[string]string{
			"cgroup.controllers": "cpuset cpu memory\n", "cpuset.cpus.effective": "0-1\n", "cpu.stat": "usage_usec 1\n", "init.scope/cpu.stat": "usage_usec 1\n", "init.scope/memory.max": "max\n"}),
			nil, "capacity_vcpus=4 cpu_usage=0.2 swap_usage=0.1", ""},
		"Machine, version 1": {control("5:cpuset:/\n4:memory:/\n3:cpu,cpuacct:/\n1:name=systemd:/init.scope\n", map[string]string{
			"cpuset/cpuset.cpus": "0-3\n", "cpuset/cpuset.effective_cpus": "0-3\n", "cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n",
			"memory/memory.limit_in_bytes": "9223372036854771712\n"}),
			nil, "capacity_vcpus=4 cpu_usage=0.2 memory_usage=0.1 swap_usage=0.1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, proctree.Machine{CPUs: 4, MemoryBytes: 16 << 30, SwapBytes: 4 << 30, Files: maps.Clone(c.files)}, nil)
			w.collect()
			for k, v := range c.later {
				w.host.Files["sys/fs/cgroup/"+k] = v
			}
			w.pass(time.Minute, proctree.Load{CPU: 0.2, Memory: 0.1, Swap: 0.1})
			w.wants("12:00:00 " + c.want)
			if got := strings.Join(w.Notes(), "; "); got != c.note {
				t.Errorf("notes %q, not %q", got, c.note)
			}
		})
	}
}

// TestControlGroupsOfVersion1: processes are found by the group that systemd, else
// the controllers, put them into.
func TestControlGroupsOfVersion1(t *testing.T) {
	w := newWorld(t, proctree.Machine{CPUs: 1, Processes: map[int]*proctree.Process{10: {Name: "a"}, 11: {Name: "b"}, 12: {Name: "c"}}}, func(o *local.Options) {
		o.Groups = []local.GroupRule{{Group: "$1", CGroup: `/system\.slice/(.*)\.service`}, {Group: "box", CGroup: "/docker/.*"}}
	})
	w.host.Files = map[string]string{
		"proc/10/cgroup": "4:cpu,cpuacct:/user.slice\n2:memory:/user.slice\n1:name=systemd:/system.slice/db.service\n",
		"proc/11/cgroup": "4:cpu,cpuacct:/docker/8a1f\n1:name=systemd:/\n",
		"proc/12/cgroup": "4:cpu,cpuacct:/\n2:memory:/docker/77\n1:name=systemd:/\n",
	}
	w.write()
	w.collect()
	run(w, map[int]uint64{10: 6 * seconds, 11: 12 * seconds, 12: 3 * seconds})
	w.pass(time.Minute, proctree.Load{})
	w.wants("12:00:00/db cpu_usage=0.1\n12:00:00/box cpu_usage=0.25\n12:00:00/other cpu_usage=0")
}

// TestNothingCanBeRead: a machine of which neither CPU nor memory can be read has
// no row, whatever else cannot be read.
func TestNothingCanBeRead(t *testing.T) {
	w := newWorld(t, proctree.Machine{}, nil)
	w.collect()
	w.pass(time.Minute, proctree.Load{})
	for _, name := range []string{"stat", "meminfo", "1/cgroup"} {
		if err := os.WriteFile(filepath.Join(w.host.Dir, "proc", name), []byte("nothing\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if batches, err := w.Collect(t.Context()); err == nil || len(batches) != 0 {
		t.Errorf("%s, %v", show(batches), err)
	}
}
