package fleettest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/zones"
)

// RunScript runs the script in a file on a fresh engine that knows [Metrics] and
// [Types], and fails the test for every answer that is not as expected. The
// language is in the documentation of the package.
func RunScript(t *testing.T, path string, e Engine) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := runScript(t.Context(), path, string(text), e); err != nil {
		t.Error(err)
	}
}

// command is one line of a script, with the lines expected beneath it.
type command struct {
	file   string
	line   int
	words  []string
	expect []string
}

func (c *command) errorf(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", c.file, c.line, fmt.Errorf(format, args...))
}

// parseScript cuts a script into commands.
func parseScript(file, text string) ([]command, error) {
	var out []command
	n := 0
	for l := range strings.SplitSeq(text, "\n") {
		n++
		trimmed := strings.TrimSpace(l)
		switch {
		case trimmed == "" || trimmed[0] == '#':
		case l[0] == ' ' || l[0] == '\t':
			if len(out) == 0 {
				return nil, fmt.Errorf("%s:%d: an expected line without a command above it", file, n)
			}
			last := &out[len(out)-1]
			last.expect = append(last.expect, trimmed)
		default:
			words, err := splitWords(trimmed)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, n, err)
			}
			out = append(out, command{file: file, line: n, words: words})
		}
	}
	return out, nil
}

// splitWords cuts a line at blanks outside double quotes, which are dropped. A
// word that begins with # ends the line.
func splitWords(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	inWord, quoted := false, false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quoted && c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case c == '"':
			quoted, inWord = !quoted, true
		case !quoted && (c == ' ' || c == '\t'):
			if inWord {
				out = append(out, word.String())
				word.Reset()
			}
			inWord = false
		case !inWord && c == '#':
			return out, nil
		default:
			inWord = true
			word.WriteByte(c)
		}
	}
	if quoted {
		return nil, errors.New("a quote is not closed")
	}
	if inWord {
		out = append(out, word.String())
	}
	return out, nil
}

// script is a script being run.
type script struct {
	ctx    context.Context
	engine Engine
	env    fleet.Environment
}

// runScript runs a script. It stops at a command that cannot be done, and goes
// on after an answer that is not as expected; the error names all of them.
func runScript(ctx context.Context, file, text string, e Engine) error {
	commands, err := parseScript(file, text)
	if err != nil {
		return err
	}
	s := &script{ctx: ctx, engine: e, env: fleet.Environment{
		Source: e, Metrics: Metrics(), Zone: zones.Load, Sets: map[string]fleet.Selector{}, Hours: map[string]fleet.Calendar{},
	}}
	var wrong []error
	for i := range commands {
		c := &commands[i]
		got, err := s.run(c)
		if err == nil {
			err = c.check(got)
		} else if expected(c, err) {
			err = nil
		} else {
			return errors.Join(append(wrong, c.errorf("%w", err))...)
		}
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

const errorPrefix = "error:"

// expected says whether a command's only expected line is this error.
func expected(c *command, err error) bool {
	if len(c.expect) != 1 {
		return false
	}
	text, ok := strings.CutPrefix(c.expect[0], errorPrefix)
	return ok && strings.Contains(err.Error(), strings.TrimSpace(text))
}

// check compares an answer with the expected lines. Only questions must have
// some.
func (c *command) check(got []string) error {
	asks := c.words[0] == "eval" || c.words[0] == "records" || c.words[0] == "series"
	if !asks && len(c.expect) == 0 {
		return nil
	}
	if len(got) == 0 {
		got = []string{"nothing"}
	}
	if d := cmp.Diff(c.expect, got); d != "" {
		return c.errorf("%s: (-want +got):\n%s\nall of it:\n  %s", strings.Join(c.words, " "), d, strings.Join(got, "\n  "))
	}
	return nil
}

func (s *script) run(c *command) ([]string, error) {
	args := c.words[1:]
	if c.words[0] != "now" && s.env.Now.IsZero() {
		return nil, errors.New("the time is not set: begin with now TIME")
	}
	switch c.words[0] {
	case "now":
		return nil, s.now(args)
	case "timezone":
		return nil, s.timezone(args)
	case "set":
		return nil, s.set(args)
	case "hours":
		return nil, s.hours(args)
	case "host":
		return s.host(args, false)
	case "correct":
		return s.host(args, true)
	case "rename":
		if len(args) < 2 {
			return nil, errors.New("rename KEY NAME")
		}
		return s.host(append([]string{args[0], "name=" + args[1]}, args[2:]...), false)
	case "merge":
		if len(args) != 2 {
			return nil, errors.New("merge INTO FROM")
		}
		return nil, s.engine.MergeHosts(args[0], args[1], fleet.Put{At: s.env.Now, Who: "script"})
	case "load":
		return s.load(args)
	case "eval":
		return s.eval(args)
	case "records":
		return s.records(args)
	case "series":
		return s.series(args)
	}
	return nil, fmt.Errorf("unknown command %q%s", c.words[0], fleet.DidYouMean(c.words[0],
		[]string{"now", "timezone", "set", "hours", "host", "correct", "rename", "merge", "load", "eval", "records", "series"}))
}

func (s *script) now(args []string) error {
	if len(args) != 1 {
		return errors.New("now TIME")
	}
	t, err := fleet.ParseTime(args[0], nil)
	s.env.Now = t
	return err
}

func (s *script) timezone(args []string) error {
	if len(args) != 1 {
		return errors.New("timezone ZONE")
	}
	s.env.Timezone = args[0]
	_, err := zones.Load(args[0])
	return err
}

func (s *script) set(args []string) error {
	if len(args) != 2 {
		return errors.New("set NAME SELECTOR")
	}
	sel, err := fleet.ParseSelector(args[1])
	s.env.Sets[args[0]] = sel
	return err
}

func (s *script) hours(args []string) error {
	if len(args) != 2 && len(args) != 3 {
		return errors.New(`hours NAME "HOURS" [ZONE]`)
	}
	list, err := fleet.ParseHours(args[1])
	if err != nil {
		return err
	}
	c := fleet.Calendar{Hours: list}
	if len(args) == 3 {
		if c.Location, err = zones.Load(args[2]); err != nil {
			return err
		}
	}
	s.env.Hours[args[0]] = c
	return nil
}

// host states what a host is. The answer tells what became of the statement.
func (s *script) host(args []string, correct bool) ([]string, error) {
	if len(args) == 0 {
		return nil, errors.New("host KEY [FIELD=VALUE...]")
	}
	statement := fleet.Statement{Record: fleet.Record{Host: fleet.HostID(args[0])}}
	put := fleet.Put{At: s.env.Now, Who: "script", Origin: fleet.OriginImport, Correct: correct}
	for _, a := range args[1:] {
		key, v, ok := strings.Cut(a, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q is not FIELD=VALUE", a)
		}
		if err := stateField(&statement, &put, key, v); err != nil {
			return nil, fmt.Errorf("%s: %w", a, err)
		}
	}
	r, err := s.engine.PutRecords(s.ctx, []fleet.Statement{statement}, put)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, x := range []struct {
		name string
		n    int
	}{{"added", r.Added}, {"learned", r.Learned}, {"changed", r.Changed}, {"corrected", r.Corrected}, {"unchanged", r.Unchanged}} {
		if x.n > 0 {
			out = append(out, x.name)
		}
	}
	for _, c := range r.Conflicts {
		out = append(out, fmt.Sprintf("conflict %s: %s", c.Host, c.Reason))
	}
	return out, nil
}

func stateField(s *fleet.Statement, put *fleet.Put, key, v string) (err error) {
	column := key
	switch key {
	case "from":
		s.From, err = fleet.ParseTime(v, nil)
		return err
	case "to":
		s.To, err = fleet.ParseTime(v, nil)
		return err
	case "effective":
		put.Effective, err = fleet.ParseTime(v, nil)
		return err
	case "who":
		put.Who = v
		return nil
	case "why":
		put.Why = v
		return nil
	case "name", "provider", "account", "region", "zone", "os", "arch", "state", "purchase", "owned_by", "vcpus":
	case "type":
		column = "instance_type"
	case "memory":
		column = "memory_bytes"
	default:
		key = strings.TrimPrefix(key, "tag.")
		if v == "-" {
			s.Clear = append(s.Clear, "tag_"+key)
			return nil
		}
		if s.Tags == nil {
			s.Tags = fleet.Tags{}
		}
		s.Tags[key] = v
		return nil
	}
	if v == "-" {
		s.Clear = append(s.Clear, column)
		return nil
	}
	return stateBuiltin(s, key, v)
}

func stateBuiltin(s *fleet.Statement, key, v string) (err error) {
	texts := map[string]*string{"name": &s.Name, "provider": &s.Provider, "account": &s.Account, "region": &s.Region,
		"zone": &s.Zone, "os": &s.OS, "arch": &s.Arch, "owned_by": &s.OwnedBy}
	if p, ok := texts[key]; ok {
		*p = v
		return nil
	}
	switch key {
	case "type":
		parts := strings.Split(v, "/")
		switch len(parts) {
		case 1:
			s.InstanceType = v
		case 3:
			s.Provider, s.Region, s.InstanceType = parts[0], parts[1], parts[2]
		default:
			err = errors.New("use TYPE or PROVIDER/REGION/TYPE")
		}
	case "state":
		s.State, err = fleet.ParseState(v)
	case "purchase":
		s.Purchase, err = fleet.ParsePurchaseOption(v)
	case "vcpus":
		s.Capacity.VCPUs, err = strconv.ParseFloat(v, 64)
	case "memory":
		s.Capacity.MemoryBytes, err = parseBytes(v)
	}
	return err
}

func parseBytes(v string) (int64, error) {
	unit := int64(1)
	for suffix, n := range map[string]int64{"GiB": gib, "MiB": 1 << 20} {
		if number, ok := strings.CutSuffix(v, suffix); ok {
			v, unit = number, n
		}
	}
	n, err := strconv.ParseInt(v, 10, 64)
	return n * unit, err
}

// load stores samples. The answer is the counts.
func (s *script) load(args []string) ([]string, error) {
	if len(args) < 2 {
		return nil, errors.New("load KEY METRIC step=DURATION start=TIME VALUES")
	}
	m, err := s.env.Metrics.Lookup(args[1])
	if err != nil {
		return nil, err
	}
	var step time.Duration
	var start time.Time
	origin := fleet.OriginImport
	rest := args[2:]
	for len(rest) > 0 {
		key, v, ok := strings.Cut(rest[0], "=")
		if !ok {
			break
		}
		switch key {
		case "step":
			step, err = time.ParseDuration(v)
		case "start":
			start, err = fleet.ParseTime(v, nil)
		case "origin":
			origin = fleet.Origin(v)
		default:
			err = errors.New("use step=, start= or origin=")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", rest[0], err)
		}
		rest = rest[1:]
	}
	if step <= 0 || start.IsZero() || len(rest) == 0 {
		return nil, errors.New("step=, start= or the values are missing")
	}
	b, err := parseValues(m, rest)
	if err != nil {
		return nil, err
	}
	b.Host, b.Origin, b.Step = fleet.HostID(args[0]), origin, int32(step.Milliseconds())
	for i := range b.Columns[0].Values {
		b.Start = append(b.Start, start.UnixMilli()+int64(i)*step.Milliseconds())
	}
	n, err := s.engine.Append(s.ctx, []fleet.Batch{b})
	return []string{fmt.Sprintf("inserted=%d changed=%d unchanged=%d outranked=%d", n.Inserted, n.Changed, n.Unchanged, n.Outranked)}, err
}

// parseValues reads 0.5, 0.5x3, 0.5+0.1x3, 0.5-0.1x3, _ and _x3 into a batch
// of one column.
func parseValues(m fleet.Metric, words []string) (fleet.Batch, error) {
	c := fleet.Column{Metric: m}
	for _, word := range words {
		text, times := word, 1
		if v, n, ok := strings.Cut(word, "x"); ok {
			var err error
			if times, err = strconv.Atoi(n); err != nil || times < 1 {
				return fleet.Batch{}, fmt.Errorf("value %q: %q is not a number of times", word, n)
			}
			text = v
		}
		first, add, err := parseRamp(text)
		if err != nil {
			return fleet.Batch{}, fmt.Errorf("value %q is not understood: use 0.5, 0.5x3, 0.5+0.1x3 or _", word)
		}
		for i := range times {
			var scaled int32
			if text != "_" {
				if scaled, err = m.Scale(first + float64(i)*add); err != nil {
					return fleet.Batch{}, err
				}
			}
			c.Values = append(c.Values, scaled)
			c.Present = append(c.Present, text != "_")
		}
	}
	if !slices.Contains(c.Present, false) {
		c.Present = nil
	}
	return fleet.Batch{Columns: []fleet.Column{c}}, nil
}

func parseRamp(text string) (first, add float64, err error) {
	if text == "_" {
		return 0, 0, nil
	}
	if i := strings.LastIndexAny(text, "+-"); i > 0 {
		if add, err = strconv.ParseFloat(text[i:], 64); err != nil {
			return 0, 0, err
		}
		text = text[:i]
	}
	first, err = strconv.ParseFloat(text, 64)
	return first, add, err
}

func (s *script) records(args []string) ([]string, error) {
	if len(args) != 1 {
		return nil, errors.New("records KEY")
	}
	h, err := s.engine.Host(args[0], s.env.Now)
	if err != nil {
		return nil, err
	}
	list, err := s.engine.Records(s.ctx, fleet.SelectHost(h.ID), fleet.Window{})
	var out []string
	for i := range list {
		out = append(out, showFields(&list[i]))
	}
	return out, err
}

func (s *script) series(args []string) ([]string, error) {
	if len(args) < 2 || len(args) > 3 {
		return nil, errors.New("series KEY METRIC [range=RANGE]")
	}
	h, err := s.engine.Host(args[0], s.env.Now)
	if err != nil {
		return nil, err
	}
	m, err := s.env.Metrics.Lookup(args[1])
	if err != nil {
		return nil, err
	}
	q := fleet.Query{Metric: m, Hosts: fleet.SelectHost(h.ID), Window: fleet.Window{Start: time.UnixMilli(fleet.MinTime), End: time.UnixMilli(fleet.MaxTime)}}
	if len(args) == 3 {
		text, ok := strings.CutPrefix(args[2], "range=")
		if !ok {
			return nil, errors.New("series KEY METRIC [range=RANGE]")
		}
		if q.Window, err = fleet.ParseWindow(text, s.env.Now, nil); err != nil {
			return nil, err
		}
	}
	list, err := readSeries(s.ctx, s.engine, q)
	var out []string
	for i := range list {
		out = append(out, showSeries(m, &list[i]))
	}
	return out, err
}
