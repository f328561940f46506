//! The example miniport: `DxgkCbSynchronizeExecution` by three messages, `VideoPortSynchronizeExecution` by one interrupt.

#[path = "../../../examples/gpu_miniport/dxgk.rs"]
mod dxgk;
#[path = "../../../examples/gpu_miniport/exercise.rs"]
mod exercise;
#[path = "../../../examples/gpu_miniport/extension.rs"]
mod extension;
#[path = "../../../examples/gpu_miniport/video_port.rs"]
mod video_port;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dirql_virtio::model::gpu::{Card, Options};
use serde_json::Value;

const FLIPS: u64 = 2000;

fn report(line: dirql::Result<String>) -> Value {
    serde_json::from_str(&line.unwrap()).unwrap()
}

#[test]
fn r3_r4_dxgk_flips_submit_by_message_1_while_routines_run_by_all_three() {
    for packed in [false, true] {
        let mut options = Options::default();
        options.transport.packed = packed;
        let (device, screen) = Card::new(options).plug_in().unwrap();
        let over = AtomicBool::new(false);
        let report = std::thread::scope(|scope| {
            scope.spawn(|| {
                // Message 0 has something to tell of, too.
                while !over.load(Ordering::Relaxed) {
                    screen.resize(0, 800, 600);
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let report = std::panic::catch_unwind(AssertUnwindSafe(|| report(dxgk::run(device, FLIPS))));
            over.store(true, Ordering::Relaxed);
            report.unwrap()
        });
        let handlers = report["handlers"].as_array().unwrap();
        assert!(handlers.iter().all(|count| count.as_u64().unwrap() > 0), "{report}");
        assert_eq!((&report["messages"], &report["torn"]), (&3.into(), &0.into()), "{report}");
        assert_eq!((&report["flips"], &report["fences"]), (&FLIPS.into(), &FLIPS.into()), "{report}");
        for message in ["config_sections", "control_sections", "cursor_sections"] {
            assert!(report[message].as_u64().unwrap() > 0, "{report}");
        }
        let statuses = &report["statuses"];
        for (when, status) in [
            ("before connect", "Unsuccessful"),
            ("out of range before connect", "InvalidParameter"),
            ("out of range", "InvalidParameter"),
            ("after disconnect", "Unsuccessful"),
            ("out of range after disconnect", "InvalidParameter"),
        ] {
            assert_eq!(statuses[when], status, "{when}: {report}");
        }
        // What the host saw: a flush for each flip, and one for the mode.
        assert_eq!(screen.done()[&0x104], FLIPS + 1);
        assert_eq!((screen.resources(), screen.status()), (0, 0));
        assert_eq!(screen.bus().faults(), []);
    }
}

#[test]
fn r3_dxgk_a_line_is_message_0_and_no_other() {
    let mut options = Options::default();
    options.transport.vectors = 0;
    let (device, screen) = Card::new(options).plug_in().unwrap();
    let report = report(dxgk::run(device, 200));
    assert_eq!((&report["messages"], &report["fences"]), (&1.into(), &200.into()), "{report}");
    assert_eq!(screen.bus().faults(), []);
}

#[test]
fn r9_video_port_callbacks_of_every_priority_run_during_flips() {
    for vectors in [0, 1, 3] {
        let mut options = Options::default();
        options.transport.vectors = vectors;
        let (device, screen) = Card::new(options).plug_in().unwrap();
        let report = report(video_port::run(device, FLIPS));
        assert_eq!((&report["torn"], &report["fences"]), (&0.into(), &FLIPS.into()), "{report}");
        assert_eq!(report["statuses"]["High before connect"], "Err(NotConnected)");
        assert_eq!(report["statuses"]["Low before connect"], "Ok(false)");
        assert_eq!(report["statuses"]["Medium connected"], "Ok(true)");
        for priority in ["low_sections", "medium_sections", "high_sections"] {
            assert!(report[priority].as_u64().unwrap() > 0, "{report}");
        }
        assert_eq!(screen.done()[&0x104], FLIPS + 1);
        assert_eq!(screen.bus().faults(), []);
    }
}
