package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// limited is what the control group of a container allows, and where its use
// is counted.
type limited struct {
	limits
	used       func() (uint64, error) // CPU time in microseconds
	usedMemory func() (uint64, error) // bytes that cannot be taken back
	// swap is how much may be swapped out, given how much swap space the machine
	// has, and how much is; zero where neither is counted.
	swap func(machine uint64) (total, used uint64, err error)
}

// limits finds the limits of the container that this is. A machine, virtual or
// not, has none: its first process is in the root group, or in one without
// limits. The group of this process itself is of no interest: its limits are
// the collector's own.
func (t *tree) limits() (limited, error) {
	groups, err := t.groupsOf("1")
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return limited{}, nil
		}
		return limited{}, err
	}
	var l limited
	if t.version2() {
		err = t.limitsV2(&l, groups[""])
	} else {
		err = t.limitsV1(&l, groups)
	}
	return l, err
}

// version2 says whether control groups are those of version 2 alone.
func (t *tree) version2() bool { return exists(t.path("sys", "fs", "cgroup", "cgroup.controllers")) }

// groupsOf are the control groups of a process by controller; "" is that of
// version 2.
func (t *tree) groupsOf(pid string) (map[string]string, error) {
	data, err := os.ReadFile(t.path("proc", pid, "cgroup"))
	if err != nil {
		return nil, err
	}
	groups := map[string]string{}
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			return nil, fmt.Errorf("%s: %q is not a control group", t.path("proc", pid, "cgroup"), line)
		}
		for _, controller := range strings.Split(parts[1], ",") {
			groups[controller] = parts[2]
		}
	}
	return groups, nil
}

// upwards lists a group and those around it, the root last.
func upwards(group string) []string {
	group = path.Clean("/" + group)
	list := []string{group}
	for group != "/" {
		group = path.Dir(group)
		list = append(list, group)
	}
	return list
}

func (t *tree) limitsV2(l *limited, group string) error {
	base := t.path("sys", "fs", "cgroup")
	for _, g := range upwards(group) {
		dir := filepath.Join(base, g)
		quota, period, err := pair(filepath.Join(dir, "cpu.max"))
		if err != nil {
			return err
		}
		if cpus := quota / max(period, 1); quota > 0 && (l.cpus == 0 || cpus < l.cpus) {
			l.cpus = cpus
			l.used = func() (uint64, error) { return keyed(filepath.Join(dir, "cpu.stat"), "usage_usec") }
		}
		// The root of the machine has no cpuset.cpus, and what is missing from its
		// effective ones is no limit.
		if exists(filepath.Join(dir, "cpuset.cpus")) {
			pinned, err := countCPUs(filepath.Join(dir, "cpuset.cpus.effective"))
			if err != nil {
				return err
			}
			if pinned > 0 && (l.cpus == 0 || pinned < l.cpus) {
				l.cpus = pinned
				l.used = func() (uint64, error) { return keyed(filepath.Join(dir, "cpu.stat"), "usage_usec") }
			}
		}
		most, _, err := pair(filepath.Join(dir, "memory.max"))
		if err != nil {
			return err
		}
		if most > 0 && (l.memory == 0 || uint64(most) < l.memory) {
			l.memory = uint64(most)
			l.usedMemory = func() (uint64, error) {
				return workingSet(filepath.Join(dir, "memory.current"), filepath.Join(dir, "memory.stat"), "inactive_file")
			}
			l.swap = func(machine uint64) (uint64, uint64, error) {
				text := firstLine(filepath.Join(dir, "memory.swap.max"))
				if text == "" || text == "0" {
					return 0, 0, nil
				}
				most, _, err := pair(filepath.Join(dir, "memory.swap.max"))
				used, _, err2 := pair(filepath.Join(dir, "memory.swap.current"))
				if most > 0 {
					machine = min(machine, uint64(most))
				}
				return machine, uint64(used), errors.Join(err, err2)
			}
		}
	}
	return nil
}

func (t *tree) limitsV1(l *limited, groups map[string]string) error {
	for _, g := range upwards(groups["cpu"]) {
		dir := filepath.Join(t.controller("cpu"), g)
		quota, _, err := pair(filepath.Join(dir, "cpu.cfs_quota_us"))
		if err != nil {
			return err
		}
		period, _, err := pair(filepath.Join(dir, "cpu.cfs_period_us"))
		if err != nil {
			return err
		}
		if cpus := quota / max(period, 1); quota > 0 && (l.cpus == 0 || cpus < l.cpus) {
			l.cpus, l.used = cpus, t.usedV1(g)
		}
	}
	for _, g := range upwards(groups["cpuset"]) {
		dir := filepath.Join(t.controller("cpuset"), g)
		file := filepath.Join(dir, "cpuset.effective_cpus")
		if !exists(file) { // kernels before 4.0
			file = filepath.Join(dir, "cpuset.cpus")
		}
		pinned, err := countCPUs(file)
		if err != nil {
			return err
		}
		if pinned > 0 && (l.cpus == 0 || pinned < l.cpus) {
			l.cpus, l.used = pinned, t.usedV1(g)
		}
	}
	for _, g := range upwards(groups["memory"]) {
		dir := filepath.Join(t.controller("memory"), g)
		most, _, err := pair(filepath.Join(dir, "memory.limit_in_bytes"))
		if err != nil {
			return err
		}
		const unlimited = 1 << 62 // what a group without a limit shows is about 2^63
		if most > 0 && most < unlimited && (l.memory == 0 || uint64(most) < l.memory) {
			l.memory = uint64(most)
			l.usedMemory = func() (uint64, error) {
				return workingSet(filepath.Join(dir, "memory.usage_in_bytes"), filepath.Join(dir, "memory.stat"), "total_inactive_file")
			}
			l.swap = func(machine uint64) (uint64, uint64, error) {
				if !exists(filepath.Join(dir, "memory.memsw.limit_in_bytes")) {
					return 0, 0, nil // swap is not counted
				}
				both, _, err := pair(filepath.Join(dir, "memory.memsw.limit_in_bytes"))
				used, _, err2 := pair(filepath.Join(dir, "memory.memsw.usage_in_bytes"))
				memory, _, err3 := pair(filepath.Join(dir, "memory.usage_in_bytes"))
				if both < unlimited {
					machine = min(machine, uint64(max(both-most, 0)))
				}
				return machine, uint64(max(used-memory, 0)), errors.Join(err, err2, err3)
			}
		}
	}
	return nil
}

// controller is the folder of a controller of version 1. Where two share one it has
// both names, and often, not always, there are links by each.
func (t *tree) controller(name string) string {
	base := t.path("sys", "fs", "cgroup")
	if name == "cpu" || name == "cpuacct" {
		for _, joint := range []string{name, "cpu,cpuacct", "cpuacct,cpu"} {
			if dir := filepath.Join(base, joint); exists(dir) {
				return dir
			}
		}
	}
	return filepath.Join(base, name)
}

// usedV1 is the CPU time of a control group of version 1.
func (t *tree) usedV1(group string) func() (uint64, error) {
	return func() (uint64, error) {
		for _, controller := range []string{"cpuacct", "cpu"} { // often one folder
			file := filepath.Join(t.controller(controller), group, "cpuacct.usage")
			if exists(file) {
				n, _, err := pair(file)
				return uint64(n / 1000), err
			}
		}
		return 0, fmt.Errorf("control group %s: its CPU time is not counted", group)
	}
}

// countCPUs is how many CPUs a list such as 0-3,8 names; 0 where there is none.
func countCPUs(file string) (float64, error) {
	n := 0
	for part := range strings.SplitSeq(firstLine(file), ",") {
		if part == "" {
			continue
		}
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err1 := strconv.ParseUint(from, 10, 16)
		b, err2 := strconv.ParseUint(to, 10, 16)
		if err1 != nil || err2 != nil || b < a {
			return 0, fmt.Errorf("%s: %q is not a range of CPUs", file, part)
		}
		n += int(b-a) + 1
	}
	return float64(n), nil
}

// pair reads a file of one or two numbers. A missing file, "max" and negative
// numbers are 0: no limit.
func pair(file string) (a, b float64, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return 0, 0, nil
		}
		return 0, 0, err
	}
	var n [2]float64
	for i, f := range bytes.Fields(data) {
		if i == len(n) {
			break
		}
		if string(f) == "max" {
			continue
		}
		if n[i], err = strconv.ParseFloat(string(f), 64); err != nil {
			return 0, 0, fmt.Errorf("%s: %q is not a number", file, f)
		}
		n[i] = max(n[i], 0)
	}
	return n[0], n[1], nil
}

// keyed reads the number behind a key of a file of lines "key number".
func keyed(file, key string) (uint64, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(data) {
		k, v, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if ok && string(k) == key {
			n, err := strconv.ParseUint(string(v), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %s %q is not a number", file, key, v)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s: there is no %s", file, key)
}

// workingSet is the memory of a group that the kernel cannot take back at once:
// what it uses less the part of its page cache that was not used lately.
func workingSet(usage, stat, inactive string) (uint64, error) {
	used, _, err := pair(usage)
	if err != nil {
		return 0, err
	}
	cache, err := keyed(stat, inactive)
	if err != nil {
		return 0, err
	}
	return uint64(used) - min(cache, uint64(used)), nil
}
