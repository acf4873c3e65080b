package app

// Source is where a code package comes from: a zip file that somebody else
// made, or files of a folder. Build makes a Package of it.
type Source struct {
	Artifact string // path of a ready zip file; if set, the rest is empty
	Root     string // folder that the names in the zip are relative to
	// Files are slash-separated paths below Root, sorted.
	Files []string
}
