//! A trace that has ended, and the file that a viewer opens.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::time::Instant;

use serde_json::{Value, json};

use super::buffer::{Buffer, Event, What};
use crate::Address;

/// What the threads of a device's interrupts did, in the order of time.
#[derive(Debug, Clone)]
pub struct Timeline {
    address: Address,
    events: Vec<Event>,
    threads: Vec<(u32, String)>,
    dropped: usize,
}

impl Timeline {
    pub(super) fn of(address: Address, buffer: &Buffer) -> Self {
        let mut events: Vec<_> = buffer.events().copied().collect();
        // Of what begins at once, the outer comes first.
        events.sort_by_key(|event| (event.began, Reverse(event.took)));
        Self { address, events, threads: buffer.threads(), dropped: buffer.dropped() }
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many events found no room.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// The kernel's ids of the threads, and their names.
    pub fn threads(&self) -> &[(u32, String)] {
        &self.threads
    }

    /// Writes Chrome's trace events as JSON, which ui.perfetto.dev opens: one track a thread, times in µs since the
    /// first event.
    ///
    /// # Errors
    /// What `writer` says.
    pub fn write_chrome_json(&self, mut writer: impl Write) -> io::Result<()> {
        let process = std::process::id();
        let program = program_name();
        let device = self.address;
        let metadata = |kind: &str, tid: u32, name: String| json!({ "name": kind, "ph": "M", "pid": process, "tid": tid, "args": { "name": name } });
        write!(writer, "{{\"displayTimeUnit\":\"ns\",\"otherData\":")?;
        let other = json!({ "device": device, "events": self.len(), "dropped": self.dropped });
        serde_json::to_writer(&mut writer, &other)?;
        writeln!(writer, ",\"traceEvents\":[")?;
        serde_json::to_writer(
            &mut writer,
            &metadata("process_name", process, format!("{program} {device}")),
        )?;
        for (thread, name) in &self.threads {
            writeln!(writer, ",")?;
            serde_json::to_writer(&mut writer, &metadata("thread_name", *thread, name.clone()))?;
        }
        if let Some(first) = self.events.first() {
            for event in &self.events {
                writeln!(writer, ",")?;
                serde_json::to_writer(&mut writer, &slice(event, first.began, process))?;
            }
        }
        writeln!(writer, "\n]}}")?;
        writer.flush()
    }
}

/// What this program is called.
pub(crate) fn program_name() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    std::path::Path::new(&path).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A complete event: a slice on its thread's track.
fn slice(event: &Event, origin: Instant, process: u32) -> Value {
    let &Event { what, vector, thread, began, took } = event;
    let micros = |duration: std::time::Duration| duration.as_nanos() as f64 / 1e3;
    let (kind, args) = match what {
        What::Handler { count, spurious } => {
            ("handler", json!({ "vector": vector, "count": count, "spurious": spurious }))
        }
        What::HandlerWait => ("handler waits", json!({ "vector": vector })),
        What::Section(site) => {
            ("section", json!({ "vector": vector, "call_site": site.map(ToString::to_string) }))
        }
        What::Wait(site) => ("section waits", json!({ "vector": vector, "call_site": site.to_string() })),
        What::Deferred => ("deferred call", json!({ "vector": vector })),
    };
    json!({
        "name": format!("{kind} {vector}"),
        "cat": kind,
        "ph": "X",
        "ts": micros(began.saturating_duration_since(origin)),
        "dur": micros(took),
        "pid": process,
        "tid": thread,
        "args": args,
    })
}
