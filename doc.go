// Package leanfleet measures fleets of virtual machines and decides about their
// cost. It is the library behind the leanfleet command: one [Monitor] on a data
// directory, one method for each operation.
//
//	m, err := leanfleet.Open(ctx, leanfleet.Options{Dir: "data"})
//	if err != nil { ... }
//	defer m.Close()
//	err = m.AddHost(ctx, "web-1", fleet.Tags{"dept": "eng"},
//		leanfleet.WithInstance("aws", "us-east-1", "m5.large"))
//	_, err = m.Append(ctx, batches)
//	stats, err := m.FleetStatistics(ctx, "cpu_usage", "7d", "dept")
//
// Every question is a Request and a Result of the package that answers it, such
// as [statistics.Request]; [Operations] lists them all, and the command line
// uses nothing else. Prices and cloud connections are given in Options by those
// who want them, so that embedding the library stays small.
package leanfleet
