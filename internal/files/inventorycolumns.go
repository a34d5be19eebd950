package files

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/leanfleet/leanfleet/fleet"
)

// Names and marks of inventories.
const (
	columnValidFrom = "valid_from"
	columnValidTo   = "valid_to"
	tagPrefix       = "tag_"
	clearMark       = "-"
	noDisks         = "none"
)

// inventoryColumn is a column of an inventory: how its cells become a
// statement, and how a record becomes a cell.
type inventoryColumn struct {
	name     string
	parse    func(s *fleet.Statement, cell string, loc *time.Location) error
	write    func(r *fleet.Record) string // "" for unknown
	kept     bool                         // cannot be cleared
	verbatim bool                         // spaces count
	validity bool                         // says when a row holds, not what
}

// read puts a cell into a statement. An empty one says nothing, "-" clears.
func (c *inventoryColumn) read(s *fleet.Statement, cell []byte, loc *time.Location) error {
	if !utf8.Valid(cell) {
		return fmt.Errorf("%q is not UTF-8 text", cell)
	}
	if !c.verbatim {
		cell = trim(cell)
	}
	text := string(cell)
	switch {
	case text == "" && c.name == columnHost:
		return errors.New("the host is empty")
	case text == "":
		return nil
	case text == clearMark && c.kept:
		return errors.New("- clears a value, and this one cannot be cleared")
	case text == clearMark:
		s.Clear = append(s.Clear, c.name)
		return nil
	}
	return c.parse(s, unescapeDash(text), loc)
}

// stated is what a statement says in the column: a value, "-" when it clears,
// "" when it says nothing.
func (c *inventoryColumn) stated(s *fleet.Statement) string {
	if slices.Contains(s.Clear, c.name) {
		return clearMark
	}
	return escapeDash(c.write(&s.Record))
}

// escapeDash and unescapeDash let a value be "-" itself: it is written as \-,
// and \- as \\-.
func escapeDash(value string) string {
	if isDash(value) {
		return `\` + value
	}
	return value
}

func unescapeDash(cell string) string {
	if len(cell) > 1 && isDash(cell) {
		return cell[1:]
	}
	return cell
}

func isDash(s string) bool { return strings.HasSuffix(s, "-") && strings.Trim(s[:len(s)-1], `\`) == "" }

// inventoryColumns are the columns other than tags, in the order of export.
func inventoryColumns() []inventoryColumn {
	text := func(name string, field func(*fleet.Record) *string) inventoryColumn {
		return inventoryColumn{
			name:  name,
			parse: func(s *fleet.Statement, cell string, _ *time.Location) error { *field(&s.Record) = cell; return nil },
			write: func(r *fleet.Record) string { return *field(r) },
		}
	}
	return []inventoryColumn{
		hostColumn(),
		nameColumn(text("name", func(r *fleet.Record) *string { return &r.Name })),
		text("provider", func(r *fleet.Record) *string { return &r.Provider }),
		text("account", func(r *fleet.Record) *string { return &r.Account }),
		text("region", func(r *fleet.Record) *string { return &r.Region }),
		text("zone", func(r *fleet.Record) *string { return &r.Zone }),
		text("instance_type", func(r *fleet.Record) *string { return &r.InstanceType }),
		vcpusColumn(),
		memoryColumn(),
		text("arch", func(r *fleet.Record) *string { return &r.Arch }),
		text("os", func(r *fleet.Record) *string { return &r.OS }),
		stateColumn(),
		purchaseColumn(),
		text("owned_by", func(r *fleet.Record) *string { return &r.OwnedBy }),
		disksColumn(),
		addressesColumn(),
		timeColumn(columnValidFrom, parseDay, func(r *fleet.Record) *time.Time { return &r.From }),
		timeColumn(columnValidTo, parseLastDay, func(r *fleet.Record) *time.Time { return &r.To }),
	}
}

// nameColumn does not write a name that is the host's id: that is how a host
// without a name is called, and nobody stated it.
func nameColumn(c inventoryColumn) inventoryColumn {
	write := c.write
	c.write = func(r *fleet.Record) string {
		if r.Name == string(r.Host) {
			return ""
		}
		return write(r)
	}
	return c
}

func hostColumn() inventoryColumn {
	return inventoryColumn{
		name: columnHost,
		kept: true,
		parse: func(s *fleet.Statement, cell string, _ *time.Location) error {
			s.Host = fleet.HostID(cell)
			return checkHostName([]byte(cell))
		},
		write: func(r *fleet.Record) string { return string(r.Host) },
	}
}

func vcpusColumn() inventoryColumn {
	return inventoryColumn{
		name: "vcpus",
		parse: func(s *fleet.Statement, cell string, _ *time.Location) error {
			v, err := parseNumber([]byte(cell))
			if err != nil || !(v > 0) || v > 1e6 {
				return fmt.Errorf("%q is not a number of virtual CPUs: use a number above 0, or - when it is unknown", cell)
			}
			s.Capacity.VCPUs = v
			return nil
		},
		write: func(r *fleet.Record) string {
			if r.CapacityFrom == "catalogue" || r.Capacity.VCPUs == 0 {
				return ""
			}
			return strconv.FormatFloat(r.Capacity.VCPUs, 'f', -1, 64)
		},
	}
}

func memoryColumn() inventoryColumn {
	return inventoryColumn{
		name: "memory_bytes",
		parse: func(s *fleet.Statement, cell string, _ *time.Location) (err error) {
			s.Capacity.MemoryBytes, err = parseBytes(cell)
			return err
		},
		write: func(r *fleet.Record) string {
			if r.CapacityFrom == "catalogue" || r.Capacity.MemoryBytes == 0 {
				return ""
			}
			return strconv.FormatInt(r.Capacity.MemoryBytes, 10)
		},
	}
}

func stateColumn() inventoryColumn {
	return inventoryColumn{
		name: "state",
		parse: func(s *fleet.Statement, cell string, _ *time.Location) (err error) {
			if s.State, err = fleet.ParseState(cell); err == nil && s.State == fleet.StateUnknown {
				s.Clear = append(s.Clear, "state")
			}
			return err
		},
		write: func(r *fleet.Record) string { return string(r.State) },
	}
}

func purchaseColumn() inventoryColumn {
	return inventoryColumn{
		name: "purchase",
		parse: func(s *fleet.Statement, cell string, _ *time.Location) (err error) {
			if s.Purchase, err = fleet.ParsePurchaseOption(cell); err == nil && s.Purchase == fleet.PurchaseUnknown {
				s.Clear = append(s.Clear, "purchase")
			}
			return err
		},
		write: func(r *fleet.Record) string { return string(r.Purchase) },
	}
}

func disksColumn() inventoryColumn {
	return inventoryColumn{
		name: "disks",
		parse: func(s *fleet.Statement, cell string, _ *time.Location) (err error) {
			s.Disks, err = parseDisks(cell)
			return err
		},
		write: func(r *fleet.Record) string { return formatDisks(r.Disks) },
	}
}

func addressesColumn() inventoryColumn {
	return inventoryColumn{
		name: "public_addresses",
		parse: func(s *fleet.Statement, cell string, _ *time.Location) error {
			n, err := strconv.ParseUint(cell, 10, 16)
			if err != nil {
				return fmt.Errorf("%q is not a number of public addresses: use 0, 1, 2 and so on", cell)
			}
			addresses := int(n)
			s.Addresses = &addresses
			return nil
		},
		write: func(r *fleet.Record) string {
			if r.Addresses == nil {
				return ""
			}
			return strconv.Itoa(*r.Addresses)
		},
	}
}

func timeColumn(name string, parse func(string, *time.Location) (time.Time, error), field func(*fleet.Record) *time.Time) inventoryColumn {
	return inventoryColumn{
		name:     name,
		kept:     true,
		validity: true,
		parse: func(s *fleet.Statement, cell string, loc *time.Location) error {
			t, err := parse(cell, loc)
			if err != nil {
				return err
			}
			*field(&s.Record) = t
			return nil
		},
		write: func(r *fleet.Record) string {
			if field(r).IsZero() {
				return ""
			}
			return field(r).UTC().Format(time.RFC3339Nano)
		},
	}
}

// tagColumn is a column named tag_KEY.
func tagColumn(name string) inventoryColumn {
	key := strings.TrimPrefix(name, tagPrefix)
	return inventoryColumn{
		name:     name,
		verbatim: true,
		parse: func(s *fleet.Statement, cell string, _ *time.Location) error {
			if s.Tags == nil {
				s.Tags = fleet.Tags{}
			}
			s.Tags[key] = cell
			return nil
		},
		write: func(r *fleet.Record) string { return r.Tags[key] },
	}
}

// parseDay reads a date (its first instant) or a time with a zone.
func parseDay(s string, loc *time.Location) (time.Time, error) {
	return parseValidity(s, loc, fleet.ParseTime)
}

// parseLastDay reads a date, which includes that day, or a time with a zone,
// which is excluded.
func parseLastDay(s string, loc *time.Location) (time.Time, error) {
	return parseValidity(s, loc, fleet.ParseEnd)
}

func parseValidity(s string, loc *time.Location, date func(string, *time.Location) (time.Time, error)) (time.Time, error) {
	var t time.Time
	var err error
	if len(s) == len(time.DateOnly) {
		t, err = date(s, loc)
	} else if t, err = time.Parse(time.RFC3339, s); err == nil {
		t = t.UTC()
	} else if hasNoZone(s) {
		return time.Time{}, fmt.Errorf("%q %w", s, errNoZone(s))
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time: use a date (2026-01-31) or RFC 3339 (2026-01-31T08:00:00Z)", s)
	}
	return t, nil
}

// parseBytes reads a size: bytes, or a number with a unit such as 16GiB.
func parseBytes(s string) (int64, error) {
	bad := fmt.Errorf("%q is not a size: use bytes, or a unit such as 512MiB or 16GiB (GB is a thousand million)", s)
	number := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit := s[len(number):]
	factor := float64(1)
	switch strings.ToLower(unit) {
	case "", "b":
	case "kb":
		factor = 1e3
	case "mb":
		factor = 1e6
	case "gb":
		factor = 1e9
	case "tb":
		factor = 1e12
	case "kib":
		factor = 1 << 10
	case "mib":
		factor = 1 << 20
	case "gib":
		factor = 1 << 30
	case "tib":
		factor = 1 << 40
	default:
		return 0, bad
	}
	v, err := parseNumber(trim([]byte(number)))
	if n := math.Round(v * factor); err == nil && n >= 1 && n <= 1<<53 {
		return int64(n), nil
	}
	return 0, bad
}

// parseDisks reads disks as TYPE:GIB, separated by semicolons; "none" is no
// disk at all.
func parseDisks(s string) ([]fleet.Disk, error) {
	if strings.EqualFold(s, noDisks) {
		return []fleet.Disk{}, nil
	}
	var disks []fleet.Disk
	for part := range strings.SplitSeq(s, ";") {
		part = strings.TrimSpace(part)
		colon := strings.LastIndexByte(part, ':')
		if colon <= 0 {
			return nil, errDisks(part)
		}
		kind := strings.TrimSpace(part[:colon])
		gib, err := parseNumber([]byte(strings.TrimSpace(part[colon+1:])))
		if kind == "" || err != nil || !(gib > 0) || gib > 1e9 {
			return nil, errDisks(part)
		}
		disks = append(disks, fleet.Disk{Type: kind, GiB: gib})
	}
	return disks, nil
}

func errDisks(part string) error {
	return fmt.Errorf("%q is not a disk: use TYPE:GIB such as gp3:100, semicolons between disks, or none", part)
}

func formatDisks(disks []fleet.Disk) string {
	if disks == nil {
		return ""
	}
	if len(disks) == 0 {
		return noDisks
	}
	parts := make([]string, len(disks))
	for i, d := range disks {
		parts[i] = d.Type + ":" + strconv.FormatFloat(d.GiB, 'f', -1, 64)
	}
	return strings.Join(parts, ";")
}
