// Package files is the way in and out for files: samples and inventories as
// CSV (plain, gzip or zstd) and samples as Parquet.
//
//	summary, err := files.ReadSamples(ctx, []string{"july.csv.gz"}, files.SamplesOptions{Now: now},
//		func(b fleet.Batch) error { return load.Add(ctx, []fleet.Batch{b}) })
//
// What an input is, its first bytes say, never its name; "-" is standard input.
// Two kinds of mistakes are told apart. A structural one (a header nobody
// understands, a truncated gzip, a line that cannot be parsed) names file, line
// and column and stops the import. An impossible value (negative, NaN, far in
// the future) stops it too, or is left out and counted by reason when the
// caller asks for that.
//
// Memory is bounded for any size and any order of input: by what is buffered
// (32 MiB) and a few hundred bytes for each host of the file.
//
// The package knows no store and resolves no names: it turns files into
// batches and statements, and batches and records into files.
package files
