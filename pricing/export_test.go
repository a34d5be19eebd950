package pricing

// DecodeShelf decodes a section behind its checksum and says whether encoding
// it again gives a section that decodes to the same.
func DecodeShelf(raw []byte) (again []byte, err error) {
	s, err := decodeShelf(place{"aws", "us-east-1"}, 8, raw)
	if err != nil {
		return nil, err
	}
	return s.encode()
}

// EncodeItems returns the section of a place with the items of one reading.
func EncodeItems(b *Book, p Place) ([]byte, error) {
	s, err := b.ledger.shelf(place{p.Provider, p.Region})
	if err != nil {
		return nil, err
	}
	return s.encode()
}

// ApplyRules exposes the family rules.
func ApplyRules(s Specification) Specification { return applyRules(s) }
