//go:build linux

package rootfs

// folders are shown whole: what programs are made of. Where one of them is a link
// on the host, as /bin is where /usr is merged, it is the same link inside.
var folders = []string{
	"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
	"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/libexec",
	// Everything is in here on NixOS and Guix, and readable for everybody.
	"/nix/store", "/gnu/store", "/run/current-system", "/etc/static",
}

// prefix is what is shown of a folder that things are installed in: /usr/local,
// or the folder of an interpreter. The rest of such a folder can be anything:
// /usr/local/etc and /usr/local/var, ~/.local/share/keyrings, a whole home if
// the interpreter is in ~/bin.
var prefix = []string{
	"bin", "sbin", "lib", "lib32", "lib64", "libexec",
	"pyvenv.cfg",                                                     // what makes a folder a virtual environment of Python
	"ssl/cert.pem", "ssl/cacert.pem", "ssl/certs", "ssl/openssl.cnf", // conda
}

// homebrew is what is shown besides of a prefix that has a Cellar.
var homebrew = []string{"Cellar", "opt", "etc/ca-certificates", "etc/openssl@3/cert.pem", "etc/openssl@3/certs", "etc/openssl@3/openssl.cnf"}

// shared is what is shown of the share folder of /usr and of each prefix: what
// programs and libraries read as they run.
var shared = []string{
	"zoneinfo", "ca-certificates", "pki", "p11-kit", "crypto-policies", "publicsuffix",
	"locale", "terminfo", "icu", "mime", "misc", "file",
	"fonts", "fontconfig", // what draws text: sharp, canvas, PDF
	"nodejs", "node_modules", "javascript", "python3", "python-wheels", "perl", "perl5", "ruby", "rubygems-integration", "java", "awk",
}

// settings are the files and folders of /etc that programs and libraries read.
// Private keys are beside some of them: hence no folder whole that may hold one.
var settings = []string{
	"ld.so.cache", "ld-musl-*.path",
	"localtime", "timezone", "host.conf", "gai.conf", "protocols", "services", "mime.types", "magic", "magic.mime", "terminfo",
	"os-release", "debian_version", "alpine-release", "fedora-release", "redhat-release", "system-release", "lsb-release",
	"ssl/certs", "ssl/cert.pem", "ssl/ca-bundle.pem", "ssl/openssl.cnf", "ssl/ct_log_list.cnf",
	"pki/tls/certs", "pki/tls/cert.pem", "pki/tls/openssl.cnf", "pki/tls/openssl.d", "pki/tls/ct_log_list.cnf", "pki/ca-trust/extracted", "pki/java",
	"ca-certificates", "ca-certificates.conf", "crypto-policies",
	"alternatives", "fonts", "python3", "python3.*", "perl", "java", "java-*",
}

// devices are bound from the host.
var devices = []string{"null", "zero", "full", "random", "urandom"}

// points are folders that are empty, or that something is mounted over later.
var points = []string{Empty, "/dev/shm", "/opt", "/run", "/tmp", "/var/cache/pinfold", "/var/runtime", "/var/task"}

// links are the same in each sandbox.
var links = map[string]string{
	"/dev/fd":     "/proc/self/fd",
	"/dev/stdin":  "/proc/self/fd/0",
	"/dev/stdout": "/proc/self/fd/1",
	"/dev/stderr": "/proc/self/fd/2",
	"/var/run":    "/run",
	"/var/tmp":    "/tmp",
}

// generated are files whose content is the same in each sandbox, whatever the
// host has in them. The user and the group are those of Lambda.
var generated = map[string]string{
	"/etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n" +
		"sbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n" +
		"nobody:x:65534:65534:nobody:/:/sbin/nologin\n",
	"/etc/group":    "root:x:0:\nsbx_user1051:x:990:\nnogroup:x:65534:\n",
	"/etc/hosts":    "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
	"/etc/hostname": "localhost\n",
	// Of a name service the host may use, nothing answers inside. Without
	// myhostname, where it is installed, the sandbox's own name would be unknown.
	"/etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files myhostname dns\n" +
		"networks: files\nprotocols: files\nservices: files\nrpc: files\n",
}

// homes are never shown, whatever the caller wants hidden.
var homes = []string{"/root", "/home"}
