//! DPDK's `testpmd`: Debian's packages, unpacked in the cache and installed nowhere. A guest that sees them by
//! [`MachineBuilder::directory`](crate::MachineBuilder::directory) starts it by its own loader, with its own libraries.

use crate::{Result, package};
use std::fs;
use std::path::{Path, PathBuf};

/// The package that holds the program.
const PACKAGE: &str = "dpdk-dev";
/// The drivers of our NICs, which it does not depend on.
const DRIVERS: [&str; 2] = ["librte-net-e1000-", "librte-net-virtio"];
/// Debian's directory of libraries.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// The program and all that it is linked to, below one directory.
pub fn unpacked() -> Result<PathBuf> {
    package::assembled("testpmd", PACKAGE, packages)
}

/// The words that start it in a guest that sees [`unpacked`] as this directory.
pub fn command(unpacked: &Path, inside: &str) -> Result<String> {
    let plugins = fs::read_dir(unpacked.join(LIBRARIES).join("dpdk"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.starts_with("pmds-"))
        .ok_or("DPDK's drivers have no directory of their own")?;
    let libraries = format!("{inside}/{LIBRARIES}:{inside}/lib/x86_64-linux-gnu");
    Ok(format!(
        "{inside}/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 --library-path {libraries} {inside}/usr/bin/dpdk-testpmd \
         -d {inside}/{LIBRARIES}/dpdk/{plugins}"
    ))
}

fn packages() -> Result<Vec<String>> {
    let direct = package::direct_dependencies(PACKAGE)?;
    // Headers and scripts are not needed, and what they depend on is a lot.
    let libraries = direct.into_iter().filter(|name| !name.ends_with("-dev") && !name.starts_with("python"));
    let mut wanted: Vec<String> = libraries.collect();
    // All of its libraries carry the number of its binary interface in their names.
    let version = wanted
        .iter()
        .find_map(|name| name.strip_prefix("librte-eal"))
        .ok_or_else(|| format!("{PACKAGE} depends on no librte-eal"))?
        .to_owned();
    wanted.extend(DRIVERS.iter().map(|driver| format!("{driver}{version}")));
    let mut all = package::dependencies(&wanted)?;
    all.retain(|name| ["lib", "zlib", "ibverbs"].iter().any(|start| name.starts_with(start)));
    all.push(PACKAGE.to_owned());
    Ok(all)
}
