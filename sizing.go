package leanfleet

import (
	"context"

	"github.com/leanfleet/leanfleet/rightsizing"
)

// RightsizingRecommendations advises a size for each host: changes that save at
// least the given share of its cost (0.20 is 20 %), in a list of which at least
// the confidence's share stays within the limits. Rightsize takes every option.
func (m *Monitor) RightsizingRecommendations(ctx context.Context, minSavings, confidence float64) (rightsizing.Result, error) {
	return m.Rightsize(ctx, rightsizing.Request{MinSavings: minSavings, Confidence: confidence})
}

// Rightsize advises a size for each host.
func (m *Monitor) Rightsize(ctx context.Context, req rightsizing.Request) (rightsizing.Result, error) {
	env, err := m.sizing(ctx)
	if err != nil {
		return rightsizing.Result{}, err
	}
	return rightsizing.Recommend(ctx, env, req)
}

// Backtest replays advice on the fleet's own history: what would have been
// saved and broken had it been followed, beside the rules of others.
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
	book, err := m.book(ctx)
	return rightsizing.Environment{Environment: m.environment(), Prices: book}, err
}
