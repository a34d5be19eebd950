// Package head holds the samples that are acknowledged but not sealed: in
// memory, compact and ready to be read, and in a log on disk.
//
//	DATA/head/000042.db   bbolt: one generation of the log; numbers are never reused
//
// A [Strip] is the rows of one host, or of one process group of it, in one UTC
// day: delta-packed chunks, and the newest rows as plain columns. A copy of a
// Strip is a snapshot, which stays as it is while rows are pushed and spliced.
//
// A [Generation] is a file of the log. A commit is one transaction with one
// record: the batches of any number of callers. What records have in common,
// the definitions of metrics, the names of hosts, are written where they are
// first used in a generation, and numbered from there on.
//
//	g, err := head.Create(ctx, options, 42)
//	err = g.Add(&batch)   // encodes
//	err = g.Commit()      // durable
//
// The package does not know which rows win over others, which days are sealed,
// or who may write; see the package store for that.
package head
