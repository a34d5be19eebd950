package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
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

// costsOf sums a column of CSV by another; rows without a cost are skipped.
func costsOf(t *testing.T, text, key, column string) map[string]money.Amount {
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
		v, err := money.ParseAmount(row[at[column]], money.USD)
		if err != nil {
			t.Fatal(err)
		}
		if out[row[at[key]]], err = out[row[at[key]]].Add(v); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestChargebackFormatsAgree: on simulated fleets the groups and the lines of
// CSV, the groups and the total of JSON and the table say the same costs, to
// the cent.
func TestChargebackFormatsAgree(t *testing.T) {
	for _, seed := range []string{"1", "2", "3"} {
		dir := t.TempDir()
		cli(t, dir, "simulate", "--hosts", "40", "--days", "20", "--start", "2024-01-05", "--interval", "30m", "--seed", seed, "-q")
		ask := func(args ...string) string {
			return cli(t, dir, append([]string{"chargeback", "--period", "2024-01", "--group-by", "dept", "-q"}, args...)...)
		}
		var r chargeback.Result
		if err := json.Unmarshal([]byte(ask("-o", "json")), &r); err != nil {
			t.Fatal(err)
		}
		table := ask("-o", "wide")
		for column, pick := range map[string]func(*chargeback.Figures) *money.Amount{
			"cost":           func(f *chargeback.Figures) *money.Amount { return f.Cost },
			"effective_cost": func(f *chargeback.Figures) *money.Amount { return f.EffectiveCost },
			"compute_cost":   func(f *chargeback.Figures) *money.Amount { return f.ComputeCost },
		} {
			groups, lines := costsOf(t, ask("-o", "csv"), "dept", column), costsOf(t, ask("-o", "csv", "--lines"), "dept", column)
			sum := money.Zero(money.USD)
			for i := range r.Groups {
				g := &r.Groups[i]
				name, cost := "", pick(&g.Figures)
				if v := g.Group[0].Value; v != nil {
					name = *v
				}
				if cost == nil {
					continue
				}
				c := cost.In(money.USD)
				if !groups[name].Equal(c) || !lines[name].Equal(c) {
					t.Errorf("seed %s: %s of %q is %s in JSON, %s in groups of CSV, %s in its lines", seed, column, name, c, groups[name], lines[name])
				}
				if shown := report.FormatNumber(c.Decimal(2).InexactFloat64(), 2); !strings.Contains(table, " "+shown) {
					t.Errorf("seed %s: %s of %q, %s, is not in the table:\n%s", seed, column, name, shown, table)
				}
				var err error
				if sum, err = sum.Add(c); err != nil {
					t.Fatal(err)
				}
			}
			if total := pick(&r.Total.Figures).In(money.USD); !sum.Equal(total) || total.Sign() == 0 {
				t.Errorf("seed %s: the total %s is %s, groups sum to %s", seed, column, total, sum)
			}
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
