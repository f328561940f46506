//! The host's side of a graphics adapter: resources, scanouts, cursors, and the commands that change them.
//!
//! Strict: a scanout's picture is what was flushed to it, not what was transferred to its resource.

use std::collections::BTreeMap;

use dirql::Iova;
use dirql::backend::model::Bus;

use super::edid::edid;

const OK_NODATA: u32 = 0x1100;
const OK_DISPLAY_INFO: u32 = 0x1101;
const OK_EDID: u32 = 0x1104;
const ERR_UNSPEC: u32 = 0x1200;
const ERR_OUT_OF_MEMORY: u32 = 0x1201;
const ERR_INVALID_SCANOUT_ID: u32 = 0x1202;
const ERR_INVALID_RESOURCE_ID: u32 = 0x1203;
const ERR_INVALID_PARAMETER: u32 = 0x1205;

/// The least side of what a scanout shows, as QEMU has it.
const LEAST: u32 = 16;
/// Bytes of a header.
const HEADER: usize = 24;
/// What nobody has drawn.
const NOTHING: u32 = 0xdead_beef;

/// What is to be seen on a monitor.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels of a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Line after line, each 0x00RRGGBB.
    pub pixels: Vec<u32>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

/// A cursor as the host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// Where its upper left corner is.
    pub at: (u32, u32),
    /// Which of its pixels points.
    pub hot: (u32, u32),
    /// Its pixels; `None` where it is not to be seen.
    pub pixels: Option<Vec<u32>>,
}

#[derive(Debug)]
struct Resource {
    format: u32,
    width: u32,
    height: u32,
    pixels: Vec<u32>,
    backing: Option<Vec<(u64, u32)>>,
}

#[derive(Debug, Clone, Copy)]
struct Rect {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

impl Rect {
    fn is_within(self, width: u32, height: u32) -> bool {
        let ends = |at: u32, len: u32, most: u32| at.checked_add(len).is_some_and(|end| end <= most);
        ends(self.x, self.width, width) && ends(self.y, self.height, height)
    }

    fn rows(self, pitch: u32) -> impl Iterator<Item = std::ops::Range<usize>> {
        (self.y..self.y + self.height).map(move |y| {
            let start = y as usize * pitch as usize + self.x as usize;
            start..start + self.width as usize
        })
    }
}

#[derive(Debug, Default)]
struct Scanout {
    /// As a monitor wants it; 0 for none.
    wanted: (u32, u32),
    resource: u32,
    part: Option<Rect>,
    picture: Option<Picture>,
    pointer: Option<Pointer>,
}

/// The host's side.
#[derive(Debug)]
pub struct Host {
    resources: BTreeMap<u32, Resource>,
    scanouts: Vec<Scanout>,
    memory: usize,
    /// Commands of each type that were done.
    pub done: BTreeMap<u32, u64>,
}

impl Host {
    pub fn new(scanouts: u32, size: (u32, u32), memory: usize) -> Self {
        let mut all: Vec<_> = (0..scanouts).map(|_| Scanout::default()).collect();
        all[0].wanted = size;
        Self { resources: BTreeMap::new(), scanouts: all, memory, done: BTreeMap::new() }
    }

    /// What a reset forgets: everything but the monitors.
    pub fn forget(&mut self) {
        self.resources.clear();
        for scanout in &mut self.scanouts {
            *scanout = Scanout { wanted: scanout.wanted, ..Scanout::default() };
        }
    }

    pub fn scanouts(&self) -> u32 {
        self.scanouts.len() as u32
    }

    pub fn want(&mut self, scanout: u32, size: (u32, u32)) {
        self.scanouts[scanout as usize].wanted = size;
    }

    pub fn picture(&self, scanout: u32) -> Option<Picture> {
        self.scanouts.get(scanout as usize)?.picture.clone()
    }

    pub fn pointer(&self, scanout: u32) -> Option<Pointer> {
        self.scanouts.get(scanout as usize)?.pointer.clone()
    }

    pub fn resources(&self) -> usize {
        self.resources.len()
    }

    /// Does a command of the control queue, and gives the response with an empty header.
    pub fn obey(&mut self, bus: &Bus, request: &[u8]) -> (u32, Vec<u8>) {
        let kind = word(request, 0);
        assert_eq!(request[16..HEADER], [0; 8], "no context, no ring, no padding");
        let mut response = vec![0; HEADER];
        let outcome = match kind {
            0x100 => {
                self.display_info(&mut response);
                Ok(OK_DISPLAY_INFO)
            }
            0x10a => self.get_edid(request, &mut response).map(|()| OK_EDID),
            0x101 => self.create(request),
            0x102 => self.unref(request),
            0x103 => self.set_scanout(request),
            0x104 => self.flush(request),
            0x105 => self.transfer(bus, request),
            0x106 => self.attach(request),
            0x107 => self.detach(request),
            _ => Err(ERR_UNSPEC),
        };
        if outcome.is_ok() {
            *self.done.entry(kind).or_default() += 1;
        } else {
            response.truncate(HEADER);
        }
        (outcome.unwrap_or_else(|error| error), response)
    }

    fn display_info(&self, response: &mut Vec<u8>) {
        for scanout in 0..16 {
            let (width, height) = self.scanouts.get(scanout).map_or((0, 0), |scanout| scanout.wanted);
            let enabled = u32::from(width > 0 && height > 0);
            response.extend([0, 0, width, height, enabled, 0].iter().flat_map(|word| word.to_le_bytes()));
        }
    }

    fn get_edid(&self, request: &[u8], response: &mut Vec<u8>) -> Result<(), u32> {
        sized(request, 8)?;
        let scanout = self.scanouts.get(word(request, 24) as usize).ok_or(ERR_INVALID_SCANOUT_ID)?;
        let description = edid(scanout.wanted.0, scanout.wanted.1);
        response.extend((description.len() as u64).to_le_bytes());
        response.extend(description);
        Ok(())
    }

    fn resource(&mut self, id: u32) -> Result<&mut Resource, u32> {
        self.resources.get_mut(&id).ok_or(ERR_INVALID_RESOURCE_ID)
    }

    fn create(&mut self, request: &[u8]) -> Result<u32, u32> {
        sized(request, 16)?;
        let [id, format, width, height] = [24, 28, 32, 36].map(|at| word(request, at));
        if id == 0 || self.resources.contains_key(&id) {
            return Err(ERR_INVALID_RESOURCE_ID);
        }
        if !(1..=2).contains(&format) {
            return Err(ERR_INVALID_PARAMETER);
        }
        let used: usize = self.resources.values().map(|resource| 4 * resource.pixels.len()).sum();
        let pixels = width as usize * height as usize;
        if pixels == 0 || used + 4 * pixels > self.memory {
            return Err(ERR_OUT_OF_MEMORY);
        }
        let pixels = vec![NOTHING; pixels];
        self.resources.insert(id, Resource { format, width, height, pixels, backing: None });
        Ok(OK_NODATA)
    }

    fn unref(&mut self, request: &[u8]) -> Result<u32, u32> {
        sized(request, 8)?;
        let id = word(request, 24);
        self.resources.remove(&id).ok_or(ERR_INVALID_RESOURCE_ID)?;
        for scanout in self.scanouts.iter_mut().filter(|scanout| scanout.resource == id) {
            (scanout.resource, scanout.part, scanout.picture) = (0, None, None);
        }
        Ok(OK_NODATA)
    }

    fn attach(&mut self, request: &[u8]) -> Result<u32, u32> {
        let (id, entries) = (word(request, 24), word(request, 28) as usize);
        sized(request, 8 + 16 * entries)?;
        let resource = self.resource(id)?;
        if resource.backing.is_some() {
            return Err(ERR_UNSPEC);
        }
        let entry = |index: usize| {
            let at = 32 + 16 * index;
            (long(request, at), word(request, at + 8))
        };
        resource.backing = Some((0..entries).map(entry).collect());
        Ok(OK_NODATA)
    }

    fn detach(&mut self, request: &[u8]) -> Result<u32, u32> {
        sized(request, 8)?;
        self.resource(word(request, 24))?.backing.take().ok_or(ERR_UNSPEC).map(|_| OK_NODATA)
    }

    fn transfer(&mut self, bus: &Bus, request: &[u8]) -> Result<u32, u32> {
        sized(request, 32)?;
        let (part, offset) = (rect(request), long(request, 40));
        let resource = self.resource(word(request, 48))?;
        let (width, height) = (resource.width, resource.height);
        let backing = resource.backing.as_ref().ok_or(ERR_UNSPEC)?;
        if !part.is_within(width, height) {
            return Err(ERR_INVALID_PARAMETER);
        }
        for (line, row) in part.rows(width).enumerate() {
            let mut bytes = vec![0; 4 * row.len()];
            read(bus, backing, offset + 4 * u64::from(width) * line as u64, &mut bytes)?;
            for (pixel, bytes) in resource.pixels[row].iter_mut().zip(bytes.as_chunks().0) {
                *pixel = u32::from_le_bytes(*bytes);
            }
        }
        Ok(OK_NODATA)
    }

    fn set_scanout(&mut self, request: &[u8]) -> Result<u32, u32> {
        sized(request, 24)?;
        let (part, scanout, id) = (rect(request), word(request, 40) as usize, word(request, 44));
        if scanout >= self.scanouts.len() {
            return Err(ERR_INVALID_SCANOUT_ID);
        }
        if id == 0 {
            let scanout = &mut self.scanouts[scanout];
            (scanout.resource, scanout.part, scanout.picture) = (0, None, None);
            return Ok(OK_NODATA);
        }
        let resource = self.resource(id)?;
        let large = part.width >= LEAST && part.height >= LEAST;
        if !large || !part.is_within(resource.width, resource.height) {
            return Err(ERR_INVALID_PARAMETER);
        }
        let scanout = &mut self.scanouts[scanout];
        (scanout.resource, scanout.part) = (id, Some(part));
        let Rect { width, height, .. } = part;
        if scanout.picture.as_ref().is_none_or(|picture| (picture.width, picture.height) != (width, height)) {
            let pixels = vec![NOTHING; width as usize * height as usize];
            scanout.picture = Some(Picture { width, height, pixels });
        }
        Ok(OK_NODATA)
    }

    fn flush(&mut self, request: &[u8]) -> Result<u32, u32> {
        sized(request, 24)?;
        let (part, id) = (rect(request), word(request, 40));
        let resource = self.resources.get(&id).ok_or(ERR_INVALID_RESOURCE_ID)?;
        if !part.is_within(resource.width, resource.height) {
            return Err(ERR_INVALID_PARAMETER);
        }
        for scanout in self.scanouts.iter_mut().filter(|scanout| scanout.resource == id) {
            let (Some(shown), Some(picture)) = (scanout.part, &mut scanout.picture) else { continue };
            for y in part.y..part.y + part.height {
                for x in part.x..part.x + part.width {
                    let (Some(to_x), Some(to_y)) = (x.checked_sub(shown.x), y.checked_sub(shown.y)) else {
                        continue;
                    };
                    if to_x < shown.width && to_y < shown.height {
                        let pixel = resource.pixels[(y * resource.width + x) as usize];
                        // What the format has no meaning for is not to be seen.
                        let mask = if resource.format == 2 { 0x00ff_ffff } else { u32::MAX };
                        picture.pixels[(to_y * picture.width + to_x) as usize] = pixel & mask;
                    }
                }
            }
        }
        Ok(OK_NODATA)
    }

    /// Does a command of the cursor queue.
    pub fn point(&mut self, request: &[u8]) {
        assert_eq!(request.len(), 56, "a cursor's command");
        let [scanout, x, y] = [24, 28, 32].map(|at| word(request, at));
        let [resource, hot_x, hot_y] = [40, 44, 48].map(|at| word(request, at));
        let picture = match self.resources.get(&resource) {
            Some(resource) => {
                assert_eq!(
                    (resource.width, resource.height, resource.format),
                    (64, 64, 1),
                    "a cursor's picture"
                );
                Some(resource.pixels.clone())
            }
            None => None,
        };
        let kind = word(request, 0);
        *self.done.entry(kind).or_default() += 1;
        let Some(scanout) = self.scanouts.get_mut(scanout as usize) else { return };
        match (kind, &mut scanout.pointer) {
            (0x300, _) => {
                scanout.pointer = Some(Pointer { at: (x, y), hot: (hot_x, hot_y), pixels: picture })
            }
            (0x301, Some(pointer)) => {
                pointer.at = (x, y);
                // As QEMU has it: moved without a picture, it is hidden.
                pointer.pixels = pointer.pixels.take().filter(|_| resource != 0);
            }
            _ => {}
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

fn rect(bytes: &[u8]) -> Rect {
    Rect { x: word(bytes, 24), y: word(bytes, 28), width: word(bytes, 32), height: word(bytes, 36) }
}

/// A command is as long as it is specified to be.
fn sized(request: &[u8], after_header: usize) -> Result<(), u32> {
    if request.len() == HEADER + after_header { Ok(()) } else { Err(ERR_INVALID_PARAMETER) }
}

/// Reads from memory that is in pieces. Where nothing is mapped any more, the fault is on record.
fn read(bus: &Bus, backing: &[(u64, u32)], offset: u64, to: &mut [u8]) -> Result<(), u32> {
    let (mut skip, mut left) = (offset, to);
    for &(at, len) in backing {
        let Some(here) = u64::from(len).checked_sub(skip).filter(|&here| here > 0) else {
            skip -= u64::from(len);
            continue;
        };
        let (now, later) = left.split_at_mut((here as usize).min(left.len()));
        bus.dma_read(Iova(at + skip), now).map_err(|_| ERR_UNSPEC)?;
        (skip, left) = (0, later);
    }
    if left.is_empty() { Ok(()) } else { Err(ERR_INVALID_PARAMETER) }
}
