package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/imagebuild"
)

func newBuild(p *program) *cobra.Command {
	var o imagebuild.Options
	var architecture string
	var wrap wrapping
	var asJSON bool
	c := &cobra.Command{
		Use:   "build PACKAGE",
		Short: "Build a Go program as an image",
		Long: `Build builds a Go program that imports package kernel, host or rescue program,
as an image: a static ELF file that is linked for the kernel window. It writes
IMAGE, which is stripped, and IMAGE.debug, which has the symbols and DWARF of the
same build: same text, same build ids.

A host arms IMAGE as its rescue program. With --boot, what is written is a file
that boots: by PVH (qemu-system-x86_64 -kernel IMAGE -initrd RESCUE) and by the
Linux 64-bit protocol (gokvm, Firecracker), for arm64 an Image
(qemu-system-aarch64 -M virt -kernel IMAGE -initrd RESCUE). With --efi, it is an
application for UEFI firmware: copy it to \EFI\BOOT\BOOTX64.EFI (arm64:
BOOTAA64.EFI) of an EFI system partition; --append is its command line. With
--rescue, the file has the rescue program in it, as the host's first boot module.
rescue boot takes what --boot makes.

PACKAGE is what go build takes, or PATH@VERSION, which needs no module. The
go command runs here, so it may be a package of any module that yours requires.`,
		Example: `  rescue build ./host
  rescue build -o dump.img --tags small example.com/unikernel/dump
  rescue build --boot -o host.elf ./host
  rescue build --boot --rescue ./dump -o all-in-one.elf ./host
  rescue build --efi --rescue ./dump --append 'hostname=anvil' -o BOOTX64.EFI ./host
  rescue build --arch arm64 --boot --rescue ./dump -o Image ./host
  rescue build -o /boot/rescue github.com/seed64aab995/rescuekernel/cmd/rescue-kernel@latest`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Package = args[0]
			var err error
			if o.Architecture, err = parseArchitecture(architecture); err != nil {
				return err
			}
			return p.build(c.Context(), o, wrap, asJSON)
		},
	}
	flags := c.Flags()
	flags.StringVarP(&o.Output, "output", "o", "", "the image's `file` or directory (default: the package's name, here)")
	flags.StringVar(&architecture, "arch", "amd64", "architecture: amd64 or arm64")
	flags.StringSliceVar(&o.Tags, "tags", nil, "build tags, separated by commas")
	flags.BoolVar(&wrap.boot, "boot", false, "write a file that boots")
	flags.BoolVar(&wrap.efi, "efi", false, "write an application for UEFI firmware")
	flags.StringVar(&wrap.rescue, "rescue", "", "with --boot or --efi: the rescue program to put in, an image or a package")
	flags.StringVar(&wrap.append, "append", "", "with --efi: the command `line` to put in")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// build builds an image and says what it is.
func (p *program) build(ctx context.Context, o imagebuild.Options, wrap wrapping, asJSON bool) (err error) {
	if o.Wrap, err = p.wrapper(ctx, wrap, source{o.Architecture, o.Tags}); err != nil {
		return err
	}
	if o.Output == "" {
		if o.Output = imagebuild.Name(o.Package); isDirectory(o.Output) {
			return usagef("there is a directory %s here; say --output", o.Output)
		}
	}
	r, err := imagebuild.Build(ctx, o)
	if err != nil {
		return err
	}
	if asJSON {
		return p.json(buildJSON(r))
	}
	p.fields([]field{
		{r.Image, fmt.Sprintf("%s (%d bytes)", size(r.ImageSize), r.ImageSize)},
		{r.Debug, size(r.DebugSize)},
		{"build id", r.GoBuildID},
	})
	return nil
}

// wrapping says what file is made of an image.
type wrapping struct {
	boot, efi      bool
	rescue, append string
}

// wrapper makes imagebuild's Wrap, nil for an image as it is.
func (p *program) wrapper(ctx context.Context, w wrapping, from source) (func(io.ReaderAt) ([]byte, error), error) {
	switch {
	case w.boot && w.efi:
		return nil, usagef("--boot and --efi are two files: say one")
	case w.append != "" && !w.efi:
		return nil, usagef("--append puts a command line into an EFI application: say --efi")
	case w.rescue != "" && !w.boot && !w.efi:
		return nil, usagef("--rescue puts a rescue program into a file that boots: say --boot or --efi")
	case !w.boot && !w.efi:
		return nil, nil
	}
	var module []byte
	if w.rescue != "" {
		var err error
		if module, err = p.rescueImage(ctx, w.rescue, from); err != nil {
			return nil, err
		}
	}
	return func(image io.ReaderAt) ([]byte, error) {
		if w.efi {
			return bootimage.WrapEFI(image, bootimage.EFIOptions{Module: module, CommandLine: w.append})
		}
		return bootimage.Wrap(image, bootimage.Options{Module: module})
	}, nil
}

type buildFact struct {
	Image     string `json:"image"`
	ImageSize int64  `json:"image_bytes"`
	Debug     string `json:"debug"`
	DebugSize int64  `json:"debug_bytes"`
	GoBuildID string `json:"go_build_id"`
	BuildID   string `json:"build_id"`
	Nanos     int64  `json:"wall_ns"`
}

func buildJSON(r *imagebuild.Result) buildFact {
	return buildFact{r.Image, r.ImageSize, r.Debug, r.DebugSize, r.GoBuildID, fmt.Sprintf("%x", r.BuildID), r.Took.Nanoseconds()}
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// isFile reports whether path is there and no directory.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist) && (err != nil || !info.IsDir())
}
