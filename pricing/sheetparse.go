package pricing

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// The kinds of rows of a price sheet.
const (
	kindPrice    = "price"    // what the user pays for an instance type
	kindList     = "list"     // a list price of his own
	kindDiscount = "discount" // percent off the list price
	kindType     = "type"     // a machine type of his own
	kindDisk     = "disk"
	kindAddress  = "address"
)

var sheetKeys = []string{
	"provider", "region", "instance_type", "family", "os", "purchase", "years", "payment", "class",
	"price_per_hour", "currency", "percent", "valid_from", "valid_to",
	"vcpus", "memory_gib", "arch", "local_disk_gib", "gpus", "network_gbps",
	"disk_type", "price_per_gib_month", "idle", "note",
}

// ParseSheet reads a price sheet from CSV or YAML, told apart by the name:
// .yaml and .yml are YAML. docs/prices.md has the columns. An error names file
// and line; two prices for one thing name both.
func ParseSheet(name string, r io.Reader) (*Sheet, error) {
	records, err := readRecords(name, r, map[string]string{
		"prices": kindPrice, "lists": kindList, "discounts": kindDiscount, "types": kindType, "disks": kindDisk, "addresses": kindAddress,
	}, sheetKeys)
	if err != nil {
		return nil, err
	}
	s := &Sheet{prices: make(sheetPrices), lists: make(sheetPrices), specs: make(map[[2]string]Specification)}
	sum := sha256.New()
	for _, rec := range records {
		rec.text("note") // for people
		if err := s.take(rec); err != nil {
			return nil, err
		}
		s.named(rec)
		for _, key := range sortedKeys(rec.fields, strings.Compare) {
			if v := rec.fields[key]; v != "" && key != "note" {
				fmt.Fprintf(sum, "%s=%q ", key, v)
			}
		}
		fmt.Fprintln(sum, rec.kind)
	}
	if len(records) > 0 {
		s.digest = fmt.Sprintf("%x", sum.Sum(nil)[:8])
	}
	return s, nil
}

// kindOf returns the kind of a row that does not state one.
func kindOf(rec *record) string {
	switch f := rec.fields; {
	case f["percent"] != "":
		return kindDiscount
	case f["disk_type"] != "":
		return kindDisk
	case f["price_per_hour"] != "" && f["instance_type"] == "":
		return kindAddress
	case f["price_per_hour"] != "":
		return kindPrice
	}
	return kindType
}

func (s *Sheet) take(rec *record) error {
	if rec.kind == "" {
		rec.kind = kindOf(rec)
	}
	var err error
	switch rec.kind {
	case kindPrice, kindList:
		err = s.takePrice(rec)
	case kindDiscount:
		err = s.takeDiscount(rec)
	case kindType:
		s.takeType(rec)
		err = rec.done()
	case kindDisk:
		err = s.takeDisk(rec)
	case kindAddress:
		err = s.takeAddress(rec)
	default:
		err = fmt.Errorf("%s: unknown kind %q: use price, list, discount, type, disk or address", rec.source, rec.kind)
	}
	return err
}

func (rec *record) purchase() (Purchase, Term) {
	p := OnDemand
	if v := rec.text("purchase"); v != "" {
		var err error
		if p, err = ParsePurchase(v); err != nil {
			rec.fail("purchase", err)
		}
	}
	pay, err := ParsePayment(rec.text("payment"))
	if err != nil {
		rec.fail("payment", err)
	}
	t := Term{Years: rec.count("years"), Payment: pay, Class: rec.text("class")}
	if p.Committed() != (t.Years > 0) {
		rec.fail("years", errors.New("commitments need a term in years, other prices have none"))
	}
	return p, t
}

// otherSystems are operating systems that price lists do not tell apart and that
// an own sheet may price.
const otherSystems = "aix dragonfly esxi freebsd hp-ux illumos macos netbsd openbsd openindiana oracle proxmox solaris unikernel vmware z/os"

// ParseOS returns an operating system as prices tell them apart, of a word that
// somebody wrote down for a price: "Ubuntu 24.04" is linux. A system that price
// lists do not tell apart, such as "FreeBSD 14", stays as it is in lower case. A
// word that names none is an error with the nearest one.
func ParseOS(s string) (string, error) {
	if os, ok := PriceOS(s); ok {
		return os, nil
	}
	word := strings.ToLower(strings.TrimSpace(s))
	for name := range strings.FieldsSeq(otherSystems) {
		if strings.HasPrefix(word, name) {
			return word, nil
		}
	}
	names := []string{Linux, Windows, RHEL, SUSE, "ubuntu", "debian", "centos", "rocky", "almalinux", "fedora", "sles", "redhat"}
	names = append(names, strings.Fields(otherSystems)...)
	if near := nearest(names, word, 1); len(near) > 0 {
		return "", fmt.Errorf("unknown operating system %q: did you mean %s?", s, near[0])
	}
	return "", fmt.Errorf("unknown operating system %q: use linux, windows, rhel or suse", s)
}

func (rec *record) os() string {
	v := rec.text("os")
	if v == "" {
		return Linux
	}
	os, err := ParseOS(v)
	if err != nil {
		rec.fail("os", err)
	}
	return os
}

func (s *Sheet) takePrice(rec *record) error {
	o := Offer{Provider: rec.required("provider"), Region: rec.region(), InstanceType: rec.required("instance_type"), OS: rec.os(), Basis: Stated, Source: rec.source}
	o.Purchase, o.Term = rec.purchase()
	rec.required("price_per_hour")
	o.PerHour = rec.price("price_per_hour")
	o.ValidFrom, o.ValidTo = rec.span("valid_from", "valid_to")
	if rec.fields["vcpus"] != "" || rec.fields["memory_gib"] != "" {
		s.takeType(rec)
	}
	if err := rec.done(); err != nil {
		return err
	}
	what := kindPrice
	into := s.prices
	if rec.kind == kindList {
		what, into = "list price", s.lists
	}
	key := strings.Join([]string{what, o.Provider, cmp.Or(o.Region, "any region"), offerWords(&o)}, " ")
	if err := s.claimed(key, claim{o.ValidFrom, o.ValidTo, rec.source}); err != nil {
		return err
	}
	c := sheetCell{o.Provider, o.Region, o.InstanceType}
	into[c] = append(into[c], o)
	return nil
}

// region reads a region; * and nothing are any.
func (rec *record) region() string {
	if v := rec.text("region"); v != "*" {
		return v
	}
	return ""
}

func (s *Sheet) takeDiscount(rec *record) error {
	d := Discount{Provider: rec.required("provider"), Region: rec.region(), Family: rec.text("family"), Source: rec.source}
	rec.required("percent")
	d.Percent = rec.above("percent")
	if d.Percent.Cmp(money.Whole(100)) >= 0 {
		rec.fail("percent", fmt.Errorf("%s takes the whole price", d.Percent))
	}
	if rec.fields["os"] != "" {
		d.OS = rec.os()
	}
	if v := rec.text("purchase"); v != "" {
		var err error
		if d.Purchase, err = ParsePurchase(v); err != nil {
			rec.fail("purchase", err)
		}
	}
	d.ValidFrom, d.ValidTo = rec.span("valid_from", "valid_to")
	if err := rec.done(); err != nil {
		return err
	}
	key := "discount " + strings.Join([]string{d.Provider, cmp.Or(d.Region, "any region"), cmp.Or(d.Family, "any family"), cmp.Or(d.OS, "any system"), cmp.Or(string(d.Purchase), "any purchase option")}, ", ")
	if err := s.claimed(key, claim{d.ValidFrom, d.ValidTo, rec.source}); err != nil {
		return err
	}
	s.discounts = append(s.discounts, d)
	return nil
}

// takeType reads the specification of a machine type; the first row of a type
// that states a figure wins where all agree, see claimed.
func (s *Sheet) takeType(rec *record) {
	provider, typ := rec.required("provider"), rec.required("instance_type")
	spec := Specification{Provider: provider, InstanceType: typ}
	set := func(key string, f func()) {
		if rec.text(key) != "" {
			f()
		}
	}
	set("vcpus", func() { spec.VCPUs = Known(rec.count("vcpus"), rec.source) })
	set("memory_gib", func() {
		gib := rec.above("memory_gib")
		bytes := gib.Decimal().Mul(money.Whole(1 << 30).Decimal()).Round(0)
		if !bytes.BigInt().IsInt64() {
			rec.fail("memory_gib", errors.New("out of range"))
		}
		spec.MemoryBytes = Known(bytes.IntPart(), rec.source)
	})
	set("arch", func() {
		a := rec.fields["arch"]
		if a != "x86_64" && a != "arm64" {
			rec.fail("arch", fmt.Errorf("unknown architecture %q: use x86_64 or arm64", a))
		}
		spec.Arch = Known(a, rec.source)
	})
	set("family", func() { spec.Family = Known(rec.fields["family"], rec.source) })
	set("local_disk_gib", func() {
		gib := rec.number("local_disk_gib")
		spec.LocalDisk = Known(LocalDisk{Present: gib.Sign() > 0, GiB: gib.Decimal().InexactFloat64()}, rec.source)
	})
	set("gpus", func() { spec.GPUs = Known(rec.number("gpus").Decimal().InexactFloat64(), rec.source) })
	set("network_gbps", func() {
		spec.NetworkGbps, spec.NetworkKind = Known(rec.above("network_gbps").Decimal().InexactFloat64(), rec.source), NetworkBaseline
	})
	if rec.err != nil {
		return
	}
	// A machine of one's own is current, dedicated and general unless said.
	if provider == OnPremises {
		learn(&spec.Status, "current", rec.source)
		learn(&spec.Purpose, "general", rec.source)
		learn(&spec.CPUKind, CPUDedicated, rec.source)
		learn(&spec.GPUs, 0, rec.source)
	}
	key := [2]string{provider, typ}
	if old, ok := s.specs[key]; ok {
		for _, f := range fields() {
			if was, known := f.known(&old); known {
				if _, again := f.known(&spec); again && fmt.Sprint(f.value(&old)) != fmt.Sprint(f.value(&spec)) {
					rec.fail(f.name, fmt.Errorf("%s of %s differs from that at %s", f.name, typ, was))
				}
			}
		}
		spec = old.Merge(spec)
	}
	s.specs[key] = spec
}

func (s *Sheet) takeDisk(rec *record) error {
	o := StorageOffer{Provider: rec.required("provider"), Region: rec.region(), DiskType: rec.required("disk_type"), Basis: Stated, Source: rec.source}
	rec.required("price_per_gib_month")
	o.PerGiBMonth = rec.price("price_per_gib_month")
	o.ValidFrom = rec.day("valid_from")
	if err := rec.done(); err != nil {
		return err
	}
	key := strings.Join([]string{"disk", o.Provider, cmp.Or(o.Region, "any region"), o.DiskType, dayWords(o.ValidFrom)}, " ")
	if err := s.claimed(key, claim{source: rec.source}); err != nil {
		return err
	}
	s.storage = append(s.storage, o)
	return nil
}

func (s *Sheet) takeAddress(rec *record) error {
	o := AddressOffer{Provider: rec.required("provider"), Region: rec.region(), Idle: rec.bool("idle"), Basis: Stated, Source: rec.source}
	rec.required("price_per_hour")
	o.PerHour = rec.price("price_per_hour")
	o.ValidFrom = rec.day("valid_from")
	if err := rec.done(); err != nil {
		return err
	}
	key := strings.Join([]string{"address", o.Provider, cmp.Or(o.Region, "any region"), fmt.Sprint(o.Idle), dayWords(o.ValidFrom)}, " ")
	if err := s.claimed(key, claim{source: rec.source}); err != nil {
		return err
	}
	s.addresses = append(s.addresses, o)
	return nil
}

func dayWords(t time.Time) string {
	if t.IsZero() {
		return "always"
	}
	return "from " + t.Format(time.DateOnly)
}
