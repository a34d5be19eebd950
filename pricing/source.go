package pricing

import (
	"context"
	"iter"
)

// Item is one thing that a price source found: exactly one field is set. The
// receiver owns it.
type Item struct {
	Offer     *Offer
	Storage   *StorageOffer
	Address   *AddressOffer
	Component *ComponentOffer
	Spec      *Specification
}

// PriceSource reads the lists of one provider.
type PriceSource interface {
	// Name returns the name of the provider as the offers carry it, such as
	// "aws".
	Name() string
	// Items yields what the provider's lists hold for one region, in any order.
	// An error ends the stream; what came before it stays usable, and the list
	// counts as incomplete, so that nothing in it is taken for gone. Rows that
	// are no list price of a shared host (other tenancies, zero placeholders,
	// licences brought along) are left out by the source; a price of zero that
	// still comes is refused by the book. Specifications may be yielded with any
	// region. Sources with more than one list yield them one after the other.
	Items(ctx context.Context, region string) iter.Seq2[Item, error]
	// Regions returns the regions that the provider prices.
	Regions(ctx context.Context) ([]string, error)
}
