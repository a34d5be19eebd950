package local_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/collect/local"
	"github.com/leanfleet/leanfleet/collect/local/proctree"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
)

// TestConformance holds the collector of a recorded machine against the suite.
func TestConformance(t *testing.T) {
	t.Run("Tree", func(t *testing.T) {
		fleettest.Collector(t, func(t *testing.T) fleettest.CollectorRig {
			w := newWorld(t, proctree.Machine{Processes: map[int]*proctree.Process{10: {Name: "postgres", Start: 5, Ticks: 100}}},
				func(o *local.Options) { o.Groups = []local.GroupRule{{Group: "db", Name: "postgres"}} })
			meminfo := filepath.Join(w.host.Dir, "proc", "meminfo")
			return fleettest.CollectorRig{
				Collector: w, Interval: time.Minute, Now: func() time.Time { t, _ := w.clock.now(); return t }, SetClock: w.clock.set,
				Advance: func(d time.Duration) {
					broken := w.host.Files["proc/meminfo"]
					w.pass(d, proctree.Load{CPU: 0.3, ReadBytes: 1e6})
					if broken != "" {
						os.Remove(meminfo)
					}
				},
				Break: func() func() {
					w.host.Files = map[string]string{"proc/meminfo": "nothing here\n"}
					return func() { w.host.Files = nil }
				},
			}
		})
	})
	// This machine itself, through gopsutil: only the clock is made up.
	t.Run("Gopsutil", func(t *testing.T) {
		fleettest.Collector(t, func(t *testing.T) fleettest.CollectorRig {
			clock := newClock()
			c := local.NewPortable(t, local.Options{Now: clock.now, Host: "this", Interval: time.Second})
			return fleettest.CollectorRig{Collector: c, Interval: time.Second, Advance: clock.pass, SetClock: clock.set,
				Now: func() time.Time { t, _ := clock.now(); return t }}
		})
	})
}

// TestEveryMetric reads a machine whose every figure can be checked by hand.
func TestEveryMetric(t *testing.T) {
	w := newWorld(t, proctree.Machine{
		CPUs: 4, MemoryBytes: 16 << 30, SwapBytes: 4 << 30, Sessions: 2,
		Disks: []string{"sda", "dm-0"}, Networks: []string{"eth0", "lo", "docker0"}, Virtual: []string{"dm-0", "lo", "docker0"},
		Processes: map[int]*proctree.Process{10: {Name: "a"}, 11: {Name: "b"}},
	}, nil)
	w.wants("")
	w.pass(time.Minute, proctree.Load{CPU: 0.4, Steal: 0.05, IOWait: 0.1, Memory: 0.75, Swap: 0.25, Load1: 1.25,
		ReadBytes: 10240, WriteBytes: 20480, ReadOps: 5, WriteOps: 7, Receive: 102400, Transmit: 51200})
	got := w.collect()
	want := "12:00:00 capacity_memory_bytes=1.7179869184e+10 capacity_vcpus=4 cpu_iowait=0.1 cpu_steal=0.05 cpu_usage=0.4 disk_read_bytes_per_second=10240" +
		" disk_read_ops_per_second=5 disk_usage=0.3 disk_write_bytes_per_second=20480 disk_write_ops_per_second=7 load1=1.25 memory_usage=0.75" +
		" network_receive_bytes_per_second=102400 network_transmit_bytes_per_second=51200 processes=3 sessions=2 swap_usage=0.25 up=1 uptime_seconds=1060"
	if got != want {
		t.Errorf("collected\n%s\nwanted\n%s", got, want)
	}
	batches, err := w.Collect(t.Context())
	if err != nil || len(batches) != 0 {
		t.Errorf("again: %d batches, %v", len(batches), err)
	}
	names := map[string]bool{}
	w.pass(time.Minute, proctree.Load{CPU: 0.1})
	w.sample()
	batches, err = w.Collect(t.Context())
	if err != nil || len(batches) != 1 || batches[0].Host != "web-1" || batches[0].Origin != fleet.OriginAgent || batches[0].Step != 60000 {
		t.Fatalf("%+v, %v", batches, err)
	}
	for _, c := range batches[0].Columns {
		names[c.Metric.Name] = true
	}
	for _, m := range fleet.CanonicalMetrics().Stored() {
		if !names[m.Name] && m.Name != "cpu_usage_peak" {
			t.Errorf("%s is not measured", m.Name)
		}
	}
}

// TestPeak has one busy piece of five seconds in a quiet minute.
func TestPeak(t *testing.T) {
	w := newWorld(t, proctree.Machine{CPUs: 2}, nil)
	w.collect()
	for i := range 12 {
		cpu := 0.1
		if i == 7 {
			cpu = 0.9
		}
		w.pass(5*time.Second, proctree.Load{CPU: cpu})
		if i < 11 {
			w.sample()
		}
	}
	w.wants("12:00:00 cpu_usage=0.1667 cpu_usage_peak=0.9")
	// Readings that lie too far apart show no peak.
	w.pass(5*time.Second, proctree.Load{CPU: 0.1})
	w.sample()
	w.pass(55*time.Second, proctree.Load{CPU: 0.1})
	w.wants("12:01:00 cpu_usage=0.1 !cpu_usage_peak")
	// Tiny pieces are joined: hundredths of a second are too coarse for them.
	for range 60 {
		w.pass(900*time.Millisecond, proctree.Load{CPU: 0.2})
		w.sample()
		w.pass(100*time.Millisecond, proctree.Load{CPU: 1})
		w.sample()
	}
	w.wants("12:02:00 cpu_usage=0.28 cpu_usage_peak=0.28")
}

func TestTimeThatDidNotPass(t *testing.T) {
	quiet := proctree.Load{CPU: 0.25, Receive: 1024}
	begin := func(t *testing.T) *world {
		w := newWorld(t, proctree.Machine{}, nil)
		w.collect()
		w.pass(time.Minute, quiet)
		w.wants("12:00:00 cpu_usage=0.25 network_receive_bytes_per_second=1024")
		return w
	}
	t.Run("Suspended", func(t *testing.T) {
		w := begin(t)
		w.pass(30*time.Second, quiet)
		w.clock.set(3 * time.Hour) // the machine slept
		w.pass(30*time.Second, quiet)
		w.wants("")
		w.pass(time.Minute, quiet)
		w.wants("15:02:00 cpu_usage=0.25 network_receive_bytes_per_second=1024")
	})
	t.Run("SuspendedForAMoment", func(t *testing.T) {
		w := begin(t)
		w.pass(48*time.Second, quiet)
		w.clock.set(12 * time.Second)
		w.wants("")
		w.pass(time.Minute, quiet)
		w.wants("12:02:00 cpu_usage=0.25")
	})
	t.Run("ClockSetForward", func(t *testing.T) {
		w := begin(t)
		w.clock.set(time.Hour)
		w.pass(time.Minute, quiet)
		w.wants("")
		w.pass(time.Minute, quiet)
		w.wants("13:02:00 cpu_usage=0.25")
	})
	t.Run("ClockSetBack", func(t *testing.T) {
		w := begin(t)
		w.pass(time.Minute, quiet)
		w.clock.set(-time.Hour)
		w.wants("")
		w.pass(time.Minute, quiet)
		w.wants("11:02:00 cpu_usage=0.25")
	})
	t.Run("ClockSetAMoment", func(t *testing.T) { // rates are of the time that passed
		w := begin(t)
		w.clock.set(3 * time.Second)
		w.pass(time.Minute, quiet)
		w.wants("12:01:00 cpu_usage=0.25 network_receive_bytes_per_second=1024")
	})
	t.Run("Stopped", func(t *testing.T) { // the process, not the machine
		w := begin(t)
		w.pass(17*time.Minute, quiet)
		w.wants("")
		w.pass(time.Minute, quiet)
		w.wants("12:18:00 cpu_usage=0.25")
	})
	t.Run("BegunInside", func(t *testing.T) {
		w := newWorld(t, proctree.Machine{}, nil)
		w.pass(30*time.Second, quiet)
		w.collect()
		w.pass(30*time.Second, quiet)
		w.wants("") // half a minute is no minute
		w.pass(time.Minute, quiet)
		w.wants("12:01:00 cpu_usage=0.25")
	})
	t.Run("AMomentEarly", func(t *testing.T) { // a slewed clock shows the boundary early
		w := begin(t)
		w.clock.pass(-5 * time.Millisecond)
		w.pass(time.Minute, quiet)
		w.wants("12:01:00 cpu_usage=0.25")
		w.pass(time.Minute, quiet)
		w.wants("12:02:00 cpu_usage=0.25")
	})
}

func TestRebootAndResets(t *testing.T) {
	busy := proctree.Load{CPU: 0.5, ReadBytes: 51200, ReadOps: 10, Receive: 102400, Transmit: 1024}
	begin := func(t *testing.T, m proctree.Machine) *world {
		w := newWorld(t, m, nil)
		w.collect()
		w.pass(time.Minute, busy)
		w.wants("12:00:00 cpu_usage=0.5 disk_read_bytes_per_second=51200 network_receive_bytes_per_second=102400")
		return w
	}
	t.Run("Reboot", func(t *testing.T) {
		w := begin(t, proctree.Machine{})
		w.host.Reboot("another")
		w.pass(time.Minute, busy)
		w.wants("12:01:00 up=1 memory_usage=0 uptime_seconds=61 capacity_vcpus=2 !cpu_usage !disk_read_bytes_per_second !network_receive_bytes_per_second")
		w.pass(time.Minute, busy)
		w.wants("12:02:00 cpu_usage=0.5 disk_read_bytes_per_second=51200 network_receive_bytes_per_second=102400")
	})
	t.Run("RebootSeenByUptimeOnly", func(t *testing.T) {
		w := begin(t, proctree.Machine{})
		w.host.Reboot(w.host.BootID)
		w.pass(time.Minute, busy)
		w.wants("12:01:00 up=1 !cpu_usage !network_receive_bytes_per_second")
	})
	t.Run("InterfaceReset", func(t *testing.T) {
		w := begin(t, proctree.Machine{})
		w.host.SetNetwork("eth0", [2]float64{})
		w.pass(time.Minute, busy)
		w.wants("12:01:00 cpu_usage=0.5 disk_read_bytes_per_second=51200 !network_receive_bytes_per_second !network_transmit_bytes_per_second")
		w.pass(time.Minute, busy)
		w.wants("12:02:00 network_receive_bytes_per_second=102400")
	})
	t.Run("InterfaceComesAndGoes", func(t *testing.T) {
		w := begin(t, proctree.Machine{})
		w.host.Networks = append(w.host.Networks, "eth1")
		w.host.SetNetwork("eth1", [2]float64{9e12, 9e12})
		w.pass(time.Minute, busy)
		w.wants("12:01:00 !network_receive_bytes_per_second")
		w.pass(time.Minute, busy)
		w.wants("12:02:00 network_receive_bytes_per_second=204800")
		w.host.Remove("eth0")
		w.pass(time.Minute, busy)
		w.wants("12:03:00 !network_receive_bytes_per_second")
	})
	t.Run("CounterOf32Bits", func(t *testing.T) {
		w := newWorld(t, proctree.Machine{}, nil)
		w.host.SetNetwork("eth0", [2]float64{1<<32 - 1024*30, 5e8})
		w.write()
		w.collect()
		w.pass(time.Minute, busy)
		c := w.host.Network("eth0")
		w.host.SetNetwork("eth0", [2]float64{c[0] - 1<<32, c[1]})
		w.write()
		w.wants("12:00:00 network_receive_bytes_per_second=102400 network_transmit_bytes_per_second=1024")
	})
	t.Run("DiskReset", func(t *testing.T) {
		w := begin(t, proctree.Machine{})
		w.host.SetDisk("sda", [4]float64{})
		w.pass(time.Minute, busy)
		w.wants("12:01:00 network_receive_bytes_per_second=102400 !disk_read_bytes_per_second !disk_read_ops_per_second")
	})
}

func TestContainerLimits(t *testing.T) {
	v2 := func(cpu, memory string) map[string]string {
		return map[string]string{
			"sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
			"proc/1/cgroup":                    "0::/docker/abc\n",
			"sys/fs/cgroup/docker/abc/cpu.max": cpu, "sys/fs/cgroup/docker/abc/memory.max": memory,
			"sys/fs/cgroup/docker/abc/cpu.stat":       "usage_usec 1000000\nuser_usec 1\n",
			"sys/fs/cgroup/docker/abc/memory.current": "3221225472\n",
			"sys/fs/cgroup/docker/abc/memory.stat":    "anon 5\ninactive_file 1073741824\n",
		}
	}
	for name, c := range map[string]struct {
		files map[string]string
		later map[string]string
		want  string
		note  string
	}{
		"Version2": {v2("150000 100000\n", "4294967296\n"),
			map[string]string{"sys/fs/cgroup/docker/abc/cpu.stat": "usage_usec 46000000\n"},
			"12:00:00 capacity_vcpus=1.5 capacity_memory_bytes=4.294967296e+09 cpu_usage=0.5 memory_usage=0.5 processes=1",
			"container_limited: 1.5 CPUs and 4096 MiB of memory by its control group"},
		"MemoryOnly": {v2("max 100000\n", "4294967296\n"), nil,
			"12:00:00 capacity_vcpus=4 capacity_memory_bytes=4.294967296e+09 cpu_usage=0.2 memory_usage=0.5",
			"container_limited: 4096 MiB of memory by its control group"},
		"LimitOfAParent": {map[string]string{
			"sys/fs/cgroup/cgroup.controllers": "cpu\n", "proc/1/cgroup": "0::/pods/a\n",
			"sys/fs/cgroup/pods/cpu.max": "200000 100000\n", "sys/fs/cgroup/pods/a/cpu.max": "max 100000\n", "sys/fs/cgroup/pods/cpu.stat": "usage_usec 5\n"},
			map[string]string{"sys/fs/cgroup/pods/cpu.stat": "usage_usec 30000005\n"},
			"12:00:00 capacity_vcpus=2 cpu_usage=0.25", "container_limited: 2 CPUs by its control group"},
		"AboveTheMachine": {v2("1600000 100000\n", "99999999999999\n"), nil, "12:00:00 capacity_vcpus=4 cpu_usage=0.2 memory_usage=0.1", ""},
		"Machine":         {map[string]string{"sys/fs/cgroup/cgroup.controllers": "cpu\n", "proc/1/cgroup": "0::/init.scope\n"}, nil, "12:00:00 capacity_vcpus=4 cpu_usage=0.2", ""},
		"Version1": {map[string]string{
			"proc/1/cgroup":                       "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
			"sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "100000\n", "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/cpuacct/docker/abc/cpuacct.usage":        "1000000000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":            "9223372036854771712\n",
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "2147483648\n",
			"sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": "1073741824\n",
			"sys/fs/cgroup/memory/docker/abc/memory.stat":           "cache 1\ntotal_inactive_file 536870912\n"},
			map[string]string{"sys/fs/cgroup/cpuacct/docker/abc/cpuacct.usage": "7000000000\n"},
			"12:00:00 capacity_vcpus=1 capacity_memory_bytes=2.147483648e+09 cpu_usage=0.1 memory_usage=0.25",
			"container_limited: 1 CPUs and 2048 MiB of memory by its control group"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, proctree.Machine{CPUs: 4, MemoryBytes: 16 << 30, Files: c.files}, nil)
			w.collect()
			for k, v := range c.later {
				w.host.Files[k] = v
			}
			w.pass(time.Minute, proctree.Load{CPU: 0.2, Memory: 0.1})
			w.wants(c.want)
			if got := strings.Join(w.Notes(), "; "); got != c.note {
				t.Errorf("notes %q, not %q", got, c.note)
			}
			s, err := w.Statements(t.Context())
			if err != nil || (s[0].Tags[local.ContainerTag] == "true") != (c.note != "") {
				t.Errorf("statements %+v, %v", s, err)
			}
		})
	}
}

// TestFileSystems: the fullest one that keeps files counts, each once.
func TestFileSystems(t *testing.T) {
	space := map[string]local.Space{
		"/": {50, 50}, "/data": {80, 20}, "/mnt/with space": {10, 90}, "/snap/core": {100, 0}, "/run": {99, 1}, "/mnt/ro": {100, 0},
		"/nfs": {97, 3}, "/again": {98, 2}, "/sub": {40, 60}, "/sub2": {96, 4}, "/var/lib/docker/overlay": {95, 5},
	}
	mounts := []string{
		"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
		`25 22 8:17 / /mnt/with\040space rw - xfs /dev/sdb1 rw`,
		"26 22 7:1 / /snap/core ro,nodev - squashfs /dev/loop1 ro",
		"27 22 0:22 / /run rw,nosuid - tmpfs tmpfs rw,size=800000k",
		"28 22 8:33 / /mnt/ro ro - ext4 /dev/sdc1 ro",
		"29 22 0:50 / /nfs rw - nfs4 server:/x rw",
		"30 22 8:1 /sub /again rw - ext4 /dev/sda1 rw",
		"31 22 0:60 /a /sub rw - btrfs /dev/sdd rw,subvol=a",
		"32 22 0:61 /b /sub2 rw - btrfs /dev/sdd rw,subvol=b",
		"33 22 0:62 / /var/lib/docker/overlay rw - overlay overlay rw",
	}
	run := func(mounts []string) (string, error) {
		asked := ""
		w := newWorld(t, proctree.Machine{Mounts: mounts}, func(o *local.Options) {
			o.Space = func(p string) (local.Space, error) {
				asked += p + ";"
				switch p {
				case "/gone":
					return local.Space{}, fs.ErrNotExist
				case "/hangs":
					return local.Space{}, errors.New("input/output error")
				}
				return space[p], nil
			}
		})
		w.collect()
		w.pass(time.Minute, proctree.Load{})
		asked = ""
		batches, err := w.Collect(t.Context())
		return asked + " " + show(batches), err
	}
	got, err := run(mounts)
	if err != nil || !strings.HasPrefix(got, "/;/mnt/with space;/sub; ") || !strings.Contains(got, "disk_usage=0.5 ") {
		t.Errorf("%v: %s", err, got)
	}
	// In the name space of a service everything is mounted read-only, and homes are
	// covered: neither makes a disk less full.
	got, err = run([]string{
		"22 1 8:1 / / ro,relatime shared:1 - ext4 /dev/sda1 rw",
		"40 22 8:50 / /data rw - xfs /dev/sde rw",
		"41 40 0:22 /inaccessible /data ro - tmpfs tmpfs rw",
	})
	if err != nil || !strings.HasPrefix(got, "/; ") || !strings.Contains(got, "disk_usage=0.5 ") {
		t.Errorf("%v: %s", err, got)
	}
	got, err = run(append(mounts, "40 22 8:50 / /data rw - xfs /dev/sde rw", "41 22 8:51 / /gone rw - xfs /dev/sdf rw"))
	if err != nil || !strings.Contains(got, "disk_usage=0.8 ") {
		t.Errorf("%v: %s", err, got)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string // "" removes it
		names      string // what the error must name
		want       string
	}{
		"load":    {"proc/loadavg", "", "loadavg", "12:00:00 cpu_usage=0.5 !load1"},
		"memory":  {"proc/meminfo", "MemFree: 3 kB\n", "MemTotal", "12:00:00 cpu_usage=0.5 !memory_usage !capacity_memory_bytes"},
		"cpu":     {"proc/stat", "cpu  1 2 x 4\n", "line 1", "12:00:00 memory_usage=0.25 !cpu_usage"},
		"uptime":  {"proc/uptime", "soon\n", "uptime", "12:00:00 cpu_usage=0.5 !uptime_seconds"},
		"network": {"proc/1/net/dev", "h\nh\neth0: 1 2\n", "line 3", "12:00:00 cpu_usage=0.5 !network_receive_bytes_per_second"},
		"mounts":  {"proc/1/mountinfo", "what is this\n", "mountinfo", "12:00:00 cpu_usage=0.5 !disk_usage"},
		"disks":   {"proc/diskstats", "8 0 sda x\n", "diskstats", "12:00:00 cpu_usage=0.5 !disk_read_bytes_per_second"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, proctree.Machine{}, nil)
			w.collect()
			w.pass(time.Minute, proctree.Load{CPU: 0.5, Memory: 0.25})
			path := filepath.Join(w.host.Dir, c.file)
			if c.text == "" {
				os.Remove(path)
			} else if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			batches, err := w.Collect(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.names) || !strings.Contains(err.Error(), "web-1") {
				t.Errorf("error %v does not name %s and the host", err, c.names)
			}
			words := strings.Fields(c.want)
			got := show(batches)
			for _, word := range words {
				absent, no := strings.CutPrefix(word, "!")
				if no == strings.Contains(got, absent) {
					t.Errorf("%s in\n%s", word, got)
				}
			}
		})
	}
	w := newWorld(t, proctree.Machine{}, nil)
	w.collect()
	w.pass(time.Minute, proctree.Load{})
	os.RemoveAll(filepath.Join(w.host.Dir, "proc"))
	if b, err := w.Collect(t.Context()); err == nil || len(b) != 0 {
		t.Errorf("nothing can be read: %v, %v", b, err)
	}
	if err := w.Sample(t.Context()); err != nil {
		t.Errorf("sample without a beginning: %v", err)
	}
}

func TestOptions(t *testing.T) {
	clock := newClock()
	for want, o := range map[string]local.Options{
		"the clock is missing":       {},
		"between 1 s and 24 h":       {Now: clock.now, Interval: time.Millisecond},
		"whole milliseconds":         {Now: clock.now, Interval: time.Second + 1},
		"not a number of groups":     {Now: clock.now, MaxGroups: -1},
		`did you mean "cpu_usage"`:   {Now: clock.now, Metrics: []string{"cpu_usge"}},
		"derived":                    {Now: clock.now, Metrics: []string{"memory_used_bytes"}},
		"give a pattern":             {Now: clock.now, Groups: []local.GroupRule{{Group: "x"}}},
		"missing closing )":          {Now: clock.now, Groups: []local.GroupRule{{Name: "("}}},
		"there is no $2":             {Now: clock.now, Groups: []local.GroupRule{{Group: "$1-$2", Name: "(a)"}}},
		"no machine id and no insta": {Now: clock.now, Root: t.TempDir()},
	} {
		if _, err := local.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, not %q", err, want)
		}
	}
	w := newWorld(t, proctree.Machine{}, func(o *local.Options) {
		o.Metrics, o.Interval, o.Host = []string{"cpu_usage", "load1"}, 10*time.Second, "given"
	})
	w.collect()
	w.pass(10*time.Second, proctree.Load{CPU: 0.5})
	if got := w.collect(); got != "12:00:00 cpu_usage=0.5 load1=0" || w.Host() != "given" || w.Interval() != 10*time.Second {
		t.Errorf("collected %s of %s", got, w.Host())
	}
}

func TestIdentity(t *testing.T) {
	dmi := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m["sys/class/dmi/id/"+kv[i]] = kv[i+1] + "\n"
		}
		return m
	}
	efi := func(m map[string]string) map[string]string { m["sys/firmware/efi/fw_platform_size"] = "64\n"; return m }
	const azure = "7783-7084-3265-9085-8269-3286-77"
	for name, c := range map[string]struct {
		files    map[string]string
		host     fleet.HostID
		provider string
		aliases  string
	}{
		"plain":      {nil, "4c5a", "", "machine_id=4c5a host_name=web-1"},
		"ec2":        {dmi("sys_vendor", "Amazon EC2", "board_asset_tag", "i-0123456789abcdef0"), "i-0123456789abcdef0", "aws", "instance_id=i-0123456789abcdef0 machine_id=4c5a host_name=web-1"},
		"ec2 xen":    {dmi("bios_version", "4.11.amazon", "board_asset_tag", ""), "web-1", "aws", "machine_id=4c5a host_name=web-1"},
		"azure":      {efi(dmi("chassis_asset_tag", azure, "product_uuid", "5F1A9B2C-0000-4D3E-9F10-0123456789AB")), "5f1a9b2c-0000-4d3e-9f10-0123456789ab", "azure", "instance_id=5f1a9b2c-0000-4d3e-9f10-0123456789ab machine_id=4c5a host_name=web-1"},
		"azure bios": {dmi("chassis_asset_tag", azure, "product_uuid", "5F1A9B2C-0000-4D3E-9F10-0123456789AB"), "web-1", "azure", "machine_id=4c5a host_name=web-1"},
		"gcp":        {dmi("product_name", "Google Compute Engine"), "web-1", "gcp", "machine_id=4c5a host_name=web-1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, proctree.Machine{MachineID: "4c5a", Files: c.files}, nil)
			s, err := w.Statements(t.Context())
			if err != nil || len(s) != 1 {
				t.Fatalf("%+v, %v", s, err)
			}
			var aliases []string
			for _, a := range s[0].Aliases {
				aliases = append(aliases, string(a.Kind)+"="+a.Key)
			}
			if w.Host() != c.host || strings.Join(aliases, " ") != c.aliases {
				t.Errorf("host %s, aliases %v", w.Host(), aliases)
			}
			r := s[0].Record
			if r.Host != c.host || r.Name != "web-1" || r.Provider != c.provider || r.OS != "linux" || r.Arch != "x86_64" || r.State != "" || r.Origin != fleet.OriginAgent {
				t.Errorf("%+v", r)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := newWorld(t, proctree.Machine{}, nil)
	if _, err := w.Statements(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := w.Sample(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestThisMachine measures the machine that runs the test.
func TestThisMachine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skipf("this machine runs %s, not Linux", runtime.GOOS)
	}
	clock := newClock()
	c, err := local.New(local.Options{Now: clock.now, Interval: time.Second, Groups: []local.GroupRule{{Group: "this test", Name: ".*local.test.*"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	clock.pass(time.Second)  // a second is as long as no reboot is
	ticks := func() string { // of all CPUs; interrupts change the rest of the file all the time
		stat, err := os.ReadFile("/proc/stat")
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(stat), "\n")
		return line
	}
	for before := ticks(); ticks() == before; {
		time.Sleep(time.Millisecond)
	}
	batches, err := c.Collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := show(batches)
	for _, want := range []string{"cpu_steal=", "memory_usage=0.", "capacity_vcpus=" + fmt.Sprint(runtime.NumCPU()), "processes=", "load1=", "uptime_seconds=", "/other cpu_usage="} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	t.Log(got, c.Host(), c.Aliases(), c.Notes())
}
