//! Displays, decided by who looks at their screens from outside.
//!
//! What should be there is computed here: the driver and the command are asked for noise of a seed, and [`pixels`] knows
//! what that is. Every suite runs on each row of [`rows`].

mod command;
mod flips;
mod life;
mod miniport;
mod monitors;
pub mod pixels;
pub mod rows;
mod screens;

use libtest_mimic::Trial;

/// Every test of displays.
pub fn tests() -> Vec<Trial> {
    [screens::tests(), monitors::tests(), command::tests(), flips::tests(), life::tests(), miniport::tests()]
        .into_iter()
        .flatten()
        .collect()
}
