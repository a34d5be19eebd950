// Package collect drives collectors: it calls any number of them once an
// interval and stores what they return in a sink.
//
//	loop, err := collect.New(sink, []collect.Task{{Name: "this machine", Collector: c}}, collect.Options{Now: clock})
//	err = loop.Run(ctx) // until ctx ends; what was collected is stored then
//	status := loop.Status()
//
// What a sink did not take is kept, up to a bound, and offered again. Time in
// which the process did not run is skipped: nothing is collected twice or made
// up for it. The loop counts what it does, see [Status].
//
// The package knows no collector and no engine: package fleet's contracts are
// all it needs.
package collect
