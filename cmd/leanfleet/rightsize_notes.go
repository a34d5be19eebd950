package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// checkCodes are what a person has to verify, by name.
func checkCodes(list []advice.Check) string {
	var codes []string
	for _, c := range list {
		if code := string(c.Code); !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return strings.Join(codes, " ")
}

// rightsizeNotes are what a list comes to, and what its numbers mean.
func rightsizeNotes(r *rightsizing.Result, all bool) []string {
	s := &r.Summary
	var notes []string
	for _, k := range []struct {
		total      rightsizing.Total
		what, more string
	}{
		{s.Shrinks, "shrink", "less CPU or memory"}, {s.Swaps, "swap", "no less of anything, newer or cheaper"}, {s.Grows, "grow", "for hosts that are short"},
	} {
		if k.total.Hosts > 0 {
			note := fmt.Sprintf("%s (%s): %s a month", plural(int64(k.total.Hosts), k.what), k.more, saves(k.total.MonthlySavings))
			if k.total.StatedBroken > 0 {
				note += fmt.Sprintf("; %.2f of them stated to break", k.total.StatedBroken)
			}
			notes = append(notes, note+".")
		}
	}
	if s.Idle.Hosts > 0 {
		notes = append(notes, fmt.Sprintf("%s: stopping would save up to %s a month, instead of and not on top of the above.", plural(int64(s.Idle.Hosts), "idle host"), amountText(s.Idle.StopMonthlySavings)))
	}
	if s.Spot != nil && s.Spot.Hosts > 0 {
		notes = append(notes, fmt.Sprintf("%s at spot prices instead would save %s a month; the provider may take them away.", plural(int64(s.Spot.Hosts), "host"), amountText(s.Spot.MonthlySavings)))
	}
	if s.Moves != nil && s.Moves.Hosts > 0 {
		notes = append(notes, fmt.Sprintf("%s elsewhere instead would save %s a month; -o json has the options.", plural(int64(s.Moves.Hosts), "host"), amountText(s.Moves.MonthlySavings)))
	}
	if c := s.AfterCommitments; c != nil {
		notes = append(notes, fmt.Sprintf("After commitments all of it saves %s a month: %s of what is committed would lie idle, %s does today.",
			amountText(c.MonthlySavings), amountText(c.UnusedAfter), amountText(c.UnusedBefore)))
	}
	if s.HostsWithPrice > 0 || s.Hosts == 0 {
		notes = append(notes, fmt.Sprintf("%s cost %s a month now, as hosts pay that run all month of %d h.", plural(int64(s.HostsWithPrice), "host"), amountText(s.MonthlyCost), s.HoursPerMonth))
	}
	if note := unadvisedNote(s); note != "" {
		notes = append(notes, note)
	}
	if s.Held > 0 {
		notes = append(notes, fmt.Sprintf("%s on to what was advised before.", map[bool]string{true: "1 line holds", false: report.FormatCount(int64(s.Held)) + " lines hold"}[s.Held == 1]))
	}
	if s.Dismissed > 0 {
		notes = append(notes, fmt.Sprintf("%s somebody dismissed; leanfleet rightsize decisions lists them.", plural(int64(s.Dismissed), "change")))
	}
	notes = append(notes, promiseNotes(r)...)
	if !all {
		notes = append(notes, asideNotes(r)...)
		notes = append(notes, "work is the effort and the number of checks. --all shows the other hosts with their reasons, --host NAME --explain every candidate and the checks, leanfleet backtest what such advice was worth.")
	}
	return notes
}

// unadvisedNote says of how many hosts nothing can be said, and why.
func unadvisedNote(s *rightsizing.Summary) string {
	words := map[string]string{
		"no_type": "no known type or size", "no_price": "no price for the type, region and operating system", "rule_excludes": "left out by a rule",
		"no_samples": "never measured", "few_days": "fewer than three days measured", "silent": "nothing measured in the last seven days",
	}
	n := 0
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(s.Unadvised)) {
		n += s.Unadvised[reason]
		parts = append(parts, fmt.Sprintf("%s (%s)", report.FormatCount(int64(s.Unadvised[reason])), cmp.Or(words[reason], reason)))
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("Without advice: %s: %s.", plural(int64(n), "host"), strings.Join(parts, ", "))
}

// asideShown is how many hosts a note about days set aside names.
const asideShown = 3

// asideNotes name the hosts that needed more than they are to get on the one day
// that is not looked at: whoever carries the change out wants to know.
func asideNotes(r *rightsizing.Result) []string {
	lines := slices.Clone(r.Recommendations)
	slices.SortStableFunc(lines, bySavings)
	var named []string
	n := 0
	for i := range lines {
		x := &lines[i]
		if x.Recommended == nil || x.Kind != rightsizing.KindShrink {
			continue
		}
		var needs []string
		if v := x.Evidence.SetAsideCPUNeed; v != nil && *v > float64(x.Recommended.VCPUs) && x.Recommended.VCPUs < x.Current.VCPUs {
			needs = append(needs, report.FormatNumber(*v, 1)+" vCPUs on "+x.Evidence.SetAsideCPU)
		}
		if v := x.Evidence.SetAsideMemoryBytes; v != nil && *v > float64(x.Recommended.MemoryBytes) && x.Recommended.MemoryBytes < x.Current.MemoryBytes {
			needs = append(needs, report.FormatBytes(*v)+" on "+x.Evidence.SetAsideMemory)
		}
		if len(needs) == 0 {
			continue
		}
		if n++; n <= asideShown {
			named = append(named, x.Name+" ("+strings.Join(needs, ", ")+")")
		}
	}
	if n == 0 {
		return nil
	}
	note := fmt.Sprintf("On the one day that is set aside %s needed more than it is to get: %s", plural(int64(n), "host"), strings.Join(named, ", "))
	if n > asideShown {
		note += fmt.Sprintf(" and %d more", n-asideShown)
	}
	return []string{note + ". Ask what that day was."}
}

// wrapped breaks notes into lines that fit the terminal, between words.
func (a *app) wrapped(notes []string) []string {
	if a.style.Width == 0 || !a.forPeople() {
		return notes
	}
	var out []string
	for _, note := range notes {
		line := ""
		for word := range strings.FieldsSeq(note) {
			switch {
			case line == "":
				line = word
			case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > a.style.Width:
				out = append(out, line)
				line = "  " + word
			default:
				line += " " + word
			}
		}
		out = append(out, line)
	}
	return out
}

// promiseNotes say what --confidence and --max-risk mean for this list.
func promiseNotes(r *rightsizing.Result) []string {
	if r.Policy != rightsizing.PolicyLeanfleet {
		return []string{"This rule states no confidence; risk is leanfleet's chance of breaking in 14 days for what it advises."}
	}
	var notes []string
	if len(r.Summary.Rules) > 0 {
		for _, x := range r.Summary.Rules {
			name := "other hosts"
			if x.Rule != "" {
				name = "rule " + x.Rule
			}
			notes = append(notes, fmt.Sprintf("%s: of %s changed at least %s should stay within the limits for 14 days (--confidence); %s are stated to break; no line above %s (--max-risk).%s",
				name, report.FormatCount(int64(x.Changed)), report.FormatRatio(x.Confidence), report.FormatRatio(x.StatedBreakShare), report.FormatRatio(x.MaxRisk), unmet(x.ConfidenceMet)))
		}
		return notes
	}
	return append(notes,
		fmt.Sprintf("--confidence %.4g is about the list: of the hosts changed at least %s stay within the limits for 14 days; %s are stated to break.%s",
			r.Confidence, report.FormatRatio(r.Confidence), report.FormatRatio(r.Summary.StatedBreakShare), unmet(r.Summary.ConfidenceMet)),
		fmt.Sprintf("--max-risk %.4g is about a line: none has a larger chance of breaking (risk); 0.05 reads 0.95 strictly on every line.", r.MaxRisk))
}

func unmet(met bool) string {
	if met {
		return ""
	}
	return " That is more than was asked for."
}

// saves is an amount that is saved, or what it costs more.
func saves(a money.Amount) string {
	if a.Sign() < 0 {
		return "cost " + amountText(a.Neg()) + " more"
	}
	return "save " + amountText(a)
}

// amountText is an amount for people, such as 1,234.50 USD.
func amountText(a money.Amount) string {
	return report.FormatNumber(a.Decimal(6).InexactFloat64(), a.Currency().Digits()) + " " + string(a.Currency())
}
