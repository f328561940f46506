//! What excludes what: an adapter without interrupts, at three priorities.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{HEIGHT, MODE, WIDTH, framebuffer, start};
use dirql::class::display::Display;
use dirql::ddi::video_port::{Adapter, synchronize_execution};
use dirql::interrupt::Priority;
use dirql::region::Bar;
use dirql::synchronize::{Completion, SyncError};
use dirql_bochs::model::Card;
use dirql_bochs::register::{BPP, ENABLE, ENABLED, ID, LFB_ENABLED, VIRT_WIDTH, XRES, Y_OFFSET, YRES};

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn r9_flips_and_mode_sets_meet_nobody_and_reads_meet_whom_they_like() {
    let (mut display, screen) = start(Card::bochs_display());
    let adapter = display.adapter();
    let framebuffer = framebuffer(&mut display, 1);
    display.set_mode(0, &MODE, &framebuffer).unwrap();
    // The spy is inside; whatever is written to a register meanwhile is written by somebody who should not be there.
    let (spying, met) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (spy, counted) = (spying.clone(), met.clone());
    screen.on_write(move |bar, _offset| {
        counted.fetch_add(u64::from(bar == 2 && spy.load(Ordering::SeqCst)), Ordering::SeqCst);
    });
    let over = AtomicBool::new(false);
    let rounds = std::thread::scope(|scope| {
        let spy = scope.spawn(|| {
            let mut rounds = 0_u64;
            while !over.load(Ordering::SeqCst) {
                let routine = |dispi: &mut dirql_bochs::dispi::Dispi| {
                    let before = dispi.scanout();
                    spying.store(true, Ordering::SeqCst);
                    (0..100).for_each(|_| std::hint::spin_loop());
                    std::thread::yield_now();
                    spying.store(false, Ordering::SeqCst);
                    Ok((before, dispi.scanout()))
                };
                let seen =
                    if rounds.is_multiple_of(2) { adapter.medium(routine) } else { adapter.high(routine) };
                let (before, after) = seen.unwrap();
                assert_eq!(before, after);
                assert!(before.is_some(), "nobody sees a display that is off in the middle of a mode set");
                rounds += 1;
            }
            rounds
        });
        for round in 0..3000 {
            match round % 10 {
                0 => display.set_mode(0, &MODE, &framebuffer).unwrap(),
                _ => display.page_flip(0, &framebuffer, &[]).unwrap(),
            };
        }
        over.store(true, Ordering::SeqCst);
        spy.join().unwrap()
    });
    assert_eq!(met.load(Ordering::SeqCst), 0);
    assert!(rounds > 0);
}

#[test]
fn r9_low_goes_on_while_somebody_is_inside() {
    let (mut display, _screen) = start(Card::bochs_display());
    let adapter = display.adapter();
    let (inside, leave) = (Completion::new(), Completion::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let held = adapter.high(|_dispi| {
                inside.complete();
                Ok(leave.wait(PATIENCE))
            });
            assert!(held.unwrap(), "whoever reads at low waited for the one inside");
        });
        assert!(inside.wait(PATIENCE));
        assert_eq!(adapter.low(|registers| registers.read(ID)).unwrap(), 0xb0c5);
        assert_eq!(display.connectors().unwrap().len(), 1);
        leave.complete();
    });
}

#[test]
fn r6_a_routine_that_comes_in_again_is_told() {
    let (display, _screen) = start(Card::bochs_display());
    let adapter = display.adapter();
    let error = adapter.high(|_| adapter.medium(|_| Ok(()))).unwrap_err();
    assert!(error.to_string().contains(&SyncError::Reentrant.to_string()), "{error}");
    adapter.medium(|_| Ok(())).unwrap();
}

/// The device extension of a miniport: its registers, and what it has programmed.
struct Extension {
    registers: Bar,
    line: u16,
    callbacks: u64,
}

/// A mode set, by a callback.
fn set_mode(extension: Option<&mut Extension>, (width, height): &mut (u16, u16)) -> bool {
    let Some(extension) = extension else { return false };
    extension.callbacks += 1;
    extension.line = 0;
    let mode = [(ENABLE, 0), (BPP, 32), (XRES, *width), (YRES, *height), (VIRT_WIDTH, *width), (Y_OFFSET, 0)];
    let on = [(ENABLE, ENABLED | LFB_ENABLED)];
    mode.iter().chain(&on).all(|&(register, value)| extension.registers.write(register, value).is_ok())
}

/// A page flip, by a callback: FALSE where the register held what nobody wrote.
fn flip(extension: Option<&mut Extension>, by: &mut u16) -> bool {
    let Some(extension) = extension else { return false };
    extension.callbacks += 1;
    let before = extension.registers.read(Y_OFFSET);
    let is_ours = before.is_ok_and(|line| line == extension.line);
    std::thread::yield_now();
    extension.line = (extension.line + *by) % 1000;
    extension.registers.write(Y_OFFSET, extension.line).is_ok() && is_ours
}

/// The size that is programmed, by a callback at `Low`: it has the registers from its own context.
fn look(extension: Option<&mut Extension>, (registers, seen): &mut (Bar, u64)) -> bool {
    let width = registers.read(XRES);
    *seen += 1;
    extension.is_none() && width.is_ok_and(|width| width == WIDTH as u16)
}

#[test]
fn r9_video_port_drives_an_adapter_without_interrupts() {
    const ROUNDS: u64 = 3001;
    let (device, screen) = Card::bochs_display().plug_in().unwrap();
    let registers = device.bar(2).unwrap();
    let extension = Extension { registers: registers.clone(), line: 0, callbacks: 0 };
    let adapter = Adapter::without_interrupts(&device, extension).unwrap();
    let mut size = (WIDTH as u16, HEIGHT as u16);
    assert!(synchronize_execution(&adapter, Priority::High, &mut size, set_mode).unwrap());
    assert!(screen.picture().is_some());
    std::thread::scope(|scope| {
        for (priority, mut by) in [(Priority::Medium, 1), (Priority::High, 7)] {
            let adapter = &adapter;
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    assert!(synchronize_execution(adapter, priority, &mut by, flip).unwrap());
                }
            });
        }
        scope.spawn(|| {
            let mut context = (registers.clone(), 0);
            for _ in 0..ROUNDS {
                assert!(synchronize_execution(&adapter, Priority::Low, &mut context, look).unwrap());
            }
            assert_eq!(context.1, ROUNDS);
        });
    });
    let count = |extension: Option<&mut Extension>, line: &mut u16| {
        extension.is_some_and(|extension| {
            *line = extension.line;
            extension.callbacks == 1 + 2 * ROUNDS
        })
    };
    let mut line = 0;
    assert!(synchronize_execution(&adapter, Priority::Medium, &mut line, count).unwrap());
    assert_eq!((line, screen.peek(Y_OFFSET)), ((8 * ROUNDS % 1000) as u16, line));
    assert_eq!(screen.flips().len() as u64, 2 * ROUNDS);
}
