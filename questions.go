package leanfleet

import (
	"context"
	"errors"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/hosts"
	"github.com/leanfleet/leanfleet/inventory"
	"github.com/leanfleet/leanfleet/statistics"
)

// FleetStatistics answers what a metric was over a time range such as "7d", by
// group. Statistics takes every option.
func (m *Monitor) FleetStatistics(ctx context.Context, metric, timeRange string, groupBy ...string) (statistics.Result, error) {
	return m.Statistics(ctx, statistics.Request{Metric: metric, Scope: fleet.Scope{Range: timeRange}, GroupBy: groupBy})
}

// Statistics answers a request for fleet statistics.
func (m *Monitor) Statistics(ctx context.Context, req statistics.Request) (statistics.Result, error) {
	return statistics.Fleet(ctx, m.environment(), req)
}

// Trend answers how a metric developed.
func (m *Monitor) Trend(ctx context.Context, req statistics.TrendRequest) (statistics.TrendResult, error) {
	return statistics.Trend(ctx, m.environment(), req)
}

// Top ranks hosts by a figure of a metric.
func (m *Monitor) Top(ctx context.Context, req statistics.TopRequest) (statistics.TopResult, error) {
	return statistics.Top(ctx, m.environment(), req)
}

// Hosts lists the hosts there are at a time.
func (m *Monitor) Hosts(ctx context.Context, req hosts.ListRequest) (hosts.ListResult, error) {
	return hosts.List(ctx, m.environment(), req)
}

// Host says what one host is and uses.
func (m *Monitor) Host(ctx context.Context, req hosts.ShowRequest) (hosts.ShowResult, error) {
	return hosts.Show(ctx, m.environment(), m.directory(), req)
}

// HostHistory says what a host's record went through.
func (m *Monitor) HostHistory(ctx context.Context, req hosts.HistoryRequest) (hosts.HistoryResult, error) {
	return hosts.History(ctx, m.environment(), m.directory(), req)
}

// MergeRequest says that two hosts were found to be one.
type MergeRequest struct {
	// Into is the host that stays, From the one found to be it: ids or names.
	Into string `json:"into"`
	From string `json:"from"`
	// Why is kept in the history.
	Why string `json:"why,omitempty"`
}

// MergeResult is the host that stays, as its history now has it.
type MergeResult = hosts.HistoryResult

// MergeHosts makes one host of two. Nothing stored is rewritten: the other id
// becomes an alias.
func (m *Monitor) MergeHosts(ctx context.Context, req MergeRequest) (MergeResult, error) {
	put := m.put(fleet.Put{Why: req.Why, Origin: inventory.OriginHand})
	for _, key := range []string{req.Into, req.From} {
		var shared *hosts.SharedNameError
		if _, err := hosts.Find(ctx, m.store, m.store, key, put.At); errors.As(err, &shared) {
			return MergeResult{}, err
		}
	}
	if err := m.store.MergeHosts(req.Into, req.From, put); err != nil {
		return MergeResult{}, err
	}
	return m.HostHistory(ctx, hosts.HistoryRequest{Host: req.Into})
}
