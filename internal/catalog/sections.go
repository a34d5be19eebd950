package catalog

import (
	"errors"
	"fmt"
	"time"
)

// The names of the sections. Prices have one section a provider.
const (
	sectionInfo       = "info"
	sectionTypes      = "types"
	sectionFamilies   = "families"
	sectionRegions    = "regions"
	sectionNeighbours = "neighbours"
	sectionComponents = "components"
	sectionPrices     = "prices-" // then the provider
)

// maxRows bounds the rows of every section but the prices, well above what any
// list of the three clouds holds.
const maxRows = 1 << 16

// maxFigure bounds vCPUs, ranks and distances.
const maxFigure = 1 << 30

func encodeInfo(info Info) []byte {
	w := &writer{}
	for _, t := range []time.Time{info.Date, info.OldestAt, info.NewestAt} {
		w.string(day(t))
	}
	w.string(info.Generator)
	w.uvarint(uint64(len(info.Sources)))
	for _, s := range info.Sources {
		w.string(s.Name)
		w.string(s.SHA256)
		w.uvarint(uint64(s.Rows))
	}
	return w.b
}

func decodeInfo(raw []byte) (Info, error) {
	r := &reader{b: raw}
	var info Info
	for _, t := range []*time.Time{&info.Date, &info.OldestAt, &info.NewestAt} {
		*t = r.day(r.string())
	}
	info.Generator = r.string()
	for range r.upTo(maxRows, "number of sources") {
		s := SourceFile{Name: r.string(), SHA256: r.string()}
		s.Rows = r.upTo(maxFigure, "rows of a source")
		if r.err != nil {
			break
		}
		info.Sources = append(info.Sources, s)
	}
	return info, r.end()
}

// day writes a date; the zero time is empty.
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

// day reads a date; empty is the zero time.
func (r *reader) day(s string) time.Time {
	if s == "" || r.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		r.fail(fmt.Errorf("%q is not a date", s))
	}
	return t
}

func encodeTypes(types []InstanceType) ([]byte, error) {
	n := len(types)
	if n > maxRows {
		return nil, fmt.Errorf("%d types, at most %d are allowed", n, maxRows)
	}
	w := &writer{}
	w.uvarint(uint64(n))
	for _, column := range []func(t InstanceType) string{
		func(t InstanceType) string { return t.Provider },
		func(t InstanceType) string { return t.Family },
		func(t InstanceType) string { return t.Arch },
		func(t InstanceType) string { return string(t.CPUKind) },
		func(t InstanceType) string { return string(t.NetworkKind) },
		func(t InstanceType) string { return string(t.LocalDisk.State) },
		func(t InstanceType) string { return t.LocalDisk.Basis },
	} {
		w.words(n, func(i int) string { return column(types[i]) })
	}
	w.strings(n, func(i int) string { return types[i].Name })
	for _, t := range types {
		v := uint64(0)
		if t.VCPUs.OK {
			v = uint64(t.VCPUs.Value) + 1
		}
		w.uvarint(v)
	}
	for _, t := range types {
		v := uint64(0)
		if t.MemoryBytes.OK {
			v = uint64(t.MemoryBytes.Value) + 1
		}
		w.uvarint(v)
	}
	for _, t := range types {
		w.uvarint(uint64(t.GenerationRank))
	}
	for _, column := range []func(t InstanceType) Known[float64]{
		func(t InstanceType) Known[float64] { return t.BilledVCPUs },
		func(t InstanceType) Known[float64] { return t.GPUs },
		func(t InstanceType) Known[float64] { return t.NetworkGbps },
		func(t InstanceType) Known[float64] { return KnownAs(t.LocalDisk.GiB) },
	} {
		if err := w.floats(n, func(i int) Known[float64] { return column(types[i]) }); err != nil {
			return nil, err
		}
	}
	return w.b, nil
}

func decodeTypes(raw []byte) ([]InstanceType, error) {
	r := &reader{b: raw}
	n := r.upTo(maxRows, "number of types")
	var words [7][]string
	for i := range words {
		words[i] = r.words(n)
	}
	names := r.strings(n)
	vcpus, memory, ranks := r.column(n), r.column(n), r.column(n)
	billed, gpus, network, disk := r.floats(n), r.floats(n), r.floats(n), r.floats(n)
	if err := r.end(); err != nil {
		return nil, err
	}
	types := make([]InstanceType, n)
	for i := range types {
		if vcpus[i] > maxFigure || ranks[i] > maxFigure || memory[i] > 1<<62 {
			return nil, fmt.Errorf("type %s: a figure out of range", names[i])
		}
		types[i] = InstanceType{
			Provider: words[0][i], Name: names[i], Family: words[1][i],
			BilledVCPUs: billed[i], GPUs: gpus[i], NetworkGbps: network[i],
			Arch: words[2][i], CPUKind: CPUKind(words[3][i]), NetworkKind: NetworkKind(words[4][i]),
			LocalDisk:      LocalDisk{State: DiskState(words[5][i]), GiB: disk[i].Value, Basis: words[6][i]},
			GenerationRank: int(ranks[i]),
		}
		if vcpus[i] > 0 {
			types[i].VCPUs = KnownAs(int(vcpus[i] - 1))
		}
		if memory[i] > 0 {
			types[i].MemoryBytes = KnownAs(int64(memory[i] - 1))
		}
		if i > 0 && !less(types[i-1].Provider, types[i-1].Name, types[i].Provider, types[i].Name) {
			return nil, fmt.Errorf("type %s %s: not after the one before it", types[i].Provider, types[i].Name)
		}
	}
	return types, nil
}

// less orders by provider, then name.
func less(p1, n1, p2, n2 string) bool {
	return p1 < p2 || (p1 == p2 && n1 < n2)
}

func encodeFamilies(families []Family) ([]byte, error) {
	n := len(families)
	w := &writer{}
	w.uvarint(uint64(n))
	for _, column := range []func(f Family) string{
		func(f Family) string { return f.Provider },
		func(f Family) string { return string(f.Purpose) },
		func(f Family) string { return string(f.Status) },
		func(f Family) string { return f.Source },
		func(f Family) string { return day(f.AsOf) },
	} {
		w.words(n, func(i int) string { return column(families[i]) })
	}
	w.strings(n, func(i int) string { return families[i].Name })
	err := w.numbers(n, func(i int) Number { return families[i].SustainedUseDiscount })
	return w.b, err
}

func decodeFamilies(raw []byte) ([]Family, error) {
	r := &reader{b: raw}
	n := r.upTo(maxRows, "number of families")
	var words [5][]string
	for i := range words {
		words[i] = r.words(n)
	}
	names := r.strings(n)
	discounts := r.numbers(n)
	if err := r.end(); err != nil {
		return nil, err
	}
	families := make([]Family, n)
	for i := range families {
		families[i] = Family{
			Provider: words[0][i], Name: names[i], Purpose: Purpose(words[1][i]), Status: Status(words[2][i]),
			SustainedUseDiscount: discounts[i], Source: words[3][i], AsOf: r.day(words[4][i]),
		}
	}
	return families, r.err
}

func encodeRegions(regions []Region) ([]byte, error) {
	n := len(regions)
	w := &writer{}
	w.uvarint(uint64(n))
	for _, column := range []func(g Region) string{
		func(g Region) string { return g.Provider },
		func(g Region) string { return g.Name },
		func(g Region) string { return g.GeoArea },
		func(g Region) string { return g.Metro },
		func(g Region) string { return g.Country },
	} {
		w.words(n, func(i int) string { return column(regions[i]) })
	}
	err := w.floats(n, func(i int) Known[float64] { return KnownAs(regions[i].LatitudeApprox) })
	return w.b, errors.Join(err, w.floats(n, func(i int) Known[float64] { return KnownAs(regions[i].LongitudeApprox) }))
}

func decodeRegions(raw []byte) ([]Region, error) {
	r := &reader{b: raw}
	n := r.upTo(maxRows, "number of regions")
	var words [5][]string
	for i := range words {
		words[i] = r.words(n)
	}
	latitudes, longitudes := r.floats(n), r.floats(n)
	if err := r.end(); err != nil {
		return nil, err
	}
	regions := make([]Region, n)
	for i := range regions {
		regions[i] = Region{
			Provider: words[0][i], Name: words[1][i], GeoArea: words[2][i], Metro: words[3][i], Country: words[4][i],
			LatitudeApprox: latitudes[i].Value, LongitudeApprox: longitudes[i].Value,
		}
	}
	return regions, nil
}

func encodeNeighbours(neighbours []Neighbour) []byte {
	n := len(neighbours)
	w := &writer{}
	w.uvarint(uint64(n))
	for _, column := range []func(m Neighbour) string{
		func(m Neighbour) string { return m.FromProvider },
		func(m Neighbour) string { return m.FromRegion },
		func(m Neighbour) string { return m.Provider },
		func(m Neighbour) string { return m.Region },
	} {
		w.words(n, func(i int) string { return column(neighbours[i]) })
	}
	for _, m := range neighbours {
		v := uint64(m.KmApprox) << 1
		if m.SameCountry {
			v |= 1
		}
		w.uvarint(v)
	}
	return w.b
}

func decodeNeighbours(raw []byte) ([]Neighbour, error) {
	r := &reader{b: raw}
	n := r.upTo(maxRows, "number of neighbours")
	var words [4][]string
	for i := range words {
		words[i] = r.words(n)
	}
	figures := r.column(n)
	if err := r.end(); err != nil {
		return nil, err
	}
	neighbours := make([]Neighbour, n)
	for i := range neighbours {
		if figures[i] > maxFigure {
			return nil, fmt.Errorf("neighbour of %s: distance out of range", words[1][i])
		}
		neighbours[i] = Neighbour{
			FromProvider: words[0][i], FromRegion: words[1][i], Provider: words[2][i], Region: words[3][i],
			KmApprox: int(figures[i] >> 1), SameCountry: figures[i]&1 == 1,
		}
	}
	return neighbours, nil
}

func encodeComponents(components []Component) ([]byte, error) {
	n := len(components)
	w := &writer{}
	w.uvarint(uint64(n))
	for _, column := range []func(c Component) string{
		func(c Component) string { return c.Region },
		func(c Component) string { return c.Family },
		func(c Component) string { return string(c.Purchase) },
	} {
		w.words(n, func(i int) string { return column(components[i]) })
	}
	err := errors.Join(
		w.numbers(n, func(i int) Number { return components[i].PerVCPUHour }),
		w.numbers(n, func(i int) Number { return components[i].PerGiBHour }),
		w.floats(n, func(i int) Known[float64] { return KnownAs(components[i].MaxRelativeResidual) }),
	)
	return w.b, err
}

func decodeComponents(raw []byte) ([]Component, error) {
	r := &reader{b: raw}
	n := r.upTo(maxRows, "number of components")
	var words [3][]string
	for i := range words {
		words[i] = r.words(n)
	}
	vcpu, gib, residual := r.numbers(n), r.numbers(n), r.floats(n)
	if err := r.end(); err != nil {
		return nil, err
	}
	components := make([]Component, n)
	for i := range components {
		components[i] = Component{
			Region: words[0][i], Family: words[1][i], Purchase: Purchase(words[2][i]),
			PerVCPUHour: vcpu[i], PerGiBHour: gib[i], MaxRelativeResidual: residual[i].Value,
		}
	}
	return components, nil
}
