// Package badinput gives a running platform what it must refuse: manifests,
// code packages, payloads, signatures and connections that are broken, too
// large, hostile or slow, and disks that are full. Each test holds the platform
// to two things: it says what is wrong so that a person can act on it, and
// what ran before is untouched.
package badinput
