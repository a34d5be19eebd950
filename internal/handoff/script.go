package handoff

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// Tool is what a hand-off is made for, as -o names it.
type Tool string

// The tools.
const (
	AWS       Tool = "aws-cli"
	Azure     Tool = "az"
	GCP       Tool = "gcloud"
	Terraform Tool = "terraform"
)

// Tools lists the tools in the order of the documentation.
func Tools() []Tool { return []Tool{AWS, Azure, GCP, Terraform} }

// Provider is the provider whose hosts a tool changes; empty is any.
func (t Tool) Provider() string {
	return map[Tool]string{AWS: "aws", Azure: "azure", GCP: "gcp"}[t]
}

// Render writes changes for a tool: a script for bash, or JSON for Terraform.
// What the tool cannot carry out is listed in comments, and in the second
// result. A tool that is not known is an error.
func Render(t Tool, r *rightsizing.Result, changes []Change, left []Left) (text string, all []Left, err error) {
	s := &script{result: r, left: left}
	switch t {
	case AWS:
		s.writer = &awsWriter{}
	case Azure:
		s.writer = &azureWriter{}
	case GCP:
		s.writer = &gcpWriter{}
	case Terraform:
		return variables(changes), left, nil
	default:
		return "", nil, fmt.Errorf("hand-off to %q: known are aws-cli, az, gcloud and terraform", t)
	}
	return s.render(t, changes)
}

// writer writes the commands of one tool.
type writer interface {
	// prelude is the lines after the head, such as functions and hints.
	prelude() string
	// host returns the commands for one host, or why there are none.
	host(c *Change) (commands, reason string)
	// group returns the steps for a scaling group; they are printed as comments.
	group(c *Change) (steps, reason string)
	// stop is the command that stops an idle host instead; empty is none. It is
	// printed as a comment.
	stop(c *Change) string
}

// script puts a hand-off together.
type script struct {
	writer
	result *rightsizing.Result
	left   []Left
}

func (s *script) render(t Tool, changes []Change) (string, []Left, error) {
	var body strings.Builder
	var done []Change
	elsewhere := map[string]int{}
	for i := range changes {
		c := &changes[i]
		if c.Line.Provider != t.Provider() {
			s.left = append(s.left, Left{c.Line, notOf(t.Provider(), c.Line.Provider)})
			elsewhere[c.Line.Provider]++
			continue
		}
		if reason := unfit(c); reason != "" {
			s.left = append(s.left, Left{c.Line, reason})
			continue
		}
		make := s.host
		if len(c.Line.Members) > 0 {
			make = s.group
		}
		text, reason := make(c)
		if reason != "" {
			s.left = append(s.left, Left{c.Line, reason})
			continue
		}
		done = append(done, *c)
		body.WriteString(s.heading(c))
		if len(c.Line.Members) > 0 {
			text = commented(text)
		}
		body.WriteString(text)
		if idle := c.Line.Idle; idle != nil && idle.StopMonthlySavings != nil && !c.Stopped {
			if stop := s.stop(c); stop != "" {
				fmt.Fprintf(&body, "# It is idle: stopping it instead would save %s a month:\n%s", amount(idle.StopMonthlySavings), commented(stop))
			}
		}
		body.WriteByte('\n')
	}
	for _, provider := range slices.Sorted(maps.Keys(elsewhere)) {
		fmt.Fprintf(&body, "# left out: %s: %s\n", count(elsewhere[provider], "change"), notOf(t.Provider(), provider))
	}
	for _, l := range s.left {
		if l.Line.Provider == t.Provider() || l.Reason != notOf(t.Provider(), l.Line.Provider) {
			fmt.Fprintf(&body, "# left out: %s: %s\n", comment(l.Line.Name), comment(l.Reason))
		}
	}
	if len(s.left) > 0 {
		body.WriteByte('\n')
	}
	return s.head(done) + s.prelude() + "\n" + body.String() + "exit \"$failed\"\n", s.left, nil
}

// notOf is why a host of another provider is left out.
func notOf(provider, other string) string {
	for _, t := range Tools() {
		if t.Provider() == other && other != "" {
			return fmt.Sprintf("of %s, not %s; use -o %s", other, provider, t)
		}
	}
	if other == "" {
		return "of no known provider"
	}
	return fmt.Sprintf("of %s, not %s", comment(other), provider)
}

// head says what the script is, what it comes to, and how to use it.
func (s *script) head(done []Change) string {
	r := s.result
	total, risk, unknown := money.Zero(r.Currency), 0.0, 0
	for i := range done {
		c := &done[i]
		if c.Risk == nil {
			unknown++
		} else {
			risk += *c.Risk
		}
		if c.MonthlySavings != nil {
			if sum, err := total.Add(*c.MonthlySavings); err == nil {
				total = sum
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#!/usr/bin/env bash\n# Changes of instance types advised by leanfleet, as of %s, policy %s.\n",
		r.AsOf.UTC().Format("2006-01-02 15:04 MST"), comment(r.Policy))
	fmt.Fprintf(&b, "# %s; together %s less a month, as hosts pay that run all month.\n", count(len(done), "change"), total)
	fmt.Fprintf(&b, "# Of them %.2f are stated to break in the 14 days after the change", risk)
	if unknown > 0 {
		fmt.Fprintf(&b, "; of %d the chance is not known", unknown)
	}
	b.WriteString(".\n#\n# leanfleet has run none of this. A host stops for the change and is started again,\n" +
		"# with its old type where the new one is refused; one that is stopped stays so. Read the checks above each block,\n" +
		"# then run the blocks you want, or all of them: bash FILE\n")
	return b.String()
}

// heading is the comment above a block.
func (s *script) heading(c *Change) string {
	l := c.Line
	var b strings.Builder
	name := comment(l.Name)
	if string(l.Host) != l.Name {
		name += " (" + comment(string(l.Host)) + ")"
	}
	if n := len(l.Members); n > 0 {
		name = "scaling group " + comment(l.Name) + ", " + count(n, "member")
	}
	fmt.Fprintf(&b, "# --- %s\n# %s -> %s", name, comment(l.Current.InstanceType), comment(c.To))
	if c.Kind != "" {
		fmt.Fprintf(&b, " (%s)", c.Kind)
	}
	fmt.Fprintf(&b, "; saves %s a month; chance of breaking %s", amount(c.MonthlySavings), chance(c.Risk))
	if c.Effort != "" {
		fmt.Fprintf(&b, "; effort %s", c.Effort)
	}
	b.WriteByte('\n')
	if c.Stopped {
		b.WriteString("# stopped, and not started: it saves this once it runs\n")
	}
	if l.Account != "" {
		fmt.Fprintf(&b, "# account %s\n", comment(l.Account))
	}
	if d := c.Decision; d != nil {
		fmt.Fprintf(&b, "# accepted by %s on %s", comment(d.Who), d.At.UTC().Format("2006-01-02"))
		if d.Why != "" {
			b.WriteString(": " + comment(d.Why))
		}
		b.WriteByte('\n')
	}
	for _, check := range order(c.Checks) {
		fmt.Fprintf(&b, "# check %s: %s\n", check.Code, comment(check.Text))
	}
	return b.String()
}

// order puts the checks first that can keep a host from starting.
func order(checks []advice.Check) []advice.Check {
	var first, rest []advice.Check
	for _, c := range checks {
		switch c.Code {
		case advice.CheckArchitecture, advice.CheckHypervisor, advice.CheckDiskInterface, advice.CheckDiskGeneration, advice.CheckImageGeneration:
			first = append(first, c)
		default:
			rest = append(rest, c)
		}
	}
	return append(first, rest...)
}

func amount(a *money.Amount) string {
	if a == nil {
		return "an unknown amount"
	}
	return a.String()
}

func chance(p *float64) string {
	if p == nil {
		return "not known"
	}
	return fmt.Sprintf("%.1f %%", *p*100)
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// commented puts every line into a comment.
func commented(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		b.WriteString("#   " + line + "\n")
	}
	return b.String()
}

// token is what a region, a zone, a type or an account may look like.
var token = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)

// unfit says why a change cannot become a command of any tool; empty is that it
// can.
func unfit(c *Change) string {
	l := c.Line
	for _, x := range []struct {
		what, value string
		needed      bool
	}{{"region", l.Region, true}, {"instance type", c.To, true}, {"zone", l.Zone, false}, {"account", l.Account, false}} {
		switch {
		case x.value == "" && x.needed:
			return "its " + x.what + " is not known"
		case x.value != "" && !token.MatchString(x.value):
			return fmt.Sprintf("its %s %q is not one that a command takes", x.what, x.value)
		}
	}
	return ""
}

// lastPart is what follows the last slash of a host's id: an instance id where
// the id is provider/account/instance.
func lastPart(l *rightsizing.Recommendation) string {
	id := string(l.Host)
	return id[strings.LastIndexByte(id, '/')+1:]
}
