package rightsizing

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Memory keeps what was read of the last history asked about, so that the next
// question about the same one, such as for one host, by group or at another
// confidence, need not read them again. It changes no answer. The zero Memory is
// ready for use, also by several goroutines at once; it holds about 100 kB a host.
type Memory struct {
	mu   sync.Mutex
	list []remembered // the newest last
}

type remembered struct {
	key     string
	history *history
}

// histories is how many a Memory keeps: another one is of another time or data, and
// each takes its 100 kB a host.
const histories = 1

// keyOf is what a history is known by: the revision of the data, the window, and
// which of the time counts. It is empty where nothing may be remembered.
func keyOf(env *Environment, within fleet.Calendar, end time.Time, days int, partial bool) string {
	if env.Memory == nil || env.Revision == "" {
		return ""
	}
	zone := ""
	if within.Location != nil {
		zone = within.Location.String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%d|%d|%t|%s|%v", env.Revision, end.Unix(), days, partial, zone, within.Hours)
	for _, w := range within.Exclude {
		fmt.Fprintf(&b, "|%d-%d", w.Start.UnixMilli(), w.End.UnixMilli())
	}
	return b.String()
}

// recall returns a history that may be changed, nil where there is none.
func (m *Memory) recall(key string) *history {
	if key == "" {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.list {
		if r.key == key {
			return r.history.clone()
		}
	}
	return nil
}

// keep remembers a history whose figures have been derived. Distributions are kept
// of the last days only: of earlier ones nothing but the figures is asked for.
func (m *Memory) keep(key string, h *history) {
	if key == "" || len(h.damage) > 0 {
		return
	}
	h = h.clone()
	for _, x := range h.hosts {
		x.cpu, x.mem, x.slim = slimmed(x.cpu), slimmed(x.mem), true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.list {
		if m.list[i].key == key {
			m.list = append(m.list[:i], m.list[i+1:]...)
			break
		}
	}
	m.list = append(m.list, remembered{key, h})
	if n := len(m.list) - histories; n > 0 {
		m.list = append([]remembered(nil), m.list[n:]...)
	}
}

// slimmed are cells without the distributions of all but the last days.
func slimmed(cells []cell) []cell {
	out := append([]cell(nil), cells...)
	for i := range out[:max(0, len(out)-horizon)] {
		out[i].dist = fleet.Distribution{}
	}
	return out
}

// clone copies the hosts of a history; their days are shared, and never changed.
func (h *history) clone() *history {
	c := *h
	c.hosts = make(map[fleet.HostID]*host, len(h.hosts))
	one := func(x *host) *host {
		y := *x
		c.hosts[x.record.Host] = &y
		return &y
	}
	c.order, c.gone = make([]*host, len(h.order)), make([]*host, len(h.gone))
	for i, x := range h.order {
		c.order[i] = one(x)
	}
	for i, x := range h.gone {
		c.gone[i] = one(x)
	}
	return &c
}

// derive derives the figures of a host's days, unless that has been done for its
// size. Without the days it reports false.
func (x *host) derive(days int) bool {
	if x.load != nil && x.load.vcpus == x.vcpus {
		return true
	}
	if x.slim {
		return false
	}
	x.load = newLoad(x, days)
	return true
}

// deriveAll derives the figures of many hosts, on all processors.
func deriveAll(list []*host, days int) bool {
	var group sync.WaitGroup
	next := make(chan *host)
	stale := make(chan bool, 1)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for x := range next {
				if !x.derive(days) {
					select {
					case stale <- true:
					default:
					}
				}
			}
		})
	}
	for _, x := range list {
		next <- x
	}
	close(next)
	group.Wait()
	return len(stale) == 0
}
