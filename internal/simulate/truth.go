package simulate

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/bits"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// TruthVersion is the version of the form of [Truth].
const TruthVersion = 1

// Truth is what is true of a simulated fleet but hidden from its samples and
// records: what the analyses are judged by.
type Truth struct {
	Simulated bool         `json:"simulated"` // always true
	Version   int          `json:"version"`
	Note      string       `json:"note"`
	Seed      uint64       `json:"seed"`
	Window    fleet.Window `json:"window"`
	Interval  string       `json:"interval"`
	TimeZone  string       `json:"time_zone"`
	Mix       map[Kind]int `json:"mix"`
	Hosts     []HostTruth  `json:"hosts"`
}

// HostTruth is the truth about one host.
type HostTruth struct {
	Host  fleet.HostID `json:"host"`
	Name  string       `json:"name"`
	Index int          `json:"index"`
	Kind  Kind         `json:"kind"`
	// Idle says that the host does no work but that of its own agents.
	Idle bool `json:"idle"`
	// OnGrid says that its samples begin on multiples of the interval.
	OnGrid       bool    `json:"on_grid"`
	InstanceType string  `json:"instance_type"` // at the beginning
	VCPUs        float64 `json:"vcpus"`
	MemoryBytes  int64   `json:"memory_bytes"`
	// Schedule is when a host runs that is stopped at night and at weekends, in
	// the time zone of the fleet.
	Schedule string `json:"schedule,omitzero"`
	// Work is when the host is used, where that is by the clock: an office's
	// hours, or the time in which a nightly job begins and how long it takes.
	Work *Work `json:"work,omitempty"`
	// GrowthPerWeek is the share of its initial demand added each week.
	GrowthPerWeek float64 `json:"growth_per_week,omitzero"`
	// LeakBytesPerHour is the memory lost each hour until the next restart.
	LeakBytesPerHour float64            `json:"leak_bytes_per_hour,omitzero"`
	Parameters       map[string]float64 `json:"parameters"`
	Events           []Event            `json:"events,omitempty"`
	// CPUDemandCores and MemoryBytesUsed are distributions over the rows in
	// which the host ran, those that were lost included: of what the load asked
	// for, even where the host had less to give.
	CPUDemandCores  Distribution `json:"cpu_demand_cores"`
	MemoryBytesUsed Distribution `json:"memory_bytes_used"`
	// Rows were emitted; Running is the time the host ran and was measured, in
	// seconds.
	Rows           int64 `json:"rows"`
	RunningSeconds int64 `json:"running_seconds"`
}

// Work is the time in which a host works, in minutes of the local day. A job
// that begins after 24:00 belongs to the day before.
type Work struct {
	Days          string  `json:"days"`
	BeginMinute   float64 `json:"begin_minute"`
	LengthMinutes float64 `json:"length_minutes"`
	// MonthEndFactor is how much longer the job takes on a month's last day.
	MonthEndFactor float64 `json:"month_end_factor,omitzero"`
}

// Distribution sums up a demand. Percentiles are within 1.6 %; mean and
// maximum are exact. All are 0 for a host that never ran.
type Distribution struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// WriteTruth writes the truth as one JSON document with a final newline.
func WriteTruth(w io.Writer, t Truth) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	if err := e.Encode(t); err != nil {
		return fmt.Errorf("write truth of the simulated fleet: %w", err)
	}
	return nil
}

// ReadTruth reads what WriteTruth wrote.
func ReadTruth(r io.Reader) (Truth, error) {
	var t Truth
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return Truth{}, fmt.Errorf("read truth of a simulated fleet: %w", err)
	}
	if !t.Simulated || t.Version != TruthVersion {
		return Truth{}, fmt.Errorf("read truth of a simulated fleet: version %d is not %d", t.Version, TruthVersion)
	}
	return t, nil
}

// tally counts a host's demand: millicores and MiB, in bins of 1/32 of a power
// of two.
type tally struct {
	rows   int64
	sums   [2]int64
	most   [2]int64
	counts [2][18 * 32]uint32
}

func (t *tally) add(millicores, mebibytes int64) {
	t.rows++
	t.sums[0] += millicores
	t.sums[1] += mebibytes
	t.most[0] = max(t.most[0], millicores)
	t.most[1] = max(t.most[1], mebibytes)
	t.counts[0][bin(millicores)]++
	t.counts[1][bin(mebibytes)]++
}

// bin keeps six leading bits of a number below 2^21.
func bin(v int64) int {
	shift := max(0, bits.Len32(uint32(v))-6)
	return min(shift*32+int(v>>shift), 18*32-1)
}

// middle is the middle of a bin.
func middle(b int) float64 {
	if b < 64 {
		return float64(b)
	}
	shift := b/32 - 1
	return math.Ldexp(float64(b-shift*32)+0.5, shift) - 0.5
}

// distribution sums up one of the two demands; scale turns its unit into the
// unit of the truth.
func (t *tally) distribution(which int, scale float64) Distribution {
	if t.rows == 0 {
		return Distribution{}
	}
	quantile := func(percent int64) float64 {
		want := (t.rows*percent + 99) / 100
		for b, n := range t.counts[which] {
			if want -= int64(n); want <= 0 {
				return min(middle(b), float64(t.most[which])) * scale
			}
		}
		panic("BUG: bins do not sum to the rows")
	}
	return Distribution{
		Mean: float64(t.sums[which]) / float64(t.rows) * scale,
		P50:  quantile(50), P95: quantile(95), P99: quantile(99),
		Max: float64(t.most[which]) * scale,
	}
}

func (p *plan) truth() Truth {
	o := p.options
	t := Truth{
		Simulated: true, Version: TruthVersion,
		Note: "Hidden truth of a simulated fleet, for judging analyses. Nothing here was measured.",
		Seed: o.Seed, Window: o.Window(), Interval: o.interval().String(), TimeZone: o.location().String(), Mix: o.mix(),
	}
	for _, h := range p.hosts {
		t.Hosts = append(t.Hosts, h.told(p.emitted[h.index], o.interval()))
	}
	return t
}

// told is the truth about a host, after its rows were generated.
func (h *host) told(rows int64, interval time.Duration) HostTruth {
	size := h.family.sizes[h.size]
	perHour := float64(time.Hour) / float64(interval)
	t := HostTruth{
		Host: h.id, Name: h.name, Index: int(h.index), Kind: h.kind, Idle: h.kind == KindIdle, OnGrid: h.jitter == 0,
		InstanceType: size.name, VCPUs: float64(size.vcpus), MemoryBytes: size.memory << 20,
		Work: h.work(), GrowthPerWeek: h.shape.growth,
		LeakBytesPerHour: float64(h.noise.leak) / (1 << 20) / 10000 * perHour * float64(size.seen()<<20),
		Parameters: map[string]float64{
			"cpu_low": h.shape.low / 10000, "cpu_high": h.shape.high / 10000,
			"cpu_noise": float64(h.noise.absolute) / 16 / 10000, "cpu_noise_relative": float64(h.noise.relative) / 4096,
			"weekend_share": h.shape.weekend, "day_sway": h.shape.sway, "peak_minute_or_begin": h.shape.begin,
			"memory_level": float64(h.noise.memory) / 16 / 10000, "memory_noise": float64(h.noise.memoryFlip) / 16 / 10000,
		},
		Events:          append([]Event(nil), h.timeline.events...),
		CPUDemandCores:  h.truth.distribution(0, 0.001),
		MemoryBytesUsed: h.truth.distribution(1, 1<<20),
		Rows:            rows, RunningSeconds: int64(float64(h.truth.rows) * interval.Seconds()),
	}
	if h.schedule != nil {
		t.Schedule = h.schedule.hours
	}
	for _, at := range h.rows.restarts {
		t.Events = append(t.Events, Event{Kind: EventRestart, At: utc(at)})
	}
	return t
}

func (h *host) work() *Work {
	w := h.shape
	switch {
	case h.kind == KindOffice:
		return &Work{Days: "mon-fri", BeginMinute: w.begin, LengthMinutes: w.length}
	case h.kind == KindBatch && !w.everyDay:
		return &Work{Days: "mon-fri", BeginMinute: w.begin, LengthMinutes: w.length, MonthEndFactor: 2}
	case h.kind == KindBatch:
		return &Work{Days: "daily", BeginMinute: w.begin, LengthMinutes: w.length, MonthEndFactor: 2}
	case w.nightly:
		return &Work{Days: "daily", BeginMinute: w.begin, LengthMinutes: w.length}
	}
	return nil
}
