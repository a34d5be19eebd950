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

// changeBook makes a change of the hosts true.
func (s *Store) changeBook(ctx context.Context, change func(*inventory.Book) error) error {
	unlock, err := s.lockWrites(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	book := s.book.Clone()
	if err := change(book); err != nil {
		return err
	}
	return s.commit(&commitTx{generation: s.nextGeneration()}, nil, book)
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
