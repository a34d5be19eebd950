// Package server lets the process that holds a data directory answer for
// others: it speaks the operations of [leanfleet.Operations] over HTTP on a
// socket in the directory, and the client runs them as if it had opened the
// directory itself.
//
// POST /api/v1/leanfleet/NAME with a JSON Request answers with the JSON Result.
// A client of this package sends an envelope in place of the Request, with the
// settings it was started with, and gets frames: progress, the bytes of a file,
// the Result, the error.
//
// The socket is in a directory that only its owner may enter and has mode 0600:
// who can connect can do what the owner can.
package server
