package source

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
)

// listing writes what it is given.
type listing struct{ b strings.Builder }

func (l *listing) series(labels map[string]string) error {
	fmt.Fprintf(&l.b, "%v ", labels)
	return nil
}

func (l *listing) point(at int64, v float64) error {
	fmt.Fprintf(&l.b, "%d=%v ", at, v)
	return nil
}

func TestResult(t *testing.T) {
	for _, c := range []struct{ text, want, status string }{
		{`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1704067200,"0.5"],[1704067260.123,"1e3"],[1704067320.1,"NaN"],[1.7040672e9,"+Inf"],[1,"-2.25"]]}]}}`,
			"map[a:b] 1704067200000=0.5 1704067260123=1000 1704067320100=NaN 1704067200000=+Inf 1000=-2.25 ", "success"},
		{` { "status" : "success" , "data" : { "result" : [ { "metric" : { } , "value" : [ 1.5 , "7" ] } , {"metric":{"x":"y"},"values":[]} ] , "stats" : {"a":[1,2,{"b":null}]} } } `,
			"map[] 1500=7 map[x:y] ", "success"},
		{`{"status":"success","data":{"resultType":"scalar","result":[1704067200,"3"]}}`, "", "success"},
		{`{"status":"success","data":{"resultType":"string","result":"x"}}`, "", "success"},
		{`{"status":"success","isPartial":false,"data":{"result":[]},"infos":["x"]}`, "", "success"},
		{`{"status":"error","errorType":"execution","error":"a \"b\" \u00e9"}`, "", "error execution a \"b\" é"},
		{`{"status":"success","data":null}`, "", "success"},
		{`{"status":"success","data":{"result":[{"metric":{"q":"a\"b\\"},"values":[[1,"123456789012345678"],[2,"0.12345678901234566"],[3,"100"]]}]}}`, "map[q:a\"b\\] 1000=1.2345678901234568e+17 2000=0.12345678901234566 3000=100 ", "success"},
	} {
		for _, r := range []io.Reader{strings.NewReader(c.text), iotest.OneByteReader(strings.NewReader(c.text))} {
			var l listing
			a, err := newDecoder(r).result(&l)
			if err != nil || l.b.String() != c.want || strings.TrimSpace(a.status+" "+a.kind+" "+a.message) != c.status || !a.complete {
				t.Errorf("%s: %q, %+v, error %v", c.text, l.b.String(), a, err)
			}
		}
		// Whatever is cut off is never taken for whole.
		for i := range len(strings.TrimSpace(c.text)) {
			if a, err := newDecoder(strings.NewReader(c.text[:i])).result(&listing{}); err == nil || a.complete {
				t.Errorf("%s: no error", c.text[:i])
			}
		}
	}
}

func TestResultRefused(t *testing.T) {
	for _, text := range []string{
		`<html>`, `[]`, `{"data":{"result":[{"values":[[1,"2"]],"metric":{}}]}}`, `{"data":{"result":[{"metric":{},"values":[[1,2]]}]}}`, `{"data":{"result":[{"metric":{},"values":[["1","2"]]}]}}`,
		`{"data":{"result":[{"metric":{},"values":[[1,"x"]]}]}}`, `{"data":{"result":[{"metric":{},"values":[[1e300,"2"]]}]}}`, `{"data":{"result":[{"metric":{},"values":[[1,"2"] [3,"4"]]}]}}`,
		`{"data":{"result":[{"metric":{"a":1},"values":[]}]}}`, `{"a" 1}`, `{"a":}`, `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
		`{"x":"` + strings.Repeat("a", maxText+10) + `"}`, `{"data":{"result":[{"metric":{},"values":[[` + strings.Repeat("1", 100) + `,"2"]]}]}}`,
	} {
		if _, err := newDecoder(strings.NewReader(text)).result(&listing{}); !errors.Is(err, ErrNotAPI) {
			t.Errorf("%.80s: error %v", text, err)
		}
	}
	broken := errors.New("the line broke")
	if _, err := newDecoder(io.MultiReader(strings.NewReader(`{"data":`), iotest.ErrReader(broken))).result(&listing{}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestLines(t *testing.T) {
	text := `{"metric":{"a":"b"},"values":[1,0.25,null,"NaN","Infinity",1e-7,-3],"timestamps":[1704067200000,1704067260000,3,4,5,6,7]}
{"metric":{"a":"c"},"values":[],"timestamps":[]}
`
	for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
		var l listing
		if err := newDecoder(r).lines(&l); err != nil || l.b.String() != "map[a:b] 1704067200000=1 1704067260000=0.25 3=NaN 4=NaN 5=+Inf 6=1e-07 7=-3 map[a:c] " {
			t.Errorf("%q, error %v", l.b.String(), err)
		}
	}
	for _, bad := range []string{`{"metric":{},"values":[1],"timestamps":[]}`, `{"metric":{},"values":[1`, `{"metric":{},"values":[1],"timestamps":[1.5]}`, `{"metric":{},"values":["x"],"timestamps":[1]}`, `x`} {
		if err := newDecoder(strings.NewReader(bad)).lines(&listing{}); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

// The fast ways read what the slow ones read.
func TestPlainNumbers(t *testing.T) {
	for _, s := range []string{"0", "1", "12.5", "0.1", "0.30001", "123456789012345", "99999.9999"} {
		v, n := plain([]byte(s + ","))
		var want float64
		if _, err := fmt.Sscan(s, &want); err != nil {
			t.Fatal(err)
		}
		if n != len(s) || math.Float64bits(v) != math.Float64bits(want) {
			t.Errorf("%s: %v, %d", s, v, n)
		}
	}
	for _, s := range []string{"", ".5,", "1.,", "1e5,", "-1,", "1234567890123456,", "1.2.3,", "12", "x,"} {
		if _, n := plain([]byte(s)); n != 0 {
			t.Errorf("%s: read %d bytes", s, n)
		}
	}
}

func FuzzResult(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1704067200,"0.5"]]}]}}`))
	f.Add([]byte(`{"status":"success","data":{"result":[{"metric":{},"value":[1.5,"NaN"]}]},"warnings":["x"],"isPartial":true}`))
	f.Add([]byte(`{"status":"error","errorType":"bad_data","error":"\ud800"}`))
	f.Add([]byte(`{"data":{"result":[1,"2"]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var x, y listing
		a, err := newDecoder(strings.NewReader(string(data))).result(&x)
		b, err2 := newDecoder(iotest.OneByteReader(strings.NewReader(string(data)))).result(&y)
		if (err == nil) != (err2 == nil) || err == nil && (x.b.String() != y.b.String() || a.status != b.status) {
			t.Fatalf("%q, error %v; byte by byte %q, error %v", x.b.String(), err, y.b.String(), err2)
		}
	})
}

func FuzzLines(f *testing.F) {
	f.Add([]byte(`{"metric":{"a":"b"},"values":[1,0.25,null],"timestamps":[1704067200000,2,3]}`))
	f.Add([]byte("{\"metric\":{},\"values\":[1e9],\"timestamps\":[1]}\n{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var x, y listing
		err := newDecoder(strings.NewReader(string(data))).lines(&x)
		err2 := newDecoder(iotest.OneByteReader(strings.NewReader(string(data)))).lines(&y)
		if (err == nil) != (err2 == nil) || err == nil && x.b.String() != y.b.String() {
			t.Fatalf("%q, error %v; byte by byte %q, error %v", x.b.String(), err, y.b.String(), err2)
		}
	})
}

// TestExportCutBetweenLines: an export whose connection ends between two lines
// is cut, not whole.
func TestExportCutBetweenLines(t *testing.T) {
	line := `{"metric":{"host":"a"},"values":[1],"timestamps":[1704067200000]}` + "\n"
	for _, text := range []string{"", line, line + line} {
		cutOff := io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF))
		if err := newDecoder(cutOff).lines(&listing{}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v", len(text), err)
		}
		if err := newDecoder(strings.NewReader(text)).lines(&listing{}); err != nil {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
}
