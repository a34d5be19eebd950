package main

import (
	"errors"
	"time"

	"github.com/leanfleet/leanfleet/internal/catalog"
)

// The columns of the source files.
var (
	familyColumns    = []string{"provider", "family", "purpose", "status", "sustained_use_discount", "source", "as_of"}
	regionColumns    = []string{"provider", "region", "geo_area", "metro", "country", "lat_approx", "lon_approx"}
	neighbourColumns = []string{"provider", "region", "near_provider", "near_region", "km_approx", "same_country"}
	typeColumns      = []string{"provider", "instance_type", "family", "vcpu", "memory_gib", "arch", "cpu_kind", "gpu_count",
		"network_gbps_baseline", "local_disk_gib", "generation_rank"}
	priceColumns     = []string{"provider", "region", "instance_type", "os", "purchase", "usd_per_hour", "as_of", "basis"}
	componentColumns = []string{"region", "family", "purchase", "usd_per_vcpu_hour", "usd_per_gib_hour", "max_rel_residual"}
)

// name is a provider and a name of its.
type name struct{ provider, name string }

// reading is a source while it is read: what later files may refer to.
type reading struct {
	catalog.Source
	families map[name]catalog.Family
	regions  map[name]bool
	types    map[name]bool
}

// read reads and checks the folder.
func read(dir string) (catalog.Source, error) {
	s := &reading{families: make(map[name]catalog.Family), regions: make(map[name]bool), types: make(map[name]bool)}
	neighbours, prices, components := make(map[catalog.Neighbour]bool), make(map[catalog.Offer]bool), make(map[catalog.Component]bool)
	var errs []error
	// What others refer to comes first, so that one missing row is one error.
	for _, t := range []struct {
		name    string
		columns []string
		each    func(r *row)
	}{
		{"families", familyColumns, s.family},
		{"regions", regionColumns, s.region},
		{"region_map", neighbourColumns, func(r *row) { s.neighbour(r, neighbours) }},
		{"instance_types", typeColumns, s.instanceType},
		{"prices", priceColumns, func(r *row) { s.offer(r, prices) }},
		{"gcp_components", componentColumns, func(r *row) { s.component(r, components) }},
	} {
		source, err := readTable(dir, t.name, t.columns, t.each)
		s.Info.Sources = append(s.Info.Sources, source)
		errs = append(errs, err)
	}
	s.Info.Generator = version
	return s.Source, errors.Join(errs...)
}

// date keeps the newest date of any fact.
func (s *reading) date(t time.Time) time.Time {
	if t.After(s.Info.Date) {
		s.Info.Date = t
	}
	return t
}

func (s *reading) family(r *row) {
	f := catalog.Family{
		Provider: r.provider("provider"), Name: r.text("family"), // Azure has types of no known family
		Purpose: one(r, "purpose", catalog.PurposeGeneral, catalog.PurposeCompute, catalog.PurposeMemory, catalog.PurposeStorage,
			catalog.PurposeAccelerator, catalog.PurposeHPC, catalog.PurposeConfidential, catalog.PurposeOther),
		Status: one(r, "status", catalog.StatusCurrent, catalog.StatusOlder, catalog.StatusPrevious,
			catalog.StatusRetiring, catalog.StatusRetired),
		SustainedUseDiscount: r.number("sustained_use_discount"), Source: r.text("source"), AsOf: s.date(r.date("as_of")),
	}
	if float(f.SustainedUseDiscount) >= 1 {
		r.refuse("sustained_use_discount is %v, expected is a share below 1", f.SustainedUseDiscount)
	}
	k := name{f.Provider, f.Name}
	if _, ok := s.families[k]; ok {
		r.refuse("family %s %q is there twice", f.Provider, f.Name)
	}
	s.families[k] = f
	s.Families = append(s.Families, f)
}

func (s *reading) region(r *row) {
	g := catalog.Region{
		Provider: r.provider("provider"), Name: r.need("region"), GeoArea: r.need("geo_area"),
		Metro: r.need("metro"), Country: r.need("country"),
		LatitudeApprox: r.coordinate("lat_approx", 90), LongitudeApprox: r.coordinate("lon_approx", 180),
	}
	k := name{g.Provider, g.Name}
	if s.regions[k] {
		r.refuse("region %s %s is there twice", g.Provider, g.Name)
	}
	s.regions[k] = true
	s.Regions = append(s.Regions, g)
}

func (s *reading) neighbour(r *row, seen map[catalog.Neighbour]bool) {
	n := catalog.Neighbour{
		FromProvider: r.provider("provider"), FromRegion: r.need("region"),
		Provider: r.provider("near_provider"), Region: r.need("near_region"),
		KmApprox: r.whole("km_approx", 0, 20_040), // half the way round the earth
	}
	n.SameCountry = r.whole("same_country", 0, 1) == 1
	s.needRegion(r, n.FromProvider, n.FromRegion)
	s.needRegion(r, n.Provider, n.Region)
	k := catalog.Neighbour{FromProvider: n.FromProvider, FromRegion: n.FromRegion, Provider: n.Provider}
	if seen[k] {
		r.refuse("region %s %s has two neighbours in %s", n.FromProvider, n.FromRegion, n.Provider)
	}
	seen[k] = true
	s.Neighbours = append(s.Neighbours, n)
}

func (s *reading) needRegion(r *row, provider, region string) {
	if !s.regions[name{provider, region}] {
		r.refuse("region %s %s is not in the list of regions", provider, region)
	}
}

func (s *reading) instanceType(r *row) {
	t := catalog.InstanceType{
		Provider: r.provider("provider"), Name: r.need("instance_type"), Family: r.text("family"),
		MemoryBytes: r.gib("memory_gib"), Arch: one(r, "arch", "x86_64", "arm64"),
		CPUKind: one(r, "cpu_kind", catalog.CPUDedicated, catalog.CPUBurstable, catalog.CPUShared),
		GPUs:    r.figure("gpu_count"), NetworkGbps: r.figure("network_gbps_baseline"),
		GenerationRank: r.whole("generation_rank", 1, 99),
	}
	if r.text("vcpu") != "" {
		t.VCPUs = catalog.KnownAs(r.whole("vcpu", 1, 1<<16))
	}
	if t.NetworkGbps.OK {
		t.NetworkKind = networkKind(t.Provider)
	}
	family, ok := s.families[name{t.Provider, t.Family}]
	if !ok {
		r.refuse("family %s %q is not in the list of families", t.Provider, t.Family)
	}
	t.LocalDisk = localDisk(t, family, r.figure("local_disk_gib"))
	t.BilledVCPUs = billedVCPUs(t.Provider, t.Name)
	k := name{t.Provider, t.Name}
	if s.types[k] {
		r.refuse("type %s %s is there twice", t.Provider, t.Name)
	}
	s.types[k] = true
	s.Types = append(s.Types, t)
}

func (s *reading) offer(r *row, seen map[catalog.Offer]bool) {
	o := catalog.Offer{
		Provider: r.provider("provider"), Region: r.need("region"), Type: r.need("instance_type"), OS: one(r, "os", "linux"),
		Purchase: one(r, "purchase", catalog.OnDemand, catalog.Spot, catalog.Commitment1, catalog.Commitment3),
	}
	k := o
	o.PricePerHour, o.Currency = r.price("usd_per_hour"), catalog.Currency
	o.AsOf, o.Basis = s.date(r.date("as_of")), one(r, "basis", catalog.Observed, catalog.Inferred)
	s.needRegion(r, o.Provider, o.Region)
	if !s.types[name{o.Provider, o.Type}] {
		r.refuse("type %s %s is not in the list of types", o.Provider, o.Type)
	}
	if seen[k] {
		r.refuse("two prices of %s %s in %s, %s, %s", o.Provider, o.Type, o.Region, o.OS, o.Purchase)
	}
	seen[k] = true
	if s.Info.OldestAt.IsZero() || o.AsOf.Before(s.Info.OldestAt) {
		s.Info.OldestAt = o.AsOf
	}
	if o.AsOf.After(s.Info.NewestAt) {
		s.Info.NewestAt = o.AsOf
	}
	s.Offers = append(s.Offers, o)
}

func (s *reading) component(r *row, seen map[catalog.Component]bool) {
	c := catalog.Component{
		Region: r.need("region"), Family: r.need("family"),
		Purchase: one(r, "purchase", catalog.OnDemand, catalog.Spot, catalog.Commitment1, catalog.Commitment3),
	}
	k := c
	c.PerVCPUHour, c.PerGiBHour = r.price("usd_per_vcpu_hour"), r.price("usd_per_gib_hour")
	c.MaxRelativeResidual = float(r.number("max_rel_residual"))
	s.needRegion(r, catalog.GCP, c.Region)
	if _, ok := s.families[name{catalog.GCP, c.Family}]; !ok {
		r.refuse("family gcp %q is not in the list of families", c.Family)
	}
	if seen[k] {
		r.refuse("two components of %s in %s, %s", c.Family, c.Region, c.Purchase)
	}
	seen[k] = true
	s.Components = append(s.Components, c)
}
