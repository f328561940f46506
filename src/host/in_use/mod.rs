//! What would be lost if a function were taken from the kernel now: `network`, `disk` and `display` each know their part,
//! and `signature` what is on a disk.

mod disk;
mod display;
mod network;
mod signature;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use super::{Function, Host, files};
use crate::pci::Address;
use crate::{Error, ErrorKind, Result};

/// How deep an interface or disk may lie below its function: SATA disks lie seven deep.
const DEPTH: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Network,
    Disk,
    /// A display's card, as programs draw on it.
    Card,
    /// A display as the kernel's console draws on it.
    Framebuffer,
}

/// A use of a function by the kernel, which taking it would end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// What would be lost.
    pub what: String,
    /// The command that ends it in good order, where there is one.
    pub end: Option<String>,
}

impl Use {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), end: None }
    }

    fn ended_by(self, end: impl Into<String>) -> Self {
        Self { end: Some(end.into()), ..self }
    }

    /// The command that ends them all, where each has one.
    pub(super) fn end_of(uses: &[Self]) -> Option<String> {
        let ends: Option<Vec<_>> = uses.iter().map(|one| one.end.clone()).collect();
        ends.filter(|ends| !ends.is_empty()).map(|ends| ends.join(" && "))
    }

    /// What would be lost, in one line.
    pub(super) fn all(uses: &[Self]) -> String {
        uses.iter().map(|one| one.what.as_str()).collect::<Vec<_>>().join("; ")
    }
}

/// What a driver made of a function: a network interface, a disk or partition, a display.
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) name: String,
    pub(super) kind: Kind,
    path: PathBuf,
}

impl Child {
    /// Whether people know the function by this name.
    pub(super) fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Network | Kind::Disk)
    }
}

/// What the kernel's driver made of the function in `directory`, sorted by name.
pub(super) fn children(directory: &Path) -> Vec<Child> {
    let mut found = Vec::new();
    descend(directory, DEPTH, &mut found);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn descend(directory: &Path, depth: usize, found: &mut Vec<Child>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        // Links lead out of the function; another function is not ours.
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) || name.parse::<Address>().is_ok() {
            continue;
        }
        let path = entry.path();
        let kind = match files::link_name(path.join("subsystem")).as_deref() {
            Some("net") => Some(Kind::Network),
            Some("block") => Some(Kind::Disk),
            Some("graphics") => Some(Kind::Framebuffer),
            // Its connectors are of the same class, and have no node.
            Some("drm") if path.join("dev").exists() => Some(Kind::Card),
            _ => None,
        };
        if depth > 0 {
            descend(&path, depth - 1, found);
        }
        if let Some(kind) = kind {
            found.push(Child { name, kind, path });
        }
    }
}

impl Host {
    /// Why the function should not be taken from the kernel now; empty where nothing speaks against it.
    pub fn in_use(&self, function: &Function) -> Vec<Use> {
        let mut uses = Vec::new();
        if function.is_boot_display {
            uses.push(Use::new("it is the boot display"));
        }
        for child in children(function.path()) {
            match child.kind {
                Kind::Network => self.network_in_use(&child, &mut uses),
                Kind::Disk => self.disk_in_use(&child, function.address, &mut uses),
                Kind::Card => self.card_in_use(&child, &mut uses),
                Kind::Framebuffer => self.framebuffer_in_use(&child, &mut uses),
            }
        }
        uses
    }

    /// Nothing where the kernel does not use it, or that is to be ended by `force`.
    pub(super) fn check_not_in_use(
        &self,
        function: &Function,
        operation: &str,
        take: &str,
        force: bool,
    ) -> Result<()> {
        let uses = self.in_use(function);
        if uses.is_empty() || force {
            return Ok(());
        }
        let fix = match Use::end_of(&uses) {
            Some(end) => format!("{end}; or take it all the same: {take}"),
            None => format!("if that is needed no more: {take}"),
        };
        Err(Error::new(ErrorKind::Busy, operation).on(function.address).why(Use::all(&uses)).fix(fix))
    }
}
