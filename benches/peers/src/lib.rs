//! Rates of dirql's network drivers beside those of DPDK and of the kernel, in one boot of the lab's machine.
//!
//! In reading order: [`nic`] has what is driven, [`contender`] who drives, and [`said`] what they say of it; [`window`] and
//! [`inside`] what is seen meanwhile, outside and in the guest, and [`host`] how busy the host is; [`sample`] is one
//! contender on one NIC; [`plan`] goes over all of them, in rounds; [`summary`] has the medians and ratios, and
//! [`results`], [`table`] and [`chart`] show them.
#![forbid(unsafe_code)]

pub mod chart;
pub mod contender;
pub mod host;
pub mod inside;
pub mod nic;
pub mod plan;
pub mod results;
pub mod said;
pub mod sample;
pub mod summary;
pub mod table;
pub mod window;

pub use plan::Options;

use dirql_lab::{Result, programs};
use std::fs;

/// Measures, prints the tables, and leaves them with a picture and all figures in `bench/peers` of cargo's target directory.
pub fn run(options: &Options) -> Result<()> {
    dirql_lab::prepare()?;
    let directory = programs::build()?.target.join("bench/peers");
    fs::create_dir_all(&directory)?;
    let results = plan::run(options)?;
    let table = table::of(&results);
    fs::write(directory.join("peers.json"), serde_json::to_vec_pretty(&results)?)?;
    fs::write(directory.join("peers.md"), &table)?;
    fs::write(directory.join("peers.svg"), chart::of(&results.rates))?;
    println!("\n{table}\nin {}: peers.json, peers.md, peers.svg", directory.display());
    if results.failures.is_empty() { Ok(()) } else { Err("not every contender could be measured".into()) }
}
