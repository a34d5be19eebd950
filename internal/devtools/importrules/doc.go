// Package importrules holds which package of leanfleet may import which. The
// rules are the table in rules.go; the test of this package holds the module
// against it:
//
//	graph, err := importrules.List(ctx, "../../..")
//	for _, v := range importrules.Check(graph, importrules.Module, importrules.Rules()) { ... }
//
// A rule binds packages that do not exist yet: whoever adds one finds its
// place in the house by the folder it lies in. Imports of test files are free,
// and so are packages of modules of their own (bench, integration).
package importrules
