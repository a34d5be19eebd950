package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
)

// portable reads the machine through gopsutil, which asks the operating system
// whatever it is.
type portable struct {
	space func(string) (Space, error)
	wants func(...string) bool
}

func (p portable) times(ctx context.Context) (cpuTimes, error) {
	list, err := cpu.TimesWithContext(ctx, false)
	if err != nil {
		return cpuTimes{}, fmt.Errorf("CPU times: %w", err)
	}
	if len(list) != 1 {
		return cpuTimes{}, errors.New("CPU times: none are known")
	}
	ms := func(seconds float64) uint64 { return uint64(max(seconds, 0)*1000 + 0.5) }
	x := list[0] // guests' time is in that of users
	t := cpuTimes{iowait: ms(x.Iowait), steal: ms(x.Steal)}
	t.busy = ms(x.User) + ms(x.Nice) + ms(x.System) + ms(x.Irq) + ms(x.Softirq)
	t.total = t.busy + t.iowait + t.steal + ms(x.Idle)
	return t, nil
}

func (p portable) read(ctx context.Context, r *reading) error {
	var errs []error
	try := func(what string, err error) bool {
		if err != nil && !isNotImplemented(err) {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
		return err == nil
	}
	if t, err := p.times(ctx); try("this machine", err) {
		r.cpu = is(t)
	}
	if n, err := cpu.CountsWithContext(ctx, true); try("number of CPUs", err) {
		r.vcpus = n
	}
	if m, err := mem.VirtualMemoryWithContext(ctx); try("memory", err) {
		r.memory = is(memory{total: m.Total, available: m.Available})
	}
	if !r.cpu.ok && !r.memory.ok {
		return fmt.Errorf("%w: %w", errNothing, errors.Join(errs...))
	}
	if s, err := mem.SwapMemoryWithContext(ctx); try("swap space", err) && r.memory.ok {
		r.memory.v.swapTotal, r.memory.v.swapFree = s.Total, s.Free
	}
	if up, err := host.UptimeWithContext(ctx); try("time since boot", err) {
		r.uptime = is(float64(up))
	}
	if runtime.GOOS != "windows" && p.wants("load1") { // Windows has no such figure
		if l, err := load.AvgWithContext(ctx); try("load", err) {
			r.load1 = is(l.Load1)
		}
	}
	if p.wants("disk_usage") {
		try("file systems", p.readSpace(ctx, r))
	}
	if disks, err := disk.IOCountersWithContext(ctx); try("disks", err) {
		r.disks = is(map[string]counters{})
		for name, d := range disks {
			if isDisk(name) {
				r.disks.v[name] = counters{d.ReadBytes, d.WriteBytes, d.ReadCount, d.WriteCount}
			}
		}
	}
	if nics, err := net.IOCountersWithContext(ctx, true); try("network interfaces", err) {
		r.networks = is(map[string]counters{})
		for _, n := range nics {
			if isPhysical(n.Name) {
				r.networks.v[n.Name] = counters{n.BytesRecv, n.BytesSent}
			}
		}
	}
	if pids, err := process.PidsWithContext(ctx); try("processes", err) {
		r.processes = is(len(pids))
	}
	if p.wants("sessions") {
		if users, err := host.UsersWithContext(ctx); try("sessions", err) {
			r.sessions = is(len(users))
		}
	}
	return errors.Join(errs...)
}

// isNotImplemented tells what gopsutil does not know on a system from what
// failed.
func isNotImplemented(err error) bool {
	return strings.Contains(err.Error(), "not implemented yet") || errors.Is(err, fs.ErrNotExist)
}

func (p portable) readSpace(ctx context.Context, r *reading) error {
	parts, err := disk.PartitionsWithContext(ctx, false)
	if err != nil {
		return err
	}
	space := p.space
	if space == nil {
		space = func(point string) (Space, error) {
			u, err := disk.UsageWithContext(ctx, point)
			if err != nil {
				return Space{}, err
			}
			return Space{Used: u.Used, Available: u.Free}, nil
		}
	}
	seen := map[string]bool{}
	for _, x := range parts {
		if !isStoring(strings.ToLower(x.Fstype)) || seen[x.Device] {
			continue
		}
		seen[x.Device] = true
		if s, err := space(x.Mountpoint); err == nil { // drives may be empty
			r.fuller(s)
		}
	}
	return nil
}

// isDisk leaves out what is made of other devices, and partitions of Linux.
func isDisk(name string) bool {
	for _, prefix := range []string{"loop", "ram", "dm-", "md", "zram", "sr", "fd"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	if runtime.GOOS != "linux" {
		return true
	}
	return !strings.ContainsAny(name[len(name)-1:], "0123456789") || strings.HasPrefix(name, "nvme") && !strings.Contains(name, "p")
}

// isPhysical leaves out interfaces that carry what others carry, or nothing
// that leaves the machine.
func isPhysical(name string) bool {
	name = strings.ToLower(name)
	for _, prefix := range []string{"lo", "veth", "docker", "br-", "bridge", "virbr", "cni", "flannel", "cali", "tun", "tap", "utun", "awdl",
		"llw", "gif", "stf", "anpi", "ap", "vmenet", "vmnet", "ifb", "dummy", "bond", "team", "wg", "vethernet", "isatap", "teredo", "npcap"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return !strings.Contains(name, "loopback") && !strings.Contains(name, "pseudo")
}
