//! The graphics adapter on its model: what is to be seen from outside decides.

mod common;
mod cursor;
mod displays;
mod fences;
mod hostile;
mod lifecycle;
mod memory;
mod pictures;
