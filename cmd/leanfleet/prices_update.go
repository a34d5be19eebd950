package main

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/cloud/aws"
	"github.com/leanfleet/leanfleet/cloud/azure"
	"github.com/leanfleet/leanfleet/cloud/gcp"
	"github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/internal/embedded"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/pricing"
)

// gcpKeyVariable is the environment variable that holds the API key of GCP; it
// is a secret and no setting, so that it stands in no file.
const gcpKeyVariable = "LEANFLEET_GCP_API_KEY"

func newPricesUpdate(a *app) *cobra.Command {
	var f priceFlags
	var req leanfleet.PricesUpdateRequest
	c := &cobra.Command{
		Use:   "update",
		Short: "Read the providers' own price lists into the data directory",
		Long: `Reads the price lists of the providers, region by region. AWS and Azure need no
credentials; GCP needs an API key in LEANFLEET_GCP_API_KEY, or the credentials
of Google's own tools. A list that fails, breaks off or lacks a price takes
nothing away: the last good prices stay. Proxies are taken from HTTPS_PROXY and
NO_PROXY; mirrors, a CA file and more are set in the configuration (prices).`,
		Example: `  leanfleet prices update
  leanfleet prices update --provider aws,azure --region us-east-1,eastus
  leanfleet prices update --region gcp:us-central1
  leanfleet prices update --provider azure --region all -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkNames(updateAnswer(a, &leanfleet.PricesUpdateResult{})); err != nil {
				return err
			}
			req.Providers, req.Regions = f.providerList(), list(f.regions)
			bar := a.progress("reading")
			a.sources = a.priceSources(bar)
			req.Progress = func(p leanfleet.PriceProgress) {
				switch {
				case p.Done != nil:
					bar.done()
					a.note("%s", doneLine(p))
				case p.Items == 0:
					bar.phase(fmt.Sprintf("reading prices of %s %s (%d of %d)", p.Provider, p.Region, p.Number, p.Of))
				}
			}
			r, err := ask[leanfleet.PricesUpdateResult](c.Context(), a, "update_prices", &req)
			bar.done()
			if len(r.Updated) == 0 {
				return err
			}
			if printErr := a.print(updateAnswer(a, &r), "unchanged", "up", "down"); printErr != nil {
				return printErr
			}
			if err != nil {
				return fmt.Errorf("%w\nThe last good prices stay%s", err, a.keyHint(&r))
			}
			return nil
		},
	}
	f.addProvider(c)
	f.addRegion(c)
	return c
}

// keyHint says what GCP needs, where it failed without a key.
func (a *app) keyHint(r *leanfleet.PricesUpdateResult) string {
	if key, _ := a.env(gcpKeyVariable); key != "" {
		return ""
	}
	for i := range r.Updated {
		if r.Updated[i].Provider == pricing.GCP && r.Updated[i].Error != "" {
			return ". GCP needs an API key in " + gcpKeyVariable + ", or the credentials of Google's own tools"
		}
	}
	return ""
}

// doneLine says what became of a region.
func doneLine(p leanfleet.PriceProgress) string {
	u := p.Done
	head := fmt.Sprintf("%s %s (%d of %d)", p.Provider, p.Region, p.Number, p.Of)
	if u.Error != "" && u.Items == 0 {
		return head + ": failed"
	}
	line := fmt.Sprintf("%s: %s read, %s new, %s changed", head, report.FormatCount(int64(u.Items)), report.FormatCount(int64(u.New)), report.FormatCount(int64(u.Changed)))
	if u.Error != "" {
		line += ", then it failed"
	}
	return line
}

// priceSources reads the lists of the three clouds as the configuration says.
func (a *app) priceSources(b *bar) []pricing.PriceSource {
	c := &a.config.Prices
	key, _ := a.env(gcpKeyVariable)
	waiting := func(provider, region string, d time.Duration, cause error) {
		if d > 0 {
			b.done()
			a.note("%s: waiting %s: %v", strings.Join(nonEmpty(provider, region), " "), report.FormatDuration(d.Round(time.Second)), cause)
		}
	}
	file := ""
	return []pricing.PriceSource{
		aws.New(aws.Options{
			Now: a.now, Query: c.AWS.Query, CAFile: c.CAFile,
			BaseURL: trimSlash(c.AWS.URL), PricingURL: trimSlash(c.AWS.QueryURL), EC2URL: trimSlash(c.AWS.EC2URL),
			Progress: func(p aws.Progress) {
				if p.URL != file {
					file = p.URL
					b.phase("reading the " + p.List + " of " + p.Region)
				}
				b.bytes(p.Bytes, p.Total)
			},
			Report: func(r aws.Report) {
				b.done()
				for _, n := range r.Notices {
					a.note("aws %s: %s", r.Region, n)
				}
			},
		}),
		azure.New(azure.Options{
			Now: a.now, Endpoint: c.Azure.URL, CAFile: c.CAFile, Subscription: c.Azure.Subscription,
			Progress: func(p azure.Progress) {
				waiting(pricing.Azure, p.Region, p.Waiting, p.Cause)
				b.items(int64(p.Rows), 0)
			},
		}),
		gcp.New(gcp.Options{
			Now: a.now, APIKey: key, Project: c.GCP.Project, CAFile: c.CAFile, Types: gcpTypes,
			BillingEndpoint: trimSlash(c.GCP.URL), ComputeEndpoint: trimSlash(c.GCP.ComputeURL),
			Progress: func(p gcp.Progress) {
				waiting(pricing.GCP, p.Region, p.Waiting, p.Cause)
				b.items(int64(p.Rows), 0)
			},
		}),
	}
}

func trimSlash(url string) string { return strings.TrimSuffix(url, "/") }

// gcpTypes yields the machine types that the embedded catalogue knows.
var gcpTypes iter.Seq[pricing.Specification] = func(yield func(pricing.Specification) bool) {
	c, err := catalog.Open()
	if err != nil {
		return // opening the Monitor has said so
	}
	base := embedded.New(c)
	for name := range base.Types(pricing.GCP) {
		if s, ok := base.Specification(pricing.GCP, name); ok && !yield(s) {
			return
		}
	}
}

func updateAnswer(a *app, r *leanfleet.PricesUpdateResult) answer {
	count := func(key, header string) report.Column {
		return report.Column{Key: key, Header: header, Kind: report.KindInteger}
	}
	t := &report.Table{
		Title: "prices read",
		Columns: []report.Column{
			{Key: "provider"}, {Key: "region"}, {Key: "outcome"}, count("items", "read"), count("new", "new"), count("changed", "changed"),
			count("up", "up"), count("down", "down"), count("unchanged", "unchanged"), count("gone", "gone"), count("refused", "refused"),
			{Key: "returned", Kind: report.KindInteger, Wide: true}, {Key: "flagged", Kind: report.KindInteger, Wide: true},
			{Key: "time", Kind: report.KindDuration, Wide: true}, {Key: "error", Wide: true},
		},
	}
	for i := range r.Updated {
		u := &r.Updated[i]
		outcome := "complete"
		switch {
		case u.Complete && u.Error == "":
		case u.Items > 0:
			outcome = "incomplete"
		default:
			outcome = "failed"
		}
		n := func(v int) report.Value { return report.Integer(int64(v)) }
		t.Rows = append(t.Rows, report.Row{
			report.Text(u.Provider), report.Text(u.Region), report.Text(outcome), n(u.Items), n(u.New), n(u.Changed), n(u.Up), n(u.Down), n(u.Unchanged),
			n(u.Gone), n(len(u.Refused)), n(u.Returned), n(len(u.Flagged)),
			report.Duration(time.Duration(u.Seconds * float64(time.Second)).Round(10 * time.Millisecond)), report.Text(u.Error),
		})
		t.Notes = append(t.Notes, updateNotes(u)...)
	}
	x := answer{result: r, rows: r.Updated, table: t}
	if len(r.Rest) > 0 {
		x.after = func() error {
			fmt.Fprintln(a.out)
			return restTable(r).Write(a.out, report.FormatTable, a.style)
		}
	}
	return x
}

// shown is how many of a kind are named; -o json has all.
const shown = 5

// updateNotes name what a careful reader of the prices should know.
func updateNotes(u *leanfleet.UpdatedPrices) []string {
	var notes []string
	where := u.Provider + " " + u.Region + ": "
	list := func(n int, what string, line func(i int) string) {
		for i := range min(n, shown) {
			notes = append(notes, where+line(i))
		}
		if n > shown {
			notes = append(notes, fmt.Sprintf("%s%s more %s; -o json lists them", where, report.FormatCount(int64(n-shown)), what))
		}
	}
	list(len(u.Changes), "changed prices", func(i int) string {
		before, after := &u.Changes[i].Before, &u.Changes[i].After
		line := fmt.Sprintf("%s from %s to %s an hour", offerName(after), before.PerHour, after.PerHour)
		if before.PerHour.Currency() == after.PerHour.Currency() {
			change := after.PerHour.Decimal().Div(before.PerHour.Decimal()).InexactFloat64() - 1
			line += fmt.Sprintf(" (%+.1f %%)", 100*change)
		}
		return line
	})
	list(len(u.GoneOffers), "offers that are gone", func(i int) string {
		g := &u.GoneOffers[i]
		return fmt.Sprintf("%s is gone from its list, last seen %s; it keeps its price of %s an hour", offerName(&g.Offer), g.LastSeen.UTC().Format(time.DateOnly), g.Offer.PerHour)
	})
	list(len(u.Refused), "that were refused", func(i int) string { return "refused " + u.Refused[i].What + ": " + u.Refused[i].Reason })
	list(len(u.Flagged), "that were flagged", func(i int) string { return "look at " + u.Flagged[i].What + ": " + u.Flagged[i].Reason })
	return notes
}

func offerName(o *pricing.Offer) string {
	return strings.Join(nonEmpty(o.InstanceType, o.OS, string(o.Purchase), o.Term.String()), " ")
}

// restTable says how old the prices are that were not updated.
func restTable(r *leanfleet.PricesUpdateResult) *report.Table {
	t := &report.Table{
		Title: "how old the rest is",
		Columns: []report.Column{
			{Key: "provider"}, {Key: "region"}, {Key: "hosts", Kind: report.KindInteger}, {Key: "from"}, {Key: "age", Kind: report.KindDuration}, {Key: "note"},
		},
	}
	for _, p := range r.Rest {
		age, from, note := report.Unknown("unknown"), "the providers' lists", ""
		if p.AgeSeconds != nil {
			age = report.Duration(time.Duration(*p.AgeSeconds * float64(time.Second)).Round(time.Hour))
		}
		if p.Layer == pricing.LayerEmbedded {
			from = "the embedded catalogue"
		}
		if p.Stale {
			note = "old: update it"
		}
		t.Rows = append(t.Rows, report.Row{report.Text(p.Provider), report.Text(p.Region), report.Integer(int64(p.Hosts)), report.Text(from), age, report.Text(note)})
	}
	return t
}

func newPricesExport(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "export FILE",
		Short: "Write the prices that were read to a file, for sites without network",
		Long: `Writes all prices that update has read, with the times at which they were read,
to a file that import takes elsewhere. Own sheets and the embedded catalogue are
not in it.`,
		Example: "  leanfleet prices export prices.book",
		Args:    argsBetween(1, 1, "one file to write"),
		RunE: func(c *cobra.Command, args []string) error {
			t := &report.Table{Columns: []report.Column{{Key: "file"}, {Key: "regions", Kind: report.KindInteger}, {Key: "readings", Kind: report.KindInteger}, {Key: "size", Kind: report.KindBytes}}}
			if err := a.checkNames(answer{table: t}); err != nil {
				return err
			}
			r, err := ask[leanfleet.PricesExportResult](c.Context(), a, "export_prices", &leanfleet.PricesExportRequest{File: args[0]})
			if err != nil {
				return err
			}
			t.Rows = []report.Row{{report.Text(r.File), report.Integer(int64(r.Regions)), report.Integer(int64(r.Readings)), report.Bytes(float64(r.Bytes))}}
			return a.print(answer{result: &r, rows: []leanfleet.PricesExportResult{r}, table: t})
		},
	}
}

func newPricesImport(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Add prices that were exported elsewhere",
		Long: `Adds a file that export wrote. Prices keep the times at which they were read. A
file that goes on where these prices end takes their place with its history; of
one that does not, the lists that are newer are added. A damaged file changes
nothing.`,
		Example: "  leanfleet prices import prices.book",
		Args:    argsBetween(1, 1, "one file that export wrote"),
		RunE: func(c *cobra.Command, args []string) error {
			t := &report.Table{
				Columns: []report.Column{{Key: "file"}, {Key: "outcome"}, {Key: "regions", Kind: report.KindInteger}, {Key: "readings", Kind: report.KindInteger},
					{Key: "added", Header: "lists added", Kind: report.KindInteger}, {Key: "newest", Header: "newest reading", Kind: report.KindTime}},
			}
			if err := a.checkNames(answer{table: t}); err != nil {
				return err
			}
			r, err := ask[leanfleet.PricesImportResult](c.Context(), a, "import_prices", &leanfleet.PricesImportRequest{File: args[0]})
			if err != nil {
				return err
			}
			t.Rows = []report.Row{{report.Text(r.File), report.Text(r.Outcome), report.Integer(int64(r.Regions)), report.Integer(int64(r.Readings)),
				report.Integer(int64(len(r.Lists))), report.Time(r.Newest.UTC())}}
			if r.Older > 0 {
				t.Notes = append(t.Notes, plural(int64(r.Older), "list")+" of the file are not newer than what is here and were left out.")
			}
			return a.print(answer{result: &r, rows: []leanfleet.PricesImportResult{r}, table: t})
		},
	}
}
