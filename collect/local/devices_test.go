package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/collect/local"
	"github.com/leanfleet/leanfleet/collect/local/proctree"
)

// TestInterfacesOnTopOfOthers: what goes through an interface is counted once. A
// synthetic interface of Azure, or one that fails over, counts what its virtual
// function carries; a bond, a bridge or a VLAN has no device, but what it is made of
// has.
func TestInterfacesOnTopOfOthers(t *testing.T) {
	w := newWorld(t, proctree.Machine{
		Networks: []string{"eth0", "enP1s1", "bond0", "eth1", "eth2", "eth1.7", "br0", "docker0", "veth12ab", "wlan0:1", "lo"},
		Virtual:  []string{"bond0", "eth1.7", "br0", "docker0", "veth12ab", "lo"},
	}, nil)
	link := func(name, master string) {
		t.Helper()
		if err := os.Symlink("../"+master, filepath.Join(w.host.Dir, "sys/class/net", name, "master")); err != nil {
			t.Fatal(err)
		}
	}
	link("enP1s1", "eth0") // which counts it, too
	link("eth1", "bond0")  // which does not
	link("eth2", "bond0")
	link("veth12ab", "docker0")
	w.collect()
	w.pass(time.Minute, proctree.Load{Receive: 1024 * 60, Transmit: 1024})
	// eth0, eth1, eth2, wlan0:1
	w.wants("12:00:00 network_receive_bytes_per_second=245760 network_transmit_bytes_per_second=4096")
}

// TestDisksOnTopOfOthers: a disk that is reached over several paths is counted
// once, by itself or, where the kernel counts nothing there, by its paths.
func TestDisksOnTopOfOthers(t *testing.T) {
	for _, counted := range []bool{true, false} {
		w := newWorld(t, proctree.Machine{
			Disks:   []string{"nvme0n1", "nvme0c0n1", "nvme0c1n1", "nvme1n1", "dm-0", "md0", "loop0", "zram0", "sr0"},
			Virtual: []string{"dm-0", "md0", "loop0", "zram0"},
			Files:   map[string]string{"sys/block/nvme0c0n1/hidden": "1\n", "sys/block/nvme0c1n1/hidden": "1\n", "sys/block/nvme0n1/hidden": "0\n"},
		}, nil)
		still := func() {
			if !counted {
				w.host.SetDisk("nvme0n1", [4]float64{})
			}
		}
		still()
		w.write()
		w.collect()
		w.host.Advance(time.Minute, proctree.Load{ReadBytes: 51200, ReadOps: 10})
		still()
		w.write()
		w.clock.pass(time.Minute)
		want := "12:00:00 disk_read_bytes_per_second=153600 disk_read_ops_per_second=30" // nvme0n1, nvme1n1, sr0
		if !counted {
			want = "12:00:00 disk_read_bytes_per_second=204800 disk_read_ops_per_second=40" // both paths, nvme1n1, sr0
		}
		w.wants(want)
	}
}

// TestDiskReplaced: counters of disks have no 32 bits to wrap at, so that a disk
// by the same name with smaller ones is another disk.
func TestDiskReplaced(t *testing.T) {
	w := newWorld(t, proctree.Machine{}, nil)
	w.host.SetDisk("sda", [4]float64{4e9, 1e6, 4e9, 100})
	w.write()
	w.collect()
	w.host.SetDisk("sda", [4]float64{5e8, 2e6, 5e8, 200})
	w.pass(time.Minute, proctree.Load{})
	w.wants("12:00:00 !disk_read_bytes_per_second !disk_read_ops_per_second")
}

// TestPools: a data set tells what it uses itself, and what the pool has left.
// What all of a pool use together fills the pool; a quota fills a data set.
func TestPools(t *testing.T) {
	for name, c := range map[string]struct {
		space map[string]local.Space
		want  string
	}{
		"the pool is full":  {map[string]local.Space{"/": {Used: 5, Available: 20}, "/data": {Used: 155, Available: 20}, "/tank": {Used: 1, Available: 99}}, "disk_usage=0.8889"}, // (5 + 155) / 180
		"a quota is used":   {map[string]local.Space{"/": {Used: 5, Available: 900}, "/data": {Used: 95, Available: 5}, "/tank": {Used: 1, Available: 99}}, "disk_usage=0.95"},
		"many small ones":   {map[string]local.Space{"/": {Used: 50, Available: 50}, "/data": {Used: 50, Available: 50}, "/tank": {Used: 1, Available: 99}}, "disk_usage=0.6667"},
		"another is fuller": {map[string]local.Space{"/": {Used: 1, Available: 99}, "/data": {Used: 1, Available: 99}, "/tank": {Used: 70, Available: 30}}, "disk_usage=0.7"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, proctree.Machine{Mounts: []string{
				"22 1 0:30 / / rw - zfs rpool/ROOT/debian rw,xattr",
				"23 22 0:31 / /data rw - zfs rpool/data rw,xattr",
				"24 22 0:31 / /again rw - zfs rpool/data rw,xattr",
				"25 22 0:32 / /tank rw - zfs tank rw,xattr",
			}}, func(o *local.Options) {
				o.Space = func(p string) (local.Space, error) { return c.space[p], nil }
			})
			w.collect()
			w.pass(time.Minute, proctree.Load{})
			w.wants("12:00:00 " + c.want)
		})
	}
}

// TestHotPlug: capacity is what is there at the end of the interval, and usage a
// share of what was.
func TestHotPlug(t *testing.T) {
	w := newWorld(t, proctree.Machine{CPUs: 2, MemoryBytes: 8 << 30}, nil)
	w.collect()
	w.pass(time.Minute, proctree.Load{CPU: 0.5, Memory: 0.5})
	w.wants("12:00:00 capacity_vcpus=2 capacity_memory_bytes=8.589934592e+09 cpu_usage=0.5 memory_usage=0.5")
	w.host.CPUs, w.host.MemoryBytes = 4, 16<<30
	w.pass(time.Minute, proctree.Load{CPU: 0.25, Memory: 0.5})
	w.wants("12:01:00 capacity_vcpus=4 capacity_memory_bytes=1.7179869184e+10 cpu_usage=0.25 memory_usage=0.5")
	w.host.CPUs, w.host.MemoryBytes = 1, 4<<30
	w.pass(time.Minute, proctree.Load{CPU: 1, Memory: 0.25})
	w.wants("12:02:00 capacity_vcpus=1 capacity_memory_bytes=4.294967296e+09 cpu_usage=1 memory_usage=0.25")
}

// TestHiddenProcesses: where a user sees only processes of his own, their number
// is not known, nor what groups use.
func TestHiddenProcesses(t *testing.T) {
	w := newWorld(t, proctree.Machine{Processes: map[int]*proctree.Process{10: {Name: "postgres", Start: 5}}},
		func(o *local.Options) { o.Groups = []local.GroupRule{{Group: "db", Name: "postgres"}} })
	w.host.Files = map[string]string{"proc/self/mountinfo": w.host.Mounts[0] + "\n", "proc/self/net/dev": "h\nh\n"}
	w.write()
	w.collect()
	w.host.Advance(time.Minute, proctree.Load{CPU: 0.5})
	w.write()
	w.clock.pass(time.Minute)
	if err := os.RemoveAll(filepath.Join(w.host.Dir, "proc", "1")); err != nil {
		t.Fatal(err)
	}
	batches, err := w.Collect(t.Context())
	if err == nil || !strings.Contains(err.Error(), "hidepid") || strings.Count(err.Error(), "hidepid") != 1 {
		t.Errorf("the error does not say why: %v", err)
	}
	if got := show(batches); !strings.Contains(got, "cpu_usage=0.5") || strings.Contains(got, "processes=") || strings.Contains(got, "/db") {
		t.Errorf("%s", got)
	}
}

// TestRebootBetweenReadings: a time since boot that grew by less than passed is
// that of another boot, though it be longer than before.
func TestRebootBetweenReadings(t *testing.T) {
	w := newWorld(t, proctree.Machine{Uptime: 5 * time.Second}, nil)
	w.collect()
	w.host.Reboot(w.host.BootID)
	w.host.SetNetwork("eth0", [2]float64{9e8, 9e8}) // more than before, in no time
	w.host.Advance(40*time.Second, proctree.Load{CPU: 0.5})
	w.write()
	w.clock.pass(time.Minute)
	w.wants("12:00:00 up=1 uptime_seconds=41 !cpu_usage !network_receive_bytes_per_second")
}

// TestProcessesThatChange: a process that becomes another user's, or moves to
// another control group, is noticed some intervals later; one that runs a script
// goes by the script's whole name.
func TestProcessesThatChange(t *testing.T) {
	w := newWorld(t, proctree.Machine{CPUs: 1, Files: map[string]string{"etc/passwd": "www:x:33:33::/:/bin/sh\n"}, Processes: map[int]*proctree.Process{
		10: {Name: "server", Start: 5}, 11: {Name: "a-script-with-a", Command: "/usr/bin/python3 -u /opt/a-script-with-a-long-name.py -v", Start: 6},
	}}, func(o *local.Options) {
		o.Groups = []local.GroupRule{{Group: "www", User: "www"}, {Group: "moved", CGroup: "/moved"}, {Group: "script", Name: "a-script-with-a-long-name.py"}}
	})
	w.collect()
	for range 12 {
		w.pass(time.Minute, proctree.Load{})
		w.collect()
	}
	w.host.Processes[10].User = 33
	w.host.Processes[11].CGroup = "/moved"
	for range 10 {
		w.pass(time.Minute, proctree.Load{})
		w.collect()
	}
	run(w, map[int]uint64{10: 6 * seconds, 11: 12 * seconds})
	w.pass(time.Minute, proctree.Load{})
	w.wants("12:22:00/www cpu_usage=0.1\n12:22:00/moved cpu_usage=0.2\n12:22:00/script cpu_usage=0")
	w.host.Processes[11].CGroup = "/"
	for range 10 {
		w.pass(time.Minute, proctree.Load{})
		w.collect()
	}
	run(w, map[int]uint64{11: 6 * seconds})
	w.pass(time.Minute, proctree.Load{})
	w.wants("12:33:00/moved cpu_usage=0\n12:33:00/script cpu_usage=0.1")
	// One that drops its rights right after it began is told at the next reading.
	w.host.Processes[20] = &proctree.Process{Name: "worker", Start: uint64(1000+34*60) * seconds}
	w.pass(time.Minute, proctree.Load{})
	w.collect()
	w.host.Processes[20].User = 33
	run(w, map[int]uint64{20: 6 * seconds})
	w.pass(time.Minute, proctree.Load{})
	w.wants("12:35:00/www cpu_usage=0.1")
}

// TestUnreadable: of files that cannot be read each is named with the host, and
// the rest is measured.
func TestUnreadable(t *testing.T) {
	w := newWorld(t, proctree.Machine{}, nil)
	w.collect()
	w.pass(time.Minute, proctree.Load{CPU: 0.5})
	for _, name := range []string{"proc/loadavg", "proc/diskstats", "proc/1/net/dev"} {
		path := filepath.Join(w.host.Dir, name) // a folder there keeps out root, too
		if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	batches, err := w.Collect(t.Context())
	for _, want := range []string{"web-1", "loadavg", "diskstats", "net/dev"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in %v", want, err)
		}
	}
	if got := show(batches); !strings.Contains(got, "cpu_usage=0.5") || strings.Contains(got, "load1=") || strings.Contains(got, "network_") {
		t.Errorf("%s", got)
	}
}
