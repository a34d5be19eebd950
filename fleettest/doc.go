// Package fleettest tests engines, ours and others', and analyses on top of
// them. Only tests import it.
//
// # Suites
//
// [Source], [Sink] and [Loader] hold an [Engine] against the contracts of
// package fleet, sentence by sentence; [Differential] compares it with
// [Memory], a plain engine in memory, on random fleets. A test of an engine is
// a few lines:
//
//	func TestConformance(t *testing.T) {
//		open := func(t *testing.T) fleettest.Engine { ... } // knows fleettest.Metrics and fleettest.Types
//		t.Run("Source", func(t *testing.T) { fleettest.Source(t, open) })
//		t.Run("Sink", func(t *testing.T) { fleettest.Sink(t, open) })
//		t.Run("Loader", func(t *testing.T) { fleettest.Loader(t, open) })
//		t.Run("Differential", func(t *testing.T) { fleettest.Differential(t, open, 1, 50) })
//	}
//
// An engine that can be closed and opened again implements [Reopener], and its
// durability is tested as well. What a damaged file does is the engine's own
// test.
//
// # Scripts
//
// [RunScript] runs a script whose numbers a reviewer can check by hand:
// inventory and samples go in, questions are asked, and the lines expected as
// an answer stand indented beneath each:
//
//	# Two hosts, four samples each, an hour apart.
//	now 2024-01-02T00:00:00Z
//	host web-1 dept=eng
//	host db-1 dept=data
//	load web-1 cpu_usage step=1h start=2024-01-01T00:00:00Z 0.1 0.2x2 _ 0.5
//	load db-1  cpu_usage step=1h start=2024-01-01T00:00:00Z 0.1+0.1x4
//
//	eval stats metric=cpu_usage range=2024-01-01 group-by=dept show=hosts,samples,mean,max
//	  dept=data hosts=1 samples=4 mean=0.25 max=0.4
//	  dept=eng hosts=1 samples=4 mean=0.25 max=0.5
//	  total hosts=2 samples=8 mean=0.25 max=0.5
//
// A line is a command and its words; "#" begins a comment, words with blanks
// stand in double quotes. The commands:
//
//	now TIME                  the time of what follows: when statements are written, and the end of relative ranges
//	timezone ZONE             of questions that name none
//	set NAME SELECTOR         a named host set
//	hours NAME "HOURS"        named weekly hours; hours NAME "HOURS" ZONE in a zone of their own
//	host KEY [FIELD...]       an inventory states: dept=eng, name=web, type=aws/us-east-1/m5.large, vcpus=4,
//	                          memory=16GiB, state=running, tag.KEY=VALUE for tags named like a field;
//	                          FIELD=- clears it; from= and to= are valid_from and valid_to, effective= the time
//	                          from which a change holds
//	correct KEY [FIELD...]    the same with correction
//	rename KEY NAME [FIELD...]  the same as host KEY name=NAME
//	merge INTO FROM           two hosts are found to be one
//	load KEY METRIC step=DURATION start=TIME [origin=ORIGIN] VALUE...
//	                          samples: 0.5, 0.5x3 (three times), 0.5+0.1x3 (0.5 0.6 0.7), _ (none), _x5;
//	                          the answer inserted=N changed=N unchanged=N outranked=N may stand beneath
//	eval stats|trend|top|hosts|history [KEY=VALUE...]
//	                          a question, with the flags of the command line; show=FIGURE,... picks what is printed
//	records KEY               a host's records
//	series KEY METRIC [range=RANGE]  a host's samples as stored
//
// Beneath eval, records and series stand the expected lines, compared exactly:
// "nothing" is an answer without lines, "error: TEXT" an error that holds the
// text. Beneath host and load may stand what became of them. Values are printed
// with ten significant digits, unknown ones as -. Errors of scripts name file
// and line.
package fleettest
