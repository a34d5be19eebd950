// Package store is the embedded engine: measurements and records of a fleet in
// one directory, without a server beside it.
//
//	DATA/leanfleet.db               bbolt: sealed days, hosts and what is pending; the one commit point
//	DATA/leanfleet.lock             the id of the process that writes
//	DATA/days/2013-08-01.parquet    sealed and immutable: one file a UTC day
//	DATA/groups/2013-08-01.parquet  the same of process groups
//	DATA/head/000042.log            the log of what is appended and not sealed
//	DATA/inventory.parquet          the records, published for other tools
//
// A [Store] is a fleet.Source, a fleet.Sink and a fleet.Loader:
//
//	s, err := store.Open(ctx, store.Options{Dir: dir, Metrics: fleet.CanonicalMetrics()})
//	load, err := s.Begin(ctx)
//	err = load.Add(ctx, batches)
//	counts, err := load.Commit(ctx)
//
// Samples that are appended go to the head, in memory and in a log, and are
// sealed into day files when their day is over. Loads and seals are writes.
// Every write stages its day files beside the old ones, syncs them, and becomes
// true in one transaction of leanfleet.db; what remains to be renamed or deleted
// is written in the same transaction and replayed after a crash. docs/store.md
// describes the directory, the protocol and the limits.
//
// The package does not answer analyses, parse imported files or read a clock of
// its own.
package store
