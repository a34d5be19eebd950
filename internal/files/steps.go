package files

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"io"

	"github.com/leanfleet/leanfleet/fleet"
)

// Differences from this on are counted to the whole second, so that time stamps
// that tremble by milliseconds still have a commonest difference.
const coarseFrom = 10_000

// maxDifferences is how many different differences are counted for one host.
// When there are more, all counts go down by one and those at zero make room
// (Misra and Gries), so that whatever makes up more than 1/128 is kept.
const maxDifferences = 128

// differences counts the distances in time between a host's rows.
type differences struct {
	last   int64
	seen   bool
	counts []stepCount
}

type stepCount struct {
	step  int32
	count int64
}

// add takes the next time of the host. Times that go back do not count, nor do
// gaps longer than a sample can be.
func (d *differences) add(ms int64) {
	if !d.seen {
		d.last, d.seen = ms, true
		return
	}
	delta := ms - d.last
	if delta <= 0 {
		return
	}
	d.last = ms
	if delta >= coarseFrom {
		delta = (delta + 500) / 1000 * 1000
	}
	if delta > fleet.MaxStep.Milliseconds() {
		return
	}
	d.counts = count(d.counts, int32(delta))
}

func count(counts []stepCount, step int32) []stepCount {
	for i := range counts {
		if counts[i].step == step {
			counts[i].count++
			if i > 0 && counts[i].count > counts[i-1].count {
				counts[i], counts[i-1] = counts[i-1], counts[i]
			}
			return counts
		}
	}
	if len(counts) < maxDifferences {
		return append(counts, stepCount{step, 1})
	}
	kept := counts[:0]
	for _, c := range counts {
		if c.count--; c.count > 0 {
			kept = append(kept, c)
		}
	}
	return kept
}

// commonest is the step counted most, the shorter one of equals; 0 for none.
func commonest(counts []stepCount) int32 {
	best := stepCount{}
	for _, c := range counts {
		if cmp.Or(cmp.Compare(c.count, best.count), cmp.Compare(best.step, c.step)) > 0 {
			best = c
		}
	}
	return best.step
}

// steps are the steps of the hosts of a file.
type steps struct {
	all    int32 // of every host, when given
	byHost map[string]int32
	usual  int32 // of hosts that have one row; 0 when no host has more
	// cut is the error that ended the reading of the keys. Reading the values
	// meets the same, or one before it; steps do not matter then.
	cut error
}

// of returns a host's step, 0 when it cannot be told.
func (s *steps) of(host string) int32 {
	if s.all > 0 {
		return s.all
	}
	if step := s.byHost[host]; step > 0 {
		return step
	}
	if s.usual == 0 && s.cut != nil {
		return 1
	}
	return s.usual
}

// stepFinder reads the key columns of a file ahead of its values.
type stepFinder struct {
	in     *intake
	byHost map[string]*differences
	name   []byte
	last   *differences
}

func newStepFinder(in *intake) *stepFinder {
	return &stepFinder{in: in, byHost: map[string]*differences{}}
}

// add takes the keys of a row.
func (f *stepFinder) add(host []byte, ms int64) {
	if f.in.badTime(ms) != "" {
		return
	}
	if f.last == nil || string(host) != string(f.name) {
		f.name = append(f.name[:0], host...)
		f.last = f.byHost[string(host)]
		if f.last == nil {
			f.last = &differences{}
			f.byHost[string(host)] = f.last
		}
	}
	f.last.add(ms)
}

// steps ends the reading.
func (f *stepFinder) steps() steps {
	s := steps{byHost: make(map[string]int32, len(f.byHost))}
	votes := map[int32]int64{}
	for host, d := range f.byHost {
		if step := commonest(d.counts); step > 0 {
			s.byHost[host] = step
			votes[step]++
		}
	}
	var hosts []stepCount
	for step, n := range votes {
		hosts = append(hosts, stepCount{step, n})
	}
	s.usual = commonest(hosts)
	return s
}

// csvSteps reads the key columns of a CSV file.
func (in *intake) csvSteps(src *source, l *layout) (s steps, err error) {
	text, err := src.text(in.meter)
	if err != nil {
		return steps{}, err
	}
	defer func() { err = errors.Join(err, text.Close()) }()
	finder, split := newStepFinder(in), newSplitter(text)
	if _, err := split.read(); err != nil {
		return steps{cut: err}, nil
	}
	for n := 0; ; n++ {
		if n%1024 == 0 {
			if err := context.Cause(in.ctx); err != nil {
				return steps{}, err
			}
		}
		fields, err := split.read()
		if err == nil && len(fields) != l.width {
			err = csv.ErrFieldCount
		}
		var ms int64
		if err == nil {
			ms, err = parseStamp(trim(fields[l.stamp]))
		}
		if err != nil {
			s := finder.steps()
			if err != io.EOF {
				s.cut = err
			}
			return s, nil
		}
		finder.add(trim(fields[l.host]), ms)
	}
}
