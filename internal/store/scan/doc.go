// Package scan answers questions over sealed day files: profiles and series,
// cut at steps, records and hours.
//
// Files are sorted by host, then time, and say in their index which rows are
// whose and when they begin and end. So a profile of a whole window reads one
// column and nothing else; only where a boundary falls inside a host's day are
// that host's times looked at, and for regular rows they are computed.
//
// Hosts are worked on in blocks of neighbours, day after day, several blocks at
// once; answers come in the order of hosts. The package keeps no state: all it
// knows is in the View.
package scan
