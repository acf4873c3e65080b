package app

import (
	"sort"
	"strings"
)

// Source is where a code package comes from: a zip file that somebody else
// made, or files of a folder. Build makes a Package of it.
type Source struct {
	// Name tells people which package it is, and tells packages of one folder
	// apart: "service", "function hello", "layer tools".
	Name     string
	Artifact string // path of a ready zip file; if set, the rest is empty
	Root     string // folder that the names in the zip are relative to
	// Files are slash-separated paths below Root, sorted. A symbolic link goes
	// in as a link if what it leads to is in Files too, or else as the file that
	// it leads to, which must be below Root.
	Files []string
}

// Holds reports whether Files hold the name, as a file or as a folder.
func (s *Source) Holds(name string) bool {
	i := sort.SearchStrings(s.Files, name)
	if i < len(s.Files) && s.Files[i] == name {
		return true
	}
	i = sort.SearchStrings(s.Files, name+"/")
	return i < len(s.Files) && strings.HasPrefix(s.Files[i], name+"/")
}
