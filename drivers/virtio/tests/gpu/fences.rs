//! Fences: each passes once, in order, when the device is done and not before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dirql::ErrorKind;
use dirql::class::display::{Display, Fence, FenceCounters, Framebuffer, Rectangle};
use dirql::driver::Driver;
use dirql_virtio::model::gpu::{Lie, Options};

use crate::common::{assert_shows, display, draw, drawn, eventually, layouts, mode, picture, start, wait};

const SET_SCANOUT: u32 = 0x103;
const RESOURCE_FLUSH: u32 = 0x104;
const TRANSFER_TO_HOST_2D: u32 = 0x105;

/// Framebuffers that take turns, of which the first one is shown.
fn several(display: &mut dyn Display, count: u32) -> Vec<Framebuffer> {
    let framebuffers: Vec<_> = (0..count).map(|seed| drawn(display, seed, 64, 48)).collect();
    let fence = display.set_mode(0, &mode(64, 48), &framebuffers[0]).unwrap();
    wait(display, fence);
    framebuffers
}

fn flip(display: &mut dyn Display, framebuffer: &Framebuffer) -> Fence {
    display.page_flip(0, framebuffer, &[Rectangle::whole(64, 48)]).unwrap()
}

/// Flips ten thousand times, three on their way at once.
fn ten_thousand(options: Options, has_own_thread: bool) {
    const FLIPS: usize = 10_000;
    let (mut gpu, screen) = start(options);
    let shown = display(&mut gpu);
    let framebuffers = several(shown, 3);
    screen.fenced();
    screen.done();
    let (mappings, faults) = (screen.bus().mappings(), screen.bus().faults());
    let (over, mut given, mut seen) = (AtomicBool::new(false), Vec::new(), None);
    std::thread::scope(|scope| {
        if has_own_thread {
            // The device does one command after the other while the program goes on.
            screen.hold();
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if !screen.release_one() {
                        std::thread::yield_now();
                    }
                }
            });
        }
        let _over = Flag(&over);
        for number in 0..FLIPS {
            let framebuffer = &framebuffers[number % 3];
            if let Some(&fence) = given.iter().rev().nth(2) {
                wait(shown, fence);
            }
            draw(shown, framebuffer, number as u32, Rectangle { x: 0, y: 0, width: 8, height: 1 });
            given.push(flip(shown, framebuffer));
            let passed = shown.passed().unwrap();
            assert!(passed >= seen && passed <= given.last().copied(), "{passed:?} after {seen:?}");
            seen = passed;
        }
        wait(shown, given[FLIPS - 1]);
    });
    assert!(given.is_sorted_by(|a, b| a < b), "each is another");
    let answered: Vec<_> = screen.fenced().into_iter().map(Fence).collect();
    assert!(answered == given, "each was answered once, in order");
    assert_eq!(shown.passed().unwrap(), given.last().copied());
    assert_eq!(screen.done()[&RESOURCE_FLUSH], FLIPS as u64);
    assert_eq!((screen.bus().mappings(), screen.bus().faults()), (mappings, faults), "memory is flat");
    let interrupts = gpu.vectors().iter().map(|vector| vector.count).sum::<u64>();
    // Some were for the framebuffers.
    assert!(interrupts < FLIPS as u64 + 100, "{interrupts} interrupts are more than there are fences");
}

/// Raised when it goes, also while unwinding.
struct Flag<'a>(&'a AtomicBool);

impl Drop for Flag<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn ten_thousand_fences_pass_each_once_in_order_and_memory_is_flat() {
    for packed in [false, true] {
        for has_own_thread in [false, true] {
            let mut options = Options::default();
            options.transport.packed = packed;
            ten_thousand(options, has_own_thread);
        }
    }
}

#[test]
fn a_fence_passes_when_the_device_is_done_and_not_before() {
    for (name, options) in layouts() {
        let (mut gpu, screen) = start(options);
        let display = display(&mut gpu);
        let framebuffers = several(display, 2);
        let before = display.passed().unwrap();
        screen.hold();
        let fence = flip(display, &framebuffers[1]);
        eventually("the device has the commands", || screen.waiting() == 3);
        assert!(!display.wait(fence, Duration::ZERO).unwrap(), "{name}");
        assert!(!display.wait(fence, Duration::from_millis(20)).unwrap(), "{name}");
        assert_eq!(display.passed().unwrap(), before, "{name}");
        for operation in [
            display.draw(&framebuffers[1]).map(drop),
            display.page_flip(0, &framebuffers[1], &[]).map(drop),
            display.set_mode(0, &mode(64, 48), &framebuffers[1]).map(drop),
        ] {
            assert_eq!(operation.unwrap_err().kind(), ErrorKind::Busy, "{name}");
        }
        assert!(display.draw(&framebuffers[0]).is_ok(), "{name}");
        // All but the last command: the picture is on its way, and the fence has not passed.
        assert!(screen.release_one() && screen.release_one());
        assert!(!display.wait(fence, Duration::from_millis(20)).unwrap(), "{name}");
        std::thread::scope(|scope| {
            let released = screen.clone();
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                released.release();
            });
            wait(display, fence);
        });
        assert_eq!(display.passed().unwrap(), Some(fence), "{name}");
        assert!(display.draw(&framebuffers[1]).is_ok(), "{name}");
        assert_shows(&screen, 0, 64, 48, &picture(1, 64, 48), name);
    }
}

#[test]
fn fences_pass_in_order_whatever_the_order_of_the_answers() {
    for (name, options) in layouts().into_iter().filter(|(name, _)| *name != "small queues") {
        let (mut gpu, screen) = start(options);
        let display = display(&mut gpu);
        let framebuffers = several(display, 4);
        for _ in 0..50 {
            screen.hold();
            let fences: Vec<_> = framebuffers.iter().map(|framebuffer| flip(display, framebuffer)).collect();
            screen.release_backwards();
            wait(display, fences[0]);
            // The first was answered last, so all have passed.
            assert_eq!(display.passed().unwrap(), fences.last().copied(), "{name}");
        }
        assert_shows(&screen, 0, 64, 48, &picture(3, 64, 48), name);
    }
}

#[test]
fn what_the_device_refuses_is_told_of_its_fence() {
    let (mut gpu, screen) = start(Options::default());
    let display = display(&mut gpu);
    let framebuffers = several(display, 2);
    for (number, command, lie, words) in [
        (0, RESOURCE_FLUSH, Lie::Refusal(0x1203), "RESOURCE_FLUSH for 0000:00:1f.0 failed"),
        (0, RESOURCE_FLUSH, Lie::Refusal(0x1203), "VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID"),
        (0, TRANSFER_TO_HOST_2D, Lie::Refusal(0x1205), "CMD_TRANSFER_TO_HOST_2D"),
        (0, TRANSFER_TO_HOST_2D, Lie::Refusal(0x1200), "VIRTIO_GPU_RESP_ERR_UNSPEC"),
        (1, SET_SCANOUT, Lie::Refusal(0x1202), "VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID"),
        (0, RESOURCE_FLUSH, Lie::Type(0x1104), "VIRTIO_GPU_RESP_OK_EDID"),
        (0, RESOURCE_FLUSH, Lie::Type(7), "0x7, which is no response"),
        (0, RESOURCE_FLUSH, Lie::Fence, "where it has fence"),
        (0, RESOURCE_FLUSH, Lie::NoFence, "answers fence 0 with flags 0x0"),
        (0, RESOURCE_FLUSH, Lie::Short, "23 bytes, of at least 24"),
    ] {
        screen.lie(command, lie);
        let failed = flip(display, &framebuffers[number]);
        let next = flip(display, &framebuffers[1 - number]);
        let error = display.wait(failed, crate::common::PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Device);
        assert!(error.to_string().contains(words), "{words}: {error}");
        wait(display, next);
        assert_eq!(display.passed().unwrap(), Some(next), "{words}");
        // It goes on.
        let fence = flip(display, &framebuffers[0]);
        wait(display, fence);
        assert_shows(&screen, 0, 64, 48, &picture(0, 64, 48), words);
    }
    screen.lie(RESOURCE_FLUSH, Lie::Refusal(0x1203));
    let failed = flip(display, &framebuffers[0]);
    eventually("who asks what has passed is told, too", || display.passed().is_err());
    assert_eq!(display.passed().unwrap(), Some(failed), "once");
}

#[test]
fn a_scanout_that_was_not_set_is_set_by_the_next_flip() {
    let (mut gpu, screen) = start(Options::default());
    let display = display(&mut gpu);
    let framebuffers = several(display, 2);
    screen.lie(SET_SCANOUT, Lie::Refusal(0x1200));
    let failed = flip(display, &framebuffers[1]);
    display.wait(failed, crate::common::PATIENCE).unwrap_err();
    assert_shows(&screen, 0, 64, 48, &picture(0, 64, 48), "the first one still");
    let fence = flip(display, &framebuffers[1]);
    wait(display, fence);
    assert_shows(&screen, 0, 64, 48, &picture(1, 64, 48), "the second one now");
}

#[test]
fn a_fence_that_was_never_given_is_not_waited_for() {
    let (mut gpu, _screen) = start(Options::default());
    let display = display(&mut gpu);
    let framebuffers = several(display, 1);
    let Fence(last) = flip(display, &framebuffers[0]);
    for fence in [Fence(0), Fence(last + 1), Fence(u64::MAX)] {
        assert_eq!(display.wait(fence, Duration::MAX).unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert!(display.wait(Fence(last), Duration::MAX).unwrap());
}

#[test]
fn more_flips_than_the_queue_holds_wait_for_room() {
    let mut options = Options::default();
    (options.transport.indirect_desc, options.transport.queue_sizes) = (false, (16, 16));
    let (mut gpu, screen) = start(options);
    let display = display(&mut gpu);
    let framebuffers = several(display, 8);
    screen.hold();
    // Eight commands fit: of three flips, two and a half.
    let (first, second) = (flip(display, &framebuffers[1]), flip(display, &framebuffers[2]));
    std::thread::scope(|scope| {
        let device = screen.clone();
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            device.release();
        });
        let third = flip(display, &framebuffers[3]);
        assert!(first < second && second < third);
        wait(display, third);
    });
    assert_shows(&screen, 0, 64, 48, &picture(3, 64, 48), "the last");
}

#[test]
fn flips_and_fences_are_counted_while_they_are_under_way() {
    let (mut gpu, screen) = start(Options::default());
    let shown = display(&mut gpu);
    let observer = shown.meters().unwrap();
    let framebuffers = several(shown, 2);
    screen.hold();
    let damage =
        [Rectangle { x: 60, y: 40, width: 10, height: 10 }, Rectangle { x: 64, y: 0, width: 1, height: 1 }];
    let fence = shown.page_flip(0, &framebuffers[1], &damage).unwrap();
    let seen = observer.read();
    assert_eq!((seen.shown.mode_sets, seen.shown.flips), (1, 1));
    assert_eq!((seen.shown.damage_rectangles, seen.shown.damage_pixels), (2, 64 * 48 + 4 * 8));
    assert_eq!((seen.fences.given, seen.fences.passed), (2, 1));
    while screen.release_one() {}
    wait(shown, fence);
    assert_eq!(observer.read().fences, FenceCounters { given: 2, passed: 2 });
    // What is refused was not shown.
    shown.page_flip(7, &framebuffers[0], &[]).unwrap_err();
    assert_eq!(observer.read().shown, seen.shown);
}
