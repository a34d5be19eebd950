package rightsizing

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// groupKey tells scaling groups apart; a host without OwnedBy is in none.
type groupKey struct{ provider, account, region, ownedBy string }

func groupOf(r *fleet.Record) groupKey {
	return groupKey{r.Provider, r.Account, r.Region, r.OwnedBy}
}

// id is the group's id in lines, decisions and earlier advice.
func (k groupKey) id() fleet.HostID {
	return fleet.HostID("group:" + strings.Join([]string{k.provider, k.account, k.region, k.ownedBy}, "/"))
}

// addScaling adds a quote for each scaling group after those of the hosts. Its
// members, each with a quote of its own, are advised through it alone.
func (m *model) addScaling() error {
	m.hosts = len(m.quotes)
	m.grouped = make([]bool, m.hosts)
	members := map[groupKey][]int{}
	var keys []groupKey
	for i, q := range m.quotes {
		k := groupOf(q.host.record)
		if k.ownedBy == "" {
			continue
		}
		if members[k] == nil {
			keys = append(keys, k)
		}
		members[k] = append(members[k], i)
		m.grouped[i] = true
	}
	slices.SortFunc(keys, func(a, b groupKey) int { return strings.Compare(string(a.id()), string(b.id())) })
	for _, k := range keys {
		x := m.pooledHost(k, members[k])
		if !deriveAll(x.members[len(members[k]):], m.days) {
			return errStale
		}
		q, err := m.shop.quote(x)
		if err != nil {
			return err
		}
		q.members, q.mean = members[k], m.history.meanMembers(x)
		for _, i := range q.members {
			q.peers = append(q.peers, m.quotes[i])
			q.pressed = q.pressed || m.quotes[i].pressed
		}
		m.quotes = append(m.quotes, q)
		m.loads = append(m.loads, m.pooledLoad(q))
	}
	return nil
}

// pooledHost is the group as one host: of the commonest type of its members, ties
// by name, like the first of them in everything else.
func (m *model) pooledHost(k groupKey, members []int) *host {
	count := map[string]int{}
	for _, i := range members {
		count[m.quotes[i].host.record.InstanceType]++
	}
	best := members[0]
	for _, i := range members {
		a, b := m.quotes[i].host.record.InstanceType, m.quotes[best].host.record.InstanceType
		if count[a] > count[b] || count[a] == count[b] && a < b {
			best = i
		}
	}
	r := m.quotes[best].host.record.Clone()
	r.Host, r.Name, r.Zone = k.id(), k.ownedBy, ""
	for _, i := range members {
		// What members differ in is unknown of the group.
		one := m.quotes[i].host.record
		if one.State != r.State {
			r.State = fleet.StateUnknown
		}
		if one.Arch != r.Arch {
			r.Arch = ""
		}
		if one.Purchase != r.Purchase {
			r.Purchase = ""
		}
	}
	x := &host{record: &r}
	for _, i := range members {
		x.members = append(x.members, m.quotes[i].host)
	}
	for _, p := range m.history.gone {
		if groupOf(p.record) == k && m.sizeGone(p) {
			x.members = append(x.members, p)
		}
	}
	for _, p := range x.members {
		x.expected += p.expected
		x.covered += p.covered
	}
	return x
}

// sizeGone gives a member that is gone its size; false where nobody knows it.
func (m *model) sizeGone(p *host) bool {
	p.vcpus, p.memory = m.shop.sizeOf(p.record)
	return p.vcpus > 0 && p.memory > 0
}

// pooledLoad is the days of a group: what the member needed that needed most, as
// the template has to hold each of them. A resource that is not known of a member
// which was there on more than three days is not known of the group.
func (m *model) pooledLoad(q *quote) *load {
	l := &load{
		cpu:      daily{day: nans(m.days), median: nans(m.days), week: nans(m.days + 1)},
		mem:      daily{day: nans(m.days), median: nans(m.days)},
		measured: make([]int64, m.days+1),
	}
	var loads []*load
	for k, p := range q.host.members {
		if k < len(q.members) {
			loads = append(loads, m.loads[q.members[k]])
		} else {
			loads = append(loads, p.load)
		}
	}
	pool := func(into []float64, of func(*load) []float64, merge func([]float64) float64) {
		list := make([]float64, len(loads))
		for d := range into {
			for i, one := range loads {
				list[i] = of(one)[d]
			}
			into[d] = merge(list)
		}
	}
	pool(l.cpu.day, func(l *load) []float64 { return l.cpu.day }, largestKnown)
	pool(l.cpu.week, func(l *load) []float64 { return l.cpu.week }, largestKnown)
	pool(l.cpu.median, func(l *load) []float64 { return l.cpu.median }, medianOf)
	pool(l.mem.day, func(l *load) []float64 { return l.mem.day }, largestKnown)
	pool(l.mem.median, func(l *load) []float64 { return l.mem.median }, medianOf)
	l.members = loads
	for i, p := range q.host.current() {
		if p.daysAlive() <= leastKnown {
			continue
		}
		l.cpu.hidden = l.cpu.hidden || !loads[i].cpu.known(m.days)
		l.mem.hidden = l.mem.hidden || !loads[i].mem.known(m.days)
	}
	return l
}

func largestKnown(list []float64) float64 {
	top := math.NaN()
	for _, v := range list {
		if !math.IsNaN(v) && !(v <= top) {
			top = v
		}
	}
	return top
}

// daysAlive is the number of days on which a host is known to have run.
func (x *host) daysAlive() int {
	n := 0
	for _, v := range x.alive {
		if v > 0 {
			n++
		}
	}
	return n
}

// count is the number of hosts that a choice is about.
func (q *quote) count() float64 { return math.Max(1, float64(len(q.members))) }

// meanMembers is the number of members that ran on average since the group's first
// day; that of today where nothing is known of their lifetimes.
func (h *history) meanMembers(x *host) float64 {
	var sum, counted time.Duration
	for d, whole := range h.counted {
		today := time.Duration(0)
		for _, p := range x.members {
			today += p.alive[d]
		}
		if sum += today; sum > 0 {
			counted += whole
		}
	}
	if sum == 0 || counted == 0 {
		return float64(len(x.current()))
	}
	return float64(sum) / float64(counted)
}

// memberList is the members of a group's line by id, and whether they are of
// several types.
func (m *model) memberList(q *quote) (list []Member, mixed bool) {
	for _, i := range q.members {
		r := m.quotes[i].host.record
		list = append(list, Member{Host: r.Host, Name: r.DisplayName(), InstanceType: r.InstanceType})
		mixed = mixed || r.InstanceType != q.host.record.InstanceType
	}
	slices.SortFunc(list, func(a, b Member) int { return cmp.Compare(a.Host, b.Host) })
	return list, mixed
}
