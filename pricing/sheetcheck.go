package pricing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// sheetRow is what a row of a sheet names.
type sheetRow struct{ provider, region, typ, family, source string }

// named notes what a row names, for Check.
func (s *Sheet) named(rec *record) {
	f := rec.fields
	row := sheetRow{provider: f["provider"], typ: f["instance_type"], source: rec.source}
	if f["region"] != "*" {
		row.region = f["region"]
	}
	if rec.kind == kindDiscount {
		row.family = f["family"]
	}
	s.rows = append(s.rows, row)
}

// Check returns an error that names file and line of the first row whose
// provider, region, instance type or family is none that a book knows, with the
// nearest names. Machines of one's own are known by their columns vcpus and
// memory_gib; those of the provider "onprem" need none. What the sheet itself
// says does not count as known otherwise. A sheet is worth nothing where its
// names are misspelt: nobody would ever be charged by such a row.
func (s *Sheet) Check(b *Book) error {
	if len(s.rows) == 0 {
		return nil
	}
	bare, err := b.With(Options{})
	if err != nil {
		return err
	}
	c := sheetNames{book: bare, regions: make(map[string][]string), described: make(map[string][]string)}
	c.providers = bare.Providers()
	for k, spec := range s.specs {
		if spec.VCPUs.Known && spec.MemoryBytes.Known {
			c.described[k[0]] = append(c.described[k[0]], k[1])
		}
	}
	for i := range s.rows {
		r := &s.rows[i]
		for _, check := range []func(*sheetRow) error{c.provider, c.region, c.instanceType, c.family} {
			if err := check(r); err != nil {
				return fmt.Errorf("%s: %w", r.source, err)
			}
		}
	}
	return nil
}

// sheetNames are the names that rows of sheets may use.
type sheetNames struct {
	book      *Book               // without sheets
	providers []string            // that the book knows
	regions   map[string][]string // by provider, as they are asked for
	described map[string][]string // types of one's own, by provider
}

const ownTypes = "vcpus and memory_gib"

func (c *sheetNames) catalogued(provider string) bool { return slices.Contains(c.providers, provider) }

func (c *sheetNames) provider(r *sheetRow) error {
	if c.catalogued(r.provider) || r.provider == OnPremises || len(c.described[r.provider]) > 0 {
		return nil
	}
	names := append(slices.Clone(c.providers), OnPremises)
	names = append(names, slices.Sorted(maps.Keys(c.described))...)
	text := fmt.Sprintf("provider: unknown provider %q", r.provider)
	if near := nearest(names, r.provider, 2); len(near) > 0 {
		text = withNearest(text, near)
	} else {
		text += "; known are " + strings.Join(names, ", ") + "."
	}
	return fmt.Errorf("%s A provider of your own gives the %s of its types", text, ownTypes)
}

func (c *sheetNames) region(r *sheetRow) error {
	if r.region == "" || !c.catalogued(r.provider) {
		return nil
	}
	known, ok := c.regions[r.provider]
	if !ok {
		known = c.book.Regions(r.provider)
		c.regions[r.provider] = known
	}
	if slices.Contains(known, r.region) {
		return nil
	}
	text := withNearest(fmt.Sprintf("region: unknown region %q of %s", r.region, r.provider), nearest(known, r.region, 3))
	return fmt.Errorf("%w (\"leanfleet prices update --region %s:%s\" reads one that is new)", &namesError{ErrUnknownRegion, text}, r.provider, r.region)
}

func (c *sheetNames) instanceType(r *sheetRow) error {
	own := c.described[r.provider]
	if r.typ == "" || slices.Contains(own, r.typ) {
		return nil
	}
	var near []string
	if c.catalogued(r.provider) {
		if _, known := c.book.Specification(r.provider, r.typ); known {
			return nil
		}
		types := c.book.Types(r.provider)
		if slices.Contains(types, r.typ) {
			return nil
		}
		near = nearest(append(types, own...), r.typ, 3)
	} else if near = nearest(own, r.typ, 3); len(near) == 0 && r.provider == OnPremises {
		return nil
	}
	text := withNearest(fmt.Sprintf("instance_type: unknown instance type %q of %s", r.typ, r.provider), near)
	if len(near) == 0 {
		text += "."
	}
	return &namesError{ErrUnknownType, fmt.Sprintf("%s A type of your own needs %s", text, ownTypes)}
}

func (c *sheetNames) family(r *sheetRow) error {
	if r.family == "" || !c.catalogued(r.provider) {
		return nil
	}
	if _, known := c.book.base.FamilySpecification(r.provider, r.family); known {
		return nil
	}
	set := make(map[string]bool)
	for _, typ := range c.book.Types(r.provider) {
		if spec, ok := c.book.Specification(r.provider, typ); ok && spec.Family.Known {
			set[spec.Family.Value] = true
		}
	}
	if set[r.family] {
		return nil
	}
	families := slices.Sorted(maps.Keys(set))
	return fmt.Errorf("family: %s", withNearest(fmt.Sprintf("unknown family %q of %s", r.family, r.provider), nearest(families, r.family, 3)))
}

// namesError is a sentinel with a text of its own.
type namesError struct {
	is   error
	text string
}

func (e *namesError) Error() string { return e.text }
func (e *namesError) Unwrap() error { return e.is }
