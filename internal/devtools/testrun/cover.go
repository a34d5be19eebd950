package testrun

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Coverage is the share of statements that the tests executed.
type Coverage struct {
	Percent    float64           `json:"percent"` // of statements, rounded to a hundredth
	Statements int               `json:"statements"`
	Covered    int               `json:"covered"`
	Packages   []PackageCoverage `json:"packages"` // by import path
}

// PackageCoverage is the coverage of one package by the tests of all packages.
type PackageCoverage struct {
	Package    string  `json:"package"` // import path
	Percent    float64 `json:"percent"`
	Statements int     `json:"statements"`
	Covered    int     `json:"covered"`
}

// Block is a stretch of statements without a branch, as the cover tool cuts
// them: Place is "FILE:LINE.COLUMN,LINE.COLUMN".
type Block struct {
	Place      string
	Statements int
}

// Profile says for each block whether any test executed it. With
// -coverpkg=./... go test writes each block once for every test binary that
// holds it; merging those is what a Profile is for.
type Profile map[Block]bool

// ReadProfileFile adds the blocks of the cover profile in a file to p.
func (p Profile) ReadProfileFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read cover profile: %w", err)
	}
	defer f.Close()
	if err := p.Read(f); err != nil {
		return fmt.Errorf("read cover profile %s: %w", name, err)
	}
	return nil
}

// Read adds the blocks of a cover profile to p; a block is covered when any
// line for it counts above zero. An error names the line.
func (p Profile) Read(r io.Reader) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "mode:") {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 3 || !strings.Contains(f[0], ":") {
			return fmt.Errorf("line %d: want FILE:FROM,TO STATEMENTS COUNT, found %q", n, line)
		}
		statements, err := strconv.Atoi(f[1])
		if err != nil || statements < 0 {
			return fmt.Errorf("line %d: statements %q are no count", n, f[1])
		}
		count, err := strconv.ParseUint(f[2], 10, 64)
		if err != nil {
			return fmt.Errorf("line %d: count %q is no count", n, f[2])
		}
		b := Block{Place: f[0], Statements: statements}
		p[b] = p[b] || count > 0
	}
	return sc.Err()
}

// Exclude removes the blocks of the packages whose import path matches.
func (p Profile) Exclude(re *regexp.Regexp) {
	maps.DeleteFunc(p, func(b Block, _ bool) bool { return re.MatchString(b.packagePath()) })
}

// Write writes p as a profile of mode set, sorted, each block once.
func (p Profile) Write(w io.Writer) error {
	blocks := slices.SortedFunc(maps.Keys(p), func(a, b Block) int {
		return cmp.Or(cmp.Compare(a.file(), b.file()), comparePlaces(a.Place, b.Place), cmp.Compare(a.Statements, b.Statements))
	})
	bw := bufio.NewWriter(w)
	fmt.Fprintln(bw, "mode: set")
	for _, b := range blocks {
		count := 0
		if p[b] {
			count = 1
		}
		fmt.Fprintf(bw, "%s %d %d\n", b.Place, b.Statements, count)
	}
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("write cover profile: %w", err)
	}
	return nil
}

// Coverage sums p up, over all and by package.
func (p Profile) Coverage() Coverage {
	byPackage := map[string]*PackageCoverage{}
	var total Coverage
	for b, covered := range p {
		name := b.packagePath()
		c := byPackage[name]
		if c == nil {
			c = &PackageCoverage{Package: name}
			byPackage[name] = c
		}
		c.Statements += b.Statements
		total.Statements += b.Statements
		if covered {
			c.Covered += b.Statements
			total.Covered += b.Statements
		}
	}
	total.Percent = percent(total.Covered, total.Statements)
	total.Packages = make([]PackageCoverage, 0, len(byPackage))
	for _, name := range slices.Sorted(maps.Keys(byPackage)) {
		c := *byPackage[name]
		c.Percent = percent(c.Covered, c.Statements)
		total.Packages = append(total.Packages, c)
	}
	return total
}

// Reaches reports whether at least min percent of the statements are covered,
// compared before rounding.
func (c Coverage) Reaches(min float64) bool {
	return c.Statements > 0 && float64(c.Covered)*100 >= min*float64(c.Statements)
}

func (b Block) file() string { return b.Place[:strings.LastIndexByte(b.Place, ':')] }

func (b Block) packagePath() string { return path.Dir(b.file()) }

// comparePlaces orders two places of one file by their numbers, so that line 9
// comes before line 10.
func comparePlaces(a, b string) int { return slices.Compare(numbers(a), numbers(b)) }

func numbers(place string) []int {
	f := strings.FieldsFunc(place[strings.LastIndexByte(place, ':')+1:], func(r rune) bool { return r == '.' || r == ',' })
	out := make([]int, len(f))
	for i, s := range f {
		out[i], _ = strconv.Atoi(s) // a place that is no number sorts first
	}
	return out
}

// percent rounds down to a hundredth, so that 100 means all of it.
func percent(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return math.Floor(float64(part)/float64(whole)*1e4) / 100
}
