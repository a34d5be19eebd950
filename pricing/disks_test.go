package pricing_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
)

// TestListedStorage: all prices of disks and addresses of a region, each with
// its layer, when it was last seen and whether it is gone.
func TestListedStorage(t *testing.T) {
	s := sheet(t, "s.yaml", "currency: USD\ndisks:\n  - {provider: aws, disk_type: san, price_per_gib_month: 0.01}\n  - {provider: aws, disk_type: GP3, price_per_gib_month: 0.05}\naddresses:\n  - {provider: aws, price_per_hour: 0.001, idle: true}\n")
	for _, c := range []struct {
		name  string
		sheet *pricing.Sheet
		want  []string
	}{
		{"lists alone", nil, []string{
			"fixed 32 live 2025-01-01 seen 2025-03-01", "fixed 64 live 2025-01-01 seen 2025-03-01", "gp2 0 live 2025-01-01 seen 2025-01-01 gone", "gp3 0 live 2025-02-01 seen 2025-03-01",
		}},
		// The sheet comes first, whatever the case of its letters.
		{"with a sheet", s, []string{
			"fixed 32 live 2025-01-01 seen 2025-03-01", "fixed 64 live 2025-01-01 seen 2025-03-01", "gp2 0 live 2025-01-01 seen 2025-01-01 gone", "GP3 0 sheet none seen none", "san 0 sheet none seen none",
		}},
	} {
		b := newBook(t, pricing.Options{Sheet: c.sheet})
		if got, err := b.ListedStorage("aws", "eu-west-1", time.Time{}, time.Time{}); err != nil || (len(got) > 0) != (c.sheet != nil) {
			t.Errorf("%s: nothing was read: %+v, %v", c.name, got, err)
		}
		disk := func(name string, size int64, price string) pricing.Item {
			o := &pricing.StorageOffer{Provider: "aws", Region: "us-east-1", DiskType: name, MaxGiB: size}
			if size > 0 {
				o.PerDiskMonth = usd(t, price)
			} else {
				o.PerGiBMonth = usd(t, price)
			}
			return pricing.Item{Storage: o}
		}
		address := pricing.Item{Address: &pricing.AddressOffer{Provider: "aws", Region: "us-east-1", PerHour: usd(t, "0.005")}}
		fixed := []pricing.Item{disk("fixed", 64, "3"), disk("fixed", 32, "1.5"), address}
		add(t, b, live(at(t, "2025-01-01"), true), append(fixed, disk("gp3", 0, "0.08"), disk("gp2", 0, "0.1")))
		add(t, b, live(at(t, "2025-02-01"), true), append(fixed, disk("gp3", 0, "0.09")))
		add(t, b, live(at(t, "2025-03-01"), true), append(fixed, disk("gp3", 0, "0.09")))
		day := func(x time.Time) string {
			if x.IsZero() {
				return "none"
			}
			return x.Format(time.DateOnly)
		}
		words := func(list []pricing.FoundStorage) []string {
			var out []string
			for _, f := range list {
				line := fmt.Sprintf("%s %d %s %s seen %s", f.DiskType, f.MaxGiB, f.Layer, day(f.ObservedAt), day(f.LastSeen))
				if f.Gone {
					line += " gone"
				}
				out = append(out, line)
			}
			return out
		}
		list, err := b.ListedStorage("aws", "us-east-1", time.Time{}, time.Time{})
		if got := words(list); err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
		// What was read later is not known on an earlier day.
		list, err = b.ListedStorage("aws", "us-east-1", time.Time{}, at(t, "2025-01-31"))
		if got := words(list); err != nil || got[0] != "fixed 32 live 2025-01-01 seen 2025-01-01" || got[2] != "gp2 0 live 2025-01-01 seen 2025-01-01" {
			t.Errorf("%s: in January %q, %v", c.name, got, err)
		}
		addresses, err := b.ListedAddresses("aws", "us-east-1", time.Time{}, time.Time{})
		if err != nil || len(addresses) != 1+len(c.want)-4 || addresses[0].Idle || day(addresses[0].LastSeen) != "2025-03-01" {
			t.Errorf("%s: %+v, %v", c.name, addresses, err)
		}
	}
}
