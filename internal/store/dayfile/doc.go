// Package dayfile reads and writes sealed days: one immutable Parquet file with
// everything the hosts of a fleet reported in one UTC day.
//
// A file is an ordinary Parquet file, one wide row per host and time, sorted by
// host, then time, so that DuckDB, pandas and the like read it as it is. Two
// things are added for leanfleet's own reading. An index, kept between the
// pages and the footer, says where each page lies, what its checksum is, and
// which rows are whose: a question reads the pages of one metric and nothing
// else. A seal, kept in the footer's key-value metadata, is a checksum over
// everything behind the pages. A flipped bit anywhere is an error when it is
// read, never another answer. docs/store.md describes the format.
//
//	f, err := dayfile.Open(r, size)
//	err = f.Scan(fleet.CPUUsage, 0, len(f.Runs()), new(dayfile.Scratch),
//		func(run int, values []int32, present []bool) error {
//			builder.AddRun(values, int64(f.Runs()[run].Step))
//			return nil
//		})
//
// The package knows nothing of directories, names of files, records or what
// makes a set of files consistent; see the package store for that. It reads
// Parquet files of its own making only.
package dayfile
