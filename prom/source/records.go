package source

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/pricing"
	"github.com/leanfleet/leanfleet/prom/internal/names"
)

// fact is what labels said of a host from a time on.
type fact struct {
	from   int64
	labels map[string]string
	info   bool // of a series that describes hosts
}

// hostname is a host label's value without the port.
func hostname(label string) string {
	i := strings.LastIndexByte(label, ':')
	if i <= 0 || strings.Trim(label[i+1:], "0123456789") != "" || i+1 == len(label) {
		return label
	}
	if host := label[:i]; !strings.Contains(host, ":") || strings.HasPrefix(host, "[") {
		return strings.Trim(host, "[]")
	}
	return label // an IPv6 address without a port
}

// fillBook makes the book: the inventory, what labels add to it, and from when
// to when each host was measured.
func (s *Source) fillBook(ctx context.Context, v *view, found []key) error {
	v.book = s.o.Book.Clone()
	v.keys, v.alias = map[fleet.HostID][]key{}, map[fleet.HostID][]fleet.HostID{}
	facts := map[string][]fact{} // by label
	for _, k := range found {
		facts[k.label] = append(facts[k.label], fact{from: k.start(v), labels: k.labels})
	}
	nodenames, err := s.readInfo(ctx, v, facts)
	if err != nil {
		return err
	}
	ids := map[string]fleet.HostID{} // by label
	known := map[fleet.HostID]bool{} // by the inventory
	put := fleet.Put{At: v.made, Who: "prometheus", Why: "series of " + s.client.shown, Origin: fleet.OriginScrape}
	for _, k := range found {
		if _, ok := ids[k.label]; !ok {
			ids[k.label] = s.identify(v, k, nodenames[k.label], known, put)
		}
		id := ids[k.label]
		v.keys[fleet.HostID(k.label)] = append(v.keys[fleet.HostID(k.label)], k)
		if !slices.Contains(v.alias[id], fleet.HostID(k.label)) {
			v.alias[id] = append(v.alias[id], fleet.HostID(k.label))
		}
		w := fleet.Window{Start: time.UnixMilli(k.start(v)).UTC(), End: time.UnixMilli(k.end(v)).UTC()}
		v.book.See(id, w)
		v.reach = joined(v.reach, w)
	}
	m := newMapping(&s.o, v.host)
	var statements []fleet.Statement
	for _, label := range slices.Sorted(maps.Keys(ids)) {
		statements = append(statements, s.statements(v, &m, ids[label], known[ids[label]], nodenames[label], facts[label])...)
	}
	if len(statements) > 0 {
		if _, err := v.book.Put(statements, put); err != nil {
			return err
		}
	}
	if err := s.concludeProviders(v, put); err != nil || v.traits.Stored {
		return err
	}
	return s.seenCapacities(ctx, v, ids, put)
}

// concludeProviders gives hosts whose provider nobody tells that one whose
// catalogue alone has their types: m5.large is nobody else's.
func (s *Source) concludeProviders(v *view, put fleet.Put) error {
	if s.o.Types == nil {
		return nil
	}
	var statements []fleet.Statement
	for _, id := range v.book.Hosts() {
		provider := ""
		for _, r := range v.book.Timeline(id) {
			if r.InstanceType == "" {
				continue
			}
			of := s.onlyProvider(r.InstanceType)
			if r.Provider != "" || of == "" || provider != "" && provider != of {
				provider = ""
				break
			}
			provider = of
		}
		if provider != "" {
			statements = append(statements, fleet.Statement{Record: fleet.Record{Host: id, Provider: provider}})
		}
	}
	if len(statements) == 0 {
		return nil
	}
	_, err := v.book.Put(statements, put)
	return err
}

// onlyProvider is the one provider that has an instance type; "" where none
// has, or several have.
func (s *Source) onlyProvider(instanceType string) (only string) {
	for _, provider := range []string{pricing.AWS, pricing.Azure, pricing.GCP} {
		if _, ok := s.o.Types(provider, instanceType); !ok {
			continue
		}
		if only != "" {
			return ""
		}
		only = provider
	}
	return only
}

// start is the start of the first sample, end the end of the last one.
func (k *key) start(v *view) int64 {
	if v.traits.Stored {
		return k.first - k.step
	}
	step := v.step.Milliseconds()
	return (k.first - 1) / step * step
}

func (k *key) end(v *view) int64 {
	if v.traits.Stored {
		return k.last
	}
	step := v.step.Milliseconds()
	return min(v.horizon(), (k.last+step-1)/step*step)
}

// horizon is the end of the last step that is over: what is measured of the step
// that is not, is no sample yet.
func (v *view) horizon() int64 {
	if v.traits.Stored {
		return math.MaxInt64
	}
	step, over := v.step.Milliseconds(), v.made
	if v.engine.metricsQL {
		over = over.Add(-latencyOffset)
	}
	return over.UnixMilli() / step * step
}

// latencyOffset is how long VictoriaMetrics repeats the value before in place of
// the newest ones, by default.
const latencyOffset = 30 * time.Second

func joined(a, b fleet.Window) fleet.Window {
	if a.IsZero() {
		return b
	}
	if b.Start.Before(a.Start) {
		a.Start = b.Start
	}
	if b.End.After(a.End) {
		a.End = b.End
	}
	return a
}

// identify finds the host of a key in the inventory, by what the label says,
// then by the node's own name, or adds it.
func (s *Source) identify(v *view, k key, nodename string, known map[fleet.HostID]bool, put fleet.Put) fleet.HostID {
	at := time.UnixMilli(k.last).UTC()
	candidates := []string{k.label, hostname(k.label)}
	if nodename != "" {
		candidates = append(candidates, nodename)
		short, _, _ := strings.Cut(nodename, ".")
		candidates = append(candidates, short)
	}
	for _, name := range candidates {
		if members := s.o.Book.Members(fleet.HostID(name)); members != nil {
			known[members[0]] = true
			return members[0]
		}
	}
	for _, name := range candidates {
		if id, ok := s.o.Book.Resolve(name, at); ok {
			known[id] = true
			return id
		}
	}
	name := hostname(k.label)
	if s.o.HostLabel == "nodename" && nodename != "" {
		name = nodename
	}
	return v.book.Ensure(name, at, put)
}

// readInfo reads the series that describe hosts into facts, and returns the
// names that nodes give themselves, by label.
func (s *Source) readInfo(ctx context.Context, v *view, facts map[string][]fact) (map[string]string, error) {
	nodenames := map[string]string{}
	for _, name := range v.traits.Info {
		inside := s.match(`__name__="` + name + `"`)
		if strings.HasPrefix(name, "node_") || strings.HasPrefix(name, "windows_") {
			sets, err := s.labelSets(ctx, []string{"{" + inside + "}"}, s.all())
			if err != nil {
				return nil, err
			}
			several, named := map[string]bool{}, "" // labels of nodes with several names, and which label has those
			for _, labels := range sets {
				label := labels[v.host]
				if len(facts[label]) == 0 {
					continue
				}
				facts[label] = append(facts[label], fact{from: facts[label][0].from, labels: labels, info: true})
				l, n := nodeName(labels)
				if n != "" {
					named = l
				}
				if have := nodenames[label]; have != "" && n != "" && have != n {
					several[label] = true
				}
				nodenames[label] = cmp.Or(n, nodenames[label])
			}
			if err := s.lastNames(ctx, v, inside, named, several, nodenames); err != nil {
				return nil, err
			}
			continue
		}
		if err := s.readChanging(ctx, v, name, inside, facts); err != nil {
			return nil, err
		}
	}
	return nodenames, nil
}

// lastNames gives nodes that had several names their last one, and remembers
// them: what was measured under the same label all counts for that name.
func (s *Source) lastNames(ctx context.Context, v *view, inside, named string, several map[string]bool, nodenames map[string]string) error {
	labels := slices.Sorted(maps.Keys(several))
	v.renamed = append(v.renamed, labels...)
	for part := range slices.Chunk(labels, 500) {
		found, err := s.extent(ctx, v, inside+","+oneOf(v.host, part), []string{v.host, named})
		if err != nil {
			return err
		}
		last := map[string]int64{}
		for _, k := range found {
			if n := k.labels[named]; n != "" && k.last > last[k.label] {
				last[k.label], nodenames[k.label] = k.last, n
			}
		}
	}
	return nil
}

// readChanging reads info series whose labels tell what a host was at a time.
func (s *Source) readChanging(ctx context.Context, v *view, name, inside string, facts map[string][]fact) error {
	labels, err := s.labelValues(ctx, "", "{"+inside+"}", s.all())
	if err != nil {
		return err
	}
	m := newMapping(&s.o, v.host)
	by := []string{v.host}
	for _, l := range labels {
		if l != v.host && m.carries(l) {
			by = append(by, l)
		}
	}
	if len(by) == 1 {
		return nil
	}
	found, err := s.extent(ctx, v, inside, by)
	for _, k := range found {
		if len(facts[k.label]) > 0 {
			k.labels["__name__"] = name
			facts[k.label] = append(facts[k.label], fact{from: k.first, labels: k.labels, info: true})
		}
	}
	return err
}

// statements turns facts into statements: the first of each kind holds from the
// beginning, later ones from when they were first seen. Of a host that the
// inventory knows, what it says is left out.
func (s *Source) statements(v *view, m *mapping, id fleet.HostID, known bool, nodename string, facts []fact) []fleet.Statement {
	var out []fleet.Statement
	slices.SortStableFunc(facts, func(a, b fact) int { return cmp.Compare(a.from, b.from) })
	before := map[string]*fleet.Record{} // by the series that told
	for _, f := range facts {
		var r fleet.Record
		if f.info {
			m.readInfo(&r, f.labels)
		} else {
			m.read(&r, f.labels)
		}
		r.Host = id
		kind := f.labels["__name__"]
		st := fleet.Statement{Record: r}
		if last := before[kind]; last != nil {
			st.From = time.UnixMilli(f.from).UTC()
			for tag := range last.Tags {
				if _, ok := r.Tags[tag]; !ok {
					st.Clear = append(st.Clear, "tag_"+tag)
				}
			}
		}
		kept := r.Clone()
		before[kind] = &kept
		if known {
			s.leaveOut(v, id, &st)
		}
		if said(&st) {
			out = append(out, st)
		}
	}
	if nodename != "" && !known && nodename != string(id) && s.unique(v, nodename) {
		out = append(out, fleet.Statement{Record: fleet.Record{Host: id, Name: nodename}})
	}
	return out
}

// unique says whether nobody else has a name.
func (s *Source) unique(v *view, name string) bool {
	_, taken := v.book.Resolve(name, v.made)
	return !taken
}

// said says whether a statement says anything.
func said(st *fleet.Statement) bool {
	r := &st.Record
	return r.Provider+r.Account+r.Region+r.Zone+r.InstanceType+r.OS+r.Arch+r.OwnedBy+r.Name+string(r.Purchase) != "" || len(r.Tags) > 0 || len(st.Clear) > 0
}

// leaveOut clears of a statement what the inventory says at any time.
func (s *Source) leaveOut(v *view, id fleet.HostID, st *fleet.Statement) {
	r := &st.Record
	var clear []string
	timeline := s.o.Book.Timeline(id)
	for i := range timeline {
		x := &timeline[i]
		for _, f := range []struct {
			have string
			want *string
		}{{x.Provider, &r.Provider}, {x.Account, &r.Account}, {x.Region, &r.Region}, {x.Zone, &r.Zone}, {x.InstanceType, &r.InstanceType},
			{x.OS, &r.OS}, {x.Arch, &r.Arch}, {x.OwnedBy, &r.OwnedBy}, {x.Name, &r.Name}} {
			if f.have != "" {
				*f.want = ""
			}
		}
		if x.Purchase != "" {
			r.Purchase = ""
		}
		for tag := range x.Tags {
			delete(r.Tags, tag)
			clear = append(clear, "tag_"+tag)
		}
	}
	st.Clear = slices.DeleteFunc(st.Clear, func(c string) bool { return slices.Contains(clear, c) })
	r.Name = "" // a host that the inventory knows keeps its names
}

// sizes are capacities of one host in time order.
type sizes struct {
	at     []int64
	values []float64
}

type sizesOf struct {
	host string
	m    map[string]*sizes
	at   *sizes
}

func (c *sizesOf) series(labels map[string]string) error {
	l := labels[c.host]
	if c.m[l] == nil {
		c.m[l] = &sizes{}
	}
	c.at = c.m[l]
	return nil
}

func (c *sizesOf) point(at int64, v float64) error {
	if v > 0 && !math.IsInf(v, 0) {
		c.at.at, c.at.values = append(c.at.at, at), append(c.at.values, v)
	}
	return nil
}

// seenCapacities states the capacities that hosts saw themselves, through time,
// where neither the inventory nor the types table has any.
func (s *Source) seenCapacities(ctx context.Context, v *view, ids map[string]fleet.HostID, put fleet.Put) error {
	var labels []string
	for label, id := range ids {
		unknown := false
		for _, r := range v.book.Timeline(id) {
			unknown = unknown || r.Capacity.VCPUs == 0 || r.Capacity.MemoryBytes == 0
		}
		if unknown {
			labels = append(labels, label)
		}
	}
	if len(labels) == 0 {
		return nil
	}
	slices.Sort(labels)
	coarse := max(time.Hour, v.step)
	for v.reach.Duration()/coarse > 1000 {
		coarse *= 2
	}
	var statements []fleet.Statement
	for _, m := range []fleet.Metric{fleet.CapacityVCPUs, fleet.CapacityMemory} {
		for part := range slices.Chunk(labels, 500) {
			list, err := s.capacityChangesSplit(ctx, v, m, part, coarse, ids)
			if err != nil {
				return err
			}
			statements = append(statements, list...)
		}
	}
	if len(statements) == 0 {
		return nil
	}
	_, err := v.book.Put(statements, put)
	return err
}

// differ says whether a capacity is another one: kernels take a little memory
// more or less, CPUs are whole.
func differ(m fleet.Metric, a, b float64) bool {
	if m.Name == fleet.CapacityVCPUs.Name {
		return math.Round(a*100) != math.Round(b*100)
	}
	return math.Abs(a-b) > 0.05*max(a, b)
}

// capacityChangesSplit is capacityChanges with fewer hosts where the engine says
// that it is too much, or is too slow.
func (s *Source) capacityChangesSplit(ctx context.Context, v *view, m fleet.Metric, labels []string, coarse time.Duration, ids map[string]fleet.HostID) ([]fleet.Statement, error) {
	return byHosts(ctx, s, "hosts' "+m.Name, labels, v.reach.Duration().Milliseconds(), func(labels []string) ([]fleet.Statement, error) {
		return s.capacityChanges(ctx, v, m, labels, coarse, ids)
	}, func(all, more []fleet.Statement) []fleet.Statement { return append(all, more...) })
}

// capacityChanges finds the capacities of some hosts, and from when they hold.
func (s *Source) capacityChanges(ctx context.Context, v *view, m fleet.Metric, labels []string, coarse time.Duration, ids map[string]fleet.HostID) ([]fleet.Statement, error) {
	expr, ok := names.Of(v.schema, m)
	if !ok {
		return nil, nil
	}
	step := coarse.Milliseconds()
	partOfYear := max(1, 30*24*time.Hour.Milliseconds()/step) * step
	ask := func(labels []string, from, to, step int64) (*sizesOf, error) {
		if got, done, err := s.sizesRaw(ctx, v, m, labels, from, to, step); done {
			return got, err
		}
		got := &sizesOf{host: v.host, m: map[string]*sizes{}}
		query := s.hostExpr(v, expr, labels, time.Duration(step)*time.Millisecond)
		for ; from <= to; from += partOfYear { // engines may bound the length of a question
			part := &sizesOf{host: v.host}
			if err := s.span(ctx, query, from, min(to, from+partOfYear-step), step, "capacities", func() consumer { part.m = map[string]*sizes{}; return part }); err != nil {
				return nil, err
			}
			for l, c := range part.m {
				if have := got.m[l]; have != nil {
					c.at, c.values = append(have.at, c.at...), append(have.values, c.values...)
				}
				got.m[l] = c
			}
		}
		return got, nil
	}
	begin := v.reach.Start.UnixMilli() / step * step
	got, err := ask(labels, begin+step, v.reach.End.UnixMilli()+step, step)
	if err != nil {
		return nil, err
	}
	var out []fleet.Statement
	say := func(label string, value float64, from int64) {
		st := fleet.Statement{Record: fleet.Record{Host: ids[label]}}
		if m.Name == fleet.CapacityVCPUs.Name {
			st.Capacity.VCPUs = math.Round(value*100) / 100
		} else {
			st.Capacity.MemoryBytes = int64(math.Round(value))
		}
		if from > 0 {
			st.From = time.UnixMilli(from).UTC()
		}
		if !s.statedSize(v, ids[label], m) {
			out = append(out, st)
		}
	}
	for _, label := range labels {
		c := got.m[label]
		if c == nil || len(c.at) == 0 {
			continue
		}
		current := c.values[0]
		say(label, current, 0)
		for i := 1; i < len(c.values); i++ {
			if !differ(m, current, c.values[i]) {
				continue
			}
			fine, err := ask([]string{label}, c.at[i-1]+v.step.Milliseconds(), c.at[i], v.step.Milliseconds())
			if err != nil {
				return nil, err
			}
			from := c.at[i] - v.step.Milliseconds()
			if f := fine.m[label]; f != nil {
				for j := range f.at {
					if differ(m, current, f.values[j]) {
						from = f.at[j] - v.step.Milliseconds()
						break
					}
				}
			}
			current = c.values[i]
			say(label, current, from)
		}
	}
	return out, nil
}

// statedSize says whether inventory or types table know a size of the host.
func (s *Source) statedSize(v *view, id fleet.HostID, m fleet.Metric) bool {
	for _, r := range v.book.Timeline(id) {
		if m.Name == fleet.CapacityVCPUs.Name && r.Capacity.VCPUs > 0 || m.Name == fleet.CapacityMemory.Name && r.Capacity.MemoryBytes > 0 {
			return true
		}
	}
	return false
}

// hostExpr is a metric's expression for some hosts, one series a host.
func (s *Source) hostExpr(v *view, e names.Expr, labels []string, step time.Duration) string {
	by := append([]string{v.host, "job"}, v.dedup...)
	peak, each := v.pieces(step)
	text := e.Query(names.Bind{
		Match: s.match(oneOf(v.host, labels)), By: strings.Join(by, ","),
		Step: v.engine.window(step), Rate: max(step, 4*v.scrape), Peak: peak, Every: each,
	})
	return "max by (" + v.host + ") (" + text + ")"
}

// Records returns what hosts were; see [fleet.Source]. Those that are in the
// inventory alone are among them.
func (s *Source) Records(ctx context.Context, sel fleet.Selector, w fleet.Window) ([]fleet.Record, error) {
	v, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	return v.book.Records(sel, w), nil
}
