package handoff

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// Figures writes totals as Prometheus reads them from a file of the
// node_exporter's textfile collector. Labels are the keys of the groups, as far
// as label names can have their characters; a value that is not known is the
// empty label, which Prometheus takes for none; one that is known to be empty is
// "(empty)". Two keys that become one label, and two groups that become one
// series, are errors.
func Figures(r *rightsizing.Result, totals []Total) (string, error) {
	f := &figures{}
	seen := map[string]int{}
	for i := range totals {
		labels, err := labelsOf(totals[i].Group)
		if err != nil {
			return "", err
		}
		if first, twice := seen[labels]; twice {
			return "", fmt.Errorf("groups %q and %q have the same labels %s", totals[first].Group, totals[i].Group, labels)
		}
		seen[labels] = i
		f.labels = append(f.labels, labels)
	}
	currency := `currency="` + escapeLabel(string(r.Currency)) + `"`
	f.family("leanfleet_potential_monthly_savings", "What the advised changes of a kind would save in a month, as hosts pay that run all month. Kind idle is what stopping idle hosts would save, instead of changing their size.")
	for i := range totals {
		t := &totals[i]
		for _, k := range []struct {
			kind  string
			saved money.Amount
		}{{"shrink", t.Shrinks.MonthlySavings}, {"swap", t.Swaps.MonthlySavings}, {"grow", t.Grows.MonthlySavings}, {"idle", t.Idle.StopMonthlySavings}} {
			f.sample(i, k.saved.Literal(), currency, `kind="`+k.kind+`"`)
		}
	}
	f.family("leanfleet_rightsize_monthly_cost", "What the hosts with a price cost in a month, as hosts pay that run all month.")
	for i := range totals {
		f.sample(i, totals[i].MonthlyCost.Literal(), currency)
	}
	f.family("leanfleet_rightsize_changes", "Number of advised changes of a kind.")
	for i := range totals {
		t := &totals[i]
		f.sample(i, strconv.Itoa(t.Shrinks.Hosts), `kind="shrink"`)
		f.sample(i, strconv.Itoa(t.Swaps.Hosts), `kind="swap"`)
		f.sample(i, strconv.Itoa(t.Grows.Hosts), `kind="grow"`)
	}
	f.family("leanfleet_rightsize_hosts", "Number of hosts of a finding; a scaling group counts as one.")
	for i := range totals {
		for _, finding := range findings {
			f.sample(i, strconv.Itoa(totals[i].Findings[finding]), `finding="`+string(finding)+`"`)
		}
	}
	f.family("leanfleet_rightsize_stated_broken_ratio", "Mean chance of breaking in the 14 days after the change, over advised swaps and shrinks.")
	for i := range totals {
		if s := totals[i].StatedBreakShare; s != nil {
			f.sample(i, number(*s))
		}
	}
	f.family("leanfleet_rightsize_confidence_ratio", "Share of the changed hosts that is promised to stay within the limits.")
	f.plain(number(r.Confidence))
	f.family("leanfleet_rightsize_as_of_timestamp_seconds", "End of the history that the advice is made from.")
	f.plain(strconv.FormatInt(r.AsOf.Unix(), 10))
	return f.text.String(), nil
}

// findings are all there are, so that a series that falls to zero says so.
var findings = []rightsizing.Finding{
	rightsizing.FindingOverProvisioned, rightsizing.FindingUnderProvisioned, rightsizing.FindingRightSized,
	rightsizing.FindingIdle, rightsizing.FindingNotEnoughData, rightsizing.FindingExcluded,
}

// figures is a text in Prometheus's exposition format in the making.
type figures struct {
	text   strings.Builder
	name   string
	labels []string // of each group
}

func (f *figures) family(name, help string) {
	f.name = name
	fmt.Fprintf(&f.text, "# HELP %s %s\n# TYPE %s gauge\n", name, strings.ReplaceAll(help, `\`, `\\`), name)
}

// sample writes the figure of a group with further labels.
func (f *figures) sample(group int, value string, labels ...string) {
	if f.labels[group] != "" {
		labels = append([]string{f.labels[group]}, labels...)
	}
	if len(labels) == 0 {
		f.plain(value)
		return
	}
	f.text.WriteString(f.name + "{" + strings.Join(labels, ",") + "} " + value + "\n")
}

func (f *figures) plain(value string) { f.text.WriteString(f.name + " " + value + "\n") }

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// taken are the labels that figures have of their own.
var taken = []string{"currency", "kind", "finding"}

// labelsOf writes a group as labels.
func labelsOf(group fleet.GroupKey) (string, error) {
	var parts []string
	from := map[string]string{}
	for _, g := range group {
		name := labelName(g.Key)
		if first, twice := from[name]; twice {
			return "", fmt.Errorf("group by %s and %s: both are the label %s", first, g.Key, name)
		}
		from[name] = g.Key
		value := ""
		if g.Value != nil {
			value = cmp.Or(*g.Value, "(empty)")
		}
		parts = append(parts, name+`="`+escapeLabel(value)+`"`)
	}
	return strings.Join(parts, ","), nil
}

// labelName makes a label's name of a key: letters, digits and underscores.
func labelName(key string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.TrimPrefix(key, "tag:"))
	if name == "" || name[0] >= '0' && name[0] <= '9' || strings.HasPrefix(name, "__") || slices.Contains(taken, name) {
		return "tag_" + strings.TrimLeft(name, "_")
	}
	return name
}

// escapeLabel escapes what ends a label's value, and replaces what is not UTF-8.
func escapeLabel(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "\ufffd"))
}
