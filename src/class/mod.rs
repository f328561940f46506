//! What a driver offers to a program, whatever the device: one small trait a class.
//!
//! What is counted of a class is read while the program uses it: see [`Meter`].

pub mod display;
mod meter;
pub mod net;
pub mod random;

pub use meter::{Counters, Meter, MeterReader, WORDS};
