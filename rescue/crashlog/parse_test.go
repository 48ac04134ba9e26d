package crashlog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/rescue/crashlog"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want crashlog.Crash
	}{
		"nothing": {"", crashlog.Crash{Kind: crashlog.Silent}},
		"blank":   {"\n \n", crashlog.Crash{Kind: crashlog.Silent}},
		"other":   {"Segmentation fault\n", crashlog.Crash{Kind: crashlog.Unknown}},
		"panic": {"panic: torn\n\ngoroutine 7 [running]:\nmain.(*ledger).add(0x1, {0x2, 0x3})\n\t/a.go:3 +0x1\n",
			crashlog.Crash{Kind: crashlog.Panic, Message: "torn", Goroutine: 7, Function: "main.(*ledger).add"}},
		"signal in Go": {"panic: runtime error: x\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x46e2a1]\n\ngoroutine 1 gp=0xc000002380 m=0 mp=0x1 [running]:\npanic({0x1, 0x2})\n\t/p.go:1\nruntime.sigpanic()\n\t/s.go\nmain.main()\n\t/a.go:3 +0x1\n",
			crashlog.Crash{Kind: crashlog.Panic, Message: "runtime error: x", Signal: "SIGSEGV", Address: 0x18, PC: 0x46e2a1, Goroutine: 1, Function: "main.main"}},
		"abort": {"SIGABRT: abort\nPC=0x47 m=0 sigcode=0\n\ngoroutine 0 gp=0x1 m=0 mp=0x2 [idle]:\nruntime.futex()\n\ngoroutine 3 [running]:\nmain.a()\n",
			crashlog.Crash{Kind: crashlog.Signal, Message: "abort", Signal: "SIGABRT", PC: 0x47, Goroutine: 3, Function: "main.a"}},
		"memory": {"fatal error: runtime: out of memory\n", crashlog.Crash{Kind: crashlog.Memory, Message: "runtime: out of memory"}},
		"memory, another way": {"runtime: cannot allocate\nfatal error: out of memory (allocating heap arena map)\n",
			crashlog.Crash{Kind: crashlog.Memory, Message: "out of memory (allocating heap arena map)"}},
		"thrown, memory": {"\nruntime stack:\nruntime.throw({0x1?, 0x2?})\n\t/p.go:1\nruntime.sysMapOS(0x1)\n\t/m.go:1\n\ngoroutine 1 gp=0x1 [running]:\nruntime.systemstack_switch()\nmain.exhaust()\n\t/a.go:1\n",
			crashlog.Crash{Kind: crashlog.Memory, Message: "out of memory", Goroutine: 1, Function: "main.exhaust"}},
		"thrown, another": {"\ngoroutine 9 [running]:\nruntime.throw({0x1?, 0x2?})\nruntime.badThing()\nmain.a(...)\n",
			crashlog.Crash{Kind: crashlog.Fatal, Message: "in runtime.badThing", Goroutine: 9, Function: "main.a"}},
		"deadlock": {"\ngoroutine 1 [select (no cases)]:\nmain.main()\n\t/a.go:3 +0x1\n",
			crashlog.Crash{Kind: crashlog.Fatal, Message: "all goroutines are asleep - deadlock!", Goroutine: 1, Function: "main.main"}},
		"thrown, many words": {"\ngoroutine 1 gp=0x1 m=0 mp=0x2 [running]:\nruntime.fatal({0x1?, 0x2?})\ninternal/sync.fatal({0x1?, 0x2?})\ninternal/sync.(*Mutex).unlockSlow(0x1)\nsync.(*Mutex).Unlock(...)\n",
			crashlog.Crash{Kind: crashlog.Fatal, Message: "sync: unlock of unlocked mutex", Goroutine: 1, Function: "sync.(*Mutex).Unlock"}},
		"cut": {"panic: to", crashlog.Crash{Kind: crashlog.Panic, Message: "to"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, crashlog.Parse([]byte(c.text)))
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("panic: torn\n\ngoroutine 7 [running]:\nmain.add(0x1)\n"))
	f.Add([]byte("[signal SIGSEGV: x code=0x1 addr=0x18 pc=0x46e2a1]\nPC=0x3"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := crashlog.Parse(text)
		require.NotEmpty(t, c.Kind)
		require.LessOrEqual(t, len(c.Message), len(text))
	})
}
