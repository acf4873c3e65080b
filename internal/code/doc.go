// Package code keeps code packages: zip files, named by the SHA-256 of their
// content, stored once and unpacked once.
//
// It is a service: the blob store below it holds the zip files, a folder of its
// own holds what was unpacked from them. The registry refers to packages by
// [pinfold.Package]; the pool asks for the folder of one and for the merged
// folder of a list of layers; whoever owns the platform calls
// [Packages.Collect] with what is still referred to.
//
// A zip file comes from outside, so it is held against a list of rules before
// anything of it is written (directory.go, zip.go), and against its own declared
// sizes while it is written.
//
// The unpacked folders are a cache: read-only, moved into place as a whole,
// sharing the files that they have in common (share.go), and bound to one boot
// of the machine. They are not synced to disk one by one, which would take
// seconds for a large package; instead, after a reboot, which may have been a
// power cut, packages are unpacked again when they are needed. Beside them is
// what instances have compiled of them for those that come later (compiled.go).
package code
