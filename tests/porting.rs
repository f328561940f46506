//! The port of `docs/porting.md`: the page shows the driver as it is, and the driver works.

#[path = "../examples/miniport/driver.rs"]
mod driver;
#[path = "../examples/miniport/model.rs"]
mod model;
mod support;

use std::sync::mpsc;

use dirql::Device;
use dirql::synchronize::Completion;
use driver::{CONTROL_RUN, FIFO_DEPTH, Sampler};
use support::{PATIENCE, eventually, returns};

#[test]
fn the_page_shows_the_whole_driver() {
    let (page, driver) = (include_str!("../docs/porting.md"), include_str!("../examples/miniport/driver.rs"));
    assert!(page.contains(driver.trim_end()), "docs/porting.md does not hold driver.rs as it is");
}

#[test]
fn the_ported_driver_delivers_by_message_and_by_line_until_it_is_stopped() {
    for messages in [1, 0] {
        let (backend, source) = model::sampler(messages);
        let bus = backend.bus();
        let (sender, samples) = mpsc::channel();
        let device = Device::from_backend(backend).unwrap();
        let sampler = Sampler::start(device, move |sample| sender.send(sample).unwrap()).unwrap();
        for value in 0..100 {
            assert!(source.sample(value));
            assert_eq!(samples.recv_timeout(PATIENCE).unwrap().unwrap(), value);
        }
        sampler.set_rate(0x30).unwrap();
        assert_eq!(source.registers().control, 0x3000 | CONTROL_RUN);
        returns("the stop", move || sampler.stop()).unwrap();
        assert!(!source.sample(100) && !bus.bus_master());
        assert_eq!(samples.try_iter().count(), 0);
    }
}

#[test]
fn r4_the_dispatch_routine_never_undoes_a_pause_of_the_service_routine() {
    let (backend, source) = model::sampler(1);
    let (sender, samples) = mpsc::channel();
    let device = Device::from_backend(backend).unwrap();
    let sampler = Sampler::start(device, move |sample| sender.send(sample).unwrap()).unwrap();
    let (mut sent, mut overruns) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        let changes = scope.spawn(|| {
            for _ in 0..400 {
                (0..=255).for_each(|rate| sampler.set_rate(rate).unwrap());
            }
        });
        let mut value = 0;
        eventually("many overruns, and the changes are over", || {
            // More than fits, so that the service routine pauses the device; the deferred call lets it go on.
            eventually("the device runs", || source.registers().control & CONTROL_RUN != 0);
            for _ in 0..2 * FIFO_DEPTH {
                value += 1;
                if source.sample(value) { sent.push(value) } else { overruns += 1 }
            }
            overruns > 100 && changes.is_finished()
        });
    });
    eventually("the device runs", || source.registers().control & CONTROL_RUN != 0);
    let control = source.registers().control;
    assert_eq!(control, 255 << 8 | CONTROL_RUN);
    let delivered: Vec<_> = sent.iter().map(|_| samples.recv_timeout(PATIENCE).unwrap().unwrap()).collect();
    assert!(delivered == sent);
    assert_eq!(source.registers().lost_pauses, 0);
    sampler.stop().unwrap();
    assert_eq!(samples.try_iter().count(), 0);
}

#[test]
fn r27_a_deferred_call_that_the_stop_waits_for_does_not_start_the_device_again() {
    let (backend, source) = model::sampler(1);
    let bus = backend.bus();
    let (began, leave) = (Completion::new(), Completion::new());
    let (told, gate) = (began.clone(), leave.clone());
    let device = Device::from_backend(backend).unwrap();
    let sampler = Sampler::start(device, move |_| {
        told.complete();
        assert!(gate.wait(PATIENCE));
    })
    .unwrap();
    let overruns = (0..2 * FIFO_DEPTH).filter(|&value| !source.sample(value)).count();
    assert!(overruns > 0 && began.wait(PATIENCE));
    eventually("the service routine has paused the device", || source.registers().control & CONTROL_RUN == 0);
    // The deferred call is at its first sample, and has the others and the end of the pause before it.
    let triggers = bus.triggers();
    let stop = std::thread::spawn(move || sampler.stop());
    eventually("the stop is waiting", || bus.triggers() > triggers);
    (0..2 * FIFO_DEPTH).for_each(|_| leave.complete());
    returns("the stop", move || stop.join().unwrap()).unwrap();
    assert_eq!(source.registers().control & CONTROL_RUN, 0);
}
