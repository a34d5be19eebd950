package simulate

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/zones"
)

// lines are the rows of one host, all days together.
type lines struct {
	start []int64
	col   [columns][]int32
}

func byHost(c *collected) map[fleet.HostID]*lines {
	out := map[fleet.HostID]*lines{}
	for i := range c.batches {
		b := &c.batches[i]
		l := out[b.Host]
		if l == nil {
			l = new(lines)
			out[b.Host] = l
		}
		l.start = append(l.start, b.Start...)
		for k := range b.Columns {
			l.col[k] = append(l.col[k], b.Columns[k].Values...)
		}
	}
	return out
}

// mean of a column over the rows for which use holds; NaN without any.
func (l *lines) mean(col int, use func(at time.Time) bool) float64 {
	sum, n := 0.0, 0.0
	for i, at := range l.start {
		if use(time.UnixMilli(at).UTC()) {
			sum += float64(l.col[col][i])
			n++
		}
	}
	return sum / n
}

func always(time.Time) bool { return true }

// quantile of a column by nearest rank.
func (l *lines) quantile(col int, share float64) float64 {
	v := slices.Sorted(slices.Values(l.col[col]))
	return float64(v[max(0, int(math.Ceil(share*float64(len(v))))-1)])
}

func TestColumnsAreTheCanonicalMetrics(t *testing.T) {
	var names []string
	for _, m := range fleet.CanonicalMetrics().Stored() {
		names = append(names, m.Name)
	}
	if diff := cmp.Diff(names, columnNames[:]); diff != "" {
		t.Errorf("columns differ from the canonical stored metrics:\n%s", diff)
	}
}

// TestRowsAgreeWithThemselves checks in every row what the metrics have to do
// with each other.
func TestRowsAgreeWithThemselves(t *testing.T) {
	for _, interval := range []time.Duration{time.Minute, 5 * time.Minute, time.Hour} {
		c, s := run(t, Options{Seed: 5, Hosts: 100, Days: 16, Start: monday, Interval: interval})
		rows := byHost(c)
		for _, h := range s.Truth.Hosts {
			l := rows[h.Host]
			if l == nil {
				continue
			}
			bad := 0
			report := func(i int, format string, args ...any) {
				if bad++; bad <= 3 {
					t.Errorf("%s at %s: %s", h.Name, utc(l.start[i]), fmt.Sprintf(format, args...))
				}
			}
			for i := range l.start {
				v := func(k int) int32 { return l.col[k][i] }
				if v(colPeak) < v(colCPU) || v(colPeak) > 10000 {
					report(i, "peak %d beside mean %d", v(colPeak), v(colCPU))
				}
				if sum := v(colCPU) + v(colSteal) + v(colIOWait); sum > 10000 {
					report(i, "use, steal and I/O wait sum to %d", sum)
				}
				for _, k := range []int{colMemory, colSwap, colDisk} {
					if v(k) > 10000 {
						report(i, "%s is %d", columnNames[k], v(k))
					}
				}
				if v(colRead) > 0 != (v(colReadOps) > 0) {
					report(i, "%d read from disk in %d operations", v(colRead), v(colReadOps))
				}
				if v(colUp) != 1 || v(colVCPUs) < 200 || v(colMemoryMiB) < 1900 || v(colProcesses) < 80 {
					report(i, "up %d, capacity %d and %d, %d processes", v(colUp), v(colVCPUs), v(colMemoryMiB), v(colProcesses))
				}
				if offGrid := l.start[i]%interval.Milliseconds() != 0; offGrid && h.OnGrid {
					report(i, "not on the grid")
				}
				if i > 0 && v(colUptime) > l.col[colUptime][i-1] { // not booted between
					passed := (l.start[i]-l.start[i-1])/1000 - int64(v(colUptime)-l.col[colUptime][i-1])
					if passed < -2 || passed > 2 {
						report(i, "uptime and clock are %d s apart", passed)
					}
				}
			}
			if !h.OnGrid && l.start[1]%1000 == 0 && l.start[2]%1000 == 0 {
				t.Errorf("%s is on the grid, said not to be", h.Name)
			}
			load, use := l.mean(colLoad, always)/100, l.mean(colCPU, always)/10000*l.mean(colVCPUs, always)/100
			if interval == time.Minute && (load < 0.7*use-0.1 || load > 2.5*use+0.5) {
				t.Errorf("%s: mean load %.2f beside %.2f cores in use", h.Name, load, use)
			}
		}
	}
}

// TestRowsMissing: two rows of a thousand are missing, apart from gaps with a
// reason, and a few hosts are off the grid.
func TestRowsMissing(t *testing.T) {
	_, s := run(t, Options{Seed: 5, Hosts: 300, Days: 3, Start: monday})
	var ran, emitted, off float64
	for _, h := range s.Truth.Hosts {
		ran += float64(h.RunningSeconds) / 60
		emitted += float64(h.Rows)
		if !h.OnGrid {
			off++
		}
	}
	if missing := 1 - emitted/ran; missing < 0.0018 || missing > 0.0022 {
		t.Errorf("%.4f of the rows are missing, want 0.002", missing)
	}
	if share := off / float64(s.Hosts); share < 0.01 || share > 0.06 {
		t.Errorf("%.3f of the hosts are off the grid, want about 0.03", share)
	}
}

// TestKinds: every kind behaves as the truth says.
func TestKinds(t *testing.T) {
	kolkata := time.FixedZone("IST", 5*3600+1800)
	local := func(at time.Time) (minute float64, workday bool) {
		l := at.In(kolkata)
		return float64(l.Hour()*60 + l.Minute()), l.Weekday() != time.Saturday && l.Weekday() != time.Sunday
	}
	c, s := run(t, Options{Seed: 11, Hosts: 160, Days: 42, Start: monday, Interval: 5 * time.Minute, Location: kolkata})
	rows := byHost(c)
	seen := map[Kind]int{}
	for _, h := range s.Truth.Hosts {
		l := rows[h.Host]
		if l == nil || len(l.start) < 20*288 || hasEvent(h, EventResize) {
			continue
		}
		seen[h.Kind]++
		cpu := func(use func(time.Time) bool) float64 { return l.mean(colCPU, use) / 10000 }
		check := func(ok bool, format string, args ...any) {
			t.Helper()
			if !ok {
				t.Errorf("%s (%s): %s", h.Name, h.Kind, fmt.Sprintf(format, args...))
			}
		}
		check(h.Idle == (h.Kind == KindIdle), "idle is %v", h.Idle)
		switch h.Kind {
		case KindIdle:
			p95 := l.quantile(colCPU, 0.95) / 10000
			check(p95 < 0.1 && l.quantile(colCPU, 0.5) < 450, "p95 of CPU is %.3f, median %.0f", p95, l.quantile(colCPU, 0.5))
			check(l.quantile(colTransmit, 0.95) < 3000, "p95 of traffic is %.0f", l.quantile(colTransmit, 0.95))
		case KindOffice:
			w := h.Work
			middle := cpu(func(at time.Time) bool {
				m, workday := local(at)
				return workday && m > w.BeginMinute+75 && m < w.BeginMinute+w.LengthMinutes-75
			})
			away := cpu(func(at time.Time) bool {
				m, workday := local(at)
				return !workday || m < w.BeginMinute-5 || m > w.BeginMinute+w.LengthMinutes+5
			})
			check(math.IsNaN(away) || middle > 3*away, "%.3f in office hours, %.3f outside", middle, away)
			people := l.mean(colSessions, func(at time.Time) bool { m, d := local(at); return d && m > w.BeginMinute+120 && m < w.BeginMinute+400 })
			check(people > 0.5, "%.2f users in office hours", people)
		case KindBatch:
			w := h.Work
			in := func(at time.Time, slack float64) bool { // in a job, or near it
				m, _ := local(at)
				for _, x := range []float64{m, m + 1440} {
					if x > w.BeginMinute+10+slack && x < w.BeginMinute+0.8*w.LengthMinutes-slack {
						return true
					}
				}
				return false
			}
			job := cpu(func(at time.Time) bool { return in(at, 5) && at.In(kolkata).Weekday() == time.Wednesday })
			noon := cpu(func(at time.Time) bool { m, _ := local(at); return m > 800 && m < 1200 })
			check(job > 0.35 && noon < 0.06, "%.3f in the job, %.3f in the afternoon", job, noon)
		case KindBusy:
			check(cpu(always) > 0.35 && l.quantile(colCPU, 0.05) > 2500, "mean %.3f, p5 %.0f", cpu(always), l.quantile(colCPU, 0.05))
		case KindGrowing:
			first := cpu(func(at time.Time) bool { return at.Before(monday.AddDate(0, 0, 7)) })
			last := cpu(func(at time.Time) bool { return !at.Before(monday.AddDate(0, 0, 35)) })
			want := (1 + 5.5*h.GrowthPerWeek) / (1 + 0.5*h.GrowthPerWeek)
			check(math.IsNaN(first) || math.Abs(last/first/want-1) < 0.08, "grew %.3f times from the first week to the sixth, want %.3f", last/first, want)
		case KindBursty:
			check(l.quantile(colCPU, 0.5) < 500 && l.quantile(colCPU, 0.995) > 2500, "median %.0f, p99.5 %.0f", l.quantile(colCPU, 0.5), l.quantile(colCPU, 0.995))
		case KindLeaking:
			checkLeak(t, h, l)
		case KindWeb:
			peak := h.Parameters["peak_minute_or_begin"]
			near := func(off float64) float64 {
				return cpu(func(at time.Time) bool {
					m, workday := local(at)
					d := math.Abs(math.Mod(m-peak-off+3*1440+720, 1440) - 720)
					return workday && d < 60
				})
			}
			check(near(0) > 2*near(720), "%.3f at the peak, %.3f half a day away", near(0), near(720))
			check(l.mean(colTransmit, always) > 20, "mean traffic %.0f", l.mean(colTransmit, always))
		}
		checkDemand(t, h, l)
	}
	for _, k := range Kinds() {
		if seen[k] < 4 {
			t.Errorf("only %d hosts of kind %s were judged", seen[k], k)
		}
	}
}

func hasEvent(h HostTruth, kind string) bool {
	return slices.ContainsFunc(h.Events, func(e Event) bool { return e.Kind == kind })
}

// checkLeak: memory falls at the restarts of the truth and rises between them
// at its rate.
func checkLeak(t *testing.T, h HostTruth, l *lines) {
	t.Helper()
	median := func(from, to time.Time) float64 {
		part := new(lines)
		for i, at := range l.start {
			if at >= from.UnixMilli() && at < to.UnixMilli() {
				part.col[colMemory] = append(part.col[colMemory], l.col[colMemory][i])
			}
		}
		if len(part.col[colMemory]) == 0 {
			return math.NaN()
		}
		return part.quantile(colMemory, 0.5)
	}
	judged := 0
	for _, e := range h.Events {
		if e.Kind != EventRestart {
			continue
		}
		before, after := median(e.At.Add(-time.Hour), e.At), median(e.At, e.At.Add(time.Hour))
		if math.IsNaN(before) || math.IsNaN(after) {
			continue
		}
		judged++
		if before-after < 3000 {
			t.Errorf("%s: memory falls from %.0f to %.0f only at the restart of %s", h.Name, before, after, e.At)
		}
		later := median(e.At.Add(12*time.Hour), e.At.Add(13*time.Hour))
		fallen := slices.ContainsFunc(h.Events, func(x Event) bool { return x.At.After(e.At) && x.At.Before(e.At.Add(13*time.Hour)) })
		want := h.LeakBytesPerHour * 12 / (l.mean(colMemoryMiB, always) * (1 << 20)) * 10000
		if !math.IsNaN(later) && !fallen && math.Abs(later-after-want) > 0.15*want+150 {
			t.Errorf("%s: memory rises by %.0f in 12 hours after %s, want %.0f", h.Name, later-after, e.At, want)
		}
	}
	if judged == 0 && !h.stopped() {
		t.Errorf("%s: no restart in six weeks", h.Name)
	}
}

func (h HostTruth) stopped() bool { return h.Schedule != "" || len(h.Events) > 0 }

// checkDemand: where the host had enough, its demand is what it used.
func checkDemand(t *testing.T, h HostTruth, l *lines) {
	t.Helper()
	if l.quantile(colCPU, 1) < 9000 {
		for share, want := range map[float64]float64{0.5: h.CPUDemandCores.P50, 0.95: h.CPUDemandCores.P95, 0.99: h.CPUDemandCores.P99} {
			// a few rows are missing, and the bins of the truth have a width
			low, high := l.quantile(colCPU, share-0.003)/10000*h.VCPUs, l.quantile(colCPU, share+0.003)/10000*h.VCPUs
			if want < 0.97*low-0.002 || want > 1.03*high+0.002 {
				t.Errorf("%s: p%v of used cores is %.4f to %.4f, of the demand %.4f", h.Name, share*100, low, high, want)
			}
		}
		if got := l.mean(colCPU, always) / 10000 * h.VCPUs; math.Abs(got-h.CPUDemandCores.Mean) > 0.01*got+0.002 {
			t.Errorf("%s: %.4f cores used, %.4f asked for", h.Name, got, h.CPUDemandCores.Mean)
		}
	}
	if l.quantile(colMemory, 1) < 9700 {
		seen := l.mean(colMemoryMiB, always) * (1 << 20)
		if got := l.quantile(colMemory, 0.95) / 10000 * seen; math.Abs(got/h.MemoryBytesUsed.P95-1) > 0.03 {
			t.Errorf("%s: p95 of used memory is %.0f, of the demand %.0f", h.Name, got, h.MemoryBytesUsed.P95)
		}
	}
}

// TestTimelines compares what a small fleet's inventory says over two months
// with testdata/timelines.txt, and each host's rows with what is said.
func TestTimelines(t *testing.T) {
	o := Options{Seed: 5, Hosts: 40, Days: 61, Start: monday, Interval: 15 * time.Minute}
	c, s := run(t, o)
	rows := byHost(c)
	var text strings.Builder
	said := map[fleet.HostID][]fleet.Statement{}
	for _, st := range c.statements {
		said[st.Host] = append(said[st.Host], st)
	}
	kinds := map[string]int{}
	for _, h := range s.Truth.Hosts {
		for _, e := range h.Events {
			kinds[e.Kind]++
		}
		checkTimeline(t, o, h, said[h.Host], rows[h.Host])
		if len(h.Events) > 0 && h.Schedule == "" {
			writeTimeline(&text, h, said[h.Host])
		}
	}
	for _, kind := range []string{EventLaunch, EventTerminate, EventStop, EventReboot, EventResize, EventTags, EventOutage, EventRestart} {
		if kinds[kind] == 0 {
			t.Errorf("no %s in the whole fleet", kind)
		}
	}
	const file = "testdata/timelines.txt"
	if *update {
		if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func writeTimeline(w *strings.Builder, h HostTruth, said []fleet.Statement) {
	fmt.Fprintf(w, "%s %s %s\n", h.Name, h.Kind, h.InstanceType)
	for _, e := range h.Events {
		if e.Kind == EventRestart {
			continue
		}
		fmt.Fprintf(w, "  happened %s %s", e.At.Format(time.DateTime), e.Kind)
		if !e.Until.IsZero() {
			fmt.Fprintf(w, " until %s", e.Until.Format(time.DateTime))
		}
		if e.To != "" {
			fmt.Fprintf(w, " from %s to %s", e.From, e.To)
		}
		fmt.Fprintln(w)
	}
	for _, st := range said {
		from := "the beginning"
		if !st.From.IsZero() {
			from = st.From.Format(time.DateTime)
		}
		fmt.Fprintf(w, "  said from %s", from)
		for _, key := range []string{"name", "state", "instance_type", "dept", "cost_center"} {
			if v, ok := st.Field(key); ok && (key != "name" || st.Name != "") {
				fmt.Fprintf(w, " %s=%s", key, v)
			}
		}
		if st.Capacity.VCPUs > 0 {
			fmt.Fprintf(w, " vcpus=%v memory=%d", st.Capacity.VCPUs, st.Capacity.MemoryBytes)
		}
		fmt.Fprintln(w)
	}
}

// checkTimeline: rows exist only while the host is said to run and its agent
// lives, show the capacity that is said, and count uptime from the last boot.
func checkTimeline(t *testing.T, o Options, h HostTruth, said []fleet.Statement, l *lines) {
	t.Helper()
	if l == nil {
		t.Errorf("%s has no rows", h.Name)
		return
	}
	boots := []int64{}
	for _, e := range h.Events {
		if end := e.Until; e.Kind == EventStop || e.Kind == EventReboot || e.Kind == EventResize {
			boots = append(boots, end.UnixMilli())
		} else if e.Kind == EventLaunch {
			boots = append(boots, e.At.UnixMilli())
		}
	}
	next := 0
	state, vcpus := fleet.StateUnknown, 0.0
	for i, start := range l.start {
		at := time.UnixMilli(start).UTC()
		for next < len(said) && !said[next].From.After(at) {
			if said[next].State != "" {
				if h.Schedule != "" && said[next].State == fleet.StateRunning {
					boots = append(boots, said[next].From.UnixMilli())
				}
				state = said[next].State
			}
			if said[next].Capacity.VCPUs > 0 {
				vcpus = said[next].Capacity.VCPUs
			}
			next++
		}
		if state != fleet.StateRunning {
			t.Errorf("%s has a row at %s, when it is said to be %q", h.Name, at, state)
			return
		}
		if got := float64(l.col[colVCPUs][i]) / 100; got != vcpus {
			t.Errorf("%s sees %v vCPUs at %s, is said to have %v", h.Name, got, at, vcpus)
			return
		}
		for _, e := range h.Events {
			if !e.Until.IsZero() && at.Add(o.interval()).After(e.At) && at.Before(e.Until) {
				t.Errorf("%s has a row at %s, during %s from %s to %s", h.Name, at, e.Kind, e.At, e.Until)
				return
			}
		}
		boot := int64(math.MinInt64)
		for _, b := range boots {
			if b <= start {
				boot = max(boot, b)
			}
		}
		up := int64(l.col[colUptime][i])
		if want := (start + o.interval().Milliseconds() - boot) / 1000; boot > 0 && (up < want-1 || up > want+1) && !(h.Schedule != "" && boot == said[0].From.UnixMilli()) {
			t.Errorf("%s is up for %d s at %s, booted %s", h.Name, up, at, utc(boot))
			return
		}
	}
}

// TestSchedule: a host that is stopped at night runs on workdays from 7 to 20 by
// the clock of the fleet, in summer and in winter time.
func TestSchedule(t *testing.T) {
	berlin, err := zones.Load("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Seed: 9, Hosts: 60, Days: 35, Start: monday, Interval: 15 * time.Minute, Location: berlin, Mix: map[Kind]int{KindOffice: 1}}
	c, s := run(t, o)
	rows := byHost(c)
	scheduled := 0
	for _, h := range s.Truth.Hosts {
		if h.Schedule == "" {
			continue
		}
		scheduled++
		for _, start := range rows[h.Host].start {
			at := time.UnixMilli(start).In(berlin)
			if w := at.Weekday(); w == time.Saturday || w == time.Sunday || at.Hour() < 7 || at.Hour() >= 20 {
				t.Fatalf("%s runs at %s", h.Name, at)
			}
		}
		if days := float64(h.RunningSeconds) / 3600 / 13; !hasEvent(h, EventOutage) && !hasEvent(h, EventLaunch) && days != 25 {
			t.Errorf("%s ran for %.2f days of 13 hours in five weeks, want 25", h.Name, days)
		}
	}
	if scheduled < 5 {
		t.Errorf("only %d of 60 office hosts are stopped at night", scheduled)
	}
	var states []string
	for _, st := range c.statements {
		if st.Host == firstScheduled(s.Truth) && st.State != "" && len(states) < 4 {
			states = append(states, fmt.Sprintf("%s %s", st.From.Format(time.RFC3339), st.State))
		}
	}
	want := []string{"0001-01-01T00:00:00Z stopped", "2026-03-09T06:00:00Z running", "2026-03-09T19:00:00Z stopped", "2026-03-10T06:00:00Z running"}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("states of a scheduled host:\n%s", diff)
	}
}

func firstScheduled(truth Truth) fleet.HostID {
	for _, h := range truth.Hosts {
		if h.Schedule != "" && len(h.Events) == 0 {
			return h.Host
		}
	}
	return ""
}

// TestResizeMovesTheRatio: after a resize to twice the size the same demand is
// half the ratio, for CPU and memory.
func TestResizeMovesTheRatio(t *testing.T) {
	c, s := run(t, Options{Seed: 4, Hosts: 60, Days: 61, Start: monday, Interval: 5 * time.Minute, Mix: map[Kind]int{KindBusy: 1}})
	rows := byHost(c)
	judged := 0
	for _, h := range s.Truth.Hosts {
		l := rows[h.Host]
		for _, e := range h.Events {
			if e.Kind != EventResize {
				continue
			}
			around := func(from, to time.Duration, col int) float64 {
				return l.mean(col, func(at time.Time) bool { return !at.Before(e.At.Add(from)) && at.Before(e.At.Add(to)) })
			}
			const hour = time.Hour
			for _, pair := range [][2]int{{colCPU, colVCPUs}, {colMemory, colMemoryMiB}} {
				before, after := around(-3*hour, -hour/4, pair[0]), around(hour/4, 3*hour, pair[0])
				capacityBefore, capacityAfter := around(-3*hour, -hour/4, pair[1]), around(hour/4, 3*hour, pair[1])
				if math.IsNaN(before) || math.IsNaN(after) || around(-3*hour, 3*hour, colPeak) > 9500 || before > 9500 || after > 9500 {
					continue
				}
				judged++
				if got, want := after/before, capacityBefore/capacityAfter; math.Abs(got/want-1) > 0.15 {
					t.Errorf("%s at %s: %s goes from %.0f to %.0f, capacity from %.0f to %.0f", h.Name, e.At, columnNames[pair[0]], before, after, capacityBefore, capacityAfter)
				}
			}
		}
	}
	if judged < 4 {
		t.Errorf("only %d changes were judged", judged)
	}
}
