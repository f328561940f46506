//! Debian packages that the guest needs: downloaded and unpacked into a cache, installed nowhere.

use crate::{Result, install, progress};
use nix::unistd::geteuid;
use std::collections::BTreeSet;
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
    assembled(package, package, || Ok(vec![package.to_owned()]))
}

/// The files of several packages, unpacked over each other in the cache under a name and the version of the first of
/// them, which is known beforehand.
pub fn assembled(name: &str, first: &str, packages: impl Fn() -> Result<Vec<String>>) -> Result<PathBuf> {
    let wanted = format!("the lab needs the Debian package {first}");
    let version = version(first)
        .or_else(|_| {
            install::update()?;
            version(first)
        })
        .map_err(|error| format!("{wanted}: {error}"))?;
    let cache = cache()?;
    // Two runs may want the same package at once: the second waits for the first.
    let lock = File::create(cache.join("lock"))?;
    lock.lock()?;
    let target = cache.join(format!("{name}_{version}"));
    if target.is_dir() {
        return Ok(target);
    }
    let what = format!("downloading {name} {version} into {}", cache.display());
    progress::step(&what, || {
        let work = tempfile::tempdir_in(&cache)?;
        let archives = download(&packages()?, work.path())
            .or_else(|_| {
                // The lists name a version that the archive does not have any more.
                install::update()?;
                download(&packages()?, work.path())
            })
            .map_err(|error| format!("{wanted}, and the download failed: {error}"))?;
        let root = work.path().join("root");
        for archive in archives {
            install::run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&root))?;
        }
        // Complete, or not there at all.
        Ok(fs::rename(&root, &target)?)
    })?;
    Ok(target)
}

/// What a package depends on, by name.
pub fn direct_dependencies(package: &str) -> Result<Vec<String>> {
    let text = query(&["depends", "--important", package])?;
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    Ok(names.filter(|name| !name.starts_with('<')).map(str::to_owned).collect())
}

/// Packages and all that they depend on, by name, and what that depends on.
pub fn dependencies(packages: &[String]) -> Result<Vec<String>> {
    let relations = ["--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances"];
    let mut words = vec!["depends", "--important", "--recurse"];
    words.extend(relations.into_iter().chain(packages.iter().map(String::as_str)));
    let text = query(&words)?;
    // The packages stand at the line's start, their relations are indented; one in <> is but a name that others provide.
    let names = text.lines().filter(|line| !line.starts_with([' ', '<']));
    let names: BTreeSet<&str> = names.filter_map(|line| line.split(':').next()).collect();
    Ok(names.into_iter().map(str::to_owned).collect())
}

fn download(packages: &[String], directory: &Path) -> Result<Vec<PathBuf>> {
    let mut command = Command::new("apt-get");
    if geteuid().is_root() {
        // Else apt wants to download as a user that cannot enter our directory, and says so.
        command.args(["-o", "APT::Sandbox::User=root"]);
    }
    install::run(command.arg("download").args(packages).current_dir(directory))?;
    let files = fs::read_dir(directory)?.filter_map(|entry| Some(entry.ok()?.path()));
    let archives: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "deb")).collect();
    let (wanted, found) = (packages.len(), archives.len());
    if wanted == found {
        Ok(archives)
    } else {
        Err(format!("apt-get download left {found} .deb files of {wanted}").into())
    }
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
