package leanfleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/decisions"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// DecideRequest says what somebody decided about advised changes.
type DecideRequest struct {
	// Request is the advice that is decided about; Host and Explain of it are not
	// used.
	rightsizing.Request
	// Action is accept, dismiss or done.
	Action advice.DecisionAction `json:"action"`
	// Hosts are ids or names of hosts, or of scaling groups.
	Hosts []string `json:"hosts"`
	// To is the instance type; empty is the one that is advised, for done the one
	// that was accepted, and for dismiss every change.
	To string `json:"to,omitempty"`
	// Who decided; empty is Options.Who. Why is for people.
	Who string `json:"who,omitempty"`
	Why string `json:"why,omitempty"`
	// At is when it was decided, or done; zero is now. The decision counts until
	// Until; zero is for good.
	At    time.Time `json:"at,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// DecideResult is what was kept, one decision a host.
type DecideResult struct {
	Currency  money.Currency    `json:"currency"`
	Decisions []advice.Decision `json:"decisions"`
}

// Decide keeps decisions about advised changes: that they are to be made, are
// not to be made, or were made. All of a request are kept or none.
func (m *Monitor) Decide(ctx context.Context, req DecideRequest) (DecideResult, error) {
	now := m.options.Clock()
	if req.At.IsZero() {
		req.At = now
	}
	if req.Who == "" {
		req.Who = m.options.Who
	}
	switch {
	case !req.Action.Valid():
		return DecideResult{}, fmt.Errorf("decide: %q is not accept, dismiss or done", req.Action)
	case len(req.Hosts) == 0:
		return DecideResult{}, errors.New("decide: no hosts are named")
	case req.At.After(now):
		return DecideResult{}, fmt.Errorf("decide: %s lies in the future", req.At.Format(time.RFC3339))
	case !req.Until.IsZero() && !req.Until.After(req.At):
		return DecideResult{}, fmt.Errorf("decide: until %s is not after %s", req.Until.Format(time.RFC3339), req.At.Format(time.RFC3339))
	case !req.Until.IsZero() && req.Action == advice.DecisionDone:
		return DecideResult{}, errors.New("decide: what is done does not run out")
	}
	question := req.Request
	question.Host, question.Explain = "", false
	r, err := m.Rightsize(ctx, question)
	if err != nil {
		return DecideResult{}, err
	}
	ledger, err := m.ledger(ctx)
	if err != nil {
		return DecideResult{}, err
	}
	out := DecideResult{Currency: r.Currency}
	seen := map[fleet.HostID]bool{}
	for _, name := range req.Hosts {
		l, err := m.lineOf(&r, name, now)
		if err != nil {
			return DecideResult{}, err
		}
		if seen[l.Host] {
			return DecideResult{}, fmt.Errorf("decide: %s is named twice", name)
		}
		seen[l.Host] = true
		d, err := m.decision(ctx, &req, l, ledger, r.Currency)
		if err != nil {
			return DecideResult{}, err
		}
		out.Decisions = append(out.Decisions, d)
	}
	return out, m.store.Decide(ctx, out.Decisions)
}

// lineOf finds the line of a host or group by id or name.
func (m *Monitor) lineOf(r *rightsizing.Result, name string, at time.Time) (*rightsizing.Recommendation, error) {
	id := fleet.HostID(name)
	if h, err := m.store.Host(name, at); err == nil {
		id = h.ID
	}
	var names []string
	for i := range r.Recommendations {
		l := &r.Recommendations[i]
		if l.Host == id || l.Name == name {
			return l, nil
		}
		for _, x := range l.Members {
			if x.Host == id {
				return nil, fmt.Errorf("%s is a member of the scaling group %s: decide about that", name, l.Name)
			}
		}
		names = append(names, l.Name)
	}
	return nil, fmt.Errorf("%w %q in this advice%s", fleet.ErrUnknownHost, name, fleet.DidYouMean(name, names))
}

// decision is what a request says of one line.
func (m *Monitor) decision(ctx context.Context, req *DecideRequest, l *rightsizing.Recommendation, ledger []advice.Decision, c money.Currency) (advice.Decision, error) {
	d := advice.Decision{Host: string(l.Host), From: l.Current.InstanceType, To: req.To, Action: req.Action, Who: req.Who, Why: req.Why, At: req.At, Until: req.Until}
	if req.Action == advice.DecisionDone {
		if a := decisions.Accepting(ledger, d.Host, req.At); a != nil && (d.To == "" || d.To == a.To) {
			d.From, d.To, d.MonthlySavings = a.From, a.To, a.MonthlySavings
			return d, nil
		}
	}
	if d.To == "" && req.Action != advice.DecisionDismiss {
		if l.Recommended == nil {
			return d, errNothingAdvised(l.Name)
		}
		d.To = l.Recommended.InstanceType
	}
	if d.To != "" && d.To == d.From {
		// Done, and the inventory knows: what it was before is in its history.
		if req.Action != advice.DecisionDone {
			return d, fmt.Errorf("%s is %s already", l.Name, d.To)
		}
		before, err := m.typeBefore(ctx, d.Host, d.To, m.options.Clock())
		if err != nil {
			return d, err
		}
		if before == "" {
			return d, fmt.Errorf("%s was %s all the time", l.Name, d.To)
		}
		d.From = before
	}
	d.MonthlySavings = l.MonthlySavings
	if d.To != "" && (l.Recommended == nil || d.To != l.Recommended.InstanceType || d.From != l.Current.InstanceType) {
		p, err := m.sizePrices(ctx, c)
		if err != nil {
			return d, err
		}
		if d.MonthlySavings, err = p.monthly(l, d.From, d.To); err != nil {
			return d, err
		}
	}
	return d, nil
}

// typeBefore is the instance type that a host had before it became of another
// one; empty when it had none.
func (m *Monitor) typeBefore(ctx context.Context, host, instanceType string, at time.Time) (string, error) {
	lines, err := m.timelines(ctx, host, at)
	if err != nil {
		return "", err
	}
	for _, records := range lines {
		for i := len(records) - 1; i > 0; i-- {
			if before := records[i-1].InstanceType; records[i].InstanceType == instanceType && before != instanceType && before != "" {
				return before, nil
			}
		}
	}
	return "", nil
}

// timelines are the records of a host, or those of each member that a scaling
// group has had, in time.
func (m *Monitor) timelines(ctx context.Context, host string, at time.Time) ([][]fleet.Record, error) {
	records, err := m.store.Records(ctx, fleet.Selector{}, fleet.Window{End: at})
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", host, err)
	}
	var order []fleet.HostID
	of := map[fleet.HostID][]fleet.Record{}
	for i := range records {
		r := &records[i]
		if group := strings.HasPrefix(host, groupPrefix); !group && string(r.Host) != host || group && groupID(r) != host {
			continue
		}
		if of[r.Host] == nil {
			order = append(order, r.Host)
		}
		of[r.Host] = append(of[r.Host], *r)
	}
	out := make([][]fleet.Record, 0, len(order))
	for _, id := range order {
		slices.SortFunc(of[id], func(a, b fleet.Record) int { return a.From.Compare(b.From) })
		out = append(out, of[id])
	}
	return out, nil
}

// groupID is the id under which the scaling group of a host is advised.
func groupID(r *fleet.Record) string {
	return groupPrefix + strings.Join([]string{r.Provider, r.Account, r.Region, r.OwnedBy}, "/")
}

// DecisionsRequest asks what was decided and what became of it.
type DecisionsRequest struct {
	// Host is the id or name of one host or scaling group; empty is all.
	Host string `json:"host,omitempty"`
	// AsOf is the instant; zero is now. Decisions made later are not in it.
	AsOf time.Time `json:"as_of,omitzero"`
	// Currency of amounts; empty is USD.
	Currency money.Currency `json:"currency,omitzero"`
}

// DecisionStanding is where one host stands, and for changes that are to be
// made or were made what the inventory shows of them.
type DecisionStanding struct {
	decisions.Standing
	Name string `json:"name"`
	// Progress is what the inventory shows: seen, partly_seen, not_seen_yet,
	// undone, other_type or gone; Now the instance type. Since is when the change
	// was first seen, Until when it was undone.
	Progress decisions.Progress `json:"progress,omitempty"`
	Now      string             `json:"now,omitempty"`
	Since    time.Time          `json:"since,omitzero"`
	Until    time.Time          `json:"until,omitzero"`
	// ExpectedTotal is what the change should have saved in the hours of running.
	ExpectedTotal *money.Amount `json:"expected_total"`
	// Realised is what it has saved; nil where nothing is to be made.
	Realised *decisions.Savings `json:"realised"`
}

// DecisionsResult is the answer to a [DecisionsRequest].
type DecisionsResult struct {
	AsOf      time.Time               `json:"as_of"`
	Currency  money.Currency          `json:"currency"`
	Decisions []DecisionStanding      `json:"decisions"`
	States    map[decisions.State]int `json:"states"`
	// ExpectedMonthly is what changes that are done were to save in a month,
	// RealisedMonthly what they save, RealisedTotal what they have saved; of
	// those whose figures are known.
	ExpectedMonthly money.Amount `json:"expected_monthly_savings"`
	RealisedMonthly money.Amount `json:"realised_monthly_savings"`
	RealisedTotal   money.Amount `json:"realised_total"`
}

// Decisions answers a [DecisionsRequest].
func (m *Monitor) Decisions(ctx context.Context, req DecisionsRequest) (DecisionsResult, error) {
	if req.AsOf.IsZero() {
		req.AsOf = m.options.Clock()
	}
	if req.Currency == "" {
		req.Currency = money.USD
	}
	zero := money.Zero(req.Currency)
	out := DecisionsResult{AsOf: req.AsOf, Currency: req.Currency, Decisions: []DecisionStanding{}, States: map[decisions.State]int{},
		ExpectedMonthly: zero, RealisedMonthly: zero, RealisedTotal: zero}
	ledger, err := m.ledger(ctx)
	if err != nil {
		return out, err
	}
	p, err := m.sizePrices(ctx, req.Currency)
	if err != nil {
		return out, err
	}
	var names []string
	for _, s := range decisions.Standings(ledger, req.AsOf) {
		d := DecisionStanding{Standing: s, Name: m.nameOf(s.Host, req.AsOf)}
		names = append(names, d.Name)
		if req.Host != "" && req.Host != d.Name && req.Host != d.Host {
			continue
		}
		d.inCurrency(req.Currency)
		if s.State == decisions.Accepted || s.State == decisions.Done {
			if err := m.watch(ctx, p, &d, req.AsOf); err != nil {
				return out, err
			}
		}
		out.States[s.State]++
		if s.State == decisions.Done {
			if err := out.add(&d); err != nil {
				return out, fmt.Errorf("decision about %s: %w", d.Name, err)
			}
		}
		out.Decisions = append(out.Decisions, d)
	}
	if req.Host != "" && len(out.Decisions) == 0 {
		return out, fmt.Errorf("nothing was decided about %q%s", req.Host, fleet.DidYouMean(req.Host, names))
	}
	return out, nil
}

// inCurrency leaves out amounts that were kept in another currency.
func (d *DecisionStanding) inCurrency(c money.Currency) {
	d.History = slices.Clone(d.History)
	for i := range d.History {
		if a := d.History[i].MonthlySavings; a != nil && a.Currency() != c {
			d.History[i].MonthlySavings = nil
		}
	}
	d.Decision = d.History[len(d.History)-1]
}

// add takes the figures of a change into the totals, as far as they are known
// in the currency asked for.
func (r *DecisionsResult) add(d *DecisionStanding) error {
	var err error
	sum := func(into *money.Amount, a *money.Amount) {
		if err == nil && a != nil {
			*into, err = into.Add(*a)
		}
	}
	sum(&r.ExpectedMonthly, d.Decision.MonthlySavings)
	sum(&r.RealisedMonthly, d.Realised.Monthly)
	sum(&r.RealisedTotal, d.Realised.Total)
	return err
}

// nameOf is what people call a host or group.
func (m *Monitor) nameOf(host string, at time.Time) string {
	if rest, ok := strings.CutPrefix(host, groupPrefix); ok {
		return rest[strings.LastIndexByte(rest, '/')+1:]
	}
	h, err := m.store.Host(host, at)
	if err != nil {
		return host
	}
	for _, a := range h.Aliases {
		if w := a.Window(); a.Kind == "name" && (w.Start.IsZero() || !at.Before(w.Start)) && (w.End.IsZero() || at.Before(w.End)) {
			return a.Key
		}
	}
	return host
}

// watch fills in what the inventory shows and what was saved.
func (m *Monitor) watch(ctx context.Context, p *sizePrices, d *DecisionStanding, at time.Time) error {
	lines, err := m.timelines(ctx, d.Host, at)
	if err != nil {
		return err
	}
	s := decisions.Watch(d.Decision, lines, at)
	d.Progress, d.Now, d.Since, d.Until = s.Progress, s.Now, s.Since, s.Until
	realised := s.Realise(d.Decision, p.hourly)
	if p.err != nil {
		return p.err
	}
	d.Realised = &realised
	if e := d.Decision.MonthlySavings; e != nil && realised.RunningHours > 0 && !strings.HasPrefix(d.Host, groupPrefix) {
		total := e.Fraction(money.Whole(int64(realised.RunningHours*3600)), money.Whole(rightsizing.HoursPerMonth*3600)).Round()
		d.ExpectedTotal = &total
	}
	return nil
}

// sizePrices knows what an hour of a type costs that runs all month, of today's
// prices.
type sizePrices struct {
	book     *pricing.Book
	currency money.Currency
	types    map[[3]string]map[string]money.Price
	err      error
}

func (m *Monitor) sizePrices(ctx context.Context, c money.Currency) (*sizePrices, error) {
	book, err := m.book(ctx)
	return &sizePrices{book: book, currency: c, types: map[[3]string]map[string]money.Price{}}, err
}

// hourly is a [decisions.Price].
func (p *sizePrices) hourly(r *fleet.Record, instanceType string) (money.Price, bool) {
	os, ok := pricing.PriceOS(r.OS)
	if !ok {
		os = pricing.Linux
	}
	key := [3]string{r.Provider, r.Region, os}
	if p.types[key] == nil {
		p.types[key] = map[string]money.Price{}
		found, err := p.book.Candidates(pricing.CandidateQuery{Provider: r.Provider, Region: r.Region, OS: os, Currency: p.currency,
			Demand: pricing.Demand{Purposes: []string{}, OlderToo: true, BurstableToo: true, AnyGPU: true}})
		if err != nil && !errors.Is(err, pricing.ErrNoPrice) && !errors.Is(err, pricing.ErrUnknownRegion) {
			p.err = fmt.Errorf("prices of %s %s: %w", r.Provider, r.Region, err)
		}
		for _, c := range found.List {
			p.types[key][c.Spec.InstanceType] = c.FullMonth
		}
	}
	price, ok := p.types[key][instanceType]
	return price, ok
}

// monthly is what a change of a line saves in a month; nil when a price is not
// known.
func (p *sizePrices) monthly(l *rightsizing.Recommendation, from, to string) (*money.Amount, error) {
	r := fleet.Record{Provider: l.Provider, Region: l.Region, OS: l.OS}
	before, ok1 := p.hourly(&r, from)
	after, ok2 := p.hourly(&r, to)
	if p.err != nil || !ok1 || !ok2 {
		return nil, p.err
	}
	hours := money.Whole(rightsizing.HoursPerMonth)
	saved, err := before.Per(hours).Sub(after.Per(hours))
	if err != nil {
		return nil, err
	}
	if n := len(l.Members); n > 0 {
		saved = saved.Scale(money.Whole(int64(n)))
	}
	saved = saved.Round()
	return &saved, nil
}
