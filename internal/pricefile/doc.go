// Package pricefile keeps the price book of a data directory: it reads it,
// and adds to it so that a crash leaves the old file or the new one.
//
//	book, err := pricefile.Read(dir, options) // no file yet is an empty book
//
//	book, err = pricefile.Update(ctx, dir, options, func(b *pricing.Book) (*pricing.Book, error) {
//		_, err := b.Add(reading, items)
//		return b, err
//	})
//
// Readers need no lock. Writers wait for each other, each starts from what the
// one before it wrote, and nothing is held while prices are being fetched.
package pricefile
