// Package head holds the samples that are acknowledged but not sealed: in
// memory, compact and ready to be read, and in a log on disk.
//
//	DATA/head/000042.log   one generation of the log; numbers are never reused
//
// A [Strip] is the rows of one host, or of one process group of it, in one UTC
// day: delta-packed chunks, and the newest rows as plain columns. A copy of a
// Strip is a snapshot, which stays as it is while rows are pushed and spliced.
//
// A [Generation] is a file of the log. A commit is one frame, written and synced
// at once, with one record, or several where it is long: the batches of any
// number of callers. What records have in common,
// the definitions of metrics, the names of hosts, are written where they are
// first used in a generation, and numbered from there on.
//
//	g, err := head.Create(ctx, options, 42)
//	g.Add(key, &batch)            // encodes
//	uncertain, err := g.Commit()  // durable
//
// The package does not know which rows win over others, which days are sealed,
// or who may write; see the package store for that.
package head
