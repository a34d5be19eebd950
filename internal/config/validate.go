package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

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
	validatePrices(&c.Prices, check)
	validateRightsizing(&c.Rightsizing, check)
	validateCollect(&c.Collect, check)
	validatePrometheus(&c.Prometheus, check)
}

func validatePrometheus(p *Prometheus, check func(ok bool, path, format string, args ...any)) {
	const section = "prometheus."
	if p.URL != "" {
		u, err := url.Parse(p.URL)
		check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", section+"url", "must be an address such as http://prometheus:9090")
	}
	check(p.Username == "" || p.BearerTokenFile == "", section+"bearer_token_file", "basic and bearer authentication exclude each other")
	for key, text := range map[string]string{
		"username": p.Username, "password_file": p.PasswordFile, "bearer_token_file": p.BearerTokenFile, "ca_file": p.CAFile, "cert_file": p.CertFile,
		"key_file": p.KeyFile, "server_name": p.ServerName, "matchers": p.Matchers, "host_label": p.HostLabel,
	} {
		check(!strings.ContainsFunc(text, unicode.IsControl), section+key, "must not have control characters")
	}
	step := time.Duration(p.Step)
	check(step >= 0 && step <= day && step%time.Second == 0, section+"step", "must be whole seconds up to 1d; not %s", p.Step)
	check(p.Timeout > 0, section+"timeout", "must be longer than nothing")
	for key := range p.Headers {
		check(key != "" && !strings.ContainsAny(key, " :\r\n"), section+"headers", "%q is not the name of a header", key)
	}
}

func validateCollect(c *Collect, check func(ok bool, path, format string, args ...any)) {
	const section = "collect."
	interval := time.Duration(c.Interval)
	check(interval >= time.Second && interval <= time.Duration(day), section+"interval", "must be 1s to 24h; not %s", c.Interval)
	check(c.Root == "" || filepath.IsAbs(c.Root), section+"root", "must be an absolute path; not %s", c.Root)
	check(c.MaxGroups >= 1 && c.MaxGroups <= 1000, section+"max_groups", "must be 1 to 1000; not %d", c.MaxGroups)
	for i, g := range c.Groups {
		path := fmt.Sprintf("%sgroups[%d]", section, i)
		check(g.Name+g.User+g.CGroup != "", path, "must have a pattern: name, user or cgroup")
		for key, pattern := range map[string]string{"name": g.Name, "user": g.User, "cgroup": g.CGroup} {
			_, err := regexp.Compile(pattern)
			check(err == nil, path+"."+key, "is not a regular expression: %v", err)
		}
	}
}

func validateRightsizing(r *Rightsizing, check func(ok bool, path, format string, args ...any)) {
	const section = "rightsizing."
	for key, given := range map[string]bool{"confidence": r.Confidence != "", "max_risk": r.MaxRisk != "", "min_savings": r.MinSavings != "", "min_monthly_savings": r.MinMonthlySavings != ""} {
		check(given, section+key, "must have a value; leave the key out to get the default")
	}
	shares := func(path string, confidence, maxRisk, minSavings Share) {
		c, given := confidence.Value()
		check(!given || c > 0 && c < 1, path+"confidence", "must lie above 0 and below 1; not %s", confidence)
		m, given := maxRisk.Value()
		check(!given || m > 0 && m <= 1, path+"max_risk", "must lie above 0 and be at most 1; not %s", maxRisk)
		s, given := minSavings.Value()
		check(!given || s >= 0 && s < 1, path+"min_savings", "must be at least 0 and below 1; not %s", minSavings)
	}
	shares(section, r.Confidence, r.MaxRisk, r.MinSavings)
	for key, list := range map[string][]string{"allow_families": r.AllowFamilies, "deny_families": r.DenyFamilies} {
		for i, name := range list {
			path := fmt.Sprintf("%s%s[%d]", section, key, i)
			check(strings.TrimSpace(name) != "", path, "must name a family, such as m7i")
			check(slices.Index(list, name) == i, path, "%s is there twice", name)
		}
	}
	for i, name := range r.DenyFamilies {
		check(!slices.Contains(r.AllowFamilies, name), fmt.Sprintf("%sdeny_families[%d]", section, i), "%s is allowed as well", name)
	}
	names := map[string]int{}
	for i, rule := range r.Rules {
		path := fmt.Sprintf("%srules[%d].", section, i)
		shares(path, rule.Confidence, rule.MaxRisk, rule.MinSavings)
		key, name := "name", rule.Name
		if name == "" {
			key, name = "match", string(rule.Match)
		}
		first, twice := names[name]
		check(!twice, path+key, "%q is the name of rule number %d already", name, first+1)
		if !twice && name != "" {
			names[name] = i
		}
	}
}

func validatePrices(p *Prices, check func(ok bool, path, format string, args ...any)) {
	for key, list := range map[string][]string{"sheets": p.Sheets, "commitments": p.Commitments, "rates": p.Rates} {
		for i, name := range list {
			path := fmt.Sprintf("prices.%s[%d]", key, i)
			check(name != "", path, "must name a file")
			check(!strings.HasPrefix(name, "~"), path, `"~" is not expanded; write ${HOME} instead`)
			check(slices.Index(list, name) == i, path, "%s is there twice", name)
		}
	}
	check(!strings.HasPrefix(p.CAFile, "~"), "prices.ca_file", `"~" is not expanded; write ${HOME} instead`)
	check(len(p.Precedence) > 0, "prices.precedence", "must name at least one of sheet, live and embedded")
	for i, l := range p.Precedence {
		check(slices.Index(p.Precedence, l) == i, fmt.Sprintf("prices.precedence[%d]", i), "%s is there twice", l)
	}
	check(p.WarnAge >= Duration(day), "prices.warn_age", "must be at least 1d; not %s", p.WarnAge)
	for key, text := range map[string]string{
		"aws.url": p.AWS.URL, "aws.query_url": p.AWS.QueryURL, "aws.ec2_url": p.AWS.EC2URL,
		"azure.url": p.Azure.URL, "gcp.url": p.GCP.URL, "gcp.compute_url": p.GCP.ComputeURL,
	} {
		u, err := url.Parse(text)
		ok := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
		check(text == "" || ok, "prices."+key, "%q is not an address such as https://mirror.example", text)
	}
	for key, text := range map[string]string{"azure.subscription": p.Azure.Subscription, "gcp.project": p.GCP.Project} {
		rest := strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789-.:")
		check(rest == "", "prices."+key, "%q is not an id: letters, digits and - . :", text)
	}
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
