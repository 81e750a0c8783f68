// Package attack attacks the gateway as a stranger, or a greedy caller, would:
// the program itself, in a process of its own, over its real faces. Each test
// prints what it measured and fails when its bound is broken. SECURITY.md has the
// table; a test holds it to the tests.
//
// A short form runs with the other tests. `make attack` runs each attack for a
// minute, and then also holds the times of others to their bound.
package attack
