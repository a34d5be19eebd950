package pricing

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// Commitment is something the user has bought for a term: reserved instances,
// a savings plan, committed use. It costs the same whether it is used or not.
// One of three forms is set:
//
//   - instances: InstanceType and Count, at PerHour for each;
//   - resources: VCPUs and MemoryGiB, at PerVCPUHour and PerGiBHour;
//   - spend: Spend an hour, which covers use at discounted rates.
type Commitment struct {
	ID       string
	Kind     Purchase // reserved, savings_plan or committed_use
	Provider string
	// Region, Family, OS and Account narrow what is covered; empty is any. The
	// OS of instances and of resources, whose prices hold no licence, is linux
	// unless it is given.
	Region, Family, OS, Account string

	InstanceType string
	Count        int
	PerHour      money.Price // of one instance, upfront payment spread over the term
	// SizeFlexible lets instances cover other sizes of the family by AWS's
	// normalization factors: regional Linux reservations of AWS.
	SizeFlexible bool

	VCPUs, MemoryGiB        money.Number
	PerVCPUHour, PerGiBHour money.Price

	Spend money.Price
	// Percent is the discount on use that a spend commitment covers, where no
	// rate of the provider's list is to be used; zero asks the list.
	Percent money.Number

	Term       Term
	Start, End time.Time // half-open
	Source     string
}

// Active reports whether the commitment runs at t.
func (c *Commitment) Active(t time.Time) bool { return !t.Before(c.Start) && t.Before(c.End) }

// CostPerHour returns what the commitment costs an hour.
func (c *Commitment) CostPerHour() (money.Price, error) {
	switch c.form() {
	case formInstances:
		return c.PerHour.Scale(money.Whole(int64(c.Count))), nil
	case formResources:
		return ComponentPrice(ComponentOffer{PerVCPUHour: c.PerVCPUHour, PerGiBHour: c.PerGiBHour}, c.VCPUs, c.MemoryGiB, money.Number{})
	}
	return c.Spend, nil
}

type form int

const (
	formInstances form = iota
	formResources
	formSpend
)

func (c *Commitment) form() form {
	switch {
	case !c.Spend.IsZero():
		return formSpend
	case !c.VCPUs.IsZero():
		return formResources
	}
	return formInstances
}

// rank orders commitments as they are applied.
func (c *Commitment) rank() int {
	switch {
	case c.form() == formInstances && !c.SizeFlexible:
		return 0
	case c.form() == formInstances:
		return 1
	case c.form() == formResources:
		return 2
	case c.Family != "":
		return 3
	}
	return 4
}

// normalization has AWS's normalization factors in quarters.
var normalization = map[string]int64{
	"nano": 1, "micro": 2, "small": 4, "medium": 8, "large": 16, "xlarge": 32,
}

// normalizationOf returns the factor of a size in quarters: small is 4, xlarge
// is 32 and Nxlarge N times that.
func normalizationOf(instanceType string) (int64, bool) {
	_, size, ok := strings.Cut(instanceType, ".")
	if !ok {
		return 0, false
	}
	if f, ok := normalization[size]; ok {
		return f, true
	}
	var n int64
	if _, err := fmt.Sscanf(size, "%dxlarge", &n); err != nil || n < 2 || n > 1000 || size != fmt.Sprintf("%dxlarge", n) {
		return 0, false
	}
	return 32 * n, true
}

var commitmentKeys = []string{
	"id", "purchase", "provider", "region", "family", "instance_type", "os", "account", "count", "size_flexible",
	"vcpus", "memory_gib", "price_per_vcpu_hour", "price_per_gib_hour", "spend_per_hour", "percent",
	"price_per_hour", "upfront", "currency", "years", "payment", "class", "start", "end", "note",
}

// Commitments are the commitments of a user in the order they are applied:
// instances of one type, size-flexible instances, resources, spend within a
// family, other spend; within these by start, then id.
type Commitments struct {
	list   []Commitment
	digest string
}

// All returns the commitments. The slice is the caller's.
func (s *Commitments) All() []Commitment {
	if s == nil {
		return nil
	}
	return slices.Clone(s.list)
}

// ParseCommitments reads a commitments file from CSV or YAML (a list under the
// key commitments), told apart by the name. docs/prices.md has the columns. An
// error names file and line.
func ParseCommitments(name string, r io.Reader) (*Commitments, error) {
	records, err := readRecords(name, r, map[string]string{"commitments": "commitment"}, commitmentKeys)
	if err != nil {
		return nil, err
	}
	var list []Commitment
	for _, rec := range records {
		c, err := parseCommitment(rec)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return NewCommitments(list...)
}

// NewCommitments returns a set of commitments in the order they are applied.
// Two with one id are an error that names both sources.
func NewCommitments(list ...Commitment) (*Commitments, error) {
	s := &Commitments{list: slices.Clone(list)}
	slices.SortStableFunc(s.list, func(a, b Commitment) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), a.Start.Compare(b.Start), strings.Compare(a.ID, b.ID))
	})
	ids, sum := make(map[string]string), sha256.New()
	for _, c := range s.list {
		told := c
		told.Source = "" // where it stands changes nothing
		fmt.Fprintf(sum, "%+v\n", told)
		if at, twice := ids[c.ID]; twice {
			return nil, fmt.Errorf("two commitments with the id %q: %s and %s", c.ID, at, c.Source)
		}
		ids[c.ID] = c.Source
	}
	if len(s.list) > 0 {
		s.digest = fmt.Sprintf("%x", sum.Sum(nil)[:8])
	}
	return s, nil
}

// Revision returns the digest of what the commitments say, empty when there are
// none.
func (s *Commitments) Revision() string {
	if s == nil {
		return ""
	}
	return s.digest
}

func parseCommitment(rec *record) (Commitment, error) {
	rec.kind = "commitment"
	rec.text("note")
	c := Commitment{
		ID: rec.text("id"), Provider: rec.required("provider"), Region: rec.region(), Family: rec.text("family"), Account: rec.text("account"),
		InstanceType: rec.text("instance_type"), Count: rec.count("count"), SizeFlexible: rec.bool("size_flexible"),
		VCPUs: rec.above("vcpus"), MemoryGiB: rec.above("memory_gib"),
		PerVCPUHour: rec.price("price_per_vcpu_hour"), PerGiBHour: rec.price("price_per_gib_hour"),
		Spend: rec.price("spend_per_hour"), Percent: rec.above("percent"), Source: rec.source,
	}
	c.ID = cmp.Or(c.ID, rec.source)
	kind, err := ParsePurchase(rec.required("purchase"))
	if err == nil && !kind.Committed() {
		err = fmt.Errorf("%q is no commitment", kind)
	}
	if err != nil {
		rec.fail("purchase", err)
	}
	c.Kind = kind
	pay, err := ParsePayment(rec.text("payment"))
	if err != nil {
		rec.fail("payment", err)
	}
	c.Term = Term{Years: rec.count("years"), Payment: pay, Class: rec.text("class")}
	if rec.fields["os"] != "" {
		c.OS = rec.os()
	}
	recurring, upfront := rec.price("price_per_hour"), rec.price("upfront")
	rec.required("start")
	c.Start, c.End = rec.span("start", "end")
	if c.End.IsZero() && !c.Start.IsZero() {
		if c.Term.Years == 0 {
			rec.fail("end", errors.New("it is missing, and so is the term in years"))
		}
		c.End = c.Start.AddDate(c.Term.Years, 0, 0)
	}
	rec.text("currency")
	if err := rec.done(); err != nil {
		return c, err
	}
	return c, c.check(rec, recurring, upfront)
}

// check sees that one form is given in full, and sets the price per hour.
func (c *Commitment) check(rec *record, recurring, upfront money.Price) error {
	forms := 0
	for _, set := range []bool{c.InstanceType != "" || c.Count > 0, !c.VCPUs.IsZero() || !c.MemoryGiB.IsZero(), !c.Spend.IsZero()} {
		forms += number(set)
	}
	if forms != 1 {
		return fmt.Errorf("%s: give one of instance_type with count, vcpus with memory_gib, or spend_per_hour", rec.source)
	}
	fail := func(key, text string) error { return fmt.Errorf("%s: %s: %s", rec.source, key, text) }
	switch c.form() {
	case formInstances:
		c.Count, c.OS = max(c.Count, 1), cmp.Or(c.OS, Linux)
		_, sized := normalizationOf(c.InstanceType)
		switch {
		case c.InstanceType == "":
			return fail("instance_type", "it is missing")
		case recurring.IsZero() && upfront.IsZero():
			return fail("price_per_hour", "give it, or upfront, or both")
		case c.SizeFlexible && (c.Provider != AWS || c.OS != Linux || !sized):
			return fail("size_flexible", "only Linux reservations of AWS with a size in the name are")
		case !c.Percent.IsZero():
			return fail("percent", "it means nothing for instances")
		}
		var err error
		if c.PerHour, err = c.amortise(recurring, upfront); err != nil {
			return fail("upfront", err.Error())
		}
	case formResources:
		switch {
		case c.VCPUs.IsZero() || c.MemoryGiB.IsZero() || c.PerVCPUHour.IsZero() || c.PerGiBHour.IsZero():
			return fail("vcpus", "resources need vcpus, memory_gib, price_per_vcpu_hour and price_per_gib_hour")
		case c.Family == "":
			return fail("family", "resources need the family they are of")
		case !recurring.IsZero() || !upfront.IsZero():
			return fail("price_per_hour", "resources are priced by vCPU and GiB")
		}
	case formSpend:
		if !recurring.IsZero() || !upfront.IsZero() {
			return fail("price_per_hour", "spend_per_hour is the price")
		}
		if c.Percent.Cmp(money.Whole(100)) >= 0 {
			return fail("percent", "it takes the whole price")
		}
	}
	return nil
}

// amortise spreads an upfront payment over the hours between start and end.
func (c *Commitment) amortise(recurring, upfront money.Price) (money.Price, error) {
	if upfront.IsZero() {
		return recurring, nil
	}
	hours := money.Whole(max(1, int64(c.End.Sub(c.Start)/time.Hour)))
	return upfront.Over(hours).Add(recurring)
}
