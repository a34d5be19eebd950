package head

import (
	"errors"
	"fmt"
	"io"
)

// checkTail says whether what is behind the last frame that is whole is zeros, or
// one frame that was being written; all else is damage.
func (l *log) checkTail() error {
	if later, err := l.laterFrame(); err != nil {
		return err
	} else if later != nil {
		return fmt.Errorf("%w: commit %d is not what was written, and commit %d follows", errDamaged, l.next, later.number)
	}
	torn, err := l.torn()
	if err != nil {
		return err
	}
	if !torn {
		return fmt.Errorf("%w: commit %d, the last one, is not what was written", errDamaged, l.next)
	}
	return nil
}

// laterFrame looks for the header of a frame behind the one that is not whole.
func (l *log) laterFrame() (*frame, error) {
	step := int(min(pieceBytes, max(l.filled-l.end, 0)))
	b := make([]byte, step+frameHeader)
	for at := l.end + 8; at+frameHeader <= l.filled; at += int64(step) {
		n, err := l.file.ReadAt(b, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		for i := 0; i+frameHeader <= n && i < step; i += 8 {
			if f, ok := l.parseFrame(b[i:]); ok && f.number > l.next {
				return &f, nil
			}
		}
	}
	return nil, nil
}

// torn says whether the frame behind the last one that is whole lacks a sector or
// its end, or the file ends in it, and nothing is behind it.
func (l *log) torn() (bool, error) {
	if l.filled-l.end < frameHeader {
		return true, nil
	}
	b := make([]byte, frameHeader)
	if _, err := l.file.ReadAt(b, l.end); err != nil {
		return false, err
	}
	f, ok := l.parseFrame(b)
	if !ok {
		if nothing, err := l.nothing(l.end + frameHeader); nothing || err != nil {
			return nothing, err
		}
		return l.lacks(l.end, l.end+frameHeader)
	}
	if f.number != l.next {
		return false, nil
	}
	if l.end+f.bytes() > l.filled {
		return true, nil
	}
	if nothing, err := l.nothing(l.end + f.bytes()); !nothing || err != nil {
		return false, err
	}
	last := b[:1]
	if _, err := l.file.ReadAt(last, l.end+f.bytes()-1); err != nil || last[0] == 0 {
		return err == nil, err
	}
	return l.lacks(l.end, l.end+f.bytes())
}

// nothing says whether there are zeros alone from some place on.
func (l *log) nothing(at int64) (bool, error) {
	b := make([]byte, 64<<10)
	for at < l.filled {
		part := b[:min(int64(len(b)), l.filled-at)]
		if _, err := l.file.ReadAt(part, at); err != nil {
			return false, err
		}
		if !zero(part) {
			return false, nil
		}
		at += int64(len(part))
	}
	return true, nil
}

// lacks says whether the part of any sector that lies in [from, to) is zero.
func (l *log) lacks(from, to int64) (bool, error) {
	b := make([]byte, sector)
	for from < to {
		end := min(to, (from/sector+1)*sector)
		part := b[:end-from]
		if _, err := l.file.ReadAt(part, from); err != nil {
			return false, err
		}
		if zero(part) {
			return true, nil
		}
		from = end
	}
	return false, nil
}

func zero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// settle makes a file ready to be written to: the commits it has are durable, and
// behind them there is nothing. With rewrite the last frame, or the header where
// there is none, is written once more: a system that failed to write its sectors may
// say that it has.
func (l *log) settle(rewrite bool) error {
	if err := l.file.Truncate(l.end); err != nil {
		return err
	}
	l.filled = l.end
	b := make([]byte, pieceBytes)
	for at := l.last; rewrite && at < l.end; {
		part := b[:min(int64(len(b)), l.end-at)]
		if _, err := l.file.ReadAt(part, at); err != nil {
			return err
		}
		if _, err := l.file.WriteAt(part, at); err != nil {
			return err
		}
		at += int64(len(part))
	}
	return l.file.SyncData()
}
