// Package source answers questions from a Prometheus, or from an engine that
// speaks its HTTP API: Thanos, Mimir, VictoriaMetrics. It is a [fleet.Source]:
// analyses ask it as they ask the embedded store.
//
//	s, err := source.New(source.Options{URL: "http://prometheus:9090", Now: time.Now})
//	if err != nil {
//		return err
//	}
//	for p, err := range s.Profiles(ctx, fleet.Query{Metric: fleet.CPUUsage, Window: w, Step: fleet.StepDay}) {
//		...
//	}
//
// Hosts come from the labels of series and from an inventory beside them; what
// an inventory says wins. Samples come from what node_exporter, windows_exporter,
// OpenTelemetry or leanfleet itself wrote. docs/prometheus.md defines what each
// figure is, and how far it may be off.
//
// [Source.Read] copies history, host by host and day by day. Nothing is written
// to the engine. One state however long an answer is read, as [fleet.Source]
// asks for, is kept for what hosts are, and for samples as far as they are read
// in one request: engines have no snapshots.
package source
