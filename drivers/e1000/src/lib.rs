//! The Intel 82540EM, the e1000 of emulators, in safe Rust.
#![forbid(unsafe_code)]

pub mod descriptor;
pub mod register;
