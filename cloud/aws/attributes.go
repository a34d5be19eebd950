package aws

import (
	"strconv"
	"strings"

	"github.com/leanfleet/leanfleet/pricing"
)

// specification returns what the attributes of a product tell of its type.
// Current generation "Yes" says too little to be a fact: AWS says so of all but
// the previous generation. Figures "up to" of the network and of block storage
// are no baseline and are left out, so that a known baseline stays.
func (p *product) specification() pricing.Specification {
	name := p.text(instanceType)
	s := pricing.Specification{Provider: pricing.AWS, InstanceType: name}
	family, _, _ := strings.Cut(name, ".")
	s.Family = pricing.Known(family, sourceAttributes)
	learn(&s.Purpose, purposeOf(p.text(instanceFamily)))
	if p.is(currentGeneration, "No") {
		s.Status = pricing.Known("previous", sourceAttributes)
	}
	if n, err := strconv.Atoi(p.text(vcpu)); err == nil && n > 0 {
		s.VCPUs = pricing.Known(n, sourceAttributes)
	}
	learn(&s.MemoryBytes, memoryOf(p.text(memory)))
	learn(&s.Arch, archOf(p.text(physicalProcessor), p.text(processorArchitecture)))
	if gbps := networkOf(p.text(networkPerformance)); gbps > 0 {
		s.NetworkGbps, s.NetworkKind = pricing.Known(gbps, sourceAttributes), pricing.NetworkBaseline
	}
	learn(&s.DiskBytesPerSecond, throughputOf(p.text(dedicatedEBS)))
	if d, ok := diskOf(p.text(storage)); ok {
		s.LocalDisk = pricing.Known(d, sourceAttributes)
	}
	n, err := strconv.ParseFloat(p.text(gpu), 64)
	switch {
	case err == nil && n >= 0 && n <= 1024:
		s.GPUs = pricing.Known(n, sourceAttributes)
	case len(p.values[gpu]) == 0 && s.Purpose.Known && s.Purpose.Value != "accelerator" && s.Purpose.Value != "hpc":
		s.GPUs = pricing.Known(0.0, sourceAttributes)
	}
	return s
}

// learn sets a fact to a value that is not the zero one.
func learn[T comparable](f *pricing.Fact[T], v T) {
	var zero T
	if v != zero {
		*f = pricing.Known(v, sourceAttributes)
	}
}

// purposeOf returns the purpose by AWS's name of a group of families.
func purposeOf(group string) string {
	switch strings.ToLower(group) {
	case "general purpose", "micro instances":
		return "general"
	case "compute optimized":
		return "compute"
	case "memory optimized":
		return "memory"
	case "storage optimized":
		return "storage"
	case "gpu instance", "machine learning asic instances", "fpga instances", "media accelerator instances":
		return "accelerator"
	case "high performance computing", "hpc optimized":
		return "hpc"
	}
	return ""
}

// memoryOf reads a size such as "1,952 GiB" as bytes; 0 for one that is none.
func memoryOf(s string) int64 {
	number, unit, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(s, ",", "")), " ")
	gib, err := strconv.ParseFloat(number, 64)
	if err != nil || !(gib > 0 && gib <= 1<<20) || strings.TrimSpace(unit) != "GiB" {
		return 0
	}
	return int64(gib*(1<<30) + 0.5)
}

// archOf reads the architecture from the name of the processor: the list calls
// Graviton 64-bit too.
func archOf(processor, architecture string) string {
	p := strings.ToLower(processor)
	switch {
	case strings.Contains(p, "graviton"), strings.Contains(p, "apple m"):
		return "arm64"
	case strings.Contains(p, "intel"), strings.Contains(p, "amd"), strings.Contains(p, "xeon"), strings.Contains(p, "epyc"),
		strings.Contains(architecture, "32-bit"):
		return "x86_64"
	}
	return ""
}

// networkOf reads a bandwidth that a type always has, such as "25 Gigabit", as
// Gbit/s; 0 for "Up to 10 Gigabit", "High" and whatever else is no figure.
func networkOf(s string) float64 {
	f := strings.Fields(strings.ToLower(s))
	if len(f) != 2 {
		return 0
	}
	n, err := strconv.ParseFloat(f[0], 64)
	switch {
	case err != nil || !(n > 0 && n <= 1e6):
		return 0
	case f[1] == "gigabit":
		return n
	case f[1] == "megabit":
		return n / 1000
	}
	return 0
}

// throughputOf reads the bandwidth to block storage that a type always has, such
// as "4750 Mbps", in bytes a second; 0 for "Up to 4750 Mbps", which is a burst,
// and whatever else is no figure.
func throughputOf(s string) float64 {
	f := strings.Fields(strings.ToLower(strings.ReplaceAll(s, ",", "")))
	if len(f) != 2 {
		return 0
	}
	n, err := strconv.ParseFloat(f[0], 64)
	if err != nil || !(n > 0 && n <= 1e9) {
		return 0
	}
	switch f[1] {
	case "mbps":
		return n * 1e6 / 8
	case "gbps":
		return n * 1e9 / 8
	}
	return 0
}

// gibOf turns the vendor's gigabytes into GiB.
func gibOf(gb float64) float64 { return gb * 1e9 / (1 << 30) }

// diskOf reads the local disks, such as "EBS only", "2 x 900 NVMe SSD" or
// "1 x 1.9 NVMe SSD", where a fraction means terabytes. It is false for a text
// that says neither.
func diskOf(s string) (pricing.LocalDisk, bool) {
	t := strings.ToLower(strings.TrimSpace(s))
	if t == "ebs only" || t == "ebsonly" {
		return pricing.LocalDisk{}, true
	}
	count, rest, ok := strings.Cut(t, "x")
	if !ok {
		count, rest = "1", t
	}
	n, err := strconv.Atoi(strings.TrimSpace(count))
	if err != nil || n <= 0 || n > 1000 {
		return pricing.LocalDisk{}, false
	}
	rest = strings.TrimSpace(strings.ReplaceAll(rest, ",", ""))
	end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(rest)
	}
	size, err := strconv.ParseFloat(rest[:end], 64)
	unit := strings.TrimSpace(rest[end:])
	if err != nil || !(size > 0 && size <= 1e6) {
		return pricing.LocalDisk{}, false
	}
	switch {
	case strings.HasPrefix(unit, "tb"), strings.Contains(rest[:end], ".") && size < 16 && !strings.HasPrefix(unit, "gb"):
		size *= 1000
	case !ok && !strings.HasPrefix(unit, "gb"):
		return pricing.LocalDisk{}, false
	}
	return pricing.LocalDisk{Present: true, GiB: gibOf(float64(n) * size)}, true
}
