package files

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/leanfleet/leanfleet/fleet"
)

// maxMistakes is how many mistakes of an inventory are told at once.
const maxMistakes = 20

// InventoryOptions say how an inventory is to be read.
type InventoryOptions struct {
	// Location is whose days dates without a time mean; nil is UTC.
	Location *time.Location
	// Directory is where relative paths begin; "" is the process's own.
	Directory string
	// Stdin is read for the path "-"; nil is the process's own.
	Stdin io.Reader
	// Progress is told how many bytes of the file, as it lies on disk, are read;
	// the total is 0 when it is unknown.
	Progress func(read, total int64)
}

// looksLikeJSON says whether a text begins as JSON does and CSV never.
func looksLikeJSON(r *bufio.Reader) bool {
	head, _ := r.Peek(256) // whatever is wrong is told by who reads on
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(head) > 0 && (head[0] == '{' || head[0] == '[')
}

// ReadInventory reads an inventory from a CSV file, plain, gzip or zstd, and
// returns what it states: the hosts in the order of the file, the statements of
// one host in the order of their valid_from. It tells up to 20 mistakes at once,
// joined, each with file, line and column, and then no statements. The columns
// are in docs/files.md.
func ReadInventory(ctx context.Context, path string, opt InventoryOptions) (list []fleet.Statement, err error) {
	if opt.Location == nil {
		opt.Location = time.UTC
	}
	src, err := openSource(ctx, path, sourceOptions{stdin: opt.Stdin, directory: opt.Directory})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, src.close()) }()
	if src.kind == kindParquet {
		return nil, fmt.Errorf("%s: this is a Parquet file; inventories are CSV (plain, gzip or zstd)", src.name)
	}
	m := &meter{report: opt.Progress, total: src.size, passes: 1}
	text, err := src.text(m)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, text.Close()) }()
	buffered := bufio.NewReader(text)
	if looksLikeJSON(buffered) {
		return nil, fmt.Errorf("%s: this is JSON, not CSV; what aws, az or gcloud printed is read with --from auto", src.name)
	}
	r := inventoryRows{ctx: ctx, src: src, split: newSplitter(buffered), opt: opt}
	if list, err = r.read(); err != nil {
		return nil, err
	}
	m.finish(src.size)
	return list, nil
}

// inventoryRows reads an inventory.
type inventoryRows struct {
	ctx      context.Context
	src      *source
	split    *splitter
	opt      InventoryOptions
	headers  []string
	columns  []inventoryColumn
	hosts    [][]statedRow
	byName   map[string]int // of hosts
	mistakes []error
}

// statedRow is a statement and its line.
type statedRow struct {
	fleet.Statement
	line int64
}

func (r *inventoryRows) place(line int64, index int) place {
	p := place{file: r.src.name, record: line}
	if index >= 0 {
		p.column, p.header = index+1, r.headers[index]
	}
	return p
}

// mistake notes one and says whether there is room for more.
func (r *inventoryRows) mistake(at place, err error) bool {
	r.mistakes = append(r.mistakes, fmt.Errorf("%s: %w", at, err))
	return len(r.mistakes) < maxMistakes
}

func (r *inventoryRows) read() ([]fleet.Statement, error) {
	r.byName = map[string]int{}
	if err := r.header(); err != nil {
		return nil, err
	}
	if err := r.rows(); err != nil {
		return nil, errors.Join(append(r.mistakes, err)...)
	}
	if len(r.mistakes) < maxMistakes {
		r.order()
	}
	if len(r.mistakes) >= maxMistakes {
		r.mistakes = append(r.mistakes, fmt.Errorf("%s: the first %d mistakes are shown", r.src.name, maxMistakes))
	}
	if len(r.mistakes) > 0 {
		return nil, errors.Join(r.mistakes...)
	}
	var list []fleet.Statement
	for _, rows := range r.hosts {
		for _, row := range rows {
			list = append(list, row.Statement)
		}
	}
	return list, nil
}

// header reads the header and tells all its mistakes.
func (r *inventoryRows) header() error {
	fields, err := r.split.read()
	if err == io.EOF {
		return fmt.Errorf("%s: the file is empty: its first line must name the column host and others", r.src.name)
	}
	at := r.place(r.split.line, -1)
	if err != nil {
		at.column = r.split.field
		return fmt.Errorf("%s: %w", at, r.src.describe(err))
	}
	known := inventoryColumns()
	var names []string
	for _, c := range known {
		names = append(names, c.name)
	}
	seen := map[string]int{}
	for i, f := range fields {
		name := string(f)
		if !strings.HasPrefix(name, tagPrefix) {
			name = strings.TrimSpace(name)
		}
		r.headers = append(r.headers, name)
		c := inventoryColumn{}
		switch k := slices.Index(names, name); {
		case !utf8.ValidString(name):
			err = errors.New("the header is not UTF-8 text")
		case k >= 0:
			c = known[k]
		case len(name) > len(tagPrefix) && strings.HasPrefix(name, tagPrefix):
			c = tagColumn(name)
		default:
			err = fmt.Errorf("unknown column %q%s (tags are columns named tag_KEY)", name, fleet.DidYouMean(name, names))
		}
		if j, twice := seen[name]; twice && err == nil {
			err = fmt.Errorf("column %d has the same name", j+1)
		}
		seen[name] = i
		if err != nil && !r.mistake(r.place(r.split.line, i), err) {
			break
		}
		err = nil
		r.columns = append(r.columns, c)
	}
	if _, ok := seen[columnHost]; !ok && len(r.mistakes) == 0 {
		l := &layout{width: len(fields), host: -1, headers: r.headers}
		return errNoKey(l, at)
	}
	return errors.Join(r.mistakes...)
}

// rows reads all rows. Mistakes in cells are noted; an error means that no
// further row can be read.
func (r *inventoryRows) rows() error {
	for {
		if err := context.Cause(r.ctx); err != nil {
			return err
		}
		fields, err := r.split.read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			at := r.place(r.split.line, -1)
			at.column = r.split.field
			return fmt.Errorf("%s: %w", at, r.src.describe(err))
		}
		if len(fields) != len(r.headers) {
			at := r.place(r.split.line, min(len(fields), len(r.headers))-1)
			if !r.mistake(at, fmt.Errorf("%s where the header has %d", plural(len(fields), "column"), len(r.headers))) {
				return nil
			}
			continue
		}
		if !r.statement(fields) {
			return nil
		}
	}
}

// statement reads a row; it is false when there are enough mistakes.
func (r *inventoryRows) statement(fields [][]byte) bool {
	row := statedRow{line: r.split.line}
	whole := true
	for i, f := range fields {
		if err := r.columns[i].read(&row.Statement, f, r.opt.Location); err != nil {
			whole = false
			if !r.mistake(r.place(row.line, i), err) {
				return false
			}
		}
	}
	if !row.From.IsZero() && !row.To.IsZero() && !row.From.Before(row.To) {
		whole = false
		err := fmt.Errorf("host %s is valid to %s, which is not after its start, %s", row.Host, row.To.Format(time.RFC3339), row.From.Format(time.RFC3339))
		if !r.mistake(r.place(row.line, slices.Index(r.headers, columnValidTo)), err) {
			return false
		}
	}
	if !whole {
		return true
	}
	host, ok := r.byName[string(row.Host)]
	if !ok {
		host = len(r.hosts)
		r.byName[string(row.Host)] = host
		r.hosts = append(r.hosts, nil)
	}
	r.hosts[host] = append(r.hosts[host], row)
	return true
}

// order sorts the rows of each host by time, drops those that say the same once
// more, and tells of those that say different things of one time. A row without
// valid_to holds until the host's next valid_from.
func (r *inventoryRows) order() {
	for h, rows := range r.hosts {
		slices.SortStableFunc(rows, func(a, b statedRow) int { return a.From.Compare(b.From) })
		kept := rows[:0]
		var open []statedRow // those that overlap the present one
		for _, row := range rows {
			open = slices.DeleteFunc(open, func(a statedRow) bool {
				return !a.From.Equal(row.From) && (a.To.IsZero() || !a.To.After(row.From))
			})
			if slices.ContainsFunc(open, func(a statedRow) bool { return r.same(&a, &row) }) {
				continue
			}
			for _, a := range open {
				if name, differ := contradiction(r.columns, &a.Statement, &row.Statement); differ {
					first, second := min(a.line, row.line), max(a.line, row.line)
					err := fmt.Errorf("host %s has another value for the same time on line %d", row.Host, first)
					if !r.mistake(r.place(second, slices.Index(r.headers, name)), err) {
						return
					}
					break
				}
			}
			open = append(open, row)
			kept = append(kept, row)
		}
		r.hosts[h] = kept
	}
}

// same says whether two rows say the same.
func (r *inventoryRows) same(a, b *statedRow) bool {
	return a.From.Equal(b.From) && a.To.Equal(b.To) && !slices.ContainsFunc(r.columns, func(c inventoryColumn) bool {
		return !c.validity && c.stated(&a.Statement) != c.stated(&b.Statement)
	})
}

// contradiction names the first column of which two statements say different
// things.
func contradiction(columns []inventoryColumn, a, b *fleet.Statement) (string, bool) {
	for _, c := range columns {
		if c.validity {
			continue
		}
		x, y := c.stated(a), c.stated(b)
		if x != "" && y != "" && x != y {
			return c.name, true
		}
	}
	return "", false
}

// WriteInventory writes records as an inventory that ReadInventory reads back
// as the same: the columns of docs/files.md, then a column for each tag key of
// any record, in alphabetical order. Unknown values are empty,
// and so is a name that is the id of its host. Capacities that
// come from the catalogue of instance types are left out, lest reading the file
// state them; so are tags with an empty value and what no inventory states
// (when a host was seen, where a record came from).
func WriteInventory(w io.Writer, records []fleet.Record) error {
	columns := inventoryColumns()
	for _, key := range tagKeys(records) {
		columns = append(columns, tagColumn(tagPrefix+key))
	}
	var buf []byte
	for i, c := range columns {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendQuoted(buf, c.name)
	}
	buf = append(buf, '\n')
	for i := range records {
		for k, c := range columns {
			if k > 0 {
				buf = append(buf, ',')
			}
			text := c.write(&records[i])
			if c.name == "state" && records[i].Inferred {
				text = "" // a conclusion is not a statement
			}
			buf = appendQuoted(buf, escapeDash(text))
		}
		buf = append(buf, '\n')
		if len(buf) >= 64<<10 || i == len(records)-1 {
			if _, err := w.Write(buf); err != nil {
				return fmt.Errorf("write inventory: %w", err)
			}
			buf = buf[:0]
		}
	}
	if _, err := w.Write(buf); err != nil {
		return fmt.Errorf("write inventory: %w", err)
	}
	return nil
}

func tagKeys(records []fleet.Record) []string {
	seen := map[string]bool{}
	var keys []string
	for i := range records {
		for key, value := range records[i].Tags {
			if value != "" && !seen[key] {
				seen[key] = true
				keys = append(keys, key)
			}
		}
	}
	slices.SortFunc(keys, cmp.Compare[string])
	return keys
}
