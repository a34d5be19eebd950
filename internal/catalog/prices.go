package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// A price section holds the offers of one provider as series: one series for a
// plan (operating system and purchase option) and a type, with a price for
// each region of a bit set. Sizes of a family cost nearly the same multiple of
// each other everywhere, so a price is predicted from the series before it of
// the same plan and family and only the difference is stored. That is half the
// bytes of plain differences from region to region.

const (
	maxPriceRegions = 1 << 12
	maxPlans        = 1 << 8
	maxMarks        = 1 << 8
	maxCells        = 1 << 22 // regions x types of one provider
	// maxMantissa bounds a scaled price so that sums and predictions fit.
	maxMantissa = 1 << 50
)

// plan is how a price is bought and for which operating system.
type plan struct {
	os       string
	purchase Purchase
}

// mark is the date and basis of a price.
type mark struct {
	asOf  time.Time
	basis Basis
}

// priceTable is a decoded price section. The offers lie sorted by region, type
// and plan; starts has the first offer of each (region, type).
type priceTable struct {
	provider string
	regions  []string // sorted
	region   map[string]int
	types    []InstanceType // of the provider, shared with the types section
	plans    []plan
	marks    []mark
	decimals int
	starts   []uint32
	prices   []int64
	planOf   []uint8
	markOf   []uint8
}

// cell returns the range of offers of a region and type.
func (t *priceTable) cell(region, typ int) (int, int) {
	i := region*len(t.types) + typ
	return int(t.starts[i]), int(t.starts[i+1])
}

func (t *priceTable) offer(region, typ, i int) Offer {
	p, m := t.plans[t.planOf[i]], t.marks[t.markOf[i]]
	return Offer{
		Provider: t.provider, Region: t.regions[region], Type: t.types[typ].Name,
		OS: p.os, Purchase: p.purchase, PricePerHour: canonical(t.prices[i], t.decimals),
		Currency: Currency, AsOf: m.asOf, Basis: m.basis,
	}
}

// predictor foretells the prices of a series, region after region in order. The
// encoder and the decoder feed it alike.
type predictor struct {
	rows     map[string][]int64 // last series of a family: price by region, 0 = none
	current  []int64
	base     []int64 // the series before of the same family, nil = none
	family   string
	num, den int64
	last     int64
}

// plan forgets every family: series of another plan follow.
func (p *predictor) plan() { p.rows = make(map[string][]int64) }

// series begins a series of a type of the family.
func (p *predictor) series(family string, regions int) {
	p.base, p.family = p.rows[family], family
	p.current = make([]int64, regions)
	p.num, p.den, p.last = 0, 0, 0
}

func (p *predictor) predict(region int) int64 {
	if p.base == nil || p.base[region] == 0 || p.den == 0 {
		return p.last
	}
	hi, lo := bits.Mul64(uint64(p.base[region]), uint64(p.num))
	lo, carry := bits.Add64(lo, uint64(p.den)/2, 0)
	hi += carry
	if hi >= uint64(p.den) {
		return p.last
	}
	q, _ := bits.Div64(hi, lo, uint64(p.den))
	return int64(min(q, maxMantissa))
}

// put tells the true price of a region; it is in [1, maxMantissa].
func (p *predictor) put(region int, price int64) {
	p.current[region], p.last = price, price
	if p.den == 0 && p.base != nil && p.base[region] > 0 {
		p.num, p.den = price, p.base[region]
	}
	p.rows[p.family] = p.current
}

// priceRow is an offer with everything by index.
type priceRow struct {
	plan, typ, region, mark int
	mantissa                int64
}

func encodePrices(types []InstanceType, offers []Offer) ([]byte, error) {
	ordinal := make(map[string]int, len(types))
	for i, t := range types {
		ordinal[t.Name] = i
	}
	regions := distinct(offers, func(o Offer) string { return o.Region })
	plans := distinct(offers, func(o Offer) plan { return plan{o.OS, o.Purchase} })
	marks := distinct(offers, func(o Offer) mark { return mark{o.AsOf, o.Basis} })
	slices.Sort(regions)
	slices.SortFunc(plans, func(a, b plan) int {
		return cmp.Or(strings.Compare(a.os, b.os), cmp.Compare(a.purchase, b.purchase))
	})
	slices.SortFunc(marks, func(a, b mark) int { return cmp.Or(a.asOf.Compare(b.asOf), cmp.Compare(a.basis, b.basis)) })
	if len(regions) > maxPriceRegions || len(plans) > maxPlans || len(marks) > maxMarks || len(regions)*len(types) > maxCells {
		return nil, errors.New("too many regions, plans or dates")
	}
	decimals := 0
	for _, o := range offers {
		decimals = max(decimals, -int(o.PricePerHour.Exponent))
	}
	if decimals > maxDecimals {
		return nil, fmt.Errorf("a price with %d decimals, at most %d are held", decimals, maxDecimals)
	}
	regionIndex, planIndex, markIndex := indexOf(regions), indexOf(plans), indexOf(marks)
	rows := make([]priceRow, len(offers))
	for i, o := range offers {
		typ, ok := ordinal[o.Type]
		m, fits := o.PricePerHour.scaledTo(decimals)
		switch {
		case !ok:
			return nil, fmt.Errorf("price of the unknown type %s", o.Type)
		case !fits || m <= 0 || m > maxMantissa:
			return nil, fmt.Errorf("price %v of %s in %s is out of range", o.PricePerHour, o.Type, o.Region)
		case o.Currency != Currency:
			return nil, fmt.Errorf("price of %s in %s is in %s, not %s", o.Type, o.Region, o.Currency, Currency)
		}
		rows[i] = priceRow{planIndex[plan{o.OS, o.Purchase}], typ, regionIndex[o.Region], markIndex[mark{o.AsOf, o.Basis}], m}
	}
	slices.SortFunc(rows, func(a, b priceRow) int {
		return cmp.Or(cmp.Compare(a.plan, b.plan), cmp.Compare(a.typ, b.typ), cmp.Compare(a.region, b.region))
	})
	for i := 1; i < len(rows); i++ {
		a, b := rows[i-1], rows[i]
		if a.plan == b.plan && a.typ == b.typ && a.region == b.region {
			return nil, fmt.Errorf("two prices of %s in %s for one plan", types[a.typ].Name, regions[a.region])
		}
	}
	w := &writer{}
	w.uvarint(uint64(len(regions)))
	w.strings(len(regions), func(i int) string { return regions[i] })
	w.uvarint(uint64(len(plans)))
	w.strings(len(plans), func(i int) string { return plans[i].os })
	w.strings(len(plans), func(i int) string { return string(plans[i].purchase) })
	w.uvarint(uint64(len(marks)))
	w.strings(len(marks), func(i int) string { return day(marks[i].asOf) })
	w.strings(len(marks), func(i int) string { return string(marks[i].basis) })
	w.uvarint(uint64(decimals))
	encodeSeries(w, types, len(regions), rows)
	return w.b, nil
}

// encodeSeries writes the sorted rows: the columns of the series, their bit
// sets of regions, then differences to the prediction and marks of all prices.
func encodeSeries(w *writer, types []InstanceType, regions int, rows []priceRow) {
	var series [][]priceRow
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].plan == rows[0].plan && rows[n].typ == rows[0].typ {
			n++
		}
		series, rows = append(series, rows[:n]), rows[n:]
	}
	w.uvarint(uint64(len(series)))
	for _, s := range series {
		w.uvarint(uint64(s[0].plan))
	}
	for _, s := range series {
		w.uvarint(uint64(s[0].typ))
	}
	for _, s := range series {
		set := make([]byte, (regions+7)/8)
		for _, row := range s {
			set[row.region/8] |= 1 << (row.region % 8)
		}
		w.b = append(w.b, set...)
	}
	var p predictor
	for i, s := range series {
		if i == 0 || s[0].plan != series[i-1][0].plan {
			p.plan()
		}
		p.series(types[s[0].typ].Family, regions)
		for _, row := range s {
			w.varint(row.mantissa - p.predict(row.region))
			p.put(row.region, row.mantissa)
		}
	}
	for _, s := range series {
		for _, row := range s {
			w.b = append(w.b, byte(row.mark))
		}
	}
}

func decodePrices(provider string, types []InstanceType, raw []byte) (*priceTable, error) {
	r := &reader{b: raw}
	t := &priceTable{provider: provider, types: types}
	t.regions = r.strings(r.upTo(maxPriceRegions, "number of regions"))
	n := r.upTo(maxPlans, "number of plans")
	oses, purchases := r.strings(n), r.strings(n)
	m := r.upTo(maxMarks, "number of dates")
	days, bases := r.strings(m), r.strings(m)
	t.decimals = r.upTo(maxDecimals, "number of decimals")
	if r.err == nil && len(t.regions)*len(types) > maxCells {
		r.fail(errors.New("too many regions and types"))
	}
	if r.err == nil && !slices.IsSorted(t.regions) {
		r.fail(errors.New("regions are not in order"))
	}
	if r.err != nil {
		return nil, r.err
	}
	for i := range n {
		t.plans = append(t.plans, plan{oses[i], Purchase(purchases[i])})
	}
	for i := range m {
		t.marks = append(t.marks, mark{r.day(days[i]), Basis(bases[i])})
	}
	t.region = indexOf(t.regions)
	if err := t.decodeSeries(r); err != nil {
		return nil, err
	}
	return t, nil
}

// decodeSeries reads the series and lays their prices out by region and type.
func (t *priceTable) decodeSeries(r *reader) error {
	n := r.upTo(len(r.b), "number of series")
	planOf, typeOf := r.column(n), r.column(n)
	width := (len(t.regions) + 7) / 8
	sets := r.bytes(n * width)
	if r.err != nil {
		return r.err
	}
	// Count the offers of each cell, one place further, then sum: starts.
	t.starts = make([]uint32, len(t.regions)*len(t.types)+1)
	total := 0
	for i := range n {
		if planOf[i] >= uint64(len(t.plans)) || typeOf[i] >= uint64(len(t.types)) {
			return fmt.Errorf("series %d: plan or type out of range", i)
		}
		if i > 0 && (planOf[i] < planOf[i-1] || (planOf[i] == planOf[i-1] && typeOf[i] <= typeOf[i-1])) {
			return fmt.Errorf("series %d: not after the one before it", i)
		}
		for region := range regionsOf(sets[i*width : (i+1)*width]) {
			if region >= len(t.regions) {
				return fmt.Errorf("series %d: region out of range", i)
			}
			t.starts[region*len(t.types)+int(typeOf[i])+1]++
			total++
		}
	}
	if total*2 > len(r.b) { // each price has a difference and a mark, a byte each at least
		return errShort
	}
	for i := 1; i < len(t.starts); i++ {
		t.starts[i] += t.starts[i-1]
	}
	next := slices.Clone(t.starts)
	t.prices, t.planOf, t.markOf = make([]int64, total), make([]uint8, total), make([]uint8, total)
	marks := r.b[len(r.b)-total:]
	r.b = r.b[:len(r.b)-total]
	var p predictor
	for i, done := 0, 0; i < n; i++ {
		if i == 0 || planOf[i] != planOf[i-1] {
			p.plan()
		}
		typ := int(typeOf[i])
		p.series(t.types[typ].Family, len(t.regions))
		for region := range regionsOf(sets[i*width : (i+1)*width]) {
			price := p.predict(region) + r.varint()
			if r.err != nil {
				return r.err
			}
			if price <= 0 || price > maxMantissa || int(marks[done]) >= len(t.marks) {
				return fmt.Errorf("price of %s in %s: out of range", t.types[typ].Name, t.regions[region])
			}
			p.put(region, price)
			at := &next[region*len(t.types)+typ]
			t.prices[*at], t.planOf[*at], t.markOf[*at] = price, uint8(planOf[i]), marks[done]
			*at++
			done++
		}
	}
	return r.end()
}

// regionsOf yields the members of a bit set in order.
func regionsOf(set []byte) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i, b := range set {
			for b != 0 {
				if !yield(i*8 + bits.TrailingZeros8(b)) {
					return
				}
				b &= b - 1
			}
		}
	}
}

// distinct returns the distinct keys of the offers in order of first use.
func distinct[K comparable](offers []Offer, key func(Offer) K) []K {
	seen := make(map[K]bool)
	var keys []K
	for _, o := range offers {
		if k := key(o); !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	return keys
}

// indexOf returns the place of each key.
func indexOf[K comparable](keys []K) map[K]int {
	index := make(map[K]int, len(keys))
	for i, k := range keys {
		index[k] = i
	}
	return index
}
