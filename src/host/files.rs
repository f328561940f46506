//! Reading the small files and links of sysfs and procfs.

use std::fs;
use std::path::Path;

/// The trimmed text of a file; `None` where it is absent, unreadable or empty.
pub(super) fn text(path: impl AsRef<Path>) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_string();
    (!text.is_empty()).then_some(text)
}

/// The number in a file, decimal or with 0x.
pub(super) fn number(path: impl AsRef<Path>) -> Option<u64> {
    let text = text(path)?;
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The last component of what a link points to; `None` where there is no link.
pub(super) fn link_name(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_link(path).ok()?.file_name()?.to_string_lossy().into_owned())
}

/// The names in a directory, sorted; none where it is absent.
pub(super) fn names(path: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}
