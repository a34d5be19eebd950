package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/internal/embedded"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// cli runs the command line on a data directory.
func cli(t *testing.T, dir string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &errs, style: report.Style{Unicode: true}, now: func() time.Time { return scriptNow },
		env: func(string) (string, bool) { return "", false }}
	if code := a.run(context.Background(), append(args, "--data", dir)); code != 0 {
		t.Fatalf("%s: %s", strings.Join(args, " "), errs.String())
	}
	return out.String()
}

// costsOf sums a column of CSV, in a currency, by another; rows without a cost
// are skipped.
func costsOf(t *testing.T, text, key, column string, in money.Currency) map[string]money.Amount {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, name := range rows[0] {
		at[name] = i
	}
	out := map[string]money.Amount{}
	for _, row := range rows[1:] {
		if row[at[column]] == "" {
			continue
		}
		v, err := money.ParseAmount(row[at[column]], in)
		if err != nil {
			t.Fatal(err)
		}
		if out[row[at[key]]], err = out[row[at[key]]].Add(v); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// mixedPrices configures a discount, a price in euros, a rate between the two
// currencies and commitments of each form, one of which covers too much and one
// of which has no rate.
func mixedPrices(t *testing.T) (config string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"config.yaml": "prices:\n  sheets: [sheet.csv]\n  commitments: [commitments.csv]\n  rates: [rates.csv]\n",
		"rates.csv":   "date,from,to,rate,source\n2023-06-01,EUR,USD,1.10,test\n2024-01-16,EUR,USD,1.12,test\n2023-06-01,USD,EUR,0.90,test\n2024-01-16,USD,EUR,0.89,test\n",
		"sheet.csv":   "kind,provider,region,family,instance_type,price_per_hour,currency,percent\nprice,azure,*,,Standard_D2s_v5,0.1234567,EUR,\ndiscount,gcp,,,,,,7.5\n",
		"commitments.csv": "id,purchase,provider,region,instance_type,family,count,price_per_hour,spend_per_hour,percent,vcpus,memory_gib,price_per_vcpu_hour,price_per_gib_hour,currency,start,end,years\n" +
			"ri,reserved,aws,us-east-1,c6i.large,,3,0.0531,,,,,,,USD,2024-01-03,2024-12-31,1\n" +
			"cud,committed_use,gcp,europe-west1,,n2,,,,,4,16,0.0200001,0.003,USD,2023-01-01,2025-12-31,3\n" +
			"plan,savings_plan,aws,,,,,,0.777,27,,,,,USD,2024-01-10,2025-01-09,1\n" +
			"rated,savings_plan,azure,eastus,,,,,0.25,,,,,,USD,2024-01-01,2024-12-31,1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "config.yaml")
}

// TestChargebackFormatsAgree: on simulated fleets the groups and the lines of
// CSV, the groups and the total of JSON and the table say the same costs, to
// the cent; also under commitments, with prices in two currencies, and converted.
func TestChargebackFormatsAgree(t *testing.T) {
	mixed := mixedPrices(t)
	for _, x := range []struct {
		seed string
		in   money.Currency
		args []string
	}{
		{"1", money.USD, nil},
		{"2", money.USD, nil},
		{"3", money.USD, nil},
		{"1", money.USD, []string{"--config", mixed, "--currency", "USD"}},
		{"2", "EUR", []string{"--config", mixed, "--currency", "EUR", "--timezone", "Asia/Kolkata"}},
		{"3", "JPY", []string{"--currency", "JPY", "--rate", "USD/JPY=147.31"}},
	} {
		seed, in := x.seed+" "+strings.Join(x.args, " "), x.in
		dir := t.TempDir()
		cli(t, dir, "simulate", "--hosts", "40", "--days", "20", "--start", "2024-01-05", "--interval", "30m", "--seed", x.seed, "-q")
		ask := func(args ...string) string {
			return cli(t, dir, slices.Concat([]string{"chargeback", "--period", "2024-01", "--group-by", "dept", "-q"}, x.args, args)...)
		}
		var r chargeback.Result
		if err := json.Unmarshal([]byte(ask("-o", "json")), &r); err != nil {
			t.Fatal(err)
		}
		table := ask("-o", "wide")
		for column, pick := range map[string]func(*chargeback.Figures) *money.Amount{
			"cost":            func(f *chargeback.Figures) *money.Amount { return f.Cost },
			"effective_cost":  func(f *chargeback.Figures) *money.Amount { return f.EffectiveCost },
			"compute_cost":    func(f *chargeback.Figures) *money.Amount { return f.ComputeCost },
			"contracted_cost": func(f *chargeback.Figures) *money.Amount { return f.ContractedCost },
		} {
			groups, lines := costsOf(t, ask("-o", "csv"), "dept", column, in), costsOf(t, ask("-o", "csv", "--lines"), "dept", column, in)
			sum := money.Zero(in)
			for i := range r.Groups {
				g := &r.Groups[i]
				name, cost := "", pick(&g.Figures)
				if v := g.Group[0].Value; v != nil {
					name = *v
				}
				if cost == nil {
					continue
				}
				c := cost.In(in)
				if !groups[name].Equal(c) || !lines[name].Equal(c) {
					t.Errorf("seed %s: %s of %q is %s in JSON, %s in groups of CSV, %s in its lines", seed, column, name, c, groups[name], lines[name])
				}
				if shown := report.FormatNumber(c.Decimal(in.Digits()).InexactFloat64(), in.Digits()); !strings.Contains(table, " "+shown) {
					t.Errorf("seed %s: %s of %q, %s, is not in the table:\n%s", seed, column, name, shown, table)
				}
				var err error
				if sum, err = sum.Add(c); err != nil {
					t.Fatal(err)
				}
			}
			if total := pick(&r.Total.Figures).In(in); !sum.Equal(total) || total.Sign() == 0 {
				t.Errorf("seed %s: the total %s is %s, groups sum to %s", seed, column, total, sum)
			}
		}
		if !slices.Contains(x.args, mixed) {
			continue
		}
		used, currencies := 0, map[money.Currency]bool{}
		for _, c := range r.Commitments {
			if c.Used.Sign() > 0 {
				used++
			}
		}
		for _, p := range r.Prices.Used {
			currencies[p.Currency], currencies[cmp.Or(p.ContractedCurrency, p.Currency)] = true, true
		}
		if used < 2 || len(currencies) != 2 || r.Total.ContractedCost.Literal() == r.Total.Cost.Literal() {
			t.Errorf("seed %s: %d of %d commitments used, currencies %v, cost %s, contracted %s", seed, used, len(r.Commitments), currencies, r.Total.Cost, r.Total.ContractedCost)
		}
	}
}

// TestChargebackAfterPricesWereRead: the manifest of a report gives the same
// bytes after newer prices were read, which change the report itself.
func TestChargebackAfterPricesWereRead(t *testing.T) {
	dir, files := t.TempDir(), t.TempDir()
	out := filepath.Join(files, "january.csv")
	cli(t, dir, "simulate", "--hosts", "20", "--days", "20", "--start", "2024-01-05", "--interval", "30m", "-q")
	cli(t, dir, "chargeback", "--period", "2024-01", "--group-by", "dept", "--lines", "--file", out, "-q")
	first, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(files, "newer.prices")
	if err := os.WriteFile(newer, newerPrices(t, first), 0o644); err != nil {
		t.Fatal(err)
	}
	cli(t, dir, "prices", "import", newer, "-q")
	if now := cli(t, dir, "chargeback", "--period", "2024-01", "--group-by", "dept", "--lines", "-o", "csv", "-q"); now == string(first) {
		t.Error("newer prices change nothing: the test shows nothing")
	}
	if again := cli(t, dir, "chargeback", "--manifest", out+manifestSuffix, "-q"); again != string(first) {
		t.Errorf("first:\n%s\nagain:\n%s", first, again)
	}
}

// newerPrices is a book of prices of 1 an hour for all that a report names.
func newerPrices(t *testing.T, lines []byte) []byte {
	t.Helper()
	c, err := catalog.Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := pricing.NewBook(pricing.Options{Base: embedded.New(c)})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(lines)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, name := range rows[0] {
		at[name] = i
	}
	when := time.Date(2024, 1, 6, 0, 0, 0, 0, time.UTC)
	for _, row := range rows[1:] {
		provider, region := row[at["provider"]], row[at["region"]]
		for typ := range strings.FieldsSeq(row[at["instance_type"]]) {
			_, err := b.Add(pricing.Reading{List: "test", Provider: provider, Region: region, At: when}, []pricing.Item{{Offer: &pricing.Offer{
				Provider: provider, Region: region, InstanceType: typ, OS: pricing.Linux, Purchase: pricing.OnDemand,
				PerHour: money.PriceOf(money.Whole(1), money.USD), ObservedAt: when, Basis: pricing.Observed, Source: "test",
			}}})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	var out bytes.Buffer
	if _, err := b.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
