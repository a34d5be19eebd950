package azure

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/pricing"
)

func decodeSKU(raw []byte) *armcompute.ResourceSKU {
	var s armcompute.ResourceSKU
	if json.Unmarshal(raw, &s) != nil {
		return nil
	}
	return &s
}

// FuzzPage reads any bytes as a page: an error or rows, never a panic, and no
// offer without a price above zero.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"Items":[` + quoted(sample()[0]) + `,` + quoted(sample()[6]) + `],"NextPageLink":null,"Count":2}`))
	f.Add([]byte(`{"Items":[{"currencyCode":"USD","retailPrice":1e-5,"unitOfMeasure":"1 Hour"}],"NextPageLink":"x"}`))
	f.Add([]byte(`{"Items":[{"tierMinimumUnits":1e308,"savingsPlan":[{}]}`))
	f.Add([]byte(`{"Items":[` + quoted(sample()[0]) + `,` + quoted(fee(rhel, "2 vCPU VM License", 0.0288)) + `,` + quoted(fee(sles, "1-2 vCPU VM Support", 0.1)) + `]}`))
	s := New(Options{})
	f.Fuzz(func(t *testing.T, page []byte) {
		vms := s.lists("eastus", today)
		r := &reading{source: s, skipped: make(map[string]int)}
		_, _ = decodePage(bytes.NewReader(page), func(row *row) error {
			for _, l := range vms {
				l.take(row, r.skip)
			}
			return nil
		})
		for _, l := range vms {
			for item := range l.settle(r) {
				if o := item.Offer; o != nil && (o.PerHour.Sign() <= 0 || o.InstanceType == "" || o.Purchase.Committed() != (o.Term.Years > 0)) {
					t.Errorf("%+v", o)
				}
			}
		}
	})
}

// FuzzSKU reads any bytes as a Resource SKU.
func FuzzSKU(f *testing.F) {
	f.Add([]byte(quoted(sku("Standard_D2s_v3", "vCPUs", "2", "MemoryGB", "8", "MaxResourceVolumeMB", "1", "NvmeDiskSizeInMiB", "9223372036854775807"))))
	f.Add([]byte(quoted(sku("Standard_NC6", "GPUs", "NaN", "MemoryGB", "1e40"))))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, ok := specification(decodeSKU(raw))
		if ok && (s.VCPUs.Value < 0 || s.MemoryBytes.Value < 0 || s.LocalDisk.Value.GiB < 0 || !(s.GPUs.Value >= 0)) {
			t.Errorf("%+v", s)
		}
	})
}

// The order of the rows does not matter, and neither does reading some twice.
func TestOrderOfRowsProperty(t *testing.T) {
	s := New(Options{})
	rapid.Check(t, func(t *rapid.T) {
		var rows []row
		for range rapid.IntRange(1, 12).Draw(t, "rows") {
			raw := vm(rapid.SampledFrom([]string{"Standard_A1", "Standard_A2"}).Draw(t, "size"),
				rapid.SampledFrom([]string{"A Series", "A Series Windows"}).Draw(t, "product"),
				rapid.SampledFrom([]float64{0, 0.1, 0.2}).Draw(t, "price"),
				m{"isPrimaryMeterRegion": rapid.Bool().Draw(t, "primary"), "tierMinimumUnits": rapid.SampledFrom([]float64{0, 10}).Draw(t, "tier")})
			var r row
			if err := json.Unmarshal([]byte(quoted(raw)), &r); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, r)
		}
		settle := func(rows []row) string {
			l := s.lists("eastus", today)[0]
			for i := range rows {
				l.take(&rows[i], func(string) {})
			}
			var items []pricing.Item
			for i := range l.settle(&reading{source: s, skipped: make(map[string]int)}) {
				items = append(items, i)
			}
			return strings.Join(lines(items), "\n")
		}
		want := settle(rows)
		mixed := append(rapid.Permutation(rows).Draw(t, "order"), rows[0])
		if got := settle(mixed); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}
