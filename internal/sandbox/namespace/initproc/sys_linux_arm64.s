#include "textflag.h"

// func sys(number, a, b, c, d, e uintptr) (result uintptr, errno syscall.Errno)
TEXT ·sys(SB), NOSPLIT, $0-64
	MOVD number+0(FP), R8
	MOVD a+8(FP), R0
	MOVD b+16(FP), R1
	MOVD c+24(FP), R2
	MOVD d+32(FP), R3
	MOVD e+40(FP), R4
	MOVD $0, R5
	SVC
	MOVD ZR, errno+56(FP)
	CMN  $4095, R0 // from here on a negative error number
	BCC  done
	NEG  R0, R0
	MOVD R0, errno+56(FP)
	MOVD $-1, R0
done:
	MOVD R0, result+48(FP)
	RET
