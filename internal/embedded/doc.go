// Package embedded lets a price book lie on the embedded catalogue: it shows
// the facts of package catalog as the pricing.Base that a book takes.
//
//	c, err := catalog.Open()
//	if err != nil {
//		return err
//	}
//	book, err := pricing.NewBook(pricing.Options{Base: embedded.New(c)})
//
// Nothing is converted before it is asked for, and a question about one type
// converts that type alone.
package embedded
