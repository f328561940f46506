//! The display miniports: the Windows interfaces on the hardware's own three vectors, and on one, during flips.

use super::rows::{GPU, PATIENCE, Row, bind, builder};
use crate::traffic::no_faults;
use crate::{check, test};
use dirql_lab::{Machine, Result};
use libtest_mimic::Trial;
use serde_json::Value;

const FLIPS: usize = 2000;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("display::r3_miniports_enter_each_message_and_no_other", || {
        let single = Row {
            name: "single",
            device: "virtio-gpu-pci,disable-legacy=on,iommu_platform=on,vectors=1",
            slot: 6,
            ..GPU
        };
        let rows = [GPU, single];
        let machine = builder("display-miniport", &rows).trace("virtio_gpu_cmd_res_flush").boot()?;
        bind(&machine, &rows)?;
        for (row, messages) in rows.iter().zip([3, 1]) {
            let report = run(&machine, row, "dxgk")?;
            let status = |when: &str| report["statuses"][when].as_str().unwrap_or_default().to_owned();
            let holds = report["messages"] == messages
                && status("before connect") == "Unsuccessful"
                && status("after disconnect") == "Unsuccessful"
                && ["out of range before connect", "out of range", "out of range after disconnect"]
                    .iter()
                    .all(|when| status(when) == "InvalidParameter")
                && ["config_sections", "control_sections", "cursor_sections"]
                    .iter()
                    .all(|sections| report[sections].as_u64() > Some(0));
            check(holds, || format!("{}: {report:#}", row.name))?;
            run(&machine, row, "video_port")?;
        }
        no_faults(&machine)
    })]
}

/// The probe's report, after QEMU has seen the flips as well.
fn run(machine: &Machine, row: &Row, interface: &str) -> Result<Value> {
    let seen = || Ok::<_, dirql_lab::Error>(machine.log()?.matches("virtio_gpu_cmd_res_flush").count());
    let before = seen()?;
    let words = format!("dirql-lab-probe miniport {interface} {} {FLIPS}", row.address());
    let output = machine.command(&words).user("demo").timeout(PATIENCE).run()?.ok()?;
    let report = output.json()?;
    let holds = report["flips"] == FLIPS && report["fences"] == FLIPS && report["torn"] == 0;
    check(holds && output.stderr.is_empty(), || output.to_string())?;
    // And the one that sets the mode.
    let flushes = seen()? - before;
    check(flushes == FLIPS + 1, || format!("QEMU has seen {flushes} flushes\n{output}"))?;
    Ok(report)
}
