package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
)

// publishedRecord is a row of inventory.parquet, for other tools to join sealed
// days with: a record holds for samples with
// (valid_from IS NULL OR valid_from <= time) AND (valid_to IS NULL OR time < valid_to).
// What is unknown is NULL.
type publishedRecord struct {
	Host            string            `parquet:"host,dict,zstd"`
	Name            string            `parquet:"name,zstd"`
	ValidFrom       *time.Time        `parquet:"valid_from,timestamp(millisecond),zstd"`
	ValidTo         *time.Time        `parquet:"valid_to,timestamp(millisecond),zstd"`
	Provider        string            `parquet:"provider,optional,dict,zstd"`
	Account         string            `parquet:"account,optional,dict,zstd"`
	Region          string            `parquet:"region,optional,dict,zstd"`
	Zone            string            `parquet:"zone,optional,dict,zstd"`
	InstanceType    string            `parquet:"instance_type,optional,dict,zstd"`
	VCPUs           float64           `parquet:"vcpus,optional,zstd"`
	MemoryBytes     int64             `parquet:"memory_bytes,optional,zstd"`
	Arch            string            `parquet:"arch,optional,dict,zstd"`
	OS              string            `parquet:"os,optional,dict,zstd"`
	State           string            `parquet:"state,optional,dict,zstd"`
	Purchase        string            `parquet:"purchase,optional,dict,zstd"`
	OwnedBy         string            `parquet:"owned_by,optional,dict,zstd"`
	Disks           *string           `parquet:"disks,zstd"`
	PublicAddresses *int32            `parquet:"public_addresses,zstd"`
	Tags            map[string]string `parquet:"tags"`
}

// publishedRevision is the key of the file's metadata that says of which
// generation its records are.
const publishedRevision = "leanfleet.records"

func published(r *fleet.Record) publishedRecord {
	out := publishedRecord{
		Host: string(r.Host), Name: r.DisplayName(), Provider: r.Provider, Account: r.Account,
		Region: r.Region, Zone: r.Zone, InstanceType: r.InstanceType,
		VCPUs: r.Capacity.VCPUs, MemoryBytes: r.Capacity.MemoryBytes,
		Arch: r.Arch, OS: r.OS, State: string(r.State), Purchase: string(r.Purchase), OwnedBy: r.OwnedBy,
		Tags: r.Tags,
	}
	if !r.From.IsZero() {
		out.ValidFrom = &r.From
	}
	if !r.To.IsZero() {
		out.ValidTo = &r.To
	}
	if r.Disks != nil {
		parts := make([]string, len(r.Disks))
		for i, d := range r.Disks {
			parts[i] = d.Type + ":" + strconv.FormatFloat(d.GiB, 'f', -1, 64)
		}
		text := strings.Join(parts, ";")
		out.Disks = &text
	}
	if r.Addresses != nil {
		n := int32(*r.Addresses)
		out.PublicAddresses = &n
	}
	return out
}

// renderInventory writes the records of a book as inventory.parquet. The same
// records and revision give the same bytes.
func renderInventory(book *inventory.Book, revision uint64) ([]byte, error) {
	records := book.Records(fleet.Selector{}, fleet.Window{})
	rows := make([]publishedRecord, len(records))
	for i := range records {
		rows[i] = published(&records[i])
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[publishedRecord](&b, parquet.KeyValueMetadata(publishedRevision, strconv.FormatUint(revision, 10)))
	if _, err := w.Write(rows); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (s *Store) inventoryPath() string { return filepath.Join(s.dir, inventoryName) }

// publish brings inventory.parquet to the records of today. It is a
// publication: nothing is read back from it, and a failure, which status tells,
// is made good by the next change of records or the next opening. The caller
// holds the write lock.
func (s *Store) publish() {
	err := s.publishRecords()
	if err != nil {
		err = fmt.Errorf("publish %s: %w", s.inventoryPath(), err)
	}
	s.mu.Lock()
	s.publishErr = err
	s.mu.Unlock()
}

func (s *Store) publishRecords() error {
	if s.records == 0 {
		return nil // there never was a record
	}
	if revision, err := s.publishedRevision(); err == nil && revision == s.records {
		return nil
	}
	data, err := renderInventory(s.stated, s.records)
	if err != nil {
		return err
	}
	staged := s.inventoryPath() + tmpSuffix
	if err := s.writeFile(staged, data); err != nil {
		removeQuietly(s.fs, staged)
		return err
	}
	if err := s.fs.Rename(staged, s.inventoryPath()); err != nil {
		removeQuietly(s.fs, staged)
		return err
	}
	return nil
}

// publishedRevision reads of which revision the published records are. A file
// that cannot be read is of none.
func (s *Store) publishedRevision() (revision uint64, err error) {
	f, err := s.fs.Open(s.inventoryPath())
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = f.Close()
		if p := recover(); p != nil { // parquet-go may panic on a damaged footer
			revision, err = 0, fmt.Errorf("it is damaged: %v", p)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return 0, err
	}
	text, _ := file.Lookup(publishedRevision)
	return strconv.ParseUint(text, 10, 64)
}

// writeFile writes and syncs a file.
func (s *Store) writeFile(path string, data []byte) error {
	f, err := s.fs.Create(path)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// checkPublished says what is wrong with inventory.parquet; nil without records.
func (s *Store) checkPublished(book *inventory.Book, revision uint64) error {
	if revision == 0 {
		return nil
	}
	want, err := renderInventory(book, revision)
	if err != nil {
		return err
	}
	f, err := s.fs.Open(s.inventoryPath())
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("the file is missing")
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	got := make([]byte, len(want)+1)
	n, err := f.ReadAt(got, 0)
	if n < len(want) && err != nil {
		return fmt.Errorf("it is not what the records say: %d bytes where %d are due", n, len(want))
	}
	if !bytes.Equal(got[:n], want) {
		return errors.New("it is not what the records say")
	}
	return nil
}
