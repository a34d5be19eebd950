package source

// LookingThrough is options under which fewer samples are looked through for the
// first and last of each host.
func (o Options) LookingThrough(samples int64) Options {
	o.lookAll = samples
	return o
}
