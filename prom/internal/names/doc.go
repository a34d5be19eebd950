// Package names is the one table that says by which names the canonical
// metrics go elsewhere: as node_exporter, windows_exporter and OpenTelemetry
// write them into a Prometheus, and as leanfleet itself does.
//
//	e, ok := names.Of(names.NodeExporter, fleet.CPUUsage)
//	query := e.Query(names.Bind{Match: `job="node"`, By: "instance", Rate: time.Minute})
//
// It asks nobody and knows no engine.
package names
