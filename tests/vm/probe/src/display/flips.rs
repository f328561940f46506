//! Many flips, and what they leave behind.

use std::fs;

use dirql::class::display::{Display, Fence, Rectangle};
use dirql::{Error, Result};

use super::head::{Head, pass, wrong};

/// Pixels of a flip's lines, and its lines.
const SIDE: u32 = 64;
/// Flips until all that is made once has been made.
const WARM: u64 = 500;

/// Flips the two framebuffers in turns, one on its way while the other one is waited for. Each fence must be new, and pass
/// after all that were before it.
pub fn flips(display: &mut dyn Display, connector: u32, head: &mut Head, count: u64) -> Result<()> {
    let mut before: Option<Fence> = None;
    let mut status = None;
    for number in 0..count {
        if number == WARM.min(count / 2) {
            status = Some(Status::now()?);
        }
        head.shown = 1 - head.shown;
        let x = (number * 31) as u32 % head.mode.width.saturating_sub(SIDE).max(1);
        let y = (number * 17) as u32 % head.mode.height.saturating_sub(SIDE).max(1);
        let damage = Rectangle { x, y, width: SIDE, height: SIDE };
        let framebuffer = &head.pair[head.shown];
        display.draw(framebuffer)?.fill(damage, number as u32);
        let fence = display.page_flip(connector, framebuffer, &[damage])?;
        if let Some(before) = before.replace(fence) {
            check(fence > before, || format!("{fence:?} comes after {before:?}"))?;
            pass(display, before)?;
            let passed = display.passed()?;
            let order = passed == Some(before) || passed == Some(fence);
            check(order, || format!("{passed:?} has passed, and {before:?} was waited for"))?;
        }
    }
    let last = before.ok_or_else(|| wrong("no flip is none to wait for".into()))?;
    pass(display, last)?;
    check(display.passed()? == Some(last), || format!("{:?} has passed, not {last:?}", display.passed()))?;
    let (before, after) = (status.ok_or_else(|| wrong("too few flips".into()))?, Status::now()?);
    println!(
        "{{\"flips\":{count},\"anonymous_kib\":[{},{}],\"locked_kib\":[{},{}]}}",
        before.anonymous, after.anonymous, before.locked, after.locked
    );
    Ok(())
}

/// What the kernel says of this process, in KiB.
struct Status {
    /// Memory of its own: counted page by page, where `VmRSS` is up to 64 pages of each thread behind.
    anonymous: u64,
    /// What VFIO has pinned, for devices.
    locked: u64,
}

impl Status {
    fn now() -> Result<Self> {
        let (anonymous, locked) = (size("smaps_rollup", "Anonymous:")?, size("status", "VmLck:")?);
        Ok(Self { anonymous, locked })
    }
}

/// A size in KiB from a file of `/proc/self`.
fn size(file: &str, key: &str) -> Result<u64> {
    let path = format!("/proc/self/{file}");
    let text =
        fs::read_to_string(&path).map_err(|error| Error::io(&error, "reading of a size").path(&path))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let size = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    size.ok_or_else(|| wrong(format!("{path} has no {key}")))
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(wrong(otherwise())) }
}
