//! The library's own source files, model-checked. `README.md` tells how it works.
#![cfg(test)]

mod lock;
mod synchronize;
