package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/report"
)

// extrasFlags are those of questions about what is paid beside instances.
type extrasFlags struct {
	priceFlags
	asOf string
}

func (f *extrasFlags) add(c *cobra.Command) {
	f.addProvider(c)
	f.addRegion(c)
	c.Flags().StringVar(&f.asOf, "as-of", "", "the hour of use: a `time` or date (default: the newest known price)")
	c.Flags().StringVar(&f.pricesAsOf, "prices-as-of", "", "leave out prices that were read later: a `time` or date (default: all that are known)")
}

// place reads --provider and --region.
func (f *extrasFlags) place(c *cobra.Command) (provider, region string, err error) {
	if provider, err = one("provider", f.providers); err != nil {
		return "", "", err
	}
	if region, err = one("region", f.regions); err != nil {
		return "", "", err
	}
	if region == "" {
		return "", "", usage(fmt.Errorf("%s needs --region\nSee %q", c.CommandPath(), c.CommandPath()+" --help"))
	}
	return provider, region, nil
}

func newPricesStorage(a *app) *cobra.Command {
	var f extrasFlags
	var req leanfleet.StoragePricesRequest
	c := &cobra.Command{
		Use:     "storage",
		Aliases: []string{"disks"},
		Short:   "What block storage costs a month, by type of disk",
		Long: `What a GiB of block storage costs for a month, by type of disk, or a disk of a
size where the provider sells sizes, with source, date and basis. The catalogue
inside the program has no disks: update reads them, or an own price sheet gives
them; until then they are unknown, and the answer says so.`,
		Example: `  leanfleet prices storage --provider aws --region us-east-1
  leanfleet prices storage --region us-east-1 --type gp3
  leanfleet prices storage --region azure:eastus -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if req.Provider, req.Region, err = f.place(c); err != nil {
				return err
			}
			if req.AsOf, err = a.time("--as-of", f.asOf); err != nil {
				return err
			}
			if req.PricesAsOf, err = a.priceDay("--prices-as-of", f.pricesAsOf); err != nil {
				return err
			}
			r, err := ask[leanfleet.StoragePricesResult](c.Context(), a, "storage_prices", &req)
			if err != nil {
				return err
			}
			a.warn(r.Warnings)
			return a.print(storageAnswer(a, &r), "valid_from", "last_seen", "source", "basis", "as_of", "currency")
		},
	}
	f.add(c)
	c.Flags().StringVar(&req.DiskType, "type", "", "`type` of disk, such as gp3 (default: all)")
	return c
}

func newPricesAddresses(a *app) *cobra.Command {
	var f extrasFlags
	var req leanfleet.AddressPricesRequest
	c := &cobra.Command{
		Use:   "addresses",
		Short: "What public IPv4 addresses cost, in use and idle",
		Long: `What a public IPv4 address costs per hour and per month, in use and idle: an idle
one is used by no running host. The catalogue inside the program has no
addresses: update reads them, or an own price sheet gives them; until then they
are unknown, and the answer says so.`,
		Example: `  leanfleet prices addresses --provider aws --region us-east-1
  leanfleet prices addresses --region gcp:us-central1 -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if req.Provider, req.Region, err = f.place(c); err != nil {
				return err
			}
			if req.AsOf, err = a.time("--as-of", f.asOf); err != nil {
				return err
			}
			if req.PricesAsOf, err = a.priceDay("--prices-as-of", f.pricesAsOf); err != nil {
				return err
			}
			if req.Timezone, err = a.priceZone(f.zone); err != nil {
				return err
			}
			r, err := ask[leanfleet.AddressPricesResult](c.Context(), a, "address_prices", &req)
			if err != nil {
				return err
			}
			a.warn(r.Warnings)
			return a.print(addressAnswer(a, &r), "valid_from", "last_seen", "source", "basis", "as_of", "currency")
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.zone, "timezone", "", "IANA `zone` of the calendar month (default: the configured one, else UTC)")
	return c
}

// sourceColumns are the columns of sourceCells.
func sourceColumns() []report.Column {
	return []report.Column{
		{Key: "as_of", Header: "as of"}, {Key: "valid_from", Header: "valid from", Kind: report.KindTime, Wide: true},
		{Key: "last_seen", Header: "last seen", Kind: report.KindTime, Wide: true},
		{Key: "basis", Header: "basis"}, {Key: "price_basis", Header: "price basis", Wide: true}, {Key: "layer", Header: "layer", Wide: true},
		{Key: "source", Header: "source"},
	}
}

func (a *app) sourceCells(s *leanfleet.PriceSource) report.Row {
	basis := string(s.Basis)
	if s.Gone {
		basis += ", gone"
	}
	return report.Row{
		a.dayCell(s.AsOf), report.Time(s.ValidFrom.UTC()), timeCell(s.LastSeen),
		report.Text(basis), report.Text(s.PriceBasis), report.Text(string(s.Layer)), report.Text(s.Source),
	}
}

func storageAnswer(a *app, r *leanfleet.StoragePricesResult) answer {
	sizes := slices.ContainsFunc(r.Disks, func(d leanfleet.StoragePrice) bool { return !d.PerDiskMonth.IsZero() })
	t := &report.Table{
		Title: fmt.Sprintf("block storage of %s in %s", r.Provider, r.Region),
		Columns: append([]report.Column{
			{Key: "disk_type", Header: "disk type"}, {Key: "max_gib", Header: "up to GiB", Kind: report.KindInteger, Wide: !sizes},
			{Key: "price_per_gib_month", Header: "per GiB-month", Kind: report.KindNumber},
			{Key: "price_per_disk_month", Header: "per disk-month", Kind: report.KindNumber, Wide: !sizes},
			{Key: "currency", Header: "currency"}, {Key: "month_hours", Header: "hours of a month", Kind: report.KindInteger, Wide: true},
		}, sourceColumns()...),
	}
	later, sold := false, 0
	for i := range r.Disks {
		d := &r.Disks[i]
		later = later || d.PriceBasis != ""
		perGiB, perDisk, most, hours := report.Unknown(""), report.Unknown(""), report.Unknown(""), report.Unknown("")
		if !d.PerGiBMonth.IsZero() {
			perGiB = priceCell(d.PerGiBMonth)
		}
		if !d.PerDiskMonth.IsZero() {
			perDisk = priceCell(d.PerDiskMonth)
		}
		if d.MaxGiB > 0 {
			most = report.Integer(d.MaxGiB)
		}
		if d.MonthHours > 0 {
			hours = report.Integer(int64(d.MonthHours))
			sold++
		}
		t.Rows = append(t.Rows, append(report.Row{report.Text(d.DiskType), most, perGiB, perDisk, report.Text(string(d.Currency)), hours}, a.sourceCells(&d.PriceSource)...))
	}
	switch {
	case len(r.Disks) == 0:
		t.Notes = append(t.Notes, "No price: "+r.Reason+".")
	case sold == len(r.Disks):
		t.Notes = append(t.Notes, fmt.Sprintf("A month of %s is 730 hours here.", r.Provider))
	case sold == 0:
		t.Notes = append(t.Notes, "A month is the calendar month.")
	default:
		t.Notes = append(t.Notes, "A month is the calendar month, or 730 hours where the list counts so; -o wide says which.")
	}
	if later {
		t.Notes = append(t.Notes, laterNote)
	}
	return answer{result: r, rows: r.Disks, table: t}
}

// laterNote is about prices that are marked nearest-later.
const laterNote = "Some prices are first known after the hour of use; -o wide marks them nearest-later."

func addressAnswer(a *app, r *leanfleet.AddressPricesResult) answer {
	t := &report.Table{
		Title: fmt.Sprintf("public addresses of %s in %s", r.Provider, r.Region),
		Columns: append([]report.Column{
			{Key: "use", Header: "use"}, {Key: "price_per_hour", Header: "per hour", Kind: report.KindNumber},
			{Key: "price_per_month", Header: "per month", Kind: report.KindNumber}, {Key: "currency", Header: "currency"},
		}, sourceColumns()...),
	}
	later := false
	for i := range r.Addresses {
		x := &r.Addresses[i]
		later = later || x.PriceBasis != ""
		t.Rows = append(t.Rows, append(report.Row{report.Text(x.Use), priceCell(x.PerHour), amountCell(&x.PerMonth), report.Text(string(x.Currency))}, a.sourceCells(&x.PriceSource)...))
	}
	if len(r.Addresses) > 0 {
		t.Notes = append(t.Notes, monthNote(&r.Month))
	}
	if r.Reason != "" {
		t.Notes = append(t.Notes, "No price: "+r.Reason+".")
	}
	if later {
		t.Notes = append(t.Notes, laterNote)
	}
	return answer{result: r, rows: r.Addresses, table: t}
}
