package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// candidatesAnswer is every candidate of one host with what speaks against it, the
// nearest to being advised first, and its demand against the capacity.
func candidatesAnswer(a *app, r *rightsizing.Result, loc *time.Location) answer {
	t := &report.Table{Columns: []report.Column{
		{Key: "instance_type", Header: "type"}, {Key: "vcpus", Header: "vCPUs", Kind: report.KindNumber}, {Key: "memory_bytes", Header: "memory", Kind: report.KindBytes},
		costColumn(a, r), {Key: "break_probability", Header: "risk", Kind: report.KindRatio}, {Key: "rejected", Header: "what speaks against it", Prose: true},
	}}
	rows := []rightsizing.Explained{}
	var plots []func() error
	for i := range r.Recommendations {
		x := &r.Recommendations[i]
		t.Title = explainTitle(x, r)
		sorted := slices.Clone(x.Candidates)
		slices.SortStableFunc(sorted, func(p, q rightsizing.Explained) int { return cmp.Compare(nearness(&p), nearness(&q)) })
		rows = append(rows, sorted...)
		for j := range sorted {
			t.Rows = append(t.Rows, candidateRow(a, &sorted[j]))
		}
		t.Notes = append(t.Notes, explainNotes(x)...)
		plots = append(plots, func() error { return a.plotDemand(x, loc) })
	}
	t.Notes = a.wrapped(append(t.Notes, promiseNotes(r)...))
	return answer{result: r, rows: rows, table: t, after: func() error {
		for _, plot := range plots {
			if err := plot(); err != nil {
				return err
			}
		}
		return nil
	}}
}

func costColumn(a *app, r *rightsizing.Result) report.Column {
	c := moneyColumn(a, "monthly_cost", r.Currency, false)
	if a.forPeople() {
		c.Header, c.Unit = "a month", string(r.Currency)
	}
	return c
}

func explainTitle(x *rightsizing.Recommendation, r *rightsizing.Result) string {
	title := fmt.Sprintf("%s is %s: %s", x.Name, x.Current.InstanceType, strings.ReplaceAll(string(x.Finding), "_", " "))
	if x.Recommended == nil {
		return title + "; keep it"
	}
	title += fmt.Sprintf("; %s is advised (%s)", x.Recommended.InstanceType, x.Kind)
	if x.MonthlySavings != nil && x.BreakProbability != nil {
		title += fmt.Sprintf(", to %s a month at a risk of %s", saves(*x.MonthlySavings), report.FormatRatio(*x.BreakProbability))
	}
	return title
}

// nearness orders candidates: what is advised, what there is, what was nearly
// advised, then the rest.
func nearness(c *rightsizing.Explained) int {
	near := []string{rightsizing.RejectedCurrent, rightsizing.RejectedCostlier, rightsizing.RejectedRecent, rightsizing.RejectedRisk, rightsizing.RejectedGroup, rightsizing.RejectedSavings,
		rightsizing.RejectedPressed, "network", "disk_throughput", "disk_iops", rightsizing.RejectedTooSmall, rightsizing.RejectedMemUnknown, rightsizing.RejectedCPUUnknown, rightsizing.RejectedDominated}
	if c.Chosen {
		return -1
	}
	if i := slices.Index(near, c.Rejected); i >= 0 {
		return i
	}
	return len(near)
}

func candidateRow(a *app, c *rightsizing.Explained) report.Row {
	why := c.Rejected
	if words := rejectedWords()[c.Rejected]; words != "" && a.forPeople() {
		why = words
	}
	if c.By != "" {
		why += " by " + c.By
	}
	if c.Chosen {
		why = "advised"
	}
	vcpus, memory := report.Unknown("vcpus"), report.Unknown("memory")
	if v := float64(c.VCPUs); v > 0 {
		vcpus = report.Number(v, vcpuDigits(v))
	}
	if c.MemoryBytes > 0 {
		memory = report.Bytes(float64(c.MemoryBytes))
	}
	return report.Row{text(c.InstanceType), vcpus, memory,
		moneyCell(a, c.MonthlyCost, "no_price"), ratio(c.BreakProbability, "not_asked"), text(why)}
}

// rejectedWords are the reasons against a type that are not words for themselves.
func rejectedWords() map[string]string {
	return map[string]string{
		rightsizing.RejectedCurrent:    "today's type",
		rightsizing.RejectedCostlier:   "price and risk together",
		rightsizing.RejectedRisk:       "risk above the bound of a line",
		rightsizing.RejectedOlder:      "an older generation, so no swap without risk",
		rightsizing.RejectedRecent:     "a day of the last 14 took more than twice as much",
		rightsizing.RejectedPressed:    "today's vCPUs were above the limit for long",
		rightsizing.RejectedGroup:      "like hosts have begun to outgrow it",
		rightsizing.RejectedSavings:    "saves less than asked for",
		rightsizing.RejectedNotCheaper: "costs no less",
		rightsizing.RejectedNotCurrent: "not a current family",
		rightsizing.RejectedUnknown:    "a fact that matters is unknown",
		rightsizing.RejectedTooSmall:   "too small",
		rightsizing.RejectedMemUnknown: "memory is not known, so never reduced",
		rightsizing.RejectedCPUUnknown: "CPU is not known, so never reduced",
		rightsizing.RejectedLocalDisk:  "the local disk would be gone",
		rightsizing.RejectedBaseline:   "the baseline is below the mean of a day",
	}
}

// vcpuDigits is how many decimals vCPUs take: shared-core types have fractions.
func vcpuDigits(v float64) int {
	if v == math.Trunc(v) {
		return 0
	}
	return 2
}

// explainNotes are a host's reasons, checks and evidence.
func explainNotes(x *rightsizing.Recommendation) []string {
	var notes []string
	if len(x.Reasons) > 0 {
		notes = append(notes, "Reasons: "+strings.Join(x.Reasons, "; ")+".")
	}
	notes = append(notes, choiceNotes(x)...)
	for _, c := range x.Checks {
		notes = append(notes, "Check "+string(c.Code)+": "+c.Text)
	}
	e := &x.Evidence
	days := fmt.Sprintf("Evidence: %d days of history, CPU known on %d, memory on %d", e.Days, e.KnownDaysCPU, e.KnownDaysMemory)
	if e.Coverage != nil {
		days += fmt.Sprintf(", %s of its lifetime measured", report.FormatRatio(*e.Coverage))
	}
	notes = append(notes, days+".")
	if e.TypicalCPU != nil && e.WorstCPU != nil {
		notes = append(notes, fmt.Sprintf("CPU: %s vCPUs are needed in the worst week, %s on the worst day%s.", report.FormatNumber(*e.TypicalCPU, 2), report.FormatNumber(*e.WorstCPU, 2), setAside(e.SetAsideCPU, e.SetAsideCPUNeed, func(v float64) string { return report.FormatNumber(v, 2) })))
	}
	if e.TypicalMemory != nil && e.WorstMemory != nil {
		notes = append(notes, fmt.Sprintf("Memory: %s is the largest on a usual day, %s on the worst%s.", report.FormatBytes(*e.TypicalMemory), report.FormatBytes(*e.WorstMemory), setAside(e.SetAsideMemory, e.SetAsideMemoryBytes, report.FormatBytes)))
	}
	if len(x.Members) > 0 {
		notes = append(notes, memberNotes(x)...)
	}
	if e.LookAlikes >= 0.5 {
		notes = append(notes, fmt.Sprintf("Look-alikes: %.1f; %s of them needed more than this share of their size on one day%s.", e.LookAlikes, report.FormatRatio(e.GroupShare), bet(x)))
	}
	if h := x.Held; h != nil {
		instead := h.Instead
		if instead == "" {
			instead = "today's type"
		}
		notes = append(notes, fmt.Sprintf("Held: advised since %s; %s would be advised now, but not by enough to change the advice.", h.Since.UTC().Format(time.DateOnly), instead))
	}
	return notes
}

// choiceNotes say why it is this type and no cheaper one, and why it has more of
// something than is used.
func choiceNotes(x *rightsizing.Recommendation) []string {
	to := x.Recommended
	if to == nil || x.Kind == rightsizing.KindGrow || to.MonthlyCost == nil {
		return nil
	}
	var next, leaner *rightsizing.Explained
	for i := range x.Candidates {
		c := &x.Candidates[i]
		if c.BreakProbability == nil || c.MonthlyCost == nil || c.Chosen || c.Rejected == rightsizing.RejectedCurrent {
			continue
		}
		cheaper := c.MonthlyCost.Cmp(*to.MonthlyCost) < 0
		if cheaper && (next == nil || c.MonthlyCost.Cmp(*next.MonthlyCost) > 0) {
			next = c
		}
		if c.VCPUs >= to.VCPUs && c.MemoryBytes < to.MemoryBytes &&
			(leaner == nil || cmp.Or(cmp.Compare(leaner.MemoryBytes, c.MemoryBytes), c.MonthlyCost.Cmp(*leaner.MonthlyCost)) < 0) {
			leaner = c
		}
	}
	var notes []string
	if next != nil {
		notes = append(notes, fmt.Sprintf("Why no cheaper one: %s at %s is next, with a risk of %s: %s.", next.InstanceType, amountText(*next.MonthlyCost),
			report.FormatRatio(*next.BreakProbability), cmp.Or(rejectedWords()[next.Rejected], next.Rejected)))
	}
	used := x.Evidence.WorstMemory
	if used == nil || float64(to.MemoryBytes) < 2**used && to.MemoryBytes <= x.Current.MemoryBytes {
		return notes
	}
	why := "no type of as many vCPUs with less is cheaper than today's"
	if leaner != nil {
		why = fmt.Sprintf("the next with less and as many vCPUs, %s with %s, costs %s at a risk of %s: %s", leaner.InstanceType, report.FormatBytes(float64(leaner.MemoryBytes)),
			amountText(*leaner.MonthlyCost), report.FormatRatio(*leaner.BreakProbability), cmp.Or(rejectedWords()[leaner.Rejected], leaner.Rejected))
	}
	return append(notes, fmt.Sprintf("Why %s of memory, where %s is used on the worst day: %s.", report.FormatBytes(float64(to.MemoryBytes)), report.FormatBytes(*used), why))
}

// memberNotes name the members of a scaling group that the figures are of.
func memberNotes(x *rightsizing.Recommendation) []string {
	name := func(id fleet.HostID) string {
		for _, m := range x.Members {
			if m.Host == id {
				return m.Name
			}
		}
		return string(id) + ", which is gone"
	}
	note := fmt.Sprintf("Group of %s: each day is that of the member that needed most", plural(int64(len(x.Members)), "member"))
	if id := x.Evidence.WorstMemberCPU; id != "" {
		note += "; the worst of CPU was " + name(id)
	}
	if id := x.Evidence.WorstMemberMemory; id != "" {
		note += "; the worst of memory was " + name(id)
	}
	return []string{note + "."}
}

// bet says what it means that like hosts have outgrown the size that is advised.
func bet(x *rightsizing.Recommendation) string {
	if x.Recommended == nil || x.Evidence.GroupShare < rightsizing.Outgrown {
		return ""
	}
	return "; it is a bet, so few of them are changed together"
}

// setAside names the one day that is not looked at.
func setAside(day string, v *float64, format func(float64) string) string {
	if day == "" || v == nil {
		return ""
	}
	return fmt.Sprintf(", but for %s with %s", day, format(*v))
}

// plotDemand draws what each day needed against what there is and what is
// advised, CPU and memory.
func (a *app) plotDemand(x *rightsizing.Recommendation, loc *time.Location) error {
	p := x.Plot
	if p == nil || len(p.Days) < 2 {
		return nil
	}
	var times []time.Time
	for _, d := range p.Days {
		times = append(times, d.Start)
	}
	labels := dayLabels(times, loc)
	cpu := report.PlotSpec{Title: "CPU: vCPUs that each day needs to stay below 80 %, and what there is", Kind: report.KindNumber, Unit: "vCPUs", Labels: labels, Height: 12, Peaks: true}
	memory := report.PlotSpec{Title: "memory: the largest of each day, and what there is", Kind: report.KindBytes, Labels: labels, Height: 12, Peaks: true}
	cpu.Series = capacity(p.VCPUs, p.AdvisedVCPUs, x, len(p.Days))
	memory.Series = capacity(p.MemoryBytes, p.AdvisedMemoryBytes, x, len(p.Days))
	needed, peak, used := report.PlotSeries{Name: "needed"}, report.PlotSeries{Name: "highest sample"}, report.PlotSeries{Name: "used"}
	for i := range p.Days {
		d := &p.Days[i]
		needed.Values, peak.Values, used.Values = append(needed.Values, orNaN(d.NeededVCPUs)), append(peak.Values, orNaN(d.PeakVCPUs)), append(used.Values, orNaN(d.MemoryBytes))
	}
	cpu.Series, memory.Series = append(cpu.Series, peak, needed), append(memory.Series, used)
	for _, spec := range []report.PlotSpec{cpu, memory} {
		fmt.Fprintln(a.out)
		if err := report.Plot(a.out, a.style, spec); err != nil {
			return err
		}
	}
	return nil
}

// dayLabels name days that may begin at any time of day by their date.
func dayLabels(times []time.Time, loc *time.Location) []string {
	var days []time.Time
	for _, t := range times {
		y, m, d := t.In(loc).Date()
		days = append(days, time.Date(y, m, d, 0, 0, 0, 0, time.UTC))
	}
	return report.TimeLabels(days, time.UTC)
}

// capacity is the lines of what there is and of what is advised.
func capacity(now float64, advised *float64, x *rightsizing.Recommendation, n int) []report.PlotSeries {
	flat := func(name string, v float64) report.PlotSeries {
		return report.PlotSeries{Name: name, Values: slices.Repeat([]float64{v}, n)}
	}
	out := []report.PlotSeries{flat("now, "+x.Current.InstanceType, now)}
	if advised != nil && x.Recommended != nil {
		out = append(out, flat("advised, "+x.Recommended.InstanceType, *advised))
	}
	return out
}

func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}
