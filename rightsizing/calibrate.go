package rightsizing

import "math"

// binEdges are the calibration table's.
func binEdges() []float64 { return []float64{0, 0.02, 0.05, 0.10, 0.20, 0.40, 0.70, 1} }

// calibration collects stated chances and what happened.
type calibration struct {
	count, broken [7]int
	stated        [7]float64
}

func (c *calibration) add(p float64, broke bool) {
	edges := binEdges()
	i := 0
	for i < len(c.count)-1 && p >= edges[i+1] {
		i++
	}
	c.count[i]++
	c.stated[i] += p
	if broke {
		c.broken[i]++
	}
}

// table is the bins that hold something.
func (c *calibration) table() []Bin {
	edges, out := binEdges(), []Bin{}
	for i, n := range c.count {
		if n > 0 {
			out = append(out, Bin{edges[i], edges[i+1], n, c.stated[i] / float64(n), c.broken[i], float64(c.broken[i]) / float64(n)})
		}
	}
	return out
}

// calibrate holds the stated chances of all shrinking candidates at the
// pseudo-splits against what happened.
func (m *model) calibrate() []Bin {
	var c calibration
	for _, d := range splits(m.days) {
		weights := recency(d)
		for i, q := range m.quotes[:m.hosts] {
			l := m.loads[i]
			cpuOK, memOK := m.judged(i, &l.cpu, d), m.judged(i, &l.mem, d)
			if !cpuOK && !memOK {
				continue
			}
			cpu, mem := l.cpu.view(d, weights, true), l.mem.view(d, weights, true)
			for j := range q.list {
				x := &q.list[j]
				if x.remembered || !x.shrinks() || x.lessCPU && !cpuOK || x.lessMem && !memOK {
					continue
				}
				keep, broke := 1.0, false
				if x.lessCPU {
					keep *= 1 - m.learned.chance(true, cpu.odds(x.vcpus))
					broke = l.cpu.outcome[d] > x.vcpus
				}
				if x.lessMem {
					keep *= 1 - m.learned.chance(false, mem.odds(x.memory))
					broke = broke || l.mem.outcome[d] > x.memory
				}
				c.add(math.Min(1, 1-keep), broke)
			}
		}
	}
	return c.table()
}
