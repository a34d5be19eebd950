package source

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
	"github.com/leanfleet/leanfleet/prom/internal/names"
)

// view is what was found out of the engine at a time: its hosts, and what they
// are. It is not changed once made.
type view struct {
	engine engine
	schema names.Schema
	traits names.Traits
	host   string   // the label that names hosts
	dedup  []string // labels that tell members of HA pairs apart
	made   time.Time
	took   time.Duration // to find all this out
	book   *inventory.Book
	keys   map[fleet.HostID][]key // by the label's value, as an id
	alias  map[fleet.HostID][]fleet.HostID
	// step is the grid on which expressions are evaluated, scrape the interval
	// found; both are 0 for stored samples.
	step, scrape time.Duration
	steps        []int64 // of stored samples, ascending, in milliseconds
	reach        fleet.Window
	renamed      []string // labels of nodes that had several names of their own
	groups       bool     // process groups are asked for, not hosts
	// groupSteps are the steps of process groups' samples, by their label.
	groupSteps map[string]int64
}

// key is series of one host that are told apart by nothing but what is measured.
type key struct {
	label       string // the value of the host label
	step        int64  // milliseconds that a stored sample covers
	stepLabel   string
	first, last int64 // times of the first and last sample in the engine, milliseconds
	labels      map[string]string
}

// freshness is how long a view is used; where it took long to make, ten times as
// long, so that a slow engine is not asked again in the middle of an answer.
const freshness = time.Minute

// look returns the view, made anew when the last one is old.
func (s *Source) look(ctx context.Context) (*view, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if v := s.view; v != nil && now.Sub(v.made) < max(freshness, 10*v.took) && !now.Before(v.made) {
		return v, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v := &view{made: now}
	var err error
	if s.view != nil {
		v.engine = s.view.engine
	} else if v.engine, err = s.probe(ctx); err != nil {
		return nil, err
	}
	if err := s.findSchema(ctx, v); err != nil {
		return nil, err
	}
	found, err := s.findKeys(ctx, v)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		if err := s.otherSchema(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.findStep(ctx, v, found); err != nil {
		return nil, err
	}
	if err := s.fillBook(ctx, v, found); err != nil {
		return nil, err
	}
	v.took = s.o.Now().Sub(now)
	s.view = v
	return v, nil
}

// known is the view of the last answer, however old; a new one where there was
// no answer.
func (s *Source) known(ctx context.Context) (*view, error) {
	s.mu.Lock()
	v := s.view
	s.mu.Unlock()
	if v != nil {
		return v, nil
	}
	return s.look(ctx)
}

// all is the time in which hosts are looked for.
func (s *Source) all() fleet.Window {
	now := s.o.Now()
	return fleet.Window{Start: now.Add(-s.o.Lookback), End: now.Add(time.Millisecond)}
}

// match is the inside of a selector with the configured matchers.
func (s *Source) match(inside string) string {
	if s.o.Matchers == "" {
		return inside
	}
	if inside == "" {
		return s.o.Matchers
	}
	return inside + "," + s.o.Matchers
}

// findSchema asks for series of each schema.
func (s *Source) findSchema(ctx context.Context, v *view) error {
	v.schema = s.asked
	if v.schema == names.Auto {
		for _, schema := range names.Schemas() {
			found, err := s.labelValues(ctx, "__name__", "{"+s.match(names.TraitsOf(schema).Evidence)+"}", s.all())
			if err != nil {
				return err
			}
			if len(found) > 0 {
				v.schema = schema
				break
			}
		}
		if v.schema == names.Auto {
			matching := ""
			if s.o.Matchers != "" {
				matching = " that match " + s.o.Matchers
			}
			return fmt.Errorf("%s has no series of leanfleet, node_exporter, windows_exporter or OpenTelemetry host metrics%s in the last %.0f days", s.client.shown, matching, s.o.Lookback.Hours()/24)
		}
	}
	v.traits = names.TraitsOf(v.schema)
	if v.host = s.o.HostLabel; v.host == "" || v.host == "nodename" {
		v.host = v.traits.Host
	}
	return nil
}

// otherSchema is the error of an engine without series of the schema that was
// asked for, where it has those of another one.
func (s *Source) otherSchema(ctx context.Context) error {
	if s.asked == names.Auto {
		return nil
	}
	for _, schema := range names.Schemas() {
		if schema == s.asked {
			continue
		}
		found, err := s.labelValues(ctx, "__name__", "{"+s.match(names.TraitsOf(schema).Evidence)+"}", s.all())
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return fmt.Errorf("%s has no series of %s in the last %.0f days, but has some of %s: ask for the schema %s, or auto", s.client.shown, s.asked, s.o.Lookback.Hours()/24, schema, schema)
		}
	}
	return nil
}

// findKeys finds the hosts, and from when to when they have samples.
func (s *Source) findKeys(ctx context.Context, v *view) ([]key, error) {
	evidence := s.match(v.traits.Evidence)
	labels, err := s.labelValues(ctx, "", "{"+evidence+"}", s.all())
	if err != nil {
		return nil, err
	}
	v.dedup = slices.Clone(s.o.DedupLabels)
	if len(v.dedup) == 0 {
		for _, l := range replicaLabels() {
			if slices.Contains(labels, l) {
				v.dedup = append(v.dedup, l)
			}
		}
	}
	if len(labels) > 1 && !slices.Contains(labels, v.host) {
		return nil, fmt.Errorf("%s: the series that tell of hosts have no label %s; they have %s: say which of them names the host", s.client.shown, v.host, strings.Join(labels, ", "))
	}
	m := newMapping(&s.o, v.host)
	by := []string{v.host}
	for _, l := range labels {
		if l != v.host && (m.carries(l) || v.traits.Stored && l == names.StepLabel) {
			by = append(by, l)
		}
	}
	if v.traits.Stored {
		return s.storedExtent(ctx, v, evidence, by)
	}
	return s.extent(ctx, v, evidence, by)
}

// storedExtent is extent of leanfleet's own series: of all metrics, or of those
// that every host has, and of all for the hosts without, where all are too many.
func (s *Source) storedExtent(ctx context.Context, v *view, evidence string, by []string) ([]key, error) {
	metrics, err := s.labelValues(ctx, "__name__", "{"+evidence+"}", s.all())
	if err != nil {
		return nil, err
	}
	var few []string
	for _, name := range metrics {
		if name == names.Own(fleet.CPUUsage) || name == names.Own(fleet.MemoryUsage) || name == "leanfleet_up" {
			few = append(few, name)
		}
	}
	if len(few) == 0 || len(few) == len(metrics) {
		return s.extent(ctx, v, evidence, by)
	}
	found, err := s.extent(ctx, v, evidence+","+oneOf("__name__", few), by)
	if err != nil {
		return nil, err
	}
	var samples int64
	for i := range found {
		samples += (found[i].last - found[i].first) / 60_000 * int64(len(metrics))
	}
	if samples <= s.o.lookAll {
		return s.extent(ctx, v, evidence, by)
	}
	have := map[string]bool{}
	for i := range found {
		have[signature(found[i].labels, by)] = true
	}
	sets, err := s.labelSets(ctx, []string{"{" + evidence + "}"}, s.all())
	if err != nil {
		return nil, err
	}
	missing := map[string]bool{}
	for _, labels := range sets {
		if !have[signature(labels, by)] {
			missing[labels[v.host]] = true
		}
	}
	for part := range slices.Chunk(slices.Sorted(maps.Keys(missing)), 500) {
		more, err := s.extent(ctx, v, evidence+","+oneOf(v.host, part), by)
		if err != nil {
			return nil, err
		}
		for _, k := range more {
			if !have[signature(k.labels, by)] {
				found = append(found, k)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b key) int { return strings.Compare(a.label, b.label) })
	return found, nil
}

// extent finds the first and last time of the series that match, for each set
// of values of the labels.
func (s *Source) extent(ctx context.Context, v *view, inside string, by []string) ([]key, error) {
	if v.engine.metricsQL {
		p := &s.client.patience
		round := p.round()
		found, err := s.extentMetricsQL(ctx, v, inside, by)
		if ctx.Err() == nil && late(err) && !p.late("hosts", 1, round) {
			return nil, err
		}
		if err == nil || !tooLarge(err) && !late(err) {
			return found, err
		}
	}
	if s.readsRaw(v) && !v.traits.Stored {
		p := &s.client.patience
		round := p.round()
		found, err := s.extentRaw(ctx, inside, by)
		if err == nil || ctx.Err() != nil || late(err) && !p.late("hosts", 1, round) {
			return found, err
		}
		if refusesRaw(err) {
			s.noRaw.Store(true)
		} // too much at once, or too slow: queries ask for less
	}
	return s.extentPromQL(ctx, v, inside, by)
}

// signature tells sets of labels apart.
func signature(labels map[string]string, by []string) string {
	var b strings.Builder
	for _, l := range by {
		b.WriteString(labels[l])
		b.WriteByte(0)
	}
	return b.String()
}

// extents collects keys by signature.
type extents struct {
	by   []string
	keys map[string]*key
	at   *key
}

func (e *extents) series(labels map[string]string) error {
	id := signature(labels, e.by)
	e.at = e.keys[id]
	if e.at == nil {
		kept := make(map[string]string, len(e.by))
		for _, l := range e.by {
			if labels[l] != "" {
				kept[l] = labels[l]
			}
		}
		e.at = &key{label: labels[e.by[0]], labels: kept, first: math.MaxInt64, last: math.MinInt64}
		e.keys[id] = e.at
	}
	return nil
}

// timesOf is a consumer of answers whose values, not times, are the times.
type timesOf struct {
	*extents
	first bool
}

func (t timesOf) point(_ int64, value float64) error {
	ms := int64(math.Round(value * 1000))
	if t.first {
		t.at.first = min(t.at.first, ms)
	} else {
		t.at.last = max(t.at.last, ms)
	}
	return nil
}

// point widens by the point's own time.
func (e *extents) point(at int64, _ float64) error {
	e.at.first, e.at.last = min(e.at.first, at), max(e.at.last, at)
	return nil
}

func newExtents(by []string) *extents { return &extents{by: by, keys: map[string]*key{}} }

func (s *Source) extentMetricsQL(ctx context.Context, v *view, inside string, by []string) ([]key, error) {
	e := newExtents(by)
	group := strings.Join(by, ",")
	w := s.all()
	over := names.Duration(w.End.Sub(w.Start).Truncate(time.Second))
	for _, q := range []struct {
		text  string
		first bool
	}{{"min by (" + group + ") (tfirst_over_time({" + inside + "}[" + over + "]))", true}, {"max by (" + group + ") (tlast_over_time({" + inside + "}[" + over + "]))", false}} {
		if err := s.instant(ctx, q.text, w.End, "hosts", func() consumer { return timesOf{e, q.first} }); err != nil {
			return nil, err
		}
	}
	return e.list(), nil
}

func (e *extents) list() []key {
	out := make([]key, 0, len(e.keys))
	for _, k := range e.keys {
		if k.label != "" && k.first <= k.last {
			out = append(out, *k)
		}
	}
	slices.SortFunc(out, func(a, b key) int {
		if c := strings.Compare(a.label, b.label); c != 0 {
			return c
		}
		if a.first != b.first {
			return int(max(-1, min(1, a.first-b.first)))
		}
		return strings.Compare(fmt.Sprint(a.labels), fmt.Sprint(b.labels))
	})
	return out
}

// extentPromQL descends from days to hours to the samples' own times: in all of
// the time days are counted, of the first and last of these hours, and of the
// first and last of these the samples are read.
func (s *Source) extentPromQL(ctx context.Context, v *view, inside string, by []string) ([]key, error) {
	w := s.all()
	end := w.End.UnixMilli()
	const day, hour = 24 * 3600 * 1000, 3600 * 1000
	days := (w.End.UnixMilli() - w.Start.UnixMilli() + day - 1) / day
	coarse, err := s.counted(ctx, inside, by, end-(days-1)*day, end, day)
	if err != nil {
		return nil, err
	}
	result := newExtents(by)
	for id, k := range coarse.keys {
		c := *k
		c.first, c.last = math.MaxInt64, math.MinInt64
		result.keys[id] = &c
	}
	for _, side := range []func(*key) *int64{func(k *key) *int64 { return &k.first }, func(k *key) *int64 { return &k.last }} {
		hours := newExtents(by)
		for at, ids := range byTime(coarse.keys, side) {
			part, err := s.counted(ctx, inside, by, at-day+hour, at, hour)
			if err != nil {
				return nil, err
			}
			for _, id := range ids {
				if k := part.keys[id]; k != nil {
					hours.keys[id] = k
				}
			}
		}
		for at, ids := range byTime(hours.keys, side) {
			exact := newExtents(by)
			query := "{" + inside + "}[" + names.Duration(time.Hour) + "]"
			if err := s.instant(ctx, query, time.UnixMilli(at), "hosts", func() consumer { return exact }); err != nil {
				return nil, err
			}
			for _, id := range ids {
				if k := exact.keys[id]; k != nil {
					result.keys[id].first = min(result.keys[id].first, k.first)
					result.keys[id].last = max(result.keys[id].last, k.last)
				}
			}
		}
	}
	return result.list(), nil
}

// byTime groups keys by one of their times.
func byTime(keys map[string]*key, side func(*key) *int64) map[int64][]string {
	out := map[int64][]string{}
	for id, k := range keys {
		out[*side(k)] = append(out[*side(k)], id)
	}
	return out
}

// counted finds in which steps series have samples.
func (s *Source) counted(ctx context.Context, inside string, by []string, from, to, step int64) (*extents, error) {
	e := newExtents(by)
	// last_over_time keeps the names of series, so that those of several metrics
	// are not the same.
	query := "count by (" + strings.Join(by, ",") + ") (last_over_time({" + inside + "}[" + names.Duration(time.Duration(step)*time.Millisecond) + "]))"
	most := int64(10000) // Prometheus evaluates at 11,000 times at most
	p, what := &s.client.patience, "hosts by "+names.Duration(time.Duration(step)*time.Millisecond)
	for from <= to {
		if fits := p.fits(what); fits > 0 {
			most = max(1, min(most, fits))
		}
		round := p.round()
		err := s.span(ctx, query, from, min(to, from+(most-1)*step), step, "hosts", func() consumer { return e })
		n := min(most, (to-from)/step+1)
		switch {
		case err == nil:
			from += most * step
		case ctx.Err() == nil && late(err) && p.late(what, n, round) && n > 1: // smaller next
		case tooLarge(err) && most > 1:
			most = max(1, min(most, (to-from)/step+1)/2)
		default:
			return nil, err
		}
	}
	return e, nil
}

// findStep settles the grid of expressions, or the steps of stored samples.
func (s *Source) findStep(ctx context.Context, v *view, found []key) error {
	if v.traits.Stored {
		return s.storedSteps(ctx, v, found)
	}
	if len(found) == 0 {
		v.step = max(s.o.Step, time.Minute)
		return nil
	}
	interval, err := s.interval(ctx, v, found)
	if err != nil {
		return err
	}
	v.scrape = interval
	if v.step = s.o.Step; v.step == 0 {
		v.step = niceStep(4 * interval)
	}
	return nil
}

// niceStep is the shortest of the steps people read that is no shorter than d.
func niceStep(d time.Duration) time.Duration {
	for _, minutes := range []time.Duration{1, 2, 5, 10, 15, 30} {
		if d <= minutes*time.Minute {
			return minutes * time.Minute
		}
	}
	return time.Hour
}

// interval finds how often hosts are scraped: the median time between samples
// of up to a hundred hosts around the last one.
func (s *Source) interval(ctx context.Context, v *view, found []key) (time.Duration, error) {
	latest := found[0]
	for _, k := range found {
		if k.last > latest.last {
			latest = k
		}
	}
	var hosts []string
	for _, k := range found {
		if len(hosts) < 100 && latest.last-k.last < 600_000 {
			hosts = append(hosts, k.label)
		}
	}
	inside := s.match(v.traits.Evidence + "," + oneOf(v.host, hosts))
	var gaps *gaps
	for _, back := range []time.Duration{10 * time.Minute, 2 * time.Hour, 25 * time.Hour} {
		query := "{" + inside + "}[" + names.Duration(back) + "]"
		if err := s.instant(ctx, query, time.UnixMilli(latest.last), "scrape interval", func() consumer { gaps = newGaps(); return gaps }); err != nil {
			return 0, err
		}
		if len(gaps.list) > 0 {
			break
		}
	}
	if len(gaps.list) == 0 {
		return 15 * time.Second, nil // a single scrape so far; Prometheus' own default is a minute, exporters' is 15 s
	}
	slices.Sort(gaps.list)
	ms := gaps.list[len(gaps.list)/2]
	return max(time.Second, (time.Duration(ms) * time.Millisecond).Round(time.Second)), nil
}

type gaps struct {
	before int64
	list   []int64
}

func newGaps() *gaps { return &gaps{before: -1} }

func (g *gaps) series(map[string]string) error { g.before = -1; return nil }

func (g *gaps) point(at int64, _ float64) error {
	if g.before >= 0 && at > g.before {
		g.list = append(g.list, at-g.before)
	}
	g.before = at
	return nil
}

// oneOf matches any of some values of a label.
func oneOf(label string, values []string) string {
	if len(values) == 1 {
		return label + "=" + strconv.Quote(values[0])
	}
	var b strings.Builder
	b.WriteString(label + `=~"`)
	for i, v := range values {
		if i > 0 {
			b.WriteByte('|')
		}
		q := strconv.Quote(regexpQuote(v))
		b.WriteString(q[1 : len(q)-1])
	}
	b.WriteByte('"')
	return b.String()
}

// regexpQuote quotes as regexp.QuoteMeta does.
func regexpQuote(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(`\.+*?()|[]{}^$`, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// storedSteps reads the steps of leanfleet's own series from their labels.
func (s *Source) storedSteps(ctx context.Context, v *view, found []key) error {
	var unlabelled []key
	for i := range found {
		k := &found[i]
		k.stepLabel = k.labels[names.StepLabel]
		if k.stepLabel == "" {
			unlabelled = append(unlabelled, *k)
			continue
		}
		seconds, err := strconv.ParseFloat(k.stepLabel, 64)
		ms := math.Round(seconds * 1000)
		if err != nil || !(ms >= 1 && ms <= float64(fleet.MaxStep.Milliseconds())) {
			return fmt.Errorf("%s: host %s: label %s=%q is not seconds between 0.001 and a day", s.client.shown, k.label, names.StepLabel, clip(k.stepLabel))
		}
		k.step = int64(ms)
	}
	if len(unlabelled) > 0 {
		interval := s.o.Step
		if interval == 0 {
			var err error
			if interval, err = s.interval(ctx, v, unlabelled); err != nil {
				return err
			}
		}
		for i := range found {
			if found[i].stepLabel == "" {
				found[i].step = interval.Milliseconds()
			}
		}
	}
	seen := map[int64]bool{}
	for _, k := range found {
		seen[k.step] = true
	}
	v.steps = slices.Sorted(maps.Keys(seen))
	return nil
}
