package simulate

import (
	"math/bits"
)

// rowState is where a host's samples have got to: what one row hands to the
// next. Scales are those of noise.
type rowState struct {
	span     int   // in the timeline
	boot     int64 // of the last row
	next     int64 // when the next row of an unbroken run would begin
	wander   int64 // Q12, relative
	spike    int64 // Q4
	smooth   int64 // Q4: demand without its noise
	swing    int64 // Q8 of memory
	leak     int64 // Q20 of 1/10000
	limit    int64 // Q4: leak at which the service is restarted
	swap     int64 // Q8
	load     int64 // Q8 of 1/100
	wait     int64 // rows left of an episode of steal
	sessions int64
	restarts []int64
}

// maker generates rows. Each goroutine has its own.
type maker struct {
	tables   *tables
	interval int64
	since    int64 // start of the fleet
	stream   stream
	memo     [4]localDay
	slot     [slotsPerDay]int32
	level    []int32 // by row of the day
}

// target is where the rows of one host and day go: room for all rows of a day in
// every column.
type target struct {
	start []int64
	col   [columns][]int32
	rows  int
}

// day generates a host's rows of a UTC day.
func (m *maker) day(h *host, d *slots, out *target) {
	out.rows = 0
	end := d.start + dayMillis
	spans := h.timeline.spans
	s := &h.rows
	for s.span < len(spans) && spans[s.span].to <= d.start {
		s.span++
	}
	if s.span == len(spans) || spans[s.span].from >= end {
		return
	}
	m.stream.reset(h.seed, forRows, h.index, uint64(d.start/dayMillis))
	h.levels(d, m.since, m.tables, &m.memo, &m.slot)
	expand(&m.slot, m.level)
	for k := s.span; k < len(spans) && spans[k].from < end; k++ {
		// a row counts if its whole interval lies in the span
		lo := max(0, (spans[k].from-d.start+m.interval-1)/m.interval)
		hi := min(int64(len(m.level)), (spans[k].to-d.start)/m.interval)
		if lo < hi {
			m.begin(h, &spans[k], d.start+lo*m.interval)
			m.run(h, &spans[k], d, int(lo), int(hi), out)
			s.next = d.start + hi*m.interval
		}
	}
}

// begin brings the state to the first row of an unbroken run.
func (m *maker) begin(h *host, p *span, at int64) {
	s, n := &h.rows, &h.noise
	switch {
	case s.boot == p.boot && s.next == at:
		return
	case s.boot == p.boot: // unmeasured time: the leak went on
		for missed := (at - s.next) / m.interval; missed > 0; missed-- {
			if s.leak += n.leak; s.leak>>16 > s.limit {
				m.restart(h, at-missed*m.interval)
			}
		}
		return
	}
	begun := s.boot != 0
	restarts, at0 := s.restarts, s.span
	*s = rowState{boot: p.boot, span: at0, restarts: restarts, swap: n.swap / 2, smooth: int64(m.level[(at%dayMillis)/m.interval])}
	s.limit = n.leakLimit
	if !begun && n.leak > 0 { // the fleet begins in the middle of a leak
		s.leak = n.leakLimit << 16 / tableSize * int64(m.stream.below(tableSize))
	}
}

// restart ends a leak and draws how far the next one goes.
func (m *maker) restart(h *host, at int64) {
	s := &h.rows
	s.leak = 0
	s.limit = h.noise.leakLimit * (3600 + int64(m.stream.below(992))) >> 12
	s.restarts = append(s.restarts, at)
}

// run generates the rows [lo, hi) of a day, all in one span. This is the hot
// loop: integers only, nothing allocated. Bits of few random words are shared
// out, twelve for a number from a table.
func (m *maker) run(h *host, p *span, d *slots, lo, hi int, out *target) {
	var (
		n, s, t   = &h.noise, &h.rows, m.tables
		first     = h.family.sizes[h.size]
		now       = h.current(p.resizes)
		cpuScale  = first.vcpus << 12 / now.vcpus
		memScale  = first.seen() << 12 / now.seen()
		skewRx    = &t.skewed[n.receive.skew]
		skewTx    = &t.skewed[n.transmit.skew]
		skewW     = &t.skewed[n.write.skew]
		skewR     = &t.skewed[n.read.skew]
		mild      = &t.mild
		k         = out.rows
		rows      = int64(len(m.level))
		cronNext  = (n.cronPhase - int64(lo)%n.cronEvery + n.cronEvery) % n.cronEvery
		diskBase  = n.disk + (d.start-m.since)/dayMillis*n.diskTrend
		loadUnit  = first.vcpus
		pcg       = &m.stream.pcg
		col       = &out.col
		levelFull = max(1, q(h.shape.high, 4))
	)
	diskBase = 1000<<8 + (diskBase-1000<<8)%(8500<<8)
	for i := lo; i < hi; i++ {
		a, b, c, e, f := pcg.Uint64(), pcg.Uint64(), pcg.Uint64(), pcg.Uint64(), pcg.Uint64()

		// CPU demand: the level, a slow swing, spikes, agents, white noise.
		level := int64(m.level[i])
		s.wander += int64(t.gauss[a&4095])*n.wander>>12 - s.wander>>6
		s.spike -= (s.spike + 1) >> 1
		if int64(a>>12&0xffff) < n.spikeGate {
			s.spike += n.spike * int64(t.wait[a>>28&4095]) >> 12
		}
		demand := level + level*s.wander>>12 + s.spike
		if cronNext == 0 {
			demand += n.cron
			cronNext = n.cronEvery
		}
		cronNext--
		s.smooth += (demand - s.smooth) >> 3
		demand += (n.absolute + demand*n.relative>>12) * int64(t.lumpy[a>>40&4095]) >> 12
		demand = max(0, (demand+8)>>4)

		steal := int64(0)
		if s.wait > 0 {
			s.wait--
			steal = n.steal * int64(mild[b&4095]) >> 12
		} else if int64(b>>12&0xffff) < n.stealGate {
			s.wait = 3 + int64(b>>28&15)
		}
		want := demand * cpuScale >> 12
		cpu := min(want, 10000-steal)
		over := cpu*n.peakShare>>12*int64(mild[b>>32&4095])>>12 + (n.absolute>>4+s.spike>>5)*int64(t.wait[b>>44&4095])>>12
		peak := min(10000, cpu+max(0, over))

		// Traffic follows demand.
		receive := (n.receive.at(demand)*int64(skewRx[c&4095])>>12 + int64(f&255)) >> 8
		transmit := (n.transmit.at(demand)*int64(skewTx[c>>12&4095])>>12 + int64(f>>8&255)) >> 8
		write := (n.write.at(demand)*int64(skewW[c>>24&4095])>>12 + int64(f>>16&255)) >> 8
		read := int64(0)
		if int64(c>>48) < n.readGate {
			read = (n.read.at(demand)*int64(skewR[c>>36&4095])>>12 + int64(f>>24&255)) >> 8
		}
		wait := (read + write) * n.waitShare * int64(mild[e&4095]) >> 24
		wait = min(wait, 1500, 10000-cpu-steal)

		// Memory: a level, what the load needs, a leak, a slow swing, white noise.
		s.swing += int64(t.gauss[e>>12&4095])*n.memoryStep>>8 - s.swing>>10
		if s.leak += n.leak; s.leak>>16 > s.limit {
			m.restart(h, d.start+int64(i)*m.interval)
		}
		memory := n.memory + s.smooth*n.memoryCPU>>12 + s.spike*n.memorySpike>>12 + s.leak>>16 + s.swing>>4 + n.memoryFlip*int64(t.lumpy[e>>24&4095])>>12
		memory = max(160, min(memory, 9750<<4)) >> 4
		used := max(20, min(9800, memory*memScale>>12))
		s.swap += (max(n.swap/2, (used-8000)<<8) - s.swap) >> 8

		// Load, processes, users.
		queue := (demand + wait) * loadUnit / 100
		s.load = (s.load*n.loadDecay + queue*int64(mild[e>>36&4095])>>4*(65536-n.loadDecay)) >> 16
		if int64(e>>48) < n.arriveIdle+n.arrive*min(level, levelFull)/levelFull {
			s.sessions++
		}
		if int64(f>>32&0xffff) < n.leave*s.sessions {
			s.sessions--
		}
		h.truth.add(demand*first.vcpus/10, memory*first.seen()/10000)

		if f>>48 < missingGate {
			continue
		}
		at := d.start + int64(i)*m.interval
		out.start[k] = at
		if h.jitter > 0 {
			late, _ := bits.Mul64(b*0x9e3779b97f4a7c15, uint64(min(h.jitter, m.interval/4)))
			out.start[k] += int64(late)
		}
		col[colCPU][k] = int32(cpu)
		col[colPeak][k] = int32(peak)
		col[colSteal][k] = int32(steal)
		col[colIOWait][k] = int32(wait)
		col[colLoad][k] = int32((s.load + int64(f>>24&255)) >> 8)
		col[colMemory][k] = int32(used)
		col[colSwap][k] = int32(min(s.swap>>8, 10000))
		col[colDisk][k] = int32((diskBase + n.diskDaily*int64(i)/rows) >> 8)
		col[colRead][k] = int32(read)
		col[colWrite][k] = int32(write)
		col[colReceive][k] = int32(receive)
		col[colTransmit][k] = int32(transmit)
		col[colReadOps][k] = int32((read + n.readSize - 1) / n.readSize)
		col[colWriteOps][k] = int32((write + int64(f>>40&31)) / n.writeSize)
		col[colProcesses][k] = int32(n.processes + s.smooth*n.processCPU>>20 + 6*s.sessions + int64(t.gauss[b>>52])>>13)
		col[colSessions][k] = int32(s.sessions)
		col[colUptime][k] = int32((at + m.interval - p.boot) / 1000)
		k++
	}
	fillConstant(col[colVCPUs][out.rows:k], int32(now.vcpus*100))
	fillConstant(col[colMemoryMiB][out.rows:k], int32(now.seen()))
	fillConstant(col[colUp][out.rows:k], 1)
	out.rows = k
}

// missingGate is how many rows of 65,536 are missing for no reason: 0.2 %.
const missingGate = 131

// at is the rate at a demand, Q8.
func (r *rate) at(demand int64) int64 { return r.base + demand*r.perCPU>>4 }

func fillConstant(to []int32, v int32) {
	for i := range to {
		to[i] = v
	}
}
