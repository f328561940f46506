use std::thread;

use dirql_patterns::Pattern;

use super::super::fake::{Fake, Outside, Picture as Seen};
use super::*;
use crate::args::Size;
use crate::picture::Image;

const HANG: Duration = Duration::from_secs(60);
const PATTERN: Picture = Picture::Pattern(Pattern::Noise { seed: 3 });

fn noise(width: u32, height: u32) -> Seen {
    let mut pixels = vec![0; (width * height) as usize];
    Pattern::Noise { seed: 3 }.draw(&mut pixels, width as usize);
    (width, height, pixels)
}

fn address() -> Address {
    "0000:00:05.0".parse().unwrap()
}

/// Shows the picture while `outside` happens, and ends it then.
fn while_shown(
    fake: &mut Fake,
    place: &Place,
    picture: &Picture,
    outside: impl FnOnce(&Outside) + Send,
) -> Result<(Screen, u64)> {
    let (stop, seen) = (Stop::never(), fake.outside.clone());
    thread::scope(|scope| {
        let ending = stop.clone();
        scope.spawn(move || {
            outside(&seen);
            ending.ask();
        });
        let show = Show { place, picture, seconds: Some(HANG), stop: &stop };
        let shown = show.stay(fake, address(), &Output::new(true));
        assert!(stop.is_wanted() || shown.is_err(), "it took a minute");
        shown
    })
}

/// Waits until this is seen on a connector.
fn until(outside: &Outside, connector: u32, wanted: &Seen) {
    let deadline = Instant::now() + HANG;
    while outside.see(connector).as_ref() != Some(wanted) {
        assert!(Instant::now() < deadline, "it is not shown on connector {connector}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_pattern_is_drawn_anew_for_another_monitor() {
    let mut fake = Fake::new(&[(64, 48), (32, 24)]);
    let (screen, pictures) = while_shown(&mut fake, &Place::default(), &PATTERN, |outside| {
        until(outside, 0, &noise(64, 48));
        outside.plug(0, &[(80, 50)]);
        until(outside, 0, &noise(80, 50));
        // Pulled out, and in again: nothing is to be done.
        outside.plug(0, &[]);
        outside.plug(0, &[(80, 50), (64, 48)]);
        outside.plug(0, &[(32, 24)]);
        until(outside, 0, &noise(32, 24));
    })
    .unwrap();
    assert_eq!((screen.mode.width, pictures, fake.framebuffers()), (32, 3, 1));
}

#[test]
fn a_mode_that_was_named_stays() {
    let mut fake = Fake::new(&[(64, 48)]);
    let place = Place { mode: Some(Size { width: 40, height: 30 }), ..Place::default() };
    let (screen, pictures) = while_shown(&mut fake, &place, &PATTERN, |outside| {
        until(outside, 0, &noise(40, 30));
        outside.plug(0, &[(80, 50)]);
        thread::sleep(Duration::from_millis(20));
        until(outside, 0, &noise(40, 30));
    })
    .unwrap();
    assert_eq!((screen.mode.width, pictures), (40, 1));
}

#[test]
fn where_there_is_no_memory_for_two_the_first_one_goes_before() {
    let mut fake = Fake::new(&[(64, 48)]);
    fake.memory = Some(80 * 50);
    let (screen, pictures) = while_shown(&mut fake, &Place::default(), &PATTERN, |outside| {
        until(outside, 0, &noise(64, 48));
        outside.plug(0, &[(80, 50)]);
        until(outside, 0, &noise(80, 50));
    })
    .unwrap();
    assert_eq!((screen.mode.width, pictures, fake.framebuffers()), (80, 2, 1));
}

#[test]
fn a_device_that_takes_nothing_over_is_an_error() {
    let mut fake = Fake::new(&[(64, 48)]);
    fake.stuck = true;
    let error = while_shown(&mut fake, &Place::default(), &PATTERN, |_| {}).unwrap_err();
    assert!(error.to_string().contains("within 1 s that it has taken over"), "{error}");
}

#[test]
fn an_image_without_room_names_both_sizes_and_a_mode() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut encoder = png::Encoder::new(file.as_file(), 50, 40);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&[5; 2000]).unwrap();
    let picture = Picture::Image(Image::open(file.path()).unwrap());
    let mut fake = Fake::new(&[(48, 48), (90, 60), (64, 48)]);
    let error = while_shown(&mut fake, &Place::default(), &picture, |_| {}).unwrap_err().to_string();
    for words in ["50x40", "48x48", "fix: --mode 64x48", file.path().to_str().unwrap()] {
        assert!(error.contains(words), "{error}");
    }
    // A monitor that turns smaller does not end it.
    let mut fake = Fake::new(&[(52, 41)]);
    let grey = 0x050505;
    let mut wanted = vec![0; 52 * 41];
    (0..40).for_each(|y| wanted[y * 52 + 1..y * 52 + 51].fill(grey));
    let (screen, pictures) = while_shown(&mut fake, &Place::default(), &picture, |outside| {
        until(outside, 0, &(52, 41, wanted.clone()));
        outside.plug(0, &[(20, 20)]);
        thread::sleep(Duration::from_millis(20));
        until(outside, 0, &(52, 41, wanted));
    })
    .unwrap();
    assert_eq!((screen.mode.width, pictures), (52, 1));
}
