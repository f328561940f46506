//! Flips and a cursor, while others run routines of their own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dirql::class::display::{CURSOR_SIZE, Cursor, Display, Fence, Mode, Rectangle};
use dirql::synchronize::SyncError;
use dirql::{Error, ErrorKind, Result};

const MODE: Mode = Mode { width: 640, height: 480, refresh: 0 };
/// Flips on their way at once, each of a framebuffer of its own.
const DEPTH: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(60);

/// A routine that is run again and again during the flips.
pub type Other<'a> = &'a (dyn Fn() -> std::result::Result<(), SyncError> + Sync);

/// What was done.
#[derive(Debug)]
pub struct Done {
    /// Flips that were given.
    pub flips: u64,
    /// Fences that passed, each once and in order.
    pub fences: u64,
    /// How often each of the others ran.
    pub others: Vec<u64>,
}

/// What was not as it must be.
pub fn violated(why: String) -> Error {
    Error::new(ErrorKind::Failure, "exercise of the adapter").why(why)
}

/// Does so many flips.
pub fn flips(display: &mut dyn Display, flips: u64, others: &[Other<'_>]) -> Result<Done> {
    let over = AtomicBool::new(false);
    let counts: Vec<AtomicU64> = others.iter().map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        let run = |(&other, count)| {
            let over = &over;
            scope.spawn(move || keep_running(other, count, over))
        };
        let threads: Vec<_> = others.iter().zip(&counts).map(run).collect();
        let flipped = flip(display, flips);
        over.store(true, Ordering::Relaxed);
        for thread in threads {
            let ended = thread.join().map_err(|_| violated("a routine panicked".into()))?;
            ended.map_err(|error| violated(format!("a routine did not run: {error}")))?;
        }
        let (flips, fences) = flipped?;
        let others = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Ok(Done { flips, fences, others })
    })
}

/// Runs a routine until it is over, at least once, however soon that is.
fn keep_running(
    other: Other<'_>,
    count: &AtomicU64,
    over: &AtomicBool,
) -> std::result::Result<(), SyncError> {
    loop {
        other()?;
        count.fetch_add(1, Ordering::Relaxed);
        if over.load(Ordering::Relaxed) {
            return Ok(());
        }
        std::thread::yield_now();
    }
}

fn flip(display: &mut dyn Display, flips: u64) -> Result<(u64, u64)> {
    let framebuffers = (0..DEPTH)
        .map(|_| display.create_framebuffer(MODE.width, MODE.height))
        .collect::<Result<Vec<_>>>()?;
    let first = display.set_mode(0, &MODE, &framebuffers[0])?;
    let mut given = vec![first];
    let mut fences = 0;
    let cursor = Cursor { pixels: Box::new([!0; (CURSOR_SIZE * CURSOR_SIZE) as usize]), hot_x: 1, hot_y: 1 };
    for number in 1..=flips {
        if given.len() >= DEPTH {
            fences += passed(display, given[given.len() - DEPTH], fences)?;
        }
        let at = number as u32 % (MODE.width - 64);
        let part = Rectangle { x: at, y: at % (MODE.height - 64), width: 64, height: 64 };
        let framebuffer = &framebuffers[number as usize % DEPTH];
        display.draw(framebuffer)?.fill(part, number as u32 & 0x00ff_ffff);
        given.push(display.page_flip(0, framebuffer, &[part])?);
        if number % 100 == 1 {
            display.set_cursor(0, Some(&cursor))?;
        }
        display.move_cursor(0, at, at / 2)?;
    }
    for fence in given.iter().rev().take(DEPTH).rev().copied().collect::<Vec<_>>() {
        fences += passed(display, fence, fences)?;
    }
    if !given.is_sorted_by(|a, b| a < b) || display.passed()? != given.last().copied() {
        return Err(violated(format!(
            "{:?} is the last fence to pass, after {:?}",
            display.passed(),
            given.last()
        )));
    }
    display.set_cursor(0, None)?;
    display.disable(0)?;
    framebuffers.into_iter().try_for_each(|framebuffer| display.destroy_framebuffer(framebuffer))?;
    // The first one was of no flip.
    Ok((flips, fences - 1))
}

/// 1, once the fence has passed.
fn passed(display: &mut dyn Display, fence: Fence, before: u64) -> Result<u64> {
    if display.wait(fence, TIMEOUT)? {
        return Ok(1);
    }
    Err(violated(format!("{fence:?} has not passed within {TIMEOUT:?}, after {before} others")))
}
