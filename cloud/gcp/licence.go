package gcp

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// The premium operating systems have SKUs of their own, one for each version,
// the same in all regions and whatever the purchase option of the machine: a
// spot machine and one under a commitment pay them in full. What a unit is
// stands in no field of the list:
//
//	Windows Server            an hour of a vCPU, or of f1-micro or g1-small
//	Red Hat Enterprise Linux  an hour of a vCPU, by the vCPUs of the machine
//	                          (since July 2024; SKUs for 1 to 4 and for 6 or more
//	                          vCPUs are those of the model before)
//	  for SAP                 the same
//	SUSE Linux Enterprise     an hour of a machine, or of f1-micro or g1-small
//	  for SAP                 the same, by the vCPUs of the machine
//
// Sources: the page on disk and image pricing of Compute Engine
// (cloud.google.com/compute/disks-image-pricing), by which an SLES image costs
// 0.02 an hour on f1-micro and 0.11 on n1-standard-8 and RHEL is billed by the
// vCPU; and the public calculators that read the same SKUs.
//
// Not told by it, so that there is no price: E2's shared-core types, of which
// it is open whether 2 vCPUs count or their part; Arm and bare metal; RHEL on
// f1-micro and g1-small; and a machine whose vCPUs no SKU is for.

// premium is an operating system with a licence.
type premium struct{ os, name string }

var premiums = [...]premium{
	{pricing.Windows, "Windows Server"}, {pricing.RHEL, "Red Hat Enterprise Linux"}, {pricing.SUSE, "SUSE Linux Enterprise Server"},
	{pricing.RHELForSAP, "Red Hat Enterprise Linux for SAP"}, {pricing.SUSEForSAP, "SUSE Linux Enterprise Server for SAP"},
}

// licence is what a SKU of a licence is for.
type licence struct {
	version  string // of the operating system
	machine  string // f1-micro or g1-small, for these alone
	from, to int16  // vCPUs of the machine; to is 0 where it is open
	perVCPU  bool
	// other says that the SKU prices memory or GPUs, by a rule that nobody
	// tells: where it is not free, the system has no price.
	other bool
}

// The reasons for which a licence is left out.
const (
	skipLicence      = "other licence"
	skipOldLicence   = "licence of the price model before July 2024"
	skipBrought      = "licence brought along"
	skipLicencePrice = "licences: versions differ, or a part is priced that nobody tells how"
	skipNoLicence    = "licences: none known for a type"
)

const licenceStart = "licensing fee for "

var (
	windowsLicence = regexp.MustCompile(`^windows server (20[0-9]{2}(?: r2)?) datacenter(?: core)? edition (.+)$`)
	rhelLicence    = regexp.MustCompile(`^red ?hat enterprise linux ([0-9]{1,2})( for sap with high availability and update services)? (.+)$`)
	suseLicence    = regexp.MustCompile(`^suse linux enterprise server ([0-9]{1,2}) (.+)$`)
	slesSAPLicence = regexp.MustCompile(`^sles ([0-9]{1,2}) for sap license (.+)$`)
	licenceBand    = regexp.MustCompile(`^on vm with (?:up to ([0-9]{1,4})|([0-9]{1,4}) to ([0-9]{1,4})|([0-9]{1,4})|([0-9]{1,4}) (?:vcpu )?or more)(?: vcpu)?$`)
)

// describeLicence reads a description in lower case behind its first words.
func describeLicence(k *rateKey, s string) (reason string) {
	k.part = partLicence
	if strings.Contains(s, "byol") {
		return skipBrought
	}
	l := &k.licence
	var rest string
	if m := windowsLicence.FindStringSubmatch(s); m != nil {
		k.name, l.version, rest, l.perVCPU = pricing.Windows, m[1], m[2], true
		if rest == "on vm" || rest == "(cpu cost)" {
			return ""
		}
	} else if m := rhelLicence.FindStringSubmatch(s); m != nil {
		k.name, l.version, rest, l.perVCPU = pricing.RHEL, m[1], m[3], true
		if m[2] != "" {
			k.name = pricing.RHELForSAP
		}
		if rest == "on f1-micro" || rest == "on g1-small" || rest == "on vm with 1 to 4 vcpu" || rest == "on vm with 6 or more vcpu" {
			return skipOldLicence
		}
		if l.band(rest) {
			return ""
		}
	} else if m := suseLicence.FindStringSubmatch(s); m != nil {
		k.name, l.version, rest = pricing.SUSE, m[1], m[2]
		if rest == "(cpu cost)" {
			return ""
		}
	} else if m := slesSAPLicence.FindStringSubmatch(s); m != nil {
		k.name, l.version, rest = pricing.SUSEForSAP, m[1], m[2]
		if l.band(rest) {
			return ""
		}
	} else {
		return skipLicence
	}
	switch rest {
	case "(ram cost)", "(gpu cost)":
		l.other = true
		return ""
	case "on f1-micro", "on g1-small":
		l.machine, l.perVCPU = strings.TrimPrefix(rest, "on "), false
		return ""
	}
	return skipLicence
}

// band reads for how many vCPUs a licence is, such as "on vm with 9 to 127
// vcpu", "up to 8", "4" or "128 vcpu or more".
func (l *licence) band(s string) bool {
	m := licenceBand.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	number := func(s string) int16 { n, _ := strconv.Atoi(s); return int16(n) } // four digits at most
	switch {
	case m[1] != "":
		l.from, l.to = 1, number(m[1])
	case m[2] != "":
		l.from, l.to = number(m[2]), number(m[3])
	case m[4] != "":
		l.from, l.to = number(m[4]), number(m[4])
	default:
		l.from = number(m[5])
	}
	return l.from > 0 && (l.to == 0 || l.to >= l.from)
}

// fits reports whether the licence is for a type, by its name for f1-micro and
// g1-small, which no other licence is for, else by its vCPUs.
func (l *licence) fits(name string, vcpus int) bool {
	if name == "f1-micro" || name == "g1-small" || l.machine != "" {
		return l.machine == name
	}
	return int(l.from) <= vcpus && (l.to == 0 || vcpus <= int(l.to))
}

// licensed are the licences of a premium operating system.
type licensed struct {
	premium
	keys    []rateKey
	spoiled bool // no price of it can be trusted
}

// licences returns the licences that the list has, by operating system.
func (c *composer) licences() []licensed {
	var all []licensed
	for _, p := range premiums {
		l := licensed{premium: p}
		for k, r := range c.rates {
			if k.part == partLicence && k.name == p.os {
				l.keys = append(l.keys, k)
				l.spoiled = l.spoiled || k.licence.other || r.clash
			}
		}
		if len(l.keys) > 0 {
			all = append(all, l)
		}
	}
	return all
}

// price returns what an hour of the licence costs on a type. All versions have
// to agree: a question names the system, not its version. The reason is empty
// where it is known.
func (c *composer) price(l *licensed, name string, vcpus int) (price money.Price, start time.Time, reason string) {
	if l.spoiled {
		return price, start, skipLicencePrice
	}
	for _, k := range l.keys {
		if !k.licence.fits(name, vcpus) {
			continue
		}
		r := c.rates[k]
		of := r.price
		if k.licence.perVCPU {
			of = of.Scale(money.Whole(int64(vcpus)))
		}
		if !price.IsZero() && price != of {
			return price, start, skipLicencePrice
		}
		price, start = of, later(start, r.start)
	}
	if price.IsZero() {
		return price, start, skipNoLicence
	}
	return price, start, ""
}

// withLicences yields an offer with Linux for each premium operating system
// that has a known licence for the type. It is false where the consumer has
// enough.
func (c *composer) withLicences(all []licensed, linux *pricing.Offer, vcpus int, put func(pricing.Item) bool) bool {
	for i := range all {
		l := &all[i]
		price, start, reason := c.price(l, linux.InstanceType, vcpus)
		if reason != "" {
			if linux.Purchase == pricing.OnDemand {
				c.skipped[reason]++
			}
			continue
		}
		o, err := pricing.WithLicence(linux, l.os, l.name, price)
		if err != nil {
			continue // another currency, which the list refuses long before
		}
		o.ValidFrom = later(o.ValidFrom, start)
		if !put(pricing.Item{Offer: &o}) {
			return false
		}
	}
	return true
}

// mayBeLicensed reports whether what is known of a type settles how a licence
// counts its vCPUs.
func mayBeLicensed(s *pricing.Specification) bool {
	_, shared := sharedCore[s.InstanceType]
	return s.Arch.Known && s.Arch.Value == "x86_64" && s.VCPUs.Known && !shared && !s.BilledVCPUs.Known && !strings.HasSuffix(s.InstanceType, "-metal")
}
