//! Memory: the device's until it has let go of it, and then used again.

use dirql::ErrorKind;
use dirql::class::display::Rectangle;
use dirql_virtio::model::gpu::{Lie, Options};

use crate::common::{assert_shows, display, drawn, layouts, mode, picture, start, wait};

const CREATE_2D: u32 = 0x101;
const UNREF: u32 = 0x102;
const ATTACH_BACKING: u32 = 0x106;
const DETACH_BACKING: u32 = 0x107;

#[test]
fn memory_that_the_device_has_let_go_of_is_used_again() {
    for (name, options) in layouts() {
        let (mut gpu, screen) = start(options);
        let display = display(&mut gpu);
        let shown = drawn(display, 1, 640, 480);
        let fence = display.set_mode(0, &mode(640, 480), &shown).unwrap();
        wait(display, fence);
        let first = drawn(display, 2, 640, 480);
        let mappings = screen.bus().mappings();
        display.destroy_framebuffer(first).unwrap();
        for seed in 0..50 {
            let framebuffer = drawn(display, seed, 640, 480);
            let fence = display.page_flip(0, &framebuffer, &[Rectangle::whole(640, 480)]).unwrap();
            wait(display, fence);
            assert_shows(&screen, 0, 640, 480, &picture(seed, 640, 480), name);
            let fence = display.page_flip(0, &shown, &[]).unwrap();
            wait(display, fence);
            display.destroy_framebuffer(framebuffer).unwrap();
        }
        assert_eq!((screen.bus().mappings(), screen.resources()), (mappings, 1), "{name}");
        assert_shows(&screen, 0, 640, 480, &picture(1, 640, 480), name);
        assert_eq!(screen.bus().faults(), [], "{name}");
    }
}

#[test]
fn what_is_shown_is_not_destroyed_and_goes_on_to_be_shown() {
    let (mut gpu, screen) = start(Options::default());
    let display = display(&mut gpu);
    let (first, second) = (drawn(display, 1, 64, 48), drawn(display, 2, 64, 48));
    let fence = display.set_mode(0, &mode(64, 48), &first).unwrap();
    wait(display, fence);
    assert_eq!(display.destroy_framebuffer(first).unwrap_err().kind(), ErrorKind::Busy);
    assert_shows(&screen, 0, 64, 48, &picture(1, 64, 48), "as before");
    let fence = display.page_flip(0, &second, &[Rectangle::whole(64, 48)]).unwrap();
    wait(display, fence);
    display.disable(0).unwrap();
    display.destroy_framebuffer(second).unwrap();
    assert_eq!(screen.resources(), 1, "the first one's handle went with the refusal");
}

#[test]
fn memory_that_the_device_does_not_let_go_of_is_not_used_again() {
    let (mut gpu, screen) = start(Options::default());
    let display = display(&mut gpu);
    for lie in [Lie::Refusal(0x1200), Lie::Type(7), Lie::Fence] {
        let kept = drawn(display, 7, 1024, 512);
        let mappings = screen.bus().mappings();
        screen.lie(DETACH_BACKING, lie);
        let error = display.destroy_framebuffer(kept).unwrap_err();
        assert!(error.to_string().contains("CMD_RESOURCE_DETACH_BACKING"), "{error}");
        let other = drawn(display, 8, 1024, 512);
        assert_eq!(screen.bus().mappings(), mappings + 1, "{lie:?}: its 2 MiB are still the device's");
        display.destroy_framebuffer(other).unwrap();
        drawn(display, 9, 1024, 512);
        assert_eq!(screen.bus().mappings(), mappings + 1, "those of the other are not");
    }
}

#[test]
fn what_the_device_has_no_memory_for_costs_none() {
    let (mut gpu, screen) = start(Options { host_memory: 3 << 20, ..Options::default() });
    let display = display(&mut gpu);
    let framebuffer = drawn(display, 1, 1024, 512);
    let mappings = screen.bus().mappings();
    for _ in 0..10 {
        let error = display.create_framebuffer(1024, 512).unwrap_err();
        assert!(error.to_string().contains("VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY"), "{error}");
    }
    for _ in 0..10 {
        screen.lie(ATTACH_BACKING, Lie::Refusal(0x1200));
        let error = display.create_framebuffer(64, 64).unwrap_err();
        assert!(error.to_string().contains("VIRTIO_GPU_RESP_ERR_UNSPEC"), "{error}");
    }
    assert_eq!(screen.resources(), 1);
    assert!(screen.bus().mappings() <= mappings + 1, "one attempt's memory does for all");
    screen.done();
    display.destroy_framebuffer(framebuffer).unwrap();
    let done = screen.done();
    assert_eq!((done[&DETACH_BACKING], done[&UNREF], done.get(&CREATE_2D)), (1, 1, None));
}
