// Package chargeback answers what a fleet costs in a period, by owner: from the
// hosts' records, their state and a price book, by the second and to the cent.
//
//	result, err := chargeback.Report(ctx, chargeback.Environment{
//		Environment: env, Book: book,
//	}, chargeback.Request{Period: "2013-08", GroupBy: []string{"dept"}})
//
// A period is cut wherever something that decides about a cost changes; the
// pieces are priced exactly, and rounded once, from the total down, so that
// lines sum to groups and groups to the total. docs/chargeback.md has every
// rule. What is not known, a price above all, is said with its reason and never
// counted as zero.
//
// The package reads samples only to tell where nobody knows that a host ran; it
// charges by records. It fetches no prices, writes no files and reads no clock.
package chargeback
