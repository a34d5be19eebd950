package simulate

import "time"

// Demand over the day is drawn in slots of five minutes.
const (
	slotMillis  = 300_000
	slotsPerDay = 288
)

// slots says, for a UTC day, which local day and minute each slot begins at. It
// is shared by all hosts.
type slots struct {
	start   int64
	ordinal [slotsPerDay]int64 // local days since 1970
	minute  [slotsPerDay]int64 // of the local day
}

func (d *slots) fill(start int64, loc *time.Location) {
	d.start = start
	for k := range slotsPerDay {
		t := start/1000 + int64(k)*slotMillis/1000
		_, offset := time.Unix(t, 0).In(loc).Zone()
		local := t + int64(offset)
		d.ordinal[k] = local / 86400
		d.minute[k] = local % 86400 / 60
	}
}

// weekend says whether a local day is a Saturday or Sunday; 1970 began on a
// Thursday.
func weekend(ordinal int64) bool {
	w := (ordinal + 4) % 7
	return w == 0 || w == 6
}

// monthEnd says whether a local day is the last of its month.
func monthEnd(ordinal int64) bool {
	return time.Unix((ordinal+1)*86400, 0).UTC().Day() == 1
}

// burst is a rise of demand, in minutes of the local day on which it begins.
type burst struct{ begin, end, level float64 }

// localDay is what is drawn for one local day of a host.
type localDay struct {
	ordinal int64
	drawn   bool
	factor  float64
	job     burst
	bursts  []burst
}

// drawDay draws a local day. It is a function of seed, host and day alone.
func (h *host) drawDay(ordinal int64, t *tables, into *localDay) {
	s := newStream(h.seed, forDay, h.index, uint64(ordinal))
	into.ordinal, into.drawn = ordinal, true
	into.bursts = into.bursts[:0]
	into.job = burst{}
	z := float64(t.gauss[s.below(tableSize)]) / 4096
	into.factor = 1 + float64(h.shape.sway*max(-3, min(3, z)))
	w := &h.shape
	switch h.kind {
	case KindIdle:
		if w.nightly {
			into.job = burst{w.begin, w.begin + float64(w.length*s.between(0.8, 1.3)), w.high}
		}
	case KindBatch:
		if !w.everyDay && weekend(ordinal) {
			return
		}
		length := float64(w.length * s.between(0.8, 1.25))
		if monthEnd(ordinal) {
			length = float64(length * 2)
		}
		begin := w.begin + s.between(0, 10)
		into.job = burst{begin, begin + length, float64(w.high * s.between(0.9, 1.1))}
	case KindBursty:
		for n := 2 + s.below(9); n > 0; n-- {
			begin := s.between(0, 1440)
			into.bursts = append(into.bursts, burst{begin, begin + s.between(5, 45), float64(w.high * s.between(0.5, 1.1))})
		}
	}
}

// levels computes the demand of a UTC day for each slot, in Q4 of 1/10000 of
// the initial capacity. since is the start of the fleet in Unix ms.
func (h *host) levels(d *slots, since int64, t *tables, memo *[4]localDay, out *[slotsPerDay]int32) {
	for k := range memo {
		memo[k].drawn = false
	}
	for k := range slotsPerDay {
		today, yesterday := h.day(d.ordinal[k], t, memo), h.day(d.ordinal[k]-1, t, memo)
		weeks := float64(d.start+int64(k)*slotMillis-since) / float64(7*dayMillis)
		x := h.level(today, yesterday, float64(d.minute[k]), weeks)
		out[k] = int32(q(min(x, 20000), 4))
	}
}

func (h *host) day(ordinal int64, t *tables, memo *[4]localDay) *localDay {
	m := &memo[ordinal&3]
	if !m.drawn || m.ordinal != ordinal {
		h.drawDay(ordinal, t, m)
	}
	return m
}

// level is the demand at a local minute.
func (h *host) level(today, yesterday *localDay, minute, weeks float64) float64 {
	w := &h.shape
	factor := today.factor
	if weekend(today.ordinal) {
		factor = float64(factor * w.weekend)
	}
	switch h.kind {
	case KindIdle, KindBatch:
		x := float64(w.low * today.factor)
		return max(x, today.job.at(minute), yesterday.job.at(minute+1440))
	case KindBursty:
		x := float64(w.low * today.factor)
		for _, b := range today.bursts {
			x = max(x, b.at(minute))
		}
		for _, b := range yesterday.bursts {
			x = max(x, b.at(minute+1440))
		}
		return x
	case KindOffice:
		if weekend(today.ordinal) {
			return w.low
		}
		open := float64(smooth((minute-w.begin)/75) * smooth((w.begin+w.length-minute)/75))
		lunch := 1 - float64(0.3*float64(smooth((minute-720)/20)*smooth((800-minute)/20)))
		return lerp(w.low, float64(w.high*factor), float64(open*lunch))
	case KindBusy:
		return float64(w.high * factor)
	default: // a daily cycle, growing or not
		away := minute - w.begin
		if away < 0 {
			away = -away
		}
		away = min(away, 1440-away)
		x := lerp(w.low, w.high, 1-smooth(away/720))
		return float64(float64(x*factor) * (1 + float64(w.growth*weeks)))
	}
}

// at is the burst's level at a minute, 0 outside it.
func (b burst) at(minute float64) float64 {
	if minute < b.begin || minute >= b.end {
		return 0
	}
	return b.level
}

// expand spreads slots over the rows of a day: the slot a row begins in, or the
// mean of the slots that a long row covers.
func expand(slot *[slotsPerDay]int32, rows []int32) {
	interval := dayMillis / int64(len(rows))
	for i := range rows {
		first := int64(i) * interval / slotMillis
		if interval <= slotMillis {
			rows[i] = slot[first]
			continue
		}
		last := min(slotsPerDay, (int64(i+1)*interval+slotMillis-1)/slotMillis)
		var sum int64
		for _, x := range slot[first:last] {
			sum += int64(x)
		}
		rows[i] = int32(sum / (last - first))
	}
}
