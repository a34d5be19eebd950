package chart

import (
	"bytes"
	"errors"
	"image/png"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// sample is a back-test of the published rules.
func sample() *Plane {
	p := &Plane{Title: "What advice would have saved, and broken", Subtitle: "back-test over 4 windows", XLabel: "saved, of the cost", YLabel: "broken, of the changed hosts",
		Limit: 0.05, LimitLabel: "5 % may break at 95 %"}
	own := func(label string, saved, broken, low, high float64) {
		p.Marks = append(p.Marks, Mark{Label: label, Saved: saved, Broken: broken, Low: low, High: high})
	}
	own("leanfleet 90 %", 0.424, 0.10, 0.07, 0.132)
	own("leanfleet 95 %", 0.399, 0.042, 0.02, 0.064)
	own("leanfleet 97 %", 0.365, 0.031, 0.015, 0.049)
	rule := func(label string, saved, broken, swapSaved, swapBroken float64) {
		p.Marks = append(p.Marks, Mark{Label: label, Role: Other, Saved: saved, Broken: broken}, Mark{Label: label + "+swap", Role: Variant, Of: label, Saved: swapSaved, Broken: swapBroken})
	}
	rule("aws-default", 0.415, 0.167, 0.439, 0.131)
	rule("aws-balanced", 0.41, 0.214, 0.435, 0.165)
	rule("aws-max-savings", 0.449, 0.291, 0.466, 0.25)
	rule("azure-user", 0.452, 0.321, 0.473, 0.256)
	rule("gcp", 0.447, 0.239, 0.468, 0.199)
	rule("krr", 0.438, 0.255, 0.458, 0.215)
	rule("vpa", 0.497, 0.384, 0.512, 0.338)
	rule("max", 0.414, 0.162, 0.435, 0.135)
	p.Marks = append(p.Marks, Mark{Label: "lonely+swap", Role: Variant, Of: "not there", Saved: 0.4, Broken: 0.3},
		Mark{Label: "clairvoyant", Role: Bound, Saved: 0.448}, Mark{Label: "do-nothing", Role: Origin})
	return p
}

// TestPNG: the picture is one, of the size promised, the same bytes each time,
// and has ink of every role in it.
func TestPNG(t *testing.T) {
	var first, again bytes.Buffer
	if err := sample().WritePNG(&first); err != nil {
		t.Fatal(err)
	}
	if err := sample().WritePNG(&again); err != nil || !bytes.Equal(first.Bytes(), again.Bytes()) {
		t.Errorf("drawn again it is another picture (%v)", err)
	}
	if first.Len() > 400<<10 {
		t.Errorf("the picture has %d bytes", first.Len())
	}
	picture, err := png.Decode(&first)
	if err != nil {
		t.Fatal(err)
	}
	size := picture.Bounds().Size()
	if size.X != 1600 || size.Y != 1000 {
		t.Errorf("the picture has %v pixels", size)
	}
	count := map[[3]uint8]int{}
	for y := range size.Y {
		for x := range size.X {
			r, g, b, _ := picture.At(x, y).RGBA()
			count[[3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}]++
		}
	}
	for name, want := range map[string][3]uint8{"own": {own.R, own.G, own.B}, "rules": {slate.R, slate.G, slate.B}, "bound": {bound.R, bound.G, bound.B}, "limit": {limit.R, limit.G, limit.B}, "text": {ink.R, ink.G, ink.B}} {
		if count[want] < 20 {
			t.Errorf("%d pixels of %s", count[want], name)
		}
	}
	if n := count[[3]uint8{255, 255, 255}]; n < size.X*size.Y/2 {
		t.Errorf("%d white pixels", n)
	}
}

// TestLabelsDoNotOverlap: no label of the sample lies on another, on a mark or
// on the limit, nor beyond the frame.
func TestLabelsDoNotOverlap(t *testing.T) {
	p := sample()
	c, err := newCanvas()
	if err != nil {
		t.Fatal(err)
	}
	x, y := p.bounds()
	d := &drawing{canvas: c, plane: p, x: x, y: y, frame: box{marginLeft, marginBottom, pictureWidth - marginRight, pictureHeight - marginTop}}
	var taken []box
	var texts []text
	for i := range p.Marks {
		m := &p.Marks[i]
		mx, my := d.at(m.Saved, m.Broken)
		if m.Role == Origin {
			continue
		}
		taken = append(taken, around(mx, my, 4))
		if m.Role != Variant {
			size, bold, _ := labelling(m.Role)
			texts = append(texts, text{x: mx, y: my, width: d.width(m.Label, size, bold), height: size, near: 8})
		}
	}
	list := place(texts, taken, d.frame)
	for i, a := range list {
		if math.Abs(a.overlap(d.frame)-texts[i].width*texts[i].height) > 1e-6 {
			t.Errorf("label %d leaves the frame: %v", i, a)
		}
		for j, b := range list[:i] {
			if a.overlap(b.box) > 0 {
				t.Errorf("labels %d and %d overlap", i, j)
			}
		}
		for j, b := range taken {
			if a.overlap(b) > 0 {
				t.Errorf("label %d lies on mark %d", i, j)
			}
		}
	}
}

func TestScale(t *testing.T) {
	f := func(low, high float64, want string) {
		t.Helper()
		s := newScale(low, high, 8)
		var got string
		for _, v := range s.ticks() {
			got += s.label(v) + " "
		}
		if got != want {
			t.Errorf("%v to %v: %s, want %s", low, high, got, want)
		}
		if s.low > low+1e-9 || s.high < high-1e-9 {
			t.Errorf("%v to %v does not hold %v to %v", s.low, s.high, low, high)
		}
	}
	f(0, 0.4, "0 % 5 % 10 % 15 % 20 % 25 % 30 % 35 % 40 % ")
	f(0.35, 0.52, "35 % 40 % 45 % 50 % 55 % ")
	f(-0.05, 0.05, "-6 % -4 % -2 % 0 % 2 % 4 % 6 % ")
	f(0, 0.02, "0.0 % 0.5 % 1.0 % 1.5 % 2.0 % ")
	f(0, 8, "0 % 100 % 200 % 300 % 400 % 500 % 600 % 700 % 800 % ")
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

// TestRefused: what cannot be drawn is refused by name, and a full device is an
// error.
func TestRefused(t *testing.T) {
	for _, p := range []*Plane{{Title: "none"}, {Marks: []Mark{{Label: "a", Saved: math.NaN()}}}, {Marks: []Mark{{Label: "a", Broken: math.Inf(1)}}}, {Marks: []Mark{{Label: "a", Saved: 1e9}}}} {
		var b bytes.Buffer
		if err := p.WritePNG(&b); err == nil || b.Len() > 0 {
			t.Errorf("%+v was drawn: %v", p, err)
		}
	}
	if err := sample().WritePNG(failing{}); err == nil {
		t.Error("a full device is no error")
	}
}

// TestAnyMarks: whatever lies on the plane, it is drawn.
func TestAnyMarks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &Plane{Limit: rapid.Float64Range(0, 1).Draw(t, "limit")}
		for range rapid.IntRange(1, 6).Draw(t, "n") {
			p.Marks = append(p.Marks, Mark{Label: rapid.StringN(0, 8, 20).Draw(t, "label"), Role: Role(rapid.IntRange(0, 4).Draw(t, "role")),
				Saved: rapid.Float64Range(-2, 2).Draw(t, "saved"), Broken: rapid.Float64Range(0, 1).Draw(t, "broken")})
		}
		x, y := p.bounds()
		for _, s := range []scale{x, y} {
			if n := len(s.ticks()); n < 2 || n > 40 || !(s.high > s.low) {
				t.Fatalf("axis %+v with %d ticks", s, n)
			}
		}
	})
}

func BenchmarkPNG(b *testing.B) {
	for b.Loop() {
		var out bytes.Buffer
		if err := sample().WritePNG(&out); err != nil {
			b.Fatal(err)
		}
	}
}
