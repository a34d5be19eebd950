package config

import "time"

// Config holds all settings. [Default] makes one; [Parse], [Load] and [Resolve]
// read one. The order of the fields is the order of documents.
type Config struct {
	// Data is the directory of the embedded store. A relative path starts at the directory of the configuration file. Empty means the user's data directory: $XDG_DATA_HOME/leanfleet, else ~/.local/share/leanfleet, on Windows %LocalAppData%\leanfleet.
	Data string `json:"data" example:"/var/lib/leanfleet"`
	// TimeZone is the IANA time zone of days, weeks and months, and of business hours that name none of their own. It is read from zone data inside the program, never from the machine's.
	TimeZone TimeZone `json:"timezone" example:"Europe/Berlin"`
	// Output is the format of answers: table shows the usual columns and wide all of them, jsonl is one JSON object a row.
	Output Output `json:"output"`
	// Limit is the number of rows that a table shows on a terminal before it says how many more there are; 0 shows all. Other formats, files and pipes always get all rows unless a limit is given on the command line.
	Limit int `json:"limit" jsonschema:"minimum=0"`
	// Retention is how long samples are kept, counted back from the newest day stored; at least 1d.
	Retention Duration `json:"retention"`
	// Sets are named sets of hosts, each a selector. Sets may overlap, so no total is printed over them.
	Sets map[string]Selector `json:"sets" example:"{web: 'dept=eng,role=web', critical: env=prod}"`
	// BusinessHours are named weekly hours, so that a question can be asked about working time only.
	BusinessHours map[string]BusinessHours `json:"business_hours" example:"{office: {timezone: Europe/Berlin, days: [mon-fri], from: '09:00', to: '17:00'}}"`
	// Blackouts are periods, such as maintenance, whose samples statistics and trends leave out.
	Blackouts []Blackout `json:"blackouts" example:"[{from: '2026-03-14T22:00:00Z', to: '2026-03-15T04:00:00Z', reason: data centre move}]"`
	// Metrics are metrics of your own, stored and asked for like the canonical ones.
	Metrics []Metric `json:"metrics" example:"[{name: http_requests_per_second, unit: per_second, resolution: 0.1, description: requests served}]"`
	// Import is how files of samples are read.
	Import Import `json:"import"`
	// Statistics are the defaults of questions about statistics.
	Statistics Statistics `json:"statistics"`
	// Prices are the user's own prices and where the providers' are read.
	Prices Prices `json:"prices"`
	// Rightsizing is how sizes are advised.
	Rightsizing Rightsizing `json:"rightsizing"`
	// Collect is how this machine is measured.
	Collect Collect `json:"collect"`
	// Prometheus is the engine, such as Prometheus, VictoriaMetrics, Thanos or Mimir, that --prometheus asks, and how.
	Prometheus Prometheus `json:"prometheus"`
}

// Prometheus is an engine that speaks the Prometheus HTTP API, and how it is asked. Credentials go to the engine of the key url alone.
type Prometheus struct {
	// URL is the engine's address with the prefix of its API, without /api/v1. --prometheus config asks it.
	URL string `json:"url" example:"https://mimir.example/prometheus"`
	// Schema is whose names the metrics have: node_exporter, windows_exporter, otel, leanfleet, or auto to find out.
	Schema MetricSchema `json:"schema"`
	// Headers are sent with every request, such as that of a tenant.
	Headers map[string]string `json:"headers" example:"{X-Scope-OrgID: fleet}"`
	// Username is that of basic authentication.
	Username string `json:"username" example:"carlos"`
	// PasswordFile is a file with the password of basic authentication.
	PasswordFile string `json:"password_file" example:"/etc/leanfleet/prometheus.password"`
	// BearerTokenFile is a file with a bearer token; it is read for every request.
	BearerTokenFile string `json:"bearer_token_file" example:"/etc/leanfleet/prometheus.token"`
	// CAFile is a file with certificates to trust beside the system's, PEM.
	CAFile string `json:"ca_file" example:"/etc/ssl/corporate.pem"`
	// CertFile is a file with the client's own certificate, PEM.
	CertFile string `json:"cert_file" example:"/etc/leanfleet/client.pem"`
	// KeyFile is a file with the key of the client's certificate, PEM.
	KeyFile string `json:"key_file" example:"/etc/leanfleet/client.key"`
	// ServerName is whose certificate is expected, where it is not the address's.
	ServerName string `json:"server_name" example:"prometheus.internal"`
	// Insecure is whether any certificate is trusted.
	Insecure bool `json:"insecure"`
	// Matchers are what narrows every question to some series.
	Matchers string `json:"matchers" example:"job=\"node\""`
	// HostLabel is the label that names a host; empty is that of the schema.
	HostLabel string `json:"host_label" example:"nodename"`
	// DedupLabels are labels that tell apart the members of a pair that measures twice.
	DedupLabels []string `json:"dedup_labels" example:"[replica]"`
	// Fields are the labels that what hosts are is read from, by field, such as instance_type or region; an empty label drops the field.
	Fields map[string]string `json:"fields" example:"{instance_type: node_type}"`
	// DropLabels are labels that are not made tags.
	DropLabels []string `json:"drop_labels" example:"[pod]"`
	// Step is the time that a value describes; 0s finds it by the interval of the scrapes.
	Step Duration `json:"step"`
	// Timeout is for one request with its answer.
	Timeout Duration `json:"timeout"`
	// AllowPartial is whether answers are taken that the engine marks as partial.
	AllowPartial bool `json:"allow_partial"`
	// QueriesOnly is whether the engine is asked by queries alone, also where it gives series as they are stored: less comes over a slow line, and the engine computes more.
	QueriesOnly bool `json:"queries_only"`
}

// files are the settings that name files.
func (p *Prometheus) files() []*string {
	return []*string{&p.PasswordFile, &p.BearerTokenFile, &p.CAFile, &p.CertFile, &p.KeyFile}
}

// Collect is how this machine is measured.
type Collect struct {
	// Interval is what one row stands for, 1s to 24h; rows begin at its multiples.
	Interval Duration `json:"interval"`
	// Root is the folder below which the proc and sys of the machine to measure lie, such as /host in a container that measures its host. Empty is the machine it runs on.
	Root string `json:"root" example:"/host"`
	// Groups are process groups whose CPU and memory are measured apart. A process belongs to the first rule it matches, else to the group other.
	Groups []ProcessGroup `json:"groups" example:"[{group: postgres, name: postgres}, {group: web, cgroup: '/system\\.slice/nginx.*'}]"`
	// MaxGroups is how many groups are told apart; what is beyond is counted in other.
	MaxGroups int `json:"max_groups" jsonschema:"minimum=1,maximum=1000"`
}

// ProcessGroup is a rule that says which processes are a group. Each pattern is a regular expression that must match the whole of what it looks at, and all that are given must match.
type ProcessGroup struct {
	// Group is the name of the group; $1, $2 and so on are the parts of the patterns in parentheses. Empty is the whole of what the first pattern looks at.
	Group string `json:"group" example:"postgres"`
	// Name is a pattern of the name of the program.
	Name string `json:"name" example:"postgres"`
	// User is a pattern of the name of the user it runs as, or of the number of one without a name.
	User string `json:"user" example:"www-data"`
	// CGroup is a pattern of the path of the control group, or of one around it.
	CGroup string `json:"cgroup" example:"/system\\.slice/nginx.*"`
}

// BusinessHours are hours of the week that count as working time.
type BusinessHours struct {
	// TimeZone is the IANA time zone in which the hours are read; empty means the zone of the key timezone.
	TimeZone TimeZone `json:"timezone" example:"Asia/Kolkata"`
	// Days are the days on which the hours begin, one by one or as ranges.
	Days []DayRange `json:"days" jsonschema:"minItems=1" example:"[mon-thu, sat]"`
	// From is when the hours begin, on the 24-hour clock.
	From Clock `json:"from"`
	// To is when the hours end, exclusive, at most 24:00; at or before the beginning it means the next day.
	To Clock `json:"to"`
}

// Blackout is a period whose samples are left out.
type Blackout struct {
	// From is the first instant that is left out, in RFC 3339.
	From time.Time `json:"from" jsonschema:"required" example:"2026-03-14T22:00:00Z"`
	// To is the first instant that counts again, in RFC 3339.
	To time.Time `json:"to" jsonschema:"required" example:"2026-03-15T04:00:00Z"`
	// Reason is why, in your own words; it is shown where the period is left out.
	Reason string `json:"reason" example:"data centre move"`
}

// Metric is a metric of the user's own.
type Metric struct {
	// Name is the name of the metric in files, questions and answers: lower-case letters, digits and underscores, beginning with a letter. Canonical names are taken.
	Name string `json:"name" jsonschema:"required,pattern=^[a-z][a-z0-9_]*$" example:"http_requests_per_second"`
	// Unit is the unit of the values, in lower-case letters, digits and underscores. Quantiles of ratio, count, tasks and cores are exact, those of other units within 0.5 %.
	Unit string `json:"unit" jsonschema:"required,pattern=^[a-z][a-z0-9_]*$" example:"per_second"`
	// Resolution is the smallest difference that is kept, in the unit; values are rounded to it, and 2147483647 times the resolution is the largest value that can be stored.
	Resolution Resolution `json:"resolution" jsonschema:"required" example:"0.1"`
	// Description is one line about what is measured.
	Description string `json:"description" example:"requests served"`
}

// Import holds the settings of imports.
type Import struct {
	// Step is the time that each sample covers, at most 1d; 0s takes each host's commonest difference between samples.
	Step Duration `json:"step"`
	// Stamp is the end of the interval that the time in a file marks.
	Stamp Stamp `json:"stamp"`
	// SkipBad is whether impossible values (negative, not a number, far in the future) are left out and counted instead of stopping the import.
	SkipBad bool `json:"skip_bad"`
	// FutureTolerance is how far after the clock a sample may lie before it counts as impossible.
	FutureTolerance Duration `json:"future_tolerance"`
	// RatioWarning is the ratio above which the hosts that report it are listed after an import, at least 1. Ratios above 1 are stored as they are.
	RatioWarning float64 `json:"ratio_warning" jsonschema:"minimum=1"`
	// MemoryBudget is the memory that an import may use for sorting, at least 16MiB, whatever the size of the files.
	MemoryBudget Bytes `json:"memory_budget"`
}

// Statistics holds the defaults of statistics.
type Statistics struct {
	// Over is what a statistic runs over: time weighs every sample by the time it covers, hosts takes each host's mean first.
	Over Over `json:"over"`
	// Percentiles are percentiles shown besides the median, p95 and p99, each above 0 and below 100 with at most 4 decimals.
	Percentiles []Percentile `json:"percentiles" example:"[90, 99.9]"`
}

// Prices holds the user's own prices and how the providers' are read.
type Prices struct {
	// Sheets are files of own prices and discounts, in CSV or YAML. A relative path starts at the directory of the configuration file.
	Sheets []string `json:"sheets" example:"[prices.yaml, discounts.csv]"`
	// Commitments are files of what you have committed to: reserved instances, savings plans, committed use. A relative path starts at the directory of the configuration file.
	Commitments []string `json:"commitments" example:"[commitments.csv]"`
	// Rates are files of dated exchange rates, in CSV. Nothing is converted without one. A relative path starts at the directory of the configuration file.
	Rates []string `json:"rates" example:"[rates.csv]"`
	// Precedence is the order in which prices are believed: your sheets, the live lists of "leanfleet prices update", the embedded catalogue. One that is left out is not used.
	Precedence []Layer `json:"precedence" jsonschema:"minItems=1"`
	// WarnAge is the age from which a price comes with a warning, counted from when it was last seen in its list; at least 1d.
	WarnAge Duration `json:"warn_age"`
	// CAFile is a file of certificates in PEM that are trusted besides the system's when prices are read, for proxies that look inside. A relative path starts at the directory of the configuration file. Proxies are taken from HTTPS_PROXY and NO_PROXY.
	CAFile string `json:"ca_file" example:"/etc/ssl/proxy.pem"`
	// AWS is how prices of AWS are read.
	AWS AWSPrices `json:"aws"`
	// Azure is how prices of Azure are read.
	Azure AzurePrices `json:"azure"`
	// GCP is how prices of GCP are read. It needs an API key in LEANFLEET_GCP_API_KEY, or the credentials that Google's own tools use.
	GCP GCPPrices `json:"gcp"`
}

// AWSPrices is how prices of AWS are read.
type AWSPrices struct {
	// Query is whether the Price List Query API and EC2 are asked with the credentials of AWS's own tools, which adds spot prices and more about the types; without it the public files are read.
	Query bool `json:"query"`
	// URL is the address of a mirror of the public price list files; empty is AWS.
	URL string `json:"url" example:"https://mirror.example/aws"`
	// QueryURL is the address of the Price List Query API, such as a VPC endpoint; empty is AWS's.
	QueryURL string `json:"query_url" example:"https://api.pricing.us-east-1.amazonaws.com"`
	// EC2URL is the address of the EC2 API, such as a VPC endpoint; empty is AWS's.
	EC2URL string `json:"ec2_url" example:"https://ec2.eu-central-1.amazonaws.com"`
}

// AzurePrices is how prices of Azure are read.
type AzurePrices struct {
	// URL is the address of a mirror of the Retail Prices API; empty is Azure's.
	URL string `json:"url" example:"https://mirror.example/api/retail/prices"`
	// Subscription is the id of a subscription whose resource SKUs are read with the credentials of Azure's own tools, which adds what the sizes are; empty reads prices only.
	Subscription string `json:"subscription" example:"00000000-0000-0000-0000-000000000000"`
}

// GCPPrices is how prices of GCP are read.
type GCPPrices struct {
	// URL is the address of a mirror of the Cloud Billing Catalog API; empty is Google's.
	URL string `json:"url" example:"https://mirror.example/billing"`
	// ComputeURL is the address of the Compute Engine API; empty is Google's.
	ComputeURL string `json:"compute_url" example:"https://mirror.example/compute/v1"`
	// Project is the id of a project whose machine types are read with the credentials of Google's own tools, which adds what the types are; empty prices those that the embedded catalogue knows.
	Project string `json:"project" example:"my-project"`
}

// Rightsizing is how sizes are advised.
type Rightsizing struct {
	// Confidence is the share of the changed hosts that is to stay within the limits, above 0 and below 1: a promise about the list.
	Confidence Share `json:"confidence"`
	// MaxRisk is the largest chance of breaking that a single line may have, above 0 and at most 1.
	MaxRisk Share `json:"max_risk"`
	// MinSavings is the least share of its cost that a change has to save.
	MinSavings Share `json:"min_savings"`
	// MinMonthlySavings is the least amount that a change has to save in a month.
	MinMonthlySavings Amount `json:"min_monthly_savings"`
	// Burstable is whether burstable types are offered: to hosts that have one (keep), to all, or to none.
	Burstable Burstable `json:"burstable"`
	// AllowARM is whether types of the other architecture are offered too.
	AllowARM bool `json:"allow_arm"`
	// AllowFamilies are the only families that are offered, whatever their purpose; none given offers all current ones.
	AllowFamilies []string `json:"allow_families" example:"[m7i, r7i]"`
	// DenyFamilies are families that are never offered.
	DenyFamilies []string `json:"deny_families" example:"[t3, c7a]"`
	// Rules are policies of some hosts, such as those of a tag. The first that matches a host holds for it; what a rule does not give is that of this section. The hosts of a rule are a list of their own, about which its confidence is a promise.
	Rules []SizingRule `json:"rules" example:"[{name: production, match: 'env=prod', confidence: 99%, max_risk: 5%}]"`
}

// SizingRule is a policy for some hosts.
type SizingRule struct {
	// Name is what answers call the rule by; empty is its selector.
	Name string `json:"name" example:"production"`
	// Match is which hosts the rule is for.
	Match Selector `json:"match" jsonschema:"required" example:"env=prod"`
	// Confidence is as in the section; empty is the section's.
	Confidence Share `json:"confidence" example:"99%"`
	// MaxRisk is as in the section; empty is the section's.
	MaxRisk Share `json:"max_risk" example:"5%"`
	// MinSavings is as in the section; empty is the section's.
	MinSavings Share `json:"min_savings" example:"25%"`
	// MinMonthlySavings is as in the section; empty is the section's.
	MinMonthlySavings Amount `json:"min_monthly_savings" example:"50"`
	// Burstable is as in the section; inherit is the section's.
	Burstable RuleBurstable `json:"burstable"`
	// Exclude is whether the hosts are left out of all advice.
	Exclude bool `json:"exclude"`
}

func (r *SizingRule) setDefaults() { r.Burstable = BurstableInherit }

// files are the settings that name files.
func (p *Prices) files() []*string {
	files := []*string{&p.CAFile}
	for _, list := range [][]string{p.Sheets, p.Commitments, p.Rates} {
		for i := range list {
			files = append(files, &list[i])
		}
	}
	return files
}

// defaulted is a type whose fresh values in a map or list have defaults.
type defaulted interface{ setDefaults() }

func (b *BusinessHours) setDefaults() {
	b.Days = []DayRange{{time.Monday, time.Friday}}
	b.From, b.To = 9*60, 17*60
}

// Default returns the settings that hold when nothing is set. The caller owns
// the result.
func Default() *Config {
	return &Config{
		TimeZone:      "UTC",
		Output:        OutputTable,
		Limit:         20,
		Retention:     Duration(400 * day),
		Sets:          map[string]Selector{},
		BusinessHours: map[string]BusinessHours{},
		Blackouts:     []Blackout{},
		Metrics:       []Metric{},
		Import: Import{
			Stamp:           StampStart,
			FutureTolerance: Duration(time.Hour),
			RatioWarning:    1.25,
			MemoryBudget:    256 << 20,
		},
		Statistics: Statistics{
			Over:        OverTime,
			Percentiles: []Percentile{},
		},
		Prices: Prices{
			Sheets:      []string{},
			Commitments: []string{},
			Rates:       []string{},
			Precedence:  []Layer{LayerSheet, LayerLive, LayerEmbedded},
			WarnAge:     Duration(90 * day),
		},
		Rightsizing: Rightsizing{
			Confidence:        "95%",
			MaxRisk:           "30%",
			MinSavings:        "0%",
			MinMonthlySavings: "0",
			Burstable:         BurstableKeep,
			AllowFamilies:     []string{},
			DenyFamilies:      []string{},
			Rules:             []SizingRule{},
		},
		Collect: Collect{
			Interval:  Duration(time.Minute),
			Groups:    []ProcessGroup{},
			MaxGroups: 32,
		},
		Prometheus: Prometheus{
			Schema:      SchemaAuto,
			Headers:     map[string]string{},
			DedupLabels: []string{},
			Fields:      map[string]string{},
			DropLabels:  []string{},
			Timeout:     Duration(2 * time.Minute),
		},
	}
}
