; The matmul family: integers in general registers, the scales on the x87 stack. One row and token after the other, from the
; layout of layout.h.
;
; void matmul_x87(const matmul_args*): rdi
global matmul_x87

; struct matmul_args
%define ARG_Y         0
%define ARG_PACKED    8
%define ARG_X         16
%define ARG_BIAS      24
%define ARG_LDY       40
%define ARG_COLS      56
%define ARG_TOKENS    64
%define ARG_ROW_BEGIN 72
%define ARG_ROW_END   80

; What layout.h says of the layout.
%ifdef LAYOUT_km2
  %define SUB 16
  %define HALVES_OF_BYTES
%elifdef LAYOUT_k3
  %define SUB 16
%elifdef LAYOUT_k6
  %define SUB 16
%elifdef LAYOUT_km4
  %define SUB 32
%elifdef LAYOUT_km5
  %define SUB 32
%elifdef LAYOUT_kt4
  %define SUB 32
%endif
%ifdef SUB
  %define Q8_K
  %assign PAIRS 128 / SUB
%elifdef LAYOUT_k1
  %define Q8_K
  %define TRITS
%elifdef LAYOUT_k2
  %define Q8_K
%elifdef LAYOUT_t2
  %define I8_S
%endif
%ifdef LAYOUT_umf4
  %define MINIMA
%elifdef LAYOUT_um4
  %define MINIMA
%elifdef LAYOUT_um5
  %define MINIMA
%elifdef LAYOUT_km2
  %define MINIMA
%elifdef LAYOUT_km4
  %define MINIMA
%elifdef LAYOUT_km5
  %define MINIMA
%endif
%ifdef LAYOUT_uf8
  %define FLOAT_SCALES
%elifdef LAYOUT_uf4
  %define FLOAT_SCALES
%elifdef LAYOUT_umf4
  %define FLOAT_SCALES
%endif
%ifdef LAYOUT_ut4
  %define TABLE
%elifdef LAYOUT_ue4
  %define TABLE
%elifdef LAYOUT_kt4
  %define TABLE
%endif

%assign X_COLUMNS 32
%assign X_BYTES 34
%assign X_CODES 2                       ; where they are in a block of x
%ifdef Q8_K
  %assign X_COLUMNS 256
  %assign X_BYTES 292
  %assign X_CODES 4
%endif
%assign COLUMNS X_COLUMNS
%ifdef LAYOUT_u1
  %assign COLUMNS 128
%elifdef I8_S
  %assign COLUMNS 128
  %assign X_CODES 8                     ; of the row, which is one block
%elifdef LAYOUT_u2
  %assign COLUMNS 64
%endif
%assign X_OF_BLOCK COLUMNS / X_COLUMNS

%if LAYOUT_BITS == 8
  %assign LOW_BITS 8
%elif LAYOUT_BITS >= 4
  %assign LOW_BITS 4
%elif LAYOUT_BITS == 3
  %assign LOW_BITS 2
%else
  %assign LOW_BITS LAYOUT_BITS
%endif
%assign HIGH_BITS LAYOUT_BITS - LOW_BITS
%assign CHUNK_BYTES 64 * LAYOUT_BITS
%ifdef TRITS
  %assign BLOCK_CODES 64 * 13
%else
  %assign BLOCK_CODES COLUMNS / 32 * CHUNK_BYTES
%endif

%ifdef FLOAT_SCALES
  %assign SCALE_BYTES 4                 ; of a row
%else
  %assign SCALE_BYTES 2
%endif
%assign MINIMUM_AT 16 * SCALE_BYTES
%assign SUB_SCALES_AT MINIMUM_AT
%ifdef MINIMA
  %assign SUB_SCALES_AT 2 * MINIMUM_AT
%endif
%assign SUB_MINIMA_AT SUB_SCALES_AT
%assign BLOCK_SCALES SUB_SCALES_AT
%ifdef I8_S
  %assign BLOCK_SCALES 0
%endif
%ifdef SUB
  %ifndef HALVES_OF_BYTES
    %assign SUB_MINIMA_AT SUB_SCALES_AT + 32 * PAIRS
  %endif
  %assign BLOCK_SCALES SUB_SCALES_AT + 32 * PAIRS
  %ifdef MINIMA
    %assign BLOCK_SCALES SUB_MINIMA_AT + 32 * PAIRS
  %endif
%endif

%ifdef MINIMA
  %assign ZERO 0
%elifdef LAYOUT_ue4
  %assign ZERO 0                        ; the table has the values
%elifdef TABLE
  %assign ZERO 0
%elifdef TRITS
  %assign ZERO 1
%elif LAYOUT_BITS <= 2
  %assign ZERO 1
%else
  %assign ZERO 1 << (LAYOUT_BITS - 1)
%endif

%include "kernels/shared/x87.inc"

%ifdef TABLE
section .rodata
table:
  %ifdef LAYOUT_ue4
        db      0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12
  %else
        db      -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
  %endif
section .text
%endif

; On the stack
%define COUNT         rsp               ; pairs or chunks left
%define PARTS         rsp + 4           ; of x in a block of weights
%define SUM_OF_X      rsp + 8           ; since a scale began
%define MINIMA_TOTAL  rsp + 12
%assign FRAME 24                        ; aligned for the calls

; r8d += (eax - ZERO) * the activation at rsi + %1. Changes eax and edx.
%macro ADD_PRODUCT 1
        movsx   edx, byte [rsi + %1]
%ifdef MINIMA
        add     [SUM_OF_X], edx
%endif
%if ZERO != 0
        sub     eax, ZERO
%endif
        imul    eax, edx
        add     r8d, eax
%endmacro

; The groups %2 .. %2 + %3 - 1 of chunk %1 from rcx, times the activations at rsi.
%macro ADD_GROUPS 3
%assign i %2
%rep %3
%assign k 0
%rep 4
        movzx   eax, byte [rcx + %1 * CHUNK_BYTES + i * LOW_BITS / 8 * 64 + k]
%if i * LOW_BITS % 8 != 0
        shr     eax, i * LOW_BITS % 8
%endif
%if LOW_BITS < 8
        and     eax, (1 << LOW_BITS) - 1
%endif
%if HIGH_BITS != 0
        movzx   r10d, byte [rcx + %1 * CHUNK_BYTES + (LOW_BITS + i * HIGH_BITS / 8) * 64 + k]
        shr     r10d, i * HIGH_BITS % 8
        and     r10d, (1 << HIGH_BITS) - 1
        shl     r10d, LOW_BITS
        or      eax, r10d
%endif
%ifdef LAYOUT_u1
        add     eax, eax                ; the code 0 or 2
%endif
%ifdef TABLE
        lea     r10, [rel table]
        movsx   eax, byte [r10 + rax]
%endif
        ADD_PRODUCT 32 * %1 + 4 * i + k
%assign k k + 1
%endrep
%assign i i + 1
%endrep
%endmacro

; The next %1 chunks at rcx times the activations at rsi, which both go on behind them.
%macro ADD_CHUNKS 1
        mov     dword [COUNT], %1
%%chunk:
        ADD_GROUPS 0, 0, 8
        add     rcx, CHUNK_BYTES
        add     rsi, 32
        dec     dword [COUNT]
        jnz     %%chunk
%endmacro

; The first %1 groups of the vector of trits at rcx.
%macro ADD_TRITS 1
%assign k 0
%rep 4
        movzx   r10d, byte [rcx + k]
%assign n 0
%rep %1
        lea     r10d, [r10 + 2*r10]
        mov     eax, r10d
        shr     eax, 8
        movzx   r10d, r10b
        ADD_PRODUCT 4 * n + k
%assign n n + 1
%endrep
%assign k k + 1
%endrep
        add     rcx, 64
        add     rsi, 4 * %1
%endmacro

; r11d += the sum in r8d times the integer scale %1 of the pair at r9, and the sums begin anew.
%macro TAKE_SUB 1
%ifdef HALVES_OF_BYTES
        movzx   eax, byte [r9 + %1]
        and     eax, 15
%else
        movsx   eax, byte [r9 + %1]
%endif
        imul    eax, r8d
        add     r11d, eax
        xor     r8d, r8d
%ifdef MINIMA
        movzx   eax, byte [r9 + SUB_MINIMA_AT - SUB_SCALES_AT + %1]
%ifdef HALVES_OF_BYTES
        shr     eax, 4
%endif
        imul    eax, [SUM_OF_X]
        add     [MINIMA_TOTAL], eax
        mov     dword [SUM_OF_X], 0
%endif
%endmacro

; Pushes the row's scale or minimum, which lies at rbx + %1.
%macro PUSH_NUMBER 1
%ifdef FLOAT_SCALES
        fld     dword [rbx + %1]
%else
        movzx   eax, word [rbx + %1]
%ifdef LAYOUT_ue4
        shl     eax, 16                 ; the upper half of a float
        mov     [rsp - 4], eax
        fld     dword [rsp - 4]
%else
        call    push_half
%endif
%endif
%endmacro

; Pushes the scale of the block of x whose codes end at rsi.
%macro PUSH_SCALE_OF_X 0
%ifdef Q8_K
        fld     dword [rsi - X_COLUMNS - X_CODES]
%else
        movzx   eax, word [rsi - X_COLUMNS - X_CODES]
        call    push_half
%endif
%endmacro

matmul_x87:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        sub     rsp, FRAME
        mov     rax, [rdi + ARG_COLS]
        xor     edx, edx
        mov     ecx, COLUMNS
        div     rcx
        mov     r12, rax                ; blocks
        imul    r13, r12, BLOCK_CODES + BLOCK_SCALES
        add     r13, 63
        and     r13, -64                ; bytes of a panel
        xor     r14d, r14d              ; token
.token:
        cmp     r14, [rdi + ARG_TOKENS]
        jae     .done
        mov     r15, [rdi + ARG_ROW_BEGIN]
.row:
        cmp     r15, [rdi + ARG_ROW_END]
        jae     .next_token
        mov     rcx, r15
        shr     rcx, 4
        imul    rcx, r13
        add     rcx, [rdi + ARG_PACKED] ; the panel
        imul    rbx, r12, BLOCK_CODES
        add     rbx, rcx                ; its scales
        mov     eax, r15d
        and     eax, 15
        lea     rbx, [rbx + SCALE_BYTES*rax] ; of this row
        lea     rcx, [rcx + 4*rax]      ; codes of this row
        mov     rsi, r14
%ifdef I8_S
        mov     rax, [rdi + ARG_COLS]
        add     rax, X_CODES
        imul    rsi, rax
%else
        imul    rsi, r12
        imul    rsi, rsi, X_OF_BLOCK * X_BYTES
%endif
        add     rsi, [rdi + ARG_X]      ; the token's blocks
        mov     rbp, r12
        fldz
        test    rbp, rbp
        jz      .store
%ifdef I8_S
        mov     r9, rsi
        add     rsi, X_CODES
        xor     r8d, r8d
.block:
        ADD_CHUNKS X_OF_BLOCK * X_COLUMNS / 32
        dec     rbp
        jnz     .block
        mov     [rsp - 4], r8d
        fild    dword [rsp - 4]
        fmul    dword [r9]
        faddp
%else
.block:
        mov     dword [PARTS], X_OF_BLOCK
.part:
        add     rsi, X_CODES
        xor     r8d, r8d
        mov     dword [SUM_OF_X], 0
        mov     dword [MINIMA_TOTAL], 0
%ifdef SUB
        xor     r11d, r11d
        lea     r9, [rbx + SUB_SCALES_AT]
        mov     dword [COUNT], PAIRS
.pair:
%if SUB == 16
        ADD_GROUPS 0, 0, 4
        TAKE_SUB 0
        ADD_GROUPS 0, 4, 4
%else
        ADD_GROUPS 0, 0, 8
        TAKE_SUB 0
        ADD_GROUPS 1, 0, 8
%endif
        TAKE_SUB 1
        add     r9, 32
        add     rcx, SUB / 16 * CHUNK_BYTES
        add     rsi, 2 * SUB
        dec     dword [COUNT]
        jnz     .pair
        mov     [rsp - 4], r11d
%else
%ifdef TRITS
        mov     dword [COUNT], 12
.vector:
        ADD_TRITS 5
        dec     dword [COUNT]
        jnz     .vector
        ADD_TRITS 4
%else
        ADD_CHUNKS X_COLUMNS / 32
%endif
        mov     [rsp - 4], r8d
%endif
        fild    dword [rsp - 4]
        PUSH_NUMBER 0
        PUSH_SCALE_OF_X
        fmulp
        fmulp
        faddp
%ifdef MINIMA
%ifdef SUB
        fild    dword [MINIMA_TOTAL]
        fchs
%else
        fild    dword [SUM_OF_X]
%endif
        PUSH_NUMBER MINIMUM_AT
        PUSH_SCALE_OF_X
        fmulp
        fmulp
        faddp
%endif
        add     rsi, X_BYTES - X_COLUMNS - X_CODES
        dec     dword [PARTS]
        jnz     .part
        add     rbx, BLOCK_SCALES
        dec     rbp
        jnz     .block
%endif
.store:
        mov     rax, [rdi + ARG_BIAS]
        test    rax, rax
        jz      .no_bias
        fadd    dword [rax + 4*r15]
.no_bias:
        mov     rax, r14
        imul    rax, [rdi + ARG_LDY]
        add     rax, r15
        mov     rdx, [rdi + ARG_Y]
        fstp    dword [rdx + 4*rax]
        inc     r15
        jmp     .row
.next_token:
        inc     r14
        jmp     .token
.done:
        add     rsp, FRAME
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
