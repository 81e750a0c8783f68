// Package browsertest looks at the pages of a real gateway with a real browser.
// It is a module of its own, so that the program needs none of what it needs.
package browsertest
