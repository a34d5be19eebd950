package leanfleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store"
	"github.com/leanfleet/leanfleet/pricing"
)

// PricesUpdateRequest asks for the providers' lists to be read into the data
// directory.
type PricesUpdateRequest struct {
	// Providers are those whose lists are read; empty is all that have a region.
	Providers []string `json:"providers,omitempty"`
	// Regions are REGION, PROVIDER:REGION or "all"; empty is those with hosts.
	Regions []string `json:"regions,omitempty"`
	// Progress is told of each region as it begins, of the items that arrive,
	// and of its end.
	Progress func(PriceProgress) `json:"-"`
}

// PriceProgress is how far an update has come.
type PriceProgress struct {
	Provider, Region string
	// Number is that of the region from 1, Of how many there are.
	Number, Of int
	Items      int
	// Done is what became of the region, nil until then.
	Done *UpdatedPrices
}

// PricesUpdateResult is what an update did.
type PricesUpdateResult struct {
	// Updated are the regions that were asked for, in their order.
	Updated []UpdatedPrices `json:"updated"`
	// Failed counts those with an error.
	Failed int `json:"failed"`
	// Rest is how old the prices of all other regions are that were read before
	// or have hosts.
	Rest     []PriceAge       `json:"rest"`
	Revision pricing.Revision `json:"price_revision"`
}

// UpdatedPrices is what became of one region. Nothing that is not in a list any
// more, and nothing that a list has no usable price for, loses its last price.
type UpdatedPrices struct {
	Provider string `json:"provider"`
	Region   string `json:"region"`
	// Complete says that all lists were read to their end.
	Complete bool `json:"complete"`
	// Items counts what was read: prices, specifications, disks, addresses.
	Items     int `json:"items"`
	New       int `json:"new"`
	Changed   int `json:"changed"`
	Up        int `json:"up"`   // of Changed: prices of instance types that rose
	Down      int `json:"down"` // and that fell
	Unchanged int `json:"unchanged"`
	Returned  int `json:"returned"` // were gone before
	// Gone counts what this reading found gone; GoneOffers are the offers that
	// are gone by now, the longest gone first, a hundred at most.
	Gone       int                   `json:"gone"`
	GoneOffers []GoneOffer           `json:"gone_offers"`
	Changes    []pricing.PriceChange `json:"changes"`
	Refused    []pricing.Refused     `json:"refused"`
	Flagged    []pricing.Refused     `json:"flagged"`
	Error      string                `json:"error,omitempty"`
	Seconds    float64               `json:"seconds"`
}

// GoneOffer is an offer that its list no longer holds and that keeps its price.
type GoneOffer struct {
	Offer      pricing.Offer `json:"offer"`
	LastSeen   time.Time     `json:"last_seen"`
	AgeSeconds float64       `json:"age_seconds"`
}

// PriceAge is how old the prices of a region are.
type PriceAge struct {
	Provider string `json:"provider"`
	Region   string `json:"region"`
	// Hosts counts the hosts there, as far as the inventory could be read.
	Hosts int `json:"hosts"`
	// ReadAt is when its lists were last read to the end, nil where they never
	// were and embedded prices hold.
	ReadAt     *time.Time    `json:"read_at"`
	AgeSeconds *float64      `json:"age_seconds"`
	Stale      bool          `json:"stale"`
	Layer      pricing.Layer `json:"layer"`
}

// errUpdate is wrapped where prices of a region could not be updated.
var errUpdate = errors.New("prices were not updated everywhere")

// updateTask is a region that is to be read.
type updateTask struct {
	source pricing.PriceSource
	region string
}

// UpdatePrices reads the providers' lists into the data directory, region by
// region; each is durable when it is reported done. What a list that failed or
// broke off does not tell keeps its last price. The result is complete also
// where the error says that some regions failed.
func (m *Monitor) UpdatePrices(ctx context.Context, req PricesUpdateRequest) (PricesUpdateResult, error) {
	r := PricesUpdateResult{Updated: []UpdatedPrices{}, Rest: []PriceAge{}}
	b, err := m.uncheckedBook(ctx)
	if err != nil {
		return r, err
	}
	hosts, hostsErr := m.hostPlaces(ctx)
	tasks, err := m.updateTasks(ctx, b, &req, hosts, hostsErr)
	if err != nil {
		return r, err
	}
	progress := func(p PriceProgress) {
		if req.Progress != nil {
			p.Of = len(tasks)
			req.Progress(p)
		}
	}
	var failed []string
	for i, t := range tasks {
		p := PriceProgress{Provider: t.source.Name(), Region: t.region, Number: i + 1}
		progress(p)
		u := m.updatePlace(ctx, t, func(items int) { p.Items = items; progress(p) })
		if u.Error != "" {
			r.Failed++
			failed = append(failed, fmt.Sprintf("%s %s: %s", u.Provider, u.Region, u.Error))
		}
		r.Updated = append(r.Updated, u)
		p.Items, p.Done = u.Items, &u
		progress(p)
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
	}
	if b, err = m.uncheckedBook(ctx); err != nil {
		return r, err
	}
	r.Revision = b.Revision()
	r.Rest = m.restOfPrices(b, &r, hosts)
	if r.Failed > 0 {
		return r, fmt.Errorf("%w: %s", errUpdate, strings.Join(failed, "\n"))
	}
	return r, nil
}

// specificationsList is the list that the facts of a provider's types count as
// read from, whichever region they came with.
const specificationsList = " specifications"

// updatePlace reads a region and adds what it holds to the book.
func (m *Monitor) updatePlace(ctx context.Context, t updateTask, progress func(items int)) UpdatedPrices {
	began := m.options.Clock()
	u := UpdatedPrices{
		Provider: t.source.Name(), Region: t.region, Changes: []pricing.PriceChange{}, GoneOffers: []GoneOffer{},
		Refused: []pricing.Refused{}, Flagged: []pricing.Refused{},
	}
	finish := func(err error) UpdatedPrices {
		if err != nil {
			u.Error = err.Error()
		}
		u.Seconds = m.options.Clock().Sub(began).Seconds()
		return u
	}
	lists, offers, readErr := readLists(ctx, t, func(items int) {
		if u.Items = items; items%1000 == 0 {
			progress(items)
		}
	})
	switch {
	case ctx.Err() != nil:
		return finish(ctx.Err())
	case readErr == nil && offers == 0:
		return finish(fmt.Errorf("the lists hold no price of an instance type in %q: is the region's name right?", t.region))
	case len(lists) == 0:
		return finish(readErr)
	}
	u.Complete = readErr == nil
	_, err := m.updateBook(ctx, func(b *pricing.Book) error {
		for _, name := range slices.Sorted(maps.Keys(lists)) {
			reading := pricing.Reading{List: name, Provider: u.Provider, Region: u.Region, At: began, Complete: u.Complete}
			if name == u.Provider+specificationsList {
				reading.Region = ""
			}
			added, err := b.Add(reading, lists[name])
			if err != nil {
				return err
			}
			u.add(&added)
		}
		if u.Gone > 0 {
			return u.listGone(b, began)
		}
		return nil
	})
	return finish(errors.Join(readErr, err))
}

// readLists reads a source's items of a region by the list they stand in, and
// counts the offers. What came before an error is there too.
func readLists(ctx context.Context, t updateTask, progress func(items int)) (lists map[string][]pricing.Item, offers int, err error) {
	lists = map[string][]pricing.Item{}
	n := 0
	for item, err := range t.source.Items(ctx, t.region) {
		if err != nil {
			return lists, offers, err
		}
		if item.Offer != nil {
			offers++
		}
		name := listOf(item, t.source.Name())
		lists[name] = append(lists[name], item)
		n++
		progress(n)
	}
	return lists, offers, nil
}

// listOf names the list an item stands in.
func listOf(i pricing.Item, provider string) string {
	name := ""
	switch {
	case i.Offer != nil:
		name = i.Offer.Source
	case i.Storage != nil:
		name = i.Storage.Source
	case i.Address != nil:
		name = i.Address.Source
	case i.Component != nil:
		name = i.Component.Source
	case i.Spec != nil:
		return provider + specificationsList
	}
	return cmp.Or(name, provider+" prices")
}

func (u *UpdatedPrices) add(a *pricing.Added) {
	u.New += a.New
	u.Changed += a.Changed
	u.Unchanged += a.Unchanged
	u.Returned += a.Returned
	u.Gone += a.Gone
	u.Refused = append(u.Refused, a.Refused...)
	u.Flagged = append(u.Flagged, a.Flagged...)
	u.Changes = append(u.Changes, a.Changes...)
	for i := range a.Changes {
		before, after := a.Changes[i].Before.PerHour, a.Changes[i].After.PerHour
		switch d := after.Number().Cmp(before.Number()); {
		case before.Currency() != after.Currency():
		case d > 0:
			u.Up++
		case d < 0:
			u.Down++
		}
	}
}

// maxGone bounds the offers that are listed as gone.
const maxGone = 100

// listGone lists the offers that are gone.
func (u *UpdatedPrices) listGone(b *pricing.Book, now time.Time) error {
	live, err := b.With(pricing.Options{Precedence: []pricing.Layer{pricing.LayerLive}})
	if err != nil {
		return err
	}
	items, err := live.Items(pricing.Place{Provider: u.Provider, Region: u.Region})
	if err != nil {
		return err
	}
	for _, it := range items {
		f, err := foundOf(live, it.Offer)
		if err != nil || !f.Gone {
			continue
		}
		u.GoneOffers = append(u.GoneOffers, GoneOffer{Offer: f.List, LastSeen: f.LastSeen, AgeSeconds: max(0, now.Sub(f.LastSeen)).Seconds()})
	}
	slices.SortStableFunc(u.GoneOffers, func(x, y GoneOffer) int { return x.LastSeen.Compare(y.LastSeen) })
	u.GoneOffers = u.GoneOffers[:min(maxGone, len(u.GoneOffers))]
	return nil
}

// updateTasks are the regions that a request asks for.
func (m *Monitor) updateTasks(ctx context.Context, b *pricing.Book, req *PricesUpdateRequest, hosts []hostPlace, hostsErr error) ([]updateTask, error) {
	sources, err := m.sources(req.Providers)
	if err != nil {
		return nil, err
	}
	if len(req.Regions) == 0 {
		if hostsErr != nil {
			return nil, fmt.Errorf("look for the regions with hosts: %w; name regions (--region)", hostsErr)
		}
		return hostTasks(sources, hosts, len(req.Providers) > 0)
	}
	var tasks []updateTask
	add := func(t updateTask) {
		if !slices.ContainsFunc(tasks, func(x updateTask) bool { return x.region == t.region && x.source.Name() == t.source.Name() }) {
			tasks = append(tasks, t)
		}
	}
	for _, name := range req.Regions {
		found, err := regionTasks(ctx, b, sources, name)
		if err != nil {
			return nil, err
		}
		for _, t := range found {
			add(t)
		}
	}
	for _, p := range req.Providers {
		if !slices.ContainsFunc(tasks, func(t updateTask) bool { return t.source.Name() == p }) {
			return nil, fleet.BadRequest(fmt.Errorf("update prices: none of the regions is one of %s", p))
		}
	}
	return tasks, nil
}

// sources are those of the named providers, or all.
func (m *Monitor) sources(providers []string) ([]pricing.PriceSource, error) {
	all := m.options.Prices.Sources
	if len(all) == 0 {
		return nil, errors.New("update prices: there are no sources: give them in Options.Prices.Sources")
	}
	if len(providers) == 0 {
		return all, nil
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Name())
	}
	var out []pricing.PriceSource
	for _, p := range providers {
		i := slices.Index(names, p)
		if i < 0 {
			return nil, fleet.BadRequest(fmt.Errorf("update prices: no lists of %q can be read, only those of %s%s", p, strings.Join(names, ", "), fleet.DidYouMean(p, names)))
		}
		out = append(out, all[i])
	}
	return out, nil
}

// hostTasks are the regions with hosts. Where providers were named, each has to
// have one.
func hostTasks(sources []pricing.PriceSource, hosts []hostPlace, named bool) ([]updateTask, error) {
	var tasks []updateTask
	for _, s := range sources {
		before := len(tasks)
		for _, h := range hosts {
			if h.Provider == s.Name() {
				tasks = append(tasks, updateTask{s, h.Region})
			}
		}
		if named && len(tasks) == before {
			return nil, fleet.BadRequest(fmt.Errorf("update prices: no host of %s is known: name a region (--region)", s.Name()))
		}
	}
	if len(tasks) == 0 {
		return nil, fleet.BadRequest(errors.New("update prices: no host of these providers is known: name regions (--region)"))
	}
	return tasks, nil
}

// regionTasks are the regions that REGION, PROVIDER:REGION or "all" names. A
// region that the book does not know is looked for in the providers' own lists,
// unless it looks like a slip.
func regionTasks(ctx context.Context, b *pricing.Book, sources []pricing.PriceSource, name string) ([]updateTask, error) {
	region := name
	provider, rest, given := strings.Cut(name, ":")
	if given {
		i := slices.IndexFunc(sources, func(s pricing.PriceSource) bool { return s.Name() == provider })
		if i < 0 {
			return nil, fleet.BadRequest(fmt.Errorf("update prices: region %q: lists of %q are not read", name, provider))
		}
		sources, region = sources[i:i+1], rest
	}
	var tasks []updateTask
	var near []string
	for _, s := range sources {
		if slices.Contains(b.Regions(s.Name()), region) {
			tasks = append(tasks, updateTask{s, region})
		}
		near = append(near, b.NearestRegions(s.Name(), region, 2)...)
	}
	unknown := fmt.Errorf("update prices: %w %q", pricing.ErrUnknownRegion, region)
	switch {
	case len(tasks) > 0:
		return tasks, nil
	case region != "all" && !given && len(near) > 0:
		return nil, fleet.BadRequest(fmt.Errorf("%w: did you mean %s? A region that is new is read as PROVIDER:%s", unknown, strings.Join(near, ", "), region))
	}
	for _, s := range sources {
		all, err := s.Regions(ctx)
		if err != nil {
			return nil, fmt.Errorf("update prices: look for region %q: %w", name, err)
		}
		for _, r := range all {
			if r == region || region == "all" {
				tasks = append(tasks, updateTask{s, r})
			}
		}
	}
	if len(tasks) == 0 {
		if len(near) > 0 {
			return nil, fleet.BadRequest(fmt.Errorf("%w: did you mean %s?", unknown, strings.Join(near, ", ")))
		}
		return nil, fleet.BadRequest(unknown)
	}
	return tasks, nil
}

// hostPlace is a region with hosts.
type hostPlace struct {
	Provider, Region string
	Hosts            int
}

// hostPlaces are the regions in which hosts are by now, by provider and region.
// Without an open store it looks into the directory for a moment; one without
// data has none.
func (m *Monitor) hostPlaces(ctx context.Context) ([]hostPlace, error) {
	s := m.store
	if s == nil {
		var err error
		s, err = m.openStore(ctx, true)
		if errors.Is(err, store.ErrNoData) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		defer func() { _ = s.Close() }() // it was only read
	}
	records, err := s.Records(ctx, fleet.Selector{}, fleet.Window{})
	if err != nil {
		return nil, err
	}
	now := m.options.Clock()
	counts := map[PriceRegion]int{}
	for i := range records {
		r := &records[i]
		if r.Provider != "" && r.Region != "" && r.State != fleet.StateTerminated && (r.To.IsZero() || r.To.After(now)) {
			counts[PriceRegion{r.Provider, r.Region}]++
		}
	}
	var out []hostPlace
	for p, n := range counts {
		out = append(out, hostPlace{p.Provider, p.Region, n})
	}
	slices.SortFunc(out, func(x, y hostPlace) int {
		return cmp.Or(cmp.Compare(x.Provider, y.Provider), cmp.Compare(x.Region, y.Region))
	})
	return out, nil
}

// restOfPrices is how old the prices of all regions are that were not updated.
func (m *Monitor) restOfPrices(b *pricing.Book, r *PricesUpdateResult, hosts []hostPlace) []PriceAge {
	updated := map[PriceRegion]bool{}
	for _, u := range r.Updated {
		if u.Complete {
			updated[PriceRegion{u.Provider, u.Region}] = true
		}
	}
	read := map[PriceRegion]time.Time{}
	for _, x := range b.Readings() {
		p := PriceRegion{x.Provider, x.Region}
		if _, ok := read[p]; x.Region != "" && (!ok || (x.Complete && x.At.After(read[p]))) {
			at := x.At
			if !x.Complete {
				at = time.Time{}
			}
			read[p] = at
		}
	}
	count := map[PriceRegion]int{}
	for _, h := range hosts {
		p := PriceRegion{h.Provider, h.Region}
		count[p] = h.Hosts
		if _, ok := read[p]; !ok && slices.Contains(b.Regions(h.Provider), h.Region) {
			read[p] = time.Time{}
		}
	}
	out := []PriceAge{}
	now := m.options.Clock()
	for p, at := range read {
		if updated[p] {
			continue
		}
		a := PriceAge{Provider: p.Provider, Region: p.Region, Hosts: count[p], ReadAt: known(at), Layer: pricing.LayerLive}
		if at.IsZero() {
			a.Layer, at = pricing.LayerEmbedded, m.catalog.Info().OldestAt
		}
		age := max(0, now.Sub(at))
		seconds := age.Seconds()
		a.AgeSeconds, a.Stale = &seconds, age > m.warnAge()
		out = append(out, a)
	}
	slices.SortFunc(out, func(x, y PriceAge) int {
		return cmp.Or(cmp.Compare(x.Provider, y.Provider), cmp.Compare(x.Region, y.Region))
	})
	return out
}
