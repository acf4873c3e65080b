package badinput

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	awshttp "github.com/aws/smithy-go/transport/http"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/platformtest"
)

// item is one entry of a zip file.
type item struct {
	name, content string
	mode          fs.FileMode
}

func zipOf(t *testing.T, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, it := range append([]item{{name: "hello.js", content: goodHandler}}, items...) {
		header := &zip.FileHeader{Name: it.name, Method: zip.Deflate}
		header.SetMode(max(it.mode, 0o644))
		w, err := z.CreateHeader(header)
		if err == nil {
			_, err = w.Write([]byte(it.content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bomb returns a small zip file that unpacks to so many megabytes of zeros.
func bomb(t *testing.T, megabytes int) []byte {
	t.Helper()
	zeros := make([]byte, 1<<20)
	var deflated, b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := flate.NewWriter(&deflated, flate.BestCompression)
	if err == nil {
		_, err = f.Write(zeros)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	for i := range megabytes {
		w, err := z.CreateRaw(&zip.FileHeader{
			Name: fmt.Sprintf("bomb/%d", i), Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(zeros),
			CompressedSize64: uint64(deflated.Len()), UncompressedSize64: uint64(len(zeros)),
		})
		if err == nil {
			_, err = w.Write(deflated.Bytes())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w, err := z.Create("hello.js")
	if err == nil {
		_, err = io.WriteString(w, goodHandler)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// lying returns a zip file whose last entry unpacks to more than it declares.
func lying(t *testing.T) []byte {
	file := zipOf(t, item{name: "big", content: strings.Repeat("x", 1<<20)})
	for at, signature := 0, []byte("PK\x01\x02"); ; at++ { // the central directory has the last word
		i := bytes.Index(file[at:], signature)
		if i < 0 {
			return file
		}
		at += i
		if name := file[at+46:]; bytes.HasPrefix(name, []byte("big")) {
			binary.LittleEndian.PutUint32(file[at+24:], 10)
		}
	}
}

// wicked are zip files that must be refused, with what is said of each.
func wicked(t *testing.T) map[string]struct {
	file []byte
	want string
} {
	whole := zipOf(t, item{name: "more.js", content: strings.Repeat("more of it; ", 999)})
	link := fs.ModeSymlink | 0o777
	return map[string]struct {
		file []byte
		want string
	}{
		"a bomb":                       {bomb(t, 100), "zip bomb"},
		"a bomb beyond the limit":      {bomb(t, 260), "Unzipped size must be smaller than 262144000 bytes"},
		"more than is declared":        {lying(t), `"big"`},
		"a way up":                     {zipOf(t, item{name: "../evil", content: "x"}), `"../evil" leaves the package`},
		"a way up from below":          {zipOf(t, item{name: "a/../../../evil", content: "x"}), "leaves the package"},
		"a way up with backslashes":    {zipOf(t, item{name: `..\evil`, content: "x"}), "backslash"},
		"an absolute path":             {zipOf(t, item{name: "/tmp/evil", content: "x"}), `"/tmp/evil" is an absolute path`},
		"a link that leaves":           {zipOf(t, item{name: "evil", content: "../../evil", mode: link}), "outside of the package"},
		"an absolute link":             {zipOf(t, item{name: "evil", content: "/etc/passwd", mode: link}), "outside of the package"},
		"a file below a link":          {zipOf(t, item{name: "d", content: "hello.js", mode: link}, item{name: "d/evil", content: "x"}), "lies below it"},
		"a device":                     {zipOf(t, item{name: "evil", mode: fs.ModeDevice | 0o666}), "neither a file, a folder nor a symbolic link"},
		"the first half of a zip file": {whole[:len(whole)/2], "cut off or damaged"},
		"text":                         {[]byte("exports.handler = 1"), "not a zip file"},
		"nothing in it":                {[]byte("PK\x05\x06" + strings.Repeat("\x00", 18)), "non-empty zip"},
	}
}

func packageOf(file []byte) pinfold.Package {
	sum := sha256.Sum256(file)
	return pinfold.Package{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(file))}
}

// nothingLeft checks that no trace of a refused zip file is on the disk.
func (h *house) nothingLeft(t *testing.T, pkg pinfold.Package) {
	t.Helper()
	for _, dir := range []string{h.Data, os.TempDir() + "/evil", filepath.Join(filepath.Dir(h.Data), "evil")} {
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			name := filepath.Base(path)
			if err == nil && (name == "evil" || name == "bomb" || strings.Contains(name, pkg.SHA256) || strings.HasPrefix(name, "unfinished-")) {
				t.Errorf("%s was left behind", path)
			}
			return nil
		})
	}
}

// A package that would do harm is refused at each of the doors by which code
// comes in, and nothing of it is kept.
func TestWickedPackages(t *testing.T) {
	t.Parallel()
	h := start(t)
	aws := h.lambda(h.rootCredentials())
	for name, test := range wicked(t) {
		pkg := packageOf(test.file)
		t.Run(name, func(t *testing.T) {
			t.Run("uploaded", func(t *testing.T) {
				err := h.Client.PutPackage(t.Context(), pkg, bytes.NewReader(test.file))
				if code := pinfold.CodeOf(err); err == nil || code != pinfold.Invalid && code != pinfold.TooLarge {
					t.Errorf("code %s: %v", code, err)
				} else {
					wantText(t, err.Error(), test.want)
				}
			})
			t.Run("as an artifact", func(t *testing.T) {
				_, err := h.TryDeploy(t.Context(), t.TempDir(), platformtest.Files(t, changed(map[string]string{
					"serverless.yml": goodManifest + "package:\n  artifact: code.zip\n", "code.zip": string(test.file),
				})))
				if err == nil {
					t.Fatal("it was deployed")
				}
				wantText(t, err.Error(), "serverless.yml:", "code.zip")
				if name != "the first half of a zip file" && name != "text" { // found out before the upload
					wantText(t, err.Error(), "serverless.yml:6", "function hello", test.want)
				}
			})
			t.Run("with CreateFunction", func(t *testing.T) {
				_, err := aws.CreateFunction(t.Context(), createWith(test.file))
				refusal, ok := errors.AsType[*types.InvalidParameterValueException](err)
				if !ok {
					t.Fatalf("got %v, want an InvalidParameterValueException", err)
				}
				wantText(t, refusal.ErrorMessage(), test.want)
			})
			h.nothingLeft(t, pkg)
		})
	}
	h.unharmed(t)
}

func createWith(file []byte) *lambda.CreateFunctionInput {
	return &lambda.CreateFunctionInput{
		FunctionName: aws.String("created"), Role: aws.String("arn:aws:iam::000000000000:role/any"), Handler: aws.String("hello.handler"),
		Runtime: types.RuntimeNodejs22x, Code: &types.FunctionCode{ZipFile: file},
	}
}

// lambda is AWS's own client of the platform. It does not try again.
func (h *house) lambda(creds aws.Credentials) *lambda.Client {
	return lambda.New(lambda.Options{
		BaseEndpoint: &h.Endpoints.API, Region: h.Region, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken),
	})
}

// A zip file over AWS's 50 MB is refused where AWS refuses it.
func TestDirectUploadOver50MB(t *testing.T) {
	t.Parallel()
	h := start(t)
	file := make([]byte, 51<<20)
	_, err := h.lambda(h.rootCredentials()).CreateFunction(t.Context(), createWith(file))
	answer, ok := errors.AsType[*awshttp.ResponseError](err)
	if !ok || answer.HTTPStatusCode() != http.StatusRequestEntityTooLarge {
		t.Fatalf("got %v, want status 413", err)
	}
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "RequestEntityTooLargeException" {
		t.Errorf("got %v", err)
	}
	h.unharmed(t)
}

// What arrives is what the hash says, or is not kept.
func TestPackageWithTheWrongHash(t *testing.T) {
	t.Parallel()
	h := start(t)
	file := zipOf(t, item{name: "other.js", content: "1"})
	pkg := packageOf(file)

	for name, content := range map[string][]byte{
		"another zip file": zipOf(t, item{name: "another.js", content: "2"}),
		"a damaged one":    append(bytes.Clone(file[:len(file)-1]), file[len(file)-1]^1),
	} {
		t.Run(name, func(t *testing.T) {
			// Correctly signed: what is wrong is the name that it is to have.
			req := h.signed(t, http.MethodPut, "/_pinfold/v1/packages/"+pkg.SHA256, "pinfold", content, nil)
			status, body := h.send(t, req)
			if status != http.StatusBadRequest {
				t.Errorf("status %d: %s", status, body)
			}
			wantText(t, body, "upload it again", packageOf(content).SHA256)
			h.nothingLeft(t, pkg)
			h.nothingLeft(t, packageOf(content))
		})
	}
	t.Run("a name that is no hash", func(t *testing.T) {
		status, body := h.send(t, h.signed(t, http.MethodPut, "/_pinfold/v1/packages/latest", "pinfold", file, nil))
		if status != http.StatusBadRequest {
			t.Errorf("status %d: %s", status, body)
		}
		wantText(t, body, "latest", "SHA-256")
		h.nothingLeft(t, pkg)
	})
	t.Run("changed on its way", func(t *testing.T) {
		err := h.Client.PutPackage(t.Context(), pkg, bytes.NewReader(bytes.Repeat([]byte("x"), len(file))))
		if err == nil {
			t.Error("a body that is not what was signed was accepted")
		}
		h.nothingLeft(t, pkg)
	})
	h.unharmed(t)
}

// An application is not deployed before its packages are there.
func TestDeployWithoutThePackage(t *testing.T) {
	t.Parallel()
	h := start(t)
	a, plan, _, err := h.plan(t.Context(), h.dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, pkg := range map[string]pinfold.Package{
		"never uploaded": packageOf([]byte("x")),
		"none":           {},
		"not a hash":     {SHA256: "../../state.db", Size: 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := *a
			b.Functions = []app.Function{a.Functions[0]}
			b.Functions[0].Code = pkg
			_, err := h.Client.Deploy(t.Context(), &b, plan.Base)
			wantError(t, err, pinfold.Invalid, "", "code package")
		})
	}
	h.unharmed(t)
}
