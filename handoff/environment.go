package handoff

import (
	"fmt"
	"strings"
)

// Limits of an environment. FreeBSD has 128 bytes a name and a value
// (KENV_MNAMELEN, KENV_MVALLEN in sys/kenv.h); values here may be longer, as a
// list of targets is.
const (
	MaxVariableName  = 128
	MaxVariableValue = 1024
	MaxVariables     = 512
	MaxEnvironment   = 64 << 10
)

// OverridePrefix begins the names of host variables that set a variable for
// the rescue program alone: debug.rescue.X=value becomes X=value (FreeBSD
// rescue.4).
const OverridePrefix = "debug.rescue."

// Variable is one setting.
type Variable struct {
	Name  string
	Value string
}

// Environment is what the rescue program is told: settings in order, each name
// once.
type Environment []Variable

// EnvironmentError says what in an environment is not accepted.
type EnvironmentError struct {
	Offset int    // of the string in the encoded environment
	Name   string // of the variable, if it got that far
	Err    error
}

func (e *EnvironmentError) Error() string {
	return fmt.Sprintf("environment: variable %q at offset %d: %v", e.Name, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *EnvironmentError) Unwrap() error { return e.Err }

// Lookup returns the value of a variable.
func (e Environment) Lookup(name string) (value string, ok bool) {
	for _, v := range e {
		if v.Name == name {
			return v.Value, true
		}
	}
	return "", false
}

// checkVariable says why a variable cannot be in an environment.
func checkVariable(v Variable) error {
	if v.Name == "" || len(v.Name) > MaxVariableName {
		return fmt.Errorf("%w: name of %d bytes, want 1 to %d", ErrInvalid, len(v.Name), MaxVariableName)
	}
	for i := range len(v.Name) {
		if c := v.Name[i]; c <= ' ' || c >= 0x7f || c == '=' || c == '"' {
			return fmt.Errorf("%w: byte %#x in the name", ErrInvalid, c)
		}
	}
	if len(v.Value) > MaxVariableValue {
		return fmt.Errorf("value of %d bytes, at most %d: %w", len(v.Value), MaxVariableValue, ErrTooLarge)
	}
	if strings.IndexByte(v.Value, 0) >= 0 {
		return fmt.Errorf("%w: NUL in the value", ErrInvalid)
	}
	return nil
}

// AppendBinary appends the environment in FreeBSD's form: name=value strings,
// each ended by a NUL, and one more NUL after the last. An empty one is two
// NULs.
func (e Environment) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	seen := make(map[string]bool, len(e))
	for _, v := range e {
		err := checkVariable(v)
		if err == nil && seen[v.Name] {
			err = fmt.Errorf("%w: it is there twice", ErrInvalid)
		}
		if err != nil {
			return dst[:start], &EnvironmentError{len(dst) - start, v.Name, err}
		}
		seen[v.Name] = true
		dst = append(dst, v.Name...)
		dst = append(dst, '=')
		dst = append(dst, v.Value...)
		dst = append(dst, 0)
	}
	if len(e) == 0 {
		dst = append(dst, 0)
	}
	dst = append(dst, 0)
	if len(e) > MaxVariables || len(dst)-start > MaxEnvironment {
		return dst[:start], fmt.Errorf("environment: %d variables in %d bytes, at most %d in %d: %w", len(e), len(dst)-start, MaxVariables, MaxEnvironment, ErrTooLarge)
	}
	return dst, nil
}

// ParseEnvironment reads an environment up to its double NUL. What follows
// that is ignored. Errors are *EnvironmentError; the variables before the one
// that is refused are returned with it.
func ParseEnvironment(data []byte) (Environment, error) {
	data = data[:min(len(data), MaxEnvironment)]
	var e Environment
	seen := map[string]bool{}
	for at := 0; ; {
		end := at
		for end < len(data) && data[end] != 0 {
			end++
		}
		if end == len(data) {
			return e, &EnvironmentError{at, "", fmt.Errorf("no double NUL in %d bytes: %w", len(data), ErrTruncated)}
		}
		if end == at {
			return e, checkEmpty(data, at)
		}
		name, value, found := strings.Cut(string(data[at:end]), "=")
		v := Variable{name, value}
		err := checkVariable(v)
		switch {
		case err != nil:
		case !found:
			err = fmt.Errorf("%w: no value", ErrInvalid)
		case seen[name]:
			err = fmt.Errorf("%w: it is there twice", ErrInvalid)
		case len(e) == MaxVariables:
			err = fmt.Errorf("more than %d variables: %w", MaxVariables, ErrTooLarge)
		}
		if err != nil {
			return e, &EnvironmentError{at, name[:min(len(name), MaxVariableName)], err}
		}
		seen[name] = true
		e = append(e, v)
		at = end + 1
	}
}

// checkEmpty is the end of an environment: the empty string at offset at. An
// empty environment has two NULs.
func checkEmpty(data []byte, at int) error {
	if at == 0 && (len(data) < 2 || data[1] != 0) {
		return &EnvironmentError{0, "", fmt.Errorf("%w: an empty string is first", ErrInvalid)}
	}
	return nil
}

// DefaultAllowed lists the host variables that a rescue program gets
// without being asked for: where the firmware's tables and the console are.
// A name that ends in "*" stands for all that begin so.
func DefaultAllowed() []string {
	return []string{
		"acpi.rsdp", "console", "comconsole_port", "comconsole_speed", "comconsole_pcidev",
		"hw.uart.console", "hw.uart.dbgport", "rescue.*",
	}
}

// Restrict makes a rescue program's environment from its host's: first the
// overrides (OverridePrefix), then the fixed settings, then what the list
// allows. The first of a name wins, so an override beats a fixed setting and
// both beat what the host has. Names in the result are unique; a host variable
// that no environment may hold is refused, not dropped, if it is allowed.
func (e Environment) Restrict(fixed Environment, allowed []string) (Environment, error) {
	var out Environment
	seen := map[string]bool{}
	add := func(v Variable) error {
		if seen[v.Name] {
			return nil
		}
		if err := checkVariable(v); err != nil {
			return &EnvironmentError{0, v.Name, err}
		}
		seen[v.Name] = true
		out = append(out, v)
		return nil
	}
	for _, v := range e {
		if name, ok := strings.CutPrefix(v.Name, OverridePrefix); ok {
			if err := add(Variable{name, v.Value}); err != nil {
				return nil, err
			}
		}
	}
	for _, v := range fixed {
		if err := add(v); err != nil {
			return nil, err
		}
	}
	for _, v := range e {
		if strings.HasPrefix(v.Name, OverridePrefix) || !isAllowed(v.Name, allowed) {
			continue
		}
		if err := add(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func isAllowed(name string, allowed []string) bool {
	for _, a := range allowed {
		if prefix, ok := strings.CutSuffix(a, "*"); ok && strings.HasPrefix(name, prefix) || a == name {
			return true
		}
	}
	return false
}
