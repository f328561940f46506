//! What a driver offers to a program, whatever the device: one small trait a class.

pub mod display;
pub mod net;
pub mod random;
