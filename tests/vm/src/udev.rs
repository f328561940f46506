//! udev: Debian's packages, unpacked in the cache and installed nowhere. A guest that sees them by
//! [`MachineBuilder::directory`](crate::MachineBuilder::directory) starts its daemon by its own loader.

use crate::{Guest, Result, package};
use std::path::PathBuf;

const PACKAGE: &str = "udev";

/// The program and all that it is linked to, below one directory.
pub fn unpacked() -> Result<PathBuf> {
    package::assembled("udev", PACKAGE, || {
        let mut all = package::dependencies(&[PACKAGE.to_owned()])?;
        all.retain(|name| name.starts_with("lib") || name.starts_with("zlib"));
        all.push(PACKAGE.to_owned());
        Ok(all)
    })
}

/// Starts the daemon in a guest that sees [`unpacked`] as `/mnt/udev`, and puts `udevadm` where programs look for it.
pub fn start(guest: &Guest) -> Result<()> {
    let loader = "/mnt/udev/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
    let libraries = "/mnt/udev/usr/lib/x86_64-linux-gnu:/mnt/udev/lib/x86_64-linux-gnu:/mnt/udev/lib/systemd";
    let program =
        format!("exec {loader} --argv0 $name --library-path {libraries} /mnt/udev/bin/udevadm \"$@\"");
    let script = format!(
        "for name in udevadm systemd-udevd; do \
           {{ echo '#!/bin/sh'; echo \"name=$name\"; echo '{program}'; }} > /usr/bin/$name && chmod 755 /usr/bin/$name \
           || exit 1; done; \
         mkdir -p /run/udev /etc/udev/rules.d && systemd-udevd --daemon && udevadm settle --timeout=20"
    );
    guest.shell(&script)?.ok().map(drop)
}
