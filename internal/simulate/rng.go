package simulate

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// purpose keeps the streams of one host apart.
type purpose uint64

const (
	forIdentity purpose = iota + 1
	forParameters
	forEvents // one stream a month
	forDay    // one stream a local day: factors, jobs, bursts
	forRows   // one stream a UTC day
)

// stream is a source of random numbers for one purpose of one host.
type stream struct{ pcg rand.PCG }

// newStream returns the stream of a purpose of a host; n tells months or days
// apart.
func newStream(seed uint64, p purpose, host, n uint64) *stream {
	s := new(stream)
	s.reset(seed, p, host, n)
	return s
}

func (s *stream) reset(seed uint64, p purpose, host, n uint64) {
	s.pcg.Seed(mix(seed+uint64(p)*0x9e3779b97f4a7c15), mix(mix(host)^(n*0xd1342543de82ef95)))
}

// mix is the finalizer of splitmix64: a bijection in which every bit of the
// input moves every bit of the output.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// below returns a number in [0, n).
func (s *stream) below(n int) int {
	hi, _ := bits.Mul64(s.pcg.Uint64(), uint64(n))
	return int(hi)
}

// unit returns a number in [0, 1).
func (s *stream) unit() float64 { return float64(s.pcg.Uint64()>>11) / (1 << 53) }

// chance is true with a probability.
func (s *stream) chance(p float64) bool { return s.unit() < p }

// between returns a number in [a, b).
func (s *stream) between(a, b float64) float64 { return lerp(a, b, s.unit()) }

// pick returns the index of a weight, drawn in proportion to the weights.
func (s *stream) pick(weights []int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	n := s.below(sum)
	for i, w := range weights {
		if n -= w; n < 0 {
			return i
		}
	}
	panic("BUG: weights do not sum to their sum")
}

// even returns numbers in [0, 1) that spread evenly over the hosts of a kind:
// an additive sequence whose start depends on the seed. Fleets of a hundred
// hosts then look like fleets of a thousand.
func even(seed uint64, kind, dimension int, rank uint64) float64 {
	shift := mix(mix(seed) ^ mix(uint64(kind)<<32|uint64(dimension)))
	stride := mix(uint64(dimension)+0x5851f42d4c957f2d) | 1
	if dimension < len(strides) {
		stride = strides[dimension]
	}
	return float64((shift+rank*stride)>>11) / (1 << 53)
}

// strides are the fractional parts of square roots of 2, 3, 5, 7, ... as 64-bit
// fractions: irrational, so that no two dimensions move together for long.
var strides = [...]uint64{
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
	0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
}

// lerp is a + (b-a)u. The conversion keeps compilers from fusing the product
// into the sum, which would give other bytes on other machines.
func lerp(a, b, u float64) float64 { return a + float64((b-a)*u) }

// logLerp is a number between a and b, u of the way by its logarithm.
func logLerp(a, b, u float64) float64 { return a * exp(float64(u*log(b/a))) }

// exp and log use the basic operations only, which round alike on every
// machine; those of math do not promise that. They are good to about 1e-14.
func exp(x float64) float64 {
	k := math.Floor(float64(x/math.Ln2) + 0.5)
	r := x - float64(k*math.Ln2)
	sum, term := 1.0, 1.0
	for n := 1.0; n < 18; n++ {
		term = float64(term*r) / n
		sum += term
	}
	return math.Ldexp(sum, int(k))
}

func log(x float64) float64 {
	fraction, exponent := math.Frexp(x)
	y := (fraction - 1) / (fraction + 1)
	square := float64(y * y)
	sum, power := 0.0, y
	for n := 1.0; n < 60; n += 2 {
		sum += power / n
		power = float64(power * square)
	}
	return float64(2*sum) + float64(float64(exponent)*math.Ln2)
}

// smooth rises from 0 at x <= 0 to 1 at x >= 1 without a corner.
func smooth(x float64) float64 {
	x = max(0, min(1, x))
	return float64(float64(x*x) * (3 - float64(2*x)))
}

const tableSize = 4096

// tables turn 12 random bits into noise, scaled by 4096. They are built once a
// run and only read.
type tables struct {
	gauss [tableSize]int32 // standard normal
	// lumpy is symmetric with heavy tails: much of real noise is small, and some
	// of it is very large.
	lumpy [tableSize]int32
	// skewed noise has a median of 1 and a long upper tail, for rates: calm,
	// usual, wild.
	skewed [3][tableSize]int32
	// mild is lognormal with median 1 and a standard deviation of 0.25.
	mild [tableSize]int32
	// wait is exponential with mean 1.
	wait [tableSize]int32
}

// skewed noise is exp(s·z + tallness·z³), the second term for z > 0 only, z
// being normal and s one of skews.
var skews = [3]float64{0.2, 0.5, 0.9}

const tallness = 0.16

// lumpiness is c in z·exp(c·z²), z being normal: at 0.25 the farthest of 4,096
// values is at 110 in place of 3.7.
const lumpiness = 0.25

func newTables() *tables {
	t := new(tables)
	normal := normalQuantiles()
	for i, z := range normal {
		t.gauss[i] = int32(math.Floor(float64(z*4096) + 0.5))
		t.lumpy[i] = int32(math.Floor(float64(float64(z*4096)*exp(float64(lumpiness*float64(z*z)))) + 0.5))
		t.mild[i] = int32(math.Floor(float64(4096*exp(float64(0.25*z))) + 0.5))
		for k, s := range skews {
			up := max(0, z)
			tall := exp(float64(s*z) + float64(tallness*float64(float64(up*up)*up)))
			t.skewed[k][i] = int32(math.Floor(float64(4096*min(tall, 400)) + 0.5))
		}
		t.wait[i] = int32(math.Floor(float64(-4096*log((float64(i)+0.5)/tableSize)) + 0.5))
	}
	return t
}

// normalQuantiles returns the middles of 4096 equally likely slices of the
// standard normal distribution, by summing its density.
func normalQuantiles() *[tableSize]float64 {
	const step, half = 1.0 / 2048, tableSize / 2
	norm := 1 / math.Sqrt(float64(2*math.Pi))
	density := func(x float64) float64 { return float64(norm * exp(float64(float64(x*x)/-2))) }
	q := new([tableSize]float64)
	below, left := 0.0, density(0)
	k := 0
	for x := 0.0; k < half; x += step {
		right := density(x + step)
		slice := float64((left + right) * (step / 2))
		for k < half {
			want := float64((float64(k) + 0.5) / tableSize)
			if below+slice < want {
				break
			}
			z := x + float64((want-below)/slice*step)
			q[half+k], q[half-1-k] = z, -z
			k++
		}
		below += slice
		left = right
	}
	return q
}
