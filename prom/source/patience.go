package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// late says whether the engine, or who stands before it, gave up because the
// question took too long.
func (e *EngineError) late() bool {
	switch e.Status {
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return true
	case http.StatusUnprocessableEntity, http.StatusBadRequest, http.StatusServiceUnavailable, http.StatusInternalServerError, http.StatusOK:
	default:
		return false
	}
	text := strings.ToLower(e.Message)
	for _, sign := range []string{"timed out", "timeout", "deadline exceeded"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return e.Type == "timeout"
}

// Is says that an engine which gave up because of the time was too slow: it is
// [ErrSlow], too.
func (e *EngineError) Is(target error) bool { return target == ErrSlow && e.late() }

// late says whether no answer came in time, by our clock or by the engine's.
func late(err error) bool { return errors.Is(err, ErrSlow) }

// patience bounds what is waited for an engine. Who is slow on much gets smaller
// questions; who answers nothing, not even a small one after the first that was
// too slow, is not asked again: two time-outs in a row are the end, as each is a
// time that a user waits for nothing.
type patience struct {
	mu  sync.Mutex
	row int // rounds of time-outs since the last answer
	// most is how many host-milliseconds are asked for at once after a time-out, or
	// where more has no room here, by what is asked for.
	most map[string]int64
}

// mostLate is how many time-outs follow each other before it is the end.
const mostLate = 2

// smaller is by how much a question is made smaller after a time-out: so much
// that a second one says more of the engine than of the question.
const smaller = 16

// answered says that the engine answered.
func (p *patience) answered() {
	p.mu.Lock()
	p.row = 0
	p.mu.Unlock()
}

// round is to be given to late for a question that begins now.
func (p *patience) round() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.row
}

// fits is how many host-milliseconds may be asked for at once; 0 is any number.
func (p *patience) fits(what string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most[what]
}

// late remembers that a question of a size was not answered in time, and says
// whether a smaller one may be asked. Questions of one round, which ran side by
// side, count once.
func (p *patience) late(what string, size int64, round int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.row == round {
		p.row++
	}
	p.atMost(what, size/smaller)
	return p.row < mostLate
}

// bound remembers that no more than a size is to be asked for at once.
func (p *patience) bound(what string, size int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.atMost(what, size)
}

// atMost makes the size of questions no larger.
func (p *patience) atMost(what string, size int64) {
	if p.most == nil {
		p.most = map[string]int64{}
	}
	if most := max(1, size); p.most[what] == 0 || most < p.most[what] {
		p.most[what] = most
	}
}

// hosts is how many hosts fit into a question about an extent of each.
func (p *patience) hosts(what string, n int, each int64) int {
	if most := p.fits(what); most > 0 {
		return int(max(1, min(int64(n), most/max(1, each))))
	}
	return n
}

// byHosts asks about hosts, about fewer at a time where all are too many or too
// slow: of each an extent in milliseconds. One host that is too much is the
// error. Parts are joined in the order of the hosts.
func byHosts[T any](ctx context.Context, s *Source, what string, labels []string, each int64, ask func([]string) (T, error), join func(T, T) T) (T, error) {
	p := &s.client.patience
	n := p.hosts(what, len(labels), each)
	if n == len(labels) {
		round := p.round()
		out, err := ask(labels)
		switch {
		case err == nil || ctx.Err() != nil:
			return out, err
		case late(err):
			if !p.late(what, int64(len(labels))*each, round) || len(labels) == 1 {
				return out, err
			}
			n = p.hosts(what, len(labels), each)
		case (tooLarge(err) || errors.Is(err, errRoom)) && len(labels) > 1:
			n = (len(labels) + 1) / 2
		default:
			return out, err
		}
	}
	var all T
	for from := 0; from < len(labels); from += n {
		part, err := byHosts(ctx, s, what, labels[from:min(len(labels), from+n)], each, ask, join)
		if err != nil {
			return all, err
		}
		if from == 0 {
			all = part
			continue
		}
		all = join(all, part)
	}
	return all, nil
}

// least is the shortest time that a question about one host is cut to.
const least = int64(2 * time.Hour / time.Millisecond)

// inTime asks about hosts in an extent in parts that the engine may answer in
// time: it was late before, with this question or with others.
func (s *Source) inTime(ctx context.Context, labels []string, want extentMS, most int64, ask func([]string, extentMS) (piece, error)) (piece, error) {
	hosts := int(max(1, min(int64(len(labels)), most/max(1, want.to-want.from))))
	length := want.to - want.from
	if hosts == 1 {
		length = max(least, min(length, most))
	}
	out := piece{}
	for from := 0; from < len(labels); from += hosts {
		for at := want.from; at < want.to; at += length {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			got, err := ask(labels[from:min(len(labels), from+hosts)], extentMS{at, min(want.to, at+length)})
			if err != nil {
				return nil, err
			}
			for label, list := range got {
				out[label] = append(out[label], list...)
			}
		}
	}
	return out, nil
}

// waited is an error about questions that were not answered in time, small ones
// too.
func waited(err error) error {
	return fmt.Errorf("not even a small question is answered in time: %w", err)
}
