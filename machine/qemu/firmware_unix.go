//go:build unix

package qemu

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed64aab995/rescuekernel/machine"
)

// firmware is UEFI for a board: flash with its code, and flash for its variables
// where that is another file.
type firmware struct{ code, variables string }

// firmwarePlaces are where Debian's packages ovmf and qemu-efi-aarch64 have it.
var firmwarePlaces = map[machine.Architecture][]firmware{
	machine.AMD64: {
		{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
		{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
	},
	machine.ARM64: {{code: "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"}},
}

// removable are the names that firmware starts an application by, from a disk that
// no boot entry tells of (UEFI 2.10, 3.5.1.1).
var removable = map[machine.Architecture]string{machine.AMD64: "BOOTX64.EFI", machine.ARM64: "BOOTAA64.EFI"}

// findFirmware is the first of places whose files are all there.
func findFirmware(places []firmware) (firmware, error) {
	var names []string
	for _, f := range places {
		missing := ""
		for _, name := range []string{f.code, f.variables} {
			if name == "" {
				continue
			}
			if _, err := os.Stat(name); err != nil {
				missing = name
			}
		}
		if missing == "" {
			return f, nil
		}
		names = append(names, missing)
	}
	return firmware{}, fmt.Errorf("UEFI firmware: none of %s: %w", strings.Join(names, ", "), machine.ErrUnavailable)
}

// prepareFirmware makes what lasts as long as the machine: the variables, and the
// system partition with the boot image.
func (m *guest) prepareFirmware() error {
	if !m.options.UEFI {
		return nil
	}
	if m.config.Boot.CommandLine != "" || len(m.config.Boot.Modules) > 0 {
		return fmt.Errorf("command line and modules by UEFI, where the boot image has them in it: %w", machine.ErrUnsupported)
	}
	var err error
	if m.firmware, err = findFirmware(firmwarePlaces[m.options.Architecture]); err != nil {
		return err
	}
	if m.directory, err = os.MkdirTemp("", "qemu-uefi"); err != nil {
		return fmt.Errorf("make directory for a system partition: %w", err)
	}
	if err := m.prepareVariables(); err != nil {
		return fmt.Errorf("firmware's variables: %w", err)
	}
	boot := filepath.Join(m.partition(), "EFI", "BOOT")
	err = os.MkdirAll(boot, 0o700)
	if err == nil && m.config.Boot.Image != nil {
		err = os.WriteFile(filepath.Join(boot, removable[m.options.Architecture]), m.config.Boot.Image, 0o600)
	}
	if err != nil {
		return fmt.Errorf("make system partition: %w", err)
	}
	return nil
}

// prepareVariables makes the file of the variables, if it is not there.
func (m *guest) prepareVariables() error {
	if m.firmware.variables == "" {
		if m.options.Variables != "" {
			return machine.ErrUnsupported
		}
		return nil
	}
	if _, err := os.Stat(m.variables()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	empty, err := os.ReadFile(m.firmware.variables)
	if err != nil {
		return err
	}
	return os.WriteFile(m.variables(), empty, 0o600)
}

func (m *guest) variables() string {
	if m.options.Variables != "" {
		return m.options.Variables
	}
	return filepath.Join(m.directory, "variables")
}

func (m *guest) partition() string { return filepath.Join(m.directory, "partition") }

// firmwareArguments are the flash, and a disk that QEMU makes of the system
// partition's files (its driver vvfat).
func (m *guest) firmwareArguments() []string {
	name := func(path string) string { return strings.ReplaceAll(path, ",", ",,") }
	var a []string
	if m.firmware.variables == "" {
		a = append(a, "-bios", m.firmware.code)
	} else {
		a = append(a,
			"-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+name(m.firmware.code),
			"-drive", "if=pflash,unit=1,format=raw,file="+name(m.variables()))
	}
	return append(a,
		"-drive", "if=none,id=system,format=raw,readonly=on,file=fat:"+name(m.partition()),
		"-device", "virtio-blk-pci,drive=system,serial=system,bootindex=0")
}

// removeFirmware removes what prepareFirmware has made.
func (m *guest) removeFirmware() error {
	if m.directory == "" {
		return nil
	}
	if err := os.RemoveAll(m.directory); err != nil {
		return errors.Join(errors.New("remove system partition"), err)
	}
	m.directory = ""
	return nil
}
