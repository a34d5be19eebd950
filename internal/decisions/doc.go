// Package decisions says what became of decisions about advised changes: which
// one stands for each host, whether the inventory shows the change, and what it
// has saved since.
//
//	for _, s := range decisions.Standings(ledger, now) {
//		if s.State != decisions.Done { continue }
//		seen := decisions.Watch(s.Decision, timelines(s.Host), now)
//		realised := seen.Realise(price)
//	}
//
// It is pure: a ledger, timelines and prices in, values out. Who keeps the
// ledger is package store.
package decisions
