//! A miniport of the video port driver: an adapter with one interrupt, which tells of everything, entered by
//! `VideoPortSynchronizeExecution`.

use std::collections::BTreeMap;
use std::sync::Arc;

use dirql::ddi::video_port::{Adapter, synchronize_execution};
use dirql::driver::Settings;
use dirql::interrupt::Priority;
use dirql::synchronize::SyncError;
use dirql::{Device, Result};
use dirql_virtio::gpu::{ModeSetting, Part, Sections, Setup, State};

use super::exercise::{self, violated};
use super::extension::Extension;

const PRIORITIES: [Priority; 3] = [Priority::Low, Priority::Medium, Priority::High];

/// The adapter's one interrupt.
struct Interrupt {
    adapter: Arc<Adapter<Extension>>,
}

impl Sections for Interrupt {
    fn enter<R>(
        &self,
        _part: Part,
        routine: impl FnOnce(&mut State) -> R,
    ) -> std::result::Result<R, SyncError> {
        let mut result = None;
        let callback = |extension: Option<&mut Extension>, result: &mut Option<R>| {
            *result = extension.map(|extension| {
                extension.pass();
                routine(&mut extension.gpu)
            });
            result.is_some()
        };
        synchronize_execution(&self.adapter, Priority::High, &mut result, callback)?;
        // At this priority, it is handed the extension.
        result.ok_or(SyncError::NotConnected)
    }

    fn disconnect(&self) -> (Vec<State>, Result<()>) {
        let disconnected = self.adapter.interrupt().map(|vector| vector.disconnect()).transpose();
        let outcome = disconnected.as_ref().map(drop).map_err(|error| (*error).into());
        let extension = disconnected.ok().flatten().flatten();
        (extension.map(|extension| extension.gpu).into_iter().collect(), outcome)
    }
}

/// Whether the callback ran at a priority, and was handed the extension.
fn tried(adapter: &Adapter<Extension>, priority: Priority) -> std::result::Result<bool, SyncError> {
    let callback = |extension: Option<&mut Extension>, (): &mut ()| extension.map(Extension::pass).is_some();
    synchronize_execution(adapter, priority, &mut (), callback)
}

/// `HwVidInitialize`, so many flips with callbacks of all priorities at once, and the end. A line of JSON.
///
/// # Errors
/// Where anything is not as the interface says.
pub fn run(device: Device, flips: u64) -> Result<String> {
    let setup = Setup::open(device)?;
    let (interrupts, wiring) = setup.one_interrupt(&Settings::default())?;
    let mut adapter = Adapter::new(interrupts);
    let mut statuses = BTreeMap::new();
    let mut expect = |adapter: &Adapter<Extension>, when: &str, expected: [_; 3]| {
        for (priority, expected) in PRIORITIES.into_iter().zip(expected) {
            let outcome = tried(adapter, priority);
            if outcome != expected {
                return Err(violated(format!("{priority:?} {when}: {outcome:?}, not {expected:?}")));
            }
            statuses.insert(format!("{priority:?} {when}"), format!("{outcome:?}"));
        }
        Ok(())
    };
    let not_connected = Err(SyncError::NotConnected);
    expect(&adapter, "before connect", [Ok(false), not_connected, not_connected])?;
    let (foundation, states) = setup.states(&wiring);
    let [state] = <[State; 1]>::try_from(states)
        .map_err(|states| violated(format!("{} vectors, where one was asked for", states.len())))?;
    adapter.connect(Extension::new(state), |extension, _event| extension.service())?;
    let adapter = Arc::new(adapter);
    let mut display = ModeSetting::start(foundation, Interrupt { adapter: adapter.clone() }, &wiring)?;
    expect(&adapter, "connected", [Ok(false), Ok(true), Ok(true)])?;

    let routines = PRIORITIES.map(|priority| {
        let adapter = &adapter;
        move || match tried(adapter, priority)? {
            handed if handed == (priority != Priority::Low) => Ok(()),
            // Nobody else is let in where there is no extension.
            _ => Err(SyncError::InvalidVector),
        }
    });
    let others: Vec<exercise::Other<'_>> = routines.iter().map(|routine| routine as _).collect();
    let done = exercise::flips(&mut display, flips, &others)?;

    let mut seen = (0, 0);
    let look = |extension: Option<&mut Extension>, seen: &mut (u64, u64)| {
        *seen = extension.map_or((u64::MAX, 0), |extension| (extension.torn, extension.handled));
        true
    };
    synchronize_execution(&adapter, Priority::Medium, &mut seen, look)?;
    display.stop()?;
    let (torn, handled) = seen;
    if torn > 0 {
        return Err(violated(format!("{torn} times a callback and the handler, or two callbacks, met")));
    }
    if done.fences != done.flips || handled == 0 {
        return Err(violated(format!("{done:?}, and the handler ran {handled} times")));
    }
    let [low, medium, high] = [0, 1, 2].map(|priority| done.others[priority]);
    Ok(serde_json::json!({
        "interface": "video_port",
        "messages": 1,
        "flips": done.flips,
        "fences": done.fences,
        "low_sections": low,
        "medium_sections": medium,
        "high_sections": high,
        "handlers": [handled],
        "torn": torn,
        "statuses": statuses,
    })
    .to_string())
}
