package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// fleet returns the metric as the store knows it. A resolution that is not
// set, which only happens beside another mistake, counts as 1.
func (m Metric) fleet() fleet.Metric {
	out := fleet.Metric{Name: m.Name, Unit: fleet.Unit(m.Unit), Num: 1, Den: 1, Column: m.Name, Description: m.Description}
	switch out.Unit {
	case fleet.UnitRatio, fleet.UnitCount, fleet.UnitTasks, fleet.UnitCores:
		out.Exact = true
	}
	for _, r := range resolutions {
		if r.value == m.Resolution {
			out.Num, out.Den, out.Digits = r.num, r.den, r.digits
		}
	}
	// A column says what its numbers are: those of a coarse metric count KiB or MiB.
	switch stem := strings.TrimSuffix(m.Name, "_bytes"); out.Num {
	case 1 << 10:
		out.Column = stem + "_kib"
	case 1 << 20:
		out.Column = stem + "_mib"
	}
	return out
}

// FleetMetrics returns the canonical metrics with the user's own behind them.
// It fails on settings that [Parse] would have refused.
func (c *Config) FleetMetrics() (fleet.Metrics, error) {
	own := make([]fleet.Metric, len(c.Metrics))
	for i, m := range c.Metrics {
		own[i] = m.fleet()
	}
	return fleet.CanonicalMetrics().With(own...)
}

// Calendar returns the named business hours less the blackouts; the empty name
// is all time less the blackouts. Zones are loaded with load, such as the method
// of a zones.Database. The error for an unknown name lists the nearest.
func (c *Config) Calendar(name string, load func(string) (*time.Location, error)) (fleet.Calendar, error) {
	var out fleet.Calendar
	for _, b := range c.Blackouts {
		out.Exclude = append(out.Exclude, fleet.Window{Start: b.From, End: b.To})
	}
	if name == "" {
		return out, nil
	}
	h, ok := c.BusinessHours[name]
	if !ok {
		return fleet.Calendar{}, fmt.Errorf("unknown business hours %q%s", name, didYouMean(name, sortedKeys(c.BusinessHours)))
	}
	zone := h.TimeZone
	if zone == "" {
		zone = c.TimeZone
	}
	location, err := load(string(zone))
	if err != nil {
		return fleet.Calendar{}, fmt.Errorf("business hours %s: %w", name, err)
	}
	out.Location = location
	out.Hours = []fleet.WeeklyHours{{Days: h.weekdays(), From: int(h.From), To: int(h.To)}}
	return out, nil
}

// weekdays returns the days of all ranges, each once, in the order given.
func (b BusinessHours) weekdays() []time.Weekday {
	var days []time.Weekday
	for _, r := range b.Days {
		for _, d := range r.Days() {
			if !slices.Contains(days, d) {
				days = append(days, d)
			}
		}
	}
	return days
}

// Selectors returns the parsed sets by name. It fails on settings that [Parse]
// would have refused.
func (c *Config) Selectors() (map[string]fleet.Selector, error) {
	out := make(map[string]fleet.Selector, len(c.Sets))
	for name, text := range c.Sets {
		sel, err := fleet.ParseSelector(string(text))
		if err != nil {
			return nil, fmt.Errorf("set %s: %w", name, err)
		}
		out[name] = sel
	}
	return out, nil
}
