//! Pictures: whole, in part, of several framebuffers and scanouts.

use dirql::ErrorKind;
use dirql::class::display::Rectangle;
use dirql_virtio::model::gpu::Options;
use proptest::prelude::*;

use crate::common::{assert_shows, display, draw, drawn, layouts, mode, picture, start, wait};

#[test]
fn what_is_drawn_is_what_is_shown() {
    for (name, options) in layouts() {
        let (mut gpu, screen) = start(options);
        let display = display(&mut gpu);
        let framebuffer = drawn(display, 1, 1280, 800);
        assert!(screen.picture(0).is_none(), "{name}: nothing is shown before the mode is set");
        let fence = display.set_mode(0, &mode(1280, 800), &framebuffer).unwrap();
        wait(display, fence);
        assert_shows(&screen, 0, 1280, 800, &picture(1, 1280, 800), name);
        draw(display, &framebuffer, 2, Rectangle::whole(1280, 800));
        assert_shows(&screen, 0, 1280, 800, &picture(1, 1280, 800), name);
        let fence = display.page_flip(0, &framebuffer, &[Rectangle::whole(1280, 800)]).unwrap();
        wait(display, fence);
        assert_shows(&screen, 0, 1280, 800, &picture(2, 1280, 800), name);
        assert_eq!(screen.bus().faults(), [], "{name}");
    }
}

#[test]
fn a_new_framebuffer_is_black() {
    let (mut gpu, screen) = start(Options::default());
    let display = display(&mut gpu);
    let framebuffer = display.create_framebuffer(100, 50).unwrap();
    let fence = display.set_mode(0, &mode(100, 50), &framebuffer).unwrap();
    wait(display, fence);
    assert_shows(&screen, 0, 100, 50, &[0; 5000], "black");
}

#[test]
fn only_what_was_damaged_is_taken_over() {
    for (name, options) in layouts() {
        let (mut gpu, screen) = start(options);
        let display = display(&mut gpu);
        let framebuffer = drawn(display, 1, 200, 100);
        let fence = display.set_mode(0, &mode(200, 100), &framebuffer).unwrap();
        wait(display, fence);
        // All of it is drawn anew, and only two parts are told of, one of them beyond the edge.
        draw(display, &framebuffer, 2, Rectangle::whole(200, 100));
        let parts = [
            Rectangle { x: 10, y: 20, width: 30, height: 40 },
            Rectangle { x: 190, y: 95, width: 30, height: 40 },
        ];
        let fence = display.page_flip(0, &framebuffer, &parts).unwrap();
        wait(display, fence);
        let is_damaged = |x, y| (10..40).contains(&x) && (20..60).contains(&y) || x >= 190 && y >= 95;
        let (old, new) = (picture(1, 200, 100), picture(2, 200, 100));
        let expected: Vec<u32> =
            (0..20_000).map(|at| if is_damaged(at % 200, at / 200) { new[at] } else { old[at] }).collect();
        assert_shows(&screen, 0, 200, 100, &expected, name);
        assert_eq!(screen.bus().faults(), [], "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever is drawn between flips of two framebuffers, and told of, is shown; with more parts than fit, too.
    #[test]
    fn damage_that_is_told_of_is_shown(
        packed: bool,
        flips in prop::collection::vec(
            prop::collection::vec((0_u32..70, 0_u32..50, 1_u32..40, 1_u32..40), 0..12), 1..12),
    ) {
        let (width, height) = (64, 48);
        let mut options = Options::default();
        options.transport.packed = packed;
        let (mut gpu, screen) = start(options);
        let display = display(&mut gpu);
        let framebuffers = [drawn(display, 1, width, height), drawn(display, 2, width, height)];
        let mut contents = [picture(1, width, height), picture(2, width, height)];
        for (index, framebuffer) in framebuffers.iter().enumerate().rev() {
            let fence = display.set_mode(0, &mode(width, height), framebuffer).unwrap();
            wait(display, fence);
            assert_shows(&screen, 0, width, height, &contents[index], "the whole");
        }
        for (seed, parts) in (3..).zip(flips) {
            let which = seed as usize / 2 % 2;
            let parts: Vec<_> =
                parts.into_iter().map(|(x, y, width, height)| Rectangle { x, y, width, height }).collect();
            let new = picture(seed, width, height);
            for part in parts.iter().filter_map(|part| part.within(width, height)) {
                draw(display, &framebuffers[which], seed, part);
                for y in part.y..part.y + part.height {
                    let row = (y * width + part.x) as usize..(y * width + part.x + part.width) as usize;
                    contents[which][row.clone()].copy_from_slice(&new[row]);
                }
            }
            let fence = display.page_flip(0, &framebuffers[which], &parts).unwrap();
            wait(display, fence);
            assert_shows(&screen, 0, width, height, &contents[which], "what was drawn");
        }
        prop_assert_eq!(screen.bus().faults(), []);
    }
}

#[test]
fn two_scanouts_show_two_pictures_or_the_same() {
    let (mut gpu, screen) = start(Options { scanouts: 2, ..Options::default() });
    let display = display(&mut gpu);
    let first = drawn(display, 1, 320, 200);
    let second = drawn(display, 2, 64, 400);
    let shown = display.set_mode(0, &mode(320, 200), &first).unwrap();
    let also = display.set_mode(1, &mode(64, 400), &second).unwrap();
    assert!(shown < also);
    wait(display, also);
    assert_shows(&screen, 0, 320, 200, &picture(1, 320, 200), "the first");
    assert_shows(&screen, 1, 64, 400, &picture(2, 64, 400), "the second");
    let both = display.set_mode(1, &mode(320, 200), &first).unwrap();
    wait(display, both);
    assert_shows(&screen, 1, 320, 200, &picture(1, 320, 200), "the first on both");
    display.disable(1).unwrap();
    assert!(screen.picture(1).is_none());
    assert_shows(&screen, 0, 320, 200, &picture(1, 320, 200), "the first still");
    let whole = [Rectangle::whole(320, 200)];
    assert_eq!(display.page_flip(1, &first, &whole).unwrap_err().kind(), ErrorKind::Precondition);
    display.destroy_framebuffer(second).unwrap();
    let again = display.set_mode(1, &mode(320, 200), &first).unwrap();
    wait(display, again);
    assert_shows(&screen, 1, 320, 200, &picture(1, 320, 200), "again");
}

#[test]
fn a_flip_is_one_doorbell_and_the_scanout_is_told_only_of_what_changes() {
    let (mut gpu, screen) = start(Options::default());
    let display = display(&mut gpu);
    let framebuffers = [drawn(display, 1, 64, 48), drawn(display, 2, 64, 48)];
    let fence = display.set_mode(0, &mode(64, 48), &framebuffers[0]).unwrap();
    wait(display, fence);
    for (which, scanouts) in [(0, None), (1, Some(&1)), (1, None), (0, Some(&1))] {
        let (rung, _) = screen.heard(0);
        screen.done();
        let part = Rectangle { x: 1, y: 2, width: 3, height: 4 };
        let fence = display.page_flip(0, &framebuffers[which], &[part, part]).unwrap();
        wait(display, fence);
        let done = screen.done();
        assert_eq!((done.get(&0x105), done.get(&0x103), done.get(&0x104)), (Some(&2), scanouts, Some(&1)));
        assert_eq!(screen.heard(0).0, rung + 1);
    }
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let (mut gpu, screen) = start(Options::default());
    let (mut other, _screen) = start(Options::default());
    let foreign = crate::common::display(&mut other).create_framebuffer(64, 48).unwrap();
    let display = display(&mut gpu);
    for (width, height) in [(0, 10), (10, 0), (16385, 1), (1, 16385), (u32::MAX, u32::MAX)] {
        let error = display.create_framebuffer(width, height).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    let framebuffer = display.create_framebuffer(64, 48).unwrap();
    let whole = [Rectangle::whole(64, 48)];
    let kind = |outcome: dirql::Result<_>| outcome.map(drop).unwrap_err().kind();
    assert_eq!(kind(display.page_flip(0, &framebuffer, &whole).map(drop)), ErrorKind::Precondition);
    assert_eq!(kind(display.set_mode(1, &mode(64, 48), &framebuffer).map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(display.set_mode(0, &mode(48, 64), &framebuffer).map(drop)), ErrorKind::InvalidArgument);
    assert_eq!(kind(display.page_flip(0, &framebuffer, &whole).map(drop)), ErrorKind::Precondition);
    assert_eq!(kind(display.set_mode(0, &mode(64, 48), &foreign).map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(display.draw(&foreign).map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(display.disable(1)), ErrorKind::NotFound);
    let fence = display.set_mode(0, &mode(64, 48), &framebuffer).unwrap();
    wait(display, fence);
    let small = display.create_framebuffer(32, 48).unwrap();
    assert_eq!(kind(display.page_flip(0, &small, &whole).map(drop)), ErrorKind::InvalidArgument);
    assert_shows(&screen, 0, 64, 48, &[0; 64 * 48], "still the first");
    assert_eq!(kind(display.destroy_framebuffer(foreign)), ErrorKind::NotFound);
}
