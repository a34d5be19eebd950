package fleettest

import (
	"fmt"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

func capacityScenarios() []scenario {
	return []scenario{
		{"CapacityOfTheRecordThen", capacityOfTheRecordThen},
		{"CapacityBesideTheSample", capacityBesideTheSample},
		{"CapacityUnknown", capacityUnknown},
		{"MemoryInBytes", memoryInBytes},
	}
}

func capacityOfTheRecordThen(f *fixture) {
	f.put(typed(says("a"), "m5.large"))
	f.append(batch("a", fleet.CPUUsage, 6*time.Hour, "2024-01-01", 0.5, 0.5, 0.5, 0.5))
	f.change("2024-01-01T12:00", typed(says("a"), "m5.2xlarge"))
	f.wantProfiles(query(fleet.CPUUsage, day("2024-01-01"), ""), `
		a@- 2024-01-01 n=2 covered=12h expected=12h 0.5:12h
		a@2024-01-01T12:00 2024-01-01 n=2 covered=12h expected=12h 0.5:12h`)
	f.wantSeries(query(fleet.CPUCoresUsed, day("2024-01-01"), ""), `
		a@- 6h 2024-01-01=1 2024-01-01T06:00=1
		a@2024-01-01T12:00 6h 2024-01-01T12:00=4 2024-01-01T18:00=4`)
	list := f.profiles(query(fleet.CPUCoresUsed, day("2024-01-01"), ""))
	for i, want := range []int64{1000000, 4000000} {
		if len(list) != 2 || list[i].Count != 2 || list[i].Min != want || list[i].Max != want {
			f.Errorf("cores used: %+v", list)
			break
		}
	}
	// Nothing is stored beside these samples, so a corrected inventory corrects them.
	f.putWith(fleet.Put{At: written, Effective: at("2024-01-01T12:00"), Correct: true}, typed(says("a"), "m5.xlarge"))
	f.wantSeries(query(fleet.CPUCoresUsed, day("2024-01-01"), ""), `
		a@- 6h 2024-01-01=1 2024-01-01T06:00=1
		a@2024-01-01T12:00 6h 2024-01-01T12:00=2 2024-01-01T18:00=2`)
}

func capacityBesideTheSample(f *fixture) {
	f.put(typed(says("a"), "m5.large"))
	f.append(with(batch("a", fleet.CPUUsage, 6*time.Hour, "2024-01-01", 0.5, 0.5, 0.5, gap), fleet.CapacityVCPUs, 6, gap, 1.5, 7))
	want := `a@- 6h 2024-01-01=3 2024-01-01T06:00=1 2024-01-01T12:00=0.75`
	f.wantSeries(query(fleet.CPUCoresUsed, day("2024-01-01"), ""), want)
	// The capacity stored beside a sample stands whatever the inventory comes to say.
	f.putWith(fleet.Put{At: written, Correct: true}, typed(says("a"), "m5.2xlarge"))
	f.wantSeries(query(fleet.CPUCoresUsed, day("2024-01-01"), ""), `a@- 6h 2024-01-01=3 2024-01-01T06:00=4 2024-01-01T12:00=0.75`)
}

func capacityUnknown(f *fixture) {
	f.append(
		with(batch("a", fleet.CPUUsage, 6*time.Hour, "2024-01-01", 0.5, 0.5, 0.5, gap), fleet.CapacityVCPUs, gap, 2, gap, gap),
		batch("b", fleet.CPUUsage, 6*time.Hour, "2024-01-01", 0.5),
		batch("c", fleet.MemoryUsage, 6*time.Hour, "2024-01-01", 0.5))
	list := f.profiles(query(fleet.CPUCoresUsed, day("2024-01-01"), ""))
	var got []string
	for i := range list {
		p := &list[i]
		got = append(got, fmt.Sprintf("%s n=%d without=%d covered=%s expected=%s max=%d", p.Record.Host, p.Count, p.WithoutCapacity, showDuration(p.Covered), showDuration(p.Expected), p.Max))
	}
	f.equalLines("cores used", `
		a n=1 without=2 covered=6h expected=18h max=1000000
		b n=0 without=1 covered=0h expected=6h max=0
		c n=0 without=0 covered=0h expected=6h max=0`, got)
	f.wantSeries(query(fleet.CPUCoresUsed, day("2024-01-01"), ""), `a@- 6h 2024-01-01T06:00=1`)
}

func memoryInBytes(f *fixture) {
	f.put(typed(says("a"), "m5.large"))
	f.append(with(batch("a", fleet.MemoryUsage, 6*time.Hour, "2024-01-01", 0.25, 0.5), fleet.CapacityMemory, 4*gib, gap))
	list, err := readSeries(f.ctx, f.engine, query(fleet.MemoryUsedBytes, day("2024-01-01"), ""))
	if err != nil {
		f.Fatal(err)
	}
	var got []string
	for i := range list {
		for _, v := range list[i].Values {
			got = append(got, fmt.Sprintf("%g GiB", fleet.MemoryUsedBytes.Value(v)/gib))
		}
	}
	f.equalLines("memory used", "1 GiB\n4 GiB", got)
}
