// Package report turns answers into something to look at or to read by machine: tables on a terminal, CSV, JSON and
// plots made of characters.
//
// A [Table] holds typed [Value]s, not strings, so that one table is printed for people (0.4032 as "40.3 %"), sorted by
// its numbers and written for machines (0.4032) without being built twice. A figure nobody knows is [Unknown] with its
// reason: "-" in a table, an empty field in CSV, null in JSON, never zero.
//
//	t := &report.Table{
//		Columns: []report.Column{
//			{Key: "dept"},
//			{Key: "hosts", Kind: report.KindInteger},
//			{Key: "p95", Kind: report.KindRatio},
//		},
//		Rows: []report.Row{
//			{report.Text("data"), report.Integer(12), report.Ratio(0.4032)},
//			{report.Text("web"), report.Integer(3), report.Unknown("no_samples")},
//		},
//	}
//	shown, err := t.View(report.View{SortBy: "-p95", Limit: 20})
//	...
//	err = shown.Write(os.Stdout, report.FormatTable, report.DetectStyle(os.Stdout, os.Getenv))
//
// The package knows nothing of hosts, metrics or money, reads no clock and prints nothing by itself: every renderer
// takes an io.Writer and a [Style] that says what the receiving terminal can do. It does not add up totals, choose
// which rows matter or decide whether a figure is known: that is the work of whoever fills the table.
package report
