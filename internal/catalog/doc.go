// Package catalog holds the facts that leanfleet knows before it has asked
// anybody: instance types, their families, regions, list prices and the prices
// of GCP's components. They are embedded in the binary in a compact form of
// our own, written by the program in the folder generate.
//
//	c, err := catalog.Open()
//	if err != nil {
//		return err
//	}
//	m5, ok := c.Type(catalog.AWS, "m5.large")
//	for _, o := range c.Offers(catalog.AWS, "us-east-1", "m5.large") {
//		fmt.Println(o.Purchase, o.PricePerHour, o.AsOf.Format(time.DateOnly), o.Basis)
//	}
//
// A catalogue is immutable and safe for use by many goroutines. Its parts are
// decoded on first use and independently: a question about a type decodes no
// price, a price of one provider decodes no price of another.
//
// Unknown is a value here, never zero: a figure that may be missing is a
// [Known], a local disk has a state of its own, and a region or type without a
// price has no offer. The package does not fetch, convert or choose: live
// prices, own sheets, discounts and precedence belong to others.
package catalog
