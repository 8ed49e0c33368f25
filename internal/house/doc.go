// Package house holds the rules of the code base as tests: which package may
// import which, and that every package says what it is. It has no code of its
// own. A new package gets a line in the plan of house_test.go; a line that
// lets a package import more needs a reason that convinces a reader.
//
// # Concurrency and back-pressure
//
// None: it runs in tests only.
package house
