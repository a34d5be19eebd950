package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The kinds of frame of an answer.
const (
	frameProgress = 'p' // {"done":..,"total":..}
	frameOutput   = 'o' // bytes of a file
	frameResult   = 'r' // the Result
	frameError    = 'e' // a failure; the last frame, as the end is
	frameEnd      = '.' // the answer is whole
)

// maxFrame bounds a frame: a Result of 100,000 hosts is about 200 MiB.
const maxFrame = 1 << 30

// The content types of requests and answers between client and server.
const (
	typeEnvelope = "application/vnd.leanfleet.envelope"
	typeFrames   = "application/vnd.leanfleet.frames"
)

// headerVersion names the version of the program that answers.
const headerVersion = "Leanfleet-Version"

// writeFrame writes a frame: its kind, four bytes of length, the payload.
func writeFrame(w io.Writer, kind byte, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("an answer of %d bytes is larger than %d", len(payload), maxFrame)
	}
	head := make([]byte, 5, 5+min(len(payload), 1<<16))
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(len(payload)))
	if len(payload) <= 1<<16 {
		_, err := w.Write(append(head, payload...))
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}

// errCut is what a stream of frames that ends too early is.
var errCut = errors.New("the answer was cut off")

// readFrame reads the next frame.
func readFrame(r io.Reader) (kind byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, cut(err)
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes: the other side does not speak this protocol", n)
	}
	payload, err = io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(payload) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	return head[0], payload, cut(err)
}

func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return err
}
