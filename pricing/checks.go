package pricing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/leanfleet/leanfleet/advice"
)

const unknownWord = "unknown"

// Checks returns what a person has to verify before a host moves from one type
// to another, in a fixed order. What is the same needs no check; what is
// unknown of one of the two is a check of its own kind, unless nothing of that
// kind can differ. A smaller size is a check too, so that no answer hides it.
func Checks(from, to *Specification) []advice.Check {
	c := &checking{from: from, to: to}
	if from.Provider == to.Provider && from.InstanceType == to.InstanceType {
		return nil
	}
	if from.Provider != to.Provider {
		c.add(advice.CheckProvider, from.Provider, to.Provider, "another cloud: images, networks, identities and data have to be moved")
	}
	c.size()
	c.differs(advice.CheckArchitecture, words(from.Arch), words(to.Arch), "the software has to run on another processor architecture")
	c.cpu()
	c.platform()
	c.disks()
	c.throughput()
	c.gpus()
	c.network()
	c.confidential()
	return c.checks
}

type checking struct {
	from, to *Specification
	checks   []advice.Check
}

func (c *checking) add(code advice.Code, from, to, text string) {
	c.checks = append(c.checks, advice.Check{Code: code, Text: text, From: from, To: to})
}

// words returns a fact for people.
func words[T any](f Fact[T]) string {
	if !f.Known {
		return unknownWord
	}
	return fmt.Sprint(f.Value)
}

// differs adds a check where two words differ, and one of the kind unknown
// where exactly one of them, or both, are not known.
func (c *checking) differs(code advice.Code, from, to, text string) {
	switch {
	case from == unknownWord || to == unknownWord:
		c.add(advice.CheckUnknown, from, to, strings.ReplaceAll(string(code), "_", " ")+" is not known of both types: find out before the change")
	case from != to:
		c.add(code, from, to, text)
	}
}

func (c *checking) size() {
	from, to := c.from, c.to
	switch {
	case !from.VCPUs.Known || !to.VCPUs.Known:
		c.add(advice.CheckUnknown, words(from.VCPUs), words(to.VCPUs), "the number of vCPUs is not known of both types")
	case to.VCPUs.Value < from.VCPUs.Value:
		c.add(advice.CheckCPU, words(from.VCPUs), words(to.VCPUs), "fewer vCPUs: licences and thread pools may depend on the number")
	}
	switch {
	case !from.MemoryBytes.Known || !to.MemoryBytes.Known:
		c.add(advice.CheckUnknown, memoryWords(from), memoryWords(to), "the memory is not known of both types")
	case to.MemoryBytes.Value < from.MemoryBytes.Value:
		c.add(advice.CheckMemory, memoryWords(from), memoryWords(to), "less memory: heaps, caches and huge pages set by hand have to fit")
	}
}

func memoryWords(s *Specification) string {
	if !s.MemoryBytes.Known {
		return unknownWord
	}
	return fmt.Sprintf("%.4g GiB", float64(s.MemoryBytes.Value)/(1<<30))
}

// cpu checks whether full speed is there all the time.
func (c *checking) cpu() {
	kind := func(s *Specification) string {
		w := words(s.CPUKind)
		if s.CPUKind.Known && s.CPUKind.Value != CPUDedicated && s.BurstBaseline.Known {
			w += fmt.Sprintf(", baseline %s of each vCPU", s.BurstBaseline.Value)
		}
		return w
	}
	from, to := kind(c.from), kind(c.to)
	if c.to.CPUKind.Known && c.to.CPUKind.Value == CPUDedicated {
		return // full speed is always there
	}
	c.differs(advice.CheckBurstable, from, to, "full speed is not there all the time: look at credits and the baseline")
}

// platform checks hypervisor, disk devices and images within a provider; a move
// to another cloud changes all of them anyway.
func (c *checking) platform() {
	if c.from.Provider != c.to.Provider {
		return
	}
	from, to := c.from, c.to
	switch {
	case from.Provider == AWS && words(from.Hypervisor) == HypervisorXen && words(to.Hypervisor) == HypervisorNitro:
		c.add(advice.CheckHypervisor, HypervisorXen, HypervisorNitro, "the image needs the ENA and NVMe drivers before it boots on Nitro")
	case from.Provider != OnPremises:
		c.differs(advice.CheckHypervisor, words(from.Hypervisor), words(to.Hypervisor), "the image has to boot on another hypervisor")
	}
	if from.Provider == OnPremises {
		return
	}
	fd, td := words(from.DiskInterface), words(to.DiskInterface)
	if !(fd == DiskBoth && td != unknownWord) && !(td == DiskBoth && fd != unknownWord) {
		c.differs(advice.CheckDiskInterface, fd, td, "disks appear under other device names: mounts and drivers have to fit")
	}
	if from.Provider == GCP {
		c.hyperdisk()
	}
	if from.Provider == Azure {
		c.images()
	}
}

func (c *checking) hyperdisk() {
	kind := func(f Fact[bool]) string {
		switch {
		case !f.Known:
			return unknownWord
		case f.Value:
			return "hyperdisk only"
		}
		return "persistent disk"
	}
	c.differs(advice.CheckDiskGeneration, kind(c.from.HyperdiskOnly), kind(c.to.HyperdiskOnly), "the disks have to be converted to the other kind")
}

func (c *checking) images() {
	from, to := c.from.ImageGenerations, c.to.ImageGenerations
	list := func(f Fact[[]string]) string {
		if !f.Known {
			return unknownWord
		}
		return "generation " + strings.Join(f.Value, " or ")
	}
	if !from.Known || !to.Known {
		c.differs(advice.CheckImageGeneration, list(from), list(to), "")
		return
	}
	for _, g := range from.Value {
		if !slices.Contains(to.Value, g) {
			c.add(advice.CheckImageGeneration, list(from), list(to), "an image of generation "+g+" does not boot: find out which one the host has")
			return
		}
	}
}

func diskWords(s *Specification) string {
	d := s.LocalDisk
	switch {
	case !d.Known:
		return unknownWord
	case !d.Value.Present:
		return "none"
	case d.Value.GiB == 0:
		return "present"
	}
	return fmt.Sprintf("%.4g GiB", d.Value.GiB)
}

// disks checks local and temporary disks.
func (c *checking) disks() {
	from, to := c.from.LocalDisk, c.to.LocalDisk
	fw, tw := diskWords(c.from), diskWords(c.to)
	temporary := func(s *Specification) string {
		switch {
		case !s.TemporaryDisk.Known:
			return unknownWord
		case s.TemporaryDisk.Value:
			return "present"
		}
		return "none"
	}
	// On Azure the temporary disk is the local disk.
	if c.from.Provider == Azure && c.to.Provider == Azure {
		c.differs(advice.CheckTemporaryDisk, temporary(c.from), temporary(c.to), "the temporary disk (D: or /dev/sdb) appears or is gone: the page file and scratch data may lie there")
		return
	}
	switch {
	case from.Known && !from.Value.Present:
		return // nothing to lose
	case !from.Known || !to.Known:
		c.add(advice.CheckUnknown, fw, tw, "the local disk is not known of both types: data on it would be lost")
	case !to.Value.Present:
		c.add(advice.CheckLocalDisk, fw, tw, "the local disk is gone, with the data on it")
	case to.Value.GiB < from.Value.GiB || to.Value.GiB == 0 || from.Value.GiB == 0:
		c.add(advice.CheckLocalDisk, fw, tw, "the local disk may be smaller, and its data is lost")
	default:
		c.add(advice.CheckLocalDisk, fw, tw, "the data on the local disk is lost")
	}
}

func (c *checking) gpus() {
	word := func(s *Specification) string {
		w := words(s.GPUs)
		if s.Accelerator.Known {
			w += " x " + s.Accelerator.Value
		}
		// Families made for accelerators may have others than GPUs.
		if s.Purpose.Known && s.Purpose.Value == "accelerator" && s.GPUs.Known && s.GPUs.Value == 0 {
			w = unknownWord
		}
		return w
	}
	c.differs(advice.CheckGPU, word(c.from), word(c.to), "the accelerators differ")
}

func (c *checking) network() {
	from, to := c.from, c.to
	word := func(s *Specification) string {
		if !s.NetworkGbps.Known {
			return unknownWord
		}
		return fmt.Sprintf("%g Gbit/s %s", s.NetworkGbps.Value, s.NetworkKind)
	}
	baseline := func(s *Specification) string {
		return fmt.Sprintf("%g Gbit/s %s", s.NetworkBaselineGbps.Value, NetworkBaseline)
	}
	baselines := from.NetworkBaselineGbps.Known && to.NetworkBaselineGbps.Known
	switch {
	case baselines && to.NetworkBaselineGbps.Value < from.NetworkBaselineGbps.Value:
		c.add(advice.CheckNetwork, baseline(from), baseline(to), "less network")
	case baselines && (!from.NetworkGbps.Known || !to.NetworkGbps.Known || from.NetworkKind != to.NetworkKind):
		// What is there all the time is enough.
	case !from.NetworkGbps.Known || !to.NetworkGbps.Known:
		c.add(advice.CheckUnknown, word(from), word(to), "the network is not known of both types")
	case from.NetworkKind != to.NetworkKind:
		c.add(advice.CheckNetwork, word(from), word(to), "the figures do not compare: one is a baseline, the other a maximum")
	case to.NetworkGbps.Value < from.NetworkGbps.Value:
		c.add(advice.CheckNetwork, word(from), word(to), "less network")
	}
	if a, b := from.AcceleratedNetworking, to.AcceleratedNetworking; a.Known && a.Value && b.Known && !b.Value {
		c.add(advice.CheckNetwork, "accelerated networking", "none", "no accelerated networking: more latency and more CPU time for each packet")
	}
}

// throughput checks the limits of network-attached disks where both types have
// known ones: no list tells them of every type, and a check of the unknown on
// nearly every change would hide those that matter. Specification.Unknown names
// them.
func (c *checking) throughput() {
	less := func(a, b Fact[float64]) bool { return a.Known && b.Known && b.Value < a.Value }
	from, to := c.from, c.to
	if less(from.DiskBytesPerSecond, to.DiskBytesPerSecond) {
		word := func(s *Specification) string { return fmt.Sprintf("%.4g MB/s", s.DiskBytesPerSecond.Value/1e6) }
		c.add(advice.CheckDiskThroughput, word(from), word(to), "network-attached disks read and write less together")
	}
	if less(from.DiskIOPS, to.DiskIOPS) {
		word := func(s *Specification) string { return fmt.Sprintf("%.0f operations/s", s.DiskIOPS.Value) }
		c.add(advice.CheckDiskThroughput, word(from), word(to), "network-attached disks do fewer operations together")
	}
}

func (c *checking) confidential() {
	word := func(f Fact[bool]) string {
		switch {
		case !f.Known:
			return unknownWord
		case f.Value:
			return "confidential"
		}
		return "ordinary"
	}
	from, to := word(c.from.Confidential), word(c.to.Confidential)
	if from == unknownWord && to == unknownWord {
		return // optional on both, or on neither: the type does not decide it
	}
	if (from == unknownWord && to == "ordinary") || (to == unknownWord && from == "ordinary") {
		return
	}
	c.differs(advice.CheckConfidential, from, to, "memory in use is protected on one of the two only")
}
