package chargeback

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/pricing"
)

// Manifest is everything a report depends on: the same manifest gives the same
// report.
type Manifest struct {
	// Request has its times, zone, currency and rates resolved.
	Request Request `json:"request"`
	// Rules is the version of docs/chargeback.md.
	Rules       string           `json:"rules"`
	Prices      pricing.Revision `json:"prices"`
	Commitments string           `json:"commitments,omitempty"`
	Inputs      Inputs           `json:"inputs"`
	ZoneData    string           `json:"zone_data"`
	// Program made the report.
	Program string `json:"program,omitempty"`
	// Digest is the SHA-256 of all the rest, in hexadecimal: a manifest that was
	// changed since is refused.
	Digest string `json:"sha256"`
}

// digest returns what Digest has to be.
func (m Manifest) digest() (string, error) {
	m.Digest = ""
	text, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("digest the manifest: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// intact is an error where a manifest is not as it was written.
func (m *Manifest) intact() error {
	sum, err := m.digest()
	switch {
	case err != nil:
		return err
	case m.Digest == "":
		return fmt.Errorf("%w: it has no digest (sha256), so that nobody knows whether it was changed", ErrManifest)
	case m.Digest != sum:
		return fmt.Errorf("%w: it was changed since it was written (its sha256 is %.12s, its content has %.12s)", ErrManifest, m.Digest, sum)
	}
	return nil
}

// Inputs identify the records and samples of a report, as far as they decide
// about it.
type Inputs struct {
	Hosts    int    `json:"hosts"`
	Records  string `json:"records_sha256"`
	Evidence string `json:"evidence_sha256"`
}

// ErrManifest is wrapped where a report cannot be made again because something
// it depends on changed.
var ErrManifest = errors.New("the manifest's report cannot be made again")

// pin checks what is known of a manifest before the report is made, and takes
// the price book back to its revision.
func (p *plan) pin(m *Manifest) error {
	switch {
	case m.Request.Manifest != nil:
		return fmt.Errorf("%w: its request has a manifest itself", ErrManifest)
	case m.Rules != Rules:
		return fmt.Errorf("%w: it follows the rules %q, this program those of %q", ErrManifest, m.Rules, Rules)
	case m.ZoneData != p.env.ZoneData:
		return fmt.Errorf("%w: it was made with zone data %q, this program has %q", ErrManifest, m.ZoneData, p.env.ZoneData)
	case m.Commitments != p.env.Commitments.Revision():
		return fmt.Errorf("%w: the commitments differ (%q, here %q)", ErrManifest, m.Commitments, p.env.Commitments.Revision())
	}
	var err error
	if p.book, err = p.env.Book.At(m.Prices); err != nil {
		return fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if err := m.intact(); err != nil {
		return err
	}
	p.rates = nil
	return p.addRates(m.Request.Rates)
}

// manifest describes the report that was made, or holds it against the one
// asked for.
func (b *bill) manifest(e *evidence, pinned *Manifest, program string) (Manifest, error) {
	in, err := b.inputs(e)
	if err != nil {
		return Manifest{}, err
	}
	if pinned != nil {
		switch {
		case pinned.Inputs.Records != in.Records:
			return Manifest{}, fmt.Errorf("%w: records of hosts changed since, for the time of the period", ErrManifest)
		case pinned.Inputs.Evidence != in.Evidence:
			return Manifest{}, fmt.Errorf("%w: the samples of the period changed since", ErrManifest)
		}
		return *pinned, nil
	}
	m := Manifest{
		Request: b.plan.req, Rules: Rules, Prices: b.plan.book.Revision(), Commitments: b.plan.env.Commitments.Revision(),
		Inputs: in, ZoneData: b.plan.env.ZoneData, Program: program,
	}
	m.Request.Rates = b.plan.used.list()
	m.Request.Program = ""
	m.Digest, err = m.digest()
	return m, err
}

// inputs digests the spans of all hosts that were looked at, in order, and what
// samples cover of them.
func (b *bill) inputs(e *evidence) (Inputs, error) {
	records, samples := sha256.New(), sha256.New()
	for i := range b.hosts {
		h := &b.hosts[i]
		fmt.Fprintf(records, "%q\n", h.timeline[0].Host)
		for j := range h.spans {
			s := &h.spans[j]
			if err := digest(records, s); err != nil {
				return Inputs{}, err
			}
			if s.state == assumed {
				fmt.Fprintf(samples, "%q %d %s\n", s.record.Host, s.record.From.UnixNano(), e.text(s.record))
			}
		}
	}
	for _, n := range b.silent {
		fmt.Fprintf(records, "%q %q\n", n.Host, n.Reason)
	}
	return Inputs{Hosts: len(b.hosts), Records: hex.EncodeToString(records.Sum(nil)), Evidence: hex.EncodeToString(samples.Sum(nil))}, nil
}

// digest adds a span to a hash: its bounds as they lie in the time looked at, its
// state, and all that its record says.
func digest(w hash.Hash, s *span) error {
	r := *s.record
	r.From, r.To, r.Stated, r.Seen = time.Time{}, time.Time{}, time.Time{}, fleet.Window{}
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("digest the record of %s: %w", r.Host, err)
	}
	fmt.Fprintf(w, "%d %d %s %d %s\n", s.Start.UnixNano(), s.End.UnixNano(), s.state, s.extra, text)
	return nil
}
