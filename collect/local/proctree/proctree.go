// Package proctree writes the proc and sys file systems of Linux machines that
// do not exist, with counters that advance, for tests and benchmarks of what
// reads them.
//
//	m := proctree.New(dir, proctree.Machine{Name: "web-1", CPUs: 4, MemoryBytes: 16 << 30})
//	m.Advance(time.Minute, proctree.Load{CPU: 0.4})
//	err := m.Write()
package proctree

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Machine is what a machine is.
type Machine struct {
	Name        string
	MachineID   string // "" is none
	BootID      string
	CPUs        int
	MemoryBytes uint64
	SwapBytes   uint64
	// Uptime at the beginning.
	Uptime time.Duration
	// Disks and Networks are the devices that sysfs knows; each has a device
	// behind it unless its name is in Virtual.
	Disks, Networks, Virtual []string
	// Mounts are lines of mountinfo; nil is an ext4 root on the first disk.
	Mounts []string
	// Sessions are users logged in.
	Sessions int
	// Files are further files, by path below the root.
	Files map[string]string
	// Processes are the processes beside the first one, by pid.
	Processes map[int]*Process
}

// Process is a program that runs.
type Process struct {
	Name, Command string
	User          int    // number
	CGroup        string // of version 2
	Start         uint64 // ticks after boot
	Ticks         uint64 // of CPU time
	Resident      uint64 // bytes, those shared included
	Shared        uint64 // bytes
}

// Load is what a machine does for some time: shares of its CPU time, bytes and
// operations a second of each device.
type Load struct {
	CPU, Steal, IOWait    float64
	Memory, Swap          float64 // share in use
	ReadBytes, WriteBytes float64
	ReadOps, WriteOps     float64
	Receive, Transmit     float64
	Load1                 float64
}

// Host is a machine and its counters.
type Host struct {
	Machine
	Dir string
	now Load

	ticks    [8]float64 // user nice system idle iowait irq softirq steal, of all CPUs
	disks    map[string]*[4]float64
	networks map[string]*[2]float64
	up       time.Duration
	written  map[string]string
}

// New returns a machine whose files are to lie below a folder. Its counters
// begin somewhere, not at zero.
func New(dir string, m Machine) *Host {
	if m.CPUs == 0 {
		m.CPUs = 2
	}
	if m.MemoryBytes == 0 {
		m.MemoryBytes = 8 << 30
	}
	if m.Uptime == 0 {
		m.Uptime = 1000 * time.Second
	}
	if m.BootID == "" {
		m.BootID = "2d8cd6b4-5f7a-4f34-a3f2-8f1f1a8d0c11"
	}
	if m.Disks == nil {
		m.Disks = []string{"sda"}
	}
	if m.Networks == nil {
		m.Networks = []string{"eth0", "lo"}
		m.Virtual = append(slices.Clone(m.Virtual), "lo")
	}
	if m.Mounts == nil {
		m.Mounts = []string{
			"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
			"23 22 0:21 / /proc rw,nosuid - proc proc rw",
			"24 22 0:22 / /run rw,nosuid - tmpfs tmpfs rw,size=800000k",
		}
	}
	h := &Host{Machine: m, Dir: dir, disks: map[string]*[4]float64{}, networks: map[string]*[2]float64{}}
	for _, d := range m.Disks {
		h.disks[d] = &[4]float64{1e9, 2e9, 10000, 20000}
	}
	for _, n := range m.Networks {
		h.networks[n] = &[2]float64{5e8, 6e8}
	}
	h.now.Memory = 0.5
	h.up = m.Uptime
	h.ticks[0], h.ticks[3] = 20000, m.Uptime.Seconds()*100*float64(m.CPUs)
	return h
}

// Advance lets time pass under a load.
func (h *Host) Advance(d time.Duration, l Load) {
	h.now = l
	h.up += d
	s := d.Seconds()
	ticks := s * 100 * float64(h.CPUs)
	h.ticks[0] += ticks * l.CPU * 0.75
	h.ticks[2] += ticks * l.CPU * 0.25
	h.ticks[4] += ticks * l.IOWait
	h.ticks[7] += ticks * l.Steal
	h.ticks[3] += ticks * (1 - l.CPU - l.IOWait - l.Steal)
	for _, c := range h.disks {
		c[0] += l.ReadBytes * s
		c[1] += l.WriteBytes * s
		c[2] += l.ReadOps * s
		c[3] += l.WriteOps * s
	}
	for _, c := range h.networks {
		c[0] += l.Receive * s
		c[1] += l.Transmit * s
	}
}

// Reboot starts the machine anew: counters are zero, it has a new boot id, and
// its processes are gone.
func (h *Host) Reboot(bootID string) {
	h.BootID, h.up, h.ticks = bootID, time.Second, [8]float64{3: 100}
	h.Processes = nil
	for _, c := range h.disks {
		*c = [4]float64{}
	}
	for _, c := range h.networks {
		*c = [2]float64{}
	}
}

// SetDisk and SetNetwork set a device's counters: bytes in and out, operations
// in and out.
func (h *Host) SetDisk(name string, c [4]float64) { h.disks[name] = &c }

// SetNetwork sets the bytes an interface received and sent.
func (h *Host) SetNetwork(name string, c [2]float64) { h.networks[name] = &c }

// Network returns the bytes an interface received and sent.
func (h *Host) Network(name string) [2]float64 { return *h.networks[name] }

// Remove takes a device away.
func (h *Host) Remove(name string) {
	delete(h.disks, name)
	delete(h.networks, name)
	h.Disks = slices.DeleteFunc(h.Disks, func(s string) bool { return s == name })
	h.Networks = slices.DeleteFunc(h.Networks, func(s string) bool { return s == name })
}

// Write writes all files that changed since the last Write, or are gone.
func (h *Host) Write() error {
	files := map[string]string{
		"proc/stat": h.stat(), "proc/meminfo": h.meminfo(), "proc/diskstats": h.diskstats(),
		"proc/uptime":                    fmt.Sprintf("%.2f 100.00\n", h.up.Seconds()),
		"proc/loadavg":                   fmt.Sprintf("%.2f 0.10 0.05 1/100 4711\n", h.now.Load1),
		"proc/sys/kernel/random/boot_id": h.BootID + "\n",
		"proc/sys/kernel/hostname":       h.Name + "\n",
		"proc/sys/kernel/arch":           "x86_64\n",
		"proc/1/mountinfo":               strings.Join(h.Mounts, "\n") + "\n",
		"proc/1/net/dev":                 h.netdev(),
	}
	if h.MachineID != "" {
		files["etc/machine-id"] = h.MachineID + "\n"
	}
	h.processes(files)
	for i := range h.Sessions {
		files[fmt.Sprintf("run/systemd/sessions/c%d", i+1)] = "UID=1000\nUSER=ann\nACTIVE=1\nSTATE=active\nCLASS=user\n"
	}
	for _, d := range h.Disks {
		files[filepath.Join("sys/block", d, "dev")] = "8:0\n"
		if !slices.Contains(h.Virtual, d) {
			files[filepath.Join("sys/block", d, "device/vendor")] = "0x1af4\n"
		}
	}
	for _, n := range h.Networks {
		files[filepath.Join("sys/class/net", n, "operstate")] = "up\n"
		if !slices.Contains(h.Virtual, n) {
			files[filepath.Join("sys/class/net", n, "device/vendor")] = "0x1af4\n"
		}
	}
	for name, text := range h.Files {
		files[name] = text
	}
	for name, text := range files {
		path := filepath.Join(h.Dir, name)
		if old, ok := h.written[name]; ok && old == text && exists(path) {
			continue
		}
		if err := write(path, text); err != nil {
			return err
		}
	}
	h.written = files
	return h.bury()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// bury removes the folders of processes that have ended.
func (h *Host) bury() error {
	entries, err := os.ReadDir(filepath.Join(h.Dir, "proc"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil || pid == 1 || h.Processes[pid] != nil {
			continue
		}
		if err := os.RemoveAll(filepath.Join(h.Dir, "proc", e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) stat() string {
	var b strings.Builder
	line := func(name string, share float64) {
		b.WriteString(name)
		for _, t := range h.ticks {
			fmt.Fprintf(&b, " %d", uint64(t*share+0.5))
		}
		b.WriteString(" 0 0\n")
	}
	line("cpu ", 1)
	for i := range h.CPUs {
		line(fmt.Sprintf("cpu%d", i), 1/float64(h.CPUs))
	}
	b.WriteString("intr 114930548 113199788 3 0 5 263 0 4\nctxt 1990473\nbtime 1718000000\nprocesses 2915\nprocs_running 1\nprocs_blocked 0\nsoftirq 183433 0 21755 12 39 1137 231459 0 0 0 45\n")
	return b.String()
}

func (h *Host) meminfo() string {
	kib := func(bytes uint64) uint64 { return bytes / 1024 }
	return fmt.Sprintf("MemTotal: %d kB\nMemFree: %d kB\nMemAvailable: %d kB\nBuffers: 1000 kB\nCached: 2000 kB\nSwapCached: 0 kB\nSwapTotal: %d kB\nSwapFree: %d kB\nShmem: 100 kB\nSReclaimable: 300 kB\n",
		kib(h.MemoryBytes), kib(uint64(float64(h.MemoryBytes)*(1-h.now.Memory)/2)), kib(uint64(float64(h.MemoryBytes)*(1-h.now.Memory))),
		kib(h.SwapBytes), kib(uint64(float64(h.SwapBytes)*(1-h.now.Swap))))
}

func (h *Host) diskstats() string {
	var b strings.Builder
	for i, d := range h.Disks {
		c := h.disks[d]
		fmt.Fprintf(&b, "%4d %7d %s %d 0 %d 100 %d 0 %d 100 0 100 200 0 0 0 0 0 0\n", 8, 16*i, d, uint64(c[2]), uint64(c[0]/512), uint64(c[3]), uint64(c[1]/512))
	}
	return b.String()
}

func (h *Host) netdev() string {
	var b strings.Builder
	b.WriteString("Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n")
	for _, n := range h.Networks {
		c := h.networks[n]
		fmt.Fprintf(&b, "%6s: %d 10 0 0 0 0 0 0 %d 10 0 0 0 0 0 0\n", n, uint64(c[0]), uint64(c[1]))
	}
	return b.String()
}

func (h *Host) processes(files map[string]string) {
	list := map[int]*Process{1: {Name: "systemd", CGroup: "/init.scope", Resident: 10 << 20, Shared: 8 << 20}}
	for pid, p := range h.Processes {
		list[pid] = p
	}
	page := uint64(os.Getpagesize())
	for pid, p := range list {
		dir := fmt.Sprintf("proc/%d/", pid)
		files[dir+"stat"] = fmt.Sprintf("%d (%s) S 1 %d %d 0 -1 4194560 100 0 0 0 %d %d 0 0 20 0 1 0 %d 100000 %d 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
			pid, p.Name, pid, pid, p.Ticks-p.Ticks/4, p.Ticks/4, p.Start, p.Resident/page)
		files[dir+"statm"] = fmt.Sprintf("%d %d %d 1 0 100 0\n", 2*p.Resident/page, p.Resident/page, p.Shared/page)
		files[dir+"status"] = fmt.Sprintf("Name:\t%s\nState:\tS (sleeping)\nUid:\t%d\t%d\t%d\t%d\n", p.Name, p.User, p.User, p.User, p.User)
		files[dir+"cmdline"] = strings.ReplaceAll(p.Command, " ", "\x00") + "\x00"
		files[dir+"cgroup"] = "0::" + p.CGroup + "\n"
	}
}
