; void attention_x87(const attention_args* args)
;                                          rdi
;
; One head of one query after the other. r8: its q; r9: a row of keys or values; r10: that row as floats; r11: totals as doubles;
; r12: scores; r13: number of a key; r14: bytes from a row to the next; r15: out; rbx .. rbp: the visible keys.
; On the stack: the query, its head, and whether it sees nothing. Sums have 64-bit mantissas.
%include "kernels/shared/x87.inc"

%define OUT       rdi
%define Q         rdi + 8
%define K         rdi + 16
%define V         rdi + 24
%define STATS     rdi + 32
%define SCRATCH   rdi + 40
%define LDO       rdi + 48
%define LDQ       rdi + 56
%define LDK       rdi + 64
%define LDV       rdi + 72
%define N_Q       rdi + 80
%define POS       rdi + 88
%define D         rdi + 96
%define GROUP     rdi + 104
%define WINDOW    rdi + 112
%define KEY_BEGIN rdi + 120
%define KEY_END   rdi + 128
%define SCALE     rdi + 136
%define SOFTCAP   rdi + 140

%define QUERY     rsp
%define HEAD      rsp + 8
%define NOTHING   rsp + 16

global attention_x87
section .text
; The row at r9 as floats to r10. Changes rax, rcx, rdx and rsi.
convert_row:
        sub     rsp, 8
        xor     ecx, ecx
%ifdef LAYOUT_f16
.element:
        movzx   eax, word [r9 + 2*rcx]
        call    push_half
        fstp    dword [r10 + 4*rcx]
        inc     rcx
        cmp     rcx, [D]
        jb      .element
%else
        mov     rsi, r9
.block:
        movzx   eax, word [rsi]
        call    push_half               ; the scale
        add     rsi, 2
.element:
        movsx   eax, byte [rsi]
        mov     [rsp - 4], eax
        fild    dword [rsp - 4]
        fmul    st0, st1
        fstp    dword [r10 + 4*rcx]
        inc     rsi
        inc     rcx
        test    ecx, 31
        jnz     .element
        fstp    st0
        cmp     rcx, [D]
        jb      .block
%endif
        add     rsp, 8
        ret

; st0 = c tanh(st0 / c), c = SOFTCAP, as in softcap_f32/x87.asm.
cap_score:
        fucomi  st0, st0
        jp      .done                   ; a NaN stays
        fld     dword [SOFTCAP]         ; c s
        fldl2e
        fadd    st0, st0
        fdiv    st0, st1                ; 2 log2(e) / c
        fld     st2
        fabs
        fmulp   st1, st0                ; u c s
        fld     dword [rel most]
        fucomip st0, st1
        jbe     .cap                    ; u >= 64: tanh is 1
        fld     st0
        frndint                         ; n u c s
        fsub    st1, st0
        fxch    st1
        f2xm1
        fscale                          ; 2^n (2^f - 1), n c s
        fxch    st1
        fld1
        fscale
        fstp    st1                     ; 2^n, 2^n (2^f - 1), c s
        fld1
        fsubp   st1, st0
        faddp   st1, st0                ; E c s
        fld     st0
        fadd    dword [rel two]
        fdivp   st1, st0
        fmulp   st1, st0                ; c E / (E + 2), s
        jmp     .sign
.cap:
        fstp    st0                     ; c s
.sign:
        fldz
        fcomip  st0, st2                ; is s under 0?
        fstp    st1
        jbe     .done
        fchs
.done:
        ret

attention_x87:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        sub     rsp, 24
        mov     r10, [SCRATCH]
        mov     rax, [D]
        add     rax, 15
        and     rax, -16                ; padded(d)
        mov     r11, rax
        shl     r11, 7                  ; behind a block
        add     r11, r10
        lea     r12, [r11 + 8*rax]
        mov     qword [QUERY], 0

.query:
        mov     rax, [QUERY]
        cmp     rax, [N_Q]
        jae     .end
        mov     r8, [LDQ]
        imul    r8, rax
        shl     r8, 2
        add     r8, [Q]
        mov     r15, [LDO]
        imul    r15, rax
        shl     r15, 2
        add     r15, [OUT]
; The keys that it sees.
        add     rax, [POS]
        inc     rax
        xor     ebx, ebx
        mov     rdx, [WINDOW]
        test    rdx, rdx
        jz      .all
        cmp     rax, rdx
        jbe     .all
        mov     rbx, rax
        sub     rbx, rdx
.all:
        cmp     rbx, [KEY_BEGIN]
        cmovb   rbx, [KEY_BEGIN]
        mov     rbp, rax
        cmp     rbp, [KEY_END]
        cmova   rbp, [KEY_END]
        cmp     rbx, rbp
        cmova   rbx, rbp
        mov     qword [HEAD], 0

.head:
; Scores and the largest of them; a NaN fails every comparison and is met by the sum.
        fld     dword [rel minus_inf]   ; largest
        mov     r14, [LDK]
        mov     r9, r14
        imul    r9, rbx
        add     r9, [K]
        mov     r13, rbx
        jmp     .next_key
.key:
        call    convert_row
        fldz
        fldz
        xor     eax, eax
        mov     rcx, [D]
        shr     rcx, 1
        jz      .dot_tail
.dot:
        fld     dword [r8 + 4*rax]
        fmul    dword [r10 + 4*rax]
        faddp   st1, st0
        fld     dword [r8 + 4*rax + 4]
        fmul    dword [r10 + 4*rax + 4]
        faddp   st2, st0
        add     rax, 2
        dec     rcx
        jnz     .dot
.dot_tail:
        cmp     rax, [D]
        jae     .dot_done
        fld     dword [r8 + 4*rax]
        fmul    dword [r10 + 4*rax]
        faddp   st1, st0
.dot_done:
        faddp   st1, st0
        fmul    dword [SCALE]
        cmp     dword [SOFTCAP], 0
        je      .no_cap
        call    cap_score
.no_cap:
        mov     rax, r13
        sub     rax, rbx
        fstp    dword [r12 + 4*rax]
        fld     dword [r12 + 4*rax]     ; as rounded, so that no difference to the largest is over 0
        fcomi   st0, st1
        fcmovbe st0, st1                ; below, equal or unordered: keep the largest
        fstp    st1
        add     r9, r14
        inc     r13
.next_key:
        cmp     r13, rbp
        jb      .key

; 2^(w + 64), 2^w = 2^k * 2^f with k = rint(w) and f in [-1/2, 1/2], which F2XM1 takes. 2^k is made as a double in the red zone.
        mov     qword [NOTHING], 0
        fld     st0
        fld     dword [rel minus_inf]
        fcomip  st0, st1
        jne     .some
        mov     qword [NOTHING], 1
        fstp    st0
        fldz                            ; -Inf less -Inf would be NaN
.some:
        fldl2e
        fldz
        fld     dword [rel floor]       ; floor sum log2(e) zero largest
        xor     eax, eax
        mov     rsi, rbp
        sub     rsi, rbx
        jz      .summed
.exp:
        fld     dword [r12 + 4*rax]
        fsub    st0, st4
        fmul    st0, st3                ; w floor sum log2(e) zero largest
        fcomi   st0, st1
        fcmovb  st0, st1                ; below, and unordered too ...
        jp      .nan                    ; ... but that is a NaN to keep
        fist    dword [rsp - 8]
        mov     ecx, [rsp - 8]
        fisub   dword [rsp - 8]         ; f
        add     ecx, 1023 + 64
        shl     rcx, 52
        f2xm1
        mov     [rsp - 16], rcx
        fld1
        faddp   st1, st0
        fmul    qword [rsp - 16]
.sum:
        fadd    st2, st0
        fstp    dword [r12 + 4*rax]
        inc     rax
        cmp     rax, rsi
        jb      .exp
.summed:
        fstp    st0
        fstp    st1
        fstp    st1                     ; sum largest
        cmp     qword [NOTHING], 0
        je      .stats
        fldz
        fmulp   st1, st0                ; 0, or NaN if a score is
.stats:
        mov     rdx, [STATS]
        test    rdx, rdx
        jz      .no_stats
        mov     rax, [QUERY]
        imul    rax, [GROUP]
        add     rax, [HEAD]
        fld     st1
        fstp    dword [rdx + 8*rax]
        fld     st0
        fmul    dword [rel two_to_minus_64]
        fstp    dword [rdx + 8*rax + 4]
.no_stats:
        fstp    st1
        cmp     qword [NOTHING], 0
        jne     .weigh                  ; the factor is what the sum is
        fld1
        fdivrp  st1, st0                ; factor

.weigh:
        xor     eax, eax
.zero:
        mov     qword [r11 + 8*rax], 0
        inc     rax
        cmp     rax, [D]
        jb      .zero
        mov     r14, [LDV]
        mov     r9, r14
        imul    r9, rbx
        add     r9, [V]
        mov     r13, rbx
        jmp     .next_value
.value:
        call    convert_row
        mov     rax, r13
        sub     rax, rbx
        fld     dword [r12 + 4*rax]     ; weight factor
        xor     eax, eax
.column:
        fld     dword [r10 + 4*rax]
        fmul    st0, st1
        fadd    qword [r11 + 8*rax]
        fstp    qword [r11 + 8*rax]
        inc     rax
        cmp     rax, [D]
        jb      .column
        fstp    st0
        add     r9, r14
        inc     r13
.next_value:
        cmp     r13, rbp
        jb      .value
        xor     eax, eax
.out:
        fld     qword [r11 + 8*rax]
        fmul    st0, st1
        fstp    dword [r15 + 4*rax]
        inc     rax
        cmp     rax, [D]
        jb      .out
        fstp    st0

        mov     rax, [D]
        lea     r8, [r8 + 4*rax]
        lea     r15, [r15 + 4*rax]
        inc     qword [HEAD]
        mov     rax, [HEAD]
        cmp     rax, [GROUP]
        jb      .head
        inc     qword [QUERY]
        jmp     .query

.end:
        add     rsp, 24
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret
.nan:
        fstp    st0
        fld     dword [r12 + 4*rax]
        fsub    st0, st4                ; NaN, or Inf less Inf
        jmp     .sum

section .rodata
minus_inf:       dd 0xff800000
floor:           dd -200.0
most:            dd 64.0
two:             dd 2.0
two_to_minus_64: dd 0x1f800000

section .note.GNU-stack noalloc noexec nowrite progbits
