package inventory

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
)

// tagPrefix begins the column of a tag.
const tagPrefix = "tag_"

// A field is a column of inventory files but for host, valid_from and valid_to.
type field struct {
	column string
	// get is the stated value as text; false leaves the field as it is.
	get func(*fleet.Record) (string, bool)
	// set puts a text that check accepts into a record.
	set func(*fleet.Record, string) error
}

func text(column string, p func(*fleet.Record) *string) field {
	return field{column,
		func(r *fleet.Record) (string, bool) { return *p(r), *p(r) != "" },
		func(r *fleet.Record, v string) error { *p(r) = v; return nil }}
}

// fields lists the built-in fields in the order of the columns.
func fields() []field {
	return []field{
		text("name", func(r *fleet.Record) *string { return &r.Name }),
		text("provider", func(r *fleet.Record) *string { return &r.Provider }),
		text("account", func(r *fleet.Record) *string { return &r.Account }),
		text("region", func(r *fleet.Record) *string { return &r.Region }),
		text("zone", func(r *fleet.Record) *string { return &r.Zone }),
		text("instance_type", func(r *fleet.Record) *string { return &r.InstanceType }),
		{"vcpus", getVCPUs, setVCPUs},
		{"memory_bytes", getMemory, setMemory},
		text("arch", func(r *fleet.Record) *string { return &r.Arch }),
		text("os", func(r *fleet.Record) *string { return &r.OS }),
		{"state",
			func(r *fleet.Record) (string, bool) { return string(r.State), r.State != "" },
			func(r *fleet.Record, v string) (err error) { r.State, err = fleet.ParseState(v); return err }},
		{"purchase",
			func(r *fleet.Record) (string, bool) { return string(r.Purchase), r.Purchase != "" },
			func(r *fleet.Record, v string) (err error) {
				r.Purchase, err = fleet.ParsePurchaseOption(v)
				return err
			}},
		text("owned_by", func(r *fleet.Record) *string { return &r.OwnedBy }),
		{"disks", getDisks, setDisks},
		{"public_addresses", getAddresses, setAddresses},
	}
}

// Columns returns the names of the built-in fields as inventory files and
// [fleet.Statement.Clear] write them; tags are "tag_" and their key.
func Columns() []string {
	var out []string
	for _, f := range fields() {
		out = append(out, f.column)
	}
	return out
}

func getVCPUs(r *fleet.Record) (string, bool) {
	return strconv.FormatFloat(r.Capacity.VCPUs, 'g', -1, 64), r.Capacity.VCPUs != 0
}

func setVCPUs(r *fleet.Record, v string) (err error) {
	r.Capacity.VCPUs, err = strconv.ParseFloat(v, 64)
	if err == nil && (math.IsNaN(r.Capacity.VCPUs) || math.IsInf(r.Capacity.VCPUs, 0) || r.Capacity.VCPUs <= 0) {
		err = fmt.Errorf("%s vCPUs are not a size", v)
	}
	return err
}

func getMemory(r *fleet.Record) (string, bool) {
	return strconv.FormatInt(r.Capacity.MemoryBytes, 10), r.Capacity.MemoryBytes != 0
}

func setMemory(r *fleet.Record, v string) (err error) {
	r.Capacity.MemoryBytes, err = strconv.ParseInt(v, 10, 64)
	if err == nil && r.Capacity.MemoryBytes <= 0 {
		err = fmt.Errorf("%s bytes of memory are not a size", v)
	}
	return err
}

func getAddresses(r *fleet.Record) (string, bool) {
	if r.Addresses == nil {
		return "", false
	}
	return strconv.Itoa(*r.Addresses), true
}

func setAddresses(r *fleet.Record, v string) error {
	n, err := strconv.Atoi(v)
	if err == nil && n < 0 {
		err = fmt.Errorf("%d public addresses", n)
	}
	r.Addresses = &n
	return err
}

// Disks are text as TYPE:GIB;TYPE:GIB with % and ; in types escaped as in URLs.
func getDisks(r *fleet.Record) (string, bool) {
	parts := make([]string, len(r.Disks))
	for i, d := range r.Disks {
		t := strings.ReplaceAll(strings.ReplaceAll(d.Type, "%", "%25"), ";", "%3B")
		parts[i] = t + ":" + strconv.FormatFloat(d.GiB, 'g', -1, 64)
	}
	return strings.Join(parts, ";"), r.Disks != nil
}

func setDisks(r *fleet.Record, v string) error {
	r.Disks = []fleet.Disk{}
	if v == "" {
		return nil
	}
	for part := range strings.SplitSeq(v, ";") {
		i := strings.LastIndexByte(part, ':')
		if i < 0 {
			return fmt.Errorf("disk %q is not TYPE:GIB", part)
		}
		gib, err := strconv.ParseFloat(part[i+1:], 64)
		if err != nil || math.IsNaN(gib) || math.IsInf(gib, 0) || gib < 0 {
			return fmt.Errorf("disk %q is not TYPE:GIB", part)
		}
		t := strings.ReplaceAll(strings.ReplaceAll(part[:i], "%3B", ";"), "%25", "%")
		r.Disks = append(r.Disks, fleet.Disk{Type: t, GiB: gib})
	}
	return nil
}

// setField puts a field's text into a record: a built-in or a tag.
func setField(all []field, r *fleet.Record, column, v string) error {
	if key, ok := strings.CutPrefix(column, tagPrefix); ok && key != "" {
		if r.Tags == nil {
			r.Tags = fleet.Tags{}
		}
		r.Tags[key] = v
		return nil
	}
	for i := range all {
		if all[i].column == column {
			return all[i].set(r, v)
		}
	}
	return fmt.Errorf("unknown field %q: use one of %s or tag_KEY", column, strings.Join(Columns(), ", "))
}

// stated is what a statement says of one field; not known clears it.
type stated struct {
	column string
	value  string
	known  bool
}

// fieldsOf lists what a statement states, in the order of the columns, then
// tags by key. It says what is wrong with it.
func fieldsOf(all []field, s *fleet.Statement) ([]stated, error) {
	var out []stated
	var scratch fleet.Record
	for i := range all {
		v, ok := all[i].get(&s.Record)
		if !ok {
			continue
		}
		if err := all[i].set(&scratch, v); err != nil {
			return nil, fmt.Errorf("%s: %w", all[i].column, err)
		}
		out = append(out, stated{all[i].column, v, true})
	}
	keys := make([]string, 0, len(s.Tags))
	for k := range s.Tags {
		if k == "" {
			return nil, fmt.Errorf("a tag without a key")
		}
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		out = append(out, stated{tagPrefix + k, s.Tags[k], true})
	}
	for _, c := range s.Clear {
		if !isField(all, c) {
			return nil, fmt.Errorf("clear: unknown field %q: use one of %s or tag_KEY", c, strings.Join(Columns(), ", "))
		}
		if slices.ContainsFunc(out, func(x stated) bool { return x.column == c }) {
			return nil, fmt.Errorf("%s is both stated and cleared, or cleared twice", c)
		}
		out = append(out, stated{column: c})
	}
	return out, nil
}

// isField says whether a column is a built-in field or a tag.
func isField(all []field, column string) bool {
	return len(column) > len(tagPrefix) && strings.HasPrefix(column, tagPrefix) ||
		slices.ContainsFunc(all, func(f field) bool { return f.column == column })
}
