package fleettest

import (
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
)

// run runs a script on a fresh engine and returns its error's text.
func run(t *testing.T, text string) string {
	t.Helper()
	if err := runScript(t.Context(), "test.script", text, NewMemory(Options{})); err != nil {
		return err.Error()
	}
	return ""
}

// TestScriptOfTheDocumentation: the example of doc.go holds.
func TestScriptOfTheDocumentation(t *testing.T) {
	if err := run(t, `
# Two hosts, four samples each, an hour apart.
now 2024-01-02T00:00:00Z
host web-1 dept=eng
host db-1 dept=data
load web-1 cpu_usage step=1h start=2024-01-01T00:00:00Z 0.1 0.2x2 _ 0.5
load db-1  cpu_usage step=1h start=2024-01-01T00:00:00Z 0.1+0.1x4

eval stats metric=cpu_usage range=2024-01-01 group-by=dept show=hosts,samples,mean,max
  dept=data hosts=1 samples=4 mean=0.25 max=0.4
  dept=eng hosts=1 samples=4 mean=0.25 max=0.5
  total hosts=2 samples=8 mean=0.25 max=0.5
`); err != "" {
		t.Error(err)
	}
}

// TestScriptEverything: every command and field once.
func TestScriptEverything(t *testing.T) {
	if err := run(t, `
now 2024-02-01
timezone Europe/Berlin
set engineering "dept=eng"
hours office "mon-fri 09:00-17:00"
hours local "mon-fri 09:00-17:00" Asia/Kolkata
host i-1 name=web provider=aws account=1 region=us-east-1 zone=us-east-1a type=m5.large os=linux arch=arm64 state=running purchase=spot owned_by=asg "note=two words # no comment" tag.region=north from=2024-01-01 to=2024-03-01 who=ann why=first
  added
host i-1 name=web
  unchanged
host big vcpus=2.5 memory=3GiB effective=2024-01-01   # a comment
  added
host small
host bytes memory=1048576
correct bytes memory=512MiB
correct big vcpus=3 effective=2024-01-01
  corrected
host big memory=- note=x
  changed
rename big large
  learned
rename big huge effective=2024-01-15
  changed
host c dept=x from=2024-01-02
records i-1
  i-1@2024-01-01 name=web type=aws/us-east-1/m5.large vcpus=2 memory=8GiB state=running note=two words # no comment region=north
records huge
  big@- name=large vcpus=3 memory=3GiB note=x
  big@2024-01-15 name=huge vcpus=3 memory=3GiB note=x
  big@2024-02-01 name=huge vcpus=3 note=x
load i-1 cpu_usage step=1h start=2024-01-01T00:00:00Z origin=agent 0.5-0.1x3 _x2 _ 0.1
  inserted=4 changed=0 unchanged=0 outranked=0
series web cpu_usage
  i-1@2024-01-01 1h 2024-01-01=0.5 2024-01-01T01:00=0.4 2024-01-01T02:00=0.3 2024-01-01T06:00=0.1
series web cpu_usage range=2024-01-01T01:00:00Z..2024-01-01T02:00:00Z
  i-1@2024-01-01 1h 2024-01-01T01:00=0.4
series web memory_usage
  nothing
merge i-1 small
eval hosts as-of=2024-01-20 select=name=web
  i-1@2024-01-01 name=web type=aws/us-east-1/m5.large vcpus=2 memory=8GiB state=running note=two words # no comment region=north seen=2024-01-01..2024-01-01T07:00
eval top metric=cpu_usage range=2024-01 limit=1 by=max show=max
  web max=0.5
  and 3 more
eval trend metric=cpu_usage range=2024-01-01..2024-01-02 as-of=2024-02-01 step=1d timezone=UTC over=time percentile=90 select=name=web partial show=samples,p90,slope_per_day
  all 2024-01-01 samples=4 p90=0.5
  all 2024-01-02 samples=0 p90=- reason=no_samples
  all slope_per_day=-
eval stats metric=cpu_usage range=2024-01-01 timezone=UTC hours=office show=samples
  all samples=0 reason=no_samples
  data 2024-01-01..2024-01-01T07:00
eval stats metric=cpu_usage range=2024-01-01 timezone=UTC hours=local show=samples
  all samples=1
eval stats metric=cpu_cores_used range=2024-01-01 timezone=UTC peaks distribution lowest show=window,quantile_error,sum_of_peaks,distribution select=name=web
  window 2024-01-01..2024-01-02
  quantile_error 0.005
  all sum_of_peaks=1 distribution=0.200191:0.25,0.600063:0.25,0.800767:0.25,1.001471:0.25
eval history host=c
  2024-02-01 script added
  - learned tag_dept "" to "x" from 2024-01-02
`); err != "" {
		t.Error(err)
	}
}

// TestScriptErrors: mistakes name file and line.
func TestScriptErrors(t *testing.T) {
	const now = "now 2024-01-02\n"
	for name, c := range map[string]struct{ text, want string }{
		"expected line first": {"\n  samples=1\n", "test.script:2: an expected line without a command"},
		"open quote":          {"now 2024-01-01\n\nset a \"b\n", "test.script:3: a quote is not closed"},
		"no time":             {"host a\n", "test.script:1: the time is not set"},
		"bad time":            {"now yesterday\n", "test.script:1: time \"yesterday\""},
		"unknown command":     {now + "hots a\n", `test.script:2: unknown command "hots"; did you mean "host" or "hours"?`},
		"unknown question":    {now + "eval stat\n", `test.script:2: unknown question "stat"`},
		"no question":         {now + "eval\n", "test.script:2: eval stats"},
		"unknown word":        {now + "eval stats metrics=x\n", "test.script:2: metrics=x: unknown word"},
		"word without value":  {now + "eval stats metric\n", "test.script:2: metric: use KEY=VALUE"},
		"bad percentile":      {now + "eval stats percentile=x\n", "test.script:2: percentile=x"},
		"bad limit":           {now + "eval top limit=x\n", "test.script:2: limit=x"},
		"bad as-of":           {now + "eval stats as-of=x\n", "test.script:2: as-of=x"},
		"bad zone":            {now + "timezone Mars/Base\n", "test.script:2"},
		"zones":               {now + "timezone a b\n", "timezone ZONE"},
		"bad set":             {now + "set a =\n", "test.script:2: selector"},
		"sets":                {now + "set a\n", "set NAME SELECTOR"},
		"bad hours":           {now + "hours a noon\n", "test.script:2: hours"},
		"bad hours zone":      {now + "hours a \"mon 01:00-02:00\" Mars\n", "test.script:2"},
		"hours":               {now + "hours a\n", "hours NAME"},
		"nows":                {"now\n", "now TIME"},
		"host":                {now + "host\n", "host KEY"},
		"field":               {now + "host a dept\n", `test.script:2: "dept" is not FIELD=VALUE`},
		"bad from":            {now + "host a from=x\n", "from=x"},
		"bad state":           {now + "host a state=asleep\n", "asleep"},
		"bad purchase":        {now + "host a purchase=gift\n", "gift"},
		"bad type":            {now + "host a type=aws/m5\n", "PROVIDER/REGION/TYPE"},
		"bad memory":          {now + "host a memory=4GB\n", "memory=4GB"},
		"bad vcpus":           {now + "host a vcpus=few\n", "vcpus=few"},
		"refused statement":   {now + "host a from=2024-01-02 to=2024-01-01\n", "test.script:2: host a"},
		"rename":              {now + "rename a\n", "rename KEY NAME"},
		"merge":               {now + "merge a\n", "merge INTO FROM"},
		"merge of nobody":     {now + "merge a b\n", "test.script:2: merge"},
		"load":                {now + "load a\n", "load KEY METRIC"},
		"unknown metric":      {now + "load a cpu_usge step=1m start=2024-01-01 1\n", `did you mean "cpu_usage"`},
		"no step":             {now + "load a cpu_usage start=2024-01-01 1\n", "step=, start= or the values are missing"},
		"no values":           {now + "load a cpu_usage step=1m start=2024-01-01\n", "step=, start= or the values are missing"},
		"bad step":            {now + "load a cpu_usage step=1 start=2024-01-01 1\n", "step=1"},
		"bad word":            {now + "load a cpu_usage steps=1m 1\n", "steps=1m: use step="},
		"bad value":           {now + "load a cpu_usage step=1m start=2024-01-01 1,5\n", `value "1,5" is not understood`},
		"bad ramp":            {now + "load a cpu_usage step=1m start=2024-01-01 1+ax2\n", `value "1+ax2" is not understood`},
		"bad times":           {now + "load a cpu_usage step=1m start=2024-01-01 1x0\n", `"0" is not a number of times`},
		"negative value":      {now + "load a cpu_usage step=1m start=2024-01-01 -1\n", "negative"},
		"records":             {now + "records\n", "records KEY"},
		"records of nobody":   {now + "records web\n", `test.script:2: unknown host "web"`},
		"series":              {now + "series a\n", "series KEY METRIC"},
		"series of nobody":    {now + "series web cpu_usage\n", `unknown host "web"`},
		"series range":        {now + "host a\nseries a cpu_usage window=1d\n", "test.script:3: series KEY METRIC"},
		"series bad range":    {now + "host a\nseries a cpu_usage range=soon\n", "test.script:3: range"},
		"series metric":       {now + "host a\nseries a cpu\n", "unknown metric"},
		"history of nobody":   {now + "eval history host=web\n", "unknown host"},
		"another error":       {now + "eval stats metric=x\n  error: nothing of the kind\n", `test.script:2: unknown metric "x"`},
		"no error":            {now + "host a\nrecords a\n  error: boom\n", "test.script:3: records a: (-want +got)"},
		"wrong counts":        {now + "load a cpu_usage step=1m start=2024-01-01 1\n  inserted=2 changed=0 unchanged=0 outranked=0\n", "test.script:2: load a"},
		"no expectation":      {now + "host a\nrecords a\n", "test.script:3: records a: (-want +got)"},
		"conflict":            {now + "host i-1 name=a\nhost i-2 name=i-1\n  added\n", "conflict i-2"},
	} {
		if got := run(t, c.text); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q in it", name, got, c.want)
		}
	}
}

// TestScriptTellsOfAllWrongAnswers: a wrong answer does not hide the next one.
func TestScriptTellsOfAllWrongAnswers(t *testing.T) {
	got := run(t, "now 2024-01-02\nhost a\nrecords a\n  b@-\nrecords a\n  a@-\nrecords a\n  c@-\n")
	if !strings.Contains(got, "test.script:3: records a") || strings.Contains(got, "test.script:5") || !strings.Contains(got, "test.script:7: records a") {
		t.Errorf("got %s", got)
	}
}

// TestExpectedError: an error may be what is expected.
func TestExpectedError(t *testing.T) {
	if got := run(t, "now 2024-01-02\neval stats metric=cpu_usge\n  error: did you mean\n"); got != "" {
		t.Error(got)
	}
}

func FuzzScript(f *testing.F) {
	f.Add("now 2024-01-02\nhost a dept=\"x y\"\nload a cpu_usage step=1m start=2024-01-01 0.1x3 _ 0.5+0.1x2\nseries a cpu_usage\n  nothing\n")
	f.Add("set a \"\\\"\n")
	f.Add("  x\n#\n")
	f.Fuzz(func(t *testing.T, text string) {
		commands, err := parseScript("f", text)
		if err != nil {
			return
		}
		for _, c := range commands {
			if len(c.words) == 0 || c.line < 1 {
				t.Fatalf("command %+v", c)
			}
			_, _ = parseRamp0(c.words)
		}
	})
}

// parseRamp0 reads words as values, whatever they are.
func parseRamp0(words []string) (fleet.Batch, error) {
	for _, w := range words {
		if strings.Contains(w, "x") {
			return fleet.Batch{}, nil // may ask for any number of values
		}
	}
	return parseValues(fleet.CPUUsage, words)
}
