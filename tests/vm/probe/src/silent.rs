//! `VideoPortSynchronizeExecution` on a display adapter that raises no interrupts: a miniport of it, at three priorities.

use dirql::ddi::video_port::{Adapter, synchronize_execution};
use dirql::interrupt::Priority;
use dirql::pci::Address;
use dirql::region::Bar;
use dirql::synchronize::Completion;
use dirql::{Device, Error, ErrorKind, Result};
use dirql_bochs::register::{
    BPP, DISABLED, ENABLE, ENABLED, ID, ID_FIRST, ID_LAST, LFB_ENABLED, VIRT_WIDTH, XRES, Y_OFFSET, YRES,
};
use serde_json::json;
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const WIDTH: u16 = 640;
const HEIGHT: u16 = 480;
/// Lines of memory that the picture may begin at.
const LINES: u64 = 1000;

/// The HwDeviceExtension: the registers, and what was written there.
struct Extension {
    registers: Bar,
    line: u64,
    flips: u64,
    /// How often the register held what no callback had left there.
    torn: u64,
}

/// What a callback at `Low` works with: the extension is not to be had there.
struct Look {
    registers: Bar,
    looks: u64,
    handed_out: u64,
}

/// The HwVidSynchronizeExecutionCallback of a mode set.
fn set_mode(extension: Option<&mut Extension>, outcome: &mut Result<()>) -> bool {
    let Some(extension) = extension else { return false };
    let on = ENABLED | LFB_ENABLED;
    let mode = [
        (ENABLE, DISABLED),
        (BPP, 32),
        (XRES, WIDTH),
        (YRES, HEIGHT),
        (ENABLE, on),
        (VIRT_WIDTH, WIDTH),
        (Y_OFFSET, 0),
    ];
    *outcome = mode.iter().try_for_each(|&(register, value)| extension.registers.write(register, value));
    outcome.is_ok()
}

/// That of a page flip: it goes on from where the register is.
fn flip(extension: Option<&mut Extension>, by: &mut u64) -> bool {
    let Some(extension) = extension else { return false };
    let found = extension.registers.read(Y_OFFSET);
    extension.torn += u64::from(found.is_ok_and(|line| u64::from(line) != extension.line));
    extension.flips += 1;
    extension.line = (extension.line + *by) % LINES;
    // Whoever else is here now has the time to show it.
    std::hint::spin_loop();
    extension.registers.write(Y_OFFSET, extension.line as u16).is_ok()
}

/// That of a look at the mode, which is the same all the time.
fn look(extension: Option<&mut Extension>, context: &mut Look) -> bool {
    context.looks += 1;
    context.handed_out += u64::from(extension.is_some());
    context.registers.read(XRES).is_ok_and(|width| width == WIDTH)
}

/// So many callbacks on each of five threads: two at `High`, two at `Medium`, one at `Low`. Prints what it saw.
pub fn run(address: Address, callbacks: u64) -> Result<()> {
    let wrong = |why: String| Error::new(ErrorKind::Failure, "video port").on(address).why(why);
    let device = Device::open(address)?;
    let registers = device.bar(2)?;
    let id = registers.read(ID)?;
    if !(ID_FIRST..=ID_LAST).contains(&id) {
        return Err(wrong(format!("register {ID} reads {id:#06x}")));
    }
    let extension = Extension { registers: registers.clone(), line: 0, flips: 0, torn: 0 };
    let adapter = Adapter::without_interrupts(&device, extension)?;
    let mut outcome = Ok(());
    if !synchronize_execution(&adapter, Priority::High, &mut outcome, set_mode)? {
        return Err(outcome.err().unwrap_or_else(|| wrong("the mode is not set".into())));
    }
    let counts = thread::scope(|scope| {
        let flips = [(Priority::High, 1), (Priority::High, 3), (Priority::Medium, 7), (Priority::Medium, 11)];
        let flips = flips.map(|(priority, mut by)| {
            let adapter = &adapter;
            scope.spawn(move || {
                (0..callbacks).try_fold(0_u64, |done, _| {
                    synchronize_execution(adapter, priority, &mut by, flip)
                        .map(|flipped| done + u64::from(flipped))
                })
            })
        });
        let mut context = Look { registers: registers.clone(), looks: 0, handed_out: 0 };
        let looks = (0..callbacks).try_fold(0_u64, |done, _| {
            synchronize_execution(&adapter, Priority::Low, &mut context, look)
                .map(|seen| done + u64::from(seen))
        });
        let done = flips.map(|thread| thread.join().map_err(|_| wrong("a thread panicked".into())));
        let mut all = 0;
        for flipped in done {
            all += flipped??;
        }
        Ok::<_, Error>((all, looks?, context.handed_out))
    })?;
    let alone = low_passes_high(&adapter, &registers)?;
    let mut end = (0, 0, 0);
    let read = |extension: Option<&mut Extension>, end: &mut (u64, u64, u64)| {
        extension.map(|extension| *end = (extension.flips, extension.torn, extension.line)).is_some()
    };
    synchronize_execution(&adapter, Priority::Medium, &mut end, read)?;
    let (flips, torn, line) = end;
    let register = registers.read(Y_OFFSET)?;
    registers.write(ENABLE, DISABLED)?;
    println!(
        "{}",
        json!({
            "flips": flips, "returned_true": counts.0, "looks": counts.1, "extension_at_low": counts.2,
            "torn": torn, "line": line, "register": register, "low_while_high": alone,
        })
    );
    let all = 4 * callbacks;
    let sum = 22 * callbacks % LINES;
    let holds = counts == (all, callbacks, 0) && end == (all, 0, sum) && u64::from(register) == sum && alone;
    if holds { Ok(()) } else { Err(wrong(format!("{all} flips to line {sum} were wanted, none torn"))) }
}

/// Whether a callback at `Low` runs while one at `High` is inside, which ends only after it.
fn low_passes_high(adapter: &Adapter<Extension>, registers: &Bar) -> Result<bool> {
    let (inside, leave) = (Completion::new(), Completion::new());
    thread::scope(|scope| {
        let high = scope.spawn(|| {
            let hold = |_: Option<&mut Extension>, (): &mut ()| {
                inside.complete();
                leave.wait(PATIENCE)
            };
            synchronize_execution(adapter, Priority::High, &mut (), hold)
        });
        let entered = inside.wait(PATIENCE);
        let mut context = Look { registers: registers.clone(), looks: 0, handed_out: 0 };
        let looked = synchronize_execution(adapter, Priority::Low, &mut context, look);
        leave.complete();
        let held =
            high.join().map_err(|_| Error::new(ErrorKind::Failure, "video port").why("a thread panicked"))?;
        Ok(entered && looked? && held?)
    })
}
