package files

import (
	"bytes"
	"encoding/csv"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// records reads all records up to the first error.
func records(r io.Reader) (out [][]string, lines []int64, err error) {
	s := newSplitter(r)
	for {
		fields, err := s.read()
		if err != nil {
			return out, lines, err
		}
		var row []string
		for _, f := range fields {
			row = append(row, string(f))
		}
		out, lines = append(out, row), append(lines, s.line)
	}
}

// standard reads all records as encoding/csv does.
func standard(data []byte) (out [][]string, lines []int64, err error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	for {
		row, err := r.Read()
		if err != nil {
			return out, lines, err
		}
		line, _ := r.FieldPos(0)
		out, lines = append(out, row), append(lines, int64(line))
	}
}

func checkSplitter(t *testing.T, data []byte) {
	t.Helper()
	want, wantLines, wantErr := standard(data)
	for _, r := range []io.Reader{bytes.NewReader(data), iotest.OneByteReader(bytes.NewReader(data)), iotest.DataErrReader(bytes.NewReader(data))} {
		got, lines, err := records(r)
		if (err == io.EOF) != (wantErr == io.EOF) {
			t.Fatalf("%q: error %v; encoding/csv has %v", data, err, wantErr)
		}
		if !slices.EqualFunc(got, want, slices.Equal[[]string]) || !slices.Equal(lines, wantLines) {
			t.Fatalf("%q: got %q on lines %d, encoding/csv has %q on %d", data, got, lines, want, wantLines)
		}
	}
}

func splitterSeeds() []string {
	return []string{
		"", "\n", "\r\n", "a", "a,b\n", "a,b\r\nc,d\r\n", "a,b\n\n\nc,d", "a\rb,c\n", "a,b\r", "\r", ",", ",\n,,\n",
		`"a","b"` + "\n", `"a,b",c`, `"a""b"`, "\"a\nb\",c\nd,e\n", "\"a\r\nb\"\r\nc", `a"b`, `"a"b`, `"a`, `"a" ,b`, `"`, `""`, `"""`,
		"\"a\"\r", "\"a\"\rb", "a,\"b\r\"", "x\n\"a\n\n\"\ny\n", "\"a\"\n\"\n", "a,b\"\n", " \"a\"\n", "\"a\r\"\n",
	}
}

func TestSplitter(t *testing.T) {
	for _, s := range splitterSeeds() {
		checkSplitter(t, []byte(s))
	}
	long := strings.Repeat("some,fields,\"of \"\"all\"\" kinds\"\n", 40_000)
	checkSplitter(t, []byte(long))
}

func TestSplitterLongLine(t *testing.T) {
	for name, data := range map[string]string{
		"without end": strings.Repeat("x", 2*maxRecord),
		"with end":    "h\n" + strings.Repeat("x", maxRecord+1) + "\n",
		"quoted":      `"` + strings.Repeat("x", 2*maxRecord),
	} {
		if _, _, err := records(strings.NewReader(data)); err == nil || err.Error() != "a line is longer than 1048576 bytes" {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestSplitterSkipsByteOrderMark(t *testing.T) {
	got, _, err := records(strings.NewReader("\xef\xbb\xbfa,b\n"))
	if err != io.EOF || len(got) != 1 || got[0][0] != "a" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestSplitterPassesErrorsOn(t *testing.T) {
	_, _, err := records(io.MultiReader(strings.NewReader("a,b\nc"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	if err != io.ErrUnexpectedEOF {
		t.Errorf("error %v", err)
	}
	if _, _, err := records(stuck{}); err != io.ErrNoProgress {
		t.Errorf("a reader that gives nothing: error %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func FuzzSplitter(f *testing.F) {
	for _, s := range splitterSeeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
			return // encoding/csv keeps the byte order mark
		}
		checkSplitter(t, data)
	})
}
