// Package house holds the tests of what surrounds the code: the Makefile, the
// script of continuous integration, the script that installs outside programs,
// the licence. It has no code of its own.
package house
