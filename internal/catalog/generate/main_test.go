package main

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/internal/catalog"
)

// fixture is a few dozen rows of the real lists, chosen so that every rule and
// every kind of gap occurs.
const fixture = "testdata/facts"

// realFacts returns the folder of the whole lists, or skips.
func realFacts(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("LEANFLEET_CATALOG")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "catalog")
	}
	if _, err := os.Stat(filepath.Join(dir, "instance_types.csv")); err != nil {
		t.Skipf("the whole source lists are not there (set LEANFLEET_CATALOG to their folder): %v", err)
	}
	return dir
}

// build generates a catalogue from a folder by the command itself.
func build(t *testing.T, dir string) ([]byte, *catalog.Catalog) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "catalog.bin")
	var stdout, stderr bytes.Buffer
	if code := run([]string{"--from", dir, "--out", out}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if !strings.Contains(stdout.String(), "types") {
		t.Errorf("summary %q", stdout.String())
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return data, c
}

// records reads a source file by means of its own, as maps of plain text.
func records(t *testing.T, dir, name string) []map[string]string {
	t.Helper()
	var in io.Reader
	if f, err := os.Open(filepath.Join(dir, name+".csv")); err == nil {
		defer f.Close()
		in = f
	} else {
		f, err := os.Open(filepath.Join(dir, name+".csv.gz"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	lines, err := csv.NewReader(in).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, line := range lines[1:] {
		m := make(map[string]string)
		for i, h := range lines[0] {
			m[h] = strings.TrimSpace(line[i])
		}
		out = append(out, m)
	}
	return out
}

// plain is a number's text without trailing zeros in the fraction.
func plain(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// known is a figure as the source would write it.
func known(v catalog.Known[float64]) string {
	if !v.OK {
		return ""
	}
	return strconv.FormatFloat(v.Value, 'f', -1, 64)
}

// same fails with the place of the first difference of a row.
func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for k, w := range want {
		if got[k] != w {
			t.Fatalf("%s: %s is %q, the source says %q", what, k, got[k], w)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d fields compared, the source has %d", what, len(got), len(want))
	}
}

// compareWithSource proves every row of the folder equal in the catalogue, and
// that the catalogue has no row more.
func compareWithSource(t *testing.T, dir string, c *catalog.Catalog) {
	t.Helper()
	compareTypes(t, dir, c)
	comparePrices(t, dir, c)
	comparePlaces(t, dir, c)
	families := records(t, dir, "families")
	for _, want := range families {
		f, ok := c.Family(want["provider"], want["family"])
		if !ok {
			t.Fatalf("family %v is missing", want)
		}
		want["sustained_use_discount"] = plain(want["sustained_use_discount"])
		same(t, f.Name, map[string]string{
			"provider": f.Provider, "family": f.Name, "purpose": string(f.Purpose), "status": string(f.Status),
			"sustained_use_discount": f.SustainedUseDiscount.String(), "source": f.Source, "as_of": f.AsOf.Format("2006-01-02"),
		}, want)
	}
	components := records(t, dir, "gcp_components")
	for _, want := range components {
		p, ok := c.Component(want["region"], want["family"], catalog.Purchase(want["purchase"]))
		if !ok {
			t.Fatalf("component %v is missing", want)
		}
		for _, k := range []string{"usd_per_vcpu_hour", "usd_per_gib_hour", "max_rel_residual"} {
			want[k] = plain(want[k])
		}
		same(t, p.Region+" "+p.Family, map[string]string{
			"region": p.Region, "family": p.Family, "purchase": string(p.Purchase), "usd_per_vcpu_hour": p.PerVCPUHour.String(),
			"usd_per_gib_hour": p.PerGiBHour.String(), "max_rel_residual": known(catalog.KnownAs(p.MaxRelativeResidual)),
		}, want)
	}
	n := 0
	for range c.Components() {
		n++
	}
	if n != len(components) {
		t.Errorf("%d components, the source has %d", n, len(components))
	}
	if err := c.Verify(); err != nil {
		t.Error(err)
	}
}

func compareTypes(t *testing.T, dir string, c *catalog.Catalog) {
	t.Helper()
	types := records(t, dir, "instance_types")
	for _, want := range types {
		typ, ok := c.Type(want["provider"], want["instance_type"])
		if !ok {
			t.Fatalf("type %v is missing", want)
		}
		got := map[string]string{
			"provider": typ.Provider, "instance_type": typ.Name, "family": typ.Family, "vcpu": "", "memory_gib": "",
			"arch": typ.Arch, "cpu_kind": string(typ.CPUKind), "gpu_count": known(typ.GPUs),
			"network_gbps_baseline": known(typ.NetworkGbps), "local_disk_gib": "", "generation_rank": strconv.Itoa(typ.GenerationRank),
		}
		if typ.VCPUs.OK {
			got["vcpu"] = strconv.Itoa(typ.VCPUs.Value)
		}
		if typ.MemoryBytes.OK { // four decimals of a GiB are the source's finest
			gib := float64(typ.MemoryBytes.Value) / (1 << 30)
			got["memory_gib"] = plain(strconv.FormatFloat(gib, 'f', 4, 64))
		}
		if typ.LocalDisk.Basis == basisList {
			got["local_disk_gib"] = strconv.FormatFloat(typ.LocalDisk.GiB, 'f', -1, 64)
		}
		for _, k := range []string{"memory_gib", "gpu_count", "network_gbps_baseline", "local_disk_gib"} {
			want[k] = plain(want[k])
		}
		same(t, typ.Name, got, want)
	}
	n := 0
	for _, provider := range []string{catalog.AWS, catalog.Azure, catalog.GCP} {
		for range c.Types(provider) {
			n++
		}
	}
	if n != len(types) {
		t.Errorf("%d types, the source has %d", n, len(types))
	}
}

func comparePrices(t *testing.T, dir string, c *catalog.Catalog) {
	t.Helper()
	prices := records(t, dir, "prices")
	for _, want := range prices {
		found := false
		for _, o := range c.Offers(want["provider"], want["region"], want["instance_type"]) {
			if o.OS != want["os"] || string(o.Purchase) != want["purchase"] {
				continue
			}
			found = true
			want["usd_per_hour"] = plain(want["usd_per_hour"])
			same(t, o.Region+" "+o.Type, map[string]string{
				"provider": o.Provider, "region": o.Region, "instance_type": o.Type, "os": o.OS, "purchase": string(o.Purchase),
				"usd_per_hour": o.PricePerHour.String(), "as_of": o.AsOf.Format("2006-01-02"), "basis": string(o.Basis),
			}, want)
		}
		if !found {
			t.Fatalf("price %v is missing", want)
		}
	}
	n := 0
	for _, provider := range []string{catalog.AWS, catalog.Azure, catalog.GCP} {
		for _, region := range c.PricedRegions(provider) {
			for range c.OffersIn(provider, region) {
				n++
			}
		}
	}
	if n != len(prices) {
		t.Errorf("%d prices, the source has %d", n, len(prices))
	}
}

func comparePlaces(t *testing.T, dir string, c *catalog.Catalog) {
	t.Helper()
	regions := records(t, dir, "regions")
	for _, want := range regions {
		r, ok := c.Region(want["provider"], want["region"])
		if !ok {
			t.Fatalf("region %v is missing", want)
		}
		want["lat_approx"], want["lon_approx"] = plain(want["lat_approx"]), plain(want["lon_approx"])
		same(t, r.Name, map[string]string{
			"provider": r.Provider, "region": r.Name, "geo_area": r.GeoArea, "metro": r.Metro, "country": r.Country,
			"lat_approx": known(catalog.KnownAs(r.LatitudeApprox)), "lon_approx": known(catalog.KnownAs(r.LongitudeApprox)),
		}, want)
	}
	for _, want := range records(t, dir, "region_map") {
		n, ok := c.NearestRegion(want["provider"], want["region"], want["near_provider"])
		if !ok {
			t.Fatalf("neighbour %v is missing", want)
		}
		country := "0"
		if n.SameCountry {
			country = "1"
		}
		same(t, n.FromRegion, map[string]string{
			"provider": n.FromProvider, "region": n.FromRegion, "near_provider": n.Provider, "near_region": n.Region,
			"km_approx": strconv.Itoa(n.KmApprox), "same_country": country,
		}, want)
	}
	n := 0
	for _, provider := range []string{catalog.AWS, catalog.Azure, catalog.GCP} {
		for range c.Regions(provider) {
			n++
		}
	}
	if n != len(regions) {
		t.Errorf("%d regions, the source has %d", n, len(regions))
	}
}

func TestFixtureRoundTrip(t *testing.T) {
	data, c := build(t, fixture)
	compareWithSource(t, fixture, c)
	info := c.Info()
	if info.Generator != version || len(info.Sources) != 6 || info.Sources[4].Name != "prices.csv" || info.Sources[4].Rows != 75 {
		t.Errorf("info %+v", info)
	}
	if got := info.OldestAt.Format("2006-01-02") + " " + info.NewestAt.Format("2006-01-02"); got != "2024-08-09 2026-07-20" {
		t.Errorf("prices from %s", got)
	}
	if again, _ := build(t, fixture); !bytes.Equal(data, again) {
		t.Error("generated twice, the bytes differ")
	}
}

func TestRealFactsRoundTrip(t *testing.T) {
	dir := realFacts(t)
	data, c := build(t, dir)
	compareWithSource(t, dir, c)
	committed, err := os.ReadFile(filepath.Join("..", "catalog.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, committed) {
		t.Error("catalog.bin is not what the source lists give: run make catalog")
	}
}

// TestOrderAndPacking writes the fixture with its rows upside down and its
// prices packed: the facts are the same, so all but the source digests are.
func TestOrderAndPacking(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"families", "regions", "region_map", "instance_types", "prices", "gcp_components"} {
		text, err := os.ReadFile(filepath.Join(fixture, name+".csv"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		for i, j := 1, len(lines)-1; i < j; i, j = i+1, j-1 {
			lines[i], lines[j] = lines[j], lines[i]
		}
		write(t, dir, name+".csv", strings.Join(lines, "\r\n")+"\r\n", name == "prices")
	}
	_, c := build(t, dir)
	compareWithSource(t, fixture, c)
	if c.Info().Sources[4].Name != "prices.csv.gz" {
		t.Errorf("sources %+v", c.Info().Sources)
	}
}

// write stores a text, packed if asked for.
func write(t *testing.T, dir, name, text string, packed bool) {
	t.Helper()
	b := []byte(text)
	if packed {
		name += ".gz"
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		if _, err := z.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		b = buf.Bytes()
	}
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
		t.Fatal(err)
	}
}
