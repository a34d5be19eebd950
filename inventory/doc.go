// Package inventory knows what every host was, from when to when, and by
// which names it is known: records in time, aliases with validity, merges, the
// history of writes, and named host sets.
//
// A [Book] holds all hosts. Statements of a file or a cloud go in through
// [Book.Put]; what comes out are contiguous timelines of [fleet.Record]:
//
//	book := inventory.NewBook(types)
//	result, err := book.Put(statements, fleet.Put{At: now, Who: "ops", Why: "weekly import"})
//	id, ok := book.Resolve("web-1", at)  // as it was called then
//	for _, record := range book.Timeline(id) { ... }
//
// The rules, each with a worked example, are in docs/inventory.md. Filling a
// field that was unknown is learning and covers the past; a different value is
// a change and opens a record; a correction replaces. Contradictions are
// listed, never guessed.
//
// The package reads no file, no network and no clock. A Book is for one
// writer; what it returns is shared and read-only, and a [Book.Clone] may be
// read by any number of goroutines while the original is written on.
package inventory
