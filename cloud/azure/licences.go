package azure

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/leanfleet/leanfleet/pricing"
)

// The list has no virtual machines with Red Hat's or SUSE's Linux: they are
// those with Linux and a licence for a VM of so many vCPUs, which the service
// "Virtual Machines Licenses" prices once for all regions. Reservations and
// savings plans are for the machine alone; its licence is paid by the hour all
// the same. Spot prices with a licence are not made: that the licence costs the
// same there stands nowhere.

// distribution is a Linux with a licence and the product that prices it.
type distribution struct{ os, product string }

var distributions = []distribution{
	{pricing.RHEL, "Red Hat Enterprise Linux"},
	{pricing.SUSE, "SUSE Linux Enterprise Server Standard"},
}

// The further reasons for which a row or a size is left out.
const (
	skipOtherLicence = "other licence"
	skipOldLicence   = "licence of the price model before April 2024"
	skipNoVCPUs      = "size: vCPUs or their licence not known"
)

// band is the number of vCPUs that a licence is for; to is 0 where it is open.
type band struct{ from, to int }

// licenceMeter are the meters "4 vCPU VM License", "52-vCPU VM License", "1-2
// vCPU VM Support" and "5+ vCPU VM Support". Those of subscriptions that are
// brought along and of free ones have other names.
var licenceMeter = regexp.MustCompile(`^([0-9]{1,4})(?:-([0-9]{1,4})|(\+))?[ -]vCPU VM (?:License|Support)$`)

// bandOf reads the name of a meter.
func bandOf(meter string) (band, bool) {
	m := licenceMeter.FindStringSubmatch(meter)
	if m == nil {
		return band{}, false
	}
	from, _ := strconv.Atoi(m[1]) // four digits at most
	b := band{from, from}
	switch {
	case m[2] != "":
		b.to, _ = strconv.Atoi(m[2])
	case m[3] != "":
		b.to = 0
	}
	return b, from > 0 && (b.to == 0 || b.to >= b.from)
}

// licences makes offers of the licences of a distribution and the machines with
// Linux.
type licences struct {
	machines     *machines
	distribution distribution
	found        map[band]candidate
}

func (l *licences) take(r *row, skip func(string)) {
	b, ok := bandOf(r.MeterName)
	n, name := unit(r.UnitOfMeasure)
	region := strings.ToLower(r.ArmRegionName)
	var reason string
	switch {
	case !strings.EqualFold(r.ProductName, l.distribution.product), !ok:
		reason = skipOtherLicence
	case !strings.EqualFold(r.Type, "Consumption"):
		reason = skipUnknown
	case region != "" && region != "global" && region != l.machines.region:
		reason = skipRegion
	case l.distribution.os == pricing.RHEL && b.from != b.to:
		// Red Hat counts each number of vCPUs since then.
		reason = skipOldLicence
	case n != 1 || name != "hour":
		reason = skipUnit
	}
	if reason != "" {
		skip(reason)
		return
	}
	c := candidate{primary: r.PrimaryMeter, tier: r.TierMinimumUnits}
	var over bool
	if c.start, over = r.start(l.machines.at); over {
		skip(skipEnded)
		return
	}
	var err error
	if c.price, err = l.machines.source.price(r.RetailPrice.String()); err != nil {
		skip(err.Error())
		return
	}
	keep(l.found, b, c)
}

// licence returns that of a machine of so many vCPUs: the one for exactly as
// many, else the one of the band that holds them, of which there may be one
// only.
func (l *licences) licence(vcpus int) (candidate, bool) {
	if c, ok := l.found[band{vcpus, vcpus}]; ok {
		return c, !c.clash
	}
	var found candidate
	bands := 0
	for b, c := range l.found {
		if b.from <= vcpus && (b.to == 0 || vcpus <= b.to) {
			found = c
			bands++
		}
	}
	return found, bands == 1 && !found.clash
}

// settle yields the offers of the machines with Linux and a licence, in the
// order of their keys.
func (l *licences) settle(r *reading) iter.Seq[pricing.Item] {
	return func(yield func(pricing.Item) bool) {
		if len(l.found) == 0 {
			return
		}
		m := l.machines
		for _, k := range slices.SortedFunc(maps.Keys(m.found), compareOffers) {
			c := m.found[k]
			if k.os != pricing.Linux || k.purchase == pricing.Spot || c.clash {
				continue
			}
			vcpus, ok := vcpusOf(k.size)
			licence, known := l.licence(vcpus)
			if !ok || !known {
				if k.purchase == pricing.OnDemand {
					r.skip(skipNoVCPUs)
				}
				continue
			}
			price, err := c.price.Add(licence.price)
			if err != nil {
				r.skip(skipFigure)
				continue
			}
			o := &pricing.Offer{
				Provider: pricing.Azure, Region: m.region, InstanceType: k.size, OS: l.distribution.os,
				Purchase: k.purchase, Term: pricing.Term{Years: k.years}, PerHour: price, Upfront: c.upfront,
				ValidFrom: c.start, ObservedAt: m.at, Basis: pricing.Derived,
				Source: fmt.Sprintf("%s: linux and a licence of %s an hour (%s)", sourceName, licence.price.Number(), l.distribution.product),
			}
			if k.purchase == pricing.Reserved {
				o.Recurring = licence.price
			}
			if licence.start.After(o.ValidFrom) {
				o.ValidFrom = licence.start
			}
			if !yield(pricing.Item{Offer: o}) {
				return
			}
		}
	}
}

func compareOffers(a, b offerKey) int {
	return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.os, b.os), cmp.Compare(a.purchase, b.purchase), cmp.Compare(a.years, b.years))
}

// sizeName is a size whose number is that of its vCPUs, by the convention of
// Azure's names (learn.microsoft.com/azure/virtual-machines/vm-naming-conventions):
// family, vCPUs, features, version.
var (
	sizeName    = regexp.MustCompile(`^Standard_([A-Z]+)([0-9]{1,4})([a-z]*[0-9]?)(_.*)?$`)
	sizeVersion = regexp.MustCompile(`_v([0-9]{1,2})(?:_|$)`)
)

// countedOtherwise are the families that are older than the convention: their
// first two versions are numbered through.
var countedOtherwise = []string{"D", "DS", "G", "GS"}

// vcpusOf returns the vCPUs of an x86 size by its name. It is false for sizes
// that are older than the convention, have some of their vCPUs taken away, for
// which nothing says which number a licence counts, or are of Arm, for which no
// licence is listed.
func vcpusOf(size string) (int, bool) {
	m := sizeName.FindStringSubmatch(size)
	if m == nil || strings.Contains(m[3], "p") {
		return 0, false
	}
	version := 1
	if v := sizeVersion.FindStringSubmatch(m[4]); v != nil {
		version, _ = strconv.Atoi(v[1]) // two digits at most
	}
	if version < 3 && slices.Contains(countedOtherwise, m[1]) {
		return 0, false
	}
	n, err := strconv.Atoi(m[2])
	return n, err == nil && n > 0
}
