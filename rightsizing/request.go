package rightsizing

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// The defaults of a [Request].
const (
	DefaultRange      = "60d"
	DefaultConfidence = 0.95
	DefaultMaxRisk    = 0.30
	DefaultOptions    = 3
)

// HoursPerMonth is the length of a month in all amounts of this package: a
// twelfth of a year of 365 days.
const HoursPerMonth = 730

// Environment is what a question runs in: the fleet's, the price book, and the
// commitments the user has bought; nil is none.
type Environment struct {
	fleet.Environment
	Prices      *pricing.Book
	Commitments *pricing.Commitments
	// Memory keeps what was read between questions; nil does not. Revision names
	// the state of the data, so that it changes with every sample and record;
	// where it is empty nothing is kept.
	Memory   *Memory
	Revision string
}

// Burstable says whether burstable types are candidates.
type Burstable string

// The choices about burstable types. Wherever one is a candidate, its baseline
// has to cover the mean demand of every day.
const (
	// BurstableKeep offers them to hosts that have one today; the default.
	BurstableKeep Burstable = "keep"
	// BurstableAllow offers them to every host.
	BurstableAllow Burstable = "allow"
	// BurstableExclude offers them to none.
	BurstableExclude Burstable = "exclude"
)

// Filter says which types are candidates.
type Filter struct {
	// Burstable is "keep" when empty.
	Burstable Burstable `json:"burstable,omitzero"`
	// AllowARM takes arm64 types for x86_64 hosts, and the other way round.
	AllowARM bool `json:"allow_arm,omitempty"`
	// AllowFamilies, where there are any, are the only families taken, whatever
	// their purpose and status. DenyFamilies are never taken.
	AllowFamilies []string `json:"allow_families,omitempty"`
	DenyFamilies  []string `json:"deny_families,omitempty"`
	// Spot adds today's type at its spot price to the options of each line.
	Spot bool `json:"spot,omitempty"`
	// Regions are further regions, and Providers further clouds in their region
	// nearest to the host's, of which the best type is added to the options of
	// each line. None of these is ever the type advised.
	Regions   []string `json:"regions,omitempty"`
	Providers []string `json:"providers,omitempty"`
}

// Request asks for a size for each host.
type Request struct {
	// Scope is which hosts and which history; its range ends at the as-of
	// instant and is 60 days by default.
	fleet.Scope
	Filter
	// Policy is a name that Policies returns; "" is "leanfleet".
	Policy string `json:"policy,omitempty"`
	// Confidence is the share of the hosts changed as advised that stay within
	// the limit, in (0, 1); 0 is 0.95.
	Confidence float64 `json:"confidence,omitzero"`
	// MaxRisk bounds the chance of breaking of every line, in (0, 1]; 0 is 0.30.
	MaxRisk float64 `json:"max_risk,omitzero"`
	// MinSavings is the least relative saving of a change, in [0, 1).
	MinSavings float64 `json:"min_savings,omitzero"`
	// MinMonthlySavings is the least saving of a change in the currency.
	MinMonthlySavings float64 `json:"min_monthly_savings,omitzero"`
	// Currency is USD when empty.
	Currency money.Currency `json:"currency,omitzero"`
	// PricesAsOf dates all prices; zero is the newest known offers.
	PricesAsOf time.Time `json:"prices_as_of,omitzero"`
	// Host picks the line of one host, by id or name, out of the same list.
	Host string `json:"host,omitempty"`
	// Explain adds every type of the region to each line, with what speaks
	// against it.
	Explain bool `json:"explain,omitempty"`
	// Options is the number of ranked options of a line; 0 is 3. Options at spot
	// prices, in other regions and of other clouds come on top.
	Options int `json:"options,omitzero"`
	// Rules are policies of some hosts, such as those of a tag; the first that
	// matches a host holds for it.
	Rules []Rule `json:"rules,omitempty"`
	// Previous is what was advised last, so that advice does not change its mind
	// for little. Of several for a host the last one at or before the as-of
	// instant counts.
	Previous []Prior `json:"previous,omitempty"`
	// Decisions are what people decided about earlier advice; those that count at
	// the as-of instant are heeded.
	Decisions []advice.Decision `json:"decisions,omitempty"`

	terms []*terms // of the rules, then the request's own
}

// Rule is a policy for some hosts: production may be sized with more care than
// development. Its hosts are a list of their own, and Confidence is a promise
// about that list. Zero fields are the request's.
type Rule struct {
	// Name is what lines call the rule by; empty is its selector.
	Name string `json:"name,omitempty"`
	// Select is a selector as fleet.ParseSelector reads it; empty is every host.
	Select            string    `json:"select"`
	Confidence        float64   `json:"confidence,omitzero"`
	MaxRisk           float64   `json:"max_risk,omitzero"`
	MinSavings        *float64  `json:"min_savings,omitempty"`
	MinMonthlySavings *float64  `json:"min_monthly_savings,omitempty"`
	Burstable         Burstable `json:"burstable,omitzero"`
	// Exclude leaves the hosts out of all advice.
	Exclude bool `json:"exclude,omitempty"`
}

// Prior is what was advised for a host at an earlier time.
type Prior struct {
	Host fleet.HostID `json:"host"`
	// Current and Recommended are instance types; an empty Recommended was to
	// keep the current one.
	Current     string    `json:"current"`
	Recommended string    `json:"recommended,omitempty"`
	AsOf        time.Time `json:"as_of"`
}

// normal returns the request with its defaults, or what is wrong with it.
func (r Request) normal() (Request, error) {
	r.Policy = cmp.Or(r.Policy, PolicyLeanfleet)
	r.Confidence = cmp.Or(r.Confidence, DefaultConfidence)
	r.MaxRisk = cmp.Or(r.MaxRisk, DefaultMaxRisk)
	r.Options = cmp.Or(r.Options, DefaultOptions)
	r.Currency = cmp.Or(r.Currency, money.USD)
	r.Burstable = cmp.Or(r.Burstable, BurstableKeep)
	switch {
	case !inside(r.Confidence):
		return r, fmt.Errorf("confidence %v: must lie above 0 and below 1", r.Confidence)
	case r.Options < 0:
		return r, fmt.Errorf("options %d: must not be negative", r.Options)
	case !r.Currency.Valid():
		return r, fmt.Errorf("currency %q is not known", r.Currency)
	}
	for i := range r.Decisions {
		if d := &r.Decisions[i]; !d.Action.Valid() || d.Host == "" {
			return r, fmt.Errorf("decision %d (host %q, action %q): needs a host and an action: accept, dismiss or done", i+1, d.Host, d.Action)
		}
	}
	if err := r.checkRules(); err != nil {
		return r, err
	}
	return r, checkPolicy(r.Policy)
}

func inside(x float64) bool { return x > 0 && x < 1 }

func checkPolicy(name string) error {
	if known := Policies(); !slices.Contains(known, name) {
		return fmt.Errorf("policy %q is not known%s; known are %s", name, fleet.DidYouMean(name, known), strings.Join(known, ", "))
	}
	return nil
}

var errNoBook = errors.New("right-sizing without a price book: Environment.Prices is nil")

// BacktestRequest asks what would have happened had advice been followed.
type BacktestRequest struct {
	// Request is the advice to replay. The end of its range is the end of the
	// last test; the length of the range is not used.
	Request
	// Train and Test are the lengths of the history before, and of the time
	// after each split; 0 is 60 and 14 days. Both are whole days.
	Train time.Duration `json:"train,omitzero"`
	Test  time.Duration `json:"test,omitzero"`
	// Windows is the number of splits, a test length apart; 0 is 4. Splits, if
	// there are any, are the splits themselves.
	Windows int         `json:"windows,omitzero"`
	Splits  []time.Time `json:"splits,omitempty"`
	// Policies are compared; nil is all of them, each also with "+swap".
	Policies []string `json:"policies,omitempty"`
	// Confidences are those at which leanfleet is replayed; nil is the
	// Confidence of the request.
	Confidences []float64 `json:"confidences,omitempty"`
}

const (
	defaultTrain   = 60 * day
	defaultTest    = 14 * day
	defaultWindows = 4
)

func (r BacktestRequest) normal() (BacktestRequest, error) {
	var err error
	if r.Request, err = r.Request.normal(); err != nil {
		return r, err
	}
	r.Train, r.Test = cmp.Or(r.Train, defaultTrain), cmp.Or(r.Test, defaultTest)
	r.Windows = cmp.Or(r.Windows, defaultWindows)
	for name, d := range map[string]time.Duration{"train": r.Train, "test": r.Test} {
		if d < day || d%day != 0 || d > maxDays*day {
			return r, fmt.Errorf("%s %v: must be whole days, 1 to %d", name, d, maxDays)
		}
	}
	if r.Windows < 1 || r.Windows > 1000 {
		return r, fmt.Errorf("windows %d: must be 1 to 1000", r.Windows)
	}
	if r.Policies == nil {
		r.Policies = comparedPolicies()
	}
	// The clairvoyant is always there, named or not.
	r.Policies = slices.DeleteFunc(slices.Clone(r.Policies), func(p string) bool { return p == PolicyClairvoyant })
	for _, p := range r.Policies {
		if err := checkPolicy(strings.TrimSuffix(p, swapSuffix)); err != nil {
			return r, err
		}
	}
	if r.Confidences == nil {
		r.Confidences = []float64{r.Confidence}
	}
	for _, c := range r.Confidences {
		if !inside(c) {
			return r, fmt.Errorf("confidence %v: must lie above 0 and below 1", c)
		}
	}
	return r, nil
}
