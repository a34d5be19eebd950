package simulate

import (
	"math"
	"math/bits"
	"slices"
)

// entropy is the Shannon entropy in bits of the first differences of values:
// the mean, over differences, of -log2 of the share of equal ones.
func entropy(values []int32) float64 {
	if len(values) < 2 {
		return 0
	}
	d := differences(values)
	bits, n := 0.0, float64(len(d))
	add := func(count int) {
		if count > 0 {
			share := float64(count) / n
			bits -= share * math.Log2(share)
		}
	}
	if least, most := slices.Min(d), slices.Max(d); most-least < 1<<17 { // count them
		counts := make([]int, most-least+1)
		for _, x := range d {
			counts[x-least]++
		}
		for _, c := range counts {
			add(c)
		}
		return bits
	}
	slices.Sort(d)
	for i, j := 0, 0; i < len(d); i = j {
		for j < len(d) && d[j] == d[i] {
			j++
		}
		add(j - i)
	}
	return bits
}

// packed is the bits that delta packing spends on a value: differences in
// blocks of 128, each of four miniblocks of 32 as wide as its largest
// difference above the block's smallest.
func packed(values []int32) float64 {
	d := differences(values)
	total := 0
	for block := range slices.Chunk(d, 128) {
		least := slices.Min(block)
		for mini := range slices.Chunk(block, 32) {
			total += len(mini) * bits.Len32(uint32(slices.Max(mini)-least))
		}
	}
	return float64(total) / float64(max(1, len(d)))
}

func differences(values []int32) []int32 {
	d := make([]int32, 0, max(0, len(values)-1))
	for i := 1; i < len(values); i++ {
		d = append(d, values[i]-values[i-1])
	}
	return d
}
