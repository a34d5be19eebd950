package pricing

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// The providers whose rules this package knows. Any other name is allowed; own
// machines are "onprem" by habit.
const (
	AWS        = "aws"
	Azure      = "azure"
	GCP        = "gcp"
	OnPremises = "onprem"
)

// Purchase is how an instance is bought.
type Purchase string

// The purchase options. Everything but on demand and spot has a [Term].
const (
	OnDemand     Purchase = "on_demand"
	Spot         Purchase = "spot"
	Reserved     Purchase = "reserved"
	SavingsPlan  Purchase = "savings_plan"
	CommittedUse Purchase = "committed_use"
)

// ParsePurchase reads a purchase option in any case, with - or _.
func ParsePurchase(s string) (Purchase, error) {
	switch p := Purchase(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "-", "_")); p {
	case OnDemand, Spot, Reserved, SavingsPlan, CommittedUse:
		return p, nil
	}
	return "", fmt.Errorf("unknown purchase option %q: use on_demand, spot, reserved, savings_plan or committed_use", s)
}

// Committed reports whether the option is a commitment for a term.
func (p Purchase) Committed() bool { return p == Reserved || p == SavingsPlan || p == CommittedUse }

// Payment is when a commitment is paid.
type Payment string

// The payments of a commitment. The empty one is a provider's only one.
const (
	NoUpfront      Payment = "no_upfront"
	PartialUpfront Payment = "partial_upfront"
	AllUpfront     Payment = "all_upfront"
)

// ParsePayment reads a payment in any case, with blanks, - or _.
func ParsePayment(s string) (Payment, error) {
	switch p := Payment(strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(strings.TrimSpace(s)))); p {
	case "", NoUpfront, PartialUpfront, AllUpfront:
		return p, nil
	}
	return "", fmt.Errorf("unknown payment %q: use no_upfront, partial_upfront or all_upfront", s)
}

// Term is for how long and how a commitment is bought. The zero value is none.
type Term struct {
	Years   int     `json:"years,omitzero"`
	Payment Payment `json:"payment,omitzero"`
	// Class is the provider's class of commitment: standard or convertible for
	// reserved instances, compute or ec2_instance for savings plans.
	Class string `json:"class,omitzero"`
}

// String returns the term in words, such as "1 year no_upfront standard", and
// nothing for none.
func (t Term) String() string {
	if t == (Term{}) {
		return ""
	}
	parts := []string{fmt.Sprintf("%d years", t.Years)}
	if t.Years == 1 {
		parts[0] = "1 year"
	}
	for _, s := range []string{string(t.Payment), t.Class} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " ")
}

// The hours of a term by which providers turn a price for the whole term into
// one per hour: years of 365 days.
const (
	HoursPerYear  = 8760
	HoursPerMonth = 730 // only where a provider's own list counts months so
)

// Hours returns the hours of the term, 8,760 a year.
func (t Term) Hours() int { return t.Years * HoursPerYear }

// The operating systems that prices tell apart. Lists may hold others.
const (
	Linux   = "linux"
	Windows = "windows"
	RHEL    = "rhel"
	SUSE    = "suse"
	// The editions for SAP have licences of their own.
	RHELForSAP = "rhel_sap"
	SUSEForSAP = "suse_sap"
)

// PriceOS returns the operating system that a price list knows for one as an
// inventory writes it: "Ubuntu 24.04" is priced as linux, "Windows Server
// 2022" as windows, "SLES 15 for SAP" as suse_sap. It is false for a name that
// says none of them, the empty one included.
func PriceOS(os string) (string, bool) {
	s := strings.ToLower(os)
	sap := strings.Contains(s, "sap")
	for _, k := range []struct{ os, sap, words string }{
		{Windows, "", "windows win32"},
		{RHEL, RHELForSAP, "rhel redhat red_hat red-hat red\u00a0hat"},
		{SUSE, SUSEForSAP, "suse sles"},
	} {
		for w := range strings.FieldsSeq(k.words) {
			if strings.Contains(s, w) || k.os == RHEL && strings.Contains(s, "red hat") {
				if sap && k.sap != "" {
					return k.sap, true
				}
				return k.os, true
			}
		}
	}
	for w := range strings.FieldsSeq("linux ubuntu debian centos rocky alma fedora amzn arch coreos flatcar bottlerocket unix") {
		if strings.Contains(s, w) {
			return Linux, true
		}
	}
	return "", false
}

// Basis says how a price came to be.
type Basis string

// The bases. An observed price stands in a provider's list as it is; an
// inferred one was worked out from neighbouring rows; a derived one was put
// together from component prices by the provider's own rule; a stated one
// stands in the user's own sheet.
const (
	Observed Basis = "observed"
	Inferred Basis = "inferred"
	Derived  Basis = "derived"
	Stated   Basis = "stated"
)

// Offer is the price of an instance type in a region under one purchase option
// and for one operating system, on shared tenancy. Discounts that a host gets
// by itself are not in it.
type Offer struct {
	Provider, Region, InstanceType string
	OS                             string
	Purchase                       Purchase
	Term                           Term // zero unless Purchase is a commitment
	// PerHour is what an hour costs, with what was paid upfront spread over the
	// hours of the term. See [Amortised].
	PerHour money.Price
	// Upfront is paid once at the start of the term, Recurring per hour of it;
	// no price where the list does not tell.
	Upfront, Recurring money.Price
	// ValidFrom is when the provider says the price holds from; zero is unknown.
	ValidFrom time.Time
	// ValidTo is when a price of an own sheet ends; zero is open.
	ValidTo time.Time
	// ObservedAt is when the list was read.
	ObservedAt time.Time
	Basis      Basis
	// Source is where it stands, such as "aws price list bulk" or
	// "prices.yaml:12".
	Source string
}

// Amortised returns the effective price per hour of a commitment that costs
// upfront once and recurring in each hour of its term: upfront / hours of the
// term + recurring, the quotient rounded half away from zero to 12 decimals.
// Either may be no price.
func Amortised(upfront, recurring money.Price, t Term) (money.Price, error) {
	if t.Hours() <= 0 {
		return money.Price{}, fmt.Errorf("a commitment without a term in years")
	}
	return upfront.Over(money.Whole(int64(t.Hours()))).Add(recurring)
}

type offerJSON struct {
	Provider     string         `json:"provider"`
	Region       string         `json:"region"`
	InstanceType string         `json:"instance_type"`
	OS           string         `json:"os"`
	Purchase     Purchase       `json:"purchase"`
	Term         Term           `json:"term,omitzero"`
	PerHour      money.Price    `json:"price_per_hour"`
	Upfront      money.Price    `json:"upfront,omitzero"`
	Recurring    money.Price    `json:"recurring_per_hour,omitzero"`
	Currency     money.Currency `json:"currency"`
	ValidFrom    time.Time      `json:"valid_from,omitzero"`
	ValidTo      time.Time      `json:"valid_to,omitzero"`
	ObservedAt   time.Time      `json:"as_of,omitzero"`
	Basis        Basis          `json:"basis"`
	Source       string         `json:"source"`
}

// MarshalJSON writes the offer flat, its prices as number literals in the
// currency that stands beside them, ObservedAt as as_of.
func (o Offer) MarshalJSON() ([]byte, error) {
	return json.Marshal(offerJSON{o.Provider, o.Region, o.InstanceType, o.OS, o.Purchase, o.Term, o.PerHour, o.Upfront, o.Recurring,
		o.PerHour.Currency(), o.ValidFrom, o.ValidTo, o.ObservedAt, o.Basis, o.Source})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (o *Offer) UnmarshalJSON(b []byte) error {
	var j offerJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*o = Offer{j.Provider, j.Region, j.InstanceType, j.OS, j.Purchase, j.Term, withCurrency(j.PerHour, j.Currency), withCurrency(j.Upfront, j.Currency),
		withCurrency(j.Recurring, j.Currency), j.ValidFrom, j.ValidTo, j.ObservedAt, j.Basis, j.Source}
	return nil
}

func withCurrency(p money.Price, c money.Currency) money.Price {
	if p.IsZero() {
		return p
	}
	return p.In(c)
}

// StorageOffer is the price of block storage.
type StorageOffer struct {
	Provider, Region string
	DiskType         string // the provider's name: gp3, Premium_LRS P10, pd-balanced
	// PerGiBMonth is the price of a GiB for a month. Where the provider sells
	// disks of fixed sizes, PerDiskMonth is the price of one of up to MaxGiB
	// and PerGiBMonth is no price.
	PerGiBMonth  money.Price
	PerDiskMonth money.Price
	MaxGiB       int64
	// MonthHours is the length of the month the price is for: 730 where the
	// provider's list counts so, 0 for the calendar month.
	MonthHours int
	ValidFrom  time.Time
	ObservedAt time.Time
	Basis      Basis
	Source     string
}

// AddressOffer is the price of a public IPv4 address.
type AddressOffer struct {
	Provider, Region string
	PerHour          money.Price
	Idle             bool // the price of an address that no running host uses
	ValidFrom        time.Time
	ObservedAt       time.Time
	Basis            Basis
	Source           string
}

// ComponentOffer is the price of one vCPU-hour and one GiB-hour of a series, of
// which the prices of its machine types are made (GCP).
type ComponentOffer struct {
	Provider, Region, Family string
	Purchase                 Purchase
	Term                     Term
	// Custom says that the prices are those of custom machine types; a series
	// without such prices charges the predefined ones.
	Custom      bool
	PerVCPUHour money.Price
	PerGiBHour  money.Price
	// PerExtendedGiBHour is the price of memory beyond the series' ratio; no
	// price where it is not known.
	PerExtendedGiBHour money.Price
	ValidFrom          time.Time
	ObservedAt         time.Time
	Basis              Basis
	Source             string
}
