// Package local measures the machine it runs on, or one whose proc and sys file
// systems lie below a folder: every canonical metric of docs/metrics.md, and
// CPU and memory of named groups of processes.
//
//	c, err := local.New(local.Options{Now: clock, Groups: rules})
//	for { // what package collect does
//		c.Sample(ctx)             // every few seconds: finer samples for cpu_usage_peak
//		batches, err := c.Collect(ctx) // at the end of each interval
//	}
//
// A row stands for one interval of the grid (multiples of the interval since
// 1970) and is stamped with its start. Rates are differences between two
// readings; an interval is reported only when the readings around it tell of
// it: the machine was not suspended, the clock not set, the process not
// stopped meanwhile. Counters that were reset make their metric unknown for
// one interval, never a giant rate. What cannot be read is left out of the row and
// told in an error beside it.
//
// On Linux the numbers come from procfs and sysfs, elsewhere from gopsutil.
// The package reads no clock of its own, opens no connection and starts no
// process or goroutine.
package local
