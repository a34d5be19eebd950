// Package gcp reads the prices of Compute Engine from the Cloud Billing Catalog
// API and, where there are credentials, what the machine types are from the
// Compute Engine API.
//
//	source := gcp.New(gcp.Options{APIKey: key, Now: time.Now, Types: known})
//	for item, err := range source.Items(ctx, "us-central1") {
//		if err != nil {
//			return err // the list is incomplete; what came before stays usable
//		}
//		items = append(items, item)
//	}
//
// What the list means. It has no prices of machine types: it prices a vCPU-hour
// and a GiB-hour of a series, and which SKU is which stands in its description
// only. The package knows these descriptions by their words, exactly; a
// description with any other word is counted as skipped, never taken for the
// one it resembles. The price of a type is
//
//	vCPUs x vCPU rate + GiB x GiB rate (+ GPUs x GPU rate) (+ local SSD GiB x GiB-month rate / 730)
//
// under each purchase option of which all rates are known, with 0.25, 0.5 and
// 1 vCPU for e2-micro, e2-small and e2-medium. f1-micro and g1-small have SKUs of
// their own. M2 is M1 plus its premium, on demand only. Types with GPUs are
// priced where the SKU of their GPU is known to be the right one (A2, G2); the
// others are left out.
//
// Licences are SKUs of their own, the same in all regions. An offer of Windows
// Server, RHEL, SLES and the latter two for SAP is that of Linux and the licence
// of a machine with as many vCPUs; spot and commitments pay it in full. Its
// basis is derived and its source says the licence. Where the versions of a
// system have different prices, a description is not known to the letter, or it
// is open what counts as a vCPU, there is no price for that system: licence.go
// says which.
//
// Custom machine types have no offers; their rates are components marked
// custom, extended memory with them, from which the price book makes prices.
// Sole tenancy, reservations, DWS and calendar mode are left out. The
// sustained-use discount is no price but a rule of package pricing.
//
// A SKU serves several regions; where two SKUs price one thing, the one that
// serves fewer regions counts. Two that serve as many and differ are left out
// and counted, never chosen from by guess. Of tiered rates the first that is
// not free counts. A commitment's rate is per hour of its term and has no
// upfront part.
package gcp
