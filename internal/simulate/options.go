package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Kind is how a simulated host behaves.
type Kind string

// The kinds of hosts.
const (
	KindIdle    Kind = "idle"    // steady agents and nothing else, some with a short backup at night
	KindOffice  Kind = "office"  // used in office hours of the fleet's time zone, Monday to Friday
	KindBatch   Kind = "batch"   // a job of some hours every night, longer at month ends
	KindBusy    Kind = "busy"    // high use day and night
	KindGrowing Kind = "growing" // demand that grows week by week
	KindBursty  Kind = "bursty"  // short bursts at random times, little between them
	KindLeaking Kind = "leaking" // memory that grows until a restart, again and again
	KindWeb     Kind = "web"     // a daily and weekly cycle with much network traffic
)

// Kinds returns all kinds in the order that documents list them.
func Kinds() []Kind {
	return []Kind{KindIdle, KindOffice, KindBatch, KindBusy, KindGrowing, KindBursty, KindLeaking, KindWeb}
}

// DefaultMix returns the weights of a fleet in which much is idle, as in real
// ones. They sum to 100.
func DefaultMix() map[Kind]int {
	return map[Kind]int{KindIdle: 34, KindOffice: 14, KindBatch: 12, KindBusy: 8, KindGrowing: 6, KindBursty: 8, KindLeaking: 6, KindWeb: 12}
}

// ParseMix reads weights such as "idle=40,web=10". A kind that is not named
// has none.
func ParseMix(s string) (map[Kind]int, error) {
	mix := map[Kind]int{}
	for part := range strings.SplitSeq(s, ",") {
		name, weight, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, fmt.Errorf("mix %q: %q is not of the form idle=40", s, part)
		}
		n, err := strconv.Atoi(strings.TrimSpace(weight))
		if err != nil {
			return nil, fmt.Errorf("mix %q: weight %q of %s is not a whole number", s, weight, name)
		}
		kind := Kind(strings.TrimSpace(name))
		if _, twice := mix[kind]; twice {
			return nil, fmt.Errorf("mix %q: %s stands twice", s, kind)
		}
		mix[kind] = n
	}
	if err := checkMix(mix); err != nil {
		return nil, fmt.Errorf("mix %q: %w", s, err)
	}
	return mix, nil
}

func checkMix(mix map[Kind]int) error {
	sum := 0
	for _, kind := range slices.Sorted(maps.Keys(mix)) {
		if !slices.Contains(Kinds(), kind) {
			return fmt.Errorf("unknown kind %q%s", kind, fleet.DidYouMean(string(kind), kindNames()))
		}
		if w := mix[kind]; w < 0 || w > maxWeight {
			return fmt.Errorf("weight %d of %s is not between 0 and %d", w, kind, maxWeight)
		}
		sum += mix[kind]
	}
	if sum == 0 {
		return fmt.Errorf("no kind has a weight above 0")
	}
	return nil
}

func kindNames() []string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return names
}

// Bounds of [Options].
const (
	MaxHosts    = 1_000_000
	MaxDays     = 3660
	MinInterval = time.Second
	MaxInterval = time.Hour
	maxWeight   = 1_000_000
)

// Options say which fleet to simulate.
//
// With the other fields equal, the first n hosts and the first n days of a
// fleet are the same however many follow: the same statements and the same
// rows. The truth of a longer fleet covers more time.
type Options struct {
	// Seed chooses the fleet among all of its form; hosts of two seeds have
	// different ids.
	Seed uint64
	// Hosts is how many hosts, at most MaxHosts. A few arrive up to twelve days
	// after Start; those beyond the end are left out.
	Hosts int
	// Days is how many UTC days, at most MaxDays.
	Days int
	// Start is the first instant, a midnight in UTC.
	Start time.Time
	// Interval is the step of the samples, a whole number of milliseconds that
	// divides a day; zero is a minute.
	Interval time.Duration
	// Location is where offices and batch jobs read the clock; nil is UTC.
	Location *time.Location
	// Mix gives the weight of each kind; nil is DefaultMix. Kinds take turns in
	// proportion to their weights.
	Mix map[Kind]int
	// Metrics are those to emit; nil means all canonical stored ones. The values
	// of a metric do not depend on which others are emitted.
	Metrics []fleet.Metric
	// At is when the statements are said to be written; zero is the end of the
	// simulated time.
	At time.Time
}

// Window is the simulated time.
func (o Options) Window() fleet.Window {
	start := o.Start.UTC()
	return fleet.Window{Start: start, End: start.AddDate(0, 0, o.Days)}
}

// Validate says what is wrong with the options, naming the field.
func (o Options) Validate() error {
	switch {
	case o.Hosts < 1 || o.Hosts > MaxHosts:
		return fmt.Errorf("simulate: %d hosts are not between 1 and %d", o.Hosts, MaxHosts)
	case o.Days < 1 || o.Days > MaxDays:
		return fmt.Errorf("simulate: %d days are not between 1 and %d", o.Days, MaxDays)
	case o.Start.IsZero():
		return fmt.Errorf("simulate: no start is given")
	case !o.Start.Equal(o.Start.UTC().Truncate(24 * time.Hour)):
		return fmt.Errorf("simulate: start %s is not a midnight in UTC", o.Start.Format(time.RFC3339Nano))
	case o.Start.UnixMilli() < fleet.MinTime+30*dayMillis || o.Window().End.UnixMilli() > fleet.MaxTime:
		return fmt.Errorf("simulate: %s is not within the years 1970 (from 31 January) to 2261", o.Window())
	}
	if i := o.interval(); i < MinInterval || i > MaxInterval || i%time.Millisecond != 0 || 24*time.Hour%i != 0 {
		return fmt.Errorf("simulate: interval %s is not between %s and %s and a divisor of a day in whole milliseconds", i, MinInterval, MaxInterval)
	}
	if err := checkMix(o.mix()); err != nil {
		return fmt.Errorf("simulate: mix: %w", err)
	}
	if o.Metrics != nil && len(o.Metrics) == 0 {
		return fmt.Errorf("simulate: the list of metrics is empty")
	}
	seen := map[string]bool{}
	for _, m := range o.Metrics {
		if columnIndex(m) < 0 {
			return fmt.Errorf("simulate: metric %q is not a canonical stored one%s", m.Name, fleet.DidYouMean(m.Name, columnNames[:]))
		}
		if seen[m.Name] {
			return fmt.Errorf("simulate: metric %s stands twice", m.Name)
		}
		seen[m.Name] = true
	}
	return nil
}

func (o Options) interval() time.Duration {
	if o.Interval == 0 {
		return time.Minute
	}
	return o.Interval
}

func (o Options) mix() map[Kind]int {
	if o.Mix == nil {
		return DefaultMix()
	}
	return o.Mix
}

func (o Options) metrics() []fleet.Metric {
	if o.Metrics != nil {
		return o.Metrics
	}
	return fleet.CanonicalMetrics().Stored()
}

func (o Options) location() *time.Location {
	if o.Location == nil {
		return time.UTC
	}
	return o.Location
}

// assignKinds assigns kinds by smooth weighted turns: after every n hosts each kind
// has had its share of n to within one or so. It also returns how many hosts of
// the same kind came before.
func assignKinds(mix map[Kind]int, hosts int) (kinds []Kind, ranks []uint64) {
	order := Kinds()
	credit := make([]int, len(order))
	count := make([]uint64, len(order))
	sum := 0
	for _, w := range mix {
		sum += w
	}
	for range hosts {
		best := -1
		for i, k := range order {
			if mix[k] == 0 {
				continue
			}
			credit[i] += mix[k]
			if best < 0 || credit[i] > credit[best] {
				best = i
			}
		}
		credit[best] -= sum
		kinds = append(kinds, order[best])
		ranks = append(ranks, count[best])
		count[best]++
	}
	return kinds, ranks
}
