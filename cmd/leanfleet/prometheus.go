package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/cloudcli"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/files"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/inventory"
	"github.com/leanfleet/leanfleet/prom/source"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// engineFlags say which engine is asked in place of the data directory.
type engineFlags struct {
	url, schema, types, matchers, inventoryFrom string
	inventory                                   []string
	explain                                     bool
}

// elsewhere is the flag that names the engine which is asked, as it is to be
// typed behind a verb: " --prometheus config"; "" where none is.
func (a *app) elsewhere() string {
	if a.engine.url == "" {
		return ""
	}
	u, err := url.Parse(a.engine.url)
	if err != nil || u.User != nil || u.RawQuery != "" {
		return " --prometheus URL" // it may hold a secret
	}
	return " --prometheus " + a.engine.url
}

// configured is the address that stands for that of the configuration.
const configured = "config"

// addEngineFlags lets the verbs that ask questions ask another engine.
func (a *app) addEngineFlags(root *cobra.Command) {
	for _, path := range []string{"stats", "trend", "top", "hosts", "hosts show", "underused", "rightsize", "backtest", "chargeback", "chargeback explain"} {
		c, _, err := root.Find(strings.Fields(path))
		if err != nil {
			panic("BUG: no verb " + path)
		}
		f := c.Flags()
		e := &a.engine
		f.StringVar(&e.url, "prometheus", "", "ask the Prometheus, VictoriaMetrics, Thanos or Mimir at this `url` in place of the data directory; \"config\" is the configured one")
		f.StringVar(&e.schema, "schema", "", "with --prometheus: whose `names` the metrics have: auto, node_exporter, windows_exporter, otel, leanfleet (default: the configured ones, else auto)")
		f.StringVar(&e.types, "instance-types", "", "with --prometheus: `label=NAME` of the label with the hosts' instance types")
		f.StringVar(&e.matchers, "matchers", "", "with --prometheus: only series with these `labels` are looked at, beside the configured ones: job=\"node\",cluster=~\"eu.*\"")
		f.StringSliceVar(&e.inventory, "inventory", nil, "with --prometheus: inventory `file`s that say what hosts are, before labels do")
		f.StringVar(&e.inventoryFrom, "from", "csv", "what wrote the files: csv, aws-cli, az-cli, gcloud, or auto for any of these `tool`s")
		f.BoolVar(&e.explain, "explain-queries", false, "with --prometheus: print what the engine would be asked, and ask nothing else")
	}
}

// checkEngineFlags refuses flags about an engine where none is asked.
func (a *app) checkEngineFlags(c *cobra.Command) error {
	if c.Flags().Lookup("explain-queries") == nil || a.engine.url != "" {
		return nil
	}
	for _, name := range []string{"schema", "instance-types", "matchers", "inventory", "from", "explain-queries"} {
		if c.Flags().Changed(name) {
			return usage(fmt.Errorf("--%s is about the engine that --prometheus names, and none is named", name))
		}
	}
	return nil
}

// settings are the flags as they travel in a request.
func (e *engineFlags) settings() map[string]string {
	s := map[string]string{}
	if e.schema != "" {
		s["schema"] = e.schema
	}
	if e.types != "" {
		s["instance_types"] = e.types
	}
	if e.matchers != "" {
		s["matchers"] = e.matchers
	}
	return s
}

// prometheus makes a source of an address and settings, with what is configured
// for it. Credentials go to the configured address alone.
func prometheus(c *config.Config, address string, settings map[string]string, now func() time.Time) (*source.Source, source.Options, error) {
	p := &c.Prometheus
	if address == configured {
		if p.URL == "" {
			return nil, source.Options{}, errors.New("no engine is configured: the configuration has no prometheus.url")
		}
		address = p.URL
	}
	o := source.Options{URL: address, Now: now, Timeout: time.Duration(p.Timeout), Step: time.Duration(p.Step), Schema: string(p.Schema),
		Matchers: p.Matchers, HostLabel: p.HostLabel, DedupLabels: p.DedupLabels, Fields: maps.Clone(p.Fields), DropLabels: p.DropLabels, AllowPartial: p.AllowPartial, QueriesOnly: p.QueriesOnly}
	if address == p.URL {
		o.Headers, o.Username, o.PasswordFile, o.BearerTokenFile = p.Headers, p.Username, p.PasswordFile, p.BearerTokenFile
		o.CertFile, o.KeyFile, o.ServerName, o.Insecure = p.CertFile, p.KeyFile, p.ServerName, p.Insecure
	}
	o.CAFile = p.CAFile
	o.Schema = cmp.Or(settings["schema"], o.Schema)
	o.Matchers = strings.Join(nonEmpty(strings.Trim(o.Matchers, ", "), strings.Trim(settings["matchers"], ", ")), ",")
	if t := settings["instance_types"]; t != "" {
		label, ok := strings.CutPrefix(t, "label=")
		if !ok || label == "" {
			return nil, o, fmt.Errorf("--instance-types %q: use label=NAME", t)
		}
		if o.Fields == nil {
			o.Fields = map[string]string{}
		}
		o.Fields["instance_type"] = label
	}
	var err error
	if o.Metrics, err = c.FleetMetrics(); err != nil {
		return nil, o, err
	}
	s, err := source.New(o)
	return s, o, err
}

// operateElsewhere runs an operation on another engine.
func (a *app) operateElsewhere(ctx context.Context, op leanfleet.Operation, request any) (any, error) {
	if !op.Engines {
		return nil, usage(errors.New("this works on the data directory, not with --prometheus"))
	}
	_, o, err := prometheus(a.config, a.engine.url, a.engine.settings(), a.now)
	if err != nil {
		return nil, usage(err)
	}
	var asked discovery
	if a.engine.explain {
		o.Asked = asked.add
	}
	o.Types = leanfleet.NominalTypes()
	if o.Book, err = a.engineBook(ctx, o.Types); err != nil {
		return nil, err
	}
	s, err := source.New(o)
	if err != nil {
		return nil, usage(err)
	}
	settings, err := a.options()
	if err != nil {
		return nil, err
	}
	if settings.Dir, err = a.directory(); err != nil {
		return nil, err
	}
	began := time.Now()
	if !a.engine.explain {
		a.wholeFleetNote(ctx, request, s, settings.Sets)
	}
	if a.engine.explain {
		return a.explainQueries(ctx, op, request, s, settings, &asked)
	}
	settings.Engine = s
	m, err := leanfleet.Open(ctx, settings)
	if err != nil {
		return nil, err
	}
	result, err := op.Run(ctx, m, request)
	if err != nil {
		return result, errors.Join(withHint(err), m.Close())
	}
	a.engineNotes(ctx, s, request, result)
	switch op.Name {
	case "rightsize", "potential_savings", "backtest", "chargeback", "chargeback_explain":
		a.typesNote(ctx, s)
	}
	cost := s.Cost()
	a.note("%s answered in %s: %s, %s, %s of which it took to answer.", s.Address(), time.Since(began).Round(time.Millisecond),
		plural(cost.Requests, "request"), report.FormatBytes(float64(cost.Bytes)), cost.Waited.Round(time.Millisecond))
	return result, m.Close()
}

// engineBook is what inventory files say of the hosts of another engine; nil
// without any.
func (a *app) engineBook(ctx context.Context, types inventory.Types) (*inventory.Book, error) {
	if len(a.engine.inventory) == 0 {
		return nil, nil
	}
	book := inventory.NewBook(types)
	for _, path := range a.engine.inventory {
		statements, err := a.readHosts(ctx, path)
		if err != nil {
			return nil, err
		}
		r, err := book.Put(statements, fleet.Put{At: a.now(), Who: a.who(), Why: path, Origin: fleet.OriginImport})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, x := range r.Conflicts {
			a.note("%s: conflict, not applied: %s: %s", path, x.Host, x.Reason)
		}
	}
	return book, nil
}

func (a *app) readHosts(ctx context.Context, path string) ([]fleet.Statement, error) {
	if f := a.engine.inventoryFrom; f == "" || f == "csv" {
		return files.ReadInventory(ctx, path, files.InventoryOptions{Stdin: a.in})
	}
	format, err := cloudcli.ParseFormat(a.engine.inventoryFrom)
	if err != nil {
		return nil, usage(err)
	}
	listed, err := cloudcli.Read(ctx, path, cloudcli.Options{Format: format, Stdin: a.in})
	if err != nil {
		return nil, err
	}
	for _, n := range listed.Notes {
		a.note("%s", n)
	}
	return listed.StatementsFor(a.now(), func(string) ([]fleet.Record, error) { return nil, nil }) // nothing is known before
}

// engineNotes prints what a reader of an answer should know of the engine's
// data: from when on it has samples, which metrics it lacks.
func (a *app) engineNotes(ctx context.Context, s *source.Source, request, result any) {
	v := reflect.ValueOf(result)
	field := func(name string) any {
		if f := v.FieldByName(name); f.IsValid() {
			return f.Interface()
		}
		return nil
	}
	w, ok := windowOf(result)
	if !ok {
		return
	}
	if r, ok := request.(*rightsizing.Request); ok { // its answer is about the days that have samples
		env := fleet.Environment{Now: a.now(), Zone: zones.Load, Timezone: string(a.config.TimeZone)}
		if q, err := env.Resolve(fleet.Scope{Range: r.Range, AsOf: r.AsOf, Timezone: r.Timezone}, rightsizing.DefaultRange); err == nil {
			w = q.Window
		}
	}
	name, _ := field("Metric").(string)
	metrics, err := a.config.FleetMetrics()
	if err != nil {
		return
	}
	metric, err := metrics.Lookup(cmp.Or(name, fleet.CPUUsage.Name))
	if err != nil {
		return
	}
	notes, err := s.Notes(ctx, metric, w)
	if err != nil {
		a.note("%v", err)
	}
	if field("RankError") == nil { // the answer does not say it itself
		notes = append(notes, rankNote(s.WorstRankError())...)
	}
	for _, n := range notes {
		a.note("%s.", strings.TrimSuffix(n, "."))
	}
}

// windowOf is the time that an answer is about; false of one that is of no range.
func windowOf(result any) (fleet.Window, bool) {
	switch r := result.(type) {
	case chargeback.Result:
		return periodOf(r.Period), true
	case chargeback.ExplainResult:
		return periodOf(r.Period), true
	case rightsizing.BacktestResult:
		if len(r.Windows) == 0 {
			return fleet.Window{}, false
		}
		w := r.Windows[0].Train
		for i := range r.Windows {
			for _, x := range []fleet.Window{r.Windows[i].Train, r.Windows[i].Test} {
				if x.Start.Before(w.Start) {
					w.Start = x.Start
				}
				if x.End.After(w.End) {
					w.End = x.End
				}
			}
		}
		return w, true
	}
	f := reflect.ValueOf(result).FieldByName("Window")
	if !f.IsValid() {
		return fleet.Window{}, false
	}
	w, ok := f.Interface().(fleet.Window)
	return w, ok
}

// periodOf is a chargeback's period as far as it is charged.
func periodOf(p chargeback.Period) fleet.Window {
	if p.ChargedUntil != nil {
		return fleet.Window{Start: p.Start, End: *p.ChargedUntil}
	}
	return fleet.Window{Start: p.Start, End: p.End}
}

// typesNote says how many hosts have no type, and so no price.
func (a *app) typesNote(ctx context.Context, s *source.Source) {
	records, err := s.Records(ctx, fleet.Selector{}, fleet.Window{})
	if err != nil {
		return // the answer was there, this is beside it
	}
	hosts, typed, provided := map[fleet.HostID]bool{}, map[fleet.HostID]bool{}, map[fleet.HostID]bool{}
	for i := range records {
		r := &records[i]
		hosts[r.Host] = true
		if r.InstanceType != "" {
			typed[r.Host] = true
			provided[r.Host] = provided[r.Host] || r.Provider != ""
		}
	}
	var without []string
	for id, ok := range provided {
		if !ok {
			without = append(without, string(id))
		}
	}
	if slices.Sort(without); len(without) > 0 {
		a.note("%s with a type but without a provider, such as %s: a label provider tells it, or another one under prometheus.fields of the configuration, or --inventory FILE.", plural(int64(len(without)), "host"), without[0])
	}
	if n := len(hosts) - len(typed); n > 0 {
		have := "have"
		if n == 1 {
			have = "has"
		}
		a.note("%s of %s %s no instance type, and so no price: --inventory FILE says what hosts are, or --instance-types label=NAME which label does.", report.FormatCount(int64(n)), plural(int64(len(hosts)), "host"), have)
	}
}

// wholeFleetNote says, before it takes its time, that advice about some hosts
// reads all of them, and why.
func (a *app) wholeFleetNote(ctx context.Context, request any, s *source.Source, sets map[string]fleet.Selector) {
	var text string
	switch r := request.(type) {
	case *rightsizing.Request:
		text = r.Select
	case *rightsizing.BacktestRequest:
		text = r.Select
	}
	if text == "" {
		return
	}
	selected, err := fleet.Environment{Sets: sets}.Selector(text)
	if err != nil {
		return // the operation says it
	}
	records, err := s.Records(ctx, fleet.Selector{}, fleet.Window{})
	if err != nil {
		return
	}
	all, some := map[fleet.HostID]bool{}, map[fleet.HostID]bool{}
	for i := range records {
		all[records[i].Host] = true
		if selected.Matches(&records[i]) {
			some[records[i].Host] = true
		}
	}
	if len(some) < len(all) {
		a.note("The whole fleet is read (%s), though -l selects %s: what hosts need is learned from the whole fleet. --matchers narrows what is looked at, such as --matchers 'region=\"eu-west-1\"'.",
			plural(int64(len(all)), "host"), report.FormatCount(int64(len(some))))
	}
}

// planned is a source that is asked for plans in place of samples.
type planned struct {
	*source.Source
	plans []source.Plan
}

// Profiles plans a question.
func (p *planned) Profiles(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Profile, error] {
	return func(yield func(fleet.Profile, error) bool) {
		if err := p.plan(ctx, q); err != nil {
			yield(fleet.Profile{}, err)
		}
	}
}

// Series plans a question.
func (p *planned) Series(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Series, error] {
	return func(yield func(fleet.Series, error) bool) {
		if err := p.plan(ctx, q); err != nil {
			yield(fleet.Series{}, err)
		}
	}
}

func (p *planned) plan(ctx context.Context, q fleet.Query) error {
	x, err := p.Explain(ctx, q)
	if err == nil {
		p.plans = append(p.plans, x)
	}
	return err
}

// withHint adds to an error of an engine what can be done about it.
func withHint(err error) error {
	var refused *source.EngineError
	var partial *source.PartialError
	hint := ""
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusForbidden && strings.Contains(refused.Address, "//aps-workspaces."):
		hint = "Amazon Managed Service for Prometheus takes requests that are signed (SigV4), which leanfleet does not do: run aws-sigv4-proxy, and name its address with the path of the workspace, http://127.0.0.1:8080/workspaces/ws-..."
	case errors.As(err, &refused) && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden):
		hint = "Credentials, and headers such as X-Scope-OrgID, stand in the section prometheus of the configuration, and go to its prometheus.url alone; \"--prometheus config\" names that."
	case errors.Is(err, source.ErrNotAPI), errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status/100 == 3):
		hint = "The address is what stands before /api/v1: http://prometheus:9090, https://mimir/prometheus, http://vmselect:8481/select/0/prometheus, http://thanos-query:10902."
	case errors.As(err, &partial), errors.As(err, &refused) && strings.Contains(refused.Message, "proxy Series()"):
		hint = "prometheus.allow_partial: true in the configuration takes partial answers."
	case errors.Is(err, source.ErrSlow):
		hint = "prometheus.timeout in the configuration is how long one request may take; a shorter --range, or fewer hosts (-l), ask for less."
	case strings.Contains(err.Error(), "x509: certificate signed by unknown authority"):
		hint = "prometheus.ca_file in the configuration names the certificates of an authority of your own."
	case strings.Contains(err.Error(), "x509: certificate is valid for"), strings.Contains(err.Error(), "x509: cannot validate certificate for"), strings.Contains(err.Error(), "x509: certificate is not valid for any names"):
		hint = "prometheus.server_name in the configuration is the name that its certificate is for."
	case strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		hint = "It speaks http://, not https://."
	default:
		return err
	}
	return fmt.Errorf("%w\n%s", err, hint)
}

// rankNote says how exact percentiles of an engine elsewhere are; nothing where
// every sample was read.
func rankNote(bound float64) []string {
	if bound <= 0 {
		return nil
	}
	percent := func(share float64) string { return strconv.FormatFloat(math.Round(share*1e4)/100, 'f', -1, 64) }
	return []string{fmt.Sprintf("The engine was asked for a grid of quantiles: shares of time are within %s %%, so that p95 lies between the exact p%s and p%s. Means, minima, maxima and counts are exact.",
		percent(bound), percent(0.95-bound), percent(min(1, 0.95+bound)))}
}

// errExplained ends a verb whose queries were printed.
var errExplained = &exitError{code: exitDone}

// lookedFor is the method of a plan that only looks for hosts.
const lookedFor source.Method = "discovery"

// discovery collects what was asked to find hosts.
type discovery struct {
	mu      sync.Mutex
	queries []source.PlannedQuery
}

func (d *discovery) add(q source.PlannedQuery) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queries = append(d.queries, q)
}

// explainQueries prints what an operation would ask of an engine.
func (a *app) explainQueries(ctx context.Context, op leanfleet.Operation, request any, s *source.Source, settings leanfleet.Options, asked *discovery) (any, error) {
	p := &planned{Source: s}
	settings.Engine = p
	m, err := leanfleet.Open(ctx, settings)
	if err != nil {
		return nil, err
	}
	if _, err := op.Run(ctx, m, request); err != nil && len(p.plans) == 0 {
		return nil, errors.Join(err, m.Close())
	}
	if err := m.Close(); err != nil {
		return nil, err
	}
	if len(p.plans) == 0 { // hosts are looked for, and nothing else
		p.plans = []source.Plan{{Address: s.Address(), Method: lookedFor, Queries: asked.queries}}
	}
	if err := a.printPlans(p.plans); err != nil {
		return nil, err
	}
	return nil, errExplained
}

func (a *app) printPlans(plans []source.Plan) error {
	if a.config.Output == config.OutputJSON {
		return report.WriteJSON(a.out, plans)
	}
	for _, p := range plans {
		if p.Method == lookedFor {
			fmt.Fprintf(a.out, "%s: only hosts are looked for\n", p.Address)
			a.printQueries(p.Queries)
			continue
		}
		fmt.Fprintf(a.out, "%s (%s, %s): %s, about %s samples, read by %s, rank error %.4g\n", p.Address, p.Engine, p.Schema,
			plural(int64(p.Hosts), "host"), report.FormatCount(p.Samples), p.Method, p.RankError)
		a.printQueries(p.Queries)
	}
	return nil
}

func (a *app) printQueries(queries []source.PlannedQuery) {
	for _, q := range queries {
		step := ""
		if q.Step > 0 {
			step = ", step " + q.Step.String()
		}
		fmt.Fprintf(a.out, "  %d x %s from %s to %s%s\n    %s\n", q.Times, q.Path, q.Start.Format(time.RFC3339), q.End.Format(time.RFC3339), step, q.Query)
	}
}

// history is an engine whose samples can be copied.
type history struct{ s *source.Source }

// newHistory makes the engine that a request to copy names.
func (a *app) newHistory(req leanfleet.CopyRequest) (leanfleet.History, error) {
	_, o, err := prometheus(a.config, req.URL, req.Settings, a.now)
	if err != nil {
		return nil, err
	}
	o.Types = leanfleet.NominalTypes()
	s, err := source.New(o)
	if err != nil {
		return nil, err
	}
	return history{s}, nil
}

// Address is the engine's address without secrets.
func (h history) Address() string { return h.s.Address() }

// Statements says what the selected of its hosts are.
func (h history) Statements(ctx context.Context, sel fleet.Selector) ([]fleet.Statement, error) {
	records, err := h.s.Records(ctx, sel, fleet.Window{})
	if err != nil {
		return nil, err
	}
	selected := map[fleet.HostID]bool{}
	for i := range records {
		selected[records[i].Host] = true
	}
	all, err := h.s.Statements(ctx)
	return slices.DeleteFunc(all, func(x fleet.Statement) bool { return !selected[x.Host] }), err
}

// Notes says what it lacks of a window.
func (h history) Notes(ctx context.Context, w fleet.Window) ([]string, error) {
	return h.s.Notes(ctx, fleet.CPUUsage, w)
}

// Days yields its host-days.
func (h history) Days(ctx context.Context, w fleet.Window, sel fleet.Selector, verify bool, done func(fleet.HostID, time.Time, bool) bool) (int, iter.Seq2[leanfleet.HistoryDay, error], error) {
	o := source.ReadOptions{Hosts: sel, Verify: verify, Done: done}
	total, err := h.s.HostDays(ctx, w, o)
	if err != nil {
		return 0, nil, err
	}
	return total, func(yield func(leanfleet.HistoryDay, error) bool) {
		for d, err := range h.s.Read(ctx, w, o) {
			if !yield(leanfleet.HistoryDay{Host: d.Host, Day: d.Day, Batches: d.Batches, Samples: d.Samples}, err) {
				return
			}
		}
	}, nil
}

func newImportPrometheus(a *app) *cobra.Command {
	var req leanfleet.CopyRequest
	var scope scopeFlags
	var schema, types, matchers string
	c := &cobra.Command{
		Use:   "prometheus URL",
		Short: "Copy the history of a Prometheus, VictoriaMetrics, Thanos or Mimir",
		Long: `Copies what such an engine has measured into the data directory: most keep 15
days, and right-sizing wants 30 and more. Each UTC day is stored whole or not at
all; run it again after a break and it goes on, or every week and it adds what is
new. The engine counts every host and day as well, so that nothing is lost
unseen. docs/prometheus.md says how its metrics are read.`,
		Example: `  leanfleet import prometheus http://prometheus:9090 --range 90d
  leanfleet import prometheus config -l 'region=eu-west-1'`,
		Args: argsBetween(1, 1, "the engine's address, or \"config\" for the configured one"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if req.Scope, err = scope.resolve(a); err != nil {
				return err
			}
			if c.Flags().Changed("hours") || c.Flags().Changed("partial") {
				return usage(errors.New("import prometheus copies whole days, and none in part: --hours and --partial are not for it"))
			}
			req.URL, req.Settings = args[0], (&engineFlags{schema: schema, types: types, matchers: matchers}).settings()
			if err := a.checkNames(copyAnswer(a, &leanfleet.CopyResult{})); err != nil {
				return err
			}
			bar := a.progress("copying host-days")
			req.Progress = bar.items
			r, err := ask[leanfleet.CopyResult](c.Context(), a, "copy", &req)
			bar.done()
			if err != nil {
				err = withHint(err)
				if r.HostDays > 0 {
					err = fmt.Errorf("%w\n%s were stored; the same command goes on from there", err, plural(int64(r.HostDays), "host-day"))
				}
				return err
			}
			if err := a.print(copyAnswer(a, &r)); err != nil {
				return err
			}
			if len(r.Wrong) > 0 {
				return fmt.Errorf("%s not stored, because the engine counts otherwise; the same command tries again", plural(int64(len(r.Wrong)), "host-day"))
			}
			return nil
		},
	}
	scope.add(c, "90d")
	for _, name := range []string{"hours", "partial"} { // which are refused
		if err := c.Flags().MarkHidden(name); err != nil {
			panic("BUG: " + err.Error())
		}
	}
	c.Flags().StringVar(&schema, "schema", "", "whose `names` its metrics have: auto, node_exporter, windows_exporter, otel, leanfleet (default: the configured ones, else auto)")
	c.Flags().StringVar(&types, "instance-types", "", "`label=NAME` of the label with the hosts' instance types")
	c.Flags().StringVar(&matchers, "matchers", "", "only series with these `labels` are looked at, beside the configured ones: job=\"node\",cluster=~\"eu.*\"")
	c.Flags().BoolVar(&req.Again, "again", false, "copy days that are stored, too")
	c.Flags().BoolVar(&req.NoVerify, "no-verify", false, "do not let the engine count what was copied")
	return c
}

func copyAnswer(a *app, r *leanfleet.CopyResult) answer {
	t := &report.Table{
		Title:   "copied from " + r.From + ", " + window(r.Window, a.location()),
		Columns: []report.Column{{Key: "what", Header: "copy"}, {Key: "count", Header: "count", Kind: report.KindInteger}},
	}
	for _, x := range []struct {
		what string
		n    int64
	}{
		{"host-days copied", int64(r.HostDays)}, {"host-days stored before", int64(r.Skipped)}, {"samples read", r.Samples},
		{"samples inserted", r.Stored.Inserted}, {"samples changed", r.Stored.Changed}, {"samples unchanged", r.Stored.Unchanged}, {"samples outranked", r.Stored.Outranked},
		{"hosts added", int64(r.Inventory.Added)}, {"hosts learned of", int64(r.Inventory.Learned)}, {"hosts changed", int64(r.Inventory.Changed)},
	} {
		t.Rows = append(t.Rows, report.Row{report.Text(x.what), report.Integer(x.n)})
	}
	for _, x := range r.Notes {
		t.Notes = append(t.Notes, strings.TrimSuffix(x, ".")+".")
	}
	for _, x := range slices.Concat(r.Wrong) {
		t.Notes = append(t.Notes, "not stored: "+x)
	}
	for _, x := range r.Inventory.Conflicts {
		t.Notes = append(t.Notes, fmt.Sprintf("conflict, not applied: %s: %s", x.Host, x.Reason))
	}
	rate := ""
	if r.Seconds > 0 {
		rate = fmt.Sprintf(", %s samples a second", report.FormatCount(int64(float64(r.Samples)/r.Seconds)))
	}
	t.Notes = append(t.Notes, fmt.Sprintf("done in %s%s", time.Duration(r.Seconds*float64(time.Second)).Round(10*time.Millisecond), rate))
	return answer{result: r, rows: []*leanfleet.CopyResult{r}, table: t}
}
