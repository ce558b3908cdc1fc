; assay_checked_call: calls a kernel as the System V ABI lets a hostile caller do, and records what it left behind.
; Entered with the kernel's own arguments in their registers; the layout of CallState is in checked_call.h.
; The idea is checkasm's (the test harness of x264, FFmpeg and dav1d); the ABI: System V AMD64, section 3.2.
default rel

global assay_call_state
global assay_checked_call
global assay_checked_call_return

%define TARGET          0
%define INTEGERS        8
%define FLOATS          16
%define VECTORS         24
%define GARBAGE         32              ; 16 words
%define CALLERS         160             ; 7 words
%define CALLERS_MXCSR   216
%define CALLERS_X87     220
%define AFTER           224             ; 7 words
%define EXPECTED_RSP    280
%define FLAGS           288
%define IN_USE          296
%define CANARY          304
%define RESULT_RAX      312
%define MXCSR           320
%define X87             324             ; 28 bytes
%define STACK           352             ; 0: the caller's
%define UPPER_YMM       384             ; 16 x 16 bytes
%define UPPER_ZMM       640             ; 16 x 32 bytes
%define RESULT_XMM      1152

%define HAS_YMM         1
%define HAS_ZMM         2
%define HAS_XGETBV1     4
%define SINGLE_STEP     8

%define CANARY_BYTES    256
%define FRAME           (CANARY_BYTES + 8)      ; keeps rsp a multiple of 16 at the call

%macro state 1                          ; the address of this thread's CallState, flags untouched
        mov     %1, [rel assay_call_state wrt ..gottpoff]
        add     %1, [fs:0]
%endmacro

section .text
assay_checked_call:
        state   rax
        mov     [rax + CALLERS], rbx
        mov     [rax + CALLERS + 8], rbp
        mov     [rax + CALLERS + 16], r12
        mov     [rax + CALLERS + 24], r13
        mov     [rax + CALLERS + 32], r14
        mov     [rax + CALLERS + 40], r15
        mov     [rax + CALLERS + 48], rsp
        stmxcsr [rax + CALLERS_MXCSR]
        fnstcw  [rax + CALLERS_X87]
        mov     r11, [rax + STACK]      ; its end is a multiple of 16; the caller's is 8 more
        test    r11, r11
        jz      .own_stack
        lea     rsp, [r11 - 8]
.own_stack:
        sub     rsp, FRAME
        mov     [rax + EXPECTED_RSP], rsp

        ; The words above the return address are the caller's: canaries.
        mov     r11, [rax + GARBAGE]
        xor     r10d, r10d
.canary:
        mov     [rsp + 8*r10], r11
        inc     r10d
        cmp     r10d, CANARY_BYTES / 8
        jb      .canary

        ; Vector registers that hold no argument: garbage; the upper halves are clean, as the ABI promises.
        test    byte [rax + VECTORS], HAS_YMM
        jz      .floats
        vzeroupper
        test    byte [rax + VECTORS], HAS_ZMM
        jz      .floats
%assign i 16
%rep 16
        vmovups zmm %+ i, [rax + GARBAGE]
%assign i i+1
%endrep
%assign i 1
%rep 7
        kmovq   k %+ i, [rax + GARBAGE + 8*i]
%assign i i+1
%endrep
.floats:
        ; A float argument is the lowest lane alone: what lies above it in the register is garbage.
%assign i 0
%rep 8
        cmp     qword [rax + FLOATS], i
        jbe     .arguments_done
        movups  xmm15, [rax + GARBAGE]
        movss   xmm15, xmm %+ i
        movaps  xmm %+ i, xmm15
%assign i i+1
%endrep
.arguments_done:
%assign i 15
%rep 16
        cmp     qword [rax + FLOATS], i
        ja      .floats_done
        movups  xmm %+ i, [rax + GARBAGE + 8*(i % 14)]
%assign i i-1
%endrep
.floats_done:

        ; Integer argument registers that hold none.
%assign i 5
%rep 6
        cmp     qword [rax + INTEGERS], i
        ja      .integers_done
  %if i == 5
        mov     r9, [rax + GARBAGE + 8]
  %elif i == 4
        mov     r8, [rax + GARBAGE + 16]
  %elif i == 3
        mov     rcx, [rax + GARBAGE + 24]
  %elif i == 2
        mov     rdx, [rax + GARBAGE + 32]
  %elif i == 1
        mov     rsi, [rax + GARBAGE + 40]
  %else
        mov     rdi, [rax + GARBAGE + 48]
  %endif
%assign i i-1
%endrep
.integers_done:
        mov     rbx, [rax + GARBAGE + 56]
        mov     rbp, [rax + GARBAGE + 64]
        mov     r12, [rax + GARBAGE + 72]
        mov     r13, [rax + GARBAGE + 80]
        mov     r14, [rax + GARBAGE + 88]
        mov     r15, [rax + GARBAGE + 96]
        mov     r10, [rax + GARBAGE + 104]
        ; Called through memory, so that no register happens to hold the kernel's address.
        mov     r11, [rax + TARGET]
        mov     [rsp - 16], r11
        mov     r11, [rax + GARBAGE + 120]
        test    byte [rax + VECTORS], SINGLE_STEP
        jz      .call
        pushfq
        or      dword [rsp], 0x100      ; TF: a SIGTRAP after each instruction
        popfq
.call:
        mov     rax, [rax + GARBAGE + 112]
        call    [rsp - 16]
assay_checked_call_return:
        ; First what costs no flag and no vector register; rax and xmm0 may hold the result.
        mov     r11, rax
        state   rax
        mov     [rax + RESULT_RAX], r11
        movups  [rax + RESULT_XMM], xmm0
        mov     [rax + AFTER + 48], rsp
        mov     rsp, [rax + EXPECTED_RSP]
        pushfq
        pop     r11
        mov     [rax + FLAGS], r11
        cld
        test    byte [rax + VECTORS], SINGLE_STEP
        jz      .stepped
        pushfq
        and     dword [rsp], ~0x100
        popfq
.stepped:
        mov     [rax + AFTER], rbx
        mov     [rax + AFTER + 8], rbp
        mov     [rax + AFTER + 16], r12
        mov     [rax + AFTER + 24], r13
        mov     [rax + AFTER + 32], r14
        mov     [rax + AFTER + 40], r15
        stmxcsr [rax + MXCSR]
        fnstenv [rax + X87]
        fninit                          ; also empties what was left
        fldcw   [rax + CALLERS_X87]
        ldmxcsr [rax + CALLERS_MXCSR]

        mov     r8, [rax + VECTORS]
        mov     r9, rax
        test    r8, HAS_XGETBV1
        jz      .in_use_done
        mov     ecx, 1
        xgetbv
        mov     [r9 + IN_USE], eax
        mov     [r9 + IN_USE + 4], edx
.in_use_done:
        test    r8, HAS_YMM
        jz      .upper_done
%assign i 0
%rep 16
        vextractf128 [r9 + UPPER_YMM + 16*i], ymm %+ i, 1
%assign i i+1
%endrep
        test    r8, HAS_ZMM
        jz      .clean
%assign i 0
%rep 16
        vextractf64x4 [r9 + UPPER_ZMM + 32*i], zmm %+ i, 1
%assign i i+1
%endrep
.clean:
        vzeroupper
.upper_done:
        mov     r11, [r9 + GARBAGE]
        xor     r10d, r10d
        xor     ecx, ecx
.check_canary:
        cmp     [rsp + 8*r10], r11
        jne     .next
        inc     ecx
.next:
        inc     r10d
        cmp     r10d, CANARY_BYTES / 8
        jb      .check_canary
        mov     [r9 + CANARY], rcx

        mov     rbx, [r9 + CALLERS]
        mov     rbp, [r9 + CALLERS + 8]
        mov     r12, [r9 + CALLERS + 16]
        mov     r13, [r9 + CALLERS + 24]
        mov     r14, [r9 + CALLERS + 32]
        mov     r15, [r9 + CALLERS + 40]
        mov     rax, [r9 + RESULT_RAX]
        movups  xmm0, [r9 + RESULT_XMM]
        mov     rsp, [r9 + CALLERS + 48]
        ret

; One for each thread. Here, as NASM marks an external symbol as no thread-local one.
section .tbss
alignb 64
assay_call_state:
        resb    RESULT_XMM + 64

section .note.GNU-stack noalloc noexec nowrite progbits
