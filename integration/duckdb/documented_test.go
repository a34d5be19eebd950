package duckdb

import (
	"database/sql"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/leanfleet/leanfleet/fleet"
)

// page is where the queries are documented.
var page = filepath.Join("..", "..", "docs", "queries.md")

var (
	fence = regexp.MustCompile("(?ms)^```sql\n(.*?)^```$")
	named = regexp.MustCompile(`^-- name: ([a-z0-9_]+)\n`)
	row   = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| `([^`]+)` \\|(.*)$")
)

// readPage reads the documentation.
func readPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documented returns the queries of the page by name. A block of SQL without a
// name, or a name that stands twice, is an error.
func documented(text string) (map[string]string, error) {
	queries := map[string]string{}
	for _, block := range fence.FindAllStringSubmatch(text, -1) {
		name := named.FindStringSubmatch(block[1])
		if name == nil {
			return nil, fmt.Errorf("a block of SQL does not begin with a name:\n%s", block[1])
		}
		if _, twice := queries[name[1]]; twice {
			return nil, fmt.Errorf("two queries are named %s", name[1])
		}
		queries[name[1]] = block[1]
	}
	if n := strings.Count(text, "```sql"); n != len(queries) {
		return nil, fmt.Errorf("%d of %d blocks of SQL were found", len(queries), n)
	}
	return queries, nil
}

// cells is a row that DuckDB gave, by column. Whole numbers are int64, decimals
// are decimal, times are in UTC.
type cells map[string]any

// decimal is a DECIMAL: value / 10^scale.
type decimal struct {
	value int64
	scale int
}

// Float is the number nearest to the decimal.
func (d decimal) Float() float64 { return float64(d.value) / math.Pow10(d.scale) }

// database is a DuckDB in memory that reads one data directory.
type database struct {
	db      *sql.DB
	dir     string
	queries map[string]string
}

// open starts a DuckDB and gives it the documented views on a data directory.
func open(t *testing.T, dir string) *database {
	t.Helper()
	queries, err := documented(readPage(t))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // the time zone is the session's
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	d := &database{db: db, dir: dir, queries: queries}
	if _, err := db.ExecContext(t.Context(), d.text(t, "views")); err != nil {
		t.Fatalf("views: %v", err)
	}
	return d
}

// text is a documented query over the data directory.
func (d *database) text(t *testing.T, name string) string {
	t.Helper()
	q, ok := d.queries[name]
	if !ok {
		t.Fatalf("%s has no query named %s", page, name)
	}
	return strings.ReplaceAll(q, "DATA/", d.dir+"/")
}

// run runs a documented query.
func (d *database) run(t *testing.T, name string) []cells {
	t.Helper()
	return d.query(t, d.text(t, name))
}

// query runs any query.
func (d *database) query(t *testing.T, text string) []cells {
	t.Helper()
	rows, err := d.db.QueryContext(t.Context(), text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	var out []cells
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		r := make(cells, len(columns))
		for i, c := range columns {
			if r[c], err = plain(values[i]); err != nil {
				t.Fatalf("column %s: %v", c, err)
			}
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// plain turns a value of the driver into one that can be compared.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case nil, string, float64, int64:
		return v, nil
	case int32:
		return int64(v), nil
	case *big.Int:
		if !v.IsInt64() {
			return nil, fmt.Errorf("%v is beyond 64 bits", v)
		}
		return v.Int64(), nil
	case duckdb.Decimal:
		if !v.Value.IsInt64() {
			return nil, fmt.Errorf("%v is beyond 64 bits", v.Value)
		}
		return decimal{value: v.Value.Int64(), scale: int(v.Scale)}, nil
	case time.Time:
		return v.UTC(), nil
	case duckdb.OrderedMap:
		tags, values := fleet.Tags{}, v.Values()
		for i, key := range v.Keys() {
			tags[key.(string)] = values[i].(string)
		}
		return tags, nil
	}
	return nil, fmt.Errorf("a value of type %T", v)
}

// exact is a figure of leanfleet that a query has to give to the last digit.
type exact struct {
	metric fleet.Metric
	value  *float64
}

// near is a mean or a deviation, which leanfleet keeps to a thousandth of the
// metric's resolution: a query has to be within half of that.
type near struct {
	metric fleet.Metric
	value  *float64
}

// matches says whether a cell is what leanfleet says.
func matches(got, want any) bool {
	switch want := want.(type) {
	case exact:
		d, ok := got.(decimal)
		if !ok || want.value == nil {
			return got == nil && want.value == nil
		}
		return d.scale == want.metric.Digits && want.metric.Value(d.value) == *want.value
	case near:
		if got == nil || want.value == nil {
			return got == nil && want.value == nil
		}
		rounding := want.metric.Resolution() / 2000
		return math.Abs(number(got)-*want.value) <= rounding+1e-12*max(1, math.Abs(*want.value))
	case time.Time:
		at, ok := got.(time.Time)
		return ok && at.Equal(want)
	case fleet.Tags:
		tags, ok := got.(fleet.Tags)
		if !ok || len(tags) != len(want) {
			return false
		}
		for key, value := range want {
			if tags[key] != value {
				return false
			}
		}
		return true
	}
	return got == want
}

// number is a cell as a floating-point number, NaN where it is none.
func number(v any) float64 {
	switch v := v.(type) {
	case decimal:
		return v.Float()
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return math.NaN()
}

// compare holds the rows of a query against those that leanfleet's answer asks
// for, in order. Every column of a query has to be compared.
func compare(t *testing.T, got, want []cells) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d rows where leanfleet has %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if len(got[i]) != len(want[i]) {
			t.Fatalf("the query has %d columns, %d are compared", len(got[i]), len(want[i]))
		}
		for column, w := range want[i] {
			g, ok := got[i][column]
			if !ok {
				t.Fatalf("the query has no column %s", column)
			}
			if !matches(g, w) {
				t.Errorf("row %d, %s: %s where leanfleet has %s", i, column, show(g), show(w))
			}
		}
	}
}

func show(v any) string {
	switch v := v.(type) {
	case exact:
		return show(v.value)
	case near:
		return show(v.value)
	case *float64:
		if v == nil {
			return "nothing"
		}
		return fmt.Sprint(*v)
	case decimal:
		return fmt.Sprintf("%.*f (DECIMAL)", v.scale, v.Float())
	case nil:
		return "NULL"
	}
	return fmt.Sprintf("%v (%T)", v, v)
}
