package store

import "runtime"

// giveWay lets appends that are on their way have a processor. Questions and
// seals call it every tenth of a millisecond or so: an append sleeps some six
// times until it is durable, and each time it would wait for the scheduler's next
// turn, milliseconds, on a machine whose processors are all busy.
func (s *Store) giveWay() {
	if s.appendsUnderWay.Load() > 0 {
		yieldThread()
		runtime.Gosched()
	}
}
