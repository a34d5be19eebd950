package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"
	"github.com/shirou/gopsutil/v4/common"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
)

// tree reads a Linux machine from its proc and sys file systems.
type tree struct {
	root  string // "" is /
	space func(string) (Space, error)
	wants func(...string) bool
}

func newTree(root string, space func(string) (Space, error), wants func(...string) bool) *tree {
	t := &tree{root: root, space: space, wants: wants}
	if t.space == nil {
		t.space = func(mountPoint string) (Space, error) {
			u, err := disk.Usage(filepath.Join("/", t.root, mountPoint))
			if err != nil {
				return Space{}, err
			}
			return Space{Used: u.Used, Available: u.Free}, nil
		}
	}
	return t
}

// path is a file of the tree.
func (t *tree) path(parts ...string) string {
	return filepath.Join(append([]string{"/", t.root}, parts...)...)
}

// initial is the folder of the process whose view of mounts and networks is the
// machine's.
func (t *tree) initial() string {
	if t.root != "" {
		if p := t.path("proc", "1"); exists(filepath.Join(p, "mountinfo")) {
			return p
		}
	}
	return t.path("proc", "self")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (t *tree) read(ctx context.Context, r *reading) error {
	var errs []error
	try := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	proc, err := procfs.NewFS(t.path("proc"))
	if err != nil {
		return fmt.Errorf("%w: %w", errNothing, err)
	}
	r.boot = firstLine(t.path("proc", "sys", "kernel", "random", "boot_id"))
	limit, err := t.limits()
	try(err)
	try(t.readCPU(r, limit))
	try(t.readMemory(proc, r, limit))
	if !r.cpu.ok && !r.memory.ok {
		return fmt.Errorf("%w: %w", errNothing, errors.Join(errs...))
	}
	try(t.readUptime(r))
	if t.wants("load1") {
		load, err := proc.LoadAvg()
		r.load1 = known[float64]{}
		if err == nil {
			r.load1 = is(load.Load1)
		}
		try(err)
	}
	if t.wants("disk_usage") {
		try(t.readSpace(r))
	}
	if t.wants("disk_read_bytes_per_second", "disk_write_bytes_per_second", "disk_read_ops_per_second", "disk_write_ops_per_second") {
		try(t.readDisks(r))
	}
	if t.wants("network_receive_bytes_per_second", "network_transmit_bytes_per_second") {
		try(t.readNetworks(r))
	}
	if t.wants("processes") {
		try(t.readProcesses(r))
	}
	if t.wants("sessions") {
		try(t.readSessions(ctx, r))
	}
	return errors.Join(errs...)
}

func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}

func (t *tree) readCPU(r *reading, limit limited) error {
	times, cpus, err := t.stat()
	if err != nil {
		return err
	}
	r.vcpus = cpus
	if limit.cpus > 0 && limit.cpus < float64(cpus) {
		r.limit.cpus = limit.cpus
		used, err := limit.used()
		if err != nil {
			return err
		}
		times.used = is(used)
	}
	r.cpu = is(times)
	return nil
}

func (t *tree) times(context.Context) (cpuTimes, error) {
	times, _, err := t.stat()
	if err != nil {
		return times, err
	}
	limit, err := t.limits()
	if err == nil && limit.cpus > 0 {
		var used uint64
		if used, err = limit.used(); err == nil {
			times.used = is(used)
		}
	}
	return times, err
}

// stat reads the counters of CPU time, in ticks, and the number of CPUs on
// line. Of the file only the lines of CPUs are looked at: those of interrupts
// are long on large machines.
func (t *tree) stat() (cpuTimes, int, error) {
	path := t.path("proc", "stat")
	data, err := os.ReadFile(path)
	if err != nil {
		return cpuTimes{}, 0, err
	}
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	times, err := parseCPU(line)
	if err != nil {
		return cpuTimes{}, 0, fmt.Errorf("%s: line 1: %w", path, err)
	}
	cpus := 0
	for bytes.HasPrefix(rest, []byte("cpu")) {
		cpus++
		_, rest, _ = bytes.Cut(rest, []byte("\n"))
	}
	if cpus == 0 {
		return cpuTimes{}, 0, fmt.Errorf("%s: no CPU is listed", path)
	}
	return times, cpus, nil
}

// parseCPU reads the line "cpu user nice system idle iowait irq softirq steal
// guest guest_nice"; old kernels have fewer columns. Guests' time is in that of
// users already.
func parseCPU(line []byte) (cpuTimes, error) {
	fields := bytes.Fields(line)
	if len(fields) < 5 || string(fields[0]) != "cpu" {
		return cpuTimes{}, fmt.Errorf("%q does not list CPU times", line)
	}
	var n [8]uint64
	for i := range n {
		if i+1 >= len(fields) {
			break
		}
		v, err := strconv.ParseUint(string(fields[i+1]), 10, 64)
		if err != nil {
			return cpuTimes{}, fmt.Errorf("column %d: %q is not a number of ticks", i+2, fields[i+1])
		}
		n[i] = v
	}
	const idle, iowait, steal = 3, 4, 7
	var t cpuTimes
	for _, v := range n {
		t.total += v
	}
	t.iowait, t.steal = n[iowait], n[steal]
	t.busy = t.total - n[idle] - n[iowait] - n[steal]
	return t, nil
}

func (t *tree) readMemory(proc procfs.FS, r *reading, limit limited) error {
	info, err := proc.Meminfo()
	if err != nil {
		return fmt.Errorf("%s: %w", t.path("proc", "meminfo"), err)
	}
	if info.MemTotalBytes == nil || *info.MemTotalBytes == 0 {
		return fmt.Errorf("%s: there is no MemTotal", t.path("proc", "meminfo"))
	}
	m := memory{total: *info.MemTotalBytes, swapTotal: value(info.SwapTotalBytes), swapFree: value(info.SwapFreeBytes)}
	if info.MemAvailableBytes != nil {
		m.available = *info.MemAvailableBytes
	} else { // kernels before 3.14
		m.available = value(info.MemFreeBytes) + value(info.BuffersBytes) + value(info.CachedBytes) + value(info.SReclaimableBytes)
		m.available -= min(m.available, value(info.ShmemBytes))
	}
	if limit.memory > 0 && limit.memory < m.total {
		r.limit.memory = limit.memory
		used, err := limit.usedMemory()
		if err != nil {
			return err
		}
		m.total, m.available = limit.memory, limit.memory-min(used, limit.memory)
		swap, swapped, err := limit.swap(m.swapTotal)
		if err != nil {
			return err
		}
		m.swapTotal, m.swapFree = swap, swap-min(swapped, swap)
	}
	r.memory = is(m)
	return nil
}

func value(p *uint64) uint64 {
	if p == nil {
		return 0
	}
	return *p
}

func (t *tree) readUptime(r *reading) error {
	path := t.path("proc", "uptime")
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(data), " ")
	up, err := strconv.ParseFloat(strings.TrimSpace(first), 64)
	if err != nil || up < 0 {
		return fmt.Errorf("%s: %q is not a time since boot", path, first)
	}
	r.uptime = is(up)
	return nil
}

// errHidden says that this user sees processes of his own only.
var errHidden = errors.New("the first process is not visible: proc is mounted with hidepid, so that processes can neither be counted nor put into groups")

// readProcesses counts the folders of processes.
func (t *tree) readProcesses(r *reading) error {
	if !exists(t.path("proc", "1")) {
		return fmt.Errorf("%s: %w", t.path("proc"), errHidden)
	}
	n := 0
	err := t.eachProcess(func(string) { n++ })
	if err != nil {
		return err
	}
	r.processes = is(n)
	return nil
}

// eachProcess names the folders of processes, in no order.
func (t *tree) eachProcess(yield func(pid string)) error {
	d, err := os.Open(t.path("proc"))
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	for _, name := range names {
		if name[0] >= '1' && name[0] <= '9' && strings.Trim(name, "0123456789") == "" {
			yield(name)
		}
	}
	return nil
}

// readSessions counts the users' sessions: those that systemd-logind lists,
// else those in utmp. Neither is there in many containers.
func (t *tree) readSessions(ctx context.Context, r *reading) error {
	dir := t.path("run", "systemd", "sessions")
	entries, err := os.ReadDir(dir)
	if err == nil {
		n := 0
		for _, e := range entries {
			if !e.Type().IsRegular() {
				continue // named pipes of sessions
			}
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				continue // it has ended
			}
			if isUserSession(string(data)) {
				n++
			}
		}
		r.sessions = is(n)
		return nil
	}
	if !exists(t.path("run", "utmp")) {
		return nil
	}
	env := common.EnvMap{common.HostVarEnvKey: t.path(""), common.HostRunEnvKey: t.path("run"), common.HostRootEnvKey: t.path("")}
	users, err := host.UsersWithContext(context.WithValue(ctx, common.EnvKey, env))
	if err != nil {
		return fmt.Errorf("%s: %w", t.path("run", "utmp"), err)
	}
	r.sessions = is(len(users))
	return nil
}

func isUserSession(text string) bool {
	user := false
	for line := range strings.Lines(text) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "CLASS=user") && line != "CLASS=user-incomplete" && line != "CLASS=user-early":
			user = true
		case line == "STATE=closing":
			return false
		}
	}
	return user
}

// readDisks reads the counters of disks: block devices of the machine, or the
// hypervisor. Partitions, and devices made of others (loop, device mapper, RAID,
// zram), would count everything twice.
func (t *tree) readDisks(r *reading) error {
	dev, err := blockdevice.NewFS(t.path("proc"), t.path("sys"))
	if err != nil {
		return err
	}
	stats, err := dev.ProcDiskstats()
	if err != nil {
		return fmt.Errorf("%s: %w", t.path("proc", "diskstats"), err)
	}
	disks := map[string]counters{}
	const sector = 512 // of /proc/diskstats, whatever the device's is
	for _, s := range stats {
		if exists(t.path("sys", "block", s.DeviceName, "device")) {
			disks[s.DeviceName] = counters{s.ReadSectors * sector, s.WriteSectors * sector, s.ReadIOs, s.WriteIOs}
		}
	}
	for name := range disks {
		if m := nvmePath.FindStringSubmatch(name); m != nil && disks[m[1]+m[2]] != (counters{}) {
			delete(disks, name)
		}
	}
	r.disks = is(disks)
	return nil
}

// nvmePath is the name of a path to an NVMe disk that there are several to, and
// in parentheses the parts of the disk's. Kernels before 6.3 count what goes over
// the paths, later ones also what goes to the disk.
var nvmePath = regexp.MustCompile(`^(nvme[0-9]+)c[0-9]+(n[0-9]+)$`)

// readNetworks reads the counters of physical interfaces: those that sysfs
// knows a device of. Bonds and bridges have none, but what they are made of has.
// An interface that is part of one with a device, as the virtual function of a
// machine of Azure is, has its traffic counted there.
func (t *tree) readNetworks(r *reading) error {
	path := filepath.Join(t.initial(), "net", "dev")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		path = t.path("proc", "net", "dev")
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return err
	}
	list := map[string]counters{}
	number := 0
	for line := range bytes.Lines(data) {
		if number++; number <= 2 {
			continue // headers
		}
		i := bytes.LastIndexByte(line, ':') // aliases have colons in their names
		if i < 0 {
			return fmt.Errorf("%s: line %d: no interface is named", path, number)
		}
		name := string(bytes.TrimSpace(line[:i]))
		in := t.path("sys", "class", "net", name)
		if !exists(filepath.Join(in, "device")) || exists(filepath.Join(in, "master", "device")) {
			continue
		}
		fields := bytes.Fields(line[i+1:])
		if len(fields) < 9 {
			return fmt.Errorf("%s: line %d: %d columns of %s", path, number, len(fields), name)
		}
		var c counters
		for k, at := range [...]int{bytesIn: 0, bytesOut: 8} {
			if c[k], err = strconv.ParseUint(string(fields[at]), 10, 64); err != nil {
				return fmt.Errorf("%s: line %d: %q of %s is not a number of bytes", path, number, fields[at], name)
			}
		}
		list[name] = c
	}
	r.networks = is(list)
	return nil
}
