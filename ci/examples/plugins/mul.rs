// A plug-in in Rust: mul_f32, and the tables of include/assay/plugin.h.
// rustc -O --crate-type cdylib -C target-feature=+avx2,+fma mul.rs -o mul.so
#![allow(non_camel_case_types)]
use std::os::raw::c_char;

type any_fn = unsafe extern "C" fn();

#[repr(C)]
pub struct assay_variant {
    kernel: *const c_char,
    label: *const c_char,
    contract: u32,
    features: *const c_char,
    run: Option<any_fn>,
    pack: Option<any_fn>,
    layout: *const c_char,
    flags: u32,
    claim: *const c_char,
    prepare: Option<unsafe extern "C" fn() -> *const c_char>,
}

#[repr(C)]
pub struct assay_plugin {
    abi: u32,
    size: u32,
    name: *const c_char,
    version: *const c_char,
    license: *const c_char,
    variants: *const assay_variant,
    count: usize,
    files: *const *const c_char,
}

/// z[i] = x[i] * y[i]; z may be x or y, so these are no slices.
unsafe extern "C" fn mul(z: *mut f32, x: *const f32, y: *const f32, n: usize) {
    for i in 0..n {
        *z.add(i) = *x.add(i) * *y.add(i);
    }
}

macro_rules! text {
    ($text:literal) => {
        concat!($text, "\0").as_ptr() as *const c_char
    };
}

/// Called once; what it returns stays as it is, so it is given away.
#[no_mangle]
pub extern "C" fn assay_plugin_v1(_argument: *const c_char) -> *const assay_plugin {
    let run: any_fn = unsafe { std::mem::transmute(mul as unsafe extern "C" fn(*mut f32, *const f32, *const f32, usize)) };
    let variants = Box::leak(Box::new([assay_variant {
        kernel: text!("mul_f32"),
        label: text!("loop"),
        contract: 1,
        features: text!("avx2,fma"),
        run: Some(run),
        pack: None,
        layout: std::ptr::null(),
        flags: 0,
        claim: std::ptr::null(),
        prepare: None,
    }]));
    Box::leak(Box::new(assay_plugin {
        abi: 1,
        size: std::mem::size_of::<assay_plugin>() as u32,
        name: text!("rust"),
        version: text!("1.0"),
        license: text!("MIT"),
        variants: variants.as_ptr(),
        count: variants.len(),
        files: std::ptr::null(),
    }))
}
