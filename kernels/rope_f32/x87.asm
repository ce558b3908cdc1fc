; void rope_f32_x87(const struct rope_f32_args* args)
;                   rdi
; FSINCOS reduces with a pi of 66 bits: at 2^20 it is off by less than 2^-44.
global rope_f32_x87

%define Y         rdi
%define X         rdi + 8
%define FREQUENCY rdi + 16
%define POSITIONS rdi + 24
%define SCRATCH   rdi + 32
%define LDY       rdi + 40
%define LDX       rdi + 48
%define TOKENS    rdi + 56
%define HEADS     rdi + 64
%define D         rdi + 72
%define ROTATED   rdi + 80
%define SCALE     rdi + 88
%define HALVES    rdi + 92

section .text
rope_f32_x87:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     r11, [TOKENS]
        mov     r10, [POSITIONS]
        mov     r14, [Y]
        mov     r15, [X]
        mov     rsi, [SCRATCH]
        mov     rdx, [ROTATED]
        mov     r12d, 4                 ; from the first of a pair to the second
        mov     r13d, 8                 ; from a pair to the next
        cmp     dword [HALVES], 0
        je      .paired
        lea     r12, [2*rdx]
        mov     r13d, 4
.paired:
        shr     rdx, 1
        test    r11, r11
        jz      .done
.token:
        mov     eax, [r10]              ; unsigned
        mov     [rsp - 8], rax
        fild    qword [rsp - 8]
        mov     rax, [FREQUENCY]
        xor     ecx, ecx
        test    rdx, rdx
        jz      .table_done
.table:
        fld     qword [rax + 8*rcx]
        fmul    st0, st1
        fsincos                         ; cos sin position
        fmul    dword [SCALE]
        fstp    dword [rsi + 8*rcx]
        fmul    dword [SCALE]
        fstp    dword [rsi + 8*rcx + 4]
        inc     rcx
        cmp     rcx, rdx
        jb      .table
.table_done:
        fstp    st0

        mov     rbx, [HEADS]
        mov     r8, r14
        mov     r9, r15
        test    rbx, rbx
        jz      .heads_done
.head:
        mov     rax, r9                 ; of the pair
        mov     rbp, r8
        xor     ecx, ecx
        test    rdx, rdx
        jz      .copy
.pair:
        fld     dword [rax]
        fld     dword [rax + r12]
        fld     dword [rsi + 8*rcx]
        fld     dword [rsi + 8*rcx + 4] ; s c b a
        fld     st3
        fmul    st0, st2
        fld     st3
        fmul    st0, st2
        fsubp   st1, st0                ; ac - bs, s c b a
        fstp    dword [rbp]
        fmulp   st3, st0                ; c b as
        fmulp   st1, st0
        faddp   st1, st0
        fstp    dword [rbp + r12]
        add     rax, r13
        add     rbp, r13
        inc     rcx
        cmp     rcx, rdx
        jb      .pair
.copy:
        lea     rcx, [2*rdx]
.copy_one:
        cmp     rcx, [D]
        jae     .head_done
        mov     eax, [r9 + 4*rcx]
        mov     [r8 + 4*rcx], eax
        inc     rcx
        jmp     .copy_one
.head_done:
        mov     rax, [D]
        lea     r8, [r8 + 4*rax]
        lea     r9, [r9 + 4*rax]
        dec     rbx
        jnz     .head
.heads_done:
        mov     rax, [LDY]
        lea     r14, [r14 + 4*rax]
        mov     rax, [LDX]
        lea     r15, [r15 + 4*rax]
        add     r10, 4
        dec     r11
        jnz     .token
.done:
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
