package importrules

// Module is the path of the module that Rules speaks of.
const Module = "github.com/leanfleet/leanfleet"

// The rooms of the house. A pattern is a folder below the module's root and
// stands for all packages in it; * is any one folder, save one named internal,
// so that prom/internal/names is a small internal which all of prom may use.
// The pattern . is the root package alone.
var (
	face      = []string{"."}
	nouns     = []string{"fleet", "money", "inventory", "pricing", "advice"}
	questions = []string{"statistics", "rightsizing", "idle", "forecast", "chargeback"}
	waysIn    = []string{"collect/*", "cloud/*", "prom/*"}
	engines   = []string{"internal/store", "internal/files"}
	composers = []string{"cmd", "internal/server", "internal/agent"}
	// operations is the list of all operations, shared by the face, the CLI and
	// the server; what holds for the face holds for it.
	operations = []string{"internal/operation"}
	// outer are the internals that only the face and the composers know.
	outer = []string{"internal/report", "internal/config", "internal/simulate"}
	// own tools and programs, which are nobody's dependency.
	programs = []string{"internal/devtools", "examples", "bench", "integration"}
	tests    = []string{"fleettest"}
)

// sdks are the cloud and Prometheus libraries that an embedder of the face
// must not be made to carry; a pattern stands for all import paths below it.
var sdks = []string{
	"github.com/aws", "github.com/Azure", "github.com/AzureAD",
	"google.golang.org/api", "cloud.google.com/go",
	"github.com/prometheus",
}

// Rule says what some packages must not import.
type Rule struct {
	Name string
	Why  string

	Bound  []string // patterns of the packages it binds; nil = all
	Except []string // patterns of packages it does not bind all the same

	Deny    []string // patterns of packages of the module that these must not import
	Outside []string // import paths that they must not import, or any path below
	StdOnly bool     // they import nothing outside the standard library
	Clock   bool     // they do not read the clock

	// Deep looks at what they import in turn, too. A bound package may import
	// the packages of its own folder always.
	Deep bool
}

// Rules returns the five rules of docs/architecture.md, each in as many parts
// as it takes to say it.
func Rules() []Rule {
	return []Rule{
		{
			Name:  "1 fleet imports the standard library only",
			Why:   "everything imports fleet; it must stay cheap and free of input and output",
			Bound: []string{"fleet"}, StdOnly: true, Outside: []string{"os", "net"},
		},
		{
			Name:  "2 questions are pure",
			Why:   "a question takes nouns and gives a Result; it works on every engine and in every order",
			Bound: questions, Deny: join(questions, waysIn, engines, face, operations, composers, outer), Outside: sdks, Deep: true,
		},
		{
			Name:  "2 nouns know only nouns",
			Why:   "a noun that imports a question or an engine drags it into everything",
			Bound: nouns, Deny: join(questions, waysIn, engines, face, operations, composers, outer), Outside: sdks, Deep: true,
		},
		{
			Name:  "2 time is an argument",
			Why:   "the same question on the same data gives the same answer on any day",
			Bound: join(questions, nouns), Clock: true,
		},
		{
			Name:  "3 ways in and engines stand alone",
			Why:   "one can be added, changed or left out without touching another",
			Bound: join(waysIn, engines), Deny: join(waysIn, engines, questions, face, operations, composers), Deep: true,
		},
		{
			Name:  "4 the face carries no cloud and no Prometheus",
			Why:   "embedding the library stays small; who wants one passes it in Options",
			Bound: join(face, operations), Deny: join(waysIn, composers), Outside: sdks, Deep: true,
		},
		{
			Name:   "4 only commands, server and agent compose",
			Why:    "there are few places where one has to look for the wiring",
			Except: join(face, operations, composers, waysIn, engines, programs), Deny: join(waysIn, engines),
		},
		{
			Name:   "5 only tests import fleettest",
			Why:    "test suites do not belong into a program",
			Except: tests, Deny: tests,
		},
	}
}

func join(lists ...[]string) []string {
	var out []string
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}
