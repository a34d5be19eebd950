// Package rightsizing says which type a host should have, what that saves, and
// how likely the host is to break on it, and proves it by a back-test.
//
//	result, err := rightsizing.Recommend(ctx, env, rightsizing.Request{
//		Confidence: 0.95,
//	})
//
// [Recommend] gives a line for each host, [Backtest] replays the same advice and
// the published rules of others on the fleet's own past, and [Underused] lists
// hosts that hardly use what they have. Method, definitions and sources are in
// docs/rightsizing.md. Answers are deterministic; the package stores nothing and
// reads no clock.
package rightsizing
