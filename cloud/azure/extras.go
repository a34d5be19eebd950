package azure

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// tierGiB are the sizes of the fixed-size disks by the number in their names: a
// P10, an E10 and an S10 all have up to 128 GiB.
var tierGiB = map[string]int64{
	"1": 4, "2": 8, "3": 16, "4": 32, "6": 64, "10": 128, "15": 256, "20": 512,
	"30": 1024, "40": 2048, "50": 4096, "60": 8192, "70": 16384, "80": 32767,
}

// diskNames are the names by which the compute API knows the kinds of disk, by
// the letter of their tiers and the name of their meters.
var diskNames = map[string]string{"P": "Premium", "E": "StandardSSD", "S": "Standard", "Premium": "PremiumV2", "Ultra": "UltraSSD"}

var (
	tierMeter     = regexp.MustCompile(`^([PES])([0-9]+) (LRS|ZRS) Disks?$`)
	capacityMeter = regexp.MustCompile(`^(Premium|Ultra) (LRS|ZRS) Provisioned Capacity$`)
)

const addressMeter = "Standard IPv4 Static Public IP"

// extraKey is a kind of disk, or the address where disk is empty.
type extraKey struct {
	disk   string
	perGiB bool
	gib    int64
	hourly bool
}

// extras makes prices of the rows of disks and addresses.
type extras struct {
	region string
	at     time.Time
	source *Source
	found  map[extraKey]candidate
}

// extraOf says what a row prices, or why it is left out: most rows of these
// lists are operations, snapshots, throughput and the like.
func extraOf(r *row) (extraKey, string) {
	n, name := unit(r.UnitOfMeasure)
	if n != 1 {
		return extraKey{}, skipUnit
	}
	if m := tierMeter.FindStringSubmatch(r.MeterName); m != nil {
		gib := tierGiB[m[2]]
		switch {
		case gib == 0:
			return extraKey{}, skipUnknown
		case name != "/month":
			return extraKey{}, skipUnit
		}
		return extraKey{disk: diskNames[m[1]] + "_" + m[3] + " " + m[1] + m[2], gib: gib}, ""
	}
	if m := capacityMeter.FindStringSubmatch(r.MeterName); m != nil {
		k := extraKey{disk: diskNames[m[1]] + "_" + m[2], perGiB: true}
		switch name {
		case "gib/hour":
			k.hourly = true
			return k, ""
		case "gib/month":
			return k, ""
		}
		return extraKey{}, skipUnit
	}
	if r.MeterName == addressMeter {
		if name != "hour" {
			return extraKey{}, skipUnit
		}
		return extraKey{hourly: true}, ""
	}
	return extraKey{}, "other meter"
}

func (e *extras) take(r *row, skip func(string)) {
	k, reason := extraOf(r)
	switch {
	case reason != "":
	case !strings.EqualFold(r.Type, "Consumption"):
		reason = skipUnknown
	case !strings.EqualFold(r.ArmRegionName, e.region):
		reason = skipRegion
	}
	if reason != "" {
		skip(reason)
		return
	}
	c := candidate{primary: r.PrimaryMeter, tier: r.TierMinimumUnits}
	var over bool
	if c.start, over = r.start(e.at); over {
		skip(skipEnded)
		return
	}
	var err error
	if c.price, err = e.source.price(r.RetailPrice.String()); err != nil {
		skip(err.Error())
		return
	}
	keep(e.found, k, c)
}

func (e *extras) settle(r *reading) iter.Seq[pricing.Item] {
	return func(yield func(pricing.Item) bool) {
		keys := slices.SortedFunc(maps.Keys(e.found), func(a, b extraKey) int {
			return cmp.Or(cmp.Compare(a.disk, b.disk), cmp.Compare(a.gib, b.gib))
		})
		for _, k := range keys {
			c := e.found[k]
			if c.clash {
				r.skip(skipAmbiguous)
				continue
			}
			for _, item := range e.items(k, c) {
				if !yield(item) {
					return
				}
			}
		}
	}
}

func (e *extras) items(k extraKey, c candidate) []pricing.Item {
	if k.disk == "" {
		var items []pricing.Item
		for _, idle := range []bool{true, false} {
			items = append(items, pricing.Item{Address: &pricing.AddressOffer{
				Provider: pricing.Azure, Region: e.region, PerHour: c.price, Idle: idle,
				ValidFrom: c.start, ObservedAt: e.at, Basis: pricing.Observed, Source: sourceName,
			}})
		}
		return items
	}
	o := &pricing.StorageOffer{
		Provider: pricing.Azure, Region: e.region, DiskType: k.disk,
		ValidFrom: c.start, ObservedAt: e.at, Basis: pricing.Observed, Source: sourceName,
	}
	switch {
	case k.perGiB && k.hourly:
		o.PerGiBMonth, o.MonthHours = c.price.Scale(money.Whole(pricing.HoursPerMonth)), pricing.HoursPerMonth
		o.Source = fmt.Sprintf("%s: GiB-hour x %d", sourceName, pricing.HoursPerMonth)
	case k.perGiB:
		o.PerGiBMonth = c.price
	default:
		o.PerDiskMonth, o.MaxGiB = c.price, k.gib
	}
	return []pricing.Item{{Storage: o}}
}
