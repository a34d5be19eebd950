// Package pricing says what instance types are and what they cost: offers with
// their date, basis and source, the price book that keeps them, own price
// sheets, commitments, specifications, equivalent types and what a person has
// to verify before a change of type.
//
//	book, err := pricing.NewBook(pricing.Options{Base: base}) // the embedded facts
//	...
//	found, err := book.Lookup(pricing.OfferQuery{
//		Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", OS: "linux",
//		Purchase: pricing.OnDemand, At: hour,
//	})
//	if errors.Is(err, pricing.ErrNoPrice) {
//		// an outcome with a reason, never a price of zero
//	}
//	cost := found.List.PerHour.Times(time.Hour)
//
// Three layers lie in a book: own sheets, live lists that were read from the
// providers, and the embedded facts beneath. List, contracted and effective
// prices are always apart. docs/prices.md has every rule with its formula.
//
// What a fleet pays under commitments says [Commitments.Apply] for an hour,
// [Commitments.Applier] for many, and [Commitments.Steady] for a month in which
// nothing changes, with what the change of one host would save.
//
// The package reads no file, no network and no clock, and it does not import
// the embedded catalogue: it takes what lies beneath as a [Base].
package pricing
