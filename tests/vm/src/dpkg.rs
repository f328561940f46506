//! dpkg: Debian's packages, unpacked in the cache and installed nowhere. A guest that sees them by
//! [`MachineBuilder::directory`](crate::MachineBuilder::directory) installs packages with it, and knows of none before.

use crate::{Guest, Result, install, package};
use std::path::PathBuf;
use std::process::Command;

const PACKAGE: &str = "dpkg";
/// What it starts: it is in no dependency.
const LDCONFIG: &str = "libc-bin";

/// The program and all that it starts and is linked to, below one directory.
pub fn unpacked() -> Result<PathBuf> {
    package::assembled("dpkg", PACKAGE, || {
        let mut all = package::dependencies(&[PACKAGE.to_owned()])?;
        all.retain(|name| ["lib", "zlib", "tar"].iter().any(|start| name.starts_with(start)));
        all.extend([PACKAGE.to_owned(), LDCONFIG.to_owned()]);
        all.sort();
        all.dedup();
        Ok(all)
    })
}

/// Puts dpkg where programs look for it, in a guest that sees [`unpacked`] as `/mnt/dpkg`. The one package that it takes
/// for installed is the C library, which the guest has from here. The guest's own shell has a dpkg too, and means that by
/// the bare word.
pub fn start(guest: &Guest) -> Result<()> {
    let version = install::run(Command::new("dpkg-query").args(["-W", "-f", "${Version}", "libc6"]))?;
    let version = String::from_utf8(version)?;
    let status = format!(
        "Package: libc6\\nStatus: install ok installed\\nMaintainer: nobody\\nArchitecture: amd64\\n\
         Multi-Arch: same\\nVersion: {version}\\nDescription: the C library\\n"
    );
    let loader = "/mnt/dpkg/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
    let libraries = "/mnt/dpkg/usr/lib/x86_64-linux-gnu:/mnt/dpkg/lib/x86_64-linux-gnu";
    let script = format!(
        "for program in usr/bin/dpkg usr/bin/dpkg-deb usr/bin/dpkg-query usr/bin/dpkg-split bin/tar sbin/ldconfig; do \
           name=/usr/bin/${{program##*/}}; \
           {{ echo '#!/bin/sh'; echo \"exec {loader} --library-path {libraries} /mnt/dpkg/$program \\\"\\$@\\\"\"; }} \
             > $name && chmod 755 $name || exit 1; \
         done; \
         {{ echo '#!/bin/sh'; echo 'exec /mnt/dpkg/sbin/ldconfig \"$@\"'; }} > /usr/bin/ldconfig; \
         cd /var && mkdir -p lib/dpkg/info lib/dpkg/updates lib/dpkg/triggers log && \
         printf '{status}' > lib/dpkg/status && : > lib/dpkg/available && /usr/bin/dpkg --version"
    );
    guest.shell(&script)?.ok().map(drop)
}
