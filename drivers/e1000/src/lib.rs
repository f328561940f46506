//! The Intel 82540EM, the e1000 of emulators, in safe Rust.
#![forbid(unsafe_code)]

pub mod descriptor;
pub mod eeprom;
pub mod link;
pub mod quiesce;
pub mod register;
