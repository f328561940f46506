//! The Debian package.

use dirql_lab::{Result, deb};
use std::fs;

use crate::cargo::root;

/// Makes it, and says where it is.
pub fn run() -> Result<()> {
    let built = deb::build()?;
    let target = root().join("target/dirql.deb");
    fs::create_dir_all(root().join("target"))?;
    fs::copy(built, &target)?;
    println!("{}", target.display());
    Ok(())
}
