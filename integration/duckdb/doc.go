// Package duckdb holds tests alone: they run the DuckDB queries of
// docs/queries.md, as they stand there, over data directories that leanfleet
// wrote, and hold what they give against leanfleet's own answers.
//
// It is a module of its own because DuckDB is C++ (cgo, some 60 MB), which
// nobody who builds leanfleet should need. Where go.mod of the root asks for a
// newer version of something, go get -t . in this folder follows it.
package duckdb
