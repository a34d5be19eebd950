// Package azure reads the prices of Azure virtual machines, managed disks and
// public addresses from the Azure Retail Prices API, which needs no account,
// and, where there are credentials, what the sizes are from the Resource SKUs
// of a subscription.
//
//	source := azure.New(azure.Options{Now: time.Now})
//	for item, err := range source.Items(ctx, "eastus") {
//		if err != nil {
//			return err // the list is incomplete; what came before stays usable
//		}
//		items = append(items, item)
//	}
//
// What the list means. A size has several rows: Linux, Windows ("Windows"
// anywhere in the product name), spot (told by the names of SKU and meter), Low
// Priority, dev/test, Cloud Services and dedicated hosts; the last four are no
// price of a shared host and are left out, as are rows of 0 USD, which are
// placeholders. The price of a reservation is that of its whole term: it is
// divided by 8,760 hours a year and kept as Upfront too (paying by the month
// costs the same total). A reservation covers the machine and no Windows
// licence, so reservations are Linux offers only. A savings-plan rate of a
// Windows row that is not above the Linux rate lacks the licence and is left
// out. The savings plan is Azure's only one, so its Term has no class.
//
// Red Hat's and SUSE's Linux have no rows: they are Linux and a licence for so
// many vCPUs, which a service of its own prices. The offers made of both have
// the basis derived; licences.go says of which sizes and licences there are none.
//
// Where two rows give one thing two prices, the row of the primary meter
// region counts before others, then the lower tier, then the later start; rows
// that are still equal and differ in price are left out and counted, never
// chosen from by guess.
//
// Disks of fixed sizes ("Premium_LRS P10") carry the price of one disk for a
// month and the GiB of the size; Premium SSD v2 and Ultra carry the price of a
// GiB-month, which is the list's GiB-hour times 730. A standard public IPv4
// address costs the same used or idle. USD is what Azure charges; its lists in
// other currencies are for reference.
//
// The package neither stores nor caches anything, and never prints
// credentials, nor the user, password and query of a mirror's address. Expired
// credentials are [ErrCredentials].
package azure
