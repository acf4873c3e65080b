package code

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// item is an entry of a zip file that a test makes.
type item struct {
	name    string
	content string
	mode    fs.FileMode // 0: 0644
	header  func(*zip.FileHeader)
}

// zipOf makes a zip file.
func zipOf(t testing.TB, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, i := range items {
		h := &zip.FileHeader{Name: i.name, Method: zip.Deflate, Modified: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)}
		if i.mode == 0 {
			i.mode = 0o644
		}
		h.SetMode(i.mode)
		if strings.HasSuffix(i.name, "/") {
			h.Method = zip.Store
		}
		if i.header != nil {
			i.header(h)
		}
		f, err := w.CreateHeader(h)
		if err == nil && !strings.HasSuffix(i.name, "/") {
			_, err = io.WriteString(f, i.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// patch overwrites bytes of every central directory entry (or of every local
// header) of a zip file.
func patch(t testing.TB, file []byte, signature string, offset int, value []byte) []byte {
	t.Helper()
	file = bytes.Clone(file)
	n := 0
	for i := 0; ; n++ {
		next := bytes.Index(file[i:], []byte(signature))
		if next < 0 {
			break
		}
		i += next
		copy(file[i+offset:], value)
		i += 4
	}
	if n == 0 {
		t.Fatalf("no header %q to patch", signature)
	}
	return file
}

const central, local = "PK\x01\x02", "PK\x03\x04"

func u16(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }
func u32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

var small = Limits{Zipped: 1 << 20, Unpacked: 1 << 20, Entries: 100}

const awsText = "Could not unzip uploaded file. Please check your file, then try to upload again. "

// refused are zip files that must not be written, with the beginning of the
// error's message. Fuzzing starts from them.
func refused(t testing.TB) map[string]struct {
	file    []byte
	message string
} {
	ok := item{name: "index.js", content: "x"}
	link := func(name, target string) item { return item{name: name, content: target, mode: fs.ModeSymlink | 0o777} }
	plain := zipOf(t, ok)
	huge := strings.Repeat("\x00", 1<<20)
	return map[string]struct {
		file    []byte
		message string
	}{
		"nothing at all":             {nil, "Uploaded file must be a non-empty zip"},
		"a zip of nothing":           {zipOf(t), "Uploaded file must be a non-empty zip"},
		"not a zip":                  {[]byte("exports.handler = async () => 1"), awsText + "It is not a zip file."},
		"a gzip":                     {[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"), awsText + "It is a gzip file, not a zip file."},
		"cut off":                    {plain[:len(plain)-10], awsText + "It begins like a zip file but is cut off or damaged"},
		"parent":                     {zipOf(t, item{name: "../evil"}), awsText + `The entry "../evil" leaves the package.`},
		"parent inside":              {zipOf(t, item{name: "a/../../evil"}), awsText + `The entry "a/../../evil" leaves the package.`},
		"parent that stays":          {zipOf(t, item{name: "a/../b"}), awsText + `The entry "a/../b" leaves the package.`},
		"parent as folder":           {zipOf(t, item{name: "../"}), awsText + `The entry "../" leaves the package.`},
		"absolute":                   {zipOf(t, item{name: "/etc/cron.d/evil"}), awsText + `The entry "/etc/cron.d/evil" is an absolute path.`},
		"drive":                      {zipOf(t, item{name: "C:/evil"}), awsText + `The entry "C:/evil" is an absolute path.`},
		"backslash":                  {zipOf(t, item{name: `a\b`}), awsText + `The entry "a\\b" has a backslash in its name`},
		"backslash parent":           {zipOf(t, item{name: `..\evil`}), awsText + `The entry "..\\evil" has a backslash in its name`},
		"zero byte":                  {zipOf(t, item{name: "a\x00b"}), awsText + `The entry "a\x00b" has a name that is not text.`},
		"not utf-8":                  {zipOf(t, item{name: "a\xff"}), awsText + `The entry "a\xff" has a name that is not text.`},
		"long name":                  {zipOf(t, item{name: strings.Repeat("n", 256)}), awsText + "The entry \"" + strings.Repeat("n", 40) + "\"... has a name of 256 bytes in its path"},
		"long path":                  {zipOf(t, item{name: strings.Repeat("n/", 1025)}), awsText + "The entry \"" + strings.Repeat("n/", 20) + "\"... has a name of 2050 bytes"},
		"link out":                   {zipOf(t, link("a", "../outside")), awsText + `The symbolic link "a" leads to "../outside", outside of the package.`},
		"link out from a folder":     {zipOf(t, link("d/a", "../../outside")), awsText + `The symbolic link "d/a" leads to "../../outside", outside of the package.`},
		"link out through a name":    {zipOf(t, link("a", "x/../../outside")), awsText + `The symbolic link "a" leads to "x/../../outside", outside of the package.`},
		"link to a parent":           {zipOf(t, link("a", "..")), awsText + `The symbolic link "a" leads to "..", outside of the package.`},
		"absolute link":              {zipOf(t, link("a", "/etc/passwd")), awsText + `The symbolic link "a" leads to "/etc/passwd", outside of the package.`},
		"empty link":                 {zipOf(t, link("a", "")), awsText + `The symbolic link "a" has a target of 0 bytes.`},
		"long link":                  {zipOf(t, link("a", strings.Repeat("x", 5000))), awsText + `The symbolic link "a" has a target of 5000 bytes.`},
		"written through a link":     {zipOf(t, link("a", "b"), item{name: "a/evil"}), awsText + `The entry "a" is a file or a link, but "a/evil" lies below it.`},
		"written through a link, 2":  {zipOf(t, item{name: "a/evil"}, link("a", "b")), awsText + `The entry "a" is a file or a link, but "a/evil" lies below it.`},
		"a file as a folder":         {zipOf(t, item{name: "a"}, item{name: "a/b"}), awsText + `The entry "a" is a file or a link, but "a/b" lies below it.`},
		"a file and a folder":        {zipOf(t, item{name: "a"}, item{name: "a/"}), awsText + `The entry "a" is there twice, once as a file and once as a folder.`},
		"a device":                   {zipOf(t, item{name: "a", mode: fs.ModeDevice | fs.ModeCharDevice | 0o666}), awsText + `The entry "a" is neither a file, a folder nor a symbolic link.`},
		"a pipe":                     {zipOf(t, item{name: "a", mode: fs.ModeNamedPipe | 0o666}), awsText + `The entry "a" is neither a file, a folder nor a symbolic link.`},
		"encrypted":                  {patch(t, plain, central, 8, u16(0x9)), awsText + `The entry "index.js" is encrypted.`},
		"unknown method":             {patch(t, plain, central, 10, u16(93)), awsText + `The entry "index.js" is compressed by method 93`},
		"too large":                  {zipOf(t, item{name: "a", content: huge}), "Unzipped size must be smaller than 1048576 bytes"},
		"too large together":         {zipOf(t, item{name: "a", content: huge[:600_000]}, item{name: "b", content: huge[:600_000]}), "Unzipped size must be smaller than 1048576 bytes"},
		"too large by its own words": {patch(t, plain, central, 24, u32(0xfffffff0)), "Unzipped size must be smaller than 1048576 bytes"},
		"too many entries":           {zipOf(t, many(101)...), awsText + "It has more than 100 files and folders."},
		"too many implied folders":   {zipOf(t, item{name: strings.Repeat("d/", 101) + "f"}), awsText + "It has more than 100 files and folders."},
		"overlapping":                {overlapping(t), awsText + "Some of its entries overlap, which is what a zip bomb does."},
		"a body behind the end":      {patch(t, plain, central, 20, u32(1<<16)), awsText + `The entry "index.js" is damaged`},
		"no local header":            {patch(t, plain, local, 0, []byte("XXXX")), awsText + `The entry "index.js" is damaged`},
	}
}

func many(n int) (items []item) {
	for range n {
		items = append(items, item{name: strings.Repeat("x", len(items)+1)})
	}
	return items
}

// overlapping has two directory entries for one local file.
func overlapping(t testing.TB) []byte {
	file := zipOf(t, item{name: "a", content: strings.Repeat("data", 100)}, item{name: "b", content: strings.Repeat("data", 100)})
	second := bytes.LastIndex(file, []byte(central))
	copy(file[second+42:], u32(0)) // offset of the local header: that of the first
	return file
}

func TestInspectRefuses(t *testing.T) {
	for name, test := range refused(t) {
		_, err := inspect(bytes.NewReader(test.file), int64(len(test.file)), small, false)
		if err == nil || !strings.HasPrefix(err.Error(), test.message) || pinfold.ReasonOf(err) != "InvalidParameterValueException" {
			t.Errorf("%s: %v\nwant %s", name, err, test.message)
		}
	}
}

func TestInspectRefusesABombsRatio(t *testing.T) {
	plain := zipOf(t, item{name: "zeros", content: strings.Repeat("\x00", 1000)})
	for declared, want := range map[uint32]string{
		bombFloor + 1: "times its size, which is what a zip bomb does",
		bombFloor:     "", // of the same ratio, but harmless
	} {
		file := patch(t, plain, central, 24, u32(declared))
		if _, err := inspect(bytes.NewReader(file), int64(len(file)), DefaultLimits, false); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("a file that unpacks to %d bytes: %v; want %q", declared, err, want)
		}
	}
}

func TestInspectCase(t *testing.T) {
	for _, file := range [][]byte{
		zipOf(t, item{name: "Index.js"}, item{name: "index.js"}),
		zipOf(t, item{name: "Lib/a"}, item{name: "lib/b"}),
	} {
		if _, err := inspect(bytes.NewReader(file), int64(len(file)), small, false); err != nil {
			t.Errorf("where the disk keeps case: %v", err)
		}
		if _, err := inspect(bytes.NewReader(file), int64(len(file)), small, true); err == nil || !strings.Contains(err.Error(), "differ only in case") {
			t.Errorf("where the disk does not keep case: %v", err)
		}
	}
}

func TestInspectAccepts(t *testing.T) {
	unixDir := func(h *zip.FileHeader) { h.ExternalAttrs = 0o40755 << 16 }
	for name, test := range map[string]struct {
		items    []item
		names    string
		unpacked int64
	}{
		"plain":                    {[]item{{name: "a", content: "123"}, {name: "d/"}, {name: "d/b", content: "45"}}, "a d d/b", 5},
		"without folders":          {[]item{{name: "d/e/f"}}, "d/e/f", 0},
		"folders behind":           {[]item{{name: "d/e/f"}, {name: "d/e/"}, {name: "d/"}}, "d/e/f d/e d", 0},
		"a dot before":             {[]item{{name: "./a"}, {name: "./"}, {name: "b//c"}}, "a b/c", 0},
		"the same file twice":      {[]item{{name: "a", content: "old"}, {name: "a", content: "newer"}}, "a", 8},
		"the same folder twice":    {[]item{{name: "d/"}, {name: "d/"}}, "d", 0},
		"a folder by mode":         {[]item{{name: "d", header: unixDir}}, "d", 0},
		"dots in names":            {[]item{{name: "..a"}, {name: "a.."}, {name: "..."}}, "..a a.. ...", 0},
		"links that stay":          {[]item{{name: "bin/x", content: "../lib/x.js", mode: fs.ModeSymlink | 0o777}, {name: "lib/x.js"}}, "bin/x lib/x.js", 0},
		"a link to nothing":        {[]item{{name: "l", content: "nowhere", mode: fs.ModeSymlink | 0o777}}, "l", 0},
		"a name of 255 bytes":      {[]item{{name: strings.Repeat("n", 255)}}, strings.Repeat("n", 255), 0},
		"a name beyond ASCII":      {[]item{{name: "grüße/日本.js"}}, "grüße/日本.js", 0},
		"a link up and down again": {[]item{{name: "a/b/l", content: "../../c/./d", mode: fs.ModeSymlink | 0o777}}, "a/b/l", 0},
	} {
		file := zipOf(t, test.items...)
		a, err := inspect(bytes.NewReader(file), int64(len(file)), small, false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var names []string
		for _, e := range a.entries {
			names = append(names, e.name)
		}
		if got := strings.Join(names, " "); got != test.names || a.unpacked != test.unpacked {
			t.Errorf("%s: %q, %d bytes; want %q, %d", name, got, a.unpacked, test.names, test.unpacked)
		}
	}
}
