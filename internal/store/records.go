package store

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
)

// PutRecords states what hosts are; all or nothing, durable when it returns.
func (s *Store) PutRecords(ctx context.Context, statements []fleet.Statement, put fleet.Put) (fleet.PutResult, error) {
	if err := checkStatements(statements); err != nil {
		return fleet.PutResult{}, err
	}
	var result fleet.PutResult
	err := s.changeBook(ctx, func(book *inventory.Book) (err error) {
		result, err = book.Put(statements, put)
		return err
	})
	if err != nil {
		return fleet.PutResult{}, fmt.Errorf("put records: %w", err)
	}
	return result, nil
}

// MergeHosts records that two hosts, found by id or alias, are one: samples of
// both are answered as into's. No file is rewritten.
func (s *Store) MergeHosts(into, from string, put fleet.Put) error {
	err := s.changeBook(context.Background(), func(book *inventory.Book) error { return book.Merge(into, from, put) })
	if err != nil {
		return fmt.Errorf("merge host %s into %s: %w", from, into, err)
	}
	return nil
}

// changeBook makes a change of the hosts true. Appends wait for it.
func (s *Store) changeBook(ctx context.Context, change func(*inventory.Book) error) error {
	unlock, err := s.lockWrites(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s.appending.Lock()
	c, err := s.putBook(change)
	s.appending.Unlock()
	if err != nil {
		return err
	}
	s.afterBook(c)
	return nil
}

// putBook writes down what changed of the hosts, a further change included. The
// caller holds the write lock and appending.
func (s *Store) putBook(change func(*inventory.Book) error) (*commitTx, error) {
	s.mu.Lock()
	today := s.bookNow()
	s.mu.Unlock()
	book := today.Clone()
	if change != nil {
		if err := change(book); err != nil {
			return nil, err
		}
	}
	c := &commitTx{generation: s.nextGeneration()}
	if err := s.describe(c, book); err != nil {
		return nil, err
	}
	if c.empty() {
		return c, nil
	}
	if err := s.apply(c); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takeOver(book)
	s.install(c, nil)
	return c, nil
}

// afterBook publishes records that a transaction changed.
func (s *Store) afterBook(c *commitTx) {
	if c.records {
		s.publish()
	}
}

// checkStatements refuses ids that leanfleet.db cannot hold.
func checkStatements(statements []fleet.Statement) error {
	for i := range statements {
		id := string(statements[i].Host)
		if len(id) > MaxHostID || !utf8.ValidString(id) {
			return fmt.Errorf("put records: statement %d: host %.60q: a name has at most %d bytes of UTF-8", i+1, id, MaxHostID)
		}
	}
	return nil
}
