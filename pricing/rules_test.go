package pricing_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/pricing"
)

// ruled is what the rules say of a type by its name alone.
func ruled(provider, typ string) pricing.Specification {
	s := pricing.Specification{Provider: provider, InstanceType: typ}
	switch provider {
	case pricing.AWS:
		family, _, _ := strings.Cut(typ, ".")
		s.Family = pricing.Known(family, "test")
	case pricing.GCP:
		family, _, _ := strings.Cut(typ, "-")
		s.Family = pricing.Known(family, "test")
	}
	return pricing.ApplyRules(s)
}

// The hypervisor, and with it the disk interface, of the families that AWS
// lists with one, and of the old ones that it no longer lists.
func TestHypervisorsOfAWS(t *testing.T) {
	for hypervisor, families := range map[string]string{
		pricing.HypervisorXen: "c1 c3 c4 d2 f1 h1 i2 i3 m1 m2 m3 m4 p3 r3 r4 t1 t2 x1 x1e cc1 cc2 cg1 cr1 g2 g3 g3s hi1 hs1 p2",
		pricing.HypervisorNitro: "a1 c5 c5a c5ad c5d c5n c6a c6g c6gn c6i c6id c6in c7a c7g c7gn c7i c7i-flex c8g d3 d3en dl1 f2 g4ad g4dn g5 g5g g6 gr6 hpc6a hpc7g " +
			"i3en i4g i4i i7ie im4gn inf1 inf2 is4gen m5 m5a m5d m5n m5zn m6a m6g m6i m7a m7g m7i m7i-flex m8g p3dn p4d p5 r5 r5b r6g r6i r7a r7iz r8g t3 t3a t4g trn1 u-6tb1 vt1 x2gd x2idn x2iezn z1d",
	} {
		disk := map[string]string{pricing.HypervisorXen: pricing.DiskSCSI, pricing.HypervisorNitro: pricing.DiskNVMe}[hypervisor]
		for family := range strings.FieldsSeq(families) {
			if s := ruled(pricing.AWS, family+".8xlarge"); s.Hypervisor.Value != hypervisor || s.DiskInterface.Value != disk || !strings.Contains(s.Hypervisor.Source, "docs.aws.amazon.com") {
				t.Errorf("%s: %s %s by %q", family, s.Hypervisor.Value, s.DiskInterface.Value, s.Hypervisor.Source)
			}
		}
	}
	for _, typ := range []string{"i3.metal", "m5.metal", "c7i.metal-24xl", "u-6tb1.metal", "mac2.metal"} {
		if s := ruled(pricing.AWS, typ); s.Hypervisor.Value != pricing.HypervisorMetal || s.DiskInterface.Value != pricing.DiskNVMe {
			t.Errorf("%s: %s", typ, s.Hypervisor.Value)
		}
	}
}

// All rows of AWS's table of CPU credits, and none for what is not in it.
func TestBaselinesOfAWS(t *testing.T) {
	sizes := strings.Fields("nano micro small medium large xlarge 2xlarge")
	for family, baselines := range map[string]string{
		"t2":  "0.05 0.1 0.2 0.2 0.3 0.225 0.17",
		"t3":  "0.05 0.1 0.2 0.2 0.3 0.4 0.4",
		"t3a": "0.05 0.1 0.2 0.2 0.3 0.4 0.4",
		"t4g": "0.05 0.1 0.2 0.2 0.3 0.4 0.4",
	} {
		for i, want := range strings.Fields(baselines) {
			if s := ruled(pricing.AWS, family+"."+sizes[i]); s.BurstBaseline.Value.String() != want {
				t.Errorf("%s.%s: %s, want %s", family, sizes[i], s.BurstBaseline.Value, want)
			}
		}
	}
	for _, typ := range []string{"m5.large", "t1.micro", "t3.4xlarge", "c7i.large", "m1.small"} {
		if s := ruled(pricing.AWS, typ); s.BurstBaseline.Known {
			t.Errorf("%s: %s", typ, s.BurstBaseline.Value)
		}
	}
}

// What Azure's pages say of the well-known series: temporary disk, disk
// interface, image generations. A question mark is what they do not say.
func TestSeriesOfAzure(t *testing.T) {
	for _, row := range strings.Split(strings.TrimSpace(`
A1                yes scsi 1    A and Av2: generation 1
A2_v2             yes scsi 1
D2                yes scsi 1
D2_v2             yes scsi 1
D2_v3             yes scsi 1
D2s_v3            yes scsi 1,2
DS2               yes scsi 1,2
DS2_v2            yes scsi 1,2
E4_v3             yes scsi 1
E4s_v3            yes scsi 1,2
E4-2s_v3          yes scsi 1,2
F2                yes scsi 1
F2s               yes scsi 1,2
F2s_v2            yes scsi 1,2
B1ls              yes scsi 1,2
B2ms              yes scsi 1,2
B2s_v2            no  scsi 1,2
B2as_v2           no  scsi 1,2
B2ps_v2           no  scsi 2    Arm
D2_v4             no  scsi 1,2
D2s_v4            no  scsi 1,2
D2d_v4            yes scsi 1,2
D2ds_v4           yes scsi 1,2
D2a_v4            yes scsi 1,2  the AMD sizes of version 4
D2as_v4           yes scsi 1,2
E2as_v4           yes scsi 1,2
D2_v5             no  scsi 1,2
D2s_v5            no  scsi 1,2
D2ds_v5           yes scsi 1,2
D2as_v5           no  scsi 1,2
D2ads_v5          yes scsi 1,2
D2ls_v5           no  scsi 1,2
D2ps_v5           no  scsi 2
D2pds_v5          yes scsi 2
E4bs_v5           no  both 1,2
E4bds_v5          yes both 1,2
D2s_v6            no  nvme 2
D2as_v6           no  nvme 2
D2ads_v6          yes nvme 2
D2ps_v6           no  nvme 2
F2as_v6           no  nvme 2
D2s_v7            no  nvme 2
DC2s              yes scsi 2
DC2s_v2           yes scsi 2
DC2s_v3           no  scsi 2    the first DC without
DC2ds_v3          yes scsi 2
DC4as_v5          no  scsi 2
DC4ads_v5         yes scsi 2
EC4as_v5          no  scsi 2
EC4ads_v5         yes scsi 2
DC4as_v6          no  ?    2    NVMe is not confirmed
M208ms_v2         ?   ?    2
M416s_v2          ?   ?    2
M32dms_v2         ?   ?    2
ND40rs_v2         ?   ?    2
M64s              ?   ?    ?
M96s_1_v3         ?   ?    ?
ND96asr_v4        ?   ?    ?
NC6s_v3           ?   ?    ?
L8s_v3            ?   ?    ?
HB120rs_v3        ?   ?    ?
`), "\n") {
		f := strings.Fields(row)
		s := ruled(pricing.Azure, "Standard_"+f[0])
		got := []string{"?", "?", "?"}
		if d := s.TemporaryDisk; d.Known {
			got[0] = map[bool]string{true: "yes", false: "no"}[d.Value]
		}
		if d := s.DiskInterface; d.Known {
			got[1] = d.Value
		}
		if g := s.ImageGenerations; g.Known {
			got[2] = strings.Join(g.Value, ",")
		}
		if !slices.Equal(got, f[1:4]) {
			t.Errorf("%s: %v, want %v", f[0], got, f[1:4])
		}
	}
	for typ, want := range map[string]bool{"DC2s_v3": true, "DC4as_v6": true, "EC4as_v5": true, "D4as_v5": false, "E4s_v3": false, "B2s": false, "M208ms_v2": false} {
		if s := ruled(pricing.Azure, "Standard_"+typ); !s.Confidential.Known || s.Confidential.Value != want {
			t.Errorf("%s: confidential %+v", typ, s.Confidential)
		}
	}
	for typ, want := range map[string]string{
		"B1ls": "0.05", "B1s": "0.1", "B1ms": "0.2", "B2s": "0.2", "B2ms": "0.3", "B4ms": "0.225", "B8ms": "0.17", "B12ms": "0.17", "B16ms": "0.17", "B20ms": "0.17",
		"B2ts_v2": "0.2", "B2ls_v2": "0.3", "B2s_v2": "0.4", "B2ats_v2": "0.2", "B4als_v2": "0.3", "B4as_v2": "0.4", "B2pts_v2": "0.2", "B2pls_v2": "0.3", "B32s_v2": "0.4",
	} {
		if s := ruled(pricing.Azure, "Standard_"+typ); s.BurstBaseline.Value.String() != want {
			t.Errorf("%s: %s, want %s", typ, s.BurstBaseline.Value, want)
		}
	}
}

// Which disks the series of Compute Engine take and how they are attached; of
// those whose pages nobody read here it stays unknown.
func TestSeriesOfGCP(t *testing.T) {
	for want, types := range map[string]string{
		"only nvme": "c4-standard-4 c4a-standard-4 c4d-standard-4 n4-standard-4 n4a-standard-4 n4d-standard-4 c3-standard-192-metal",
		"no nvme":   "c3-standard-4 c3d-standard-4 t2a-standard-4",
		"no scsi":   "e2-standard-4 f1-micro g1-small n1-standard-4 n2-standard-4 n2d-standard-4 c2-standard-4 c2d-standard-4 t2d-standard-4",
		"no ?":      "a2-highgpu-1g m1-ultramem-40 m2-ultramem-208",
		"? ?":       "a3-highgpu-8g a4-highgpu-8g h3-standard-88 h4d-standard-192 m3-ultramem-32 m4-megamem-28 g2-standard-4 z3-standard-88 q9-standard-4",
	} {
		for typ := range strings.FieldsSeq(types) {
			s := ruled(pricing.GCP, typ)
			got := []string{"?", "?"}
			if h := s.HyperdiskOnly; h.Known {
				got[0] = map[bool]string{true: "only", false: "no"}[h.Value]
			}
			if d := s.DiskInterface; d.Known {
				got[1] = d.Value
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %v, want %s", typ, got, want)
			}
		}
	}
	for typ, want := range map[string]string{"e2-micro": "0.125", "e2-small": "0.25", "e2-medium": "0.5", "f1-micro": "0.2", "g1-small": "0.5"} {
		if s := ruled(pricing.GCP, typ); s.BurstBaseline.Value.String() != want {
			t.Errorf("%s: %s, want %s", typ, s.BurstBaseline.Value, want)
		}
	}
	if s := ruled(pricing.GCP, "e2-standard-2"); s.BurstBaseline.Known {
		t.Error("e2-standard-2 has a baseline")
	}
}
