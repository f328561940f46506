//! Debian packages that the guest needs: downloaded and unpacked into a cache, installed nowhere.

use crate::{Result, install, progress};
use nix::unistd::geteuid;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

/// A kernel, unpacked.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// The image that QEMU boots.
    pub image: PathBuf,
    /// The directory of its modules, `…/lib/modules/<release>`.
    pub modules: PathBuf,
    /// What `uname -r` says in the guest.
    pub release: String,
}

/// The directory of everything that outlives a run: `DIRQL_LAB_CACHE`, else `dirql` in the user's cache directory.
pub fn cache() -> Result<PathBuf> {
    let from = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = from("DIRQL_LAB_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|home| home.join("dirql")))
        .or_else(|| from("HOME").map(|home| home.join(".cache/dirql")))
        .ok_or("no place for the cache: set DIRQL_LAB_CACHE")?;
    fs::create_dir_all(&directory)
        .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
    Ok(directory)
}

/// Debian's stock kernel of today.
pub fn kernel() -> Result<Kernel> {
    let root = unpacked(&current_kernel()?)?;
    let modules = only_entry(&root.join("lib/modules"))?;
    let release = modules.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Kernel { image: root.join(format!("boot/vmlinuz-{release}")), modules, release })
}

/// A package's files, unpacked in the cache under its name and version.
pub fn unpacked(package: &str) -> Result<PathBuf> {
    let wanted = format!("the lab needs the Debian package {package}");
    let version = version(package)
        .or_else(|_| {
            install::update()?;
            version(package)
        })
        .map_err(|error| format!("{wanted}: {error}"))?;
    let cache = cache()?;
    // Two runs may want the same package at once: the second waits for the first.
    let lock = File::create(cache.join("lock"))?;
    lock.lock()?;
    let target = cache.join(format!("{package}_{version}"));
    if target.is_dir() {
        return Ok(target);
    }
    let what = format!("downloading {package} {version} into {}", cache.display());
    progress::step(&what, || {
        let work = tempfile::tempdir_in(&cache)?;
        let archive = download(package, work.path())
            .or_else(|_| {
                // The lists name a version that the archive does not have any more.
                install::update()?;
                download(package, work.path())
            })
            .map_err(|error| format!("{wanted}, and the download failed: {error}"))?;
        let root = work.path().join("root");
        install::run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&root))?;
        // Complete, or not there at all.
        Ok(fs::rename(&root, &target)?)
    })?;
    Ok(target)
}

fn download(package: &str, directory: &Path) -> Result<PathBuf> {
    let mut command = Command::new("apt-get");
    if geteuid().is_root() {
        // Else apt wants to download as a user that cannot enter our directory, and says so.
        command.args(["-o", "APT::Sandbox::User=root"]);
    }
    install::run(command.args(["download", package]).current_dir(directory))?;
    fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| "apt-get download left no .deb file".into())
}

/// The package behind `linux-image-amd64`.
fn current_kernel() -> Result<String> {
    let ask = || -> Result<String> {
        let text = query(&["depends", "linux-image-amd64"])?;
        let name = text.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(name.ok_or("linux-image-amd64 depends on no kernel")?.to_owned())
    };
    ask().or_else(|_| {
        install::update()?;
        ask().map_err(|error| {
            format!("cannot find Debian's current kernel (linux-image-amd64): {error}").into()
        })
    })
}

fn version(package: &str) -> Result<String> {
    let text = query(&["show", "--no-all-versions", package])?;
    let version = text.lines().find_map(|line| line.strip_prefix("Version: "));
    // An epoch's colon is no character for every file system.
    Ok(version.ok_or_else(|| format!("apt-cache shows no version of {package}"))?.replace(':', "_"))
}

fn query(arguments: &[&str]) -> Result<String> {
    Ok(String::from_utf8(install::run(Command::new("apt-cache").args(arguments))?)?)
}

fn only_entry(directory: &Path) -> Result<PathBuf> {
    let not_one = || io::Error::other(format!("{} has not exactly one entry", directory.display()));
    let mut entries = fs::read_dir(directory)?;
    let entry = entries.next().ok_or_else(not_one)??;
    if entries.next().is_some() { Err(not_one().into()) } else { Ok(entry.path()) }
}
