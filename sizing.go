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
	"github.com/leanfleet/leanfleet/internal/handoff"
	"github.com/leanfleet/leanfleet/internal/store"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// RightsizingRecommendations advises a size for each host: changes that save at
// least the given share of its cost (0.20 is 20 %), in a list of which at least
// the confidence's share stays within the limits. Rightsize takes every option.
func (m *Monitor) RightsizingRecommendations(ctx context.Context, minSavings, confidence float64) (rightsizing.Result, error) {
	return m.Rightsize(ctx, rightsizing.Request{MinSavings: minSavings, Confidence: confidence})
}

// Rightsize advises a size for each host. What people decided and what was
// remembered of earlier advice is heeded, beside what the request brings.
func (m *Monitor) Rightsize(ctx context.Context, req rightsizing.Request) (rightsizing.Result, error) {
	env, err := m.sizing(ctx)
	if err != nil {
		return rightsizing.Result{}, err
	}
	if m.store == nil { // another engine, which keeps no decisions
		return rightsizing.Recommend(ctx, env, req)
	}
	ledger, err := m.ledger(ctx)
	if err != nil {
		return rightsizing.Result{}, err
	}
	req.Decisions = append(ledger, req.Decisions...)
	before, err := m.store.Advised(ctx)
	if err != nil {
		return rightsizing.Result{}, err
	}
	req.Previous = slices.Clone(req.Previous)
	for _, a := range before {
		req.Previous = append(req.Previous, rightsizing.Prior{Host: a.Host, Current: a.Current, Recommended: a.Recommended, AsOf: a.AsOf})
	}
	return rightsizing.Recommend(ctx, env, req)
}

// Backtest replays advice on the fleet's own history: what would have been
// saved and broken had it been followed, beside the rules of others. Decisions
// and remembered advice have no part in it.
func (m *Monitor) Backtest(ctx context.Context, req rightsizing.BacktestRequest) (rightsizing.BacktestResult, error) {
	env, err := m.sizing(ctx)
	if err != nil {
		return rightsizing.BacktestResult{}, err
	}
	return rightsizing.Backtest(ctx, env, req)
}

// UnderusedHosts finds the hosts that hardly use what they have.
func (m *Monitor) UnderusedHosts(ctx context.Context, req rightsizing.UnderusedRequest) (rightsizing.UnderusedResult, error) {
	return rightsizing.Underused(ctx, rightsizing.Environment{Environment: m.environment()}, req)
}

// sizing is what questions about sizes run in.
func (m *Monitor) sizing(ctx context.Context) (rightsizing.Environment, error) {
	env := rightsizing.Environment{Environment: m.environment(), Memory: &m.sized}
	var err error
	if env.Revision, err = m.revision(); err != nil {
		return env, err
	}
	if env.Prices, err = m.book(ctx); err != nil {
		return env, err
	}
	env.Commitments, err = m.commitments()
	return env, err
}

// revision names the state of the data: it changes with every sample and record.
func (m *Monitor) revision() (string, error) {
	if m.store == nil {
		return "", nil
	}
	s, err := m.store.Status()
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%d %d %d", s.Generation, s.Samples, s.Hosts)
	if s.Head != nil {
		text += fmt.Sprintf(" %d %d", s.Head.Generations, s.Head.LogBytes)
	}
	return text, nil
}

// SavingsRequest asks what advice comes to for groups of hosts.
type SavingsRequest struct {
	// Request is the advice. All lines count, whatever Host says.
	rightsizing.Request
	// GroupBy are the keys of the groups; none is one group of all.
	GroupBy []string `json:"group_by"`
}

// SavingsTotal is what advice comes to for a group.
type SavingsTotal = handoff.Total

// SavingsResult is the answer to a [SavingsRequest].
type SavingsResult struct {
	AsOf       time.Time      `json:"as_of"`
	Window     fleet.Window   `json:"window"`
	Policy     string         `json:"policy"`
	Confidence float64        `json:"confidence"`
	MaxRisk    float64        `json:"max_risk"`
	Currency   money.Currency `json:"currency"`
	Groups     []SavingsTotal `json:"groups"`
	// Summary is of all lines, each counted once.
	Summary rightsizing.Summary `json:"summary"`
	Damaged []fleet.Damage      `json:"damaged,omitempty"`
}

// PotentialSavings totals advice by group.
func (m *Monitor) PotentialSavings(ctx context.Context, req SavingsRequest) (SavingsResult, error) {
	req.Host, req.Explain = "", false
	if err := fleet.CheckGroupBy(req.GroupBy, m.options.Sets); err != nil {
		return SavingsResult{}, err
	}
	r, err := m.Rightsize(ctx, req.Request)
	if err != nil {
		return SavingsResult{}, err
	}
	out := SavingsResult{AsOf: r.AsOf, Window: r.Window, Policy: r.Policy, Confidence: r.Confidence, MaxRisk: r.MaxRisk, Currency: r.Currency,
		Summary: r.Summary, Damaged: r.Damaged}
	out.Groups, err = handoff.Totals(&r, req.GroupBy, m.options.Sets)
	return out, err
}

// RememberResult is the answer to a request to remember advice: the advice, and
// for how many lines it is other than what was remembered.
type RememberResult struct {
	rightsizing.Result
	Changed int `json:"changed"`
}

// RememberAdvice advises and keeps what it advised, so that later advice does
// not change its mind for little. Whoever asks daily remembers daily.
func (m *Monitor) RememberAdvice(ctx context.Context, req rightsizing.Request) (RememberResult, error) {
	if req.Policy != "" && req.Policy != rightsizing.PolicyLeanfleet {
		return RememberResult{}, errors.New("remember advice: only that of policy leanfleet is remembered")
	}
	r, err := m.Rightsize(ctx, req)
	if err != nil {
		return RememberResult{}, err
	}
	var list []store.Advised
	for i := range r.Recommendations {
		l := &r.Recommendations[i]
		if l.Recommended == nil && (l.Finding == rightsizing.FindingExcluded || l.Finding == rightsizing.FindingNotEnoughData) {
			continue
		}
		a := store.Advised{Host: l.Host, Current: l.Current.InstanceType, AsOf: r.AsOf}
		if l.Recommended != nil {
			a.Recommended = l.Recommended.InstanceType
		}
		list = append(list, a)
	}
	n, err := m.store.Remember(ctx, list)
	return RememberResult{Result: r, Changed: n}, err
}

// ledger is what was decided, by the ids that hosts have today.
func (m *Monitor) ledger(ctx context.Context) ([]advice.Decision, error) {
	list, err := m.store.Decisions(ctx)
	if err != nil {
		return nil, err
	}
	now := m.options.Clock()
	for i := range list {
		if strings.HasPrefix(list[i].Host, groupPrefix) {
			continue
		}
		// A host that was found to be another one is decided about as that one.
		if h, err := m.store.Host(list[i].Host, now); err == nil {
			list[i].Host = string(h.ID)
		}
	}
	return list, nil
}

// groupPrefix begins the id of a scaling group's line.
const groupPrefix = "group:"

// errNothingAdvised is the error of a decision that lacks its change.
func errNothingAdvised(name string) error {
	return fmt.Errorf("%s: no change is advised for it; name the instance type with --to (DecideRequest.To)", name)
}
