package pricing

import (
	"fmt"
	"strings"

	"github.com/leanfleet/leanfleet/money"
)

// Licensed says that a price for an operating system holds the licence of it.
// Providers give no sustained-use discount on licences: see [Found.Machine].
func Licensed(os string) bool { return os != "" && os != Linux }

// licenceMark is how the source of an offer tells the licence in its price:
// ", licence of NAME 0.092 an hour" at its end.
const licenceMark, licencePer = ", licence of ", " an hour"

// WithLicence returns the offer of an operating system that costs what Linux
// does and a licence besides, whose price is for an hour of the machine. The
// basis is derived, and the source tells the licence by its name, so that its
// part of the price stays known.
func WithLicence(linux *Offer, os, name string, licence money.Price) (Offer, error) {
	o := *linux
	var err error
	if o.PerHour, err = o.PerHour.Add(licence); err != nil {
		return Offer{}, fmt.Errorf("add the licence of %s to %s: %w", name, o.InstanceType, err)
	}
	o.OS, o.Basis = os, Derived
	o.Source += licenceMark + name + " " + licence.Number().String() + licencePer
	return o, nil
}

// machineOf returns the part of an offer's price that is for the machine: all of
// it for Linux, what [WithLicence] added the licence to, and no price where the
// licence's part is not known.
func machineOf(o *Offer) money.Price {
	if !Licensed(o.OS) {
		return o.PerHour
	}
	i := strings.LastIndex(o.Source, licenceMark)
	text, ok := strings.CutSuffix(o.Source, licencePer)
	if o.Basis != Derived || i < 0 || !ok {
		return money.Price{}
	}
	licence, err := money.ParseNumber(text[strings.LastIndexByte(text, ' ')+1:])
	if err != nil || licence.Sign() <= 0 {
		return money.Price{}
	}
	machine := less(o.PerHour, money.PriceOf(licence, o.PerHour.Currency()))
	if machine.Sign() <= 0 {
		return money.Price{}
	}
	return machine
}

// less returns a price less another in its currency.
func less(p, other money.Price) money.Price {
	diff, err := p.Add(other.Scale(money.Whole(-1)))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return diff
}

// FullMonth returns the average price of an hour of a host of a type that runs
// all month: the contracted price less the sustained-use discount on the machine.
func (f *Found) FullMonth(s *Specification) money.Price {
	return fullMonth(f.Contracted, f.Machine, s)
}

// fullMonth is FullMonth of a price and the part of it that is for the machine.
func fullMonth(contracted, machine money.Price, s *Specification) money.Price {
	switch machine {
	case money.Price{}:
		return contracted
	case contracted:
		return FullMonth(contracted, s)
	}
	return less(contracted, less(machine, FullMonth(machine, s)))
}
