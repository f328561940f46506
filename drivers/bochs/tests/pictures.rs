//! What is drawn is what is shown, and nothing else.

mod common;

use std::time::Duration;

use common::{HEIGHT, MODE, WIDTH, assert_shows, colour, draw, everywhere, framebuffer, picture, start};
use dirql::ErrorKind;
use dirql::class::display::{
    CURSOR_SIZE, Cursor, Display, DisplayCounters, DisplayReport, Fence, FenceCounters, Mode, Rectangle,
};
use dirql_bochs::model::Card;

const WHOLE: Rectangle = Rectangle::whole(WIDTH, HEIGHT);
/// So that a second picture of 640x480 has its place behind the first.
const PAGE: u64 = WIDTH as u64 * HEIGHT as u64 * 4;

#[test]
fn a_mode_shows_the_whole_framebuffer() {
    everywhere(|card| {
        let (mut display, screen) = start(card());
        assert_eq!(screen.picture(), None);
        for (seed, (width, height)) in (1..).zip([(64, 64), (640, 480), (1280, 800)]) {
            let framebuffer = display.create_framebuffer(width, height).unwrap();
            draw(&mut display, &framebuffer, seed);
            display.set_mode(0, &Mode { width, height, refresh: 60_000 }, &framebuffer).unwrap();
            assert_shows(&screen, &picture(seed, width, height));
        }
        assert_eq!(screen.torn(), 0);
    });
}

#[test]
fn what_is_shown_is_counted() {
    everywhere(|card| {
        let (mut display, _screen) = start(card());
        let observer = display.meters().unwrap();
        let framebuffer = framebuffer(&mut display, 1);
        display.page_flip(0, &framebuffer, &[WHOLE]).unwrap_err();
        assert_eq!(observer.read(), DisplayReport::default());
        display.set_mode(0, &MODE, &framebuffer).unwrap();
        display.page_flip(0, &framebuffer, &[Rectangle { x: 0, y: 0, width: 2, height: 3 }]).unwrap();
        drop(display);
        let damage_pixels = u64::from(WIDTH * HEIGHT) + 6;
        let shown = DisplayCounters { mode_sets: 1, flips: 1, damage_rectangles: 2, damage_pixels };
        assert_eq!(observer.read(), DisplayReport { shown, fences: FenceCounters { given: 2, passed: 2 } });
    });
}

#[test]
fn damage_is_taken_over_and_nothing_else() {
    everywhere(|card| {
        let (mut display, screen) = start(card());
        let framebuffer = framebuffer(&mut display, 1);
        display.set_mode(0, &MODE, &framebuffer).unwrap();
        let mut wanted = picture(1, WIDTH, HEIGHT);
        let rectangle = |x, y, width, height| Rectangle { x, y, width, height };
        let damages = [
            vec![rectangle(10, 20, 30, 40)],
            vec![],
            // Overlapping, over the edge, and outside.
            vec![
                rectangle(0, 0, 5, 5),
                rectangle(3, 3, 9, 9),
                rectangle(630, 470, 99, 99),
                rectangle(640, 0, 9, 9),
            ],
            vec![rectangle(0, 100, WIDTH, 7)],
            (0..40).map(|at| rectangle(at * 8, at * 4, 3, 3)).collect(),
        ];
        for (seed, damage) in (2..).zip(&damages) {
            // All of it is drawn anew.
            draw(&mut display, &framebuffer, seed);
            display.page_flip(0, &framebuffer, damage).unwrap();
            for part in damage.iter().filter_map(|part| part.within(WIDTH, HEIGHT)) {
                for y in part.y..part.y + part.height {
                    for x in part.x..part.x + part.width {
                        let index = y * WIDTH + x;
                        wanted.pixels[index as usize] = colour(seed, index);
                    }
                }
            }
            assert_shows(&screen, &wanted);
        }
        assert_eq!(screen.torn(), 0);
    });
}

#[test]
fn flips_go_to_and_fro_between_places_and_never_write_to_what_is_shown() {
    everywhere(|card| {
        let (mut display, screen) = start(card());
        // One framebuffer that is flipped to again and again has two pages.
        let one = framebuffer(&mut display, 1);
        display.set_mode(0, &MODE, &one).unwrap();
        screen.flips();
        for seed in 2..6 {
            draw(&mut display, &one, seed);
            display.page_flip(0, &one, &[WHOLE]).unwrap();
            assert_shows(&screen, &picture(seed, WIDTH, HEIGHT));
        }
        assert_eq!(screen.flips(), [480, 0, 480, 0]);
        // Two have what is needed already.
        let two = framebuffer(&mut display, 7);
        for _ in 0..2 {
            display.page_flip(0, &two, &[WHOLE]).unwrap();
            assert_shows(&screen, &picture(7, WIDTH, HEIGHT));
            screen.written();
            display.page_flip(0, &one, &[]).unwrap();
            assert_shows(&screen, &picture(5, WIDTH, HEIGHT));
            assert_eq!(screen.written(), 0, "its page holds all of it");
        }
        assert_eq!(screen.torn(), 0);
    });
}

#[test]
fn a_flip_copies_its_damage_and_that_of_the_one_before() {
    let (mut display, screen) = start(Card::bochs_display());
    let framebuffer = framebuffer(&mut display, 1);
    display.set_mode(0, &MODE, &framebuffer).unwrap();
    display.page_flip(0, &framebuffer, &[]).unwrap();
    screen.written();
    let square = |at| Rectangle { x: at, y: at, width: 10, height: 10 };
    for (at, squares) in [(0, 1), (20, 2), (40, 2), (40, 1)] {
        display.page_flip(0, &framebuffer, &[square(at)]).unwrap();
        assert_eq!(screen.written(), squares * 400, "at {at}");
    }
}

#[test]
fn fences_count_and_have_passed_when_they_are_given() {
    let (mut display, _screen) = start(Card::bochs_display());
    let framebuffer = framebuffer(&mut display, 1);
    assert_eq!(display.passed().unwrap(), None);
    let fences: Vec<_> = std::iter::once(display.set_mode(0, &MODE, &framebuffer).unwrap())
        .chain((0..100).map(|_| display.page_flip(0, &framebuffer, &[]).unwrap()))
        .collect();
    assert!(fences.is_sorted_by(|one, next| one < next));
    assert_eq!(display.passed().unwrap(), fences.last().copied());
    assert!(fences.iter().all(|&fence| display.wait(fence, Duration::ZERO).unwrap()));
    let Fence(last) = fences[100];
    let never = display.wait(Fence(last + 1), Duration::from_millis(1)).unwrap_err();
    assert_eq!(never.kind(), dirql::ErrorKind::NotFound);
}

#[test]
fn video_memory_that_is_full_is_told_of_with_figures() {
    let (mut display, screen) = start(Card::bochs_display().with_memory(3 << 20, 4 << 20));
    // 1200 KiB each.
    let one = framebuffer(&mut display, 1);
    display.set_mode(0, &MODE, &one).unwrap();
    display.page_flip(0, &one, &[]).unwrap();
    // The second page of the first makes place.
    let two = framebuffer(&mut display, 2);
    let error = display.create_framebuffer(WIDTH, HEIGHT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
    for words in ["0000:00:1f.0", "640x480 takes 1200 KiB", "of 3072 KiB, 672 are free", "672 of them"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = display.page_flip(0, &one, &[WHOLE]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error}");
    assert_shows(&screen, &picture(1, WIDTH, HEIGHT));
    display.page_flip(0, &two, &[WHOLE]).unwrap();
    draw(&mut display, &one, 3);
    display.page_flip(0, &one, &[WHOLE]).unwrap();
    assert_shows(&screen, &picture(3, WIDTH, HEIGHT));
    display.destroy_framebuffer(two).unwrap();
    display.page_flip(0, &one, &[]).unwrap();
    assert_shows(&screen, &picture(3, WIDTH, HEIGHT));
    assert_eq!(screen.torn(), 0);
}

#[test]
fn what_a_register_cannot_reach_is_no_place() {
    let (mut display, _screen) = start(Card::vga());
    // A VGA's lines end at 12000: those of 64 pixels in the first 3000 KiB.
    let below = display.create_framebuffer(1280, 800).unwrap();
    let error = display.create_framebuffer(64, 64).unwrap_err();
    assert!(error.to_string().contains("at line 12000 at most"), "{error}");
    display.destroy_framebuffer(below).unwrap();
    display.create_framebuffer(64, 64).unwrap();
}

#[test]
fn framebuffers_are_created_and_destroyed_without_end() {
    let (mut display, screen) = start(Card::bochs_display());
    for seed in 0..50 {
        let framebuffer = framebuffer(&mut display, seed);
        display.set_mode(0, &MODE, &framebuffer).unwrap();
        display.page_flip(0, &framebuffer, &[]).unwrap();
        assert_shows(&screen, &picture(seed, WIDTH, HEIGHT));
        display.disable(0).unwrap();
        display.destroy_framebuffer(framebuffer).unwrap();
    }
    assert_eq!(screen.torn(), 0);
}

#[test]
fn what_is_off_is_dark_and_leaves_nothing_in_memory() {
    everywhere(|card| {
        let (mut display, screen) = start(card());
        let framebuffer = framebuffer(&mut display, 1);
        display.set_mode(0, &MODE, &framebuffer).unwrap();
        display.page_flip(0, &framebuffer, &[]).unwrap();
        display.disable(0).unwrap();
        assert_eq!(screen.picture(), None);
        let memory = screen.memory();
        assert!(memory[PAGE as usize..2 * PAGE as usize].iter().all(|&byte| byte == 0));
        assert_eq!(display.page_flip(0, &framebuffer, &[]).unwrap_err().kind(), ErrorKind::Precondition);
        display.set_mode(0, &MODE, &framebuffer).unwrap();
        assert_shows(&screen, &picture(1, WIDTH, HEIGHT));
        display.disable(0).unwrap();
        display.disable(0).unwrap();
    });
}

#[test]
fn the_monitor_and_the_device_agree_on_modes() {
    let sizes = |card: Card| {
        let (mut display, _screen) = start(card);
        let connector = display.connectors().unwrap().remove(0);
        assert!(connector.connected && connector.number == 0);
        let sizes: Vec<_> = connector.modes.iter().map(|mode| (mode.width, mode.height)).collect();
        (sizes, connector.edid)
    };
    let all = [(1280, 800), (1366, 768), (1920, 1080), (640, 480), (1024, 768)];
    let (seen, edid) = sizes(Card::bochs_display());
    assert_eq!(seen, all);
    let edid = edid.unwrap();
    assert_eq!((edid.manufacturer.as_str(), edid.name.as_deref()), ("DQL", Some("A model")));
    // Not a multiple of 8; more than there is memory.
    assert_eq!(sizes(Card::vga()).0, [(1280, 800), (1920, 1080), (640, 480), (1024, 768)]);
    assert_eq!(sizes(Card::vga().with_memory(4 << 20, 4 << 20)).0, [(1280, 800), (640, 480), (1024, 768)]);
    // The less of two.
    assert_eq!(sizes(Card::vga().with_memory(16 << 20, 2 << 20)).0, [(640, 480)]);
    for card in [Card::bochs_display().without_edid(), Card::vga().with_damaged_edid()] {
        let (seen, edid) = sizes(card);
        assert_eq!((seen[0], edid), ((1024, 768), None));
        assert!(seen.contains(&(1920, 1080)));
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let (mut display, screen) = start(Card::vga());
    let (mut other, _) = start(Card::vga());
    let own = framebuffer(&mut display, 1);
    let foreign = framebuffer(&mut other, 1);
    let small = display.create_framebuffer(320, 240).unwrap();
    let kind = |error: dirql::Error| {
        assert!(error.to_string().contains("0000:00:1f.0"), "{error}");
        error.kind()
    };
    for (width, height) in [(0, 480), (640, 0), (63, 64), (644, 480), (17_000, 64), (4000, 4000)] {
        let error = display.create_framebuffer(width, height).unwrap_err();
        assert_eq!(kind(error), ErrorKind::InvalidArgument, "{width}x{height}");
    }
    assert_eq!(kind(display.page_flip(0, &own, &[]).unwrap_err()), ErrorKind::Precondition);
    assert_eq!(kind(display.set_mode(1, &MODE, &own).unwrap_err()), ErrorKind::NotFound);
    assert_eq!(kind(display.set_mode(0, &MODE, &small).unwrap_err()), ErrorKind::InvalidArgument);
    assert_eq!(kind(display.set_mode(0, &MODE, &foreign).unwrap_err()), ErrorKind::NotFound);
    display.set_mode(0, &MODE, &own).unwrap();
    assert_eq!(kind(display.page_flip(0, &small, &[]).unwrap_err()), ErrorKind::InvalidArgument);
    assert_eq!(kind(display.page_flip(0, &foreign, &[]).unwrap_err()), ErrorKind::NotFound);
    assert_eq!(kind(display.page_flip(7, &own, &[]).unwrap_err()), ErrorKind::NotFound);
    assert_eq!(kind(display.draw(&foreign).unwrap_err()), ErrorKind::NotFound);
    assert_eq!(kind(display.destroy_framebuffer(foreign).unwrap_err()), ErrorKind::NotFound);
    assert_eq!(kind(display.disable(1).unwrap_err()), ErrorKind::NotFound);
    let pixels = Box::new([0; (CURSOR_SIZE * CURSOR_SIZE) as usize]);
    let cursor = Cursor { pixels, hot_x: 0, hot_y: 0 };
    assert_eq!(kind(display.set_cursor(0, Some(&cursor)).unwrap_err()), ErrorKind::Precondition);
    assert_eq!(kind(display.move_cursor(0, 1, 1).unwrap_err()), ErrorKind::Precondition);
    assert_eq!(kind(display.move_cursor(1, 1, 1).unwrap_err()), ErrorKind::NotFound);
    assert_shows(&screen, &picture(1, WIDTH, HEIGHT));
    assert_eq!(kind(display.destroy_framebuffer(own).unwrap_err()), ErrorKind::Busy);
    assert_shows(&screen, &picture(1, WIDTH, HEIGHT));
}
