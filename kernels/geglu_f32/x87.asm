; void geglu_f32_x87(float* z, const float* gate, const float* up, size_t n)
%define ACTIVATION geglu_f32_x87
%define GELU
%define GATED
%include "kernels/shared/x87_activations.inc"
