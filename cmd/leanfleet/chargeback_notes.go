package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/report"
)

// mostNotes is how many things without a price are named beneath a table.
const mostNotes = 5

// chargebackNotes are the sentences beneath a report: what is marked, and what
// is not known.
func chargebackNotes(r *chargeback.Result, loc *time.Location) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if t := r.Period.ChargedUntil; t != nil {
		say("Charged up to %s; the period ends later.", report.FormatTime(*t, loc))
	}
	if r.Total.PriceBasis != "" {
		say("nearest-later: the first known prices, of %s, are later than the use; --strict-prices leaves them out.", dates(&r.Prices))
	}
	out = append(out, staleNotes(r.Prices.Stale)...)
	if r.Total.EstimatedHours > 0 {
		say("%s host hours are estimated: nobody stated a state, and no sample shows that the host ran.", report.FormatNumber(r.Total.EstimatedHours, 2))
	}
	if r.Method.OSAssumedHours > 0 {
		say("%s host hours are priced as linux: the operating system is unknown.", report.FormatNumber(r.Method.OSAssumedHours, 2))
	}
	if r.Method.ReservedHours > 0 {
		say("%s hours of hosts marked reserved are covered by no known commitment: their effective cost is that on demand, at most.", report.FormatNumber(r.Method.ReservedHours, 2))
	}
	out = append(out, unknownKeyNotes(r)...)
	out = append(out, unpricedNotes(r.Unpriced)...)
	out = append(out, commitmentNotes(r.Commitments)...)
	if n := len(r.NotCharged); n > 0 {
		say("%s not charged: nobody knows whether they ran. State their state, or import samples.", plural(int64(n), "host"))
	}
	for _, x := range r.Prices.Rates {
		say("%s/%s = %s (%s).", x.From, x.To, x.Value, x.Source)
	}
	return append(out, damageNotes(r.Damaged)...)
}

// unknownKeyNotes name the keys to group by of which no host has a value: a slip,
// more often than not.
func unknownKeyNotes(r *chargeback.Result) []string {
	var out []string
	for i, key := range r.GroupBy {
		if len(r.Groups) > 0 && !slices.ContainsFunc(r.Groups, func(g chargeback.Group) bool { return g.Group[i].Value != nil }) {
			out = append(out, fmt.Sprintf("No host in the report has %s: \"leanfleet hosts -o wide\" shows the tags that they have.", key))
		}
	}
	return out
}

// gapNotes name the longest times of unknown state without samples, by time.
func gapNotes(gaps []fleet.Window, loc *time.Location) []string {
	shown := slices.Clone(gaps)
	slices.SortStableFunc(shown, func(a, b fleet.Window) int { return cmp.Compare(b.Duration(), a.Duration()) })
	shown = shown[:min(len(shown), mostNotes)]
	slices.SortFunc(shown, func(a, b fleet.Window) int { return a.Start.Compare(b.Start) })
	var out []string
	for _, g := range shown {
		out = append(out, fmt.Sprintf("Estimated, without samples for %s: %s.", g.Duration(), window(g, loc)))
	}
	if more := len(gaps) - len(shown); more > 0 {
		out = append(out, fmt.Sprintf("... and %s without samples, none of them longer; -o json lists all.", plural(int64(more), "more time")))
	}
	return out
}

// staleNotes name the places and kinds of things whose prices are old, many of
// them in one line.
func staleNotes(list []chargeback.StalePrices) []string {
	const few = 2
	var out []string
	if len(list) <= few {
		for _, p := range list {
			out = append(out, fmt.Sprintf("Prices of %s in %s %s were last seen on %s, %d days before the end of what is charged; \"leanfleet prices update --provider %s --region %s\" reads new ones.",
				thingsOf(p.What), p.Provider, p.Region, p.LastSeen, p.Days, p.Provider, p.Region))
		}
		return out
	}
	var kinds, places []string
	oldest, youngest := list[0], list[0]
	for _, p := range list {
		if kind := thingsOf(p.What); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		if place := p.Provider + " " + p.Region; !slices.Contains(places, place) {
			places = append(places, place)
		}
		if p.Days > oldest.Days {
			oldest = p
		}
		if p.Days < youngest.Days {
			youngest = p
		}
	}
	where, update := places[0], fmt.Sprintf(" --provider %s --region %s", oldest.Provider, oldest.Region)
	if len(places) > 1 {
		where, update = plural(int64(len(places)), "region"), ""
	}
	return append(out, fmt.Sprintf("Prices of %s in %s were last seen %d to %d days before the end of what is charged, those of %s in %s %s on %s; \"leanfleet prices update%s\" reads new ones, -o json lists them.",
		sentenceList(kinds), where, youngest.Days, oldest.Days, thingsOf(oldest.What), oldest.Provider, oldest.Region, oldest.LastSeen, update))
}

// thingsOf are the things that a kind of price is for.
func thingsOf(what string) string {
	return map[string]string{"compute": "instances", "disk": "disks", "address": "public addresses"}[what]
}

// sentenceList joins words as a sentence does.
func sentenceList(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}

func dates(p *chargeback.Prices) string {
	if p.Oldest == p.Newest {
		return p.Oldest
	}
	return p.Oldest + " to " + p.Newest
}

// commitmentNotes say of each commitment what of it covers nothing, whether it is
// dearer than what it stands in for, and what it has no rate for.
func commitmentNotes(list []chargeback.CommitmentUse) []string {
	var out []string
	for _, c := range list {
		if c.Unused.Sign() > 0 {
			out = append(out, fmt.Sprintf("Commitment %s: %s of %s is unused and in no group.", c.Commitment, c.Unused, c.Cost))
		}
		if c.AboveOnDemand {
			out = append(out, fmt.Sprintf("Commitment %s: what it covers costs %s under it and %s on demand: it is dearer than what it stands in for.", c.Commitment, c.Used, c.OnDemand))
		}
		out = append(out, unratedNotes(c.Commitment, c.Unrated)...)
	}
	return out
}

// unratedNotes name what a commitment has no rate for, all of one reason in one
// sentence.
func unratedNotes(commitment string, list []chargeback.Unpriced) []string {
	const few = 3
	var out, reasons []string
	for _, u := range list {
		if !slices.Contains(reasons, u.Reason) {
			reasons = append(reasons, u.Reason)
		}
	}
	for _, reason := range reasons {
		var names []string
		var hours float64
		more := 0
		for _, u := range list {
			if u.Reason != reason {
				continue
			}
			hours += u.Hours
			if len(names) == few {
				more++
				continue
			}
			names = append(names, strings.Join(nonEmpty(u.Provider, u.Region, u.InstanceType, u.OS, string(u.Purchase), u.Term), " "))
		}
		of := strings.Join(names, ", ")
		if more > 0 {
			of += fmt.Sprintf(" and %d more (-o json lists all)", more)
		}
		out = append(out, fmt.Sprintf("Commitment %s has no rate for %s, %s host hours, which are on demand: %s", commitment, of, report.FormatNumber(hours, 2), sentence(reason)))
	}
	return out
}

// unpricedNotes name types without a price one by one, and disks and addresses
// together.
func unpricedNotes(list []chargeback.Unpriced) []string {
	var out []string
	unknown, unpriced := map[string]float64{}, map[string]float64{}
	named := 0
	for _, u := range list {
		switch {
		case u.Reason == chargeback.ReasonDisksUnknown || u.Reason == chargeback.ReasonAddressesUnknown:
			unknown[u.What] += u.Hours
			continue
		case u.What != "compute":
			unpriced[u.What] += u.Hours
			continue
		}
		if named++; named <= mostNotes {
			out = append(out, fmt.Sprintf("No price: %s, %s, %s h: %s", strings.Join(nonEmpty(u.Provider, u.Region, u.InstanceType, u.OS, string(u.Purchase)), " "),
				plural(int64(u.Hosts), "host"), report.FormatNumber(u.Hours, 2), sentence(u.Reason)))
		}
	}
	if named > mostNotes {
		out = append(out, fmt.Sprintf("... and %d more without a price; -o json lists all.", named-mostNotes))
	}
	for _, what := range []struct{ key, name string }{{"disk", "Disks"}, {"address", "Public addresses"}} {
		if h := unpriced[what.key]; h > 0 {
			out = append(out, fmt.Sprintf("%s of %s host hours have no price and are not in the cost: \"leanfleet prices update\" reads one, or a price sheet gives it.", what.name, report.FormatNumber(h, 2)))
		}
		if h := unknown[what.key]; h > 0 {
			out = append(out, fmt.Sprintf("%s of %s host hours are unknown and not in the cost: an inventory states them.", what.name, report.FormatNumber(h, 2)))
		}
	}
	return out
}

// sentence ends with a full stop unless it is a question.
func sentence(s string) string {
	if strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}
