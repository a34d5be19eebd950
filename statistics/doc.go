// Package statistics answers what a fleet uses: statistics over all samples of
// a window by group, trends over calendar steps, and the hosts that use most.
//
//	result, err := statistics.Fleet(ctx, env, statistics.Request{
//		Metric:  "cpu_usage",
//		Scope:   fleet.Scope{Range: "7d"},
//		GroupBy: []string{"dept"},
//	})
//
// The formulas and their sources are in docs/statistics.md. Results are in the
// metric's unit; an unknown figure is nil with a reason, never zero. The
// package stores nothing and reads no clock.
package statistics
