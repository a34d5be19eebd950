package chart

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
)

// The size of a picture in points and its resolution: 1600 x 1000 pixels.
const (
	pictureWidth  = 768
	pictureHeight = 480
	pictureDPI    = 150
)

// The frame's distance from the edges, in points.
const (
	marginLeft   = 58
	marginRight  = 20
	marginTop    = 84
	marginBottom = 76
)

var (
	ink     = color.NRGBA{0x1b, 0x24, 0x30, 0xff}
	soft    = color.NRGBA{0x5c, 0x67, 0x75, 0xff}
	faint   = color.NRGBA{0xe3, 0xe7, 0xec, 0xff}
	link    = color.NRGBA{0xb4, 0xbd, 0xc8, 0xff}
	slate   = color.NRGBA{0x6b, 0x78, 0x88, 0xff}
	own     = color.NRGBA{0x0b, 0x6b, 0xcb, 0xff}
	ownPale = color.NRGBA{0x0b, 0x6b, 0xcb, 0x66}
	good    = color.NRGBA{0x2e, 0x9e, 0x5b, 0x1c}
	limit   = color.NRGBA{0x1f, 0x86, 0x4a, 0xff}
	bound   = color.NRGBA{0xb2, 0x5e, 0x09, 0xff}
	white   = color.NRGBA{0xff, 0xff, 0xff, 0xff}
)

// WritePNG draws the plane. The bytes depend on the plane alone. Marks whose
// numbers cannot be drawn are an error.
func (p *Plane) WritePNG(w io.Writer) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("draw %q: %w", p.Title, err)
	}
	c, err := newCanvas()
	if err != nil {
		return fmt.Errorf("draw %q: %w", p.Title, err)
	}
	x, y := p.bounds()
	d := &drawing{canvas: c, plane: p, x: x, y: y,
		frame: box{marginLeft, marginBottom, pictureWidth - marginRight, pictureHeight - marginTop}}
	d.heading()
	d.axes()
	d.marks()
	d.legend()
	var b bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: c.Canvas}).WriteTo(&b); err != nil {
		return fmt.Errorf("encode %q: %w", p.Title, err)
	}
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	return nil
}

// canvas draws in points, with y upwards.
type canvas struct {
	*vgimg.Canvas
	regular, bold *opentype.Font
}

func newCanvas() (*canvas, error) {
	c := &canvas{Canvas: vgimg.NewWith(vgimg.UseWH(pictureWidth, pictureHeight), vgimg.UseDPI(pictureDPI), vgimg.UseBackgroundColor(white))}
	var err error
	if c.regular, err = opentype.Parse(goregular.TTF); err != nil {
		return nil, fmt.Errorf("read font: %w", err)
	}
	if c.bold, err = opentype.Parse(gobold.TTF); err != nil {
		return nil, fmt.Errorf("read font: %w", err)
	}
	return c, nil
}

func (c *canvas) face(size float64, bold bool) font.Face {
	f := font.Face{Font: font.Font{Size: vg.Length(size)}, Face: c.regular}
	if bold {
		f.Face = c.bold
	}
	return f
}

func (c *canvas) width(s string, size float64, bold bool) float64 {
	f := c.face(size, bold)
	return float64(f.Width(s))
}

// write puts a text with its left end, middle or right end (align 0, 0.5, 1) at
// x and its base line at y.
func (c *canvas) write(s string, x, y, size float64, bold bool, align float64, ink color.Color) {
	c.SetColor(ink)
	x -= align * c.width(s, size, bold)
	c.FillString(c.face(size, bold), vg.Point{X: vg.Length(x), Y: vg.Length(y)}, s)
}

func (c *canvas) line(x0, y0, x1, y1, width float64, ink color.Color, dashes ...vg.Length) {
	c.SetColor(ink)
	c.SetLineWidth(vg.Length(width))
	c.SetLineDash(dashes, 0)
	var p vg.Path
	p.Move(vg.Point{X: vg.Length(x0), Y: vg.Length(y0)})
	p.Line(vg.Point{X: vg.Length(x1), Y: vg.Length(y1)})
	c.Stroke(p)
	c.SetLineDash(nil, 0)
}

func (c *canvas) rectangle(b box, ink color.Color) {
	c.SetColor(ink)
	c.Fill(polygon([2]float64{b.x0, b.y0}, [2]float64{b.x1, b.y0}, [2]float64{b.x1, b.y1}, [2]float64{b.x0, b.y1}))
}

func polygon(points ...[2]float64) vg.Path {
	var p vg.Path
	for i, q := range points {
		at := vg.Point{X: vg.Length(q[0]), Y: vg.Length(q[1])}
		if i == 0 {
			p.Move(at)
		} else {
			p.Line(at)
		}
	}
	p.Close()
	return p
}

func (c *canvas) disc(x, y, r float64, fill, edge color.Color) {
	var p vg.Path
	p.Move(vg.Point{X: vg.Length(x + r), Y: vg.Length(y)})
	p.Arc(vg.Point{X: vg.Length(x), Y: vg.Length(y)}, vg.Length(r), 0, 2*math.Pi)
	p.Close()
	c.SetColor(fill)
	c.Fill(p)
	c.SetColor(edge)
	c.SetLineWidth(1.3)
	c.Stroke(p)
}

// star is what a bound is marked with.
func (c *canvas) star(x, y, r float64, ink color.Color) {
	var points [][2]float64
	for i := range 10 {
		radius := r
		if i%2 == 1 {
			radius = r * 0.45
		}
		a := math.Pi/2 + float64(i)*math.Pi/5
		points = append(points, [2]float64{x + radius*math.Cos(a), y + radius*math.Sin(a)})
	}
	c.SetColor(ink)
	c.Fill(polygon(points...))
}

// drawing is one picture being drawn.
type drawing struct {
	*canvas
	plane *Plane
	x, y  scale
	frame box
}

func (d *drawing) at(saved, broken float64) (x, y float64) {
	return d.frame.x0 + d.x.share(saved)*(d.frame.x1-d.frame.x0), d.frame.y0 + d.y.share(broken)*(d.frame.y1-d.frame.y0)
}

func (d *drawing) heading() {
	d.write(d.plane.Title, marginLeft, pictureHeight-28, 15, true, 0, ink)
	d.write(d.plane.Subtitle, marginLeft, pictureHeight-45, 9.5, false, 0, soft)
}

func (d *drawing) axes() {
	f := d.frame
	_, limitY := d.at(0, d.plane.Limit)
	if d.plane.Limit > 0 {
		d.rectangle(box{f.x0, f.y0, f.x1, limitY}, good)
	}
	for _, v := range d.y.ticks() {
		_, y := d.at(0, v)
		d.line(f.x0, y, f.x1, y, 0.6, faint)
		d.write(d.y.label(v), f.x0-7, y-3.2, 9, false, 1, soft)
	}
	for _, v := range d.x.ticks() {
		x, _ := d.at(v, 0)
		d.line(x, f.y0, x, f.y1, 0.6, faint)
		d.write(d.x.label(v), x, f.y0-14, 9, false, 0.5, soft)
	}
	d.line(f.x0, f.y0, f.x1, f.y0, 1, soft)
	if d.plane.Limit > 0 {
		d.line(f.x0, limitY, f.x1, limitY, 1.1, limit, 5, 3)
	}
	d.write(d.plane.XLabel, (f.x0+f.x1)/2, f.y0-30, 10, false, 0.5, ink)
	// Upright, above the axis: nobody turns the head to read it.
	d.write(d.plane.YLabel, marginLeft-40, f.y1+12, 10, false, 0, ink)
}

// marks draws lines first, then marks, then labels.
func (d *drawing) marks() {
	var taken []box
	if d.plane.Limit > 0 {
		_, y := d.at(0, d.plane.Limit)
		taken = append(taken, d.limitLabel(), box{d.frame.x0, y - 2, d.frame.x1, y + 2})
	}
	byLabel := map[string]*Mark{}
	for i := range d.plane.Marks {
		m := &d.plane.Marks[i]
		byLabel[m.Label] = m
		x, y := d.at(m.Saved, m.Broken)
		if m.Role != Origin {
			taken = append(taken, around(x, y, 5))
		}
	}
	taken = append(taken, d.lines(byLabel)...)
	var texts []text
	var named []*Mark
	for i := range d.plane.Marks {
		m := &d.plane.Marks[i]
		x, y := d.at(m.Saved, m.Broken)
		d.sign(m.Role, x, y)
		if m.Role == Origin || m.Role == Variant && byLabel[m.Of] != nil {
			continue
		}
		size, bold, _ := labelling(m.Role)
		texts = append(texts, text{x: x, y: y, width: d.width(m.Label, size, bold), height: size, near: 8})
		named = append(named, m)
	}
	for i, p := range place(texts, taken, d.frame) {
		size, bold, ink := labelling(named[i].Role)
		if p.far {
			d.leader(texts[i], p.box)
		}
		d.write(named[i].Label, p.x0, p.y0+size*0.16, size, bold, 0, ink)
	}
}

// limitLabel writes the name of the limit at its right end.
func (d *drawing) limitLabel() box {
	_, y := d.at(0, d.plane.Limit)
	const size = 9
	w := d.width(d.plane.LimitLabel, size, false)
	d.write(d.plane.LimitLabel, d.frame.x1-4, y+4, size, false, 1, limit)
	return box{d.frame.x1 - 4 - w, y, d.frame.x1, y + size + 4}
}

// leader joins a label that had to go away from its mark.
func (d *drawing) leader(t text, b box) {
	x := math.Min(math.Max(t.x, b.x0), b.x1)
	y := math.Min(math.Max(t.y, b.y0), b.y1)
	dx, dy := x-t.x, y-t.y
	if length := math.Hypot(dx, dy); length > 8 {
		d.line(t.x+dx/length*5, t.y+dy/length*5, x-dx/length*2, y-dy/length*2, 0.6, link)
	}
}

func labelling(r Role) (size float64, bold bool, c color.Color) {
	switch r {
	case Own:
		return 10.5, true, own
	case Bound:
		return 9.5, false, bound
	}
	return 9.5, false, ink
}

// lines joins own marks in their order and variants to theirs; it returns boxes
// along them, which labels keep off.
func (d *drawing) lines(byLabel map[string]*Mark) []box {
	var taken []box
	join := func(a, b *Mark, width float64, ink color.Color) {
		x0, y0 := d.at(a.Saved, a.Broken)
		x1, y1 := d.at(b.Saved, b.Broken)
		d.line(x0, y0, x1, y1, width, ink)
		for i := range 9 {
			s := float64(i) / 8
			taken = append(taken, around(x0+(x1-x0)*s, y0+(y1-y0)*s, 1.5))
		}
	}
	var before *Mark
	for i := range d.plane.Marks {
		m := &d.plane.Marks[i]
		switch {
		case m.Role == Variant && byLabel[m.Of] != nil:
			join(byLabel[m.Of], m, 1, link)
		case m.Role == Own:
			if before != nil {
				join(before, m, 1.6, ownPale)
			}
			before = m
			x, _ := d.at(m.Saved, m.Broken)
			_, low := d.at(m.Saved, m.Low)
			_, high := d.at(m.Saved, m.High)
			if m.High > m.Low {
				d.line(x, low, x, high, 1.6, ownPale)
				d.line(x-3, low, x+3, low, 1.2, ownPale)
				d.line(x-3, high, x+3, high, 1.2, ownPale)
				taken = append(taken, box{x - 3, low, x + 3, high})
			}
		}
	}
	return taken
}

// sign draws what marks of a role look like.
func (d *drawing) sign(r Role, x, y float64) {
	switch r {
	case Own:
		d.disc(x, y, 4.6, own, white)
	case Other:
		d.disc(x, y, 3.4, slate, white)
	case Variant:
		d.disc(x, y, 2.7, white, slate)
	case Bound:
		d.star(x, y, 6.5, bound)
	case Origin:
	}
}

// legend is beneath the picture: what there is in it, in lines.
func (d *drawing) legend() {
	x, y := float64(marginLeft), 26.0
	for _, e := range []struct {
		role Role
		name string
	}{
		{Own, "leanfleet, with the 90 % interval of what broke"}, {Other, "published rule"},
		{Variant, "the same, with cheaper types of equal size"}, {Bound, "who knew what would come"}, {Origin, ""},
	} {
		i := slices.IndexFunc(d.plane.Marks, func(m Mark) bool { return m.Role == e.role })
		if i < 0 {
			continue
		}
		sign := 14.0
		if m := &d.plane.Marks[i]; e.role == Origin {
			sign, e.name = 0, m.Label+" is at "+d.x.label(m.Saved)+", "+d.y.label(m.Broken)
		}
		if w := sign + d.width(e.name, 9, false); x+w > d.frame.x1 && x > marginLeft {
			x, y = marginLeft, y-15
		}
		d.sign(e.role, x+5, y+3)
		d.write(e.name, x+sign, y, 9, false, 0, soft)
		x += sign + d.width(e.name, 9, false) + 20
	}
}
