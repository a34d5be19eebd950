package chargeback

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// piece is what one thing of a host costs in a time in which nothing changes.
type piece struct {
	fleet.Window
	kind  kind
	span  *span
	what  what
	count int // of disks or addresses
	quote
	reason string // why there is no price
	extra  time.Duration
	// line is where it counts; nil for what lies outside the period or is not
	// selected, and only tells of sustained use and commitments.
	line *line

	cost, contracted, effective money.Amount
	usage                       int // its kind, where commitments may cover it
	coveredFor                  time.Duration
	covers                      []covered
	covering                    []pricing.Covering
	unrated                     []string // commitments without a rate for it, and why
	share                       share    // of the price that sustained use leaves
	osAssumed                   bool
}

// length is what compute is charged for.
func (x *piece) length() time.Duration { return x.Duration() + x.extra }

// bill collects the pieces of all hosts.
type bill struct {
	plan   *plan
	quotes *quotes
	lines  map[lineID]*line
	hosts  []hostBill
	specs  map[[2]string]*pricing.Specification
	series map[[2]string]componentsFound // by region and series
	silent []NotCharged
}

// hostBill is what is known of one host.
type hostBill struct {
	timeline []fleet.Record
	spans    []span
	pieces   []*piece // by time
}

type lineID struct {
	host  fleet.HostID
	group string
}

// line collects what one host costs in one group.
type line struct {
	host     fleet.HostID
	name     string
	group    fleet.GroupKey
	pieces   []*piece
	silent   time.Time
	ran      length
	stood    length // stopped
	assumed  map[*fleet.Record]time.Duration
	estimate length
}

func newBill(p *plan) *bill {
	return &bill{plan: p, quotes: newQuotes(p), lines: map[lineID]*line{}, specs: map[[2]string]*pricing.Specification{},
		series: map[[2]string]componentsFound{}}
}

// add cuts and prices the timeline of a host.
func (b *bill) add(timeline []fleet.Record) error {
	h := hostBill{timeline: timeline, spans: spansOf(timeline, b.plan.looked)}
	h.spans = slices.Clip(h.spans)
	selected, charged := b.selected(timeline), false
	if !selected && !b.plan.committed() {
		return nil
	}
	for i := range h.spans {
		s := &h.spans[i]
		for _, w := range cutAt(s.Window, b.plan.cuts) {
			l := b.lineOf(s, w)
			charged = charged || l != nil
			if err := b.addWindow(&h, s, w, l); err != nil {
				return fmt.Errorf("host %s: %w", timeline[0].Host, err)
			}
		}
	}
	b.hosts = append(b.hosts, h)
	if selected && !charged && !gone(timeline, b.plan.charged) {
		last := &timeline[len(timeline)-1]
		b.silent = append(b.silent, NotCharged{Host: last.Host, Name: last.DisplayName(), Reason: ReasonNoEvidence})
	}
	return nil
}

// selected says whether a record that the request is about holds in the period.
func (b *bill) selected(timeline []fleet.Record) bool {
	return slices.ContainsFunc(timeline, func(r fleet.Record) bool {
		return r.Window().Overlaps(b.plan.charged) && b.plan.selector.Matches(&r)
	})
}

// gone says whether a host was terminated for the whole of a window.
func gone(timeline []fleet.Record, w fleet.Window) bool {
	for i := range timeline {
		r := &timeline[i]
		if r.Window().Overlaps(w) && r.State != fleet.StateTerminated {
			return false
		}
	}
	return true
}

// lineOf returns the line in which a part of a span counts, nil for none.
func (b *bill) lineOf(s *span, w fleet.Window) *line {
	if w.Start.Before(b.plan.charged.Start) || !w.Start.Before(b.plan.charged.End) || !b.plan.selector.Matches(s.record) {
		return nil
	}
	key := fleet.GroupsOf(s.record, b.plan.req.GroupBy, nil)[0]
	id := lineID{s.record.Host, key.ID()}
	l := b.lines[id]
	if l == nil {
		l = &line{host: id.host, group: key, assumed: map[*fleet.Record]time.Duration{}}
		b.lines[id] = l
	}
	l.name = s.record.DisplayName()
	switch s.state {
	case stopped:
		l.stood.add(w.Duration())
	case assumed:
		l.assumed[s.record] += w.Duration()
		fallthrough
	default:
		l.ran.add(w.Duration())
	}
	return l
}

// addWindow adds the pieces of a part of a span.
func (b *bill) addWindow(h *hostBill, s *span, w fleet.Window, l *line) error {
	if s.state != stopped {
		if err := b.addCompute(h, s, w, l); err != nil {
			return err
		}
	}
	if l == nil {
		return nil
	}
	if err := b.addDisks(h, s, w, l); err != nil {
		return err
	}
	return b.addAddresses(h, s, w, l)
}

func (b *bill) addCompute(h *hostBill, s *span, w fleet.Window, l *line) error {
	r := s.record
	if l == nil && r.Provider != pricing.GCP && !b.plan.committed() {
		return nil
	}
	x := what{kind: compute, provider: r.Provider, region: r.Region, name: r.InstanceType, purchase: pricing.OnDemand}
	if r.Purchase == fleet.PurchaseSpot {
		x.purchase = pricing.Spot
	}
	known := r.OS == ""
	if !known {
		x.os, known = pricing.PriceOS(r.OS)
	}
	if !known { // own sheets may price it by its name
		x.os = strings.ToLower(r.OS)
		list, err := b.quotes.of(x)
		if err != nil {
			return err
		}
		known = slices.ContainsFunc(list, func(q quoted) bool { return q.known })
	}
	if !known {
		h.add(&piece{Window: w, kind: compute, span: s, what: what{kind: compute, provider: r.Provider, region: r.Region, name: r.InstanceType, os: r.OS, purchase: x.purchase}, line: l,
			reason: fmt.Sprintf("price lists do not tell the operating system %q apart", r.OS)})
		return nil
	}
	return b.addQuoted(h, piece{Window: w, kind: compute, span: s, what: x, line: l, osAssumed: r.OS == ""})
}

func (b *bill) addDisks(h *hostBill, s *span, w fleet.Window, l *line) error {
	r := s.record
	x := what{kind: disk, provider: r.Provider, region: r.Region}
	if r.Disks == nil {
		h.add(&piece{Window: w, kind: disk, span: s, what: x, line: l, reason: ReasonDisksUnknown})
		return nil
	}
	if len(r.Disks) == 0 {
		h.add(&piece{Window: w, kind: disk, span: s, what: x, line: l, quote: quote{known: true}})
		return nil
	}
	for i, d := range r.Disks {
		if slices.Contains(r.Disks[:i], d) {
			continue
		}
		count := 0
		for _, o := range r.Disks {
			if o == d {
				count++
			}
		}
		x.name, x.gib = d.Type, d.GiB
		if err := b.addQuoted(h, piece{Window: w, kind: disk, span: s, what: x, count: count, line: l}); err != nil {
			return err
		}
	}
	return nil
}

func (b *bill) addAddresses(h *hostBill, s *span, w fleet.Window, l *line) error {
	r := s.record
	x := what{kind: address, provider: r.Provider, region: r.Region, idle: s.state == stopped}
	switch {
	case r.Addresses == nil:
		h.add(&piece{Window: w, kind: address, span: s, what: x, line: l, reason: ReasonAddressesUnknown})
		return nil
	case *r.Addresses == 0:
		h.add(&piece{Window: w, kind: address, span: s, what: x, line: l, quote: quote{known: true}})
		return nil
	}
	return b.addQuoted(h, piece{Window: w, kind: address, span: s, what: x, count: *r.Addresses, line: l})
}

// addQuoted adds a piece for each price that holds in its window.
func (b *bill) addQuoted(h *hostBill, x piece) error {
	list, err := b.quotes.of(x.what)
	if err != nil {
		return err
	}
	for _, q := range list {
		y := x
		y.Window = x.Intersect(q.Window)
		if y.Empty() {
			continue
		}
		y.quote, y.reason = q.quote, q.reason
		if y.kind == compute && y.End.Equal(x.span.End) {
			y.extra = x.span.extra
		}
		if err := y.price(b.plan); err != nil {
			return err
		}
		h.add(&y)
	}
	return nil
}

func (h *hostBill) add(x *piece) {
	h.pieces = append(h.pieces, x)
	if x.line != nil {
		x.line.pieces = append(x.line.pieces, x)
	}
}

// price works out the list and the contracted cost, exactly.
func (x *piece) price(p *plan) error {
	if !x.known || x.line == nil {
		return nil
	}
	x.cost = x.amount(p, x.list)
	x.contracted = x.cost
	if x.quote.contracted != x.list {
		x.contracted = x.amount(p, x.quote.contracted)
	}
	x.effective = x.contracted
	return nil
}

func (x *piece) amount(p *plan, price money.Price) money.Amount {
	switch {
	case x.kind == compute:
		return price.Times(x.length())
	case x.kind == address:
		return price.Times(x.Duration()).Scale(money.Whole(int64(x.count)))
	}
	month := time.Duration(x.monthHours) * time.Hour
	if x.monthHours == 0 {
		month = p.month(x.Start).Duration()
	}
	a := price.Per(money.Whole(int64(x.count)))
	if !x.wholeDisk {
		a = a.Scale(gibNumber(x.what.gib))
	}
	return a.Fraction(money.Whole(int64(x.Duration())), money.Whole(int64(month)))
}

// gibNumber is a size as an exact number: its shortest decimal notation.
func gibNumber(gib float64) money.Number {
	n, err := money.ParseNumber(strconv.FormatFloat(gib, 'f', -1, 64))
	if err != nil {
		n, _ = money.ParseNumber(strconv.FormatFloat(gib, 'f', 6, 64)) // beyond 18 digits
	}
	return n
}

// specification is what the book knows of a type, nil for nothing.
func (b *bill) specification(provider, typ string) *pricing.Specification {
	k := [2]string{provider, typ}
	s, ok := b.specs[k]
	if !ok {
		s, _ = b.plan.book.Specification(provider, typ)
		b.specs[k] = s
	}
	return s
}

// settle works out the effective costs, after commitments were applied: what
// they do not cover is on demand, less sustained use; what they cover costs its
// share of them.
func (b *bill) settle() error {
	for i := range b.hosts {
		before := map[pool]*earned{}
		for _, x := range b.hosts[i].pieces {
			if x.kind == compute {
				if err := b.sustain(x, before); err != nil {
					return fmt.Errorf("host %s: %w", x.span.record.Host, err)
				}
			}
			if err := x.convert(b.plan); err != nil {
				return fmt.Errorf("host %s: %w", x.span.record.Host, err)
			}
		}
	}
	return nil
}

// later is for how long a price or a rate of the piece was first known after its
// use.
func (x *piece) later() time.Duration {
	if x.nearestLater {
		return x.Duration()
	}
	var d time.Duration
	for i := range x.covers {
		if c := &x.covers[i]; c.rate.nearestLater {
			d += c.time
		}
	}
	return min(d, x.Duration())
}

// length is a sum of durations beyond 292 years.
type length struct{ seconds, nanos int64 }

func (l *length) add(d time.Duration) {
	l.seconds += int64(d / time.Second)
	l.nanos += int64(d % time.Second)
	l.seconds += l.nanos / 1e9
	l.nanos %= 1e9
}

func (l *length) addAll(o length) {
	l.seconds += o.seconds
	l.add(time.Duration(o.nanos))
}

// hours is the length in hours to a millionth.
func (l length) hours() float64 {
	return roundMillionth(float64(l.seconds)/3600 + float64(l.nanos)/3.6e12)
}

func roundMillionth(f float64) float64 { return float64(int64(f*1e6+0.5)) / 1e6 }
