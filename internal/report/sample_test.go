package report

import "time"

// sample is a table with every kind of value, wide characters, unknown values and things that must not reach a terminal.
func sample() *Table {
	kolkata := time.FixedZone("IST", 5*3600+1800)
	at := time.Date(2013, 8, 1, 0, 0, 0, 0, time.UTC)
	return &Table{
		Title: "cpu_usage of 2013-08-01T00:00:00Z to 2013-08-29T00:00:00Z",
		Columns: []Column{
			{Key: "dept", Header: "Department"},
			{Key: "hosts", Header: "Hosts", Kind: KindInteger},
			{Key: "p95", Header: "p95", Kind: KindRatio},
			{Key: "cores", Header: "Used", Unit: "cores", Kind: KindNumber},
			{Key: "memory_bytes", Header: "Memory", Kind: KindBytes},
			{Key: "net", Header: "Received", Kind: KindByteRate, Wide: true},
			{Key: "covered", Header: "Covered", Kind: KindDuration},
			{Key: "last", Header: "Last seen", Kind: KindTime, Wide: true},
			{Key: "look", Header: "Load", Decoration: true},
		},
		Rows: []Row{
			{Text("engineering"), Integer(1043), Ratio(0.4032), Number(1234.5, 2), Bytes(1610612736), ByteRate(1536), Duration(28 * day), Time(at), Text("####")},
			{Text("Qualitätssicherung"), Integer(7), Ratio(0.1), Number(0.25, 2), Bytes(512.5), Unknown("no_samples"), Duration(1500 * time.Millisecond), Time(at.Add(90 * time.Second).In(kolkata)), Text("#")},
			{Text("東京データセンター"), Integer(12), Ratio(1.0312), Number(8, 2), Bytes(3 << 40), ByteRate(0), Duration(-time.Hour), Time(at), Text("#####")},
			{Text("evil\x1b[31m\nname, \"quoted\" <b>"), Integer(0), Unknown("no_samples"), Unknown("no_capacity"), Unknown("no_capacity"), Unknown("no_samples"), Duration(0), Unknown("never_seen"), Text("")},
		},
		Totals: []Row{
			{Text("total"), Integer(1062), Ratio(0.3921), Number(1242.75, 2), Bytes(3300145496064), ByteRate(1536), Duration(28 * day), Unknown(""), Text("")},
		},
		Notes: []string{"Percentiles weigh every sample by its step."},
	}
}
