package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// grouper reads processes and tells which group each is of.
type grouper struct {
	tree  *tree
	rules []rule
	max   int

	known  map[int]running // by pid
	users  map[string]string
	passwd time.Time       // when the file of users was changed
	names  []string        // groups that have a place, in the order they came
	over   map[string]bool // groups that found none, the first thousand
	needs  struct{ user, cgroup bool }
}

// running is what is known of a process. It stays the same while pid, start
// and name do.
type running struct {
	start  uint64 // ticks after boot
	name   string
	group  string
	cgroup string // "" where rules do not ask for it
	cpu    uint64 // ticks
	seen   int    // readings since its group was found out
}

// lookAgain is after how many readings a process is asked again for its user,
// control group and name: it may have become another's, or moved.
const lookAgain = 10

// groupReading is the counters of all groups at a moment.
type groupReading struct {
	processes map[int]running
	memory    map[string]uint64     // bytes by group
	cgroups   map[string]cgroupTime // by path, where CPU time is counted by control group
}

// cgroupTime is the CPU time of a control group and all in it, in microseconds.
type cgroupTime struct {
	used  uint64
	group string
}

func newGrouper(t *tree, list []GroupRule, most int) (*grouper, error) {
	rules, err := compileRules(list)
	if err != nil {
		return nil, err
	}
	g := &grouper{tree: t, rules: rules, max: most, known: map[int]running{}, over: map[string]bool{}}
	for _, r := range rules {
		g.needs.user = g.needs.user || r.user != nil
		g.needs.cgroup = g.needs.cgroup || r.cgroup != nil
	}
	return g, nil
}

func (g *grouper) notes() []string {
	if len(g.over) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d process groups beyond the %d that are told apart are counted as %q", len(g.over), g.max, OtherGroup)}
}

// place gives a group a place if there is one, and returns the name it goes by.
// Places are kept: a group does not change its name while others come and go.
func (g *grouper) place(name string) string {
	switch {
	case name == "" || name == OtherGroup:
		return OtherGroup
	case slices.Contains(g.names, name):
		return name
	case len(g.names) < g.max:
		g.names = append(g.names, name)
		return name
	}
	if len(g.over) < 1000 {
		g.over[name] = true
	}
	return OtherGroup
}

// read reads all processes and the control groups that rules speak of.
func (g *grouper) read() (*groupReading, error) {
	if !exists(g.tree.path("proc", "1")) {
		if g.tree.wants("processes") {
			return nil, nil // it was told with their number
		}
		return nil, fmt.Errorf("%s: %w", g.tree.path("proc"), errHidden)
	}
	r := &groupReading{processes: make(map[int]running, len(g.known)), memory: map[string]uint64{}}
	shared := map[string]uint64{}
	if g.needs.user {
		g.readUsers()
	}
	var errs []error
	err := g.tree.eachProcess(func(name string) {
		pid, err := strconv.Atoi(name)
		if err != nil {
			return
		}
		p, err := g.process(pid, name)
		if errors.Is(err, fs.ErrNotExist) || isGone(err) {
			return // it has ended
		}
		if err != nil {
			if len(errs) < 3 {
				errs = append(errs, err)
			}
			return
		}
		r.processes[pid] = p
		own, common := g.residentMemory(name)
		r.memory[p.group] += own
		shared[p.group] = max(shared[p.group], common)
	})
	if err != nil {
		return nil, err
	}
	for group, n := range shared {
		r.memory[group] += n
	}
	g.known = r.processes
	if g.needs.cgroup && g.tree.version2() {
		r.cgroups = map[string]cgroupTime{}
		g.walk("/", "", r)
	}
	return r, errors.Join(errs...)
}

// isGone says whether a process ended while its file was read.
func isGone(err error) bool {
	return errors.Is(err, syscall.ESRCH)
}

// process reads one process.
func (g *grouper) process(pid int, dir string) (running, error) {
	path := g.tree.path("proc", dir, "stat")
	data, err := os.ReadFile(path)
	if err != nil {
		return running{}, err
	}
	p, err := parseProcess(data)
	if err != nil {
		return running{}, fmt.Errorf("%s: %w", path, err)
	}
	k, ok := g.known[pid]
	ok = ok && k.start == p.start && k.name == p.name
	if ok && k.seen > 0 && k.seen < lookAgain {
		p.group, p.cgroup, p.seen = k.group, k.cgroup, k.seen+1
		return p, nil
	}
	if ok { // those that were there at the beginning are not all asked at once again
		p.seen = 1 + pid%3
	}
	f := facts{name: g.fullName(dir, p.name)}
	if g.needs.user {
		f.user = g.user(dir)
	}
	if g.needs.cgroup {
		groups, err := g.tree.groupsOf(dir)
		if err != nil {
			return running{}, err
		}
		for _, hierarchy := range []string{"", "name=systemd", "cpu", "memory"} { // of version 2, then of version 1
			if f.cgroup = groups[hierarchy]; f.cgroup != "" && f.cgroup != "/" {
				break
			}
		}
	}
	group, _ := first(g.rules, f)
	p.group, p.cgroup = g.place(group), f.cgroup
	return p, nil
}

// parseProcess reads /proc/PID/stat: pid (name) state and numbers. Names may
// hold brackets and blanks.
func parseProcess(data []byte) (running, error) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return running{}, fmt.Errorf("%q names no program", data)
	}
	p := running{name: string(data[open+1 : end])}
	const utime, stime, start = 11, 12, 19 // behind the name
	rest := data[end+1:]
	for i := 0; i <= start; i++ {
		rest = bytes.TrimLeft(rest, " ")
		field, after, _ := bytes.Cut(rest, []byte(" "))
		rest = after
		if i != utime && i != stime && i != start {
			continue
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(field)), 10, 64)
		if err != nil {
			return running{}, fmt.Errorf("column %d: %q is not a number", i+3, field)
		}
		if i == start {
			p.start = n
		} else {
			p.cpu += n
		}
	}
	return p, nil
}

// fullName is the program's name where the kernel's copy of it, 15 bytes, may
// be cut. A script's stands behind its interpreter and that one's options.
func (g *grouper) fullName(dir, name string) string {
	if len(name) < 15 {
		return name
	}
	line, err := os.ReadFile(g.tree.path("proc", dir, "cmdline"))
	if err != nil {
		return name
	}
	for range 4 {
		word, rest, _ := bytes.Cut(line, []byte{0})
		if base := filepath.Base(string(word)); strings.HasPrefix(base, name) {
			return base
		}
		line = rest
	}
	return name
}

// user is the name of the effective user of a process.
func (g *grouper) user(dir string) string {
	data, err := os.ReadFile(g.tree.path("proc", dir, "status"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		ids, ok := strings.CutPrefix(line, "Uid:")
		if f := strings.Fields(ids); ok && len(f) >= 2 {
			if name, ok := g.users[f[1]]; ok {
				return name
			}
			return f[1]
		}
	}
	return ""
}

// readUsers reads names of users when their file changed.
func (g *grouper) readUsers() {
	path := g.tree.path("etc", "passwd")
	info, err := os.Stat(path)
	if err != nil || info.ModTime().Equal(g.passwd) {
		return
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return
	}
	g.passwd, g.users = info.ModTime(), map[string]string{}
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(line, ":"); len(f) >= 3 {
			g.users[f[2]] = f[0]
		}
	}
	g.known = map[int]running{} // they may be called otherwise now
}

// residentMemory is the memory of a process that is its own, and that which it
// may share with others, in bytes. The group's memory is the sum of the former
// and the largest of the latter: adding up what many processes of a database
// share would count it once for each.
func (g *grouper) residentMemory(dir string) (own, shared uint64) {
	data, err := os.ReadFile(g.tree.path("proc", dir, "statm"))
	if err != nil {
		return 0, 0
	}
	f := bytes.Fields(data)
	if len(f) < 3 {
		return 0, 0
	}
	resident, err1 := strconv.ParseUint(string(f[1]), 10, 64)
	common, err2 := strconv.ParseUint(string(f[2]), 10, 64)
	if err1 != nil || err2 != nil {
		return 0, 0
	}
	common = min(common, resident)
	page := uint64(os.Getpagesize())
	return (resident - common) * page, common * page
}

// walk reads the CPU time of control groups that a rule of control groups alone
// matches: it counts processes that have ended, too. Of those inside one, only
// such of another group are of interest.
func (g *grouper) walk(path, within string, r *groupReading) {
	const deepest = 32
	if strings.Count(path, "/") > deepest {
		return
	}
	dir := g.tree.path("sys", "fs", "cgroup", path)
	if path != "/" {
		group, alone := first(g.rules, facts{cgroup: path})
		name := g.place(group)
		if alone && name != within && (name != OtherGroup || within != "") {
			if used, err := keyed(filepath.Join(dir, "cpu.stat"), "usage_usec"); err == nil {
				r.cgroups[path] = cgroupTime{used, name}
				within = name
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // removed meanwhile
	}
	for _, e := range entries {
		if e.IsDir() {
			g.walk(filepath.Join(path, e.Name()), within, r)
		}
	}
}

// groupUsage is what a group used, as shares of the machine's capacity.
type groupUsage struct {
	name        string
	cpu, memory known[float64]
}

// usage is what each group used between two readings, in the order of names,
// "other" last.
func (g *grouper) usage(a, b *reading) []groupUsage {
	elapsed := (b.mono - a.mono).Seconds()
	capacity := b.capacityCPUs()
	seconds := cpuSeconds(a, b)
	var out []groupUsage
	names := append(slices.Sorted(slices.Values(g.names)), OtherGroup)
	for _, name := range names {
		u := groupUsage{name: name}
		if capacity > 0 && elapsed > 0 {
			u.cpu = is(min(1, seconds[name]/(elapsed*capacity)))
		}
		if b.memory.ok && b.memory.v.total > 0 {
			u.memory = is(min(1, part(b.groups.memory[name], b.memory.v.total)))
		}
		out = append(out, u)
	}
	return out
}

// cpuSeconds is the CPU time of each group between two readings: that of the
// control groups counted, and of the processes outside of them or of other groups
// than they are.
func cpuSeconds(a, b *reading) map[string]float64 {
	const hz, micro = 100, 1e6
	seconds := map[string]float64{}
	strangers := map[string]float64{} // CPU time of processes of other groups, by control group they are in
	for pid, now := range b.groups.processes {
		s := float64(ticksOf(pid, now, a)) / hz
		path, counted := b.groups.counting(now.cgroup)
		if counted && b.groups.cgroups[path].group == now.group {
			continue
		}
		seconds[now.group] += s
		if counted {
			strangers[path] += s
		}
	}
	for path, now := range b.groups.cgroups {
		used := float64(now.used)
		if before := a.groups.cgroups[path]; before.used <= now.used { // else it was made anew
			used -= float64(before.used)
		}
		seconds[now.group] += used / micro
		if outer, ok := b.groups.counting(filepath.Dir(path)); ok {
			seconds[b.groups.cgroups[outer].group] -= used / micro
		}
	}
	for path, s := range strangers {
		seconds[b.groups.cgroups[path].group] -= s
	}
	for name, s := range seconds {
		seconds[name] = max(0, s)
	}
	return seconds
}

// ticksOf is the CPU time of a process since a reading. One that started since
// then counts whole; one that was there and could not be read counts nothing.
func ticksOf(pid int, now running, a *reading) uint64 {
	if before, ran := a.groups.processes[pid]; ran && before.start == now.start {
		return now.cpu - min(before.cpu, now.cpu)
	}
	const hz = 100
	if a.uptime.ok && float64(now.start) < (a.uptime.v-1)*hz {
		return 0
	}
	return now.cpu
}

// counting is the control group, a given one or one around it, whose CPU time
// is counted.
func (r *groupReading) counting(cgroup string) (string, bool) {
	for len(r.cgroups) > 0 && cgroup != "" && cgroup != "/" {
		if _, ok := r.cgroups[cgroup]; ok {
			return cgroup, true
		}
		cgroup = filepath.Dir(cgroup)
	}
	return "", false
}
