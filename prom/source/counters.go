package source

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/internal/names"
)

// Metrics of node_exporter and windows_exporter are expressions over many series
// of each host: rates of each CPU's idle time, say. A Prometheus takes minutes
// to evaluate them for a fleet. So the series are read as they are stored, and
// computed here, by the rules of PromQL: what an expression would give, at the
// times at which it would be evaluated.

// times are evenly spaced, in milliseconds.
type times struct {
	first, every int64
	n            int
}

func (t times) at(i int) int64 { return t.first + int64(i)*t.every }

// timesIn are the multiples of a step from one time to another, both included.
func timesIn(from, to, every int64) times {
	first := (from + every - 1) / every * every
	if first > to {
		return times{first, every, 0}
	}
	return times{first, every, int((to-first)/every) + 1}
}

// evaluation is a metric of some hosts at some times, computed from raw series.
type evaluation struct {
	raw  names.Raw
	by   []string // labels that tell series apart
	host string
	at   times // at which terms have a value
	rate int64 // time over which rates are taken
	last int64 // time in which the last value counts
	// closed says that a range holds its start too.
	closed bool
	room   int64 // bytes that values may take

	cells  map[string]*rawCells // by the values of the labels
	raws   map[string]int64     // samples that were read, by host
	resets []float64
}

// roomFor is how many bytes values may take for each sample that a request is to
// bring: those of hosts of a hundred CPUs, or a few file systems, fit.
const roomFor = 100

// errRoom says that series are too many to be computed at once: of hosts with
// many file systems, which are told apart.
var errRoom = fmt.Errorf("%w: more values than there is room for", errConsumer)

// rawCells are the terms' values of series that are one.
type rawCells struct {
	host  string
	terms []fold
}

// fold makes one value for each time of those of several series.
type fold struct {
	values []float64           // the sum, or the highest
	counts []uint16            // how many values there are, of Mean and Count of the label
	seen   map[string][]uint64 // times that have a value, a bit each, by the label
}

// key tells apart what is not to be made one.
func (e *evaluation) key(labels map[string]string) string {
	var b strings.Builder
	if !e.raw.Apart {
		for _, l := range e.by {
			b.WriteString(labels[l])
			b.WriteByte(0xff)
		}
		return b.String()
	}
	for _, l := range slices.Sorted(maps.Keys(labels)) {
		if l != "__name__" {
			b.WriteString(l + "\xff" + labels[l] + "\xff")
		}
	}
	return b.String()
}

// samples takes a series.
func (e *evaluation) samples(selector int, labels map[string]string, at []int64, values []float64) error {
	if selector < 0 || selector >= len(e.raw.Terms) {
		return errFrame
	}
	host := labels[e.host]
	e.raws[host] += int64(len(at))
	key := e.key(labels)
	c := e.cells[key]
	if c == nil {
		c = &rawCells{host: host, terms: make([]fold, len(e.raw.Terms))}
		e.cells[key] = c
	}
	term := &e.raw.Terms[selector]
	f := &c.terms[selector]
	if f.counts == nil {
		if e.room -= 10 * int64(e.at.n); e.room < 0 {
			return errRoom
		}
		f.counts = make([]uint16, e.at.n)
		if term.Fold != names.Count {
			f.values = make([]float64, e.at.n)
		}
	}
	var seen []uint64
	if term.Each != "" {
		if seen = f.seen[labels[term.Each]]; seen == nil {
			if f.seen == nil {
				f.seen = map[string][]uint64{}
			}
			if e.room -= int64(e.at.n)/8 + 8; e.room < 0 {
				return errRoom
			}
			seen = make([]uint64, e.at.n/64+1)
			f.seen[labels[term.Each]] = seen
		}
	}
	if term.Rate {
		e.rates(term, f, seen, at, values)
	} else {
		e.lasts(term, f, seen, at, values)
	}
	return nil
}

// put adds a value at the ith time.
func (f *fold) put(term *names.Term, seen []uint64, i int, v float64) {
	if seen != nil {
		if seen[i>>6]&(1<<(i&63)) == 0 {
			seen[i>>6] |= 1 << (i & 63)
			f.counts[i]++
		}
		if f.values != nil {
			f.values[i] += v
		}
		return
	}
	switch {
	case f.counts[i] == 0:
		f.counts[i], f.values[i] = 1, v
	case term.Fold == names.Sum:
		f.values[i] += v
	case v > f.values[i] || math.IsNaN(f.values[i]):
		f.values[i] = v
	}
}

// lasts takes the last value inside each step, as last_over_time does.
func (e *evaluation) lasts(term *names.Term, f *fold, seen []uint64, at []int64, values []float64) {
	next := 0
	for i := range e.at.n {
		t := e.at.at(i)
		for next < len(at) && at[next] <= t {
			next++
		}
		if next > 0 && at[next-1] > t-e.last {
			f.put(term, seen, i, values[next-1])
		}
	}
}

// rates takes the rate over the time before each step's end, as rate() does.
func (e *evaluation) rates(term *names.Term, f *fold, seen []uint64, at []int64, values []float64) {
	// What a counter lost by beginning anew is added up once.
	e.resets = e.resets[:0]
	for i := 1; i < len(values); i++ {
		if values[i] < values[i-1] {
			e.resets = resetsOf(values, e.resets)
			break
		}
	}
	open := int64(1)
	if e.closed {
		open = 0
	}
	lo, hi := 0, 0
	for i := range e.at.n {
		t := e.at.at(i)
		for hi < len(at) && at[hi] <= t {
			hi++
		}
		from := t - e.rate + open
		for lo < hi && at[lo] < from {
			lo++
		}
		if hi-lo < 2 {
			continue
		}
		gain := values[hi-1] - values[lo]
		if len(e.resets) > 0 {
			gain += e.resets[hi-1] - e.resets[lo]
		}
		if gain != 0 {
			gain = rateOf(gain, values[lo], at[lo], at[hi-1], hi-lo, t-e.rate, t, e.closed)
		}
		f.put(term, seen, i, gain)
	}
}

// resetsOf are the sums of the values at which a counter began anew, up to each
// sample.
func resetsOf(values, out []float64) []float64 {
	sum := 0.0
	for i, v := range values {
		if i > 0 && v < values[i-1] {
			sum += values[i-1]
		}
		out = append(out, sum)
	}
	return out
}

// rateOf is the rate a second of a counter that gained something from the first
// of n samples, whose value was so, to the last one, in a range: PromQL's
// rate(). Up to the ends of the range the gain is extrapolated where they are no
// further than 1.1 of the mean time between samples, else by half of that time,
// and not to before the counter was zero. Before Prometheus 3, where ranges were
// closed, the last came first.
func rateOf(gain, value float64, first, last int64, n int, from, to int64, before3 bool) float64 {
	sampled := float64(last-first) / 1000
	mean := sampled / float64(n-1)
	toStart, toEnd := float64(first-from)/1000, float64(to-last)/1000
	far := mean * 1.1
	if !before3 && toStart >= far {
		toStart = mean / 2
	}
	if gain > 0 && value >= 0 {
		toStart = min(toStart, sampled*(value/gain))
	}
	if before3 && toStart >= far {
		toStart = mean / 2
	}
	if toEnd >= far {
		toEnd = mean / 2
	}
	return gain * ((sampled + toStart + toEnd) / sampled / (float64(to-from) / 1000))
}

// value is a cell's value of the metric at the ith time; none is NaN. some says
// that a term has a value.
func (e *evaluation) value(c *rawCells, terms []float64, i int) (v float64, some bool) {
	for k := range terms {
		terms[k] = math.NaN()
		f := &c.terms[k]
		if f.counts == nil || f.counts[i] == 0 {
			continue
		}
		some = true
		switch e.raw.Terms[k].Fold {
		case names.Mean:
			terms[k] = f.values[i] / float64(f.counts[i])
		case names.Count:
			terms[k] = float64(f.counts[i])
		default:
			terms[k] = f.values[i]
		}
	}
	return e.raw.Value(terms), some
}

// hosts are the values by host, the highest of those of its cells, NaN where
// there is none; lacking are the hosts of those asked for that others may tell of.
func (e *evaluation) hosts(asked []string) (values map[string][]float64, lacking []string) {
	values = map[string][]float64{}
	terms := make([]float64, len(e.raw.Terms))
	for _, key := range slices.Sorted(maps.Keys(e.cells)) {
		c := e.cells[key]
		list := values[c.host]
		if list == nil {
			list = make([]float64, e.at.n)
			for i := range list {
				list[i] = math.NaN()
			}
			values[c.host] = list
		}
		lacks := false
		for i := range list {
			v, some := e.value(c, terms, i)
			if math.IsNaN(v) {
				lacks = lacks || some
				continue
			}
			if !(list[i] >= v) {
				list[i] = v
			}
		}
		if lacks {
			lacking = append(lacking, c.host)
		}
		delete(e.cells, key)
	}
	for _, host := range asked {
		if values[host] == nil {
			lacking = append(lacking, host)
		}
	}
	slices.Sort(lacking)
	return values, slices.Compact(lacking)
}

// rawPlan says how a metric of hosts is read as it is stored, for an extent.
type rawPlan struct {
	raw      names.Raw
	at       times // of steps' ends
	within   times // at which terms are computed: at, or a peak's pieces
	from, to int64 // of the samples that are read, both included
	rate     int64 // time over which rates are taken
	step     int64
}

// rawPlan settles how a metric is read as it is stored, of steps whose start
// lies in an extent; false where it is asked by queries.
func (s *Source) rawPlan(v *view, m fleet.Metric, want extentMS, step time.Duration) (rawPlan, bool) {
	r, ok := names.RawOf(v.schema, m)
	if !ok || !s.readsRaw(v) {
		return rawPlan{}, false
	}
	p := rawPlan{raw: r, rate: max(step, 4*v.scrape).Milliseconds(), step: step.Milliseconds()}
	p.at = timesIn(want.from+p.step, want.to+p.step-1, p.step)
	if p.at.n == 0 {
		return p, true
	}
	p.within, p.to = p.at, p.at.at(p.at.n-1)
	if r.Peak {
		peak, every := v.pieces(step)
		p.rate = peak.Milliseconds()
		p.within = timesIn(p.at.first-p.step+1, p.to, every.Milliseconds())
	}
	back := p.step - 1
	if r.Terms[0].Rate { // all are, or none
		back = p.rate
		if !v.engine.closed {
			back--
		}
	}
	p.from = p.within.first - back
	return p, true
}

// selectors are those of terms.
func (s *Source) selectors(v *view, r names.Raw, labels []string) []string {
	var out []string
	for i := range r.Terms {
		out = append(out, r.Terms[i].Selector(s.match(oneOf(v.host, labels))))
	}
	return out
}

// fetchRaw reads the samples of a metric of hosts whose start lies in an extent,
// computed from series as they are stored.
func (s *Source) fetchRaw(ctx context.Context, v *view, m fleet.Metric, labels []string, want extentMS, p rawPlan, t *tally) (piece, error) {
	values, err := s.evaluate(ctx, v, m.Name, labels, p, t)
	if err != nil {
		return nil, err
	}
	c := &collector{s: s, v: v, metric: m, want: want, out: piece{}}
	for _, host := range slices.Sorted(maps.Keys(values)) {
		if err := c.series(map[string]string{v.host: host}); err != nil {
			return nil, err
		}
		if err := p.points(values[host], c); err != nil {
			return nil, err
		}
		c.flush()
	}
	return c.out, nil
}

// points hands the values at the ends of steps to a consumer.
func (p *rawPlan) points(values []float64, c consumer) error {
	next := 0
	for i := range p.at.n {
		end, highest := p.at.at(i), math.NaN()
		for ; next < len(values) && p.within.at(next) <= end; next++ {
			if v := values[next]; !math.IsNaN(v) && !(highest >= v) {
				highest = v
			}
		}
		if math.IsNaN(highest) {
			continue
		}
		if err := c.point(end, highest); err != nil {
			return err
		}
	}
	return nil
}

// evaluate computes the values of a metric by host; a slice has those at the
// plan's times, NaN where there is none.
func (s *Source) evaluate(ctx context.Context, v *view, what string, labels []string, p rawPlan, t *tally) (map[string][]float64, error) {
	if p.at.n == 0 {
		return nil, nil
	}
	var e *evaluation
	start := func() rawConsumer {
		e = &evaluation{raw: p.raw, by: append([]string{v.host, "job"}, v.dedup...), host: v.host, at: p.within,
			rate: p.rate, last: p.step, closed: v.engine.closed, room: max(1<<20, roomFor*s.o.BatchSamples), cells: map[string]*rawCells{}, raws: map[string]int64{}}
		return e
	}
	if err := s.readRaw(ctx, s.selectors(v, p.raw, labels), p.from, p.to, what, start); err != nil {
		return nil, err
	}
	if err := s.countRaw(ctx, v, what, labels, p, e.raws, t); err != nil {
		return nil, err
	}
	values, lacking := e.hosts(labels)
	if len(lacking) > 0 && p.raw.Else != nil {
		p.raw = *p.raw.Else
		more, err := s.evaluate(ctx, v, what, lacking, p, t)
		if err != nil {
			return nil, err
		}
		maps.Copy(values, more)
	}
	return values, nil
}

// readsRaw says whether series are read as they are stored.
func (s *Source) readsRaw(v *view) bool { return v.engine.remoteRead && !s.noRaw.Load() }

// storedRaw says whether a metric is read from series as they are stored.
func (s *Source) storedRaw(v *view, m fleet.Metric) bool {
	_, computed := names.RawOf(v.schema, m)
	return s.readsRaw(v) && (v.traits.Stored || computed)
}

// explainRaw is what is sent for a metric of hosts.
func (s *Source) explainRaw(v *view, labels []string, p rawPlan) PlannedQuery {
	text := s.selectors(v, p.raw, labels)
	return PlannedQuery{Path: "/" + remoteRead, Query: "{" + strings.Join(text, "} {") + "}", Start: time.UnixMilli(p.from).UTC(), End: time.UnixMilli(p.to).UTC(), Times: 1}
}

// sizesRaw are capacities of hosts at steps' ends from one time to another,
// computed from series as they are stored; false where they are asked by
// queries.
func (s *Source) sizesRaw(ctx context.Context, v *view, m fleet.Metric, labels []string, from, to, step int64) (*sizesOf, bool, error) {
	p, ok := s.rawPlan(v, m, extentMS{from - step, to - step + 1}, time.Duration(step)*time.Millisecond)
	if !ok {
		return nil, false, nil
	}
	values, err := s.evaluate(ctx, v, "capacities", labels, p, nil)
	if err != nil && s.queriesInstead(err, labels, extentMS{}) {
		return nil, false, nil
	}
	if err != nil {
		return nil, true, err
	}
	out := &sizesOf{host: v.host, m: map[string]*sizes{}}
	for host, list := range values {
		if err := out.series(map[string]string{v.host: host}); err != nil {
			return nil, true, err
		}
		if err := p.points(list, out); err != nil {
			return nil, true, err
		}
	}
	return out, true, nil
}

// extentRaw finds the first and last time of the series that match, of those
// that are stored; see extent.
func (s *Source) extentRaw(ctx context.Context, inside string, by []string) ([]key, error) {
	var e *extents
	w := s.all()
	err := s.readRaw(ctx, []string{inside}, w.Start.UnixMilli(), w.End.UnixMilli(), "hosts", func() rawConsumer {
		e = newExtents(by)
		return rawEnds{e}
	})
	if err != nil {
		return nil, err
	}
	return e.list(), nil
}

// rawEnds takes the ends of series.
type rawEnds struct{ to *extents }

func (r rawEnds) samples(_ int, labels map[string]string, times []int64, _ []float64) error {
	if err := r.to.series(labels); err != nil {
		return err
	}
	for _, at := range []int64{times[0], times[len(times)-1]} {
		if err := r.to.point(at, 0); err != nil {
			return err
		}
	}
	return nil
}

// tally is how many samples of hosts' series were read as they are stored, and
// how many the engine counts. A nil one is not kept.
type tally struct {
	read, counted map[string]int64
	byQueries     bool // some were asked by queries: nothing is known of all
}

// queried says that something was asked by queries.
func (t *tally) queried() {
	if t != nil {
		t.byQueries = true
	}
}

// raw says whether the tally is of all that was read.
func (t *tally) raw() bool { return !t.byQueries && t.read != nil }

// countRaw lets the engine count the samples that were read, by host.
func (s *Source) countRaw(ctx context.Context, v *view, what string, labels []string, p rawPlan, read map[string]int64, t *tally) error {
	if t == nil {
		return nil
	}
	counted := map[string]int64{}
	over := names.Duration(v.engine.window(time.Duration(p.to-p.from+1) * time.Millisecond))
	for _, selector := range s.selectors(v, p.raw, labels) {
		c := &counts{host: v.host, out: map[string]int64{}}
		query := "sum by (" + v.host + ") (count_over_time({" + selector + "}[" + over + "]))"
		if err := s.instant(ctx, query, time.UnixMilli(p.to), "count "+what, func() consumer { clear(c.out); return c }); err != nil {
			return err
		}
		for host, n := range c.out {
			counted[host] += n
		}
	}
	if t.read == nil {
		t.read, t.counted = map[string]int64{}, map[string]int64{}
	}
	for host, n := range counted {
		t.counted[host] += n
	}
	for host, n := range read {
		t.read[host] += n
	}
	return nil
}

// verifyRaw compares the samples that were read as they are stored with what the
// engine counts, by label.
func (c *copied) verifyRaw(t *target, m fleet.Metric, rows int, sums *tally) {
	c.Counted = max(0, c.Counted) + int64(rows)
	for _, l := range t.labels {
		if read, counted := sums.read[l], sums.counted[l]; read != counted && c.wrong == nil {
			c.wrong = &CountError{t.id, c.Day, m.Name, read, counted}
		}
	}
}

// queriesInstead says whether an engine that does not give series as they are
// stored is asked by queries: from then on, or for a question that is too large
// for it and cannot be made smaller.
func (s *Source) queriesInstead(err error, labels []string, want extentMS) bool {
	if refusesRaw(err) {
		s.noRaw.Store(true)
		return true
	}
	return tooLarge(err) && len(labels) == 1 && want.to-want.from <= least
}

// tryRaw finds out whether the engine gives series as they are stored. What does
// not answer at once has no such door.
func (s *Source) tryRaw(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, min(s.o.Timeout, 10*time.Second))
	defer cancel()
	const at = 1700000040_000
	message := readRequest([][]matcher{{{0, "__name__", "up"}}}, at, at)
	r := request{path: remoteRead, asked: `{__name__="up"}`, body: s2.EncodeSnappy(nil, message), accept: streamed, try: true}
	return s.client.read(ctx, r, func(d *decoder) (answer, error) {
		f := &frames{r: d.r, from: at, to: at, consumer: rawNothing{}}
		return answer{complete: true}, f.read()
	}) == nil
}

type rawNothing struct{}

func (rawNothing) samples(int, map[string]string, []int64, []float64) error { return nil }

// rawPoints hands series that are read as they are stored on.
type rawPoints struct{ to consumer }

func (r *rawPoints) samples(_ int, labels map[string]string, times []int64, values []float64) error {
	if err := r.to.series(labels); err != nil {
		return err
	}
	for i, t := range times {
		if err := r.to.point(t, values[i]); err != nil {
			return err
		}
	}
	return nil
}

// pieces are the time of each rate of a peak, and from one to the next: of two
// scrapes each, where a step has four or more.
func (v *view) pieces(step time.Duration) (peak, every time.Duration) {
	if v.scrape > 0 && step >= 4*v.scrape {
		return 2 * v.scrape, v.scrape
	}
	return step, step
}

// sortSamples sorts samples by time; those of one time keep their order.
func sortSamples(times []int64, values []float64) {
	sort.Stable(&inOrder{times, values})
}

type inOrder struct {
	times  []int64
	values []float64
}

func (b *inOrder) Len() int           { return len(b.times) }
func (b *inOrder) Less(i, j int) bool { return b.times[i] < b.times[j] }
func (b *inOrder) Swap(i, j int) {
	b.times[i], b.times[j] = b.times[j], b.times[i]
	b.values[i], b.values[j] = b.values[j], b.values[i]
}
