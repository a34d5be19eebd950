package pricing_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
)

const csvSheet = `kind,provider,region,instance_type,family,os,purchase,price_per_hour,currency,percent,valid_from,valid_to,vcpus,memory_gib,arch,note
price,onprem,dc1,blade-16,,linux,,0.40,EUR,,,,16,64,x86_64,rack 4
price,aws,us-east-1,m5.large,,linux,,0.05,USD,,2025-01-01,2025-12-31,,,,
price,aws,*,m5.xlarge,,linux,,0.11,USD,,,,,,,
discount,aws,,,m5,,,,,10,,,,,,
discount,aws,,,,,,,,5,,,,,,
discount,aws,us-east-1,,,,,,,7.5,,,,,,
`

const yamlSheet = `currency: EUR
prices:
  - {provider: onprem, region: dc1, instance_type: blade-16, os: linux, price_per_hour: 0.40}
  - provider: azure
    instance_type: Standard_D2s_v5
    os: Windows Server 2022
    price_per_hour: 0.1500
    currency: USD
lists:
  - {provider: azure, region: eastus, instance_type: Standard_D2s_v5, price_per_hour: 0.09}
types:
  - {provider: onprem, instance_type: blade-16, vcpus: 16, memory_gib: 64, arch: x86_64, local_disk_gib: 960, network_gbps: 10, gpus: 0}
discounts:
  - {provider: gcp, percent: 3, os: linux, purchase: spot}
disks:
  - {provider: onprem, disk_type: san, price_per_gib_month: 0.02}
addresses:
`

func TestSheetPrices(t *testing.T) {
	b := newBook(t, pricing.Options{Base: testBase(t), Sheet: sheet(t, "s.csv", csvSheet)})
	f := func(typ, when, list, contracted, source string) {
		t.Helper()
		q := query(typ)
		q.At = at(t, when)
		got := lookup(t, b, q)
		if got.List.PerHour != usd(t, list) || got.Contracted != usd(t, contracted) || got.ContractSource != source {
			t.Errorf("%s at %s: list %s, contracted %s from %q", typ, when, got.List.PerHour, got.Contracted, got.ContractSource)
		}
	}
	f("m5.large", "2025-06-01", "0.096", "0.05", "s.csv:3")
	f("m5.large", "2025-12-31 23:00", "0.096", "0.05", "s.csv:3") // the last day counts
	f("m5.large", "2026-01-01", "0.096", "0.0864", "s.csv:5")     // family before region before all
	f("m5.xlarge", "2026-01-01", "0.192", "0.11", "s.csv:4")
	f("c5.large", "2026-08-01", "0.085", "0.078625", "s.csv:7") // region before all
	q := query("m5.large")
	if got := lookup(t, b, q); got.Contracted != usd(t, "0.0864") {
		t.Errorf("without a time a price that ends is used: %s", got.Contracted)
	}
}

func TestSheetMachinesOfOnesOwn(t *testing.T) {
	for name, text := range map[string]string{"s.csv": csvSheet, "s.yaml": yamlSheet} {
		b := newBook(t, pricing.Options{Sheet: sheet(t, name, text)})
		f := lookup(t, b, pricing.OfferQuery{Provider: "onprem", Region: "dc1", InstanceType: "blade-16", At: at(t, "2013-01-01")})
		if f.List.PerHour != inCurrency(t, "0.4", "EUR") || f.List.Basis != pricing.Stated || f.Layer != pricing.LayerSheet || f.PriceBasis != "" || f.Stale(at(t, "2030-01-01")) {
			t.Errorf("%s: %+v", name, f)
		}
		s, ok := b.Specification("onprem", "blade-16")
		if !ok || s.VCPUs.Value != 16 || s.MemoryBytes.Value != 64<<30 || s.Arch.Value != "x86_64" || !strings.HasPrefix(s.VCPUs.Source, name+":") {
			t.Errorf("%s: %s", name, asJSON(t, s))
		}
		if got := b.Regions("onprem"); len(got) != 1 || got[0] != "dc1" {
			t.Errorf("%v", got)
		}
		if got := b.Types("onprem"); len(got) != 1 || got[0] != "blade-16" {
			t.Errorf("%v", got)
		}
		if got := b.Providers(); !strings.Contains(strings.Join(got, " "), "onprem") {
			t.Errorf("%v", got)
		}
	}
	b := newBook(t, pricing.Options{Sheet: sheet(t, "s.yaml", yamlSheet)})
	win := lookup(t, b, pricing.OfferQuery{Provider: "azure", Region: "westeurope", InstanceType: "Standard_D2s_v5", OS: pricing.Windows})
	if win.List.PerHour != usd(t, "0.15") || win.List.Region != "westeurope" {
		t.Errorf("%+v", win)
	}
	list := lookup(t, b, pricing.OfferQuery{Provider: "azure", Region: "eastus", InstanceType: "Standard_D2s_v5"})
	if list.List.PerHour != inCurrency(t, "0.09", "EUR") || list.Layer != pricing.LayerSheet {
		t.Errorf("%+v", list)
	}
	if s, ok := b.Specification("azure", "Standard_D2s_v5"); !ok || s.VCPUs.Known {
		t.Errorf("%v %s", ok, asJSON(t, s))
	}
}

func TestSheetPriceThatBeginsLater(t *testing.T) {
	s := sheet(t, "s.csv", "provider,region,instance_type,price_per_hour,currency,valid_from,valid_to\nonprem,dc1,b,1,USD,2024-01-01,2024-12-31\nonprem,dc1,b,2,USD,2025-01-01,\n")
	b := newBook(t, pricing.Options{Sheet: s})
	q := pricing.OfferQuery{Provider: "onprem", Region: "dc1", InstanceType: "b"}
	for when, want := range map[string]string{"2013-01-01": "1 nearest-later", "2024-05-01": "1 ", "2025-05-01": "2 "} {
		q.At = at(t, when)
		if f := lookup(t, b, q); f.List.PerHour.Literal()+" "+f.PriceBasis != want {
			t.Errorf("%s: %s %q", when, f.List.PerHour, f.PriceBasis)
		}
	}
	if s.Prices() != 2 || s.Revision() == "" || len(s.Discounts()) != 0 {
		t.Errorf("%d %q", s.Prices(), s.Revision())
	}
}

func TestSheetRefusesTwoPricesForOneThing(t *testing.T) {
	f := func(text string, parts ...string) {
		t.Helper()
		_, err := pricing.ParseSheet("p.csv", strings.NewReader(text))
		wantError(t, err, append(parts, "two prices for one thing")...)
	}
	f("provider,region,instance_type,price_per_hour,currency\naws,us-east-1,m5.large,1,USD\naws,us-east-1,m5.large,1,USD\n", "p.csv:2", "p.csv:3", "m5.large linux on_demand")
	f("provider,instance_type,price_per_hour,currency,valid_from,valid_to\naws,m5.large,1,USD,2025-01-01,2025-02-01\naws,m5.large,2,USD,2025-02-01,\n", "p.csv:2", "p.csv:3", "any region")
	f("provider,percent,valid_from\naws,5,\naws,6,2025-01-01\n", "p.csv:2", "p.csv:3", "discount")
	f("provider,disk_type,price_per_gib_month,currency\naws,gp3,1,USD\naws,gp3,2,USD\n", "p.csv:2", "p.csv:3", "disk")
	f("kind,provider,price_per_hour,currency\naddress,aws,1,USD\naddress,aws,2,USD\n", "p.csv:2", "p.csv:3", "address")
	// Adjacent times are two prices of two things.
	ok := sheet(t, "p.csv", "provider,instance_type,price_per_hour,currency,valid_from,valid_to\naws,m5.large,1,USD,2025-01-01,2025-01-31\naws,m5.large,2,USD,2025-02-01,\n")
	if ok.Prices() != 2 {
		t.Error(ok.Prices())
	}
	// So it is across files.
	x, y := sheet(t, "x.csv", "provider,instance_type,price_per_hour,currency\naws,m5.large,1,USD\n"), sheet(t, "y.csv", "provider,instance_type,price_per_hour,currency\naws,m5.large,2,USD\n")
	_, err := pricing.MergeSheets(x, y)
	wantError(t, err, "x.csv:2", "y.csv:2")
	merged, err := pricing.MergeSheets(x, nil, sheet(t, "z.yaml", yamlSheet))
	if err != nil || merged.Prices() != 4 || merged.Revision() == x.Revision() || len(merged.Discounts()) != 1 {
		t.Errorf("%v", err)
	}
	if none, err := pricing.MergeSheets(nil, &pricing.Sheet{}); err != nil || none.Revision() != "" {
		t.Errorf("%v", err)
	}
}

func TestSheetRefuses(t *testing.T) {
	head := "kind,provider,region,instance_type,os,purchase,years,payment,price_per_hour,currency,percent,valid_from,valid_to,vcpus,memory_gib,arch,disk_type,price_per_gib_month,idle\n"
	row := func(values map[string]string) string {
		var cells []string
		for _, k := range strings.Split(strings.TrimSpace(head), ",") {
			cells = append(cells, values[k])
		}
		return head + strings.Join(cells, ",") + "\n"
	}
	price := func(change map[string]string) string {
		v := map[string]string{"kind": "price", "provider": "aws", "instance_type": "m5.large", "price_per_hour": "1", "currency": "USD"}
		for k, x := range change {
			v[k] = x
		}
		return row(v)
	}
	f := func(name, text string, parts ...string) {
		t.Helper()
		_, err := pricing.ParseSheet(name, strings.NewReader(text))
		wantError(t, err, append(parts, name)...)
	}
	f("p.csv", "", "header is missing")
	f("p.csv", "\"", "p.csv")
	f("p.csv", "provider,instance_typ\n", `p.csv:1`, `unknown name "instance_typ"`, "instance_type")
	f("p.csv", "provider,provider\n", "twice")
	f("p.csv", "provider\naws,b\n", "wrong number of fields")
	f("p.csv", price(map[string]string{"kind": "gift"}), "p.csv:2", `"gift"`, "discount")
	f("p.csv", price(map[string]string{"price_per_hour": "0"}), "p.csv:2", "price_per_hour", "not above zero")
	f("p.csv", price(map[string]string{"price_per_hour": "0.1x"}), "price_per_hour", "not a decimal")
	f("p.csv", price(map[string]string{"price_per_hour": ""}), "price_per_hour", "missing")
	f("p.csv", price(map[string]string{"provider": ""}), "provider", "missing")
	f("p.csv", price(map[string]string{"currency": "UDS"}), "currency", "USD")
	f("p.csv", price(map[string]string{"currency": ""}), "currency")
	f("p.csv", price(map[string]string{"purchase": "gift"}), "purchase")
	f("p.csv", price(map[string]string{"purchase": "reserved"}), "years", "term")
	f("p.csv", price(map[string]string{"years": "1"}), "years")
	f("p.csv", price(map[string]string{"years": "-1"}), "years")
	f("p.csv", price(map[string]string{"payment": "later"}), "payment")
	f("p.csv", price(map[string]string{"valid_from": "soon"}), "valid_from", "soon")
	f("p.csv", price(map[string]string{"valid_from": "2025-02-01", "valid_to": "2025-01-01"}), "valid_to", "before")
	f("p.csv", price(map[string]string{"percent": "5"}), `"percent" means nothing for a price`)
	f("p.csv", price(map[string]string{"vcpus": "2", "arch": "mips"}), "arch", "mips")
	f("p.csv", price(map[string]string{"memory_gib": "1e17"}), "memory_gib", "out of range")
	f("p.csv", row(map[string]string{"kind": "discount", "provider": "aws", "percent": "100"}), "percent", "whole price")
	f("p.csv", row(map[string]string{"kind": "discount", "provider": "aws", "percent": "-5"}), "percent", "above zero")
	f("p.csv", row(map[string]string{"kind": "discount", "provider": "aws", "percent": "5", "purchase": "x"}), "purchase")
	f("p.csv", row(map[string]string{"kind": "disk", "provider": "aws", "disk_type": "gp3"}), "price_per_gib_month", "missing")
	f("p.csv", row(map[string]string{"kind": "address", "provider": "aws", "idle": "perhaps", "price_per_hour": "1", "currency": "USD"}), "idle")
	f("p.csv", row(map[string]string{"kind": "type", "provider": "aws"}), "instance_type", "missing")
	f("p.csv", head+",onprem,,b,,,,,,,,,,2,,,,,\n,onprem,,b,,,,,,,,,,4,,,,,\n", "p.csv:3", "vcpus", "differs from that at p.csv:2")
	f("p.yaml", "- a\n", "at the top", "prices")
	f("p.yaml", "prices: 5\n", "p.yaml:1", "a list is needed")
	f("p.yaml", "price:\n  - {}\n", `unknown name "price"`, "prices")
	f("p.yaml", "curency: EUR\n", `unknown name "curency"`, "currency")
	f("p.yaml", "prices:\n  - 5\n", "p.yaml:2", "keys and values")
	f("p.yaml", "prices:\n  - {provider: [a]}\n", "p.yaml:2", "single value")
	f("p.yaml", "prices:\n  - {provder: a}\n", "p.yaml:2", "provider")
	f("p.yaml", "a: b: c\n", "p.yaml")
	f("p.yaml", "prices:\n  - {provider: aws, instance_type: x, price_per_hour: 1}\n", "p.yaml:2", "currency")
	_, err := pricing.ParseSheet("p.csv", failing{})
	wantError(t, err, "p.csv", "gone")
	_, err = pricing.ParseSheet("p.csv", endless{})
	wantError(t, err, "p.csv", "more than")
}

// TestSheetRefusesAlike: what is wrong is named with file and line and field,
// in CSV and in YAML, by the same words.
func TestSheetRefusesAlike(t *testing.T) {
	keys := []string{"provider", "region", "instance_type", "os", "price_per_hour", "currency", "valid_from", "valid_to"}
	for _, c := range []struct {
		name string
		rows []map[string]string // the last is wrong
		want []string
	}{
		{"a system that is none", []map[string]string{{}, {"os": "windwos"}}, []string{`os: unknown operating system "windwos": did you mean windows?`}},
		{"another", []map[string]string{{"os": "lnux"}}, []string{`os: unknown operating system "lnux": did you mean linux?`}},
		{"and another", []map[string]string{{"os": "ubunto"}}, []string{`unknown operating system "ubunto": did you mean ubuntu?`}},
		{"nothing near", []map[string]string{{"os": "gibberish"}}, []string{`unknown operating system "gibberish": use linux, windows, rhel or suse`}},
		{"a negative price", []map[string]string{{"price_per_hour": "-0.1"}}, []string{"price_per_hour: -0.1 is not above zero"}},
		{"a price of nothing", []map[string]string{{"price_per_hour": "0"}}, []string{"price_per_hour: 0 is not above zero"}},
		{"a price in words", []map[string]string{{"price_per_hour": "cheap"}}, []string{"price_per_hour"}},
		{"a time that ends before it begins", []map[string]string{{"valid_from": "2026-02-01", "valid_to": "2026-01-31"}}, []string{"valid_to: 2026-01-31 lies before 2026-02-01"}},
		{"a day that is none", []map[string]string{{"valid_from": "2026-02-30"}}, []string{"valid_from", "2026-02-30"}},
		{"a currency that is none", []map[string]string{{"currency": "UDS"}}, []string{"currency", "USD"}},
		{"two prices", []map[string]string{{"price_per_hour": "1"}, {"instance_type": "other"}, {"price_per_hour": "2"}}, []string{"two prices for one thing"}},
		{"two prices in a time", []map[string]string{{"valid_to": "2026-01-31"}, {"valid_from": "2026-01-31", "os": "Ubuntu 24.04"}}, []string{"two prices for one thing"}},
	} {
		csv, yaml := strings.Join(keys, ",")+"\n", "prices:\n"
		for _, change := range c.rows {
			row := map[string]string{"provider": "aws", "region": "us-east-1", "instance_type": "m5.large", "price_per_hour": "0.1", "currency": "USD"}
			for k, v := range change {
				row[k] = v
			}
			var cells, entries []string
			for _, k := range keys {
				cells = append(cells, row[k])
				if row[k] != "" {
					entries = append(entries, k+": "+row[k])
				}
			}
			csv += strings.Join(cells, ",") + "\n"
			yaml += "  - {" + strings.Join(entries, ", ") + "}\n"
		}
		for name, text := range map[string]string{"own.csv": csv, "own.yaml": yaml} {
			_, err := pricing.ParseSheet(name, strings.NewReader(text))
			want := append([]string{fmt.Sprintf("%s:%d", name, len(c.rows)+1)}, c.want...)
			if strings.HasPrefix(c.name, "two prices") {
				want = append(want, name+":2")
			}
			if err == nil {
				t.Errorf("%s, %s: no error", c.name, name)
				continue
			}
			wantError(t, err, want...)
		}
	}
}

func TestParseOS(t *testing.T) {
	for word, want := range map[string]string{
		"linux": "linux", " Ubuntu 24.04 LTS": "linux", "Windows Server 2022": "windows", "RHEL": "rhel", "SLES 15": "suse",
		"FreeBSD 14.1": "freebsd 14.1", "AIX": "aix", "macos": "macos",
	} {
		if got, err := pricing.ParseOS(word); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", word, got, err, want)
		}
	}
	for word, want := range map[string]string{"widnows": "windows", "freebds": "freebsd", "dbian": "debian", "": "use linux", "x": "use linux"} {
		_, err := pricing.ParseOS(word)
		wantError(t, err, "unknown operating system", want)
	}
}

// TestSheetCheck: names that nobody knows are refused with file and line and
// the nearest names; machines of one's own are known by what the sheet says of
// them.
func TestSheetCheck(t *testing.T) {
	head := "kind,provider,region,instance_type,family,percent,price_per_hour,currency,vcpus,memory_gib,disk_type,price_per_gib_month\n"
	b := newBook(t, pricing.Options{Base: testBase(t)})
	add(t, b, pricing.Reading{List: "l", Provider: "aws", Region: "mars-1", At: at(t, "2026-01-01")}, []pricing.Item{{Offer: &pricing.Offer{
		Provider: "aws", Region: "mars-1", InstanceType: "m9.large", OS: pricing.Linux, Purchase: pricing.OnDemand, PerHour: usd(t, "1"), Basis: pricing.Observed, Source: "l",
	}}})
	for row, want := range map[string]string{
		"price,aws,us-east-1,m5.large,,,1,USD,,,,":    "",
		"price,aws,*,m5.large,,,1,USD,,,,":            "",
		"price,aws,mars-1,m9.large,,,1,USD,,,,":       "", // as readings have them
		"price,gcp,,n2-custom-4-16384,,,1,USD,,,,":    "",
		"price,aws,us-east-1,m99.large,,,1,USD,2,8,,": "", // newer than any list, and described
		"discount,aws,us-east-1,,m5,5,,,,,,":          "",
		"disk,aws,us-east-1,,,,,USD,,,gp3,0.1":        "",
		"price,onprem,dc1,blade,,,1,USD,,,,":          "",
		"price,onprem,dc1,blade-16,,,1,USD,16,64,,":   "",
		"price,hetzner,fsn1,cx22,,,1,USD,2,4,,":       "",
		"type,hetzner,,cx22,,,,,2,4,,":                "",

		"price,asw,us-east-1,m5.large,,,1,USD,,,,":    `provider: unknown provider "asw": did you mean aws? A provider of your own gives the vcpus and memory_gib of its types`,
		"discount,asw,,,,5,,,,,,":                     `did you mean aws?`,
		"disk,awss,us-east-1,,,,,USD,,,gp3,0.1":       `did you mean aws?`,
		"address,gpc,,,,,1,USD,,,,":                   `did you mean gcp?`,
		"price,hetzner,fsn1,cx22,,,1,USD,,,,":         `provider: unknown provider "hetzner"; known are aws, azure, gcp, onprem.`,
		"price,aws,us-eat-1,m5.large,,,1,USD,,,,":     `region: unknown region "us-eat-1" of aws: did you mean us-east-1? ("leanfleet prices update --region aws:us-eat-1" reads one that is new)`,
		"discount,aws,eu-west-1,,,5,,,,,,":            `region: unknown region "eu-west-1" of aws ("leanfleet`,
		"address,aws,us-eat-1,,,,1,USD,,,,":           `did you mean us-east-1?`,
		"price,aws,us-east-1,m5.larg,,,1,USD,,,,":     `instance_type: unknown instance type "m5.larg" of aws: did you mean m5.large`,
		"price,aws,us-east-1,M5.LARGE,,,1,USD,,,,":    `did you mean m5.large`,
		"price,aws,us-east-1,gibberish,,,1,USD,,,,":   `unknown instance type "gibberish" of aws. A type of your own needs vcpus and memory_gib`,
		"price,aws,us-east-1,m5.larg,,,1,USD,2,,,":    `did you mean m5.large`, // half described
		"list,aws,us-east-1,m5.larg,,,1,USD,,,,":      `did you mean m5.large`,
		"discount,aws,,,m55,5,,,,,,":                  `family: unknown family "m55" of aws: did you mean m5`,
		"price,gcp,,n2-custom-four-16384,,,1,USD,,,,": `unknown instance type`,
	} {
		s := sheet(t, "own.csv", head+row+"\n")
		err := s.Check(b)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", row, err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), "own.csv:2: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", row, err, want)
		}
	}
	// A type that another file describes is known, one that resembles it is a slip.
	types := sheet(t, "types.yaml", "types:\n  - {provider: onprem, instance_type: blade-16, vcpus: 16, memory_gib: 64}\n")
	for typ, want := range map[string]string{"blade-16": "", "rack": "", "blade-61": `own.csv:2: instance_type: unknown instance type "blade-61" of onprem: did you mean blade-16?`} {
		both, err := pricing.MergeSheets(types, sheet(t, "own.csv", head+"price,onprem,dc1,"+typ+",,,1,USD,,,,\n"))
		if err != nil {
			t.Fatal(err)
		}
		if err := both.Check(b); (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v; want %q", typ, err, want)
		}
	}
	var unknown = sheet(t, "own.csv", head+"price,aws,us-east-1,m5.larg,,,1,USD,,,,\n").Check(b)
	if !errors.Is(unknown, pricing.ErrUnknownType) {
		t.Errorf("%v", unknown)
	}
	if err := (&pricing.Sheet{}).Check(b); err != nil {
		t.Error(err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("gone") }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestDiscountNarrowing(t *testing.T) {
	s := sheet(t, "d.csv", `provider,region,family,os,purchase,percent,valid_from,valid_to
aws,,,,,1,,
aws,,,linux,,2,,
aws,,,,spot,3,,
aws,us-east-1,,,,4,2025-01-01,2025-12-31
aws,,c5,,,5,2030-01-01,
`)
	base := testBase(t)
	spot := offer(t, "m5.large", "0.03", "2024-01-01")
	spot.Purchase = pricing.Spot
	base.offers = append(base.offers, spot)
	b := newBook(t, pricing.Options{Base: base, Sheet: s})
	f := func(typ, when string, purchase pricing.Purchase, source string) {
		t.Helper()
		q := query(typ)
		q.At, q.Purchase = at(t, when), purchase
		if got := lookup(t, b, q); got.ContractSource != source {
			t.Errorf("%s at %s: %q, want %q", typ, when, got.ContractSource, source)
		}
	}
	f("m5.large", "2024-09-01", pricing.OnDemand, "d.csv:3")
	f("m5.large", "2024-09-01", pricing.Spot, "d.csv:4")
	f("m5.large", "2025-09-01", pricing.Spot, "d.csv:5")
	f("c5.large", "2026-09-01", pricing.OnDemand, "d.csv:3")
	f("c5.large", "2030-09-01", pricing.OnDemand, "d.csv:6")
}

func FuzzParseSheet(f *testing.F) {
	f.Add("s.csv", csvSheet)
	f.Add("s.yaml", yamlSheet)
	f.Add("s.yml", "currency: USD\nprices: [{provider: a, instance_type: b, price_per_hour: 1e-3, valid_to: 9999-12-31}]")
	f.Fuzz(func(t *testing.T, name, text string) {
		s, err := pricing.ParseSheet(name, strings.NewReader(text))
		if err != nil {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%v", err)
			}
			return
		}
		b, err := pricing.NewBook(pricing.Options{Sheet: s})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Providers() {
			for _, typ := range b.Types(p) {
				for _, r := range append(b.Regions(p), "any") {
					found, err := b.Offers(p, r, typ, time.Time{}, time.Time{})
					for _, o := range found {
						if o.List.PerHour.Sign() <= 0 || o.Contracted.Sign() <= 0 {
							t.Errorf("%s %s", o.List.PerHour, o.Contracted)
						}
					}
					if err != nil {
						t.Error(err)
					}
				}
			}
		}
	})
}

func ExampleParseSheet() {
	s, err := pricing.ParseSheet("prices.csv", strings.NewReader("provider,region,instance_type,price_per_hour,currency\nonprem,dc1,blade-16,0.40,EUR\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	book, err := pricing.NewBook(pricing.Options{Sheet: s})
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := book.Lookup(pricing.OfferQuery{Provider: "onprem", Region: "dc1", InstanceType: "blade-16", OS: pricing.Linux})
	fmt.Println(found.List.PerHour, found.List.Basis, found.List.Source, err)
	// Output: 0.4 EUR stated prices.csv:2 <nil>
}
