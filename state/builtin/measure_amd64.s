#include "textflag.h"

// func measureLanesAVX2(l *laned, values []float64)
//
// What measureLanesSimply does, operation by operation, for the four lanes at
// once: Y0 and Y1 are the totals' parts, Y2 the least and Y3 the highest values.
// An instruction writes its last operand; VSUBPD b, a, c is c = a - b, and of
// equal values VMINPD and VMAXPD keep their first operand, what is there already.
TEXT ·measureLanesAVX2(SB), NOSPLIT, $0-32
	MOVQ         l+0(FP), DI
	MOVQ         values_base+8(FP), SI
	MOVQ         values_len+16(FP), CX
	VXORPD       Y0, Y0, Y0
	VXORPD       Y1, Y1, Y1
	VBROADCASTSD (SI), Y2
	VMOVAPD      Y2, Y3
	SHRQ         $2, CX

row:
	VMOVUPD (SI), Y4
	VADDPD  Y4, Y0, Y5 // t := hi + x
	VSUBPD  Y0, Y5, Y6 // b := t - hi
	VSUBPD  Y6, Y5, Y7 // t - b
	VSUBPD  Y7, Y0, Y7 // hi - (t - b)
	VSUBPD  Y6, Y4, Y6 // x - b
	VADDPD  Y6, Y7, Y7
	VADDPD  Y7, Y1, Y1 // lo += (hi - (t - b)) + (x - b)
	VMOVAPD Y5, Y0     // hi = t
	VMINPD  Y2, Y4, Y2
	VMAXPD  Y3, Y4, Y3
	ADDQ    $32, SI
	DECQ    CX
	JNZ     row

	VMOVUPD Y0, 0(DI)
	VMOVUPD Y1, 32(DI)
	VMOVUPD Y2, 64(DI)
	VMOVUPD Y3, 96(DI)
	VZEROUPPER
	RET
