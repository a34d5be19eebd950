// Package money holds exact amounts and unit prices in a named currency.
//
// A [Price] is what one unit costs, with all the digits its source states; an
// [Amount] is a sum, exact while it is added up and rounded to the digits of
// its currency once, at the very end. Neither ever passes through a float.
//
//	hour, err := money.ParsePrice("0.096", "USD")
//	if err != nil {
//		return err
//	}
//	day := hour.Times(24 * time.Hour)             // exactly 2.304 USD
//	parts, err := money.Split(day.Round(), weights) // sum to 2.30 to the last cent
//
// In JSON both are number literals with the currency beside them; read them
// into these types, since a decoder that goes through any would turn 12.30 into
// 12.3.
//
// The package converts only with a rate that a user gave or a dated rates file
// holds, and hands the rate back with the result. It knows no provider, no
// offer and no clock.
package money
