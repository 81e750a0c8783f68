// Command release makes what a release offers from programs that are built
// already: archives with licences and a bill of materials, a container image as
// an OCI layout, and checksums. Equal input gives equal bytes. It needs neither
// a container engine nor root.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// options are what a release is made of.
type options struct {
	version string
	at      time.Time // of all files; the commit's
	root    string    // of the repository
	bin     string    // holds OS-ARCH/gateway and OS-ARCH/sbom.json
	out     string
}

// platform is one of those in options.bin.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "-" + p.arch }

func (p platform) program() string {
	if p.os == "windows" {
		return "gateway.exe"
	}
	return "gateway"
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	var o options
	var epoch int64
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	f.StringVar(&o.version, "version", "", "of the release")
	f.Int64Var(&epoch, "time", 0, "seconds since 1970: the time of all files")
	f.StringVar(&o.root, "root", "../..", "folder of the repository")
	f.StringVar(&o.bin, "bin", "../../dist/build", "folder of the programs: OS-ARCH/gateway, OS-ARCH/sbom.json")
	f.StringVar(&o.out, "out", "../../dist", "folder for what is made")
	if err := f.Parse(args); err != nil {
		return err
	}
	o.at = time.Unix(epoch, 0).UTC()
	if o.version == "" {
		return fmt.Errorf("--version is missing")
	}
	platforms, err := platformsIn(o.bin)
	if err != nil {
		return err
	}
	var made []string
	for _, p := range platforms {
		name, err := o.archive(ctx, p)
		if err != nil {
			return fmt.Errorf("%v: %w", p, err)
		}
		made = append(made, name)
	}
	name, err := o.image(platforms)
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return checksums(stdout, o.out, append(made, name))
}

// platformsIn lists the folders OS-ARCH of a folder.
func platformsIn(dir string) (list []platform, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if system, arch, ok := strings.Cut(e.Name(), "-"); ok && e.IsDir() {
			list = append(list, platform{system, arch})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no folder such as linux-amd64", dir)
	}
	return list, nil
}

// checksums writes SHA256SUMS for files of a folder, as `sha256sum -c` reads it.
func checksums(stdout io.Writer, dir string, names []string) error {
	slices.Sort(names)
	var text strings.Builder
	for _, name := range names {
		sum, err := sumOf(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, name)
	}
	if _, err := io.WriteString(stdout, text.String()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(text.String()), 0o644)
}
