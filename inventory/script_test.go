package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
)

// A script is commands at the left margin, each with its exact output, indented
// by two blanks, below it. "#" begins a comment line.
//
//	types m5.large 2 8GiB         a row of the types table
//	at T                          the clock of what follows
//	put host=i-1 name=web ...     a statement by columns; also clear=region,tag_dept,
//	                              alias_KIND=KEY, inferred, and of the write:
//	                              effective= who= why= origin= correct
//	and host=i-2 ...              a further row of the same put
//	samples KEY FROM TO           samples of a host come in
//	merge INTO FROM
//	resolve KEY T
//	timeline|lifetime|history|aliases|members KEY
//	records SELECTOR [FROM TO]
//	hosts | conflicts
//
// Times are 2024-01-31 or 2024-01-31T08:00, in UTC; ".." in an output is an
// open bound.
type script struct {
	book  *Book
	types map[string]fleet.Capacity
	now   time.Time
}

func newScript() *script {
	s := &script{types: map[string]fleet.Capacity{}}
	s.book = NewBook(func(_, t string) (fleet.Capacity, bool) {
		c, ok := s.types[t]
		return c, ok
	})
	return s
}

func parseTime(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := fleet.ParseTime(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func show(t time.Time) string {
	switch {
	case t.IsZero():
		return ".."
	case t.Truncate(24 * time.Hour).Equal(t):
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01-02T15:04")
}

func showWindow(w fleet.Window) string { return "[" + show(w.Start) + " " + show(w.End) + ")" }

// run runs a script, and reports every output that is not as written. After
// each put it checks what holds for any book.
func (s *script) run(t *testing.T, name, text string) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		line := strings.TrimRight(lines[i], " \r")
		at := i + 1
		i++
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		args := []string{line}
		for strings.HasPrefix(line, "put ") && i < len(lines) && strings.HasPrefix(lines[i], "and ") {
			args = append(args, lines[i])
			i++
		}
		var want []string
		for i < len(lines) && strings.HasPrefix(lines[i], "  ") {
			want = append(want, strings.TrimSpace(lines[i]))
			i++
		}
		if diff := cmp.Diff(want, s.command(t, args)); diff != "" {
			t.Errorf("%s:%d: %s (-want +got)\n%s", name, at, line, diff)
		}
		checkBook(t, s.book)
	}
}

func (s *script) command(t *testing.T, lines []string) []string {
	t.Helper()
	f := strings.Fields(lines[0])
	key := func() fleet.HostID {
		if id, ok := s.book.Resolve(f[1], s.now); ok {
			return id
		}
		return fleet.HostID(f[1])
	}
	var out []string
	switch f[0] {
	case "types":
		vcpus, _ := strconv.ParseFloat(f[2], 64)
		s.types[f[1]] = fleet.Capacity{VCPUs: vcpus, MemoryBytes: bytesOf(t, f[3])}
	case "at":
		s.now = parseTime(t, f[1])
	case "put":
		return s.put(t, lines)
	case "samples":
		w := fleet.Window{Start: parseTime(t, f[2]), End: parseTime(t, f[3])}
		s.book.See(s.book.Ensure(f[1], w.Start, fleet.Put{At: s.now, Origin: fleet.OriginAgent}), w)
	case "merge":
		if err := s.book.Merge(f[1], f[2], fleet.Put{At: s.now, Who: "ops"}); err != nil {
			return []string{"error: " + err.Error()}
		}
	case "resolve":
		if id, ok := s.book.Resolve(f[1], parseTime(t, f[2])); ok {
			return []string{"-> " + string(id)}
		}
		return []string{"-> nobody"}
	case "timeline":
		for _, r := range s.book.Timeline(key()) {
			out = append(out, showRecord(&r))
		}
	case "records":
		w := fleet.Window{}
		if len(f) > 2 {
			w = fleet.Window{Start: parseTime(t, f[2]), End: parseTime(t, f[3])}
		}
		for _, r := range s.book.Records(fleet.MustSelector(f[1]), w) {
			out = append(out, string(r.Host)+" "+showRecord(&r))
		}
	case "lifetime":
		timeline := s.book.Timeline(key())
		for i, list := range Lifetime(timeline) {
			for _, w := range list {
				out = append(out, fmt.Sprintf("record %d: %s", i+1, showWindow(w)))
			}
		}
	case "history":
		h, _ := s.book.Host(key())
		for _, e := range h.History {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", show(e.At), e.Action, e.Who, e.Why)))
			for _, c := range e.Changes {
				out = append(out, fmt.Sprintf("%s %s %q -> %q %s", c.Field, c.Kind, c.From, c.To, showWindow(fleet.Window{Start: c.Effective, End: c.Until})))
			}
		}
	case "aliases":
		h, _ := s.book.Host(key())
		for _, a := range h.Aliases {
			out = append(out, fmt.Sprintf("%s %s %s", a.Key, a.Kind, showWindow(a.Window())))
		}
	case "members":
		for _, id := range s.book.Members(key()) {
			out = append(out, string(id))
		}
	case "hosts":
		for _, id := range s.book.Hosts() {
			out = append(out, string(id))
		}
	case "conflicts":
		for _, c := range s.book.Conflicts() {
			out = append(out, fmt.Sprintf("%s: %s", c.Host, c.Reason))
		}
	default:
		t.Fatalf("unknown command %q", lines[0])
	}
	return out
}

func (s *script) put(t *testing.T, lines []string) []string {
	t.Helper()
	put := fleet.Put{At: s.now, Origin: fleet.OriginImport}
	statements := make([]fleet.Statement, len(lines))
	for i, l := range lines {
		for _, f := range strings.Fields(l)[1:] {
			k, v, _ := strings.Cut(f, "=")
			switch k {
			case "correct":
				put.Correct = true
			case "effective":
				put.Effective = parseTime(t, v)
			case "who":
				put.Who = v
			case "why":
				put.Why = v
			default:
				state(t, &statements[i], k, v)
			}
		}
	}
	r, err := s.book.Put(statements, put)
	if err != nil {
		return []string{"error: " + err.Error()}
	}
	var parts []string
	for _, x := range []struct {
		n    int
		what string
	}{{r.Added, "added"}, {r.Changed, "changed"}, {r.Corrected, "corrected"}, {r.Learned, "learned"}, {r.Unchanged, "unchanged"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.what))
		}
	}
	var out []string
	if len(parts) > 0 {
		out = append(out, "-> "+strings.Join(parts, ", "))
	}
	for _, c := range r.Conflicts {
		out = append(out, fmt.Sprintf("conflict %s: %s", c.Host, c.Reason))
	}
	return out
}

// state sets a column of a statement.
func state(t *testing.T, s *fleet.Statement, column, v string) {
	t.Helper()
	if kind, ok := strings.CutPrefix(column, "alias_"); ok {
		s.Aliases = append(s.Aliases, fleet.Alias{Kind: fleet.AliasKind(kind), Key: v})
		return
	}
	switch column {
	case "inferred":
		s.Inferred = true
	case "host":
		s.Host = fleet.HostID(v)
	case "origin":
		s.Origin = fleet.Origin(v)
	case "valid_from":
		s.From = parseTime(t, v)
	case "valid_to":
		s.To = parseTime(t, v)
	case "clear":
		s.Clear = strings.Split(v, ",")
	case "memory_bytes":
		s.Capacity.MemoryBytes = bytesOf(t, v)
	default:
		if err := setField(fields(), &s.Record, column, v); err != nil {
			t.Fatal(err)
		}
	}
}

func bytesOf(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSuffix(s, "GiB"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(s, "GiB") {
		n <<= 30
	}
	return n
}

func showRecord(r *fleet.Record) string {
	parts := []string{showWindow(r.Window())}
	for _, f := range fields() {
		v, ok := f.get(r)
		if !ok {
			continue
		}
		switch f.column {
		case "vcpus", "memory_bytes":
			if n := r.Capacity.MemoryBytes; f.column == "memory_bytes" && n%(1<<30) == 0 {
				v = fmt.Sprintf("%dGiB", n>>30)
			}
			v += "(" + r.CapacityFrom + ")"
		case "state":
			v += "@" + show(r.Stated)
			if r.Inferred {
				v += "(inferred)"
			}
		}
		parts = append(parts, f.column+"="+v)
	}
	var tags []string
	for k, v := range r.Tags {
		tags = append(tags, tagPrefix+k+"="+v)
	}
	slices.Sort(tags)
	return strings.Join(append(parts, tags...), " ")
}

// checkBook checks what holds for any book: timelines are contiguous, lifetimes
// lie inside their records, and keys have one holder at a time.
func checkBook(t interface {
	Helper()
	Fatalf(string, ...any)
}, b *Book) {
	t.Helper()
	for _, id := range b.Hosts() {
		timeline := b.Timeline(id)
		if len(timeline) == 0 {
			t.Fatalf("host %s has no record", id)
		}
		life := Lifetime(timeline)
		for i := range timeline {
			r := &timeline[i]
			if r.Host != id || !startsBefore(r.From, r.To) {
				t.Fatalf("host %s, record %d: %s of %s", id, i, r.Window(), r.Host)
			}
			if i > 0 && (!timeline[i-1].To.Equal(r.From) || r.From.IsZero()) {
				t.Fatalf("host %s, record %d does not follow: %s then %s", id, i, timeline[i-1].Window(), r.Window())
			}
			for j, w := range life[i] {
				if w.Start.IsZero() || w.Intersect(r.Window()) != w || (!w.End.IsZero() && w.Empty()) {
					t.Fatalf("host %s, record %d %s: lifetime %s", id, i, r.Window(), w)
				}
				if j > 0 && !life[i][j-1].End.Before(w.Start) {
					t.Fatalf("host %s, record %d: lifetimes %s", id, i, life[i])
				}
			}
		}
	}
	for _, s := range &b.keys {
		if s == nil {
			continue
		}
		for key, list := range s.m {
			for i, c := range list {
				for _, d := range list[i+1:] {
					if c.window().Overlaps(d.window()) && b.canonical(c.host) != b.canonical(d.host) {
						t.Fatalf("key %s has two holders at one time: %s %s and %s %s", key, c.host, c.window(), d.host, d.window())
					}
				}
			}
		}
	}
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			newScript().run(t, file, string(text))
		})
	}
}

// TestDocs runs the worked examples of docs/inventory.md.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/inventory.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), "\n```script\n")
	if len(parts) < 10 {
		t.Fatalf("docs/inventory.md has %d worked examples, not one for each rule", len(parts)-1)
	}
	for i, p := range parts[1:] {
		body, _, ok := strings.Cut(p, "\n```")
		if !ok {
			t.Fatalf("example %d is not closed", i+1)
		}
		heading := parts[i][strings.LastIndex(parts[i], "\n## ")+1:]
		heading, _, _ = strings.Cut(strings.TrimPrefix(heading, "## "), "\n")
		t.Run(fmt.Sprintf("%d %s", i+1, heading), func(t *testing.T) {
			newScript().run(t, "docs/inventory.md example "+strconv.Itoa(i+1), body)
		})
	}
}
