package seccomp

import (
	"maps"
	"math"
	"slices"
	"strings"

	"golang.org/x/net/bpf"
)

// What a filter returns for a call, of linux/seccomp.h, with the errno in the
// lower half.
const (
	retAllow       = 0x7fff0000
	retDeny        = 0x00050000 | 1  // EPERM
	retAbsent      = 0x00050000 | 38 // ENOSYS
	retSkip        = 0x00050000      // no error
	retKillProcess = 0x80000000
)

// Offsets in struct seccomp_data, of a little-endian machine.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
)

// compile turns the list into a filter for one architecture: its number of
// linux/audit.h, and the numbers of its system calls.
//
// A call of another architecture (32-bit calls on a 64-bit machine) ends the
// process: its numbers mean other calls, and a program for it could not even
// exit if all of them failed. The x32 calls of amd64 are numbers from 1<<30,
// which are in no table, so they are absent as on most kernels.
//
// The kernel runs the filter when it is loaded, once for each number, to
// remember which calls pass whatever their arguments; those never run it again.
// So the search by halves is for the loading.
func compile(arch uint32, numbers map[string]int) []bpf.Instruction {
	return slices.Concat([]bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		bpf.RetConstant{Val: retKillProcess},
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
	}, search(stretches(numbers)))
}

// stretch is a sequence of numbers, up to the next stretch, that get the same answer.
type stretch struct {
	from uint32
	then []bpf.Instruction
}

// stretches puts the list in the order of an architecture's numbers.
func stretches(numbers map[string]int) []stretch {
	answers := map[uint32][]bpf.Instruction{}
	for _, g := range groups {
		for name := range strings.FieldsSeq(g.calls) {
			if n, ok := numbers[name]; ok {
				answers[uint32(n)] = ret(g.answer)
			}
		}
	}
	for _, r := range rules {
		if n, ok := numbers[r.call]; ok {
			answers[uint32(n)] = r.compile()
		}
	}

	all := []stretch{{0, ret(absent)}}
	add := func(from uint32, then []bpf.Instruction) {
		switch last := &all[len(all)-1]; {
		case last.from == from:
			last.then = then
		case !slices.Equal(last.then, then):
			all = append(all, stretch{from, then})
		}
	}
	for _, n := range slices.Sorted(maps.Keys(answers)) {
		add(n, answers[n])
		if _, ok := answers[n+1]; !ok {
			add(n+1, ret(absent))
		}
	}
	return all
}

// search finds the stretch of the number that is loaded.
func search(all []stretch) []bpf.Instruction {
	if len(all) == 1 {
		return all[0].then
	}
	middle := len(all) / 2
	low, high := search(all[:middle]), search(all[middle:])
	head := []bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: all[middle].from, SkipTrue: uint8(len(low))}}
	if len(low) > math.MaxUint8 { // further than a conditional jump goes
		head = []bpf.Instruction{
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: all[middle].from, SkipTrue: 1},
			bpf.Jump{Skip: uint32(len(low))},
		}
	}
	return slices.Concat(head, low, high)
}

func ret(a answer) []bpf.Instruction {
	return []bpf.Instruction{bpf.RetConstant{Val: map[answer]uint32{allowed: retAllow, denied: retDeny, absent: retAbsent, skipped: retSkip}[a]}}
}

func (r rule) compile() []bpf.Instruction {
	var code []bpf.Instruction
	for _, a := range r.any {
		code = append(code, a.compile()...)
	}
	return append(code, ret(r.otherwise)...)
}

// compile returns code that allows the call, or goes on behind its end.
func (a alternative) compile() []bpf.Instruction {
	code := ret(allowed)
	for _, t := range slices.Backward(a) {
		code = append(t.compile(len(code)), code...)
	}
	return code
}

// compile returns code that goes on behind its end if the test holds, or else
// rest instructions further.
func (t test) compile(rest int) []bpf.Instruction {
	code := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArgs + 8*(t.arg&^upperHalf) + t.arg&upperHalf/2, Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: t.mask},
	}
	found, none := 0, rest
	if !t.is {
		found, none = rest, 0
	}
	for i, value := range t.in {
		left := len(t.in) - 1 - i
		jump := bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipTrue: uint8(left + found)}
		if left == 0 {
			jump.SkipFalse = uint8(none)
		}
		code = append(code, jump)
	}
	return code
}
