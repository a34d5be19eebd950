// Package chart draws pictures for reports as PNG.
//
// A [Plane] shows policies by what they save and what they break:
//
//	p := chart.Plane{Title: "back-test over 4 windows", Limit: 0.05, Marks: []chart.Mark{
//		{Label: "leanfleet 95 %", Role: chart.Own, Saved: 0.40, Broken: 0.04},
//		{Label: "aws-default", Role: chart.Other, Saved: 0.41, Broken: 0.17},
//	}}
//	err := p.WritePNG(f)
//
// The same Plane gives the same bytes on every machine: fonts are in the
// program, and nothing is drawn at random. The package uses the drawing layer
// of gonum's plot alone: its axes and fonts would make the program larger by 7
// MB. It does not choose what is shown, and does not know what a policy is.
package chart
