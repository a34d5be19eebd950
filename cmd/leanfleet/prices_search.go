package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

func newPricesSearch(a *app) *cobra.Command {
	var f priceFlags
	var req leanfleet.PriceSearchRequest
	var memory, maxMemory, maxPrice string
	c := &cobra.Command{
		Use:   "search",
		Short: "Instance types that meet a demand, cheapest first across providers",
		Long: `Instance types that are at least as large as asked, in the region that is near
and in those of the other providers that lie nearest to it, cheapest first by
what an hour costs in a month of running all the time. Families that are not
current, burstable and shared CPUs, and types made for storage or accelerators
are left out unless they are asked for.`,
		Example: `  leanfleet prices search --vcpu 4 --memory 16GiB --arch arm64 --max-price 0.2 --provider all --near us-east-1
  leanfleet prices search --vcpu 2 --memory 4GiB --burstable --near azure:westeurope --limit 5`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if req.Near == "" {
				return usage(fmt.Errorf("prices search needs --near REGION\nSee %q", c.CommandPath()+" --help"))
			}
			for flag, size := range map[string]struct {
				text string
				into *int64
			}{"memory": {memory, &req.MemoryBytes}, "max-memory": {maxMemory, &req.MaxMemoryBytes}} {
				if size.text == "" {
					continue
				}
				n, err := config.ParseBytes(size.text)
				if err != nil {
					return usage(fmt.Errorf("--%s: %w", flag, err))
				}
				*size.into = int64(n)
			}
			if maxPrice != "" {
				n, err := money.ParseNumber(maxPrice)
				if err != nil || n.Sign() <= 0 {
					return usage(fmt.Errorf("--max-price: %q is not a price above zero, such as 0.2", maxPrice))
				}
				req.MaxPrice = n
			}
			var err error
			if req.Currency, err = currencyOf(f.currency); err != nil {
				return err
			}
			if req.PricesAsOf, err = a.priceDay("--prices-as-of", f.pricesAsOf); err != nil {
				return err
			}
			if req.Timezone, err = a.priceZone(f.zone); err != nil {
				return err
			}
			req.Providers, req.OS = f.providerList(), f.os
			if c.Flags().Changed("limit") && a.flags.sortBy == "" {
				req.Limit = a.config.Limit // what is sorted otherwise is limited then
			}
			r, err := ask[leanfleet.PriceSearchResult](c.Context(), a, "search_prices", &req)
			if err != nil {
				return err
			}
			a.warn(r.Warnings)
			return a.print(searchAnswer(a, &r), "basis", "currency", "as_of", "arch", "region")
		},
	}
	c.Flags().StringVar(&req.Near, "near", "", "`region` to search in and near: us-east-1, or azure:eastus")
	c.Flags().Float64Var(&req.VCPUs, "vcpu", 0, "at least `n` vCPUs")
	c.Flags().Float64Var(&req.MaxVCPUs, "max-vcpu", 0, "at most `n` vCPUs")
	c.Flags().StringVar(&memory, "memory", "", "at least this `size` of memory, such as 16GiB")
	c.Flags().StringVar(&maxMemory, "max-memory", "", "at most this `size` of memory")
	c.Flags().StringVar(&req.Arch, "arch", "", "`architecture`: x86_64 or arm64 (default: any)")
	c.Flags().Float64Var(&req.GPUs, "gpu", 0, "at least `n` GPUs (default: only types without)")
	c.Flags().StringVar(&maxPrice, "max-price", "", "at most this `price` an hour, running all month")
	c.Flags().BoolVar(&req.Spot, "spot", false, "spot prices in place of those on demand")
	c.Flags().BoolVar(&req.Burstable, "burstable", false, "burstable and shared CPUs too")
	c.Flags().BoolVar(&req.Older, "older", false, "families that are not current too")
	c.Flags().BoolVar(&req.AnyPurpose, "any-purpose", false, "families for storage, accelerators and the like too")
	c.Flags().BoolVar(&req.LocalDisk, "local-disk", false, "only types with a local disk")
	f.addProvider(c)
	f.addAnswer(c)
	f.addCurrency(c)
	return c
}

// typeColumns are those of a type with its price.
func typeColumns() []report.Column {
	return []report.Column{
		{Key: "provider", Header: "provider"}, {Key: "region", Header: "region"}, {Key: "km", Header: "km", Kind: report.KindInteger, Wide: true},
		{Key: "instance_type", Header: "instance type"}, {Key: "family", Header: "family", Wide: true},
		{Key: "vcpus", Header: "vCPUs", Kind: report.KindInteger}, {Key: "memory_bytes", Header: "memory", Kind: report.KindBytes},
		{Key: "arch", Header: "arch"}, {Key: "cpu_kind", Header: "CPU", Wide: true}, {Key: "gpus", Header: "GPUs", Kind: report.KindNumber, Wide: true},
		{Key: "network_gbps", Header: "network Gbit/s", Kind: report.KindNumber, Wide: true},
		{Key: "price_per_hour", Header: "per hour", Kind: report.KindNumber},
		{Key: "full_month_per_hour", Header: "all month, per hour", Kind: report.KindNumber, Wide: true},
		{Key: "full_month", Header: "all month", Kind: report.KindNumber}, {Key: "currency", Header: "currency"},
		{Key: "as_of", Header: "as of"}, {Key: "basis", Header: "basis"}, {Key: "layer", Header: "layer", Wide: true},
	}
}

func (a *app) typeCells(t *leanfleet.PricedType) report.Row {
	vcpus, memory := report.Unknown("unknown"), report.Unknown("unknown")
	if t.VCPUs != nil {
		vcpus = report.Integer(int64(*t.VCPUs))
	}
	if t.MemoryBytes != nil {
		memory = report.Bytes(float64(*t.MemoryBytes))
	}
	number := func(v *float64) report.Value {
		if v == nil {
			return report.Unknown("unknown")
		}
		digits := 0
		if *v != float64(int64(*v)) {
			digits = 2
		}
		return report.Number(*v, digits)
	}
	words := func(s *string) report.Value {
		if s == nil {
			return report.Unknown("unknown")
		}
		return report.Text(*s)
	}
	return report.Row{
		report.Text(t.Provider), report.Text(t.Region), report.Integer(int64(t.KmApprox)), report.Text(t.InstanceType), words(t.Family),
		vcpus, memory, words(t.Arch), words(t.CPUKind), number(t.GPUs), number(t.NetworkGbps),
		priceCell(t.PerHour), priceCell(t.FullMonthPerHour), amountCell(t.FullMonth), report.Text(string(t.Currency)),
		a.dayCell(t.AsOf), report.Text(string(t.Basis)), report.Text(string(t.Layer)),
	}
}

func searchAnswer(a *app, r *leanfleet.PriceSearchResult) answer {
	t := &report.Table{Title: fmt.Sprintf("instance types near %s %s", r.Near.Provider, r.Near.Region), Columns: typeColumns()}
	days := map[string]bool{}
	for i := range r.Types {
		t.Rows = append(t.Rows, a.typeCells(&r.Types[i]))
		if d := r.Types[i].AsOf; d != nil {
			days[d.UTC().Format("2006-01-02")] = true
		}
	}
	t.Notes = append(t.Notes, monthNote(&r.Month))
	switch {
	case len(r.Types) == 0:
		t.Notes = []string{"No type meets this. --older, --burstable and --any-purpose take more types."}
	case len(days) > 1:
		t.Notes = append(t.Notes, "The prices are of different days, see \"as of\": compare them with care.")
	}
	if r.Unknown > 0 {
		t.Notes = append(t.Notes, plural(int64(r.Unknown), "type")+" left out because a figure asked for is not known of them.")
	}
	if len(r.NoRegion) > 0 {
		t.Notes = append(t.Notes, "No region near is known of "+strings.Join(r.NoRegion, ", ")+".")
	}
	return answer{result: r, rows: r.Types, table: t}
}

func newPricesEquivalents(a *app) *cobra.Command {
	var f priceFlags
	var req leanfleet.EquivalentsRequest
	c := &cobra.Command{
		Use:   "equivalents TYPE",
		Short: "Types that can stand in for one, with reasons and what to verify",
		Long: `Types with at least the vCPUs and memory of another, as many GPUs, its
architecture, a dedicated CPU and a local disk if it has them, best first for
each provider: with the reason of each match, what is not known, and what a
person has to verify before the change. --limit counts for each provider
(default: 5).`,
		Example: `  leanfleet prices equivalents m5.xlarge --to azure,gcp
  leanfleet prices equivalents m5.xlarge --to aws --other-arch -o wide
  leanfleet prices equivalents Standard_D4s_v5 --region westeurope --to aws:eu-central-1 -o json`,
		Args: argsBetween(1, 1, "one instance type"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if req.Provider, err = one("provider", f.providers); err != nil {
				return err
			}
			if req.Region, err = one("region", f.regions); err != nil {
				return err
			}
			if req.Currency, err = currencyOf(f.currency); err != nil {
				return err
			}
			if req.PricesAsOf, err = a.priceDay("--prices-as-of", f.pricesAsOf); err != nil {
				return err
			}
			if req.Timezone, err = a.priceZone(f.zone); err != nil {
				return err
			}
			if !(req.Smaller >= 0 && req.Smaller < 1) {
				return usage(fmt.Errorf("--smaller %g is not a share from 0 to below 1", req.Smaller))
			}
			req.InstanceType, req.OS, req.To = args[0], f.os, list(req.To)
			if len(req.To) == 1 && req.To[0] == "all" {
				req.To = nil
			}
			if c.Flags().Changed("limit") {
				req.Limit = cmp.Or(a.config.Limit, 1<<20)
				a.config.Limit = 0 // it counts for each provider
			}
			r, err := ask[leanfleet.EquivalentsResult](c.Context(), a, "equivalents", &req)
			if err != nil {
				return err
			}
			a.warn(r.Warnings)
			x := equivalentsAnswer(a, &r)
			if a.config.Output == config.OutputJSONL {
				x.table.Rows = x.table.Rows[1:] // the type itself is no match
			}
			return a.print(x, "basis", "currency", "as_of", "price_per_hour", "arch", "region", "checks", "effort")
		},
	}
	f.addProvider(c)
	f.addRegion(c)
	c.Flags().StringSliceVar(&req.To, "to", nil, "`providers` whose nearest region is searched, or provider:region (default: all)")
	c.Flags().Float64Var(&req.Smaller, "smaller", 0, "`share` of vCPUs and memory that a match may lack, such as 0.25")
	c.Flags().BoolVar(&req.OtherArch, "other-arch", false, "types of another architecture too")
	c.Flags().BoolVar(&req.Older, "older", false, "families that are not current too")
	f.addAnswer(c)
	f.addCurrency(c)
	return c
}

func equivalentsAnswer(a *app, r *leanfleet.EquivalentsResult) answer {
	t := &report.Table{
		Title: fmt.Sprintf("equivalents of %s %s in %s", r.From.Provider, r.From.InstanceType, r.From.Region),
		Columns: append(typeColumns(),
			report.Column{Key: "saving_per_month", Header: "saves", Kind: report.KindNumber},
			report.Column{Key: "effort", Header: "effort"}, report.Column{Key: "checks", Header: "verify", Kind: report.KindText},
			report.Column{Key: "reasons", Header: "why", Wide: true}, report.Column{Key: "unknown", Header: "unknown", Wide: true},
		),
	}
	mixed := false
	var saved *money.Amount
	if r.From.FullMonth != nil {
		zero := money.Zero(r.From.Currency)
		saved = &zero
	}
	t.Rows = append(t.Rows, append(a.typeCells(&r.From), amountCell(saved), report.Text(""), report.Text("the type itself"), report.Text(""), report.Text("")))
	for i := range r.Matches {
		m := &r.Matches[i]
		var checks []string
		for _, c := range m.Checks {
			checks = append(checks, string(c.Code))
		}
		mixed = mixed || m.MixedDates
		t.Rows = append(t.Rows, append(a.typeCells(&m.PricedType), amountCell(m.Saving), report.Text(string(m.Effort)), report.Text(counted(checks)),
			report.Text(strings.Join(m.Reasons, "; ")), report.Text(strings.Join(m.Unknown, ", "))))
	}
	t.Notes = append(t.Notes, monthNote(&r.Month))
	if len(r.Matches) == 0 {
		t.Notes = append(t.Notes, "No type can stand in. --smaller, --other-arch and --older take more types.")
	}
	if r.From.PerHour.IsZero() {
		t.Notes = append(t.Notes, fmt.Sprintf("No price of %s is known in %s.", r.From.InstanceType, r.From.Region))
	}
	if mixed {
		t.Notes = append(t.Notes, "Some savings are between prices of different days, see \"as of\".")
	}
	if len(r.NoRegion) > 0 {
		t.Notes = append(t.Notes, "No region near is known of "+strings.Join(r.NoRegion, ", ")+".")
	}
	x := answer{result: r, rows: r.Matches, table: t}
	x.after = func() error {
		for i := range r.Matches {
			m := &r.Matches[i]
			if i > 0 && r.Matches[i-1].Provider == m.Provider && r.Matches[i-1].Region == m.Region {
				continue // the best of each region
			}
			fmt.Fprintf(a.out, "\n%s %s: %s.\n", m.Provider, m.InstanceType, strings.Join(m.Reasons, ", "))
			for _, c := range m.Checks {
				fmt.Fprintf(a.out, "  verify %s: %s (%s -> %s)\n", strings.ReplaceAll(string(c.Code), "_", " "), c.Text, c.From, c.To)
			}
		}
		return nil
	}
	return x
}

// counted lists words once each, with how often they are there.
func counted(words []string) string {
	var out []string
	for i, w := range words {
		n := 0
		for _, x := range words[:i] {
			if x == w {
				n++
			}
		}
		if n > 0 {
			continue
		}
		for _, x := range words[i:] {
			if x == w {
				n++
			}
		}
		if n > 1 {
			w = fmt.Sprintf("%s x%d", w, n)
		}
		out = append(out, w)
	}
	return strings.Join(out, ", ")
}

// priceOptions are the configuration's prices.
func (a *app) priceOptions() leanfleet.PriceOptions {
	c := &a.config.Prices
	o := leanfleet.PriceOptions{Sheets: c.Sheets, Commitments: c.Commitments, Rates: c.Rates, WarnAge: time.Duration(c.WarnAge), Sources: a.sources}
	for _, l := range c.Precedence {
		o.Precedence = append(o.Precedence, pricing.Layer(l))
	}
	return o
}
