// Package simulate makes synthetic fleets: hosts with an inventory, a history
// and samples of every canonical metric, for demonstrations, benchmarks and for
// judging analyses against a known truth.
//
//	load, err := loader.Begin(ctx)
//	summary, err := simulate.Run(ctx, simulate.Options{
//		Seed: 1, Hosts: 100, Days: 30, Start: start,
//	}, load, nil)
//	err = simulate.WriteTruth(file, summary.Truth)
//	_, err = load.Commit(ctx)
//
// A fleet is a function of its options alone: the same options give the same
// statements and the same batches in the same order, on any machine and
// whatever GOMAXPROCS. Each host draws from streams of its own, so more hosts
// leave the earlier ones as they were, and more days leave the earlier days as
// they were (see [Options]). All arithmetic is on integers, or on floating
// point numbers with roundings that no compiler may fuse.
//
// Everything is labelled: batches and records are of the origin "simulated",
// the account is "simulated" and every host has the tag simulated=true.
//
// The package does not store anything and reads neither clock nor files. The
// truth it returns is for judging, and is never shown to an analysis.
package simulate
