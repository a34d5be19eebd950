package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Output is the format of answers.
type Output string

// The formats of answers.
const (
	OutputTable Output = "table" // aligned columns, the usual ones
	OutputWide  Output = "wide"  // aligned columns, all of them
	OutputJSON  Output = "json"  // one JSON object
	OutputJSONL Output = "jsonl" // one JSON object a row
	OutputCSV   Output = "csv"   // comma-separated values with a header
)

func (Output) words() []string { return []string{"table", "wide", "json", "jsonl", "csv"} }

// UnmarshalText takes one of the formats.
func (o *Output) UnmarshalText(text []byte) error { return takeWord(o, text, o.words()) }

// Stamp is the end of its interval that a sample's time marks.
type Stamp string

// The ends of an interval.
const (
	StampStart Stamp = "start" // the time is the start of the interval, as leanfleet stores it
	StampEnd   Stamp = "end"   // the time is the end of the interval, as Prometheus writes it
)

func (Stamp) words() []string { return []string{"start", "end"} }

// UnmarshalText takes one of the ends.
func (s *Stamp) UnmarshalText(text []byte) error { return takeWord(s, text, s.words()) }

// Over is what statistics run over.
type Over string

// What statistics run over.
const (
	OverTime  Over = "time"  // every sample, weighed by the time it covers
	OverHosts Over = "hosts" // each host's mean
)

func (Over) words() []string { return []string{"time", "hosts"} }

// UnmarshalText takes one of the words.
func (o *Over) UnmarshalText(text []byte) error { return takeWord(o, text, o.words()) }

// Layer is where a price comes from.
type Layer string

// Where a price comes from.
const (
	LayerSheet    Layer = "sheet"    // a sheet of the user's own
	LayerLive     Layer = "live"     // a provider's list that was read
	LayerEmbedded Layer = "embedded" // the catalogue inside the program
)

func (Layer) words() []string { return []string{"sheet", "live", "embedded"} }

// UnmarshalText takes one of the layers.
func (l *Layer) UnmarshalText(text []byte) error { return takeWord(l, text, l.words()) }

// Burstable is to whom burstable types are offered.
type Burstable string

// To whom burstable types are offered.
const (
	BurstableKeep    Burstable = "keep"    // hosts that have one today
	BurstableAllow   Burstable = "allow"   // every host
	BurstableExclude Burstable = "exclude" // none
)

func (Burstable) words() []string { return []string{"keep", "allow", "exclude"} }

// UnmarshalText takes one of the words.
func (b *Burstable) UnmarshalText(text []byte) error { return takeWord(b, text, b.words()) }

// RuleBurstable is a [Burstable] of a rule, which may leave it to the section.
type RuleBurstable string

// BurstableInherit leaves the choice to the section.
const BurstableInherit RuleBurstable = "inherit"

func (RuleBurstable) words() []string { return []string{"inherit", "keep", "allow", "exclude"} }

// UnmarshalText takes one of the words.
func (b *RuleBurstable) UnmarshalText(text []byte) error { return takeWord(b, text, b.words()) }

// worded is a type with a fixed list of words.
type worded interface{ words() []string }

func takeWord[T ~string](to *T, text []byte, words []string) error {
	for _, w := range words {
		if w == string(text) {
			*to = T(w)
			return nil
		}
	}
	return fmt.Errorf("must be one of %s; not %q%s", strings.Join(words, ", "), text, didYouMean(string(text), words))
}

// didYouMean is [fleet.DidYouMean] for texts of any length: nothing is like a
// text of more than 64 bytes.
func didYouMean(name string, known []string) string {
	if len(name) > 64 {
		return ""
	}
	return fleet.DidYouMean(name, known)
}

// Clock is a time of day in minutes since midnight, 0 to 1440; 1440 is the end
// of the day. It is written as "09:00".
type Clock int

// clockPattern is the form of [Clock] for the schema.
const clockPattern = `^(?:[01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$`

// String returns the time as HH:MM.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

// MarshalText returns the time as HH:MM.
func (c Clock) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads HH:MM from 00:00 to 24:00.
func (c *Clock) UnmarshalText(text []byte) error {
	s := string(text)
	if len(s) == 5 && s[2] == ':' {
		h, err1 := strconv.ParseUint(s[:2], 10, 8)
		m, err2 := strconv.ParseUint(s[3:], 10, 8)
		if total := h*60 + m; err1 == nil && err2 == nil && m < 60 && total <= 24*60 {
			*c = Clock(total)
			return nil
		}
	}
	return fmt.Errorf("%q is not a time of day; use the form 09:00, from 00:00 to 24:00", s)
}

// DayRange is a run of days of the week, both ends included; it may pass the
// end of the week. It is written as "mon" or "mon-fri".
type DayRange struct{ First, Last time.Weekday }

// dayPattern is the form of [DayRange] for the schema.
const dayPattern = `^(?:mon|tue|wed|thu|fri|sat|sun)(?:-(?:mon|tue|wed|thu|fri|sat|sun))?$`

// Days returns the days of the range in order.
func (r DayRange) Days() []time.Weekday {
	days := []time.Weekday{r.First}
	for d := r.First; d != r.Last; {
		d = (d + 1) % 7
		days = append(days, d)
	}
	return days
}

// String returns the range as it is written.
func (r DayRange) String() string {
	if r.First == r.Last {
		return dayName(r.First)
	}
	return dayName(r.First) + "-" + dayName(r.Last)
}

// MarshalText returns the range as it is written.
func (r DayRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a day or a range of days, by their first three letters.
func (r *DayRange) UnmarshalText(text []byte) error {
	first, last, isRange := strings.Cut(string(text), "-")
	if !isRange {
		last = first
	}
	a, ok1 := parseDay(first)
	b, ok2 := parseDay(last)
	if !ok1 || !ok2 {
		return fmt.Errorf("%q is not a day of the week; use mon, tue, wed, thu, fri, sat or sun, or a range such as mon-fri", text)
	}
	*r = DayRange{a, b}
	return nil
}

func dayName(d time.Weekday) string { return strings.ToLower(d.String()[:3]) }

func parseDay(s string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if s == dayName(d) {
			return d, true
		}
	}
	return 0, false
}

// MetricSchema is whose names the metrics of an engine have.
type MetricSchema string

// Whose names metrics have.
const (
	SchemaAuto            MetricSchema = "auto" // found out
	SchemaNodeExporter    MetricSchema = "node_exporter"
	SchemaWindowsExporter MetricSchema = "windows_exporter"
	SchemaOTel            MetricSchema = "otel" // OpenTelemetry host metrics
	SchemaLeanfleet       MetricSchema = "leanfleet"
)

func (MetricSchema) words() []string {
	return []string{"auto", "node_exporter", "windows_exporter", "otel", "leanfleet"}
}

// UnmarshalText takes one of the words.
func (s *MetricSchema) UnmarshalText(text []byte) error { return takeWord(s, text, s.words()) }
