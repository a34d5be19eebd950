package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/money"
)

// chargebackFlags are the flags of a chargeback and of what explains it.
type chargebackFlags struct {
	req                        chargeback.Request
	asOf, pricesAsOf, currency string
	rates                      []string
}

func (f *chargebackFlags) add(c *cobra.Command) {
	x := c.Flags()
	x.StringVar(&f.req.Period, "period", "", "`period`: 2013-08, last-month, 2026-01-01..2026-01-31 (default "+chargeback.DefaultPeriod+")")
	x.StringVar(&f.req.Start, "start", "", "first `day`, or time, in place of --period")
	x.StringVar(&f.req.End, "end", "", "last `day`, which is included, or time, which is not")
	x.StringVar(&f.asOf, "as-of", "", "the `time` that last-month is relative to and up to which costs are known (default now)")
	x.StringVar(&f.req.Timezone, "timezone", "", "IANA `zone` of days and months (default: the configured one, else UTC)")
	x.StringVarP(&f.req.Select, "selector", "l", "", "hosts, such as `dept=eng,env!=dev,name=~web-.*`")
	groupFlag(c, &f.req.GroupBy)
	x.StringVar(&f.pricesAsOf, "prices-as-of", "", "leave out prices that were read later: a `time` or date (default: all that are known)")
	x.BoolVar(&f.req.StrictPrices, "strict-prices", false, "no price rather than one that was first known after its use")
	x.StringVar(&f.currency, "currency", "", "`currency` of the report; needs --rate or a rates file where prices have another (default: that of the prices)")
	x.StringSliceVar(&f.rates, "rate", nil, "exchange `rates` such as EUR/USD=1.08: one euro is 1.08 dollars")
	x.BoolVar(&f.req.Partial, "partial", false, "answer from what can be read where files are damaged")
}

// resolve fills in the request from the flags.
func (f *chargebackFlags) resolve(a *app) error {
	if f.req.Timezone == "" {
		f.req.Timezone = string(a.config.TimeZone)
	}
	loc, err := zones.Load(f.req.Timezone)
	if err != nil {
		return usage(fmt.Errorf("--timezone: %w", err))
	}
	if f.asOf != "" {
		if f.req.AsOf, err = fleet.ParseEnd(f.asOf, loc); err != nil {
			return usage(fmt.Errorf("--as-of: %w", err))
		}
	}
	if f.req.PricesAsOf, err = priceDayIn("--prices-as-of", f.pricesAsOf, loc); err != nil {
		return err
	}
	if f.req.Currency, err = currencyOf(f.currency); err != nil {
		return err
	}
	f.req.Rates = nil
	for _, s := range list(f.rates) {
		r, err := parseRate(s)
		if err != nil {
			return usage(fmt.Errorf("--rate %s: %w", s, err))
		}
		f.req.Rates = append(f.req.Rates, r)
	}
	switch {
	case f.req.Period != "" && (f.req.Start != "" || f.req.End != ""):
		return usage(errors.New("give either --period or --start and --end"))
	case (f.req.Start == "") != (f.req.End == ""):
		return usage(errors.New("--start and --end go together: the first day, and the last, which is included"))
	}
	if err := f.checkPeriod(a, loc); err != nil {
		return err
	}
	f.req.GroupBy = list(f.req.GroupBy)
	if slices.Contains(f.req.GroupBy, fleet.SetKey) {
		return usage(errors.New("--group-by set: sets may overlap, so that their costs would not sum to the total; group by tags"))
	}
	f.req.Program = "leanfleet " + version
	return nil
}

// checkPeriod refuses a period that has not begun.
func (f *chargebackFlags) checkPeriod(a *app, loc *time.Location) error {
	text := f.req.Period
	switch {
	case f.req.Start != "":
		text = f.req.Start + ".." + f.req.End
	case text == "":
		return nil // the last month has
	}
	now := f.req.AsOf
	if now.IsZero() {
		now = a.now()
	}
	w, err := fleet.ParseWindow(text, now, loc)
	if err != nil {
		return usage(fmt.Errorf("period: %w", err))
	}
	if !w.Start.Before(now) {
		return usage(fmt.Errorf("the period %s lies in the future: it is %s", window(w, loc), report.FormatTime(now, loc)))
	}
	return nil
}

// parseRate reads EUR/USD=1.08.
func parseRate(s string) (money.Rate, error) {
	pair, value, ok := strings.Cut(s, "=")
	from, to, ok2 := strings.Cut(pair, "/")
	r := money.Rate{Source: "--rate " + s}
	if !ok || !ok2 {
		return r, fmt.Errorf("use EUR/USD=1.08: one euro is 1.08 dollars")
	}
	var err error
	if r.From, err = money.ParseCurrency(from); err != nil {
		return r, err
	}
	if r.To, err = money.ParseCurrency(to); err != nil {
		return r, err
	}
	r.Value, err = money.ParseNumber(value)
	return r, err
}

// location is the zone in which times are printed.
func (f *chargebackFlags) location(a *app, name string) *time.Location {
	if loc, err := zones.Load(name); err == nil {
		return loc
	}
	return a.location()
}

func newChargeback(a *app) *cobra.Command {
	var f chargebackFlags
	var out chargebackOutput
	c := &cobra.Command{
		Use:     "chargeback",
		GroupID: groupAnswers,
		Short:   "What the fleet costs in a period, by owner",
		Long: `What the hosts of each group cost in a period: by their records, their state and
the price book, to the second and to the cent. Running hosts are charged, stopped
ones for disks and addresses; a host that moves is split at that second. What has
no price is said, never counted as zero. docs/chargeback.md has the rules.

With --file a manifest is written beside the report; --manifest makes the same
report again, byte for byte, whatever prices were read since.`,
		Example: `  leanfleet chargeback --period 2013-08 --group-by dept
  leanfleet chargeback --group-by dept,env --timezone Europe/Berlin --lines -o csv
  leanfleet chargeback --start 2024-01-01 --end 2024-01-31 --group-by dept --file january.csv
  leanfleet chargeback --manifest january.csv.manifest.json
  leanfleet chargeback explain --host web-1 --period 2024-01`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.resolve(a); err != nil {
				return err
			}
			return a.chargeback(c, &f, &out)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&out.Lines, "lines", false, "a row for each host of each group, in place of one for each group")
	c.Flags().StringVar(&out.file, "file", "", "`file` to write (default: standard output)")
	c.Flags().StringVar(&out.manifest, "manifest", "", "make the report of this manifest `file` again")
	c.AddCommand(newChargebackExplain(a))
	return c
}

// chargebackOutput is how a report is written; the manifest keeps it.
type chargebackOutput struct {
	Format  config.Output `json:"format"`
	Lines   bool          `json:"lines,omitempty"`
	Columns string        `json:"columns,omitempty"`
	SortBy  string        `json:"sort_by,omitempty"`

	file, manifest string
}

// manifestFile is what is written beside a report.
type manifestFile struct {
	chargeback.Manifest
	Output chargebackOutput `json:"output"`
	// File is the SHA-256 of all the rest, in hexadecimal.
	File string `json:"file_sha256"`
}

// sealed sets what tells whether a manifest was changed.
func (m manifestFile) sealed() (manifestFile, error) {
	m.File = ""
	text, err := json.Marshal(m)
	if err != nil {
		return m, fmt.Errorf("digest the manifest: %w", err)
	}
	sum := sha256.Sum256(text)
	m.File = hex.EncodeToString(sum[:])
	return m, nil
}

// parseManifest reads a manifest that is as it was written.
func parseManifest(data []byte) (manifestFile, error) {
	var m manifestFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, err
	}
	if d.More() {
		return m, errors.New("there is more behind it")
	}
	sealed, err := m.sealed()
	switch {
	case err != nil:
		return m, err
	case m.File == "":
		return m, errors.New("it has no file_sha256, so that nobody knows whether it was changed: it is no manifest that --file wrote")
	case m.File != sealed.File:
		return m, fmt.Errorf("it was changed since it was written (its file_sha256 is %.12s, its content has %.12s): make the report anew with --file", m.File, sealed.File)
	}
	return m, nil
}

// narrowCosts are the columns that a narrow terminal can do without, the least
// useful first.
var narrowCosts = []string{"price_basis", "stopped_hours", "estimated_hours", "host_hours", "instance_type", "unpriced_hours"}

// manifestSuffix is what the name of a manifest ends with.
const manifestSuffix = ".manifest.json"

func (a *app) chargeback(c *cobra.Command, f *chargebackFlags, out *chargebackOutput) error {
	out.Format, out.Columns, out.SortBy = a.config.Output, a.flags.columns, a.flags.sortBy
	byName, named := map[string]config.Output{".csv": config.OutputCSV, ".json": config.OutputJSON, ".jsonl": config.OutputJSONL}[filepath.Ext(out.file)]
	if named && a.flags.output == "" {
		out.Format = byName
	}
	if out.manifest != "" {
		if err := a.readManifest(c, f, out, named || a.flags.output != ""); err != nil {
			return err
		}
	}
	if err := checkViewAs(c, out.Format); err != nil {
		return err
	}
	if (out.file != "" || out.manifest != "") && c.Flags().Changed("limit") {
		return usage(errors.New("--limit does not go with --file or --manifest: such a report is whole"))
	}
	r, err := ask[chargeback.Result](c.Context(), a, "chargeback", &f.req)
	if err != nil {
		return err
	}
	build := func(a *app) answer { return chargebackAnswer(a, &r, out.Lines, f.location(a, r.Period.Timezone)) }
	if out.file == "" && out.manifest == "" {
		return a.printAmounts(build, narrowCosts...)
	}
	// The bytes depend on nothing but the manifest: neither terminal nor limit.
	var text bytes.Buffer
	cfg := *a.config
	cfg.Output, cfg.Limit = out.Format, 0
	plain := &app{out: &text, err: a.err, env: a.env, now: a.now, style: report.Style{Unicode: true}, config: &cfg, flags: flags{columns: out.Columns, sortBy: out.SortBy, quiet: a.flags.quiet}}
	if err := plain.printAmounts(build); err != nil {
		return err
	}
	if out.file == "" {
		_, err := a.out.Write(text.Bytes())
		return err
	}
	beside, err := manifestFile{Manifest: r.Manifest, Output: *out}.sealed()
	if err != nil {
		return err
	}
	var manifest bytes.Buffer
	if err := report.WriteJSON(&manifest, beside); err != nil {
		return err
	}
	if err := writeWhole(out.file+manifestSuffix, manifest.Bytes()); err != nil {
		return err
	}
	if err := writeWhole(out.file, text.Bytes()); err != nil {
		return err
	}
	a.note("wrote %s and %s", out.file, out.file+manifestSuffix)
	return nil
}

// readManifest asks for the report of a manifest, written as it was then unless
// the command line says otherwise; formatted says that it names a format.
func (a *app) readManifest(c *cobra.Command, f *chargebackFlags, out *chargebackOutput, formatted bool) error {
	for _, name := range []string{"period", "start", "end", "as-of", "timezone", "selector", "group-by", "prices-as-of", "strict-prices", "currency", "rate", "partial"} {
		if c.Flags().Changed(name) {
			return usage(fmt.Errorf("--%s does not go with --manifest, which says it all", name))
		}
	}
	data, err := os.ReadFile(out.manifest)
	if err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	m, err := parseManifest(data)
	if err != nil {
		return fmt.Errorf("read manifest %s: %w", out.manifest, err)
	}
	f.req = chargeback.Request{Manifest: &m.Manifest, Program: f.req.Program}
	if !formatted {
		out.Format = m.Output.Format
	}
	if !c.Flags().Changed("lines") {
		out.Lines = m.Output.Lines
	}
	if a.flags.columns == "" {
		out.Columns = m.Output.Columns
	}
	if a.flags.sortBy == "" {
		out.SortBy = m.Output.SortBy
	}
	return nil
}

// writeWhole writes a file that appears only when it is whole.
func writeWhole(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	_, err = f.Write(data)
	for _, step := range []func() error{func() error { return f.Chmod(0o644) }, f.Sync, f.Close} {
		if stepErr := step(); err == nil {
			err = stepErr
		}
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// moneyColumn is a column of amounts: numbers for people, and for machines the
// exact literal, which a floating-point number would shorten.
func moneyColumn(a *app, key string, c money.Currency, wide bool) report.Column {
	col := report.Column{Key: key, Header: strings.ReplaceAll(key, "_", " "), Wide: wide}
	if a.forPeople() {
		col.Kind, col.Unit = report.KindNumber, string(c)
	}
	return col
}

func moneyCell(a *app, x *money.Amount, reason string) report.Value {
	switch {
	case x == nil:
		return report.Unknown(reason)
	case a.forPeople():
		return report.Number(x.Decimal(6).InexactFloat64(), x.Currency().Digits())
	}
	return report.Text(x.Literal())
}

// chargebackAnswer is a report as groups, or as the lines of its hosts.
func chargebackAnswer(a *app, r *chargeback.Result, lines bool, loc *time.Location) answer {
	t := &report.Table{
		Title:   fmt.Sprintf("cost %s, %s, in %s", byText(r.GroupBy), window(fleet.Window{Start: r.Period.Start, End: r.Period.End}, loc), r.Currency),
		Columns: groupColumns(r.GroupBy),
		Notes:   chargebackNotes(r, loc),
	}
	own := func(c report.Column) bool { return !slices.Contains(r.GroupBy, c.Key) }
	var before []report.Column // of what a row is about
	if lines {
		before = []report.Column{{Key: "name", Header: "host"}, {Key: "host", Header: "id", Wide: true}, {Key: "provider", Header: "provider", Wide: true},
			{Key: "region", Header: "region", Wide: true}, {Key: "instance_type", Header: "instance type"}}
	} else {
		before = []report.Column{{Key: "hosts", Header: "hosts", Kind: report.KindInteger}}
	}
	for _, c := range before {
		if own(c) {
			t.Columns = append(t.Columns, c)
		}
	}
	t.Columns = append(t.Columns, figureOfCostColumns(a, r)...)
	cells := func(values map[string]report.Value, f *chargeback.Figures, reason string) report.Row {
		var row report.Row
		for _, c := range before {
			if own(c) {
				row = append(row, values[c.Key])
			}
		}
		return append(row, costCells(a, r.Currency, f, reason)...)
	}
	var all []chargeback.ExplainLine
	for i := range r.Groups {
		g := &r.Groups[i]
		if !lines {
			t.Rows = append(t.Rows, append(groupCells(g.Group), cells(map[string]report.Value{"hosts": report.Integer(int64(len(g.Hosts)))}, &g.Figures, "no_price")...))
			continue
		}
		for j := range g.Hosts {
			l := &g.Hosts[j]
			all = append(all, chargeback.ExplainLine{Group: g.Group, Line: *l})
			t.Rows = append(t.Rows, append(groupCells(g.Group), cells(map[string]report.Value{
				"name": text(l.Name), "host": text(string(l.Host)), "provider": text(l.Provider), "region": text(l.Region), "instance_type": text(strings.Join(l.InstanceTypes, " ")),
			}, &l.Figures, "no_price")...))
		}
	}
	if len(r.GroupBy) > 0 || lines || len(r.Groups) == 0 {
		total := map[string]report.Value{"hosts": report.Integer(int64(r.Total.Hosts))}
		for _, k := range []string{"name", "host", "provider", "region", "instance_type"} {
			total[k] = report.Text("")
		}
		if len(r.GroupBy) == 0 {
			total["name"] = report.Text("total")
		}
		t.Totals = append(t.Totals, append(totalCells(r.GroupBy), cells(total, &r.Total.Figures, "no_price")...))
	}
	if lines {
		return answer{result: r, rows: all, table: t}
	}
	return answer{result: r, rows: r.Groups, table: t}
}

func byText(by []string) string {
	if len(by) == 0 {
		return "of the fleet"
	}
	return "by " + strings.Join(by, ", ")
}

// figureOfCostColumns are the columns of costCells. Hours that are zero
// everywhere are left to wide tables.
func figureOfCostColumns(a *app, r *chargeback.Result) []report.Column {
	hours := func(key string, total float64) report.Column {
		return report.Column{Key: key, Header: strings.ReplaceAll(key, "_", " "), Kind: report.KindNumber, Wide: total == 0}
	}
	f := &r.Total.Figures
	return []report.Column{
		hours("host_hours", 1), hours("stopped_hours", f.StoppedHours),
		hours("estimated_hours", f.EstimatedHours), hours("unpriced_hours", f.UnpricedHours),
		moneyColumn(a, "compute_cost", r.Currency, true), moneyColumn(a, "disk_cost", r.Currency, true), moneyColumn(a, "address_cost", r.Currency, true),
		moneyColumn(a, "cost", r.Currency, false), moneyColumn(a, "contracted_cost", r.Currency, true), moneyColumn(a, "effective_cost", r.Currency, false),
		{Key: "currency", Header: "currency", Wide: true}, {Key: "price_basis", Header: "price basis", Wide: f.PriceBasis == ""},
	}
}

func costCells(a *app, c money.Currency, f *chargeback.Figures, reason string) report.Row {
	hours := func(h float64) report.Value { return report.Number(h, 2) }
	basis := report.Text("")
	if f.PriceBasis != "" {
		basis = report.Text(f.PriceBasis)
	}
	return report.Row{
		hours(f.HostHours), hours(f.StoppedHours), hours(f.EstimatedHours), hours(f.UnpricedHours),
		moneyCell(a, f.ComputeCost, reason), moneyCell(a, f.DiskCost, "unknown"), moneyCell(a, f.AddressCost, "unknown"),
		moneyCell(a, f.Cost, reason), moneyCell(a, f.ContractedCost, reason), moneyCell(a, f.EffectiveCost, reason),
		report.Text(string(c)), basis,
	}
}

func newChargebackExplain(a *app) *cobra.Command {
	var f chargebackFlags
	var host string
	c := &cobra.Command{
		Use:   "explain",
		Short: "The hours, tags and prices behind a host's lines",
		Long: `Every piece of time behind a host's lines in the same report: from, to, state,
type, tags, price, its source and date, and what it cost. Costs sum to the line.`,
		Example: "  leanfleet chargeback explain --host web-1 --period 2024-01 --group-by dept",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if host == "" {
				return usage(fmt.Errorf("chargeback explain needs --host\nSee %q", c.CommandPath()+" --help"))
			}
			if err := f.resolve(a); err != nil {
				return err
			}
			r, err := ask[chargeback.ExplainResult](c.Context(), a, "chargeback_explain", &chargeback.ExplainRequest{Request: f.req, Host: host})
			if err != nil {
				return err
			}
			return a.printAmounts(func(a *app) answer { return explainAnswer(a, &r, f.location(a, r.Period.Timezone)) }, "as_of", "basis", "unit", "effective_cost", "state", "group", "why", "price")
		},
	}
	f.add(c)
	c.Flags().StringVar(&host, "host", "", "the `host`: its name or id")
	return c
}

func explainAnswer(a *app, r *chargeback.ExplainResult, loc *time.Location) answer {
	t := &report.Table{
		Title: fmt.Sprintf("cost of %s, %s, in %s", r.Name, window(fleet.Window{Start: r.Period.Start, End: r.Period.End}, loc), r.Currency),
		Columns: []report.Column{
			{Key: "from", Header: "from", Kind: report.KindTime}, {Key: "to", Header: "to", Kind: report.KindTime},
			{Key: "seconds", Header: "seconds", Kind: report.KindNumber, Wide: true}, {Key: "state", Header: "state"}, {Key: "group", Header: "group"},
			{Key: "tags", Header: "tags", Wide: true}, {Key: "what", Header: "what"},
			{Key: "price", Header: "price", Align: report.AlignRight}, {Key: "unit", Header: "per"}, {Key: "basis", Header: "basis"}, {Key: "as_of", Header: "as of"},
			{Key: "source", Header: "source", Wide: true},
			moneyColumn(a, "cost", r.Currency, false), moneyColumn(a, "contracted_cost", r.Currency, true), moneyColumn(a, "effective_cost", r.Currency, false),
			{Key: "why", Header: "why"},
		},
	}
	for i := range r.Pieces {
		p := &r.Pieces[i]
		reason := pieceReason(p)
		none := report.Unknown(reason)
		price, unit, basis, asOf, source := none, none, none, none, none
		if u := p.Priced; u != nil {
			price, unit, basis, asOf, source = report.Text(u.Price.Literal()), report.Text(u.Unit), report.Text(string(u.Basis)), text(u.AsOf), text(u.Source)
		}
		t.Rows = append(t.Rows, report.Row{
			report.Time(p.From.In(loc)), report.Time(p.To.In(loc)), report.Number(p.Seconds, 0), report.Text(p.State), text(p.Group.String()),
			tagsCell(p.Tags), report.Text(pieceText(p)), price, unit, basis, asOf, source,
			moneyCell(a, p.Cost, reason), moneyCell(a, p.Contracted, reason), moneyCell(a, p.EffectiveCost, reason), report.Text(strings.Join(p.Why, "; ")),
		})
	}
	for i := range r.Lines {
		l := &r.Lines[i]
		empty := report.Text("")
		t.Totals = append(t.Totals, report.Row{report.Text("line"), empty, empty, empty, text(l.Group.String()), empty, empty, empty, empty, empty, empty, empty,
			moneyCell(a, l.Cost, "no_price"), moneyCell(a, l.ContractedCost, "no_price"), moneyCell(a, l.EffectiveCost, "no_price"), empty})
	}
	t.Notes = append(t.Notes, gapNotes(r.Gaps, loc)...)
	if len(r.Lines) == 0 {
		t.Notes = append(t.Notes, "Nothing is charged for the host in this period.")
	}
	t.Notes = append(t.Notes, damageNotes(r.Damaged)...)
	return answer{result: r, rows: r.Pieces, table: t}
}

// pieceReason is why a piece has no price, where it has none.
func pieceReason(p *chargeback.Piece) string {
	switch {
	case p.What == "disk" && p.DiskType == "":
		return chargeback.ReasonDisksUnknown
	case p.What == "address" && p.Count == 0:
		return chargeback.ReasonAddressesUnknown
	}
	return "no_price"
}

// pieceText is what a piece is charged for.
func pieceText(p *chargeback.Piece) string {
	switch {
	case p.What == "compute":
		return strings.Join(nonEmpty(p.InstanceType, "compute"), " ")
	case p.What == "disk" && p.DiskType != "":
		return fmt.Sprintf("%d x %s disk of %g GiB", p.Count, p.DiskType, p.GiB)
	case p.What == "address" && p.Count > 0:
		return fmt.Sprintf("%d x public address", p.Count)
	}
	return map[string]string{"disk": "disks", "address": "addresses"}[p.What]
}
