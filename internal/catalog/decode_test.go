package catalog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sectionNames are the sections in the order of the file.
var sectionNames = []string{
	sectionInfo, sectionTypes, sectionFamilies, sectionRegions, sectionNeighbours, sectionComponents,
	sectionPrices + AWS, sectionPrices + Azure, sectionPrices + GCP,
}

// small is a source with a row of every kind.
func small() Source {
	day := time.Date(2024, 8, 9, 0, 0, 0, 0, time.UTC)
	offer := func(provider, region, typ string, purchase Purchase, mantissa int64, exponent int8) Offer {
		return Offer{Provider: provider, Region: region, Type: typ, OS: "linux", Purchase: purchase, PricePerHour: Number{mantissa, exponent},
			Currency: Currency, AsOf: day, Basis: Observed}
	}
	return Source{
		Info: Info{Date: day, OldestAt: day, NewestAt: day, Generator: "test", Sources: []SourceFile{{"a.csv", "00", 3}}},
		Types: []InstanceType{
			{Provider: AWS, Name: "a.1", Family: "a", VCPUs: KnownAs(2), MemoryBytes: KnownAs[int64](1 << 30), CPUKind: CPUDedicated,
				LocalDisk: LocalDisk{DiskSized, 69.8, "list"}, GenerationRank: 1},
			{Provider: AWS, Name: "a.2", Family: "a", GPUs: KnownAs(0.125), LocalDisk: LocalDisk{State: DiskUnknown}, GenerationRank: 2},
			{Provider: GCP, Name: "b", BilledVCPUs: KnownAs(0.25), NetworkGbps: KnownAs(16.667), NetworkKind: NetworkMaximum},
		},
		Families:   []Family{{AWS, "a", PurposeGeneral, StatusCurrent, Number{3, -1}, "page", day}, {Provider: GCP}},
		Regions:    []Region{{AWS, "r", "g", "m", "US", 38.9, -77.5}, {GCP, "s", "g", "m", "US", -1, 0}},
		Neighbours: []Neighbour{{AWS, "r", GCP, "s", 12, true}},
		Components: []Component{{"s", "b", Spot, Number{12, -8}, Number{3, 0}, 0.000016}},
		Offers: []Offer{
			offer(AWS, "r", "a.1", OnDemand, 96, -3), offer(AWS, "q", "a.1", OnDemand, 11, -2), offer(AWS, "r", "a.2", OnDemand, 192, -3),
			offer(AWS, "q", "a.2", OnDemand, 22, -2), offer(AWS, "r", "a.1", Spot, 1, -6), offer(GCP, "s", "b", OnDemand, 7, 0),
		},
	}
}

// rawSections returns the unpacked sections of a file.
func rawSections(t testing.TB, data []byte) map[string][]byte {
	t.Helper()
	sections, err := unpack(data)
	if err != nil {
		t.Fatal(err)
	}
	raw := make(map[string][]byte)
	for name, s := range sections {
		if raw[name], err = s.open(); err != nil {
			t.Fatal(err)
		}
	}
	return raw
}

// encoded returns the file of the small source.
func encoded(t testing.TB) []byte {
	t.Helper()
	data, err := Encode(small())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// everything reads a catalogue back as a source, in its own order.
func everything(c *Catalog) Source {
	s := Source{Info: c.Info(), Components: slices.Collect(c.Components())}
	for _, provider := range []string{AWS, Azure, GCP} {
		s.Types = append(s.Types, slices.Collect(c.Types(provider))...)
		s.Regions = append(s.Regions, slices.Collect(c.Regions(provider))...)
		for _, region := range c.PricedRegions(provider) {
			s.Offers = append(s.Offers, slices.Collect(c.OffersIn(provider, region))...)
		}
	}
	s.Families = slices.SortedFunc(maps.Values(c.families()), func(a, b Family) int {
		return strings.Compare(a.Provider+a.Name, b.Provider+b.Name)
	})
	s.Neighbours = slices.Collect(maps.Values(c.neighbours()))
	return s
}

func TestRoundTrip(t *testing.T) {
	data := encoded(t)
	c, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	want := small()
	sortOffers(want.Offers)
	if diff := cmp.Diff(want, everything(c)); diff != "" {
		t.Error(diff)
	}
	shuffled := small()
	slices.Reverse(shuffled.Types)
	slices.Reverse(shuffled.Offers)
	slices.Reverse(shuffled.Families)
	slices.Reverse(shuffled.Regions)
	again, err := Encode(shuffled)
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("the order of the rows shows in the bytes (%v)", err)
	}
	empty, err := Encode(Source{})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := Decode(empty); err != nil || c.Verify() != nil || len(everything(c).Types) != 0 {
		t.Errorf("an empty source: %v", err)
	}
}

func sortOffers(offers []Offer) {
	key := func(o Offer) string {
		return fmt.Sprint(o.Provider, "\x00", o.Region, "\x00", o.Type, "\x00", o.OS, "\x00", o.Purchase)
	}
	slices.SortFunc(offers, func(a, b Offer) int { return strings.Compare(key(a), key(b)) })
}

// TestPricesRoundTripProperty puts random prices on random cells: whatever the
// predictor makes of them, they come back exactly.
func TestPricesRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var types []InstanceType
		for i := range rapid.IntRange(1, 12).Draw(t, "types") {
			types = append(types, InstanceType{Provider: AWS, Name: fmt.Sprintf("t%02d", i), Family: rapid.SampledFrom([]string{"", "f", "g"}).Draw(t, "family")})
		}
		days := []time.Time{time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		var offers []Offer
		for _, typ := range types {
			for region := range rapid.IntRange(1, 20).Draw(t, "regions") {
				for _, purchase := range []Purchase{OnDemand, Spot} {
					if !rapid.Bool().Draw(t, "there") {
						continue
					}
					offers = append(offers, Offer{Provider: AWS, Region: fmt.Sprintf("r%02d", region), Type: typ.Name, OS: "linux", Purchase: purchase,
						PricePerHour: rapid.OneOf(
							rapid.Custom(func(t *rapid.T) Number { return canonical(rapid.Int64Range(1, maxMantissa).Draw(t, "nano"), 9) }),
							rapid.Custom(func(t *rapid.T) Number { return canonical(rapid.Int64Range(1, 1000).Draw(t, "whole"), 0) }),
						).Draw(t, "price"),
						Currency: Currency, AsOf: rapid.SampledFrom(days).Draw(t, "day"), Basis: rapid.SampledFrom([]Basis{Observed, Inferred}).Draw(t, "basis")})
				}
			}
		}
		data, err := Encode(Source{Types: types, Offers: offers})
		if err != nil {
			t.Fatal(err)
		}
		c, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		sortOffers(offers)
		if diff := cmp.Diff(offers, everything(c).Offers); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestEncodeRefuses(t *testing.T) {
	f := func(want string, spoil func(s *Source)) {
		t.Helper()
		s := small()
		spoil(&s)
		if _, err := Encode(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
	f("two prices of a.1 in r", func(s *Source) { s.Offers = append(s.Offers, s.Offers[0]) })
	f("unknown type a.9", func(s *Source) { s.Offers[0].Type = "a.9" })
	f("out of range", func(s *Source) { s.Offers[0].PricePerHour = Number{} })
	f("out of range", func(s *Source) { s.Offers[0].PricePerHour = Number{math.MaxInt64, 0} })
	f("a price with 16 decimals", func(s *Source) { s.Offers[0].PricePerHour = Number{1, -16} })
	f("is in EUR, not USD", func(s *Source) { s.Offers[0].Currency = "EUR" })
	f("unknown provider \"ibm\"", func(s *Source) { s.Offers[0].Provider = "ibm" })
	f("section types: type aws a.1", func(s *Source) { s.Types[1].Name, s.Offers = "a.1", nil })
	f("section types: 0.333", func(s *Source) { s.Types[0].GPUs = KnownAs(1.0 / 3) })
	f("section types: 1e+20 is not a short decimal", func(s *Source) { s.Types[0].GPUs = KnownAs(1e20) })
	f("section types", func(s *Source) { s.Types[0].VCPUs = KnownAs(-5) })
	f("section types: 65537 types", func(s *Source) { s.Types = make([]InstanceType, maxRows+1) })
	f("section families", func(s *Source) { s.Families[1] = s.Families[0] })
	f("section families: a number with 18 decimals", func(s *Source) { s.Families[0].SustainedUseDiscount = Number{1, -18} })
	f("section components: 9000000000000000000 does not fit", func(s *Source) {
		s.Components = append(s.Components, Component{PerVCPUHour: Number{9e18, 0}})
	})
	f("section regions", func(s *Source) { s.Regions[1] = s.Regions[0] })
	f("section regions: NaN", func(s *Source) { s.Regions[1].LatitudeApprox = math.NaN() })
	f("section neighbours", func(s *Source) { s.Neighbours = append(s.Neighbours, s.Neighbours[0]) })
	f("section neighbours: neighbour of r: distance", func(s *Source) { s.Neighbours[0].KmApprox = maxFigure })
	f("section components", func(s *Source) { s.Components = append(s.Components, s.Components[0]) })
	f("too many regions", func(s *Source) {
		for i := range maxPriceRegions {
			o := s.Offers[0]
			o.Region = fmt.Sprint("r", i)
			s.Offers = append(s.Offers, o)
		}
	})
}

// TestLazy breaks the contents of price sections behind right checksums: types
// answer without noticing, and each price part fails by itself and by name.
func TestLazy(t *testing.T) {
	raw := rawSections(t, encoded(t))
	raw[sectionPrices+AWS] = raw[sectionPrices+AWS][:10]
	data, err := pack(sectionNames, raw)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Type(AWS, "a.1"); !ok || c.Err() != nil {
		t.Errorf("a type asked for prices: %v", c.Err())
	}
	if len(c.Offers(GCP, "s", "b")) != 1 || c.Err() != nil {
		t.Errorf("a price of one provider asked for another's: %v", c.Err())
	}
	if c.Offers(AWS, "r", "a.1") != nil || c.PricedRegions(AWS) != nil {
		t.Error("a damaged part has offers")
	}
	for range c.OffersIn(AWS, "r") {
		t.Error("a damaged part has offers")
	}
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), "section prices-aws: length of a text is 5") {
		t.Errorf("error %v", err)
	}
	if err := c.Verify(); err == nil || !strings.Contains(err.Error(), "prices-aws") {
		t.Errorf("error %v", err)
	}
}

// TestSectionDamage cuts and lengthens each section behind a right checksum:
// the error names it.
func TestSectionDamage(t *testing.T) {
	for _, name := range sectionNames {
		for what, spoil := range map[string]func(b []byte) []byte{
			"cut":     func(b []byte) []byte { return b[:len(b)-1] },
			"empty":   func([]byte) []byte { return nil },
			"longer":  func(b []byte) []byte { return append(slices.Clone(b), 0) },
			"garbage": func([]byte) []byte { return bytes.Repeat([]byte{0xff}, 100) },
		} {
			raw := rawSections(t, encoded(t))
			raw[name] = spoil(raw[name])
			data, err := pack(sectionNames, raw)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Verify(); err == nil || !strings.Contains(err.Error(), "section "+name+": ") {
				t.Errorf("%s %s: error %v", name, what, err)
			}
		}
	}
}

// TestFileDamage flips every byte and cuts at every length: never a panic, and
// always an error, for the checksums cover everything.
func TestFileDamage(t *testing.T) {
	data := encoded(t)
	for i := range data {
		bad := slices.Clone(data)
		bad[i] ^= 0x40
		if _, err := Decode(bad); err == nil {
			t.Errorf("byte %d flipped: no error", i)
		}
		if _, err := Decode(data[:i]); err == nil {
			t.Errorf("cut at %d: no error", i)
		}
	}
	if _, err := Decode(append(slices.Clone(data), 0)); err == nil || !strings.Contains(err.Error(), "after its end") {
		t.Errorf("one byte more: %v", err)
	}
	f := func(want string, names []string, raw map[string][]byte) {
		t.Helper()
		data, err := pack(names, raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
	raw := rawSections(t, data)
	f("section prices-gcp is missing", sectionNames[:8], raw)
	f("section info: is there twice", append([]string{sectionInfo}, sectionNames...), raw)
	if _, err := pack([]string{"x"}, map[string][]byte{"x": make([]byte, maxSection+1)}); err == nil {
		t.Error("a section beyond the bound was packed")
	}
}

// TestFrameDamage gives a section that is no zstd frame, or one of another
// length, a right checksum.
func TestFrameDamage(t *testing.T) {
	f := func(want string, raw int, stored []byte) {
		t.Helper()
		if _, err := (section{"x", stored, raw}).open(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
	sections, err := unpack(encoded(t))
	if err != nil {
		t.Fatal(err)
	}
	info := sections[sectionInfo]
	f("decompress", info.raw, []byte("no frame"))
	f(fmt.Sprintf("%d bytes, 1 expected", info.raw), 1, info.stored)
	f("decompress", maxSection, info.stored)
}

// TestPriceSectionRefuses spoils one piece at a time of a price section made by
// hand.
func TestPriceSectionRefuses(t *testing.T) {
	types := []InstanceType{{Provider: AWS, Name: "a"}, {Provider: AWS, Name: "b"}}
	build := func(regions []string, date string, decimals uint64, series [][3]int, tail ...byte) []byte {
		w := &writer{}
		w.uvarint(uint64(len(regions)))
		w.strings(len(regions), func(i int) string { return regions[i] })
		for _, s := range []string{"linux", "spot", date, "observed"} {
			if s == "linux" || s == date {
				w.uvarint(1)
			}
			w.strings(1, func(int) string { return s })
		}
		w.uvarint(decimals)
		w.uvarint(uint64(len(series)))
		for _, s := range series {
			w.uvarint(uint64(s[0]))
		}
		for _, s := range series {
			w.uvarint(uint64(s[1]))
		}
		for _, s := range series {
			w.b = append(w.b, byte(s[2]))
		}
		w.b = append(w.b, tail...)
		return w.b
	}
	two := []string{"r", "s"}
	if _, err := decodePrices(AWS, types, build(two, "2026-01-01", 3, [][3]int{{0, 0, 3}, {0, 1, 1}}, 10, 2, 20, 0, 0, 0)); err != nil {
		t.Fatalf("the sound section: %v", err)
	}
	f := func(want string, raw []byte) {
		t.Helper()
		if _, err := decodePrices(AWS, types, raw); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
	f("regions are not in order", build([]string{"s", "r"}, "2026-01-01", 3, nil))
	f("is not a date", build(two, "2026-13-01", 3, nil))
	f("number of decimals is 99", build(two, "2026-01-01", 99, nil))
	f("series 0: plan or type", build(two, "2026-01-01", 3, [][3]int{{1, 0, 1}}, 10, 0))
	f("series 0: plan or type", build(two, "2026-01-01", 3, [][3]int{{0, 2, 1}}, 10, 0))
	f("series 1: not after", build(two, "2026-01-01", 3, [][3]int{{0, 1, 1}, {0, 1, 1}}, 10, 10, 0, 0))
	f("series 0: region out of range", build(two, "2026-01-01", 3, [][3]int{{0, 0, 4}}, 10, 0))
	f("ends too early", build(two, "2026-01-01", 3, [][3]int{{0, 0, 3}}, 10, 0))
	f("price of a in r: out of range", build(two, "2026-01-01", 3, [][3]int{{0, 0, 1}}, 0, 0))  // zero
	f("price of a in r: out of range", build(two, "2026-01-01", 3, [][3]int{{0, 0, 1}}, 1, 0))  // below zero
	f("price of a in r: out of range", build(two, "2026-01-01", 3, [][3]int{{0, 0, 1}}, 10, 1)) // no such date
	f("after its end", build(two, "2026-01-01", 3, [][3]int{{0, 0, 1}}, 10, 10, 0))
	many := make([]InstanceType, maxRows)
	w := &writer{}
	w.uvarint(100)
	w.strings(100, func(i int) string { return fmt.Sprintf("%03d", i) })
	w.b = append(w.b, 0, 0, 0, 0)
	if _, err := decodePrices(AWS, many, w.b); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("error %v", err)
	}
}

// TestPredictorOverflow feeds the predictor the largest figures: a prediction
// stays in range.
func TestPredictorOverflow(t *testing.T) {
	var p predictor
	p.plan()
	p.series("f", 2)
	p.put(0, 1)
	p.put(1, maxMantissa)
	p.series("f", 2)
	if got := p.predict(0); got != 0 {
		t.Errorf("first prediction %d", got)
	}
	p.put(0, maxMantissa) // ratio maxMantissa to 1
	if got := p.predict(1); got < 0 || got > maxMantissa {
		t.Errorf("prediction %d", got)
	}
}

func TestNumber(t *testing.T) {
	f := func(in, want string, mantissa int64, exponent int8) {
		t.Helper()
		n, err := ParseNumber(in)
		if err != nil || n != (Number{mantissa, exponent}) || n.String() != want {
			t.Errorf("%q: %+v %v (%v)", in, n, n, err)
		}
	}
	f("0.096", "0.096", 96, -3)
	f("0.0960", "0.096", 96, -3)
	f("100", "100", 100, 0)
	f("100.00", "100", 100, 0)
	f("0", "0", 0, 0)
	f("-0.0", "0", 0, 0)
	f("-77.5", "-77.5", -775, -1)
	f("0.00000000000000001", "0.00000000000000001", 1, -17)
	for _, in := range []string{"", "-", ".", ".5", "5.", "1e3", " 1", "1 ", "+1", "--1", "1_000", "1,5", "0x1", "NaN", "1.2.3", "1.-2", "1234567890123456789"} {
		if n, err := ParseNumber(in); err == nil {
			t.Errorf("%q: %v", in, n)
		}
	}
}

// FuzzParseNumber holds that what is read prints as the same value.
func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"0.096", "-77.50", "1e3", "000", "999999999999999999", "1.-2", "-0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseNumber(s)
		if err != nil {
			return
		}
		again, err := ParseNumber(n.String())
		if err != nil || again != n {
			t.Errorf("%q: %v, again %v (%v)", s, n, again, err)
		}
	})
}

// FuzzDecode holds that no file makes the decoder panic, and that an error of a
// file that opens names a section.
func FuzzDecode(f *testing.F) {
	f.Add(encoded(f))
	f.Add([]byte(magic))
	f.Add([]byte(magic + "\x01\x04info\x05\x05abcdefghijklm"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Decode(data)
		if err != nil {
			return
		}
		if err := c.Verify(); err != nil && !strings.Contains(err.Error(), "section ") {
			t.Errorf("error %v names no section", err)
		}
	})
}

// FuzzSection gives any bytes to the decoder of one section, as if they lay
// behind right checksums: rows or an error, never a panic, and what is decoded
// can be read to the end.
func FuzzSection(f *testing.F) {
	raw := rawSections(f, encoded(f))
	types, err := decodeTypes(raw[sectionTypes])
	if err != nil {
		f.Fatal(err)
	}
	for i, name := range sectionNames {
		f.Add(uint8(i), raw[name])
		f.Add(uint8(i), []byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		switch name := sectionNames[int(which)%len(sectionNames)]; name {
		case sectionInfo:
			decodeInfo(b)
		case sectionTypes:
			types, err := decodeTypes(b)
			if err == nil {
				newTypeTable(types)
			}
		case sectionFamilies:
			decodeFamilies(b)
		case sectionRegions:
			decodeRegions(b)
		case sectionNeighbours:
			decodeNeighbours(b)
		case sectionComponents:
			decodeComponents(b)
		default:
			provider := strings.TrimPrefix(name, sectionPrices)
			table, err := decodePrices(provider, ofProvider(types, provider), b)
			if err != nil {
				return
			}
			n := 0
			for region := range table.regions {
				for typ := range table.types {
					from, to := table.cell(region, typ)
					for at := from; at < to; at++ {
						if o := table.offer(region, typ, at); o.PricePerHour.Mantissa <= 0 {
							t.Errorf("offer %+v", o)
						}
						n++
					}
				}
			}
			if n != len(table.prices) {
				t.Errorf("%d offers reached of %d", n, len(table.prices))
			}
		}
	})
}

// TestDirectoryLies gives the directory right checksums and wrong lengths.
func TestDirectoryLies(t *testing.T) {
	f := func(want string, fill func(w *writer)) {
		t.Helper()
		w := &writer{b: []byte(magic)}
		fill(w)
		w.b = binary.LittleEndian.AppendUint32(w.b, crc32.Checksum(w.b, castagnoli))
		if _, err := Decode(w.b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
	f("number of sections is 99", func(w *writer) { w.uvarint(99) })
	f("length of section x is 1073741824", func(w *writer) { w.uvarint(1); w.string("x"); w.uvarint(1 << 30) })
	f("section x: ends too early", func(w *writer) {
		w.uvarint(1)
		w.string("x")
		w.uvarint(5)
		w.uvarint(9)
		w.b = append(w.b, 0, 0, 0, 0)
	})
	f("section info is missing", func(w *writer) { w.uvarint(0) })
}
