//! The graphics adapter's side of its queues.

use std::collections::VecDeque;

use dirql::backend::model::Bus;

use super::host::Host;
use super::{Lie, Options};
use crate::model::common::Common;
use crate::model::function::Function;
use crate::model::ring::{Element, Queue};

const EDID: u32 = 1;
const FLAG_FENCE: u32 = 1;
const CONTROL: u16 = 0;
const CURSOR: u16 = 1;

/// The whole device.
#[derive(Debug)]
pub struct Gpu {
    pub common: Common,
    pub host: Host,
    /// Takes commands and does not do them for now.
    pub held: bool,
    /// Commands that were taken, with what they say.
    pub waiting: VecDeque<(Element, Vec<u8>)>,
    /// What goes wrong with the next command of a type.
    pub lies: Vec<(u32, Lie)>,
    /// Ids of the fences that were answered, in order.
    pub fenced: Vec<u64>,
    events: u32,
}

impl Gpu {
    pub fn new(options: Options) -> Self {
        let Options { transport, scanouts, size, edid, host_memory } = options;
        let (control, cursor) = transport.queue_sizes;
        let queues = vec![Queue::new(control), Queue::new(cursor)];
        Self {
            common: Common::new(transport, u64::from(edid) << EDID, queues),
            host: Host::new(scanouts, size, host_memory),
            held: false,
            waiting: VecDeque::new(),
            lies: Vec::new(),
            fenced: Vec::new(),
            events: 0,
        }
    }

    /// Something has happened to the displays.
    pub fn displays_changed(&mut self, bus: &Bus) {
        self.events |= 1;
        self.common.config_changed(bus);
    }

    /// Takes everything that there is, and does it, unless it is held.
    fn serve(&mut self, bus: &Bus) {
        self.common.ask_for_bells(bus, CONTROL, false);
        self.take(bus);
        self.common.ask_for_bells(bus, CONTROL, true);
        // What came before it asked is not told.
        self.take(bus);
    }

    fn take(&mut self, bus: &Bus) {
        while self.common.is_running(bus) {
            let Some(element) = self.common.pop(bus, CONTROL) else { break };
            let Ok(request) = element.read(bus) else { break };
            self.waiting.push_back((element, request));
        }
        if !self.held {
            while self.next(bus) {}
        }
    }

    /// Does the next command and answers it; false where there is none.
    pub fn next(&mut self, bus: &Bus) -> bool {
        let Some((element, request)) = self.waiting.pop_front() else { return false };
        let response = self.obey(bus, &request);
        self.answer(bus, vec![(element, response)]);
        true
    }

    /// Does all commands in their order, and answers them in the opposite one.
    pub fn serve_backwards(&mut self, bus: &Bus) {
        let mut done = Vec::new();
        while let Some((element, request)) = self.waiting.pop_front() {
            let response = self.obey(bus, &request);
            done.push((element, response));
        }
        done.into_iter().rev().for_each(|one| self.answer(bus, vec![one]));
    }

    /// Does a command, and gives the response; `None` where it keeps silent.
    fn obey(&mut self, bus: &Bus, request: &[u8]) -> Option<Vec<u8>> {
        let word = |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().unwrap_or_default());
        let (kind, fenced) = (word(0), word(4) & FLAG_FENCE != 0);
        let lie = self.lies.iter().position(|(of, _)| *of == kind).map(|at| self.lies.remove(at).1);
        let (mut answer, mut response) = match lie {
            Some(Lie::Refusal(answer)) => (answer, vec![0; 24]),
            _ => self.host.obey(bus, request),
        };
        if let Some(Lie::Type(other)) = lie {
            answer = other;
        }
        response[..4].copy_from_slice(&answer.to_le_bytes());
        if fenced && lie != Some(Lie::NoFence) {
            response[4..16].copy_from_slice(&request[4..16]);
            self.fenced.push(u64::from(word(8)) | u64::from(word(12)) << 32);
        }
        match lie {
            Some(Lie::Fence) => response[8] = response[8].wrapping_add(1),
            Some(Lie::Short) => response.truncate(23),
            Some(Lie::Silence) => return None,
            _ => {}
        }
        Some(response)
    }

    fn answer(&mut self, bus: &Bus, done: Vec<(Element, Option<Vec<u8>>)>) {
        for (element, response) in done {
            let Some(response) = response else { continue };
            let written = element.write(bus, &response).unwrap_or(0) as u32;
            self.common.push(bus, CONTROL, &[(element, written)]);
        }
    }

    /// Does every command of the cursor, and asks to be told of more.
    fn point(&mut self, bus: &Bus) {
        if self.held {
            return;
        }
        self.common.ask_for_bells(bus, CURSOR, false);
        self.follow(bus);
        self.common.ask_for_bells(bus, CURSOR, true);
        // What came before it asked is not told.
        self.follow(bus);
    }

    fn follow(&mut self, bus: &Bus) {
        while self.common.is_running(bus) {
            let Some(element) = self.common.pop(bus, CURSOR) else { break };
            assert!(element.writable.is_empty(), "nothing is answered to a cursor's command");
            let Ok(request) = element.read(bus) else { break };
            self.host.point(&request);
            self.common.push(bus, CURSOR, &[(element, 0)]);
        }
    }

    /// Goes on with everything that was held.
    pub fn go_on(&mut self, bus: &Bus) {
        self.held = false;
        while self.next(bus) {}
        if self.common.is_running(bus) {
            self.serve(bus);
            self.point(bus);
        }
    }
}

impl Function for Gpu {
    fn common(&mut self) -> &mut Common {
        &mut self.common
    }

    fn notified(&mut self, bus: &Bus, queue: u16) {
        if !self.common.is_running(bus) {
            return;
        }
        match queue {
            CONTROL => self.serve(bus),
            CURSOR => self.point(bus),
            _ => {}
        }
    }

    fn config(&self) -> Vec<u8> {
        [self.events, 0, self.host.scanouts(), 0].iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn write_config(&mut self, offset: u64, data: &[u8]) {
        assert_eq!((offset, data.len()), (4, 4), "only events_clear is written");
        self.events &= !u32::from_le_bytes([data[0], data[1], data[2], data[3]]);
    }

    fn forget(&mut self) {
        self.host.forget();
        self.waiting.clear();
    }
}
