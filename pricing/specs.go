package pricing

// Specification returns what the book knows of a type: each fact from the own
// sheet, else the live lists, else the embedded facts, else the rules for its
// family. Custom machine types of GCP are worked out from their names. It is
// false for a type that nobody knows. The specification is shared: it must not
// be written to.
func (b *Book) Specification(provider, instanceType string) (*Specification, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	return b.specification(provider, instanceType)
}

// specification is Specification under both locks.
func (b *Book) specification(provider, typ string) (*Specification, bool) {
	b.forget()
	key := [2]string{provider, typ}
	if s, ok := b.specs[key]; ok {
		return s, s != nil
	}
	s, ok := b.sheet.specs[key]
	if shelf, err := b.ledger.shelf(place{provider, ""}); err == nil && shelf != nil {
		if h := shelf.specs[typ].upTo(b.seen()); len(h) > 0 {
			s, ok = s.Merge(h[len(h)-1].value), true
		}
	}
	if e, found := b.base.Specification(provider, typ); found {
		s, ok = s.Merge(e), true
	}
	if c, found := parseCustom(typ); !ok && provider == GCP && found {
		s = c.specification()
		if f, found := b.base.FamilySpecification(GCP, c.family); found {
			s = s.Merge(f)
		}
		ok = true
	}
	if !ok {
		for _, m := range []sheetPrices{b.sheet.prices, b.sheet.lists} {
			for c := range m {
				ok = ok || (c.provider == provider && c.typ == typ)
			}
		}
	}
	var made *Specification
	if ok {
		s.Provider, s.InstanceType = provider, typ
		s = applyRules(s)
		made = &s
	}
	if len(b.specs) >= maxSpecs {
		clear(b.specs)
	}
	b.specs[key] = made
	return made, ok
}

// maxSpecs bounds the cache: three times all types of the embedded facts.
const maxSpecs = 12000

// forget drops what was worked out before the last reading. The caller holds
// both locks.
func (b *Book) forget() {
	if b.specs == nil || b.specsAt != len(b.ledger.batches) {
		b.specs, b.candidates = make(map[[2]string]*Specification), make(map[candidateKey]*candidateList)
		b.specsAt = len(b.ledger.batches)
	}
}
