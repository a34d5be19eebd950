package files

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// independent sums the CPU ratios of hosts with 8 vCPUs as the standard library
// reads them.
func independent(t *testing.T, path string, sums map[string]int64) {
	t.Helper()
	metric := "cpu_usage"
	if strings.Contains(path, "max") {
		metric = "cpu_usage_peak"
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // read only
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	if _, err := r.Read(); err != nil {
		t.Fatal(err)
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if row[2] == "" {
			continue
		}
		cores, err := strconv.ParseFloat(row[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		sums[row[0]+" "+metric] += int64(math.Round(cores / 8 * 10000))
	}
}
