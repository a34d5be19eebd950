package leanfleet

import (
	"context"
	"runtime/debug"

	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/internal/zones"
)

// Chargeback answers what the fleet costs in a period, by owner.
func (m *Monitor) Chargeback(ctx context.Context, req chargeback.Request) (chargeback.Result, error) {
	env, err := m.costs(ctx, &req)
	if err != nil {
		return chargeback.Result{}, err
	}
	return chargeback.Report(ctx, env, req)
}

// ChargebackExplain says what the lines of one host in a chargeback are made of.
func (m *Monitor) ChargebackExplain(ctx context.Context, req chargeback.ExplainRequest) (chargeback.ExplainResult, error) {
	env, err := m.costs(ctx, &req.Request)
	if err != nil {
		return chargeback.ExplainResult{}, err
	}
	return chargeback.Explain(ctx, env, m.directory(), req)
}

// costs is what questions about costs run in.
func (m *Monitor) costs(ctx context.Context, req *chargeback.Request) (chargeback.Environment, error) {
	env := chargeback.Environment{Environment: m.environment(), ZoneData: zones.Version()}
	var err error
	if env.Book, err = m.book(ctx); err != nil {
		return env, err
	}
	if env.Commitments, err = m.commitments(); err != nil {
		return env, err
	}
	if env.Rates, err = m.rates(); err != nil {
		return env, err
	}
	if req.Program == "" {
		req.Program = "leanfleet library " + moduleVersion()
	}
	return env, nil
}

// moduleVersion is the version of this module in the program that runs.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	const module = "github.com/leanfleet/leanfleet"
	if info.Main.Path == module {
		return info.Main.Version
	}
	for _, d := range info.Deps {
		if d.Path == module {
			return d.Version
		}
	}
	return "unknown"
}
