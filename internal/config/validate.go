package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// smallestBudget is the least memory an import can work with.
const smallestBudget = 16 << 20

// validate reports what single values cannot show: bounds, and values that do
// not fit each other. The report names the key at fault; where a required key is
// missing it may name that.
func validate(c *Config, report func(path, message string)) {
	check := func(ok bool, path, format string, args ...any) {
		if !ok {
			report(path, fmt.Sprintf(format, args...))
		}
	}
	check(!strings.HasPrefix(c.Data, "~"), "data", `"~" is not expanded; write ${HOME} instead`)
	check(c.Limit >= 0, "limit", "must be 0 (all rows) or more; not %d", c.Limit)
	check(c.Retention >= Duration(day), "retention", "must be at least 1d; not %s", c.Retention)
	check(c.Import.Step <= Duration(day), "import.step", "must be at most 1d; not %s", c.Import.Step)
	check(c.Import.RatioWarning >= 1, "import.ratio_warning", "must be at least 1; not %v", c.Import.RatioWarning)
	check(c.Import.MemoryBudget >= smallestBudget, "import.memory_budget", "must be at least 16MiB; not %s", c.Import.MemoryBudget)
	for name, h := range c.BusinessHours {
		path := "business_hours." + name
		check(len(h.Days) > 0, path+".days", "must name at least one day")
		check(h.From < 24*60, path+".from", "must be before 24:00")
		check(h.From != h.To, path, "hours from %s to %s are empty; use 00:00 to 24:00 for whole days", h.From, h.To)
	}
	for i, b := range c.Blackouts {
		if !b.From.IsZero() && !b.To.IsZero() {
			check(b.From.Before(b.To), fmt.Sprintf("blackouts[%d].to", i), "must be after the beginning, %s; not %s",
				b.From.Format(time.RFC3339), b.To.Format(time.RFC3339))
		}
	}
	seen := map[Percentile]int{}
	for i, p := range c.Statistics.Percentiles {
		path := fmt.Sprintf("statistics.percentiles[%d]", i)
		if first, twice := seen[p]; twice && p != 0 {
			report(path, fmt.Sprintf("%v is given twice; first as number %d of the list", float64(p), first+1))
			continue
		}
		seen[p] = i
	}
	validateMetrics(c.Metrics, report)
}

func validateMetrics(metrics []Metric, report func(path, message string)) {
	known := fleet.CanonicalMetrics()
	for i, m := range metrics {
		path := fmt.Sprintf("metrics[%d]", i)
		if !word(m.Name) {
			report(path+".name", fmt.Sprintf("%q must begin with a lower-case letter and go on with lower-case letters, digits and underscores", m.Name))
		} else if with, err := known.With(m.fleet()); err != nil {
			report(path+".name", err.Error())
		} else {
			known = with
		}
		if !word(m.Unit) {
			report(path+".unit", fmt.Sprintf("%q must begin with a lower-case letter and go on with lower-case letters, digits and underscores", m.Unit))
		}
		if strings.ContainsAny(m.Description, "\r\n") {
			report(path+".description", "must be one line")
		}
	}
}

// word says whether s begins with a lower-case letter and has nothing but
// lower-case letters, digits and underscores.
func word(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" && s[0] >= 'a' && s[0] <= 'z'
}
