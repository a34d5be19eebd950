package server

// What tests of the package's outside know of its bounds.
const (
	AtOnce     = atOnce
	MostPaused = mostPaused
)
