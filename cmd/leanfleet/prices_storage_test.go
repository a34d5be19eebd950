package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
)

// TestStorageAndAddressPrices: unknown until they are read or stand in a sheet,
// which the answer says; then each with its source, date, basis and age.
func TestStorageAndAddressPrices(t *testing.T) {
	c, fake := newCommand(t), newAWSFake(t)
	c.env["LEANFLEET_PRICES_AWS_URL"] = fake.URL + "/"
	fake.prices["m5.large"] = "0.0900000000"
	for _, x := range []struct{ args, want string }{
		{"prices storage --region us-east-1", `No price: prices of disks are in no embedded catalogue, and no list of aws us-east-1 was read: "leanfleet prices update --provider aws --region us-east-1" reads it, or an own price sheet gives them (rows of the kind disk, docs/prices.md).`},
		{"prices addresses --region gcp:us-central1", `No price: prices of public addresses are in no embedded catalogue, and no list of gcp us-central1 was read: "leanfleet prices update --provider gcp --region us-central1" reads it, or an own price sheet gives them (rows of the kind address, docs/prices.md).`},
		{"prices storage --region onprem:dc1", `No price: nobody knows what disks cost in onprem dc1: an own price sheet gives them`},
	} {
		if out := c.ok(strings.Fields(x.args)...); !strings.Contains(out, x.want) {
			t.Errorf("%s:\n%s", x.args, out)
		}
	}
	var none leanfleet.StoragePricesResult
	if c.json(&none, "prices", "storage", "--region", "us-east-1", "--type", "gp3"); none.Disks == nil || len(none.Disks) != 0 || none.Reason == "" || none.Provider != "aws" {
		t.Errorf("%+v", none)
	}

	c.ok("prices", "update", "--region", "us-east-1", "-q")
	if out := c.ok("prices", "storage", "--region", "us-east-1"); out != `block storage of aws in us-east-1
disk type  per GiB-month  currency  as of       basis     source
─────────  ─────────────  ────────  ──────────  ────────  ───────────────────
gp3                 0.08  USD       2026-08-02  observed  aws price list bulk
A month is the calendar month.
` {
		t.Errorf("disks:\n%s", out)
	}
	// August has 744 h: 744 x 0.005 = 3.72. The list prices idle addresses alone.
	if out := c.ok("prices", "addresses", "--region", "us-east-1"); out != `public addresses of aws in us-east-1
use   per hour  per month  currency  as of       basis     source
────  ────────  ─────────  ────────  ──────────  ────────  ───────────────────
idle     0.005       3.72  USD       2026-08-02  observed  aws price list bulk
A month is August 2026, 744 hours (UTC).
No price: the lists that were read of aws us-east-1 have no price of addresses in use: an own price sheet gives them (rows of the kind address, docs/prices.md).
` {
		t.Errorf("addresses:\n%s", out)
	}
	// The documented JSON.
	disks := c.ok("prices", "storage", "--region", "us-east-1", "--type", "GP3", "-o", "json")
	for _, want := range []string{`{
  "provider": "aws",
  "region": "us-east-1",
  "disks": [
    {
      "disk_type": "gp3",
      "price_per_gib_month": 0.08,
      "price_per_disk_month": null,
      "currency": "USD",
      "as_of": "2026-08-02T12:00:00Z",
      "last_seen": "2026-08-02T12:00:00Z",
      "valid_from": "2026-07-01T00:00:00Z",
      "age_seconds": 0,
      "stale": false,
      "gone": false,
      "basis": "observed",
      "layer": "live",
      "source": "aws price list bulk"
    }
  ],
  "price_revision": {`, `"warnings": []`} {
		if !strings.Contains(disks, want) {
			t.Errorf("no %s in\n%s", want, disks)
		}
	}
	addresses := c.ok("prices", "addresses", "--region", "us-east-1", "-o", "json", "--timezone", "Europe/Berlin", "--as-of", "2026-10-10")
	for _, want := range []string{`"addresses": [
    {
      "use": "idle",
      "price_per_hour": 0.005,
      "price_per_month": 3.73,
      "currency": "USD",`, `"reason": "the lists`, `"hours": 745`} { // 3.725
		if !strings.Contains(addresses, want) {
			t.Errorf("no %s in\n%s", want, addresses)
		}
	}
	if out := c.ok("prices", "storage", "--region", "us-east-1", "-o", "csv", "--columns", "disk_type,price_per_gib_month,layer"); out != "disk_type,price_per_gib_month,layer\ngp3,0.08,live\n" {
		t.Errorf("CSV:\n%s", out)
	}
	// What was read later is hidden, and where the list begins later it is marked.
	if out := c.ok("prices", "storage", "--region", "us-east-1", "--prices-as-of", "2026-07-31"); !strings.Contains(out, "no list of aws us-east-1 was read until 2026-07-31") {
		t.Errorf("before it was read:\n%s", out)
	}
	if out := c.ok("prices", "storage", "--region", "us-east-1", "--as-of", "2013-08-01"); !strings.Contains(out, laterNote) {
		t.Errorf("in 2013:\n%s", out)
	}
	for _, x := range []struct{ args, want string }{
		{"prices storage", "leanfleet prices storage needs --region"},
		{"prices addresses", "leanfleet prices addresses needs --region"},
		{"prices storage --region us-eat-1", `unknown region "us-eat-1": did you mean us-east-1`},
		{"prices storage --region us-east-1 --type gp4", `unknown disk type "gp4" of aws in us-east-1; did you mean "gp3"?`},
		{"prices storage --region us-east-1 --type tape", `unknown disk type "tape" of aws in us-east-1; known are gp3`},
		{"prices addresses --provider asw --region us-east-1", `unknown provider "asw"; did you mean "aws"?`},
		{"prices addresses --provider gcp --region aws:us-east-1", "region aws:us-east-1 is not one of gcp"},
		{"prices addresses --region us-east-1 --timezone Europe/Berlim", "Europe/Berlin"},
		{"prices storage --region us-east-1 --as-of soon", "soon"},
	} {
		if out, errs, code := c.run(strings.Fields(x.args)...); code != exitUsage || !strings.Contains(errs, x.want) || out != "" {
			t.Errorf("%s: exit %d, %s%s", x.args, code, errs, out)
		}
	}

	// They age like prices of instances, from when they were last seen.
	c.now = c.now.AddDate(0, 0, 80)
	c.ok("prices", "update", "--region", "us-east-1", "-q")
	c.now = c.now.AddDate(0, 0, 90)
	for _, verb := range []string{"storage", "addresses"} {
		if _, errs, _ := c.run("prices", verb, "--region", "us-east-1"); errs != "" {
			t.Errorf("%s: seen 90 days ago: %s", verb, errs)
		}
	}
	c.now = c.now.AddDate(0, 0, 1)
	const want = "warning: prices of aws us-east-1 are up to 91 days old (the list that was read, 2026-10-21); \"leanfleet prices update --provider aws --region us-east-1\" reads new ones\n"
	for _, verb := range []string{"storage", "addresses"} {
		if _, errs, code := c.run("prices", verb, "--region", "us-east-1"); errs != want || code != 0 {
			t.Errorf("%s: %q", verb, errs)
		}
	}
	var old leanfleet.StoragePricesResult
	if c.json(&old, "prices", "storage", "--region", "us-east-1"); !old.Disks[0].Stale || len(old.Warnings) != 1 || old.Disks[0].LastSeen.Format(time.DateOnly) != "2026-10-21" || old.Disks[0].AsOf.Format(time.DateOnly) != "2026-08-02" {
		t.Errorf("%+v", old)
	}
}

// sheet makes a price sheet the configured one.
func (c *command) sheet(path string) {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "leanfleet.yaml")
	if err := os.WriteFile(file, []byte("prices: {sheets: ["+path+"]}\n"), 0o644); err != nil {
		c.t.Fatal(err)
	}
	c.env["LEANFLEET_CONFIG"] = file
}

// TestStoragePricesOfSheets: an own sheet gives disks and addresses, also of
// machines of one's own, before what was read; they have no age.
func TestStoragePricesOfSheets(t *testing.T) {
	c := newCommand(t)
	sheet := filepath.Join(t.TempDir(), "own.yaml")
	if err := os.WriteFile(sheet, []byte(`currency: EUR
disks:
  - {provider: onprem, disk_type: san, price_per_gib_month: 0.02}
  - {provider: aws, region: us-east-1, disk_type: gp3, price_per_gib_month: 0.06}
addresses:
  - {provider: aws, price_per_hour: 0.004}
  - {provider: aws, price_per_hour: 0.005, idle: true}
`), 0o644); err != nil {
		t.Fatal(err)
	}
	c.sheet(sheet)
	c.now = c.now.AddDate(1, 0, 0)
	for _, x := range []struct{ args, want string }{
		{"prices storage --region onprem:dc1 -o csv --columns disk_type,price_per_gib_month,currency,as_of,basis,source", "san,0.02,EUR,,stated," + sheet + ":3\n"},
		{"prices storage --region us-east-1 -o csv --columns disk_type,price_per_gib_month,currency,layer", "gp3,0.06,EUR,sheet\n"},
		{"prices addresses --region us-east-1 -o csv --columns use,price_per_hour,currency", "in_use,0.004,EUR\nidle,0.005,EUR\n"},
	} {
		out, errs, code := c.run(strings.Fields(x.args)...)
		if code != 0 || strings.Contains(errs, "warning") || !strings.HasSuffix(out, "\n"+x.want) {
			t.Errorf("%s: exit %d\n%s%s", x.args, code, out, errs)
		}
	}
}

// TestSheetMistakes: a sheet that names what nobody knows is refused by every
// question, with file and line, and exit code 1; reading new prices still works.
func TestSheetMistakes(t *testing.T) {
	c, fake := newCommand(t), newAWSFake(t)
	c.env["LEANFLEET_PRICES_AWS_URL"] = fake.URL + "/"
	fake.prices["m5.large"], fake.prices["m99.large"] = "0.0900000000", "1.0000000000"
	dir := t.TempDir()
	use := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		c.sheet(path)
		return path
	}
	const head = "provider,region,instance_type,os,price_per_hour,currency\n"
	for _, x := range []struct{ name, text, want string }{
		{"a.csv", head + "aws,us-east-1,m5.large,,0.05,USD\naws,us-eat-1,m5.large,,0.05,USD\n", `a.csv:3: region: unknown region "us-eat-1" of aws: did you mean us-east-1`},
		{"b.csv", head + "aws,us-east-1,m5.larg,,0.05,USD\n", `b.csv:2: instance_type: unknown instance type "m5.larg" of aws: did you mean m5.large`},
		{"c.yaml", "prices:\n  - {provider: asw, instance_type: m5.large, price_per_hour: 0.05, currency: USD}\n", `c.yaml:2: provider: unknown provider "asw": did you mean aws`},
		{"d.yaml", "discounts:\n  - {provider: azure, family: Dsv55, percent: 5}\n", `d.yaml:2: family: unknown family "Dsv55" of azure: did you mean DSv5`},
		{"e.csv", head + "aws,us-east-1,m5.large,windwos,0.05,USD\n", `e.csv:2: os: unknown operating system "windwos": did you mean windows?`},
		{"f.csv", head + "aws,us-east-1,m99.large,,0.05,USD\n", `f.csv:2: instance_type: unknown instance type "m99.large" of aws`},
	} {
		path := use(x.name, x.text)
		for _, args := range []string{"prices show --region us-east-1 --type m5.large", "prices search --near us-east-1", "prices storage --region us-east-1"} {
			if out, errs, code := c.run(strings.Fields(args)...); code != exitFailed || out != "" || !strings.Contains(errs, "read price sheet: "+filepath.Dir(path)) || !strings.Contains(errs, x.want) {
				t.Errorf("%s: %s: exit %d, %s%s", x.name, args, code, errs, out)
			}
		}
	}
	// The last one is of a type that is newer than the program: once its list is
	// read it is known.
	c.ok("prices", "update", "--region", "us-east-1", "-q")
	if out := c.ok("prices", "show", "--region", "us-east-1", "--type", "m99.large", "--os", "linux", "-o", "csv", "--columns", "price_per_hour,contracted_per_hour"); !strings.Contains(out, "\n1,0.05\n") {
		t.Errorf("a new type:\n%s", out)
	}
	// Mistakes on the command line are wrong usage.
	delete(c.env, "LEANFLEET_CONFIG")
	for _, args := range []string{"prices show --region us-east-1 --type m5.large --os windwos", "prices search --near us-east-1 --os windwos", "prices equivalents m5.large --os windwos"} {
		if _, errs, code := c.run(strings.Fields(args)...); code != exitUsage || !strings.Contains(errs, `unknown operating system "windwos": did you mean windows?`) {
			t.Errorf("%s: exit %d, %s", args, code, errs)
		}
	}
}
