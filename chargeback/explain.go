package chargeback

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// ExplainRequest asks what lies behind the lines of one host in a report.
type ExplainRequest struct {
	Request
	// Host is an id, a name or another key.
	Host string `json:"host"`
}

// ExplainResult is the answer to an [ExplainRequest].
type ExplainResult struct {
	Host     fleet.HostID   `json:"host"`
	Name     string         `json:"name"`
	Period   Period         `json:"period"`
	Currency money.Currency `json:"currency"`
	// Lines are the host's lines of the report, each in its group.
	Lines []ExplainLine `json:"lines"`
	// Pieces are in the order of time; those of a line sum to it.
	Pieces []Piece `json:"pieces"`
	// Gaps are the times of unknown state that no sample covers.
	Gaps    []fleet.Window `json:"gaps"`
	Method  Method         `json:"method"`
	Damaged []fleet.Damage `json:"damaged,omitempty"`
}

// ExplainLine is a line of the report.
type ExplainLine struct {
	Group fleet.GroupKey `json:"group"`
	Line
}

// Piece is what one thing cost in a time in which nothing changed.
type Piece struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Seconds is what is charged for, the provider's minimum included.
	Seconds float64        `json:"seconds"`
	Group   fleet.GroupKey `json:"group"`
	// State is running, unknown or stopped.
	State string     `json:"state"`
	Tags  fleet.Tags `json:"tags,omitempty"`
	Count int        `json:"count,omitzero"`
	GiB   float64    `json:"gib,omitzero"`
	// Priced is the price; nil where there is none, and where nothing is charged.
	Priced        *PriceUsed    `json:"price"`
	What          string        `json:"what"`
	InstanceType  string        `json:"instance_type,omitzero"`
	DiskType      string        `json:"disk_type,omitzero"`
	Cost          *money.Amount `json:"cost"`
	Contracted    *money.Amount `json:"contracted_cost"`
	EffectiveCost *money.Amount `json:"effective_cost"`
	// Why says what led to the costs, in sentences.
	Why []string `json:"why"`
}

// Directory finds hosts by what they are called.
type Directory interface {
	// Host finds a host by its id or by an alias valid at a time. The error of an
	// unknown one wraps fleet.ErrUnknownHost.
	Host(key string, at time.Time) (inventory.Host, error)
}

// Explain answers an [ExplainRequest]: it makes the report and shows what the
// lines of one host are made of.
func Explain(ctx context.Context, env Environment, directory Directory, req ExplainRequest) (ExplainResult, error) {
	r, b, e, err := report(ctx, env, req.Request)
	if err != nil {
		return ExplainResult{}, err
	}
	host, err := directory.Host(req.Host, b.plan.charged.End.Add(-1))
	if err != nil {
		return ExplainResult{}, err
	}
	out := ExplainResult{Host: host.ID, Name: req.Host, Period: r.Period, Currency: r.Currency, Lines: []ExplainLine{}, Pieces: []Piece{}, Gaps: []fleet.Window{}, Method: r.Method}
	for _, g := range r.Groups {
		for _, l := range g.Hosts {
			if l.Host != host.ID {
				continue
			}
			out.Name = l.Name
			out.Lines = append(out.Lines, ExplainLine{g.Group, l})
			pieces, err := b.explainLine(&l, g.Group)
			if err != nil {
				return ExplainResult{}, err
			}
			out.Pieces = append(out.Pieces, pieces...)
		}
	}
	slices.SortStableFunc(out.Pieces, func(a, b Piece) int { return a.From.Compare(b.From) })
	for i := range b.hosts {
		if h := &b.hosts[i]; h.timeline[0].Host == host.ID {
			gaps, err := b.gaps(ctx, h, e)
			if err != nil {
				return ExplainResult{}, err
			}
			out.Gaps = append(out.Gaps, gaps...)
		}
	}
	out.Damaged = e.damaged
	return out, nil
}

// explainLine shows the pieces of a line, rounded to it.
func (b *bill) explainLine(l *Line, group fleet.GroupKey) ([]Piece, error) {
	of := b.lines[lineID{l.Host, group.ID()}].pieces
	out := make([]Piece, len(of))
	for i, x := range of {
		out[i] = b.explainPiece(x, group)
	}
	if l.Cost == nil {
		return out, nil
	}
	list, rounded := make([]money.Amount, len(of)), make([]*money.Amount, len(of))
	for i, x := range of {
		list[i] = x.cost
	}
	for _, c := range []struct {
		line  *money.Amount
		exact func(*piece) money.Amount
		put   func(*Piece, *money.Amount)
	}{
		{l.Cost, func(x *piece) money.Amount { return x.cost }, func(p *Piece, a *money.Amount) { p.Cost = a }},
		{l.ContractedCost, func(x *piece) money.Amount { return x.contracted }, func(p *Piece, a *money.Amount) { p.Contracted = a }},
		{l.EffectiveCost, func(x *piece) money.Amount { return x.effective }, func(p *Piece, a *money.Amount) { p.EffectiveCost = a }},
	} {
		exact := make([]money.Amount, len(of))
		for i, x := range of {
			exact[i] = c.exact(x)
		}
		parts, err := roundTo(*c.line, exact, ceilings(exact, list, rounded))
		if err != nil {
			return nil, err
		}
		for i, x := range of {
			if x.known {
				c.put(&out[i], &parts[i])
				rounded[i] = out[i].Cost
			}
		}
	}
	return out, nil
}

func (b *bill) explainPiece(x *piece, group fleet.GroupKey) Piece {
	p := Piece{
		From: x.Start, To: x.End, Seconds: roundMillionth(x.Duration().Seconds()), Group: group, State: x.span.state.String(),
		Tags: x.span.record.Tags, Count: x.count, GiB: x.what.gib, What: x.kind.String(), Why: b.why(x),
	}
	p.InstanceType, p.DiskType = x.what.types()
	if x.kind == compute {
		p.Seconds = roundMillionth(x.length().Seconds())
	}
	if x.known && !x.list.IsZero() {
		u := priceUsed(&x.what, &x.quote)
		u.Hours = roundMillionth(x.Duration().Hours())
		p.Priced = &u
	}
	return p
}

// why says what led to the costs of a piece.
func (b *bill) why(x *piece) []string {
	out := []string{}
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	r := x.span.record
	switch x.span.state {
	case running:
		say("stated running since %s", r.Stated.UTC().Format(time.RFC3339))
	case assumed:
		say("nobody stated a state: it ran from its first to its last evidence")
	case stopped:
		say("stated stopped since %s: disks and addresses only", r.Stated.UTC().Format(time.RFC3339))
	}
	switch {
	case strings.HasPrefix(x.reason, pricing.ErrNoPrice.Error()):
		say("%s", x.reason)
	case x.reason == ReasonDisksUnknown:
		say("its disks are unknown: an inventory states them")
	case x.reason == ReasonAddressesUnknown:
		say("its public addresses are unknown: an inventory states them")
	case x.reason != "":
		say("no price: %s", x.reason)
	}
	if x.extra > 0 {
		say("%s charges at least %d s for a start: %s more", r.Provider, int(minimums[r.Provider]/time.Second), x.extra)
	}
	if x.known && x.list.IsZero() {
		say("it has none")
	}
	if x.nearestLater {
		say("the first known price is of %s, after the use", day(x.begins()))
	}
	if x.osAssumed {
		say("operating system unknown: priced as linux")
	}
	if x.contract != "" {
		say("contracted by %s", x.contract)
	}
	for _, v := range x.covering {
		say("commitment %s covers %s", v.Commitment, v.Covered)
	}
	for i := range x.covers {
		if c := &x.covers[i]; c.rate.nearestLater {
			say("the first known rate under commitment %s is of %s, after the use", c.cover.Commitment.ID, day(c.rate.begins()))
		}
	}
	out = append(out, x.unrated...)
	if x.share.rule.Of != 0 && x.known {
		say("sustained use: ran %.2f h of the month's %.0f h before", x.share.before.Hours(), x.share.month.Hours())
		if x.share.grown {
			say("it was a smaller type then: what is larger about it counts from its own beginning")
		}
		if x.quote.machine != x.quote.contracted {
			say("of the price %s an hour is for the machine, the rest is the licence, which is not discounted", x.quote.machine)
		}
	}
	if x.kind == compute && x.what.purchase == pricing.OnDemand && r.Purchase == fleet.PurchaseReserved && x.coveredFor < x.Duration() {
		say("marked reserved, but no known commitment covers %s", x.Duration()-x.coveredFor)
	}
	return out
}
