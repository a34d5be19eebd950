package azure

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// BenchmarkRegion reads a region of 1,000 sizes, 12,000 rows in pages of 1,000,
// from a server on this machine, and reports the heap that is alive at the last
// page.
func BenchmarkRegion(b *testing.B) {
	var rows []m
	for i := range 1000 {
		for _, r := range sample() {
			if strings.HasPrefix(r["armSkuName"].(string), "Standard_") {
				r["armSkuName"] = fmt.Sprintf("Standard_D%ds_v3", i)
			}
			rows = append(rows, r)
		}
	}
	f := newFake(b, rows...)
	f.pageSize = 1000
	o := f.options()
	var before, last runtime.MemStats
	o.Progress = func(p Progress) {
		if p.List == "virtual machines" && p.Pages == 11 && !p.Done {
			runtime.GC()
			runtime.ReadMemStats(&last)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		items, err := collect(b, New(o), "eastus")
		if err != nil || len(items) != 9000 {
			b.Fatal(err, len(items))
		}
	}
	b.ReportMetric(float64(int64(last.HeapAlloc)-int64(before.HeapAlloc))/(1<<20), "MiB-alive")
}
