//! Cursors: a picture, its hot spot, and where it is.

use dirql::ErrorKind;
use dirql::class::display::{CURSOR_SIZE, Cursor};
use dirql_virtio::model::gpu::Options;

use crate::common::{display, eventually, layouts, picture, start};

fn cursor(seed: u32, hot_x: u32, hot_y: u32) -> Cursor {
    // Of every opacity.
    let pixels = picture(seed, CURSOR_SIZE, CURSOR_SIZE).into_iter().zip(0_u32..);
    let pixels: Vec<u32> = pixels.map(|(pixel, at)| pixel | at << 24).collect();
    Cursor { pixels: pixels.try_into().unwrap(), hot_x, hot_y }
}

#[test]
fn the_cursor_is_shown_where_its_hot_spot_is_said_to_be() {
    for (name, options) in layouts() {
        let (mut gpu, screen) = start(Options { scanouts: 2, ..options });
        let display = display(&mut gpu);
        display.move_cursor(0, 100, 50).unwrap();
        assert!(screen.cursor(0).is_none(), "{name}: there is none yet");
        let first = cursor(1, 3, 4);
        display.set_cursor(0, Some(&first)).unwrap();
        let shown = screen.cursor(0).unwrap();
        assert_eq!((shown.at, shown.hot), ((97, 46), (3, 4)), "{name}");
        assert_eq!(shown.pixels.as_deref(), Some(&first.pixels[..]), "{name}");
        assert!(screen.cursor(1).is_none(), "{name}");
        // More moves than the queue holds.
        for step in 0..100 {
            display.move_cursor(0, step, 2 * step).unwrap();
        }
        eventually("the last move", || screen.cursor(0).unwrap().at == (96, 194));
        assert_eq!(screen.cursor(0).unwrap().pixels.as_deref(), Some(&first.pixels[..]), "{name}");
        display.move_cursor(0, 1, 1).unwrap();
        let beyond = (-2_i32 as u32, -3_i32 as u32);
        eventually("left of the screen", || screen.cursor(0).unwrap().at == beyond);
        let second = cursor(2, 63, 0);
        display.set_cursor(1, Some(&second)).unwrap();
        assert_eq!(screen.cursor(1).unwrap().pixels.as_deref(), Some(&second.pixels[..]), "{name}");
        display.set_cursor(0, Some(&second)).unwrap();
        assert_eq!(screen.cursor(0).unwrap().pixels.as_deref(), Some(&second.pixels[..]), "{name}");
        assert_eq!(screen.resources(), 2, "{name}: one a scanout");
        display.set_cursor(0, None).unwrap();
        assert!(screen.cursor(0).unwrap().pixels.is_none() && screen.cursor(1).unwrap().pixels.is_some());
        display.move_cursor(0, 5, 5).unwrap();
        display.set_cursor(0, Some(&first)).unwrap();
        assert_eq!(screen.cursor(0).unwrap().at, (2, 1), "{name}");
        assert_eq!(screen.bus().faults(), [], "{name}");
    }
}

#[test]
fn a_cursor_that_does_not_point_into_itself_is_refused() {
    let (mut gpu, screen) = start(Options::default());
    let display = display(&mut gpu);
    for (hot_x, hot_y) in [(64, 0), (0, 64), (u32::MAX, 0)] {
        let error = display.set_cursor(0, Some(&cursor(1, hot_x, hot_y))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    assert_eq!(display.set_cursor(1, None).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(display.move_cursor(1, 0, 0).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(screen.cursor(0).is_none());
}

#[test]
fn moves_wait_for_room_and_the_last_one_counts() {
    let (mut gpu, screen) = start(Options::default());
    let display = display(&mut gpu);
    display.set_cursor(0, Some(&cursor(1, 0, 0))).unwrap();
    screen.hold();
    std::thread::scope(|scope| {
        let device = screen.clone();
        scope.spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            device.release();
        });
        for step in 0..40 {
            display.move_cursor(0, step, 0).unwrap();
        }
    });
    eventually("the last move", || screen.cursor(0).unwrap().at == (39, 0));
}
