package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// rightsizeFlags are the flags of rightsize beside those of every advice.
type rightsizeFlags struct {
	sizing        sizingFlags
	all, remember bool
	accepted      bool
	groupBy       []string
	file          string
	req           *rightsizing.Request
}

func newRightsize(a *app) *cobra.Command {
	var req rightsizing.Request
	f := rightsizeFlags{req: &req}
	c := &cobra.Command{
		Use:     "rightsize",
		GroupID: groupAnswers,
		Short:   "A size for each host, with its chance of breaking",
		Long: `Advises an instance type for each host, from its own history, from hosts that
look alike, and from what became of like changes in the fleet's earlier history.

--confidence is a promise about the list: of the hosts changed as advised at
least that share stays within the limits in the following 14 days. Each line
carries its own chance of breaking, bounded by --max-risk; set that to 0.05 for
the strict reading of 0.95 on every line. docs/rightsizing.md has the method.

Besides the usual formats -o takes aws-cli, az and gcloud (commands for a shell),
terraform (variables) and prometheus (a textfile); none is ever executed.
docs/handoff.md shows them. What was decided about a change is kept by the verbs
below; docs/decisions.md says how it is heeded.`,
		Example: `  leanfleet rightsize --min-savings 20% --min-monthly-savings 10
  leanfleet rightsize --host web-1 --explain
  leanfleet rightsize -l env=dev --confidence 0.90 --exclude-burstable -o json
  leanfleet rightsize --group-by dept
  leanfleet rightsize --accepted -o aws-cli --file change.sh
  leanfleet rightsize --group-by dept -o prometheus --file /var/lib/node_exporter/rightsize.prom
  leanfleet rightsize --policy aws-default`,
		Annotations: map[string]string{moreFormats: strings.Join(handoffFormats(), " ")},
		Args:        noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.sizing.resolve(a, c, &req); err != nil {
				return err
			}
			return a.rightsize(c, &f)
		},
	}
	f.sizing.add(c, &req, rightsizing.DefaultRange)
	g := c.Flags()
	g.StringVar(&req.Policy, "policy", "", "the `rule`: "+strings.Join(rightsizing.Policies(), ", ")+" (default leanfleet)")
	g.StringVar(&req.Host, "host", "", "only the line of this `host`, by name or id")
	g.BoolVar(&req.Explain, "explain", false, "with --host: every type of the region and what speaks against it, and demand against capacity")
	g.BoolVar(&f.all, "all", false, "also the hosts that should stay as they are, with the reasons")
	g.BoolVar(&f.remember, "remember", false, "keep what is advised, so that later advice does not change its mind for little")
	g.BoolVar(&f.accepted, "accepted", false, "only what somebody accepted, to the type accepted")
	g.StringVar(&f.file, "file", "", "`file` to write, with -o "+strings.Join(handoffFormats(), ", "))
	groupFlag(c, &f.groupBy)
	c.AddCommand(newDecide(a, "accept"), newDecide(a, "dismiss"), newDecide(a, "done"), newDecisions(a))
	return c
}

// sizingFlags are those of advice, of decisions about it and of its back-test.
type sizingFlags struct {
	scope            scopeFlags
	confidence       shares
	excludeBurstable bool
	several          bool // confidences
}

func (f *sizingFlags) add(c *cobra.Command, req *rightsizing.Request, defaultRange string) {
	f.scope.add(c, defaultRange)
	f.confidence.list = []float64{rightsizing.DefaultConfidence}
	req.MaxRisk = rightsizing.DefaultMaxRisk
	g := c.Flags()
	text := "`share` of the changed hosts that stay within the limits: 95% or 0.95"
	if f.several {
		text += "; several compare them"
	}
	g.Var(&f.confidence, "confidence", text)
	g.Var((*percent)(&req.MaxRisk), "max-risk", "largest chance of breaking of a line, a `share`: 30% or 0.3")
	g.Var((*percent)(&req.MinSavings), "min-savings", "least saving of a change, `share` of the cost: 20% or 0.2")
	g.Float64Var(&req.MinMonthlySavings, "min-monthly-savings", 0, "least saving of a change in a month, an `amount`")
	g.StringVar((*string)(&req.Burstable), "burstable-types", "", "burstable types are offered: `keep` (for hosts that have one), allow or exclude")
	g.BoolVar(&f.excludeBurstable, "exclude-burstable", false, "never offer burstable types, as --burstable-types exclude")
	g.BoolVar(&req.AllowARM, "allow-arm", false, "offer types of the other architecture too")
	g.StringSliceVar(&req.AllowFamilies, "families", nil, "only these `families`")
	g.StringSliceVar(&req.DenyFamilies, "deny-families", nil, "never these `families`")
	g.BoolVar(&req.Spot, "spot", false, "show what today's type would save at its spot price, as an option")
	g.StringSliceVar(&req.Regions, "regions", nil, "show the best type of these `regions` too, as an option")
	g.StringSliceVar(&req.Providers, "providers", nil, "show the best type of these `clouds` too, as an option")
}

// resolve fills a request: flags that were given, else the configuration.
func (f *sizingFlags) resolve(a *app, c *cobra.Command, req *rightsizing.Request) error {
	var err error
	if req.Scope, err = f.scope.resolve(a); err != nil {
		return err
	}
	conf := &a.config.Rightsizing
	given := c.Flags().Changed
	if f.excludeBurstable {
		if given("burstable-types") && req.Burstable != rightsizing.BurstableExclude {
			return usage(fmt.Errorf("--exclude-burstable contradicts --burstable-types %s", req.Burstable))
		}
		req.Burstable = rightsizing.BurstableExclude
	}
	overlay := func(flag string, into *float64, value func() (float64, bool)) {
		if v, ok := value(); ok && !given(flag) {
			*into = v
		}
	}
	if v, ok := conf.Confidence.Value(); ok && !f.confidence.given {
		f.confidence.list = []float64{v}
	}
	if len(f.confidence.list) > 1 && !f.several {
		return usage(errors.New("--confidence takes one share here; backtest compares several"))
	}
	req.Confidence = f.confidence.list[0]
	overlay("max-risk", &req.MaxRisk, conf.MaxRisk.Value)
	overlay("min-savings", &req.MinSavings, conf.MinSavings.Value)
	overlay("min-monthly-savings", &req.MinMonthlySavings, conf.MinMonthlySavings.Value)
	if req.Burstable == "" {
		req.Burstable = rightsizing.Burstable(conf.Burstable)
	}
	if !given("allow-arm") {
		req.AllowARM = conf.AllowARM
	}
	if !given("families") {
		req.AllowFamilies = conf.AllowFamilies
	}
	if !given("deny-families") {
		req.DenyFamilies = conf.DenyFamilies
	}
	req.Rules = rulesOf(conf.Rules)
	return nil
}

// rulesOf are the rules of the configuration.
func rulesOf(list []config.SizingRule) []rightsizing.Rule {
	var out []rightsizing.Rule
	for _, r := range list {
		x := rightsizing.Rule{Name: r.Name, Select: string(r.Match), Exclude: r.Exclude}
		x.Confidence, _ = r.Confidence.Value()
		x.MaxRisk, _ = r.MaxRisk.Value()
		if v, ok := r.MinSavings.Value(); ok {
			x.MinSavings = &v
		}
		if v, ok := r.MinMonthlySavings.Value(); ok {
			x.MinMonthlySavings = &v
		}
		if r.Burstable != config.BurstableInherit {
			x.Burstable = rightsizing.Burstable(r.Burstable)
		}
		out = append(out, x)
	}
	return out
}

// percent is a flag such as 20% or 0.2.
type percent float64

// String leaves the unit of 0 out: help texts show no default then, since 0
// stands for one that is said there in words.
func (p *percent) String() string {
	if *p == 0 {
		return "0"
	}
	return report.FormatRatio(float64(*p))
}

func (p *percent) Type() string { return "share" }

func (p *percent) Set(s string) error {
	var v float64
	number, isPercent := strings.CutSuffix(s, "%")
	if n, err := fmt.Sscanf(number+" end", "%g end", &v); n != 1 || err != nil {
		return fmt.Errorf("%q is not a share such as 20%% or 0.2", s)
	}
	if isPercent {
		v /= 100
	}
	*p = percent(v)
	return nil
}

// shares is a flag of one or more shares, by commas or repeated. The first that
// is given takes the place of the default.
type shares struct {
	list  []float64
	given bool
}

func (s *shares) String() string {
	var out []string
	for _, v := range s.list {
		out = append(out, report.FormatRatio(v))
	}
	return strings.Join(out, ",")
}

func (s *shares) Type() string { return "share" }

func (s *shares) Set(text string) error {
	if !s.given {
		s.list, s.given = nil, true
	}
	for part := range strings.SplitSeq(text, ",") {
		var p percent
		if err := p.Set(strings.TrimSpace(part)); err != nil {
			return err
		}
		s.list = append(s.list, float64(p))
	}
	return nil
}

// rightsize answers in the form asked for.
func (a *app) rightsize(c *cobra.Command, f *rightsizeFlags) error {
	format := a.flags.output
	handed := slices.Contains(handoffFormats(), format)
	switch {
	case f.file != "" && !handed:
		return usage(fmt.Errorf("--file is for -o %s; redirect the output of others", strings.Join(handoffFormats(), ", ")))
	case len(f.groupBy) > 0 && handed && format != formatPrometheus:
		return usage(fmt.Errorf("--group-by has no meaning for -o %s", format))
	case len(f.groupBy) > 0 && (f.all || f.accepted || f.remember || f.req.Host != "" || f.req.Explain):
		return usage(errors.New("--group-by totals all lines; it does not go with --all, --accepted, --remember, --host or --explain"))
	case f.req.Explain && f.req.Host == "" && a.forPeople():
		return usage(errors.New("--explain is for one host: name it with --host"))
	}
	if len(f.groupBy) > 0 || format == formatPrometheus {
		return a.savings(c, f)
	}
	r, note, err := a.advise(c, f)
	if err != nil {
		return err
	}
	if handed {
		return a.handOff(f, &r)
	}
	if f.accepted {
		r.Recommendations = slices.DeleteFunc(r.Recommendations, func(l rightsizing.Recommendation) bool {
			return l.Decision == nil || l.Decision.Action != "accept"
		})
	}
	build := func(a *app) answer { return f.list(a, &r, note) }
	if a.config.Limit > tenBest && a.style.Terminal && !c.Flags().Changed("limit") && a.flags.sortBy == "" && a.forPeople() && !f.req.Explain {
		a.config.Limit = tenBest
	}
	return a.printAmounts(build, "kind", "work", "finding")
}

// list is the answer about changes, or about the candidates of one host.
func (f *rightsizeFlags) list(a *app, r *rightsizing.Result, note []string) answer {
	loc := f.sizing.scope.location(a)
	x := rightsizeAnswer(a, r, f.all || f.req.Host != "" || f.accepted, loc)
	if f.req.Explain && f.req.Host != "" {
		x = candidatesAnswer(a, r, loc)
	}
	x.table.Notes = append(x.table.Notes, note...)
	return x
}

// tenBest is how many changes a terminal shows before it says how many more
// there are.
const tenBest = 10

// advise asks for the advice, and keeps it where that is wanted.
func (a *app) advise(c *cobra.Command, f *rightsizeFlags) (rightsizing.Result, []string, error) {
	if !f.remember {
		r, err := ask[rightsizing.Result](c.Context(), a, "rightsize", f.req)
		return r, nil, err
	}
	if err := a.checkNames(f.list(a, &rightsizing.Result{}, nil)); err != nil {
		return rightsizing.Result{}, nil, err
	}
	r, err := ask[leanfleet.RememberResult](c.Context(), a, "remember_advice", f.req)
	note := fmt.Sprintf("remembered; for %s it is other advice than before", plural(int64(r.Changed), "host"))
	return r.Result, []string{note}, err
}

// rightsizeAnswer is the list of changes, those that save most first.
func rightsizeAnswer(a *app, r *rightsizing.Result, all bool, loc *time.Location) answer {
	t := &report.Table{
		Title: fmt.Sprintf("sizes by %s at confidence %.4g, in %s a month", r.Policy, r.Confidence, r.Currency),
		Columns: []report.Column{
			{Key: "name", Header: "host"}, {Key: "host", Header: "id", Wide: true}, {Key: "region", Header: "region", Wide: true},
			{Key: "finding", Header: "finding", Wide: !all}, {Key: "instance_type", Header: "from"}, {Key: "recommended", Header: "to"},
			{Key: "kind", Header: "kind"}, savesColumn(a, r), moneyColumn(a, "monthly_list_savings", r.Currency, true),
			{Key: "break_probability", Header: "risk", Kind: report.KindRatio}, {Key: "work", Header: "work", Decoration: true},
			{Key: "effort", Header: "effort", Wide: true}, {Key: "checks", Header: "to check", Wide: true}, {Key: "rule", Header: "rule", Wide: true},
			{Key: "decision", Header: "decision", Wide: true}, {Key: "reasons", Header: "reasons", Wide: !all, Prose: true},
		},
		Notes: damageNotes(r.Damaged),
	}
	lines := []rightsizing.Recommendation{}
	for i := range r.Recommendations {
		if x := &r.Recommendations[i]; all || x.Recommended != nil {
			lines = append(lines, *x)
		}
	}
	slices.SortStableFunc(lines, bySavings)
	for i := range lines {
		t.Rows = append(t.Rows, a.rightsizeRow(&lines[i]))
	}
	t.Notes = append(t.Notes, fmt.Sprintf("The history is %s.", window(r.Window, loc)))
	t.Notes = a.wrapped(append(t.Notes, rightsizeNotes(r, all)...))
	return answer{result: r, rows: lines, table: t}
}

// savesColumn is the saving of a month; its header is short, the title names the
// currency.
func savesColumn(a *app, r *rightsizing.Result) report.Column {
	c := moneyColumn(a, "monthly_savings", r.Currency, false)
	if c.Header = "monthly savings"; a.forPeople() {
		c.Header, c.Unit = "saves", ""
	}
	return c
}

// bySavings puts the change that saves most first, and what is not changed last.
func bySavings(x, y rightsizing.Recommendation) int {
	switch {
	case x.MonthlySavings == nil && y.MonthlySavings == nil:
		return cmp.Compare(x.Host, y.Host)
	case x.MonthlySavings == nil:
		return 1
	case y.MonthlySavings == nil:
		return -1
	}
	return cmp.Or(y.MonthlySavings.Cmp(*x.MonthlySavings), cmp.Compare(x.Host, y.Host))
}

// typeCell is an instance type. The usual columns for people leave out what all
// types of Azure begin with.
func (a *app) typeCell(name string) report.Value {
	if a.config.Output == config.OutputTable {
		name = strings.TrimPrefix(name, "Standard_")
	}
	return text(name)
}

func (a *app) rightsizeRow(x *rightsizing.Recommendation) report.Row {
	to, kind, broken, work := report.Unknown("keep"), report.Unknown("keep"), report.Unknown("keep"), report.Unknown("keep")
	if x.Recommended != nil {
		to, kind, broken = a.typeCell(x.Recommended.InstanceType), report.Text(string(x.Kind)), ratio(x.BreakProbability, "keep")
		work = report.Text(workText(x))
	}
	name, decided := x.Name, ""
	if n := len(x.Members); n > 0 {
		name += fmt.Sprintf(" (%s)", plural(int64(n), "member"))
	}
	if x.Decision != nil {
		decided = string(x.Decision.Action)
	}
	return report.Row{
		text(name), text(string(x.Host)), text(x.Region), text(string(x.Finding)), a.typeCell(x.Current.InstanceType), to, kind,
		moneyCell(a, x.MonthlySavings, "keep"), moneyCell(a, x.MonthlyListSavings, "keep"), broken, work, text(string(x.Effort)),
		text(checkCodes(x.Checks)), text(x.Rule), text(decided), text(strings.Join(x.Reasons, "; ")),
	}
}

// workText is the effort of a change and how much there is to check.
func workText(x *rightsizing.Recommendation) string {
	effort := string(x.Effort)
	if effort == "medium" {
		effort = "med"
	}
	return fmt.Sprintf("%s %d", effort, len(x.Checks))
}
