package pricing

import (
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// SustainedUse is GCP's discount for running a large part of a calendar month.
// Each quarter of the month is charged at a share of the list price that falls
// from quarter to quarter; the zero value discounts nothing.
type SustainedUse struct {
	// Shares are what the four quarters are charged at, over Of.
	Shares [4]int64
	Of     int64
	Source string
}

const sustainedSource = "https://cloud.google.com/compute/docs/sustained-use-discounts"

// SustainedUseOf returns the rule of a type: up to 30 % on N1, M1, M2, f1-micro
// and g1-small, up to 20 % on N2, N2D and C2, nothing on anything else. It is
// decided by the discount in the specification.
func SustainedUseOf(s *Specification) SustainedUse {
	if s == nil || !s.SustainedUseDiscount.Known {
		return SustainedUse{}
	}
	switch s.SustainedUseDiscount.Value {
	case money.FromScaled(3, 1): // 100, 80, 60, 40 %
		return SustainedUse{Shares: [4]int64{5, 4, 3, 2}, Of: 5, Source: sustainedSource}
	case money.FromScaled(2, 1):
		// Even steps to 60 %: 100, 86.67, 73.33, 60 %, together 20 % off, as the page
		// says. Its table has 86.78 and 73.3 in between, together 19.98 % off; the two
		// differ by 0.06 % of a cost at most.
		return SustainedUse{Shares: [4]int64{15, 13, 11, 9}, Of: 15, Source: sustainedSource}
	}
	return SustainedUse{}
}

// Charge returns what a host pays at a price per hour for running for run, when
// it had been running for before since the calendar month began; month is the
// length of that month. Amounts of adjacent periods of one month sum exactly to
// that of their union. Running beyond the end of the month is charged like its
// last quarter.
func (s SustainedUse) Charge(perHour money.Price, month, before, run time.Duration) money.Amount {
	full := perHour.Times(run)
	if s.Of == 0 || month <= 0 {
		return full
	}
	var charged int64 // in shares x nanoseconds x 4, split so that it fits
	total := money.Zero(perHour.Currency())
	for i, share := range s.Shares {
		// Quarters begin at i x month / 4; four times all lengths keeps them whole.
		from, to := int64(i)*int64(month), int64(i+1)*int64(month)
		if i == len(s.Shares)-1 {
			to = max(to, 4*int64(before+run))
		}
		charged = min(4*int64(before+run), to) - max(4*int64(before), from)
		if charged <= 0 {
			continue
		}
		part := perHour.Times(time.Duration(charged)).Fraction(money.Whole(share), money.Whole(4*s.Of))
		var err error
		if total, err = total.Add(part); err != nil {
			panic("BUG: " + err.Error())
		}
	}
	return total
}

// ChargeMachine is [SustainedUse.Charge] of a price of which only a part, that of
// the machine, is discounted; the rest is charged in full.
func (s SustainedUse) ChargeMachine(perHour, machine money.Price, month, before, run time.Duration) money.Amount {
	total, err := less(perHour, machine).Times(run).Add(s.Charge(machine, month, before, run))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return total
}

// FullMonth returns the average price of an hour of a host that runs all month
// at a price per hour: the price less the sustained-use discount of its type.
func FullMonth(perHour money.Price, s *Specification) money.Price {
	u := SustainedUseOf(s)
	if u.Of == 0 {
		return perHour
	}
	sum := int64(0)
	for _, share := range u.Shares {
		sum += share
	}
	return perHour.Scale(money.Whole(sum)).Over(money.Whole(4 * u.Of))
}
