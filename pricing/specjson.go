package pricing

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/leanfleet/leanfleet/money"
)

// fieldOf describes the fact that at points to.
func fieldOf[T any](name string, at func(s *Specification) *Fact[T]) field {
	return field{
		name:  name,
		known: func(s *Specification) (string, bool) { return at(s).Source, at(s).Known },
		merge: func(into, from *Specification) { *at(into) = *at(from) },
		value: func(s *Specification) any { return at(s).Value },
		parse: func(s *Specification, raw []byte, source string) error {
			f := Fact[T]{Known: true, Source: source}
			err := json.Unmarshal(raw, &f.Value)
			*at(s) = f
			return err
		},
	}
}

// fields returns the facts in the order they are shown; nobody writes to it.
func fields() []field { return specFields }

var specFields = listFields()

func listFields() []field {
	network := fieldOf("network_gbps", func(s *Specification) *Fact[float64] { return &s.NetworkGbps })
	network.merge = func(into, from *Specification) {
		into.NetworkGbps, into.NetworkKind = from.NetworkGbps, from.NetworkKind
	}
	return []field{
		fieldOf("family", func(s *Specification) *Fact[string] { return &s.Family }),
		fieldOf("purpose", func(s *Specification) *Fact[string] { return &s.Purpose }),
		fieldOf("status", func(s *Specification) *Fact[string] { return &s.Status }),
		fieldOf("generation_rank", func(s *Specification) *Fact[int] { return &s.GenerationRank }),
		fieldOf("vcpus", func(s *Specification) *Fact[int] { return &s.VCPUs }),
		fieldOf("billed_vcpus", func(s *Specification) *Fact[money.Number] { return &s.BilledVCPUs }),
		fieldOf("memory_bytes", func(s *Specification) *Fact[int64] { return &s.MemoryBytes }),
		fieldOf("arch", func(s *Specification) *Fact[string] { return &s.Arch }),
		fieldOf("cpu_kind", func(s *Specification) *Fact[string] { return &s.CPUKind }),
		fieldOf("burst_baseline", func(s *Specification) *Fact[money.Number] { return &s.BurstBaseline }),
		network,
		fieldOf("network_baseline_gbps", func(s *Specification) *Fact[float64] { return &s.NetworkBaselineGbps }),
		fieldOf("accelerated_networking", func(s *Specification) *Fact[bool] { return &s.AcceleratedNetworking }),
		fieldOf("local_disk", func(s *Specification) *Fact[LocalDisk] { return &s.LocalDisk }),
		fieldOf("temporary_disk", func(s *Specification) *Fact[bool] { return &s.TemporaryDisk }),
		fieldOf("disk_bytes_per_second", func(s *Specification) *Fact[float64] { return &s.DiskBytesPerSecond }),
		fieldOf("disk_iops", func(s *Specification) *Fact[float64] { return &s.DiskIOPS }),
		fieldOf("gpus", func(s *Specification) *Fact[float64] { return &s.GPUs }),
		fieldOf("accelerator", func(s *Specification) *Fact[string] { return &s.Accelerator }),
		fieldOf("confidential", func(s *Specification) *Fact[bool] { return &s.Confidential }),
		fieldOf("hypervisor", func(s *Specification) *Fact[string] { return &s.Hypervisor }),
		fieldOf("disk_interface", func(s *Specification) *Fact[string] { return &s.DiskInterface }),
		fieldOf("image_generations", func(s *Specification) *Fact[[]string] { return &s.ImageGenerations }),
		fieldOf("hyperdisk_only", func(s *Specification) *Fact[bool] { return &s.HyperdiskOnly }),
		fieldOf("sustained_use_discount", func(s *Specification) *Fact[money.Number] { return &s.SustainedUseDiscount }),
	}
}

// localDiskJSON keeps "there is one of unknown size" apart from "there is none".
type localDiskJSON struct {
	Present bool     `json:"present"`
	GiB     *float64 `json:"gib"`
}

// MarshalJSON writes the size as null where it is not known.
func (d LocalDisk) MarshalJSON() ([]byte, error) {
	j := localDiskJSON{Present: d.Present}
	if d.GiB > 0 {
		j.GiB = &d.GiB
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (d *LocalDisk) UnmarshalJSON(b []byte) error {
	var j localDiskJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*d = LocalDisk{Present: j.Present}
	if j.GiB != nil {
		d.GiB = *j.GiB
	}
	return nil
}

// MarshalJSON writes the specification flat: provider, instance_type, one key a
// fact, null where it is unknown, network_kind, sources with the source of each
// known fact, and unknown with the names of those that are not.
func (s Specification) MarshalJSON() ([]byte, error) {
	b := []byte("{")
	put := func(key string, v any) error {
		raw, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("specification of %s: %s: %w", s.InstanceType, key, err)
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%q:", key)
		b = append(b, raw...)
		return nil
	}
	err := put("provider", s.Provider)
	if err == nil {
		err = put("instance_type", s.InstanceType)
	}
	for _, f := range fields() {
		if err != nil {
			return nil, err
		}
		_, ok := f.known(&s)
		switch {
		case ok:
			err = put(f.name, f.value(&s))
		case f.concerns(s.Provider):
			err = put(f.name, nil)
		}
		if err == nil && f.name == "network_gbps" && ok {
			err = put("network_kind", s.NetworkKind)
		}
	}
	if err == nil {
		err = put("sources", s.Sources())
	}
	unknown := s.Unknown()
	if unknown == nil {
		unknown = []string{}
	}
	if err == nil {
		err = put("unknown", unknown)
	}
	return append(b, '}'), err
}

// UnmarshalJSON reads what MarshalJSON writes. Keys it does not know are
// refused.
func (s *Specification) UnmarshalJSON(b []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	*s = Specification{}
	var sources map[string]string
	for key, into := range map[string]any{
		"provider": &s.Provider, "instance_type": &s.InstanceType, "network_kind": &s.NetworkKind, "sources": &sources,
	} {
		if v, ok := raw[key]; ok {
			if err := json.Unmarshal(v, into); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		delete(raw, key)
	}
	delete(raw, "unknown")
	known := fields()
	for key, v := range raw {
		i := slices.IndexFunc(known, func(f field) bool { return f.name == key })
		if i < 0 {
			return fmt.Errorf("unknown key %q", key)
		}
		if string(v) == "null" {
			continue
		}
		if err := known[i].parse(s, v, sources[key]); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}
