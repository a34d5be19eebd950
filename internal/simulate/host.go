package simulate

import (
	"fmt"
	"math"

	"github.com/leanfleet/leanfleet/fleet"
)

// host is one simulated host: what it is, how it behaves, what happens to it,
// and where its samples have got to.
type host struct {
	seed  uint64
	index uint64 // place in the fleet, from 0
	kind  Kind
	id    fleet.HostID
	name  string

	family family
	size   int // in family, at the beginning
	region string
	zone   string
	dept   int
	env    string
	role   string
	owner  string
	spot   bool
	disk   float64 // GiB

	shape    shape
	noise    noise
	jitter   int64 // ms that samples may be late; 0 for hosts on the grid
	schedule *nightly

	timeline timeline
	rows     rowState
	truth    tally
}

// shape says which CPU demand a host has when, in 1/10000 of the capacity it
// has at the beginning.
type shape struct {
	low, high float64
	begin     float64 // local minute at which an office opens, a job starts, a day peaks
	length    float64 // minutes of the office day, the job or the backup
	weekend   float64 // share of the weekday's demand at weekends
	growth    float64 // share of the initial demand added each week
	sway      float64 // standard deviation of a day's factor
	nightly   bool    // an idle host's backup
	everyDay  bool    // a batch job that runs at weekends too
}

// noise says how rough a host's samples are and how much input and output comes
// with its CPU use. Integers, scaled as noted, so that rows are made of
// integers only. Q4 is sixteenths, Q8 is 1/256.
type noise struct {
	absolute    int64 // Q4 of 1/10000: white noise of CPU demand
	relative    int64 // 1/4096 of the demand: more of it
	wander      int64 // 1/4096: step of the slow swing of demand
	spikeGate   int64 // of 65536: chance that a row begins a spike
	spike       int64 // Q4 of 1/10000: mean height of a spike
	cronEvery   int64 // rows between an agent's runs
	cronPhase   int64
	cron        int64 // Q4: what such a run takes
	peakShare   int64 // 1/4096: how far the busiest moment lies above the mean
	memory      int64 // Q4 of 1/10000 of initial memory: level
	memoryCPU   int64 // 1/4096: memory per CPU demand
	memorySpike int64 // 1/4096: memory per CPU of a spike
	memoryFlip  int64 // Q4: white noise
	memoryStep  int64 // Q4: step of the slow swing
	leak        int64 // 1/65536 of Q4: growth a row
	leakLimit   int64 // Q4: level at which it is restarted
	receive     rate
	transmit    rate
	write       rate
	read        rate
	readGate    int64 // of 65536: chance that a row reads from disk at all
	waitShare   int64 // 1/4096: I/O wait per unit of disk traffic
	readSize    int64 // units of 102.4 B in one read, and in one write
	writeSize   int64
	stealGate   int64 // of 65536: chance that the hypervisor begins to take time
	steal       int64 // 1/10000
	swap        int64 // Q8 of 1/10000
	disk        int64 // Q8 of 1/10000: level of the fullest file system
	diskDaily   int64 // Q8: growth a day, cut again at the turn of the day
	diskTrend   int64 // Q8: growth a day that stays
	processes   int64
	processCPU  int64 // 1/65536 of a process per 1/10000 of CPU
	arrive      int64 // of 65536: chance that a user logs in, at full level
	arriveIdle  int64 // the same at any time
	leave       int64 // of 65536, per session
	loadDecay   int64 // of 65536: what one row leaves of the load average
}

// rate is a byte rate: units of 102.4 B/s, Q8, plus a share of the CPU demand.
type rate struct {
	base   int64 // Q8
	perCPU int64 // Q8 per 1/10000 of demand, /16
	skew   int   // which table of skewed noise
}

// newHost draws the host of an index. The kind and its rank are given by the
// mix.
func newHost(o *Options, index int, kind Kind, rank uint64, types []family) *host {
	h := &host{seed: o.Seed, index: uint64(index), kind: kind}
	h.drawIdentity(types)
	h.drawShape(rank)
	h.drawNoise(rank, o.interval().Milliseconds())
	return h
}

func (h *host) drawIdentity(types []family) {
	s := newStream(h.seed, forIdentity, h.index, 0)
	provider := []string{"aws", "azure", "gcp"}[s.pick([]int{5, 3, 2})]
	purpose := []string{"general", "compute", "memory"}[s.pick(purposeWeights(h.kind))]
	var fit []family
	for _, f := range types {
		if f.provider == provider && f.purpose == purpose && !(f.burstable && (h.kind == KindBusy || h.kind == KindBatch)) {
			fit = append(fit, f)
		}
	}
	h.family = fit[s.below(len(fit))]
	h.size = min(s.pick([]int{5, 4, 1}), len(h.family.sizes)-1)
	names, zone := regions(provider)
	h.region = names[s.pick([]int{5, 3, 2})]
	h.zone = zone(h.region, s.below(3))
	_, _, weights := departments()
	h.dept = s.pick(weights)
	envs, envWeights := environments(h.kind)
	h.env = envs[s.pick(envWeights)]
	list := roles(h.kind)
	h.role = list[s.below(len(list))]
	h.disk = float64([]int{50, 100, 200, 500}[s.pick([]int{4, 4, 2, 1})])
	if h.kind == KindWeb && h.env == "prod" && s.chance(0.5) {
		h.owner = "group-" + h.role + "-" + h.env
	}
	h.spot = (h.kind == KindBatch || h.kind == KindBursty) && s.chance(0.2)
	if s.chance(0.03) {
		h.jitter = 1000
	}
	h.name = fmt.Sprintf("%s-%s-%03d", h.role, h.env, h.index+1)
	h.id = fleet.HostID(fmt.Sprintf("%s/%s/i-%016x", provider, account, mix(mix(h.seed)^h.index)))
	scheduled := 0.02
	if h.kind == KindOffice && h.env != "prod" {
		scheduled = 0.5
	}
	if s.chance(scheduled) {
		h.schedule = &nightly{hours: "mon-fri 07:00-20:00"}
	}
}

func purposeWeights(k Kind) []int {
	switch k {
	case KindBusy, KindBatch, KindBursty:
		return []int{4, 5, 1}
	case KindGrowing, KindLeaking:
		return []int{6, 0, 4}
	}
	return []int{7, 2, 1}
}

// ordinal is the place of a kind in Kinds, to keep even's sequences apart.
func (k Kind) ordinal() int {
	for i, x := range Kinds() {
		if x == k {
			return i
		}
	}
	panic("BUG: unknown kind " + string(k))
}

// drawShape draws the demand over the week. The main level of a kind spreads
// evenly over its hosts.
func (h *host) drawShape(rank uint64) {
	s := newStream(h.seed, forParameters, h.index, 0)
	u := even(h.seed, h.kind.ordinal(), 0, rank)
	w := &h.shape
	w.sway, w.weekend = 0.05, 1
	switch h.kind {
	case KindIdle:
		w.low = logLerp(25, 220, u)
		w.sway = 0.02
		if w.nightly = s.chance(0.35); w.nightly {
			w.high, w.begin, w.length = s.between(500, 2500), math.Floor(s.between(60, 300)), s.between(10, 30)
		}
	case KindOffice:
		w.low, w.high = s.between(40, 200), logLerp(1200, 4500, u)
		w.begin, w.length = math.Floor(s.between(450, 555)), s.between(520, 620)
	case KindBatch:
		w.low, w.high = s.between(30, 150), logLerp(4500, 9000, u)
		w.begin, w.length = math.Floor(s.between(22*60, 28*60)), s.between(60, 240)
		w.everyDay = s.chance(0.6)
	case KindBusy:
		w.low, w.high = 0, lerp(4500, 8500, u)
	case KindGrowing:
		w.high = logLerp(1100, 2600, u)
		w.low = float64(0.4 * w.high)
		w.begin, w.growth, w.weekend = s.between(720, 960), s.between(0.02, 0.06), 0.8
	case KindBursty:
		w.low, w.high = s.between(60, 250), logLerp(4000, 11000, u)
	case KindLeaking:
		w.high = logLerp(800, 2800, u)
		w.low = float64(0.4 * w.high)
		w.begin, w.weekend = s.between(720, 960), s.between(0.5, 0.9)
	case KindWeb:
		w.high = logLerp(1500, 6000, u)
		w.low = float64(w.high * s.between(0.15, 0.3))
		w.begin, w.weekend = s.between(780, 1260), s.between(0.4, 1.2)
	}
}

// drawNoise draws how rough the samples are. The spreads were fitted to the
// roughness of real hosts (testdata/roughness.json); real hosts differ among
// themselves by orders of magnitude, and so do these.
func (h *host) drawNoise(rank uint64, interval int64) {
	s := newStream(h.seed, forParameters, h.index, 1)
	spread := func(dimension int, a, b float64) float64 {
		return logLerp(a, b, even(h.seed, h.kind.ordinal(), dimension, rank))
	}
	n := &h.noise
	n.absolute = q(spread(1, 0.03, 0.35), 4)
	n.relative = q(spread(2, 0.0008, 0.004), 12)
	n.wander = q(s.between(0.001, 0.005), 12)
	n.spikeGate = q(logLerp(0.003, 0.02, s.unit()), 16)
	n.spike = q(logLerp(30, 1500, s.unit()), 4)
	n.cronEvery = max(1, int64([]int{5, 10, 15, 60}[s.below(4)])*60_000/interval)
	n.cronPhase = int64(s.below(int(n.cronEvery)))
	n.cron = q(s.between(10, 120), 4)
	n.peakShare = q(s.between(0.03, 0.2), 12)
	h.drawMemory(s, interval, spread)
	h.drawTraffic(s, rank, spread)
	if h.family.burstable {
		n.stealGate, n.steal = q(1.0/1500, 16), int64(s.between(40, 400))
	}
	n.swap = q(s.between(0, 300), 8)
	n.disk = q(s.between(1500, 8200), 8)
	n.diskDaily = q(s.between(10, 120), 8)
	n.diskTrend = q(s.between(0, 6), 8)
	n.processes = int64(s.between(90, 320))
	n.processCPU = q(s.between(0.0005, 0.01), 16)
	minutes := float64(interval) / 60_000
	n.leave = min(4096, q(float64(minutes/90), 16))
	n.arriveIdle = min(60000, q(float64(minutes/3000), 16))
	if h.kind == KindOffice {
		n.arrive = min(60000, q(float64(s.between(2, 14)*minutes)/90, 16))
	}
	n.loadDecay = q(exp(-minutes), 16)
}

func (h *host) drawMemory(s *stream, interval int64, spread func(int, float64, float64) float64) {
	n := &h.noise
	n.memory = q(s.between(1500, 6500), 4)
	n.memoryCPU = q(s.between(0.02, 0.15), 12)
	n.memoryFlip = q(spread(3, 3.3, 26), 4)
	n.memorySpike = q(spread(9, 150, 2400), 16) / n.spike
	n.memoryStep = q(s.between(0.3, 2), 4)
	switch h.kind {
	case KindIdle:
		n.memory = q(s.between(700, 4000), 4)
	case KindBusy:
		n.memory = q(s.between(3500, 7500), 4)
	case KindLeaking:
		n.memory = q(s.between(2000, 3500), 4)
		n.memoryCPU = q(0.02, 12)
		hours := logLerp(40, 220, s.unit())
		n.leakLimit = q(s.between(5200, 6200), 4)
		n.leak = max(1, int64(float64(float64(n.leakLimit)*65536)/float64(hours*3_600_000/float64(interval))))
	}
}

func (h *host) drawTraffic(s *stream, rank uint64, spread func(int, float64, float64) float64) {
	n := &h.noise
	type bounds struct{ a, b float64 }
	base, perCPU := bounds{0.01, 2.2}, bounds{0.00002, 0.003}
	switch h.kind {
	case KindWeb:
		perCPU = bounds{0.01, 0.4}
	case KindBusy, KindGrowing, KindBatch:
		perCPU = bounds{0.001, 0.05}
	}
	network := func(dimension int) rate {
		return rate{base: q(spread(dimension, base.a, base.b), 8), perCPU: q(spread(dimension, perCPU.a, perCPU.b), 12), skew: s.pick([]int{5, 4, 1})}
	}
	n.receive, n.transmit = network(4), network(5)
	n.write = rate{base: q(spread(6, 0.9, 66), 8), perCPU: q(spread(6, 0.0005, 0.02), 12), skew: s.pick([]int{4, 5, 1})}
	n.read = rate{base: q(spread(7, 0.5, 100), 8), perCPU: q(spread(7, 0.002, 0.2), 12), skew: 2}
	n.readGate = q(logLerp(0.002, 0.7, even(h.seed, h.kind.ordinal(), 8, rank)), 16)
	n.waitShare = q(s.between(0.005, 0.2), 12)
	n.readSize, n.writeSize = int64(s.between(80, 640)), int64(s.between(60, 320))
}

// q is a number as a fixed-point integer with that many fractional bits.
func q(x float64, bits int) int64 { return int64(math.Floor(math.Ldexp(x, bits) + 0.5)) }

// current is the size that the host has after its first n resizes.
func (h *host) current(n int) size {
	if n == 0 {
		return h.family.sizes[h.size]
	}
	return h.family.sizes[h.timeline.resizes[n-1].size]
}
