#include "textflag.h"

// func sys(number, a, b, c, d, e uintptr) (result uintptr, errno syscall.Errno)
TEXT ·sys(SB), NOSPLIT, $0-64
	MOVQ number+0(FP), AX
	MOVQ a+8(FP), DI
	MOVQ b+16(FP), SI
	MOVQ c+24(FP), DX
	MOVQ d+32(FP), R10
	MOVQ e+40(FP), R8
	XORL R9, R9
	SYSCALL
	MOVQ $0, errno+56(FP)
	CMPQ AX, $-4095 // from here on a negative error number
	JCS  done
	NEGQ AX
	MOVQ AX, errno+56(FP)
	MOVQ $-1, AX
done:
	MOVQ AX, result+48(FP)
	RET
