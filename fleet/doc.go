// Package fleet holds the nouns of leanfleet and the few contracts between
// what measures hosts, what stores measurements and what answers questions.
//
// The path of all data is sample -> profile -> answer. A [Batch] carries the
// samples of one host. A [Record] says what a host was, from when to when. A
// [Profile] is the distribution of one metric of one host in one step of time
// under one record; every analysis is a function of profiles. A [Source]
// answers two questions, profiles and series, with the records beside them.
//
// Values are integers scaled to the metric's resolution (see [Metric]), so
// that storage is small, percentiles are exact and merging in any order gives
// the same result. A sample is stamped with the start of the interval it
// describes and belongs whole to the window, step and record that hold its
// start. Windows are half-open.
//
//	w := fleet.Window{Start: start, End: end}
//	for profile, err := range source.Profiles(ctx, fleet.Query{
//		Metric: fleet.CPUUsage, Window: w, Step: fleet.StepDay,
//	}) { ... }
//
// The package reads no file, no network and no clock: it imports the standard
// library only, and neither os nor net.
package fleet
