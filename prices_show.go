package leanfleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// PriceRequest asks what an instance type is and costs in a region.
type PriceRequest struct {
	// Provider may be empty where one provider alone has the type.
	Provider     string `json:"provider,omitempty"`
	Region       string `json:"region"`
	InstanceType string `json:"instance_type"`
	// OS is the operating system the prices are for; empty is all that are known.
	OS string `json:"os,omitempty"`
	// AsOf is the hour of use; zero is the newest known offers.
	AsOf time.Time `json:"as_of,omitzero"`
	// PricesAsOf hides what was observed later; zero hides nothing.
	PricesAsOf time.Time `json:"prices_as_of,omitzero"`
	// Timezone is the IANA zone of the calendar month; empty is that of Options.
	Timezone string `json:"timezone,omitempty"`
}

// PriceMonth is the calendar month that prices per month are for.
type PriceMonth struct {
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Hours    float64   `json:"hours"`
	Timezone string    `json:"timezone"`
}

func (p *PriceMonth) length() time.Duration { return p.End.Sub(p.Start) }

// PriceResult is the answer to a [PriceRequest]. In JSON it is flat: provider,
// region, the facts of the specification, sources and unknown, then offers and
// the rest.
type PriceResult struct {
	Specification pricing.Specification
	Region        string
	Offers        []PriceOffer
	// Reason says why there are no offers, "" where there are.
	Reason   string
	Month    PriceMonth
	Revision pricing.Revision
	// Warnings are sentences about prices that are old.
	Warnings []string
}

// PriceOffer is the price of an instance type under one purchase option and for
// one operating system.
type PriceOffer struct {
	Purchase pricing.Purchase `json:"purchase"`
	Term     pricing.Term     `json:"term,omitzero"`
	OS       string           `json:"os"`
	// PerHour is the list price, PerMonth that of the hours of the calendar
	// month, in Currency.
	PerHour  money.Price    `json:"price_per_hour"`
	PerMonth money.Amount   `json:"price_per_month"`
	Currency money.Currency `json:"currency"`
	// Upfront and Recurring are parts of a commitment's price, no price where
	// the list does not tell.
	Upfront   money.Price `json:"upfront,omitzero"`
	Recurring money.Price `json:"recurring_per_hour,omitzero"`
	// FullMonthPerHour is what an hour costs on average in a month of running
	// all the time, where the provider discounts that.
	FullMonthPerHour money.Price `json:"full_month_per_hour,omitzero"`
	// Contracted is what own sheets make of the price; no price where they say
	// nothing. ContractSource names sheet and line.
	Contracted         money.Price    `json:"contracted_per_hour,omitzero"`
	ContractedCurrency money.Currency `json:"contracted_currency,omitempty"`
	ContractSource     string         `json:"contract_source,omitempty"`
	// AboveOnDemand is the price on demand for the same operating system where
	// this one, for spot or under a commitment, is higher; no price elsewhere.
	AboveOnDemand money.Price `json:"above_on_demand,omitzero"`
	// AsOf is when the list with this price was read first, nil for prices of
	// own sheets without a date; LastSeen is when it was last found there.
	AsOf       *time.Time    `json:"as_of"`
	LastSeen   *time.Time    `json:"last_seen"`
	ValidFrom  time.Time     `json:"valid_from,omitzero"`
	AgeSeconds *float64      `json:"age_seconds"`
	Stale      bool          `json:"stale"`
	Gone       bool          `json:"gone"` // later readings of its list lacked it
	Basis      pricing.Basis `json:"basis"`
	// PriceBasis is "nearest-later" where the price began after the hour of use.
	PriceBasis string        `json:"price_basis,omitempty"`
	Layer      pricing.Layer `json:"layer"`
	Source     string        `json:"source"`
}

// priceResultJSON is what stands in JSON beside the facts.
type priceResultJSON struct {
	Region   string           `json:"region"`
	Offers   []PriceOffer     `json:"offers"`
	Reason   string           `json:"reason,omitempty"`
	Month    PriceMonth       `json:"month"`
	Revision pricing.Revision `json:"price_revision"`
	Warnings []string         `json:"warnings"`
}

// MarshalJSON writes the result flat.
func (r PriceResult) MarshalJSON() ([]byte, error) {
	spec, err := json.Marshal(r.Specification)
	if err != nil {
		return nil, err
	}
	rest, err := json.Marshal(priceResultJSON{r.Region, r.Offers, r.Reason, r.Month, r.Revision, r.Warnings})
	if err != nil {
		return nil, err
	}
	// {"provider":P,  "region":R,...  then the facts, then offers and the rest.
	provider, facts, _ := strings.Cut(string(spec), ",")
	region, offers, _ := strings.Cut(string(rest), `,"offers":`)
	return []byte(provider + "," + region[1:] + "," + strings.TrimSuffix(facts, "}") + `,"offers":` + offers), nil
}

// UnmarshalJSON reads what MarshalJSON writes. Prices have no currency then;
// it stands beside them.
func (r *PriceResult) UnmarshalJSON(b []byte) error {
	var rest priceResultJSON
	if err := json.Unmarshal(b, &rest); err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for _, key := range []string{"region", "offers", "reason", "month", "price_revision", "warnings"} {
		delete(all, key)
	}
	spec, err := json.Marshal(all)
	if err != nil {
		return err
	}
	*r = PriceResult{Region: rest.Region, Offers: rest.Offers, Reason: rest.Reason, Month: rest.Month, Revision: rest.Revision, Warnings: rest.Warnings}
	return json.Unmarshal(spec, &r.Specification)
}

// Price answers what an instance type is and costs. An unknown type or region
// is an error with the nearest names; a type that no list prices there is a
// result without offers and with the reason.
func (m *Monitor) Price(ctx context.Context, req PriceRequest) (PriceResult, error) {
	b, err := m.book(ctx)
	if err != nil {
		return PriceResult{}, err
	}
	if req.Provider, err = m.providerOf(b, req.Provider, req.InstanceType); err != nil {
		return PriceResult{}, err
	}
	if req.Region == "" {
		return PriceResult{}, fleet.BadRequest(fmt.Errorf("price of %s: name a region of %s", req.InstanceType, req.Provider))
	}
	month, err := m.month(req.Timezone, req.AsOf, req.PricesAsOf)
	if err != nil {
		return PriceResult{}, err
	}
	r := PriceResult{Region: req.Region, Month: month, Offers: []PriceOffer{}, Revision: b.Revision()}
	if spec, ok := b.Specification(req.Provider, req.InstanceType); ok {
		r.Specification = *spec
	}
	r.Specification.Provider, r.Specification.InstanceType = req.Provider, req.InstanceType
	found, err := b.Offers(req.Provider, req.Region, req.InstanceType, req.AsOf, req.PricesAsOf)
	if err != nil {
		return PriceResult{}, err
	}
	os, err := priceOS(req.OS)
	if err != nil {
		return PriceResult{}, err
	}
	if os != "" {
		found = slices.DeleteFunc(found, func(f pricing.Found) bool { return f.List.OS != os })
	}
	now := m.options.Clock()
	ages := newAges(now, m.warnAge())
	for i := range found {
		r.Offers = append(r.Offers, m.offer(&found[i], &r, now))
		ages.see(found[i].List.Provider, req.Region, found[i].Layer, found[i].LastSeen)
	}
	r.Warnings = ages.warnings()
	if len(found) > 0 {
		return r, nil
	}
	_, err = b.Lookup(pricing.OfferQuery{Provider: req.Provider, Region: req.Region, InstanceType: req.InstanceType, OS: os, At: req.AsOf, AsOf: req.PricesAsOf})
	var none *pricing.NoPriceError
	switch {
	case errors.Is(err, pricing.ErrUnknownType), errors.Is(err, pricing.ErrUnknownRegion):
		return PriceResult{}, fleet.BadRequest(err)
	case errors.As(err, &none):
		r.Reason = none.Reason()
		if req.PricesAsOf.IsZero() {
			r.Reason += unread(b, req.Provider, req.Region)
		}
	case err != nil:
		return PriceResult{}, err
	}
	return r, nil
}

// unread says how to get more prices of a place than the embedded catalogue has,
// where no list of it was read yet.
func unread(b *pricing.Book, provider, region string) string {
	cloud := slices.Contains([]string{pricing.AWS, pricing.Azure, pricing.GCP}, provider)
	if !cloud || slices.ContainsFunc(b.Readings(), func(x pricing.Reading) bool { return x.Provider == provider && x.Region == region }) {
		return ""
	}
	return fmt.Sprintf("; no list of %s %s was read yet: \"leanfleet prices update --provider %s --region %s\" reads it", provider, region, provider, region)
}

// offer turns what a book found into a row of a result.
func (m *Monitor) offer(f *pricing.Found, r *PriceResult, now time.Time) PriceOffer {
	o := &f.List
	p := PriceOffer{
		Purchase: o.Purchase, Term: o.Term, OS: o.OS,
		PerHour: o.PerHour, PerMonth: o.PerHour.Times(r.Month.length()).Round(), Currency: o.PerHour.Currency(),
		Upfront: o.Upfront, Recurring: o.Recurring, AsOf: known(o.ObservedAt), LastSeen: known(f.LastSeen), ValidFrom: o.ValidFrom,
		AboveOnDemand: f.AboveOnDemand, Gone: f.Gone, Basis: o.Basis, PriceBasis: f.PriceBasis, Layer: f.Layer, Source: o.Source,
	}
	if age, ok := ageOf(f.Layer, f.LastSeen, now); ok {
		seconds := age.Seconds()
		p.AgeSeconds, p.Stale = &seconds, age > m.warnAge()
	}
	if f.ContractSource != "" {
		p.Contracted, p.ContractedCurrency, p.ContractSource = f.Contracted, f.Contracted.Currency(), f.ContractSource
	}
	if o.Purchase == pricing.OnDemand {
		if full := f.FullMonth(&r.Specification); full != f.Contracted {
			p.FullMonthPerHour = full
		}
	}
	return p
}

// known is a time, nil where it is not known.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// ageOf is how long ago a price was last seen in its list; a price of an own
// sheet has no age.
func ageOf(l pricing.Layer, seen, now time.Time) (time.Duration, bool) {
	if l == pricing.LayerSheet || seen.IsZero() {
		return 0, false
	}
	return max(0, now.Sub(seen)), true
}

// priceOS is an operating system as prices tell them apart, "" for none. One
// that nobody knows is an error with the nearest word.
func priceOS(os string) (string, error) {
	if os == "" {
		return "", nil
	}
	name, err := pricing.ParseOS(os)
	return name, fleet.BadRequest(err)
}

// providerOf checks the name of a provider, or finds the only one with a type.
func (m *Monitor) providerOf(b *pricing.Book, provider, instanceType string) (string, error) {
	if instanceType == "" {
		return "", fleet.BadRequest(errors.New("prices: name an instance type"))
	}
	if provider != "" {
		return provider, knownProvider(b, provider)
	}
	var have []string
	for _, p := range b.Providers() {
		if _, ok := b.Specification(p, instanceType); ok {
			have = append(have, p)
		}
	}
	switch len(have) {
	case 1:
		return have[0], nil
	case 0:
		near := b.NearestTypes("", instanceType, 3)
		hint := ""
		if len(near) > 0 {
			hint = ": did you mean " + strings.Join(near, ", ") + "?"
		}
		return "", fleet.BadRequest(fmt.Errorf("%w %q%s", pricing.ErrUnknownType, instanceType, hint))
	}
	return "", fleet.BadRequest(fmt.Errorf("instance type %s is one of %s: name the provider", instanceType, strings.Join(have, " and of ")))
}

// knownProvider is an error where nobody knows a provider.
func knownProvider(b *pricing.Book, provider string) error {
	list := b.Providers()
	if slices.Contains(list, provider) {
		return nil
	}
	hint := fleet.DidYouMean(provider, list)
	if hint == "" {
		hint = "; known are " + strings.Join(list, ", ")
	}
	return fleet.BadRequest(fmt.Errorf("unknown provider %q%s", provider, hint))
}

// month is the calendar month of the first time that is set, else of now.
func (m *Monitor) month(zone string, times ...time.Time) (PriceMonth, error) {
	if zone == "" {
		zone = m.options.Timezone
	}
	loc, err := zones.Load(zone)
	if err != nil {
		return PriceMonth{}, fleet.BadRequest(err)
	}
	at := m.options.Clock()
	if i := slices.IndexFunc(times, func(t time.Time) bool { return !t.IsZero() }); i >= 0 {
		at = times[i]
	}
	at = at.In(loc)
	start := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, loc)
	end := time.Date(at.Year(), at.Month()+1, 1, 0, 0, 0, 0, loc)
	return PriceMonth{Start: start, End: end, Hours: end.Sub(start).Hours(), Timezone: loc.String()}, nil
}

// ages collects how old the prices of an answer are, to warn once for each
// place.
type ages struct {
	now    time.Time
	limit  time.Duration
	oldest map[agedPlace]time.Time
}

type agedPlace struct {
	provider, region string
	layer            pricing.Layer
}

func newAges(now time.Time, limit time.Duration) *ages {
	return &ages{now: now, limit: limit, oldest: map[agedPlace]time.Time{}}
}

// see notes a price that was last seen at a time.
func (a *ages) see(provider, region string, layer pricing.Layer, seen time.Time) {
	age, ok := ageOf(layer, seen, a.now)
	if !ok || age <= a.limit {
		return
	}
	k := agedPlace{provider, region, layer}
	if t, ok := a.oldest[k]; !ok || seen.Before(t) {
		a.oldest[k] = seen
	}
}

// warnings are sentences, by place; never nil.
func (a *ages) warnings() []string {
	out := []string{}
	keys := slices.SortedFunc(maps.Keys(a.oldest), func(x, y agedPlace) int {
		return strings.Compare(x.provider+"\x00"+x.region+"\x00"+string(x.layer), y.provider+"\x00"+y.region+"\x00"+string(y.layer))
	})
	for _, k := range keys {
		seen := a.oldest[k]
		from := "the embedded catalogue"
		if k.layer == pricing.LayerLive {
			from = "the list that was read"
		}
		out = append(out, fmt.Sprintf("prices of %s %s are up to %d days old (%s, %s); \"leanfleet prices update --provider %s --region %s\" reads new ones",
			k.provider, k.region, int(a.now.Sub(seen).Hours()/24), from, seen.UTC().Format(time.DateOnly), k.provider, k.region))
	}
	return out
}
