package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
)

// The buckets of what people decided and of what was advised. They are made by
// the first write, so that a database without them is a good one.
var (
	// bucketDecisions holds decisions under ascending numbers. Rows are added and
	// never changed; no retention and no repair touches them.
	bucketDecisions = []byte("decisions")
	// bucketAdvised holds the last advice of each host under its id.
	bucketAdvised = []byte("advised")
)

// maxAdvised is how many changes of advice are kept of a host, the newest.
const maxAdvised = 8

// decisionRow is a decision as it is stored: an amount alone does not say in
// which currency it is.
type decisionRow struct {
	Decision advice.Decision `json:"decision"`
	Currency money.Currency  `json:"currency,omitzero"`
}

func encodeDecision(d advice.Decision) ([]byte, error) {
	row := decisionRow{Decision: d}
	if d.MonthlySavings != nil {
		row.Currency = d.MonthlySavings.Currency()
	}
	return json.Marshal(row)
}

func decodeDecision(b []byte) (advice.Decision, error) {
	var row decisionRow
	if err := json.Unmarshal(b, &row); err != nil {
		return advice.Decision{}, err
	}
	d := row.Decision
	if d.Host == "" || !d.Action.Valid() {
		return advice.Decision{}, fmt.Errorf("host %q, action %q", d.Host, d.Action)
	}
	if d.MonthlySavings != nil {
		if !row.Currency.Valid() {
			return advice.Decision{}, fmt.Errorf("host %q: currency %q is not known", d.Host, row.Currency)
		}
		a := d.MonthlySavings.In(row.Currency)
		d.MonthlySavings = &a
	}
	return d, nil
}

// Decide adds decisions to the ledger, in their order; all or nothing, durable
// when it returns. A decision without a host, an action or a time is an error.
func (s *Store) Decide(ctx context.Context, list []advice.Decision) error {
	var rows [][]byte
	for i := range list {
		if d := &list[i]; d.Host == "" || len(d.Host) > MaxHostID || !d.Action.Valid() || d.At.IsZero() {
			return fmt.Errorf("keep decision %d: it needs a host, an action and a time; not %q, %q, %v", i+1, d.Host, d.Action, d.At)
		}
		row, err := encodeDecision(list[i])
		if err != nil {
			return fmt.Errorf("keep decision about %s: %w", list[i].Host, err)
		}
		rows = append(rows, row)
	}
	err := s.keep(ctx, len(rows) > 0, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketDecisions)
		if err != nil {
			return err
		}
		for _, row := range rows {
			n, err := b.NextSequence()
			if err != nil {
				return err
			}
			if err := b.Put(putUint(n), row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep decisions: %w", err)
	}
	return nil
}

// Decisions returns the ledger, oldest write first.
func (s *Store) Decisions(ctx context.Context) ([]advice.Decision, error) {
	var out []advice.Decision
	err := s.recall(ctx, bucketDecisions, func(k, v []byte) error {
		d, err := decodeDecision(v)
		if err != nil {
			return fmt.Errorf("decision %d: %w", getUint(k), err)
		}
		out = append(out, d)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return out, nil
}

// Advised is what was advised for a host at a time. Current and Recommended are
// instance types; an empty Recommended was to keep the current one.
type Advised struct {
	Host        fleet.HostID `json:"-"`
	Current     string       `json:"current"`
	Recommended string       `json:"recommended,omitempty"`
	AsOf        time.Time    `json:"as_of"`
}

// Remember keeps what was advised, all or nothing, durable when it returns, and
// returns for how many hosts it is other advice than before. Advice that stays
// the same keeps the time at which it was given first; advice older than what is
// remembered is passed over.
func (s *Store) Remember(ctx context.Context, list []Advised) (changed int, err error) {
	err = s.keep(ctx, len(list) > 0, func(tx *bbolt.Tx) error {
		changed = 0 // should bbolt try again
		b, err := tx.CreateBucketIfNotExists(bucketAdvised)
		if err != nil {
			return err
		}
		for i := range list {
			differs, err := rememberOne(b, &list[i])
			if err != nil {
				return fmt.Errorf("host %q: %w", list[i].Host, err)
			}
			if differs {
				changed++
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("remember advice: %w", err)
	}
	return changed, nil
}

func rememberOne(b *bbolt.Bucket, a *Advised) (differs bool, err error) {
	var rows []Advised
	if v := b.Get([]byte(a.Host)); v != nil {
		if err := json.Unmarshal(v, &rows); err != nil {
			return false, err
		}
	}
	if n := len(rows); n > 0 {
		last := &rows[n-1]
		if last.Current == a.Current && last.Recommended == a.Recommended || a.AsOf.Before(last.AsOf) {
			return false, nil
		}
	}
	rows = append(rows, *a)
	return true, putJSON(b, []byte(a.Host), rows[max(0, len(rows)-maxAdvised):])
}

// Advised returns what is remembered, by host, oldest first.
func (s *Store) Advised(ctx context.Context) ([]Advised, error) {
	var out []Advised
	err := s.recall(ctx, bucketAdvised, func(k, v []byte) error {
		var rows []Advised
		if err := json.Unmarshal(v, &rows); err != nil {
			return fmt.Errorf("advice for host %q: %w", k, err)
		}
		for _, r := range rows {
			r.Host = fleet.HostID(bytes.Clone(k))
			out = append(out, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read remembered advice: %w", err)
	}
	return out, nil
}

// keep makes a change of leanfleet.db true that concerns no files.
func (s *Store) keep(ctx context.Context, any bool, change func(*bbolt.Tx) error) error {
	unlock, err := s.lockWrites(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if !any {
		return nil
	}
	gen := s.nextGeneration()
	err = s.db.Update(func(tx *bbolt.Tx) error {
		// The generation says afterwards whether a failed commit was made.
		if err := tx.Bucket(bucketMeta).Put(keyGeneration, putUint(gen)); err != nil {
			return err
		}
		return change(tx)
	})
	if err != nil {
		return s.commitFailed(gen, err)
	}
	return nil
}

// recall reads a bucket, which need not be there.
func (s *Store) recall(ctx context.Context, bucket []byte, f func(k, v []byte) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil { // bbolt trusts the pages it reads
			err = fmt.Errorf("%s is damaged: %v", s.dbPath(), p)
		}
	}()
	s.mu.RLock()
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		return fleet.ErrClosed
	}
	err = s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		if b == nil {
			return nil
		}
		return b.ForEach(f)
	})
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return fleet.ErrClosed
	}
	return err
}
