package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

func newPrices(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "prices",
		GroupID: groupAnswers,
		Short:   "What instance types, disks and addresses cost: show, search, equivalents, update",
		Long: `Prices and specifications of instance types on AWS, Azure and GCP, each with its
source and date. They work offline from the catalogue inside the program; update
reads the providers' own lists into the data directory, with the prices of disks
and public addresses, which the catalogue does not have. docs/prices.md has the
rules.`,
		Example: `  leanfleet prices show --provider aws --region us-east-1 --type m5.large
  leanfleet prices search --vcpu 4 --memory 16GiB --arch arm64 --near us-east-1
  leanfleet prices equivalents m5.xlarge --to azure,gcp
  leanfleet prices storage --region us-east-1 --type gp3
  leanfleet prices update --provider aws --region us-east-1`,
		Args: noArgs,
	}
	c.AddCommand(newPricesShow(a), newPricesSearch(a), newPricesEquivalents(a), newPricesStorage(a), newPricesAddresses(a), newPricesUpdate(a), newPricesExport(a), newPricesImport(a))
	return c
}

// priceFlags are those of all questions about prices.
type priceFlags struct {
	providers, regions   []string
	os, pricesAsOf, zone string
	currency             string
}

func (f *priceFlags) addProvider(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.providers, "provider", nil, "`provider`: aws, azure, gcp, or one of your own price sheets")
}

func (f *priceFlags) addRegion(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.regions, "region", nil, "`region` of the provider, such as us-east-1")
}

func (f *priceFlags) addAnswer(c *cobra.Command) {
	c.Flags().StringVar(&f.os, "os", "", "operating `system` the price is for: linux, windows, rhel, suse")
	c.Flags().StringVar(&f.pricesAsOf, "prices-as-of", "", "leave out prices that were read later: a `time` or date (default: all that are known)")
	c.Flags().StringVar(&f.zone, "timezone", "", "IANA `zone` of the calendar month (default: the configured one, else UTC)")
}

func (f *priceFlags) addCurrency(c *cobra.Command) {
	c.Flags().StringVar(&f.currency, "currency", "", "`currency` of the answer; needs a rates file where lists have another (default USD)")
}

// one is the only value of a flag that elsewhere takes several.
func one(flag string, values []string) (string, error) {
	switch values = list(values); len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", usage(fmt.Errorf("--%s takes one value here, but got %s", flag, strings.Join(values, ",")))
}

// providerList are the values of --provider; "all" is none.
func (f *priceFlags) providerList() []string {
	if names := list(f.providers); !slices.Contains(names, "all") {
		return names
	}
	return nil
}

// priceDay reads a flag that hides prices read later; a date includes its day.
func (a *app) priceDay(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	loc, err := zones.Load(string(a.config.TimeZone))
	if err != nil {
		return time.Time{}, err
	}
	return priceDayIn(flag, s, loc)
}

// priceDayIn is priceDay in a zone.
func priceDayIn(flag, s string, loc *time.Location) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := fleet.ParseEnd(s, loc)
	if err != nil {
		return time.Time{}, usage(fmt.Errorf("%s: %w", flag, err))
	}
	if start, err := fleet.ParseTime(s, loc); err == nil && !start.Equal(t) {
		t = t.Add(-time.Second) // prices are dated to the second
	}
	return t, nil
}

// priceZone is the zone of calendar months.
func (a *app) priceZone(s string) (string, error) {
	if s == "" {
		return string(a.config.TimeZone), nil
	}
	if _, err := zones.Load(s); err != nil {
		return "", usage(fmt.Errorf("--timezone: %w", err))
	}
	return s, nil
}

// currencyOf reads --currency.
func currencyOf(s string) (money.Currency, error) {
	if s == "" {
		return "", nil
	}
	c, err := money.ParseCurrency(s)
	if err != nil {
		return "", usage(fmt.Errorf("--currency: %w", err))
	}
	return c, nil
}

func newPricesShow(a *app) *cobra.Command {
	var f priceFlags
	var req leanfleet.PriceRequest
	var asOf string
	c := &cobra.Command{
		Use:   "show",
		Short: "What an instance type is and costs, under each purchase option",
		Long: `What an instance type is, each fact with its source or unknown, and what it costs
per hour and per month under each purchase option, with source, date and basis.
A month is the calendar month of --as-of, else of --prices-as-of, else the
present one; the answer says how many hours it has.`,
		Example: `  leanfleet prices show --provider aws --region us-east-1 --type m5.large
  leanfleet prices show --region eastus --type Standard_D2s_v5 --os windows
  leanfleet prices show --provider gcp --region us-central1 --type n2-standard-4 -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if req.Provider, err = one("provider", f.providers); err != nil {
				return err
			}
			if req.Region, err = one("region", f.regions); err != nil {
				return err
			}
			if req.InstanceType == "" || req.Region == "" {
				return usage(fmt.Errorf("prices show needs --type and --region\nSee %q", c.CommandPath()+" --help"))
			}
			if req.AsOf, err = a.time("--as-of", asOf); err != nil {
				return err
			}
			if req.PricesAsOf, err = a.priceDay("--prices-as-of", f.pricesAsOf); err != nil {
				return err
			}
			if req.Timezone, err = a.priceZone(f.zone); err != nil {
				return err
			}
			req.OS = f.os
			r, err := ask[leanfleet.PriceResult](c.Context(), a, "price", &req)
			if err != nil {
				return err
			}
			a.warn(r.Warnings)
			if a.forPeople() {
				if err := a.printSpecification(&r); err != nil {
					return err
				}
			}
			return a.print(priceAnswer(a, &r), "source", "basis", "currency", "as_of", "os")
		},
	}
	f.addProvider(c)
	f.addRegion(c)
	c.Flags().StringVar(&req.InstanceType, "type", "", "instance `type`, such as m5.large")
	c.Flags().StringVar(&asOf, "as-of", "", "the hour of use: a `time` or date (default: the newest known price)")
	f.addAnswer(c)
	return c
}

// warn prints warnings on standard error.
func (a *app) warn(warnings []string) {
	for _, w := range warnings {
		a.note("warning: %s", w)
	}
}

// printSpecification prints what a type is above its prices.
func (a *app) printSpecification(r *leanfleet.PriceResult) error {
	facts, err := factsOf(&r.Specification)
	if err != nil {
		return err
	}
	sources := r.Specification.Sources()
	t := &report.Table{
		Title:   strings.Join(nonEmpty(r.Specification.Provider, r.Region, r.Specification.InstanceType), " / "),
		Columns: []report.Column{{Key: "fact", Header: "specification"}, {Key: "value", Header: "value"}, {Key: "source", Header: "source"}},
	}
	for _, f := range facts {
		name := factName(f.name)
		value := f.value
		if value == "" {
			value = "unknown"
		}
		t.Rows = append(t.Rows, report.Row{report.Text(name), report.Text(value), report.Text(sources[f.name])})
	}
	if err := t.Write(a.out, report.FormatTable, a.style); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	return nil
}

// factName is the name of a fact in JSON as people read it: its unit stands
// with the value.
func factName(key string) string {
	return strings.NewReplacer("memory_bytes", "memory", "_gbps", "", "disk_bytes_per_second", "disk throughput", "vcpus", "vCPUs", "gpus", "GPUs", "iops", "IOPS", "cpu", "CPU", "_", " ").Replace(key)
}

// fact is a fact in words; the value is empty where it is not known.
type fact struct{ name, value string }

// factsOf lists the facts of a specification in the order of its JSON.
func factsOf(s *pricing.Specification) ([]fact, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var out []fact
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		switch name := key.(string); name {
		case "provider", "instance_type", "sources", "unknown":
		case "network_kind":
			out[len(out)-1].value += " Gbit/s " + s.NetworkKind
		case "network_baseline_gbps":
			f := fact{name, factWords(value)}
			if f.value != "" {
				f.value += " Gbit/s"
			}
			out = append(out, f)
		case "disk_bytes_per_second":
			f := fact{name: name}
			if s.DiskBytesPerSecond.Known {
				f.value = report.FormatByteRate(s.DiskBytesPerSecond.Value)
			}
			out = append(out, f)
		case "memory_bytes":
			f := fact{name: name}
			if s.MemoryBytes.Known {
				f.value = report.FormatBytes(float64(s.MemoryBytes.Value))
			}
			out = append(out, f)
		default:
			out = append(out, fact{name, factWords(value)})
		}
	}
	return out, nil
}

// factWords is a fact's JSON in words, "" for unknown.
func factWords(raw json.RawMessage) string {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return string(raw)
	}
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		return map[bool]string{true: "yes", false: "no"}[v]
	case map[string]any: // a local disk
		switch gib, sized := v["gib"].(json.Number); {
		case v["present"] != true:
			return "none"
		case sized:
			return gib.String() + " GiB"
		}
		return "present, size unknown"
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, fmt.Sprint(x))
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v)
}

func priceAnswer(a *app, r *leanfleet.PriceResult) answer {
	t := &report.Table{
		Title: fmt.Sprintf("prices of %s %s in %s", r.Specification.Provider, r.Specification.InstanceType, r.Region),
		Columns: []report.Column{
			{Key: "purchase", Header: "purchase"}, {Key: "term", Header: "term"}, {Key: "os", Header: "os"},
			{Key: "price_per_hour", Header: "per hour", Kind: report.KindNumber}, {Key: "price_per_month", Header: "per month", Kind: report.KindNumber},
			{Key: "currency", Header: "currency"},
			{Key: "full_month_per_hour", Header: "all month, per hour", Kind: report.KindNumber, Wide: true},
			{Key: "contracted_per_hour", Header: "contracted per hour", Kind: report.KindNumber, Wide: !contracted(r)},
			{Key: "contract_source", Header: "contract", Wide: true},
			{Key: "upfront", Header: "upfront", Kind: report.KindNumber, Wide: true},
			{Key: "recurring_per_hour", Header: "recurring", Kind: report.KindNumber, Wide: true},
			{Key: "as_of", Header: "as of"}, {Key: "valid_from", Header: "valid from", Kind: report.KindTime, Wide: true},
			{Key: "last_seen", Header: "last seen", Kind: report.KindTime, Wide: true},
			{Key: "basis", Header: "basis"}, {Key: "price_basis", Header: "price basis", Wide: true}, {Key: "layer", Header: "layer", Wide: true},
			{Key: "source", Header: "source"},
		},
	}
	for i := range r.Offers {
		o := &r.Offers[i]
		basis := string(o.Basis)
		if o.Gone {
			basis += ", gone"
		}
		t.Rows = append(t.Rows, report.Row{
			report.Text(string(o.Purchase)), report.Text(o.Term.String()), report.Text(o.OS),
			priceCell(o.PerHour), amountCell(&o.PerMonth), report.Text(string(o.Currency)),
			priceCell(o.FullMonthPerHour), priceCell(o.Contracted), report.Text(o.ContractSource), priceCell(o.Upfront), priceCell(o.Recurring),
			a.dayCell(o.AsOf), report.Time(o.ValidFrom.UTC()), timeCell(o.LastSeen),
			report.Text(basis), report.Text(o.PriceBasis), report.Text(string(o.Layer)), report.Text(o.Source),
		})
	}
	t.Notes = append(t.Notes, monthNote(&r.Month))
	if r.Reason != "" {
		t.Notes = []string{"No price: " + r.Reason + "."}
	}
	if later := slices.ContainsFunc(r.Offers, func(o leanfleet.PriceOffer) bool { return o.PriceBasis != "" }); later {
		t.Notes = append(t.Notes, laterNote)
	}
	systems := slices.ContainsFunc(r.Offers, func(o leanfleet.PriceOffer) bool { return o.OS != r.Offers[0].OS })
	for i := range r.Offers {
		if o := &r.Offers[i]; !o.FullMonthPerHour.IsZero() {
			of := string(o.Purchase)
			if systems {
				of += " for " + o.OS
			}
			t.Notes = append(t.Notes, fmt.Sprintf("Running all month costs %s an hour %s: the provider discounts sustained use, and own sheets count.", o.FullMonthPerHour, of))
		}
	}
	t.Notes = append(t.Notes, aboveNotes(r.Offers)...)
	return answer{result: r, rows: r.Offers, table: t}
}

// aboveNotes name the offers that are dearer than on demand.
func aboveNotes(offers []leanfleet.PriceOffer) []string {
	var out []string
	more := 0
	for i := range offers {
		o := &offers[i]
		switch {
		case o.AboveOnDemand.IsZero():
			continue
		case len(out) == mostNotes:
			more++
			continue
		}
		kind, price := "at list", o.PerHour
		if !slices.ContainsFunc(offers, func(d leanfleet.PriceOffer) bool {
			return d.Purchase == pricing.OnDemand && d.OS == o.OS && d.PerHour == o.AboveOnDemand
		}) {
			kind = "contracted"
			if !o.Contracted.IsZero() {
				price = o.Contracted
			}
		}
		out = append(out, fmt.Sprintf("Dearer than on demand, %s: %s for %s costs %s an hour, on demand %s.", kind, strings.Join(nonEmpty(string(o.Purchase), o.Term.String()), " "), o.OS, price, o.AboveOnDemand))
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("... and %d more that are dearer than on demand; -o json lists all.", more))
	}
	return out
}

func contracted(r *leanfleet.PriceResult) bool {
	return slices.ContainsFunc(r.Offers, func(o leanfleet.PriceOffer) bool { return !o.Contracted.IsZero() })
}

// monthNote says what a month is.
func monthNote(m *leanfleet.PriceMonth) string {
	return fmt.Sprintf("A month is %s, %g hours (%s).", m.Start.Format("January 2006"), m.Hours, m.Timezone)
}

// priceCell is a unit price; no price is unknown.
func priceCell(p money.Price) report.Value {
	if p.IsZero() {
		return report.Unknown("no_price")
	}
	_, decimals := p.Number().Scaled()
	return report.Number(p.Decimal().InexactFloat64(), min(max(decimals, 2), 6))
}

// amountCell is an amount with the digits of its currency; nil is unknown.
func amountCell(x *money.Amount) report.Value {
	if x == nil {
		return report.Unknown("no_price")
	}
	digits := x.Currency().Digits()
	return report.Number(x.Decimal(digits).InexactFloat64(), digits)
}

func timeCell(t *time.Time) report.Value {
	if t == nil {
		return report.Unknown("no_time")
	}
	return report.Time(t.UTC())
}

// dayCell is the day of a time for people, and the time for machines.
func (a *app) dayCell(t *time.Time) report.Value {
	switch {
	case t == nil:
		return report.Unknown("no_time")
	case a.forPeople():
		return report.Text(t.UTC().Format(time.DateOnly))
	}
	return report.Text(t.UTC().Format(time.RFC3339))
}
