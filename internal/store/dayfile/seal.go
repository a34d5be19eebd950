package dayfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// The seal is a key-value entry of Parquet's footer. Its value has a fixed
// width:
//
//	v001 data=000000000189f0a3 index=0000a1b2 xxh64=0123456789abcdef
//
// data is the byte at which the pages end, index the length of the index, which
// ends where the footer begins, and xxh64 the hash of everything from data to
// the end of the file, its own digits taken as zeros.
const (
	sealKey     = "leanfleet.seal"
	dayKey      = "leanfleet.day"
	sealFormat  = "v%03d data=%016x index=%08x xxh64=%016x"
	sealBytes   = 4 + 1 + 5 + 16 + 1 + 6 + 8 + 1 + 6 + 16
	sealDigits  = 16
	formatMajor = 1
	// formatGroups is the version of files of process groups.
	formatGroups = 2
	// footerEnd is the length of the footer in 4 bytes and the magic.
	footerEnd = 8
)

// sealMark is how the seal's key and the length of its value stand in the
// footer: Thrift's compact protocol, field 1 and field 2 being strings.
const sealMark = "\x18\x0e" + sealKey + "\x18\x40"

// tail returns everything that follows the pages: Parquet's page index, our
// index, the footer.
func tail(dataEnd int64, x *index, l *layout, groups []*encoded) ([]byte, error) {
	meta := format.FileMetaData{Version: 2, Schema: l.schema(), CreatedBy: createdBy, ColumnOrders: l.orders()}
	var b []byte
	var err error
	for _, g := range groups {
		for c := range g.pages {
			chunk := &g.meta.Columns[c]
			if b, chunk.ColumnIndexOffset, chunk.ColumnIndexLength, err = appendThrift(b, dataEnd, &g.pages[c].column); err != nil {
				return nil, fmt.Errorf("encode column index: %w", err)
			}
		}
	}
	for _, g := range groups {
		for c := range g.pages {
			chunk := &g.meta.Columns[c]
			if b, chunk.OffsetIndexOffset, chunk.OffsetIndexLength, err = appendThrift(b, dataEnd, &g.pages[c].offset); err != nil {
				return nil, fmt.Errorf("encode offset index: %w", err)
			}
		}
		meta.NumRows += g.meta.NumRows
		meta.RowGroups = append(meta.RowGroups, g.meta)
	}
	before := len(b)
	b = x.append(b)
	meta.KeyValueMetadata = []format.KeyValue{
		{Key: dayKey, Value: x.day.String()},
		{Key: sealKey, Value: fmt.Sprintf(sealFormat, x.version(), dataEnd, len(b)-before, 0)},
	}
	footer := len(b)
	if b, _, _, err = appendThrift(b, dataEnd, &meta); err != nil {
		return nil, fmt.Errorf("encode footer: %w", err)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(b)-footer))
	b = append(b, magic...)
	at := bytes.LastIndex(b, []byte(sealMark))
	if at < footer {
		return nil, errors.New("BUG: the footer lacks the seal")
	}
	digits := at + len(sealMark) + sealBytes - sealDigits
	copy(b[digits:], fmt.Sprintf("%0*x", sealDigits, xxhash.Sum64(b)))
	return b, nil
}

func appendThrift(b []byte, base int64, v any) ([]byte, int64, int32, error) {
	data, err := thrift.Marshal(new(thrift.CompactProtocol), v)
	return append(b, data...), base + int64(len(b)), int32(len(data)), err
}

// version is the version of the format that the index is of.
func (x *index) version() int {
	if x.grouped {
		return formatGroups
	}
	return formatMajor
}

// sealed is the part of a file that follows the pages, its seal checked.
type sealed struct {
	version int
	dataEnd int64
	index   []byte
	footer  []byte // Parquet's, without length and magic
}

// firstRead is how much of a file's end is read at once: the whole tail of a
// day of a thousand hosts.
const firstRead = 192 << 10

// readSealed reads and checks the end of a file.
func readSealed(r io.ReaderAt, size int64) (*sealed, error) {
	if size < int64(len(magic))+footerEnd {
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrForeign, size)
	}
	var head [len(magic)]byte
	if err := readFull(r, head[:], 0); err != nil {
		return nil, fmt.Errorf("read the first bytes: %w", err)
	}
	end := make([]byte, min(size, firstRead))
	if err := readFull(r, end, size-int64(len(end))); err != nil {
		return nil, fmt.Errorf("read the footer: %w", err)
	}
	ours := bytes.Contains(end, []byte("leanfleet"))
	switch last := end[len(end)-len(magic):]; {
	case string(last) != magic && (ours || string(head[:]) == magic):
		return nil, fmt.Errorf("the file is cut off or the end of the file is damaged: it ends in %q, not %q", last, magic)
	case string(last) != magic:
		return nil, fmt.Errorf("%w: it ends in %q, not %q", ErrForeign, last, magic)
	case string(head[:]) != magic:
		return nil, fmt.Errorf("the start of the file is damaged: it begins with %q, not %q", head, magic)
	}
	length := int64(binary.LittleEndian.Uint32(end[len(end)-footerEnd:]))
	if length > size-footerEnd-int64(len(magic)) {
		return nil, fmt.Errorf("the length of the footer, %d bytes, is damaged: the file has %d", length, size)
	}
	if need := length + footerEnd; need > int64(len(end)) {
		end = make([]byte, need)
		if err := readFull(r, end, size-need); err != nil {
			return nil, fmt.Errorf("read the footer: %w", err)
		}
	}
	footer := int64(len(end)) - footerEnd - length
	at := bytes.LastIndex(end[footer:], []byte(sealMark))
	if at < 0 {
		if ours || bytes.Contains(end[footer:], []byte("leanfleet")) {
			return nil, errors.New("the footer is damaged: the seal is not where it should be")
		}
		return nil, fmt.Errorf("%w: its footer has no %s", ErrForeign, sealKey)
	}
	return checkSeal(r, size, end, footer, footer+int64(at+len(sealMark)))
}

// checkSeal checks the seal, whose value lies at byte at of the file's end.
func checkSeal(r io.ReaderAt, size int64, end []byte, footer, at int64) (*sealed, error) {
	if at+sealBytes > int64(len(end))-footerEnd {
		return nil, errors.New("the footer is damaged: the seal is cut off")
	}
	var version int
	var dataEnd, index int64
	var want uint64
	value := string(end[at : at+sealBytes])
	if _, err := fmt.Sscanf(value, sealFormat, &version, &dataEnd, &index, &want); err != nil || fmt.Sprintf(sealFormat, version, dataEnd, index, want) != value {
		return nil, fmt.Errorf("the seal %q is damaged", value)
	}
	begin := size - int64(len(end)) // of end in the file
	if dataEnd < int64(len(magic)) || index < 0 || dataEnd > begin+footer || index > begin+footer-dataEnd {
		return nil, fmt.Errorf("the seal %q is damaged: pages and index do not fit into the file", value)
	}
	if dataEnd < begin {
		more := make([]byte, size-dataEnd)
		copy(more[begin-dataEnd:], end)
		if err := readFull(r, more[:begin-dataEnd], dataEnd); err != nil {
			return nil, fmt.Errorf("read the index: %w", err)
		}
		footer, at, end, begin = footer+begin-dataEnd, at+begin-dataEnd, more, dataEnd
	}
	region := end[dataEnd-begin:]
	digits := at + sealBytes - sealDigits - (dataEnd - begin)
	var hash xxhash.Digest
	hash.Reset()
	_, _ = hash.Write(region[:digits])
	_, _ = hash.WriteString("0000000000000000")
	_, _ = hash.Write(region[digits+sealDigits:])
	if got := hash.Sum64(); got != want {
		return nil, fmt.Errorf("index or footer are damaged: their checksum is %016x, the seal says %016x", got, want)
	}
	if version != formatMajor && version != formatGroups {
		return nil, fmt.Errorf("%w: version %d, this program reads %d", ErrVersion, version, formatGroups)
	}
	return &sealed{version: version, dataEnd: dataEnd, index: end[footer-index : footer], footer: end[footer : len(end)-footerEnd]}, nil
}

// readFull reads len(b) bytes at an offset.
func readFull(r io.ReaderAt, b []byte, offset int64) error {
	n, err := r.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%d of %d bytes at %d: %w", n, len(b), offset, io.ErrUnexpectedEOF)
	}
	return err
}

// Checksum is the checksum of a whole file as [Summary] has it: xxHash64.
func Checksum(r io.Reader) (uint64, error) {
	var hash xxhash.Digest
	hash.Reset()
	if _, err := io.Copy(&hash, r); err != nil {
		return 0, err
	}
	return hash.Sum64(), nil
}
