//! Devices that say what cannot be: every lie is an error, and nothing is reached that is not theirs.

use std::time::Duration;

use dirql::ErrorKind;
use dirql::class::display::Rectangle;
use dirql::driver::Driver;
use dirql_virtio::model::Area;
use dirql_virtio::model::gpu::{Lie, Options};
use proptest::prelude::*;

use crate::common::{PATIENCE, display, drawn, mode, start, wait};

#[test]
fn a_chain_that_is_not_out_breaks_the_queue_and_everybody_is_told() {
    let (mut gpu, screen) = start(Options::default());
    let shown = display(&mut gpu);
    let framebuffer = drawn(shown, 1, 64, 48);
    let fence = shown.set_mode(0, &mode(64, 48), &framebuffer).unwrap();
    wait(shown, fence);
    screen.hold();
    let fence = shown.page_flip(0, &framebuffer, &[]).unwrap();
    // The index runs ahead of what is out.
    let mut index = [0; 2];
    let used = screen.area(0, Area::Device);
    screen.bus().dma_read(dirql::Iova(used + 2), &mut index).unwrap();
    let ahead = u16::from_le_bytes(index).wrapping_add(40);
    screen.scribble(0, Area::Device, 2, &ahead.to_le_bytes()).unwrap();
    screen.bus().message(1);
    let error = shown.wait(fence, PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Device);
    assert!(error.to_string().contains("moved the used index"), "{error}");
    assert_eq!(shown.connectors().unwrap_err().to_string(), error.to_string());
    Box::new(gpu).stop().unwrap();
    assert_eq!(screen.status(), 0);
}

#[test]
fn a_flip_that_is_never_answered_is_waited_for_no_longer_than_asked() {
    let (mut gpu, screen) = start(Options::default());
    let display = display(&mut gpu);
    let framebuffer = drawn(display, 1, 64, 48);
    screen.lie(0x104, Lie::Silence);
    let fence = display.set_mode(0, &mode(64, 48), &framebuffer).unwrap();
    assert!(!display.wait(fence, Duration::from_millis(30)).unwrap());
    // One that is lost keeps those after it.
    let other = drawn(display, 2, 64, 48);
    let later = display.page_flip(0, &other, &[]).unwrap();
    assert!(!display.wait(later, Duration::from_millis(30)).unwrap());
    assert_eq!(display.passed().unwrap(), None);
}

#[test]
fn a_question_that_is_never_answered_is_an_error_in_time() {
    let (mut gpu, screen) = start(Options::default());
    let display = display(&mut gpu);
    screen.lie(0x101, Lie::Silence);
    let error = display.create_framebuffer(64, 48).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Device);
    assert!(error.to_string().contains("not answered within 5 s"), "{error}");
}

#[derive(Debug, Clone)]
enum Step {
    Scribble { offset: u64, bytes: Vec<u8> },
    Lie(u32, Lie),
    Flip(usize),
    Create,
    Interrupt(u32),
    Passed,
}

fn step() -> impl Strategy<Value = Step> {
    let command = prop::sample::select(vec![0x101_u32, 0x103, 0x104, 0x105, 0x106, 0x107]);
    let lie = prop_oneof![
        any::<u32>().prop_map(Lie::Type),
        Just(Lie::Fence),
        Just(Lie::NoFence),
        Just(Lie::Short),
        (0x1200_u32..0x1206).prop_map(Lie::Refusal),
    ];
    prop_oneof![
        1 => (0_u64..500, prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(offset, bytes)| Step::Scribble { offset, bytes }),
        2 => (command, lie).prop_map(|(command, lie)| Step::Lie(command, lie)),
        4 => (0_usize..2).prop_map(Step::Flip),
        2 => Just(Step::Create),
        1 => (0_u32..3).prop_map(Step::Interrupt),
        1 => Just(Step::Passed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever the device answers, and while it takes commands and does none whatever it writes, is a fence or an error.
    #[test]
    fn whatever_a_device_says_is_a_fence_or_an_error(
        packed: bool,
        held: bool,
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut options = Options::default();
        options.transport.packed = packed;
        let (mut gpu, screen) = start(options);
        let shown = display(&mut gpu);
        let framebuffers = [drawn(shown, 0, 64, 48), drawn(shown, 1, 64, 48)];
        let fence = shown.set_mode(0, &mode(64, 48), &framebuffers[0]).unwrap();
        wait(shown, fence);
        if held {
            screen.hold();
        }
        for step in steps {
            let outcome = match step {
                // In a packed ring it would read that itself.
                Step::Scribble { offset, bytes } => {
                    if held && !packed {
                        screen.scribble(0, Area::Device, offset, &bytes).unwrap();
                    }
                    Ok(())
                }
                Step::Lie(command, lie) => {
                    screen.lie(command, lie);
                    Ok(())
                }
                Step::Flip(which) => shown.page_flip(0, &framebuffers[which], &[Rectangle::whole(9, 9)]).map(drop),
                Step::Create if held => Ok(()),
                Step::Create => shown
                    .create_framebuffer(8, 8)
                    .and_then(|framebuffer| shown.destroy_framebuffer(framebuffer)),
                Step::Interrupt(vector) => {
                    screen.bus().message(vector);
                    Ok(())
                }
                Step::Passed => shown.passed().map(drop),
            };
            if let Err(error) = outcome {
                prop_assert!(matches!(error.kind(), ErrorKind::Device | ErrorKind::Busy), "{}", error);
            }
        }
        Box::new(gpu).stop().unwrap();
        prop_assert_eq!(screen.status(), 0);
        prop_assert_eq!(screen.bus().mappings(), 0);
    }
}
