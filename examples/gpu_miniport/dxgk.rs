//! A miniport of the display driver model: three messages, each with an extension in its lock, entered by
//! `DxgkCbSynchronizeExecution`.

use std::collections::BTreeMap;
use std::sync::Arc;

use dirql::ddi::dxgk::{DeviceHandle, Status, synchronize_execution};
use dirql::driver::Settings;
use dirql::synchronize::SyncError;
use dirql::{Device, Result};
use dirql_virtio::gpu::{ModeSetting, Part, Sections, Setup, State, Wiring};

use super::exercise::{self, violated};
use super::extension::Extension;

/// Whom each message tells of what.
struct Messages {
    handle: Arc<DeviceHandle<Extension>>,
    wiring: Wiring,
}

impl Sections for Messages {
    fn enter<R>(
        &self,
        part: Part,
        routine: impl FnOnce(&mut State) -> R,
    ) -> std::result::Result<R, SyncError> {
        let mut result = None;
        let synchronize_routine = |extension: &mut Extension, result: &mut Option<R>| {
            extension.pass();
            *result = Some(routine(&mut extension.gpu));
            true
        };
        let message_number = self.wiring.of(part).into();
        synchronize_execution(&self.handle, synchronize_routine, &mut result, message_number)?;
        // It has run, so there is a result.
        result.ok_or(SyncError::NotConnected)
    }

    fn disconnect(&self) -> (Vec<State>, Result<()>) {
        let (mut states, mut outcome) = (Vec::new(), Ok(()));
        for message in (0..self.wiring.vectors().into()).filter_map(|number| self.handle.message(number)) {
            match message.disconnect() {
                Ok(extension) => states.extend(extension.map(|extension| extension.gpu)),
                Err(error) => outcome = outcome.and(Err(error.into())),
            }
        }
        (states, outcome)
    }
}

/// What the interface says of a message that nobody must be let into.
fn status(handle: &DeviceHandle<Extension>, message_number: u32) -> Result<Status> {
    let mut has_run = false;
    let routine = |_: &mut Extension, has_run: &mut bool| {
        *has_run = true;
        true
    };
    let outcome = synchronize_execution(handle, routine, &mut has_run, message_number);
    match has_run {
        false => Ok(Status::of(&outcome)),
        true => Err(violated(format!("the routine of message {message_number} ran"))),
    }
}

/// `DxgkDdiStartDevice`, so many flips with routines of all messages at once, `DxgkDdiStopDevice`. A line of JSON.
///
/// # Errors
/// Where anything is not as the interface says.
pub fn run(device: Device, flips: u64) -> Result<String> {
    let setup = Setup::open(device)?;
    let (interrupts, wiring) = setup.interrupts(&Settings::default())?;
    let messages = u32::from(wiring.vectors());
    let beyond = [messages, u32::from(u16::MAX) + 1, u32::MAX];
    let mut handle = DeviceHandle::new(interrupts);
    let mut statuses = BTreeMap::new();
    let mut expect =
        |handle: &DeviceHandle<Extension>, when: &'static str, numbers: &[u32], expected: Status| {
            for &number in numbers {
                let status = status(handle, number)?;
                if status != expected {
                    return Err(violated(format!("message {number} {when}: {status:?}, not {expected:?}")));
                }
            }
            statuses.insert(when, format!("{expected:?}"));
            Ok(())
        };
    let all: Vec<u32> = (0..messages).collect();
    expect(&handle, "before connect", &all, Status::Unsuccessful)?;
    expect(&handle, "out of range before connect", &beyond, Status::InvalidParameter)?;
    let (foundation, states) = setup.states(&wiring);
    for (number, state) in (0..).zip(states) {
        let service = |extension: &mut Extension, _: dirql::interrupt::Event<'_>| extension.service();
        handle.connect(number, Extension::new(state), service, |_dpc| ())?;
    }
    let handle = Arc::new(handle);
    let sections = Messages { handle: handle.clone(), wiring: wiring.clone() };
    let mut display = ModeSetting::start(foundation, sections, &wiring)?;
    expect(&handle, "out of range", &beyond, Status::InvalidParameter)?;

    let routine = |number: u32| {
        let handle = &handle;
        move || {
            let mut passed = 0;
            let routine = |extension: &mut Extension, passed: &mut u64| {
                extension.pass();
                *passed = extension.passed();
                true
            };
            synchronize_execution(handle, routine, &mut passed, number).map(drop)
        }
    };
    let routines: Vec<_> = all.iter().map(|&number| routine(number)).collect();
    let others: Vec<exercise::Other<'_>> = routines.iter().map(|routine| routine as _).collect();
    let done = exercise::flips(&mut display, flips, &others)?;

    let mut seen = Vec::new();
    for &number in &all {
        let mut of_message = (0, 0, 0);
        let look = |extension: &mut Extension, seen: &mut (u64, u64, u64)| {
            *seen = (extension.torn, extension.handled, extension.passed());
            true
        };
        synchronize_execution(&handle, look, &mut of_message, number)?;
        seen.push(of_message);
    }
    drop(routines);
    display.stop()?;
    expect(&handle, "after disconnect", &all, Status::Unsuccessful)?;
    expect(&handle, "out of range after disconnect", &beyond, Status::InvalidParameter)?;
    let torn: u64 = seen.iter().map(|(torn, _, _)| torn).sum();
    let handled: Vec<u64> = seen.iter().map(|(_, handled, _)| *handled).collect();
    let of = |part| handled[usize::from(wiring.of(part))];
    if torn > 0 {
        return Err(violated(format!("{torn} times a routine and a handler, or two routines, met")));
    }
    if done.fences != done.flips || of(Part::Control) == 0 || of(Part::Cursor) == 0 {
        return Err(violated(format!("{done:?}, and handlers ran {handled:?} times")));
    }
    let [config, control, cursor] = [Part::Config, Part::Control, Part::Cursor].map(|part| wiring.of(part));
    let sections = |message: u16| done.others[usize::from(message)];
    Ok(serde_json::json!({
        "interface": "dxgk",
        "messages": messages,
        "flips": done.flips,
        "fences": done.fences,
        "config_sections": sections(config),
        "control_sections": sections(control),
        "cursor_sections": sections(cursor),
        "handlers": handled,
        "torn": torn,
        "statuses": statuses,
    })
    .to_string())
}
